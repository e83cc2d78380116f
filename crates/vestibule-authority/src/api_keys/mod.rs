//! API keys: for machines, which cannot log in, and for users who write programs.
//!
//! A key is looked up by the id in it and compared with the hash that is kept; only who made it has
//! the key itself. Its text, and how scanners find it, is in [`vestibule_verify::api_key`].
//!
//! Whose a key is, decides what it opens:
//!
//! - **A user's** key counts while the user may come in, and for what both the key and the user have
//!   scopes for, at the time of asking. It does not count for another user who later gets the name.
//! - **A machine's** key is all that there is of the machine. Its subject is `machine:` and its name:
//!   no user has a colon in theirs, so that nobody who names machines can make them users.
//!
//! Principals carry the gateway's own issuer and the key's id as token id, by which a key that was
//! removed is revoked wherever it is in use. Whoever removes one must do that, too.

mod holders;
mod record;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use vestibule_core::{
    authn::{Mechanism, Principal, Secret, Verified},
    rejection::Rejection,
    time::UnixTime,
};
use vestibule_verify::{Refused, api_key};

use self::record::Record;
use crate::{
    door::Door,
    limits,
    store::{Action, Answer, Change, Committed, Expect, Page, Store, StoreError, Table},
};

/// Whose a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A user of this installation.
    User(Box<str>),
    /// A machine: a name for which nothing else is kept.
    Machine(Box<str>),
}

/// An API key that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiKey {
    /// Whose it is to be.
    pub owner: Owner,
    /// What people call it: for lists, and for whoever has to decide whether it is still needed.
    pub label: Box<str>,
    /// What it is good for (RFC 6749 section 3.3).
    pub scopes: Box<[Box<str>]>,
    /// When it ends; `None` is never.
    pub expires: Option<UnixTime>,
}

/// An API key, without what is secret of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name.
    pub id: Box<str>,
    /// Whose it is.
    pub owner: Owner,
    /// What people call it.
    pub label: Box<str>,
    /// What it is good for.
    pub scopes: Box<[Box<str>]>,
    /// When it was made.
    pub created: UnixTime,
    /// When it ends; `None` is never.
    pub expires: Option<UnixTime>,
    /// When it was last used, give or take [`limits::API_KEY_USED`].
    pub used: Option<UnixTime>,
}

/// Why a key was not made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// Not a name of a machine.
    #[error(
        "a machine's name is 1 to {} letters, digits, dots, hyphens and underscores",
        limits::MACHINE_NAME_BYTES
    )]
    BadName,
    /// Not a label.
    #[error(
        "a label is 1 to {} characters without control characters",
        limits::API_KEY_LABEL_CHARS
    )]
    BadLabel,
    /// Not scopes.
    #[error(
        "scopes are up to {} different words of up to {} printable ASCII characters, without \" and \\",
        limits::API_KEY_SCOPES,
        limits::SCOPE_BYTES
    )]
    BadScopes,
    /// It would be over at once.
    #[error("the key would be over already")]
    Over,
    /// There is no such user, or they may not come in.
    #[error("there is no such user, or they are disabled")]
    NoSuchUser,
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A user whom a key may stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Since when there has been this user: an older key of the same name is another's.
    pub since: UnixTime,
    /// What the user may do. A key can do no more.
    pub scopes: Box<[Box<str>]>,
    /// Of which groups.
    pub groups: Box<[Box<str>]>,
    /// Mail address.
    pub email: Option<Box<str>>,
    /// Name for people.
    pub name: Option<Box<str>>,
}

/// Knows users.
pub trait Holders: fmt::Debug + Send + Sync {
    /// The user of that name, if there is one who may come in. A wrong yes leaves the keys of a user
    /// who was disabled good; what cannot be answered is an error.
    fn holder<'a>(&'a self, user: &'a str, now: UnixTime) -> Answer<'a, Option<Holder>>;
}

/// Makes API keys, and checks them.
#[derive(Debug)]
pub struct ApiKeys {
    store: Arc<dyn Store>,
    holders: Arc<dyn Holders>,
    issuer: Arc<str>,
    /// Of which keys it was written lately that they were used.
    used: Mutex<HashMap<Box<str>, UnixTime>>,
}

impl Owner {
    /// The subject of a principal that came by a key of theirs.
    pub fn subject(&self) -> Box<str> {
        match self {
            Self::User(name) => name.clone(),
            Self::Machine(name) => format!("{MACHINE}{name}").into(),
        }
    }
}

