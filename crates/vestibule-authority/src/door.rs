//! Where a credential of the gateway's own is presented.

use std::{net::IpAddr, sync::Arc};

use vestibule_core::policy::origin::Transport;
use vestibule_verify::scram::TlsExporter;

/// Where a credential is presented, for those that are not good everywhere.
#[derive(Clone, Copy, Debug)]
pub struct Door<'a> {
    /// The name of the route.
    pub route: &'a str,
    /// The page that opened the socket, where the client is a browser.
    pub origin: Option<&'a str>,
    /// Whose principals the route takes, as [`Principal::issuer`] names them. With none it takes
    /// nobody: a session that began under another configuration does not reach past the present one.
    ///
    /// [`Principal::issuer`]: vestibule_core::authn::Principal::issuer
    pub issuers: &'a [Arc<str>],
}

/// Where a connection stands that is asked back: what a client signs together with the nonce, so that
/// a signature that was obtained elsewhere is worth nothing here.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Over what.
    pub transport: Transport,
    /// The host that was asked for, in lower case, with the port where one was written.
    pub host: &'a str,
    /// The path, without query.
    pub path: &'a str,
    /// The page that opened the socket, as it calls itself, where the client is a browser.
    pub origin: Option<&'a str>,
    /// The client's own address.
    pub peer: IpAddr,
    /// What binds an exchange to the connection, where `scram-sha-256-plus` is offered on it. Something
    /// that is not the connection's own lets an exchange be relayed; a `None` where it was offered
    /// lets a downgrade pass.
    pub exporter: Option<TlsExporter>,
}

impl Door<'_> {
    /// Whether principals of that issuer may come in here.
    pub(crate) fn takes(&self, issuer: &str) -> bool {
        self.issuers.iter().any(|allowed| **allowed == *issuer)
    }
}
