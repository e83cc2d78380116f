//! Which connections are meant.

use std::time::Duration;

use ipnet::IpNet;
use vestibule_core::{authn::Mechanism, time::UnixTime};

use super::{ConnectionName, Details};

/// What a connection must be; nothing fits all. Texts are compared as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this subject.
    pub subject: Option<Box<str>>,
    /// Of this issuer (`iss`).
    pub issuer: Option<Box<str>>,
    /// Of this session.
    pub session: Option<Box<str>>,
    /// By the route of this path.
    pub route: Option<Box<str>>,
    /// Authenticated in this way.
    pub mechanism: Option<Mechanism>,
    /// From an address of this block.
    pub address: Option<IpNet>,
    /// Open for at least this long.
    pub older_than: Option<Duration>,
    /// Open for less than this.
    pub younger_than: Option<Duration>,
}

impl Filter {
    /// Whether it fits every connection.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it fits this one.
    pub fn fits(&self, details: &Details, now: UnixTime) -> bool {
        let Self { subject, issuer, session, route, mechanism, address, older_than, younger_than } =
            self;
        let principal = &details.principal;
        let age = details.since.until(now);
        let is = |wanted: &Option<Box<str>>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        is(subject, Some(&principal.subject))
            && is(issuer, Some(&principal.issuer))
            && is(session, principal.session.as_deref())
            && is(route, Some(details.route.name()))
            && mechanism.is_none_or(|wanted| wanted == principal.mechanism)
            && address.is_none_or(|net| net.contains(&details.peer.to_canonical()))
            && older_than.is_none_or(|span| age >= span)
            && younger_than.is_none_or(|span| age < span)
    }
}

/// Which of those that fit are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Those that came after this one.
    pub after: Option<ConnectionName>,
    /// So many at the most.
    pub limit: usize,
}
