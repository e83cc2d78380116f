//! Everything that this installation vouches for itself, in one place: tickets, sessions, API keys,
//! access tokens of its own, and what is revoked.
//!
//! The parts can be used alone; what takes more than one of them is done here, in the order that
//! leaves nothing open if the process dies in between:
//!
//! - [`Identities::check`] asks about revocations last, when everything else has been waited for.
//! - [`Identities::mint`] makes no token of what is revoked: else a stolen credential would be
//!   exchanged for one that nobody has revoked.
//! - [`Identities::refresh`] gives what the user may do now, not at the login.
//! - What ends for good ([`Identities::log_out`], [`Identities::revoke`],
//!   [`Identities::remove_api_key`]) ends in the store first, and is then revoked for as long as what
//!   was made of it can live: tokens, tickets, connections.
//!
//! [`Identities::tend`] must run beside.

mod ending;

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tracing::warn;
use vestibule_core::{
    authn::{Credential, Mechanism, Principal, Secret, Verified},
    rejection::Rejection,
    time::UnixTime,
};
use vestibule_verify::Refused;

use self::ending::because;
use crate::{
    api_keys::{ApiKeys, Holder, Holders},
    door::Door,
    limits,
    revocation::{Named, Revocations},
    sessions::{Granted, RefreshError, Refreshed, SessionPolicy, Sessions},
    store::{Store, StoreError},
    tickets::{TicketPolicy, Tickets},
    tokens::{AccessToken, AccessTokens, MintError, TokenPolicy},
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
    /// Access tokens of our own.
    pub tokens: Arc<AccessTokens>,
    holders: Arc<dyn Holders>,
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

/// A login that goes on, and what is handed out for it.
#[derive(Clone, Debug)]
pub struct Continued {
    /// Who it is, with what they may do now.
    pub principal: Principal,
    /// The next access token.
    pub access: AccessToken,
    /// The next refresh token; the one presented is spent.
    pub refresh: Secret,
}

impl Identities {
    /// Reads what is revoked and the keys; makes keys where there are none. Nobody may be let in
    /// before.
    pub async fn open(
        store: Arc<dyn Store>,
        holders: Arc<dyn Holders>,
        policy: IdentityPolicy,
        now: UnixTime,
    ) -> Result<Arc<Self>, StoreError> {
        let IdentityPolicy { tokens, sessions, tickets } = policy;
        let lives = Lives {
            token: tokens.lifetime.max(tickets.lifetime),
            session: sessions.login_lifetime.max(sessions.resume_lifetime),
        };
        let issuer = Arc::clone(&tokens.issuer);
        let shared = || Arc::clone(&store);
        Ok(Arc::new(Self {
            revocations: Revocations::open(shared(), now).await?,
            tickets: Tickets::new(shared(), tickets),
            sessions: Sessions::new(shared(), sessions),
            api_keys: ApiKeys::new(shared(), Arc::clone(&holders), issuer),
            tokens: AccessTokens::open(shared(), tokens, now).await?,
            holders,
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
        let Credential { mechanism, secret } = credential;
        let verified = match mechanism {
            Mechanism::Ticket => self.tickets.redeem(secret, door, now).await,
            Mechanism::Session => self.sessions.check(secret, door, now).await,
            Mechanism::ApiKey => self.api_keys.check(secret, door, now).await,
            Mechanism::Bearer => {
                let reason = "a token of an issuer is not ours to check";
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

    /// Makes an access token for somebody who has just been checked. Not for who is revoked.
    pub fn mint(&self, principal: &Principal, now: UnixTime) -> Result<AccessToken, Refused> {
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

    /// Goes on with a login: exchanges the refresh token, and makes an access token with what the
    /// user may do now. A token that was used before ends the login and revokes its tokens.
    ///
    /// The same refusal for a token that is none, that was used before, and whose user is gone.
    pub async fn refresh(&self, presented: &Secret, now: UnixTime) -> Result<Continued, Refused> {
        let refused = |reason: String| Refused::new(Rejection::SessionUnknown, reason);
        let Refreshed { principal, refresh } = match self.sessions.refresh(presented, now).await {
            Ok(refreshed) => refreshed,
            Err(error @ (RefreshError::Invalid | RefreshError::Overtaken)) => {
                return Err(refused(error.to_string()));
            }
            Err(RefreshError::Reused { session }) => {
                let new = because(Named::Session(session), "gateway", "a refresh token was reused");
                self.revoke(new, now)
                    .await
                    .map_err(|error| Refused::new(Rejection::Unavailable, error.to_string()))?;
                return Err(refused("the refresh token was used before".to_owned()));
            }
            Err(RefreshError::Store(error)) => return Err(unavailable(&error)),
        };
        let principal = self.as_of_now(principal, now).await?;
        let access = self.mint(&principal, now)?;
        Ok(Continued { principal, access, refresh })
    }

    /// Makes an access token for a session that was just checked, with what the user may do now.
    pub async fn continued(
        &self,
        principal: &Principal,
        now: UnixTime,
    ) -> Result<AccessToken, Refused> {
        let principal = self.as_of_now(principal.clone(), now).await?;
        self.mint(&principal, now)
    }

    /// A principal of our own with what the user may do now; refused where the user is no more.
    /// Principals of other issuers stay as they are: nobody here knows them.
    async fn as_of_now(&self, principal: Principal, now: UnixTime) -> Result<Principal, Refused> {
        if principal.issuer != self.tokens.policy().issuer {
            return Ok(principal);
        }
        let holder = self.holders.holder(&principal.subject, now).await;
        let gone = |reason: &str| Refused::new(Rejection::SessionUnknown, reason);
        let Holder { since, scopes, groups, email, name } = holder
            .map_err(|error| unavailable(&error))?
            .ok_or_else(|| gone("the user may not come in any more"))?;
        if principal.issued.is_none_or(|issued| issued < since) {
            return Err(gone("the login is of an earlier user of this name"));
        }
        Ok(Principal { scopes, groups, email, name, ..principal })
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
