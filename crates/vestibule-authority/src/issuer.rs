//! What is configured about an issuer.

use std::{path::PathBuf, sync::Arc};

use vestibule_verify::jwt::Expectations;

use crate::{fetch::FetchPolicy, held::HeldKeys, introspection::Introspection};

/// Somebody whose tokens count.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// What logs, metrics and messages call it.
    pub name: Arc<str>,
    /// Where its keys are.
    pub source: KeySource,
    /// What its tokens must look like. Where `issuer` is `None`, every token is tried with its keys.
    pub expectations: Expectations,
}

/// Where the keys of an issuer are; or that it is asked instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A JWK set (RFC 7517) in a file of the operator's; may hold shared secrets.
    JwksFile(PathBuf),
    /// A secret for HMAC in a file: its bytes, less one newline at the end.
    SecretFile(PathBuf),
    /// A JWK set at an address.
    JwksUrl {
        /// Where: `https`, or `http` to this host or where that was allowed.
        url: Box<str>,
        /// How.
        fetch: FetchPolicy,
    },
    /// A JWK set at the address that the issuer's metadata name (OpenID Connect Discovery 1.0
    /// section 4, else RFC 8414 section 3).
    Discovery {
        /// Whose metadata; the `iss` that is expected of tokens, to the byte.
        issuer: Arc<str>,
        /// How metadata and keys are fetched.
        fetch: FetchPolicy,
    },
    /// No keys: the issuer is asked about each token (RFC 7662). Which words of the expectations count
    /// for that, and how, is said at [`vestibule_verify::introspection`].
    Introspection(Box<Introspection>),
    /// The keys that this process signs access tokens with.
    Held(HeldKeys),
}

impl KeySource {
    /// The word of the configuration for it; `local` for what is not configured.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::JwksFile(_) => "jwks_file",
            Self::SecretFile(_) => "secret_file",
            Self::JwksUrl { .. } => "jwks_url",
            Self::Discovery { .. } => "discovery",
            Self::Introspection(_) => "introspection",
            Self::Held(_) => "local",
        }
    }
}
