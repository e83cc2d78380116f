//! Configuration: what was written, with its place ([`RawConfig`]), becomes what it means
//! ([`Config`]), or a list of everything that is wrong with it.

mod model;

use std::ffi::OsString;

pub use self::model::{
    Admin, Assertion, Compression, Config, DangerousHttp, ForwardCredential, IdentityPreset,
    IssuerConfig, KeySource, Log, LogFormat, Route, Server, Tls, Upstream, UpstreamTls,
};
