//! The end of the line: somebody may come in.

use std::sync::Arc;

use super::{InBand, is_told};
use crate::{
    authn::{ConnectionId, Principal, Verified},
    policy::{Carrier, RoutePolicy, origin::OriginAllowed},
    session::Lease,
    time::Mono,
};

/// The only thing that opens a session.
#[derive(Debug)]
pub struct Admission {
    pub(crate) id: ConnectionId,
    pub(crate) verified: Verified,
    pub(crate) lease: Lease,
    pub(crate) in_band: InBand,
    pub(crate) proof: Option<Box<str>>,
    pub(super) carrier: Carrier,
    pub(super) origin: OriginAllowed,
    pub(super) data: Option<Box<[u8]>>,
}

impl Admission {
    /// Who is let in.
    pub fn principal(&self) -> &Principal {
        self.verified.principal()
    }

    /// The same admission, as part of a session that was opened for it. A principal that belongs to
    /// a session already stays in that one, so that ending it ends both.
    #[must_use]
    pub fn in_session(self, session: &str) -> Self {
        if self.principal().session.is_some() {
            return self;
        }
        let principal = Principal { session: Some(session.into()), ..self.principal().clone() };
        Self { verified: Verified::assertion(Arc::new(principal)), ..self }
    }

    /// Where the credential came from.
    pub fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// What came with the credential, for the upstream: where each message carries its own.
    pub fn data(&self) -> Option<&[u8]> {
        self.data.as_deref()
    }

    /// Whether the client will be told that it was accepted, and of a session token with it.
    pub fn is_told(&self, policy: &RoutePolicy) -> bool {
        is_told(self.carrier, policy)
    }

    /// The page behind it, as it was judged.
    pub fn origin(&self) -> &OriginAllowed {
        &self.origin
    }

    /// When the lease ends.
    pub fn lease_ends(&self) -> Mono {
        self.lease.ends()
    }
}
