//! How long a connection may stay authenticated without a refresh.

use core::time::Duration;

use crate::{
    authn::{Principal, Proof},
    policy::RoutePolicy,
    time::{Mono, Now},
};

/// A date on somebody's credential, turned once into a deadline on our own clock. A wall clock that
/// jumps later neither kills nor prolongs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// When `expiring` is due; `None` once it was said.
    warning: Option<Mono>,
    ends: Mono,
}

impl Lease {
    /// From the credential's end plus the route's grace; `None` where that has passed already. A
    /// certificate has no grace: that is the time to present something newer, and there is nothing
    /// newer on the same connection.
    pub fn granted(principal: &Principal, policy: &RoutePolicy, now: Now) -> Option<Self> {
        let grace = match principal.mechanism.proof() {
            Proof::Token | Proof::Response => policy.expiry_grace,
            Proof::Connection => Duration::ZERO,
        };
        let remaining = now.wall.until(principal.expires.after(grace));
        if remaining.is_zero() {
            return None;
        }
        let ends = now.mono.after(remaining);
        // Not in the first half: a client that refreshes when it is warned would do nothing else
        // where the warning comes with the lease.
        let half = now.mono.after(remaining / 2);
        let warning = ends.before(policy.expiry_warning).max(half);
        Some(Self { warning: Some(warning), ends })
    }

    /// The next moment at which something is due.
    pub fn deadline(self) -> Mono {
        self.warning.unwrap_or(self.ends)
    }

    /// When it ends.
    pub fn ends(self) -> Mono {
        self.ends
    }

    /// Whether it is over.
    pub fn is_over(self, now: Now) -> bool {
        now.mono >= self.ends
    }

    /// Whether `expiring` is due.
    pub fn is_warning_due(self, now: Now) -> bool {
        self.warning.is_some_and(|due| now.mono >= due)
    }

    /// The same lease, after `expiring` was said.
    #[must_use]
    pub fn warned(self) -> Self {
        Self { warning: None, ..self }
    }
}
