//! Who is asking: what the client presents, the question that is put about it, and the answer.

pub mod credential;
pub mod envelope;
pub mod exchange;
mod member;
pub mod message;
pub mod methods;
pub mod principal;

use core::num::NonZeroU64;

pub use credential::{Credential, Judge, Mechanism, Proof, Secret};
pub use envelope::Envelope;
pub use exchange::{Answerer, Challenge, Demand, Exchange, Response};
pub use principal::{Principal, Verified};

use crate::rejection::Rejection;

/// Names one connection for as long as the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub NonZeroU64);

/// "Is this genuine, and whose is it?" Spent by [`Question::answer`].
#[derive(Debug)]
#[must_use = "an unanswered question leaves its connection waiting"]
pub struct Question {
    asker: Asker,
    asked: Asked,
}

/// What a question is about.
#[derive(Debug)]
pub enum Asked {
    /// A credential, or the beginning of an exchange.
    Credential(Credential),
    /// The response to the challenge of this connection.
    Response(Exchange, Response),
}

/// The connection that asked. Only it is opened by what is answered.
#[derive(Debug)]
#[must_use = "an unanswered question leaves its connection waiting"]
pub struct Asker(ConnectionId);

impl Question {
    pub(crate) fn new(asker: ConnectionId, credential: Credential) -> Self {
        Self { asker: Asker(asker), asked: Asked::Credential(credential) }
    }

    pub(crate) fn of_response(asker: ConnectionId, exchange: Exchange, response: Response) -> Self {
        Self { asker: Asker(asker), asked: Asked::Response(exchange, response) }
    }

    /// What is asked about.
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// Who asked, and what: an exchange can only be looked into by whoever takes it.
    pub fn split(self) -> (Asker, Asked) {
        (self.asker, self.asked)
    }

    /// Spends the question; the verdict opens only the connection that asked.
    pub fn answer(self, result: Result<Verified, Rejection>) -> Verdict {
        self.asker.answer(result.map(Finding::from))
    }
}

impl Asker {
    /// The verdict for this connection.
    pub fn answer(self, result: Result<Finding, Rejection>) -> Verdict {
        Verdict { asker: self.0, result }
    }
}

/// What was found out about a credential that is not refused.
#[derive(Debug)]
pub enum Finding {
    /// It is genuine; and what proves to the client that this is the server which knows it.
    Genuine(Verified, Option<Box<str>>),
    /// Nothing yet: the client is to answer this.
    Challenged(Challenge),
}

impl From<Verified> for Finding {
    fn from(verified: Verified) -> Self {
        Self::Genuine(verified, None)
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
    result: Result<Finding, Rejection>,
}

impl Verdict {
    /// The same, unless its principal was revoked since the question was put. Whoever keeps a list
    /// of revocations calls this last, where nothing can come between it and the verdict's use: a
    /// verdict that waited would else let in somebody who was thrown out meanwhile.
    pub fn unless_revoked(self, is_revoked: impl FnOnce(&Principal) -> Revoked) -> Self {
        let Self { asker, result } = self;
        let result = match result {
            Ok(Finding::Genuine(verified, proof)) => match is_revoked(verified.principal()) {
                Revoked::No => Ok(Finding::Genuine(verified, proof)),
                Revoked::Yes => Err(Rejection::TokenRevoked),
            },
            // Of nobody yet: the response will be asked about.
            Ok(finding @ Finding::Challenged(_)) => Ok(finding),
            Err(rejection) => Err(rejection),
        };
        Self { asker, result }
    }

    /// The result, for the connection that asked; `None` for any other.
    pub fn for_asker(self, id: ConnectionId) -> Option<Result<Finding, Rejection>> {
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
            said.map(|said| {
                said.map(|finding| match finding {
                    Finding::Genuine(verified, _) => verified.principal().subject.to_string(),
                    Finding::Challenged(_) => "challenged".to_owned(),
                })
            })
        };
        assert_eq!(judged(good(), Revoked::No), Some(Ok("alice".to_owned())));
        assert_eq!(judged(good(), Revoked::Yes), Some(Err(Rejection::TokenRevoked)));
        let forged = || Err(Rejection::TokenSignature);
        assert_eq!(judged(forged(), Revoked::Yes), Some(Err(Rejection::TokenSignature)));
    }
}
