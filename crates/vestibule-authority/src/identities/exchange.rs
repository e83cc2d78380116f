//! Challenge and response: who asks back, and who judges the answer.

use std::net::IpAddr;

use vestibule_core::{
    authn::{Challenge, Credential, Exchange, Finding, Mechanism, Response},
    rejection::Rejection,
    time::UnixTime,
};
use vestibule_verify::Refused;

use super::Identities;
use crate::{
    door::{Door, Scene},
    public_keys,
    users::PendingScram,
    webauthn,
};

/// What is kept until the response.
#[derive(Debug)]
pub(crate) enum Pending {
    PublicKey(public_keys::Pending),
    Scram(PendingScram),
    Webauthn(webauthn::Pending),
}

impl Identities {
    /// Begins an exchange: what the client is to answer. The same for whoever is known and whoever
    /// is not.
    pub async fn challenge(
        &self,
        credential: &Credential,
        scene: &Scene<'_>,
        now: UnixTime,
    ) -> Result<Challenge, Refused> {
        match credential.mechanism {
            Mechanism::PublicKey => self.public_keys.challenge(&credential.secret, scene),
            Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => {
                self.scram.challenge(&self.users, credential, scene, now).await
            }
            Mechanism::Webauthn => self.passkeys.challenge(&credential.secret),
            Mechanism::Dpop => {
                let reason = "nobody here asks so";
                Err(Refused::new(Rejection::MechanismNotAllowed, reason))
            }
            Mechanism::Bearer
            | Mechanism::Ticket
            | Mechanism::Session
            | Mechanism::ApiKey
            | Mechanism::External
            | Mechanism::OauthBearer => {
                let reason = "it proves itself";
                Err(Refused::new(Rejection::MechanismNotAllowed, reason))
            }
        }
    }

    /// Judges a response, and spends the exchange.
    ///
    /// A wrong yes lets a stranger in. What the store cannot answer is
    /// [`Rejection::Unavailable`], never yes.
    pub async fn respond(
        &self,
        exchange: Exchange,
        response: &Response,
        (door, peer): (&Door<'_>, IpAddr),
        now: UnixTime,
    ) -> Result<Finding, Refused> {
        let pending = exchange.into_state();
        let pending = pending
            .ok_or_else(|| Refused::new(Rejection::Internal, "an exchange of somebody else"))?;
        let (verified, proof) = match pending {
            Pending::PublicKey(pending) => {
                let checked = self.public_keys.check(pending, response, (door, peer), now);
                (checked.await?, None)
            }
            Pending::Webauthn(pending) => {
                (self.passkeys.check(pending, response, door, now).await?, None)
            }
            Pending::Scram(pending) => {
                let issuer = &self.tokens.policy().issuer;
                let checked = self.scram.check(&self.users, pending, response, (door, issuer), now);
                let (verified, proof) = checked.await?;
                (verified, Some(proof))
            }
        };
        self.unless_revoked(verified.principal())?;
        Ok(Finding::Genuine(verified, proof))
    }
}
