//! Which credential a request for an endpoint brings, and whether the page behind it may bring it.

use vestibule_core::{
    authn::{Credential, Verified},
    policy::{Carrier, carrier::of_request},
    rejection::Rejection,
};

use super::{Visit, cors};
use crate::config::{LOGIN_COOKIE, Route};

impl Visit<'_> {
    /// What a request brings, and how, from a page that one of these routes allows. A cookie counts
    /// only where such a page is behind the request, and is on a list: a browser attaches it whoever
    /// asks, and a route for every page says of none that it may act for its visitor.
    pub(super) fn brought<'a>(
        &self,
        routes: impl IntoIterator<Item = &'a Route>,
        cookies: &[&str],
    ) -> Result<Option<(Carrier, Credential)>, Rejection> {
        let routes: Vec<&Route> = routes.into_iter().collect();
        cors::judge(routes.iter().copied(), self.head, self.forwarded)?;
        let brought = of_request(self.head, cookies)?;
        if let Some((Carrier::Cookie, _)) = brought
            && !cors::judge(listing(routes), self.head, self.forwarded)?.is_present()
        {
            return Err(Rejection::OriginNotAllowed);
        }
        Ok(brought)
    }

    /// The credential for a route: in a header, the login cookie, or the route's.
    pub(super) fn for_route(&self, route: &Route) -> Result<Credential, Rejection> {
        let brought = self.brought([route], &with_login(route.policy.cookie.as_deref()))?;
        brought.map(|(_, credential)| credential).ok_or(Rejection::CredentialRequired)
    }

    /// Whose credential this is, in a header or one of these cookies, where the request does not say
    /// for which route.
    pub(super) async fn known_anywhere(&self, cookies: &[&str]) -> Result<Verified, Rejection> {
        let brought = self.brought(self.routes(), cookies)?;
        let (_, credential) = brought.ok_or(Rejection::CredentialRequired)?;
        self.worker.verify_anywhere(&credential, &self.bringing()?).await
    }

    /// All cookies that may hold a credential.
    pub(super) fn every_cookie(&self) -> Vec<&str> {
        with_login(self.routes().filter_map(|route| route.policy.cookie.as_deref()))
    }
}

/// The routes that say which pages they are for.
pub(super) fn listing<'a>(
    routes: impl IntoIterator<Item = &'a Route>,
) -> impl Iterator<Item = &'a Route> {
    routes.into_iter().filter(|route| !route.policy.origins.is_open())
}

/// The login cookie and these, each once: two of one name could not be told apart.
fn with_login<'a>(others: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names = vec![LOGIN_COOKIE];
    for name in others {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