impl ApiKeys {
    /// Those in this store; `issuer` is the gateway's own.
    pub fn new(store: Arc<dyn Store>, holders: Arc<dyn Holders>, issuer: Arc<str>) -> Self {
        Self { store, holders, issuer, used: Mutex::default() }
    }

    /// Makes one. The secret is not kept: it is shown once, to whom it is for.
    pub async fn add(
        &self,
        new: NewApiKey,
        now: UnixTime,
    ) -> Result<(ApiKey, Secret), ApiKeyError> {
        check_new(&new, now)?;
        match &new.owner {
            Owner::User(user) => {
                let holder = self.holders.holder(user, now).await?;
                holder.ok_or(ApiKeyError::NoSuchUser)?;
            }
            Owner::Machine(_) => {}
        }
        let key =
            api_key::ApiKey::generate().map_err(|error| StoreError(error.to_string().into()))?;
        let record = Record::new(new, &key, now);
        let change = Change {
            table: Table::ApiKeys,
            key: key.id().into(),
            expect: Expect::Absent,
            action: Action::Put(record.to_bytes()?, record.expires()),
        };
        match self.store.commit(vec![change], now).await? {
            Committed::Done => Ok((record.shown(key.id()), key.secret())),
            Committed::Conflict => Err(StoreError("a new API key is not new".into()).into()),
        }
    }

    /// In the order of their ids, after one of them, at most [`limits::LISTED`].
    pub async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
        now: UnixTime,
    ) -> Result<Vec<ApiKey>, StoreError> {
        let page = Page { prefix: "", after, limit: limit.min(limits::LISTED) };
        let listed = self.store.list(Table::ApiKeys, page, now).await?;
        listed
            .iter()
            .map(|listed| Ok(Record::from_bytes(&listed.entry.value)?.shown(&listed.key)))
            .collect()
    }

    /// One of them.
    pub async fn get(&self, id: &str, now: UnixTime) -> Result<Option<ApiKey>, StoreError> {
        // What cannot be an id is no key of a record either: it may be of any length.
        if !api_key::is_id(id) {
            return Ok(None);
        }
        let Some(entry) = self.store.read(Table::ApiKeys, id, now).await? else { return Ok(None) };
        Ok(Some(Record::from_bytes(&entry.value)?.shown(id)))
    }

    /// Removes one, and returns what it was. From now on nobody gets in by it; who is in by it, or
    /// holds a ticket or a session that it bought, is cut off only by a revocation of
    /// [`Named::Token`](crate::revocation::Named::Token) with its id.
    pub async fn remove(&self, id: &str, now: UnixTime) -> Result<Option<ApiKey>, StoreError> {
        let Some(known) = self.get(id, now).await? else { return Ok(None) };
        let change = Change {
            table: Table::ApiKeys,
            key: id.into(),
            // Whatever it is by now: that it was used, or removed, meanwhile changes nothing.
            expect: Expect::Anything,
            action: Action::Remove,
        };
        match self.store.commit(vec![change], now).await? {
            Committed::Done => Ok(Some(known)),
            Committed::Conflict => Err(StoreError("the API key was not removed".into())),
        }
    }

    /// Removes all of a user, and returns which.
    pub async fn remove_of(&self, user: &str, now: UnixTime) -> Result<Vec<ApiKey>, StoreError> {
        let mut removed = Vec::new();
        let mut after: Option<Box<str>> = None;
        loop {
            let page = self.list(after.as_deref(), limits::LISTED, now).await?;
            let Some(last) = page.last() else { return Ok(removed) };
            after = Some(last.id.clone());
            for key in page {
                if matches!(&key.owner, Owner::User(owner) if **owner == *user) {
                    removed.extend(self.remove(&key.id, now).await?);
                }
            }
        }
    }

    /// Whose a key is. Does not ask about revocations.
    ///
    /// A wrong yes lets a stranger in.
    pub async fn check(
        &self,
        presented: &Secret,
        door: &Door<'_>,
        now: UnixTime,
    ) -> Result<Verified, Refused> {
        let key = api_key::ApiKey::parse(presented.expose())?;
        let read = self.store.read(Table::ApiKeys, key.id(), now).await;
        let entry = read.map_err(|error| unavailable(&error))?;
        let entry = entry.ok_or_else(|| unknown("no such API key, or it is over"))?;
        let record = Record::from_bytes(&entry.value).map_err(|error| unavailable(&error))?;
        if !record.is_of(&key) {
            return Err(unknown("not the secret of the API key"));
        }
        if record.expires().is_some_and(|end| end <= now) {
            return Err(unknown("the API key is over"));
        }
        if !door.takes(&self.issuer) {
            return Err(unknown("the route does not take the issuer of API keys"));
        }
        let principal = self.principal(&record, key.id(), now).await?;
        self.note_use(key.id(), record, entry.version, now).await;
        Ok(Verified::assertion(Arc::new(principal)))
    }

    async fn principal(
        &self,
        record: &Record,
        id: &str,
        now: UnixTime,
    ) -> Result<Principal, Refused> {
        let ApiKey { id, owner, label, scopes, created, expires, used: _ } = record.shown(id);
        let mut principal = Principal {
            subject: owner.subject(),
            issuer: Arc::clone(&self.issuer),
            scopes,
            token_id: Some(id),
            session: None,
            email: None,
            name: None,
            groups: Box::default(),
            mechanism: Mechanism::ApiKey,
            methods: Box::default(),
            context: None,
            issued: Some(created),
            expires: expires.unwrap_or(NEVER),
        };
        match owner {
            Owner::Machine(_) => principal.name = Some(label),
            Owner::User(user) => {
                let holder = self.holders.holder(&user, now).await;
                let holder = holder.map_err(|error| unavailable(&error))?;
                let Holder { since, scopes, groups, email, name } =
                    holder.ok_or_else(|| unknown("the user of the API key may not come in"))?;
                if since > created {
                    return Err(unknown("the API key is of an earlier user of this name"));
                }
                let both = principal.scopes.iter().filter(|scope| scopes.contains(scope));
                principal.scopes = both.cloned().collect();
                (principal.groups, principal.email, principal.name) = (groups, email, name);
            }
        }
        Ok(principal)
    }

    /// Writes down that a key was used, now and then. That it could not be written keeps nobody out,
    /// and what has changed meanwhile is not overwritten.
    async fn note_use(&self, id: &str, record: Record, version: u64, now: UnixTime) {
        if !record.is_use_news(now) || !self.is_first_to_note(id, now) {
            return;
        }
        let record = record.used_at(now);
        let Ok(bytes) = record.to_bytes() else { return };
        let change = Change {
            table: Table::ApiKeys,
            key: id.into(),
            expect: Expect::Version(version),
            action: Action::Put(bytes, record.expires()),
        };
        if let Err(error) = self.store.commit(vec![change], now).await {
            tracing::debug!(cause = %error, "it was not written that an API key was used");
        }
    }

    /// Of many who come by one key at once, one writes.
    fn is_first_to_note(&self, id: &str, now: UnixTime) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.get(id).is_some_and(|last| now < last.after(limits::API_KEY_USED)) {
            return false;
        }
        if used.len() >= limits::API_KEYS_USED {
            used.clear();
        }
        used.insert(id.into(), now);
        true
    }
}

