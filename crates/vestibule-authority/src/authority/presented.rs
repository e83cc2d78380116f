//! Tokens of issuers, as they are presented without a proof: alone, or in a message of SASL.

use std::sync::Arc;

use vestibule_core::{
    authn::{Credential, Mechanism, Principal, Secret, Verified},
    rejection::Rejection,
    time::UnixTime,
};
use vestibule_verify::{
    Refused,
    jwt::{Checked, Holder},
    oauthbearer::Initial,
};

/// What is presented.
pub(super) enum Presented<'c> {
    Token(&'c Secret),
    Message(Initial),
}

impl<'c> Presented<'c> {
    pub(super) fn of(credential: &'c Credential) -> Result<Self, Refused> {
        match credential.mechanism {
            Mechanism::Bearer => Ok(Self::Token(&credential.secret)),
            Mechanism::OauthBearer => Initial::parse(credential.secret.expose()).map(Self::Message),
            Mechanism::Dpop => {
                let reason = "a token that is bound to a key, and no proof";
                Err(Refused::new(Rejection::MechanismNotAllowed, reason))
            }
            Mechanism::Ticket
            | Mechanism::Session
            | Mechanism::ApiKey
            | Mechanism::PublicKey
            | Mechanism::ScramSha256
            | Mechanism::ScramSha256Plus
            | Mechanism::Webauthn
            | Mechanism::External => {
                let reason = format!("{} is not a token of an issuer", credential.mechanism.name());
                Err(Refused::new(Rejection::MechanismNotAllowed, reason))
            }
        }
    }

    /// What is to be examined.
    pub(super) fn token(&self) -> &Secret {
        match self {
            Self::Token(token) => token,
            Self::Message(message) => message.token(),
        }
    }

    /// Who is there, by what the token turned out to be, and what is shown beside it.
    pub(super) fn opens(
        &self,
        checked: Checked,
        holder: &Holder,
        now: UnixTime,
    ) -> Result<Verified, Refused> {
        let verified = checked.held_by(holder, now)?;
        match self {
            Self::Token(_) => Ok(verified),
            Self::Message(message) => {
                message.is_for(verified.principal())?;
                Ok(by(&verified, Mechanism::OauthBearer))
            }
        }
    }
}

/// The same, proven in another way than by the token alone.
pub(crate) fn by(verified: &Verified, mechanism: Mechanism) -> Verified {
    let principal = Principal { mechanism, ..Principal::clone(verified.principal()) };
    Verified::assertion(Arc::new(principal))
}
