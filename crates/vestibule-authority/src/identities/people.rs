//! Users: how they come in by a password, go on, and are shut out.

use std::net::IpAddr;

use vestibule_core::{
    authn::{Principal, Secret},
    rejection::Rejection,
    time::UnixTime,
};
use vestibule_verify::{Refused, password::Password};

use super::{Identities, ending::because, unavailable};
use crate::{
    revocation::{Named, NewRevocation, RevocationError},
    sessions::{Cookie, Login, RefreshError, Refreshed},
    store::StoreError,
    tokens::AccessToken,
    users::{LoginError, User, UserError, UserState},
};

/// A login that has begun, and what is handed out for it.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// The login: who it is, the refresh token, the cookie if it was wanted.
    pub login: Login,
    /// The first access token.
    pub access: AccessToken,
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

/// Why a user was not shut out, or not in all ways. Doing it again does the rest.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PersonError {
    /// The user was not changed.
    #[error(transparent)]
    User(#[from] UserError),
    /// What was issued to the user was not revoked.
    #[error(transparent)]
    Revocation(#[from] RevocationError),
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Identities {
    /// Lets a user in who knows the password, and begins a login.
    pub async fn log_in(
        &self,
        (name, password): (&str, &Secret),
        client: IpAddr,
        cookie: Cookie,
        now: UnixTime,
    ) -> Result<LoggedIn, LoginError> {
        let user = self.users.login(name, password, client, now).await?;
        let principal = user.principal(&self.tokens.policy().issuer, now);
        let login = self.sessions.begin(&principal, cookie, now).await?;
        // An operator who shuts the user out, or replaces the password, changes the user and then
        // ends what logins there are. Either this one was there, or the change is seen here.
        let after = self.users.get(name, now).await?;
        let is_same = |after: User| {
            after.state == user.state
                && (after.created, after.changed) == (user.created, user.changed)
        };
        if !after.is_some_and(is_same) {
            self.sessions.end(&login.session, now).await?;
            return Err(LoginError::Refused(Rejection::CredentialsInvalid));
        }
        let access = self.mint(&login.principal, now);
        let access = access.map_err(|refused| LoginError::Refused(refused.rejection))?;
        Ok(LoggedIn { login, access })
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

    /// Makes an access token for the session of a login that was just checked, with what the user may
    /// do now. Not for one that began with a credential of its own: whoever removes an API key, say,
    /// knows nothing of tokens that were made of it.
    pub async fn continued(
        &self,
        principal: &Principal,
        now: UnixTime,
    ) -> Result<AccessToken, Refused> {
        if principal.token_id.is_some() || principal.session.is_none() {
            return Err(Refused::new(Rejection::SessionUnknown, "not the session of a login"));
        }
        let principal = self.as_of_now(principal.clone(), now).await?;
        self.mint(&principal, now)
    }

    /// Shuts a user out: no login, no API key, and what was issued so far is revoked. API keys that
    /// were made so far stay revoked when the user is let in again: new ones take their place.
    pub async fn disable_user(
        &self,
        name: &str,
        by: &str,
        now: UnixTime,
    ) -> Result<User, PersonError> {
        let user = self.users.set_state(name, UserState::Disabled, now).await?;
        self.revoke(because(self.subject(name), by, "the user was disabled"), now).await?;
        Ok(user)
    }

    /// Removes a user, with sessions and API keys, and revokes what was issued.
    pub async fn remove_user(
        &self,
        name: &str,
        by: &str,
        now: UnixTime,
    ) -> Result<(), PersonError> {
        // The user goes last: while there is one, this can be done again.
        self.users.set_state(name, UserState::Disabled, now).await?;
        self.revoke(because(self.subject(name), by, "the user was removed"), now).await?;
        self.api_keys.remove_of(name, now).await?;
        self.public_keys.remove_of(name, now).await?;
        self.passkeys.remove_of(name, now).await?;
        Ok(self.users.remove(name, now).await?)
    }

    /// Replaces a user's password, and ends the logins that came by the one before. API keys stay.
    pub async fn set_password(
        &self,
        name: &str,
        password: &Secret,
        by: &str,
        now: UnixTime,
    ) -> Result<User, PersonError> {
        // What cannot be a password changes nothing.
        Password::prepare(password).map_err(UserError::BadPassword)?;
        // First, as with a public key: nobody can come by the old one any more, and this can be done
        // again. What somebody else set meanwhile is replaced as well, and revoked behind.
        let before = self.users.password_id(name, now).await?;
        self.revoke_password(before.clone(), by, now).await?;
        let (user, replaced) = self.users.replace_password(name, password, now).await?;
        if replaced != before {
            self.revoke_password(replaced, by, now).await?;
        }
        let issuer = &self.tokens.policy().issuer;
        for session in self.sessions.of_subject(issuer, name, now).await? {
            let new = because(Named::Session(session), by, "the password was replaced");
            self.revoke(new, now).await?;
        }
        Ok(user)
    }

    async fn revoke_password(
        &self,
        id: Option<Box<str>>,
        by: &str,
        now: UnixTime,
    ) -> Result<(), PersonError> {
        let Some(id) = id else { return Ok(()) };
        let issuer = Box::from(&*self.tokens.policy().issuer);
        let new = because(Named::Token { issuer, id }, by, "the password was replaced");
        let until = Some(now.after(self.lives.token));
        self.revoke(NewRevocation { until, ..new }, now).await?;
        Ok(())
    }

    fn subject(&self, name: &str) -> Named {
        let issuer = Some(Box::from(&*self.tokens.policy().issuer));
        Named::Subject { issuer, subject: name.into() }
    }

    /// A principal of our own with what the user may do now, or of that what the credential could
    /// that it came by; refused where the user is no more.
    /// Principals of other issuers stay as they are: nobody here knows them.
    pub(super) async fn as_of_now(
        &self,
        principal: Principal,
        now: UnixTime,
    ) -> Result<Principal, Refused> {
        if principal.issuer != self.tokens.policy().issuer {
            return Ok(principal);
        }
        let gone = |reason: &str| Refused::new(Rejection::SessionUnknown, reason);
        let user = self.users.get(&principal.subject, now).await;
        let user = user
            .map_err(|error| unavailable(&error))?
            .filter(|user| user.state == UserState::Enabled)
            .ok_or_else(|| gone("the user may not come in any more"))?;
        if principal.issued.is_none_or(|issued| issued < user.created) {
            return Err(gone("the login is of an earlier user of this name"));
        }
        let now = user.as_of_now(&principal);
        if principal.token_id.is_none() {
            return Ok(now);
        }
        // It began with something that may do less than the user, an API key say: no more than that.
        let both = principal.scopes.iter().filter(|scope| user.scopes.contains(scope));
        Ok(Principal { scopes: both.cloned().collect(), ..now })
    }
}
