//! Where a credential of the gateway's own is presented.

use std::sync::Arc;

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

impl Door<'_> {
    /// Whether principals of that issuer may come in here.
    pub(crate) fn takes(&self, issuer: &str) -> bool {
        self.issuers.iter().any(|allowed| **allowed == *issuer)
    }
}
