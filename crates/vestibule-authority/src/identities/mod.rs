//! Everything that this installation vouches for itself, in one place: users, their logins, API keys,
//! tickets, sessions, access tokens of its own, and what is revoked.
//!
//! The parts can be used alone; what takes more than one of them is done here, in the order that
//! leaves nothing open if the process dies in between:
//!
//! - [`Identities::check`] asks about revocations last, when everything else has been waited for.
//! - [`Identities::mint`] makes no token of what is revoked: else a stolen credential would be
//!   exchanged for one that nobody has revoked. Nor does it make one for another issuer's principal.
//! - [`Identities::refresh`] gives what the user may do now, not at the login.
//! - What ends for good (a session, an API key, a user) ends in the store first, and is then revoked
//!   for as long as what was made of it can live: tokens, tickets, connections. What was interrupted
//!   in between is put right by doing it again.
//!
//! [`Identities::tend`] must run beside.

mod ending;
pub(crate) mod exchange;
mod passkeys;
mod people;

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tracing::warn;
use vestibule_core::{
    authn::{Credential, Mechanism, Principal, Secret, Verified},
    rejection::Rejection,
    time::UnixTime,
};
use vestibule_verify::Refused;

pub use self::people::{Continued, LoggedIn, PersonError};
use crate::{
    api_keys::ApiKeys,
    attempts::AttemptPolicy,
    door::Door,
    limits,
    public_keys::PublicKeys,
    revocation::Revocations,
    sessions::{Granted, SessionPolicy, Sessions},
    store::{Store, StoreError},
    tickets::{TicketPolicy, Tickets},
    tokens::{AccessToken, AccessTokens, MintError, TokenPolicy},
    users::{PasswordHasher, Scram, Users},
    webauthn::{PasskeyPolicy, Passkeys},
};

/// How all of them last, and who they are of.
#[derive(Clone, Debug)]
pub struct IdentityPolicy {
    /// Access tokens of our own; their issuer is that of API keys, too.
    pub tokens: TokenPolicy,
    /// Logins and resume tokens.
    pub sessions: SessionPolicy,
    /// Tickets.
    pub tickets: TicketPolicy,
    /// Attempts to log in.
    pub attempts: AttemptPolicy,
    /// Passkeys; without it there are none.
    pub passkeys: Option<PasskeyPolicy>,
}

/// See the module.
#[derive(Debug)]
pub struct Identities {
    /// Where it is all kept.
    pub store: Arc<dyn Store>,
    /// What is revoked.
    pub revocations: Arc<Revocations>,
    /// Tickets.
    pub tickets: Tickets,
    /// Logins and resume tokens.
    pub sessions: Sessions,
    /// API keys.
    pub api_keys: ApiKeys,
    /// Public keys of users.
    pub public_keys: PublicKeys,
    /// Passkeys of users.
    pub passkeys: Passkeys,
    /// Passwords that do not travel.
    scram: Scram,
    /// Access tokens of our own.
    pub tokens: Arc<AccessTokens>,
    /// Users, and how they log in.
    pub users: Arc<Users>,
    lives: Lives,
}

/// How long what is handed out lives, at most.
#[derive(Clone, Copy, Debug)]
struct Lives {
    /// Access tokens and tickets: nothing else is made of a session that has ended.
    token: Duration,
    /// Sessions of any kind: they begin by other credentials, and go on when these are over.
    session: Duration,
}

impl Identities {
    /// Reads what is revoked and the keys; makes keys where there are none. Nobody may be let in
    /// before.
    pub async fn open(
        store: Arc<dyn Store>,
        hasher: Arc<PasswordHasher>,
        policy: IdentityPolicy,
        now: UnixTime,
    ) -> Result<Arc<Self>, StoreError> {
        let IdentityPolicy { tokens, sessions, tickets, attempts, passkeys } = policy;
        let lives = Lives {
            token: tokens.lifetime.max(tickets.lifetime),
            session: sessions.login_lifetime.max(sessions.resume_lifetime),
        };
        let issuer = Arc::clone(&tokens.issuer);
        let shared = || Arc::clone(&store);
        let users = Arc::new(Users::with(shared(), hasher, attempts));
        let login_lifetime = sessions.login_lifetime;
        let holders: Arc<Users> = Arc::clone(&users);
        let signers: Arc<Users> = Arc::clone(&users);
        let public_keys = PublicKeys::new(shared(), signers, Arc::clone(&issuer), login_lifetime);
        let people: Arc<Users> = Arc::clone(&users);
        let known_as = (Arc::clone(&issuer), login_lifetime);
        let passkeys = Passkeys::new(shared(), people, known_as, passkeys);
        Ok(Arc::new(Self {
            revocations: Revocations::open(shared(), now).await?,
            tickets: Tickets::new(shared(), tickets),
            sessions: Sessions::new(shared(), sessions),
            public_keys,
            passkeys,
            api_keys: ApiKeys::new(shared(), holders, issuer),
            tokens: AccessTokens::open(shared(), tokens, now).await?,
            scram: Scram::open(&*store, login_lifetime, now).await?,
            users,
            lives,
            store,
        }))
    }