fn check_new(new: &NewApiKey, now: UnixTime) -> Result<(), ApiKeyError> {
    let NewApiKey { owner, label, scopes, expires } = new;
    match owner {
        // Whether there is such a user, users know.
        Owner::User(_) => {}
        Owner::Machine(name) => {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            if name.is_empty() || name.len() > limits::MACHINE_NAME_BYTES || !name.bytes().all(fits)
            {
                return Err(ApiKeyError::BadName);
            }
        }
    }
    let length = label.chars().take(limits::API_KEY_LABEL_CHARS + 1).count();
    if length == 0 || length > limits::API_KEY_LABEL_CHARS || label.chars().any(char::is_control) {
        return Err(ApiKeyError::BadLabel);
    }
    let is_scope = |scope: &str| {
        let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        !scope.is_empty() && scope.len() <= limits::SCOPE_BYTES && scope.bytes().all(fits)
    };
    let distinct: std::collections::HashSet<&str> = scopes.iter().map(|scope| &**scope).collect();
    if scopes.len() > limits::API_KEY_SCOPES
        || distinct.len() < scopes.len()
        || !scopes.iter().all(|scope| is_scope(scope))
    {
        return Err(ApiKeyError::BadScopes);
    }
    if expires.is_some_and(|expires| expires <= now) {
        return Err(ApiKeyError::Over);
    }
    Ok(())
}

fn unknown(reason: &str) -> Refused {
    Refused::new(Rejection::ApiKeyUnknown, reason)
}

fn unavailable(error: &StoreError) -> Refused {
    Refused::new(Rejection::Unavailable, error.to_string())
}

/// What the subject of a machine begins with.
const MACHINE: &str = "machine:";
/// The end of a key that has none: 9999-12-31, the last date that all can write.
const NEVER: UnixTime = UnixTime::from_secs(253_402_300_799);

#[cfg(test)]
mod tests;
