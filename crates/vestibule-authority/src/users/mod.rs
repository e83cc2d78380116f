//! Users of this installation, and how they prove by a password who they are.
//!
//! What a stranger can learn from a login is whether a name and a password belong together, and not
//! whether there is such a user: who is unknown, who is disabled and who mistyped get one answer, at
//! one price, and are counted alike. What a stranger can take is bounded by [`Attempts`] before and by
//! the [`PasswordHasher`] behind.
//!
//! Disabling or removing a user here ends no session: whoever does it ends those, and revokes what
//! was issued to the user.

mod cost;
mod hasher;
mod login;
mod record;
mod scram;

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use vestibule_core::{
    authn::{Mechanism, Principal, Secret, methods},
    time::UnixTime,
};
use vestibule_verify::password::{Password, PasswordFault};

use self::record::{KeptPassword, Record};
pub(crate) use self::scram::{Pending as PendingScram, Scram};
pub use self::{
    cost::kept_cost,
    hasher::{HasherError, PasswordHasher},
    login::LoginError,
};
use crate::{
    attempts::{AttemptPolicy, Attempts},
    limits, records,
    store::{Action, Change, Committed, Expect, Page, Store, StoreError, Table},
};

/// A user; never with the password's hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name: what the user logs in with, and the subject of tokens.
    pub name: Box<str>,
    /// What the user may do.
    pub scopes: Box<[Box<str>]>,
    /// The groups of the user.
    pub groups: Box<[Box<str>]>,
    /// The mail address.
    pub email: Option<Box<str>>,
    /// The name for people.
    pub display_name: Option<Box<str>>,
    /// Whether the user can log in.
    pub state: UserState,
    /// When the user was added.
    pub created: UnixTime,
    /// When an operator last changed anything.
    pub changed: UnixTime,
}

/// Whether a user can log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserState {
    /// With the right password.
    Enabled,
    /// Not at all.
    Disabled,
}

/// A user to be added.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The name: ASCII letters, digits, `.`, `_`, `-`, `@` and `+`, at most 128. Case counts.
    pub name: Box<str>,
    /// The password: 8 to 1024 bytes of UTF-8 without control characters.
    pub password: Secret,
    /// Scopes (RFC 6749 section 3.3), at most 64.
    pub scopes: Box<[Box<str>]>,
    /// Groups, at most 64.
    pub groups: Box<[Box<str>]>,
    /// The mail address, which the operator vouches for.
    pub email: Option<Box<str>>,
    /// The name for people.
    pub display_name: Option<Box<str>>,
}

