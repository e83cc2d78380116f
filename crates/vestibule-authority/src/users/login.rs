//! A login, from the counters to the user.

use std::{net::IpAddr, time::Duration};

use tracing::{debug, warn};
use vestibule_core::{authn::Secret, rejection::Rejection, time::UnixTime};
use vestibule_verify::password::{Password, PasswordHash};

use super::{
    User, UserState, Users,
    hasher::{Found, HasherError},
    record::Record,
};
use crate::store::{Committed, Expect, Spent, StoreError};

/// Why nobody was let in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoginError {
    /// [`Rejection::CredentialsInvalid`]: no such user, not that password, or disabled.
    #[error("refused: {0}")]
    Refused(Rejection),
    /// Too many attempts, to this account or from this address. Not before that time has passed
    /// (`Retry-After`, rounded up).
    #[error("too many attempts; the next one in {} s", .0.as_secs().saturating_add(1))]
    Wait(Duration),
    /// Too many passwords wait to be hashed.
    #[error("too many passwords are waiting to be hashed")]
    Busy,
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Users {
    /// Lets a user in who knows the password. In this order: the counters of address and account;
    /// what no password can be; one hash, whoever it is; and then once more the user as of now.
    ///
    /// A wrong yes lets a stranger in. A no whose answer or time depends on why it is one tells
    /// strangers who the users are.
    pub async fn login(
        &self,
        name: &str,
        password: &Secret,
        client: IpAddr,
        now: UnixTime,
    ) -> Result<User, LoginError> {
        match self.attempts.spend(name, client, now).await? {
            Spent::Granted => {}
            Spent::Wait(span) => return Err(LoginError::Wait(span)),
        }
        // Says something about what was typed, and nothing about any user.
        let prepared = Password::prepare(password).map_err(|_| refused())?;
        let before = self.read(name, now).await?;
        let hash = match &before {
            Some((record, _)) if record.state == UserState::Enabled => Some(record.hash()?),
            Some(_) | None => None,
        };
        let found = self.hasher.verify(hash.clone(), prepared.clone()).await?;
        // Hashing takes a while, and an operator may have disabled the user meanwhile, or changed
        // the password. Asked whoever it is.
        let after = self.read(name, now).await?;
        match (found, hash, after) {
            (Found::Right, Some(hash), Some((record, version)))
                if record.state == UserState::Enabled
                    && record.hash()?.as_str() == hash.as_str() =>
            {
                let said = (prepared, password);
                let record = self.strengthen(name, &hash, said, (record, version), now).await;
                Ok(record.user(name))
            }
            (Found::Right | Found::Wrong, _, _) => Err(refused()),
        }
    }

    /// Hashes the password anew where the hash is weaker than those of today. Only now is the
    /// password known. If it cannot be done, the next login does it.
    async fn strengthen(
        &self,
        name: &str,
        hash: &PasswordHash,
        (prepared, password): (Password, &Secret),
        (mut record, version): (Record, u64),
        now: UnixTime,
    ) -> Record {
        if !hash.cost().is_weaker_than(self.hasher.cost()) {
            return record;
        }
        match self.keep(prepared, password).await {
            Ok(kept) => record.set_password(&kept),
            Err(error) => {
                debug!(%error, "a weak hash stays");
                return record;
            }
        }
        match self.write(name, Expect::Version(version), &record, now).await {
            Ok(Committed::Done) => debug!("a weak hash was replaced"),
            Ok(Committed::Conflict) => debug!("a weak hash stays: the user was changed meanwhile"),
            Err(error) => warn!(%error, "a weak hash stays"),
        }
        record
    }
}

fn refused() -> LoginError {
    LoginError::Refused(Rejection::CredentialsInvalid)
}

impl From<HasherError> for LoginError {
    fn from(error: HasherError) -> Self {
        match error {
            HasherError::Busy => Self::Busy,
            HasherError::Fault(_) | HasherError::Interrupted => {
                Self::Store(StoreError(error.to_string().into()))
            }
        }
    }
}
