//! What a credential that answers, and the server it answers to, still have to show.

use core::mem;

use vestibule_client::{
    Credential,
    auth::{Answer, Answering, Unanswered},
    handshake::Handshake,
    machine::{Demand, Expected},
};

/// What is still to be shown, before what the server accepts counts.
#[derive(Debug)]
pub(super) enum Proving {
    /// Nothing: the credential is a token.
    Nothing,
    /// The challenge is to come.
    Begun(Credential),
    /// It has come.
    Asked,
    /// It is answered; this is what the server has to say to that.
    Answered(Option<Expected>),
}

impl Proving {
    /// The answer to a challenge; `None` where nobody has one. Each credential has one.
    pub(super) fn challenged(
        &mut self,
        demand: &Demand,
        handshake: &Handshake,
        exporter: Option<[u8; 32]>,
    ) -> Option<Answering> {
        match mem::replace(self, Self::Asked) {
            Self::Begun(credential) => {
                Some(credential.respond(demand.clone(), handshake, exporter))
            }
            Self::Nothing | Self::Asked | Self::Answered(_) => None,
        }
    }

    /// Whether the server may be believed that it has accepted.
    pub(super) fn is_done(&self, message: Option<&str>) -> bool {
        match self {
            Self::Nothing | Self::Answered(None) => true,
            Self::Answered(Some(expected)) => expected.is(message),
            Self::Begun(_) | Self::Asked => false,
        }
    }
}

/// The answer, where there will be one.
pub(super) async fn answered(answering: &mut Option<Answering>) -> Result<Answer, Unanswered> {
    match answering {
        Some(answering) => answering.await,
        None => core::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use vestibule_client::handshake::Address;

    use super::*;

    #[tokio::test]
    async fn who_skips_the_challenge_or_says_something_else_is_not_believed() {
        let handshake = Handshake::to(Address::parse("ws://localhost/").unwrap());
        let demand = Demand::Message("r=x".to_owned());
        assert!(Proving::Nothing.challenged(&demand, &handshake, None).is_none());
        let mut proving = Proving::Begun(Credential::scram("alice", "pencil").unwrap());
        assert!(!proving.is_done(None) && !proving.is_done(Some("v=x")));
        let answering = proving.challenged(&demand, &handshake, None).unwrap();
        assert!(matches!(answering.await, Err(Unanswered::Server(_))));
        assert!(!proving.is_done(None));
        assert!(proving.challenged(&demand, &handshake, None).is_none(), "each is answered once");
        let proving = Proving::Answered(Some(Expected::new("v=x")));
        assert!(proving.is_done(Some("v=x")));
        for other in [None, Some(""), Some("v=y"), Some("v=x,")] {
            assert!(!proving.is_done(other), "{other:?}");
        }
    }
}