/// Why a user was not added, found or changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UserError {
    /// There is one of that name.
    #[error("there is a user of that name")]
    Exists,
    /// There is none of that name.
    #[error("there is no user of that name")]
    NotFound,
    /// No user can have that name, and why.
    #[error("not a name for a user: {0}")]
    BadName(&'static str),
    /// No password can be that, and why.
    #[error("not a password: {0}")]
    BadPassword(PasswordFault),
    /// Something else about the user cannot be that.
    #[error("{what}: {why}")]
    BadValue {
        /// The member.
        what: &'static str,
        /// Why.
        why: &'static str,
    },
    /// Somebody else changes the user all the time.
    #[error("the user was changed by somebody else at the same time")]
    Conflict,
    /// Too many passwords wait to be hashed.
    #[error("too many passwords are waiting to be hashed")]
    Busy,
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps users, and lets them log in.
pub struct Users {
    store: Arc<dyn Store>,
    hasher: Arc<PasswordHasher>,
    attempts: Attempts,
}

impl User {
    /// The user as a principal that has just proven who it is; for [`Sessions::begin`], which says
    /// for how long. By itself it is over at once.
    ///
    /// [`Sessions::begin`]: crate::sessions::Sessions::begin
    pub fn principal(&self, issuer: &Arc<str>, now: UnixTime) -> Principal {
        self.as_of_now(&Principal {
            subject: self.name.clone(),
            issuer: Arc::clone(issuer),
            scopes: Box::default(),
            token_id: None,
            session: None,
            email: None,
            name: None,
            groups: Box::default(),
            mechanism: Mechanism::Session,
            methods: methods::named(&[methods::PASSWORD]),
            context: None,
            issued: Some(now),
            expires: now,
        })
    }

    /// A principal of this user with what the user may do now and is called now: at a refresh, what
    /// was true at the login may not be any more.
    #[must_use]
    pub fn as_of_now(&self, principal: &Principal) -> Principal {
        Principal {
            scopes: self.scopes.clone(),
            groups: self.groups.clone(),
            email: self.email.clone(),
            name: self.display_name.clone(),
            ..principal.clone()
        }
    }
}

impl Users {
    /// Users in that store; attempts to log in are counted there, too.
    pub fn new(store: Arc<dyn Store>, hasher: Arc<PasswordHasher>) -> Self {
        Self::with(store, hasher, AttemptPolicy::default())
    }

    /// With other bounds on attempts than the usual ones.
    pub fn with(
        store: Arc<dyn Store>,
        hasher: Arc<PasswordHasher>,
        attempts: AttemptPolicy,
    ) -> Self {
        let attempts = Attempts::new(Arc::clone(&store), attempts);
        Self { store, hasher, attempts }
    }

    /// Adds one.
    pub async fn add(&self, user: NewUser, now: UnixTime) -> Result<User, UserError> {
        record::check(&user)?;
        let password = Password::prepare(&user.password).map_err(UserError::BadPassword)?;
        // Before the hash, which is dear; the commit decides.
        if self.store.read(Table::Users, &user.name, now).await?.is_some() {
            return Err(UserError::Exists);
        }
        let kept = self.keep(password, &user.password).await?;
        let name = user.name.clone();
        let record = Record::new(user, &kept, now);
        match self.write(&name, Expect::Absent, &record, now).await? {
            Committed::Done => Ok(record.user(&name)),
            Committed::Conflict => Err(UserError::Exists),
        }
    }

    /// One user, if there is one of that name.
    pub async fn get(&self, name: &str, now: UnixTime) -> Result<Option<User>, StoreError> {
        Ok(self.read(name, now).await?.map(|(record, _)| record.user(name)))
    }

    /// Users after that name, in the order of their names; at most [`limits::USERS_AT_ONCE`].
    pub async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
        now: UnixTime,
    ) -> Result<Vec<User>, StoreError> {
        let page = Page { prefix: "", after, limit: limit.min(limits::USERS_AT_ONCE) };
        let listed = self.store.list(Table::Users, page, now).await?;
        let user = |listed: &crate::store::Listed| {
            let record: Record = records::decode("users", &listed.entry.value)?;
            Ok(record.user(&listed.key))
        };
        listed.iter().map(user).collect()
    }

    /// Replaces the password.
    pub async fn set_password(
        &self,
        name: &str,
        password: &Secret,
        now: UnixTime,
    ) -> Result<User, UserError> {
        Ok(self.replace_password(name, password, now).await?.0)
    }

    /// The same, and tells the name of the password that was replaced: whoever came by it is still in.
    pub async fn replace_password(
        &self,
        name: &str,
        secret: &Secret,
        now: UnixTime,
    ) -> Result<(User, Option<Box<str>>), UserError> {
        let new = Password::prepare(secret).map_err(UserError::BadPassword)?;
        if self.read(name, now).await?.is_none() {
            return Err(UserError::NotFound);
        }
        let kept = self.keep(new, secret).await?;
        let mut replaced = None;
        let change = |record: &mut Record| {
            replaced = record.password_id().map(Box::from);
            record.set_password(&kept);
        };
        let user = self.change(name, now, change).await?;
        Ok((user, replaced))
    }

    /// What is kept of a password: for those who send it, and for those who do not.
    async fn keep(&self, password: Password, secret: &Secret) -> Result<KeptPassword, HasherError> {
        let (hash, keys) = self.hasher.hash_and_derive(password, secret.clone()).await?;
        Ok(KeptPassword { hash, keys })
    }

    /// The name of a user's password, which principals that came by it have as token id.
    pub async fn password_id(
        &self,
        name: &str,
        now: UnixTime,
    ) -> Result<Option<Box<str>>, StoreError> {
        let read = self.read(name, now).await?;
        Ok(read.and_then(|(record, _)| record.password_id().map(Box::from)))
    }

    /// Lets the user log in, or not any more.
    pub async fn set_state(
        &self,
        name: &str,
        state: UserState,
        now: UnixTime,
    ) -> Result<User, UserError> {
        self.change(name, now, |record| record.state = state).await
    }

    /// Removes the user.
    pub async fn remove(&self, name: &str, now: UnixTime) -> Result<(), UserError> {
        for _ in 0..limits::CONFLICTS {
            let (_, version) = self.read(name, now).await?.ok_or(UserError::NotFound)?;
            let change = Change {
                table: Table::Users,
                key: name.into(),
                expect: Expect::Version(version),
                action: Action::Remove,
            };
            match self.store.commit(vec![change], now).await? {
                Committed::Done => return Ok(()),
                Committed::Conflict => {}
            }
        }
        Err(UserError::Conflict)
    }

    /// What hashes.
    pub fn hasher(&self) -> &Arc<PasswordHasher> {
        &self.hasher
    }

    async fn change(
        &self,
        name: &str,
        now: UnixTime,
        mut change: impl FnMut(&mut Record),
    ) -> Result<User, UserError> {
        for _ in 0..limits::CONFLICTS {
            let (mut record, version) = self.read(name, now).await?.ok_or(UserError::NotFound)?;
            change(&mut record);
            record.changed = now;
            match self.write(name, Expect::Version(version), &record, now).await? {
                Committed::Done => return Ok(record.user(name)),
                Committed::Conflict => {}
            }
        }
        Err(UserError::Conflict)
    }

    async fn read(&self, name: &str, now: UnixTime) -> Result<Option<(Record, u64)>, StoreError> {
        // A name that no user can have is not a key either: it may be of any length.
        if record::check_name(name).is_err() {
            return Ok(None);
        }
        match self.store.read(Table::Users, name, now).await? {
            Some(entry) => Ok(Some((records::decode("users", &entry.value)?, entry.version))),
            None => Ok(None),
        }
    }

    async fn write(
        &self,
        name: &str,
        expect: Expect,
        record: &Record,
        now: UnixTime,
    ) -> Result<Committed, StoreError> {
        let action = Action::Put(records::encode(record)?, None);
        let change = Change { table: Table::Users, key: name.into(), expect, action };
        self.store.commit(vec![change], now).await
    }
}

impl From<HasherError> for UserError {
    fn from(error: HasherError) -> Self {
        match error {
            HasherError::Busy => Self::Busy,
            HasherError::Fault(_) | HasherError::Interrupted => {
                Self::Store(StoreError(error.to_string().into()))
            }
        }
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store: _, hasher, attempts: _ } = self;
        f.debug_struct("Users").field("hasher", hasher).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
