//! Who is asking: what the client presents, the question that is put about it, and the answer.

pub mod credential;
pub mod message;
pub mod principal;

use core::num::NonZeroU64;

pub use credential::{Credential, Mechanism, Secret};
pub use principal::{Principal, Verified};

use crate::rejection::Rejection;

/// Names one connection for as long as the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub NonZeroU64);

/// "Is this credential genuine, and whose is it?" Spent by [`Question::answer`].
#[derive(Debug)]
#[must_use = "an unanswered question leaves its connection waiting"]
pub struct Question {
    asker: ConnectionId,
    credential: Credential,
}

impl Question {
    pub(crate) fn new(asker: ConnectionId, credential: Credential) -> Self {
        Self { asker, credential }
    }

    /// What was presented.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Spends the question; the verdict opens only the connection that asked.
    pub fn answer(self, result: Result<Verified, Rejection>) -> Verdict {
        Verdict { asker: self.asker, result }
    }
}

/// Whether a revocation covers a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// None does.
    No,
    /// One does: nothing that rests on the principal may live.
    Yes,
}

/// The answer to one [`Question`].
#[derive(Debug)]
#[must_use = "a verdict that is dropped admits nobody"]
pub struct Verdict {
    asker: ConnectionId,
    result: Result<Verified, Rejection>,
}

impl Verdict {
    /// The same, unless its principal was revoked since the question was put. Whoever keeps a list
    /// of revocations calls this last, where nothing can come between it and the verdict's use: a
    /// verdict that waited would else let in somebody who was thrown out meanwhile.
    pub fn unless_revoked(self, is_revoked: impl FnOnce(&Principal) -> Revoked) -> Self {
        let Self { asker, result } = self;
        let result = result.and_then(|verified| match is_revoked(verified.principal()) {
            Revoked::No => Ok(verified),
            Revoked::Yes => Err(Rejection::TokenRevoked),
        });
        Self { asker, result }
    }

    /// The result, for the connection that asked; `None` for any other.
    pub fn for_asker(self, id: ConnectionId) -> Option<Result<Verified, Rejection>> {
        (self.asker == id).then_some(self.result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::tests::verified;

    #[test]
    fn a_verdict_that_was_overtaken_by_a_revocation_lets_nobody_in() {
        let id = ConnectionId(NonZeroU64::MIN);
        let good = || Ok(verified("alice", 600));
        let judged = |result: Result<Verified, Rejection>, revoked| {
            let verdict = Question::new(id, Credential::bearer("t")).answer(result);
            let said = verdict.unless_revoked(|_| revoked).for_asker(id);
            said.map(|said| said.map(|verified| verified.principal().subject.to_string()))
        };
        assert_eq!(judged(good(), Revoked::No), Some(Ok("alice".to_owned())));
        assert_eq!(judged(good(), Revoked::Yes), Some(Err(Rejection::TokenRevoked)));
        let forged = || Err(Rejection::TokenSignature);
        assert_eq!(judged(forged(), Revoked::Yes), Some(Err(Rejection::TokenSignature)));
    }
}