    /// Whose a ticket, a session token or an API key is. Tokens of issuers, our own included, are for
    /// [`Authority`](crate::Authority).
    ///
    /// A wrong yes lets a stranger in. What the store cannot answer is
    /// [`Rejection::Unavailable`], never yes.
    pub async fn check(
        &self,
        credential: &Credential,
        door: &Door<'_>,
        now: UnixTime,
    ) -> Result<Verified, Refused> {
        let Credential { mechanism, secret, proof: _ } = credential;
        let verified = match mechanism {
            Mechanism::Ticket => self.tickets.redeem(secret, door, now).await,
            Mechanism::Session => self.sessions.check(secret, door, now).await,
            Mechanism::ApiKey => self.api_keys.check(secret, door, now).await,
            Mechanism::PublicKey
            | Mechanism::ScramSha256
            | Mechanism::ScramSha256Plus
            | Mechanism::Webauthn => {
                let reason = "a mechanism that asks back";
                Err(Refused::new(Rejection::MechanismNotAllowed, reason))
            }
            Mechanism::Bearer | Mechanism::Dpop | Mechanism::OauthBearer => {
                let reason = "a token of an issuer is not ours to check";
                Err(Refused::new(Rejection::MechanismNotAllowed, reason))
            }
            Mechanism::External => {
                let reason = "a certificate is not kept";
                Err(Refused::new(Rejection::MechanismNotAllowed, reason))
            }
        }?;
        self.unless_revoked(verified.principal())?;
        Ok(verified)
    }

    /// Like [`Identities::check`] for a session token, and replaces it: see [`Sessions::rotate`].
    pub async fn rotate(
        &self,
        presented: &Secret,
        door: &Door<'_>,
        now: UnixTime,
    ) -> Result<(Verified, Granted), Refused> {
        // First, so that whoever is revoked does not replace anything.
        let verified = self.sessions.check(presented, door, now).await?;
        self.unless_revoked(verified.principal())?;
        let (verified, granted) = self.sessions.rotate(presented, door, now).await?;
        self.unless_revoked(verified.principal())?;
        Ok((verified, granted))
    }

    /// Makes an access token for somebody who has just been checked. Not for who is revoked, and not
    /// for principals of another issuer: in a token of ours they would become users of the same name.
    pub fn mint(&self, principal: &Principal, now: UnixTime) -> Result<AccessToken, Refused> {
        if principal.issuer != self.tokens.policy().issuer {
            return Err(Refused::new(Rejection::TokenIssuer, "not a principal of our own"));
        }
        self.unless_revoked(principal)?;
        let after = self.revocations.covering(principal);
        self.tokens.mint(principal, after, now).map_err(|error| {
            let rejection = match &error {
                MintError::Over => Rejection::TokenExpired,
                MintError::Scope | MintError::Fault(_) => Rejection::Internal,
            };
            Refused::new(rejection, error.to_string())
        })
    }

    fn unless_revoked(&self, principal: &Principal) -> Result<(), Refused> {
        if self.revocations.covers(principal) {
            return Err(Refused::new(Rejection::TokenRevoked, "genuine, and revoked"));
        }
        Ok(())
    }

    /// Follows what other nodes revoke, and replaces signing keys in time. Never ends; belongs into
    /// one task.
    pub async fn tend(self: Arc<Self>, wall: impl Fn() -> UnixTime) {
        tokio::join!(Arc::clone(&self.revocations).follow(&wall), self.tend_keys(&wall));
    }

    async fn tend_keys(&self, wall: &impl Fn() -> UnixTime) {
        loop {
            sleep(limits::KEYS_TENDED).await;
            if let Err(error) = self.tokens.rotate_if_due(wall()).await {
                warn!(cause = %error, "the signing keys could not be looked after");
            }
        }
    }
}

fn unavailable(error: &StoreError) -> Refused {
    Refused::new(Rejection::Unavailable, error.to_string())
}

#[cfg(test)]
mod tests;
