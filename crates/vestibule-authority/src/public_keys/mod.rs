//! Public keys of users: the private half never leaves its owner, who signs a challenge with it.
//!
//! A key is registered with one user, by an operator, as a line of OpenSSH or as a JSON Web Key, and is
//! looked up by its fingerprint, which is all that a client says before it is challenged. Who is not
//! known is challenged like everybody else: nothing is looked up before the response.
//!
//! A key counts while its user may come in, for what the user may do, and within its own limits
//! (`expiry-time`, `from`). It does not count for another user who later gets the name. Principals
//! carry a name of the registration as token id, by which a key that was removed is revoked wherever it is
//! in use.
//! Whoever removes one must do that, too.

mod record;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use vestibule_core::{
    authn::{self, Demand, Exchange, Mechanism, Principal, Response, Secret, Verified, methods},
    rejection::Rejection,
    time::UnixTime,
};
use vestibule_verify::{
    Refused,
    public_key::{AuthorizedKey, Challenge, Fingerprint, KeyFault, Possession, Signature},
};

use self::record::Record;
use crate::{
    api_keys::{Holder, Holders},
    door::{Door, Scene},
    identities::exchange,
    limits, opaque,
    store::{Action, Change, Committed, Entry, Expect, Page, Store, StoreError, Table},
};

/// A registered key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Its name: the hash of its fingerprint in base64url, which can stand in a path.
    pub id: Box<str>,
    /// What principals that came by it have as token id: of this registration alone.
    pub token: Box<str>,
    /// Its fingerprint, as `ssh-keygen -l` shows it.
    pub fingerprint: Box<str>,
    /// Whose it is.
    pub user: Box<str>,
    /// The key with its limits, as a line of OpenSSH.
    pub line: Box<str>,
    /// When it was registered.
    pub added: UnixTime,
    /// When it ends; `None` is never.
    pub expires: Option<UnixTime>,
}

/// Why a key was not registered.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PublicKeyError {
    /// It is none that can be used.
    #[error("not a key that can be used: {0}")]
    BadKey(KeyFault),
    /// It is over already.
    #[error("the key has expired")]
    Over,
    /// It is registered, with this user or another.
    #[error("the key is registered already")]
    Exists,
    /// There is no such user, or they may not come in.
    #[error("there is no such user, or they are disabled")]
    NoSuchUser,
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps public keys, asks for signatures, and checks them.
#[derive(Debug)]
pub struct PublicKeys {
    store: Arc<dyn Store>,
    holders: Arc<dyn Holders>,
    issuer: Arc<str>,
    lifetime: Duration,
}

/// A challenge that is out. It belongs to one connection, and is spent by the response.
pub(crate) struct Pending {
    fingerprint: Fingerprint,
    challenge: Challenge,
}

impl PublicKeys {
    /// Those in this store; `issuer` is the gateway's own. What came by a key is over after
    /// `lifetime`, or with the key.
    pub fn new(
        store: Arc<dyn Store>,
        holders: Arc<dyn Holders>,
        issuer: Arc<str>,
        lifetime: Duration,
    ) -> Self {
        Self { store, holders, issuer, lifetime }
    }

    /// Registers one with a user: a line of OpenSSH, or a JSON Web Key.
    pub async fn add(
        &self,
        user: &str,
        key: &str,
        now: UnixTime,
    ) -> Result<PublicKey, PublicKeyError> {
        let key = if key.trim_start().starts_with('{') {
            AuthorizedKey::from_jwk(key.as_bytes())
        } else {
            AuthorizedKey::from_line(key)
        };
        let key = key.map_err(PublicKeyError::BadKey)?;
        if key.expires().is_some_and(|end| end <= now) {
            return Err(PublicKeyError::Over);
        }
        self.holders.holder(user, now).await?.ok_or(PublicKeyError::NoSuchUser)?;
        let record = Record::new(user, &key, now)?;
        let id = id(key.fingerprint());
        let change = Change {
            table: Table::PublicKeys,
            key: id.clone(),
            expect: Expect::Absent,
            action: Action::Put(record.to_bytes()?, key.expires()),
        };
        match self.store.commit(vec![change], now).await? {
            Committed::Done => Ok(record.shown(&id)?),
            Committed::Conflict => Err(PublicKeyError::Exists),
        }
    }

    /// In the order of their ids, after one of them, at most [`limits::LISTED`].
    pub async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
        now: UnixTime,
    ) -> Result<Vec<PublicKey>, StoreError> {
        let page = Page { prefix: "", after, limit: limit.min(limits::LISTED) };
        let listed = self.store.list(Table::PublicKeys, page, now).await?;
        listed
            .iter()
            .map(|listed| Record::from_bytes(&listed.entry.value)?.shown(&listed.key))
            .collect()
    }

    /// One of them.
    pub async fn get(&self, id: &str, now: UnixTime) -> Result<Option<PublicKey>, StoreError> {
        self.read(id, now).await?.map(|(record, _)| record.shown(id)).transpose()
    }

    /// Removes one, unless it is by now another registration of the key. From now on nobody gets in by
    /// it; who is in by it is cut off only by a revocation of
    /// [`Named::Token`](crate::revocation::Named::Token) with its [`PublicKey::token`].
    pub async fn remove(&self, key: &PublicKey, now: UnixTime) -> Result<(), StoreError> {
        let read = self.read(&key.id, now).await?;
        let Some((_, version)) = read.filter(|(record, _)| *record.token() == *key.token) else {
            return Ok(());
        };
        let change = Change {
            table: Table::PublicKeys,
            key: key.id.clone(),
            expect: Expect::Version(version),
            action: Action::Remove,
        };
        match self.store.commit(vec![change], now).await? {
            // Nothing changes a record but its end.
            Committed::Done | Committed::Conflict => Ok(()),
        }
    }

    /// Removes all of a user.
    pub async fn remove_of(&self, user: &str, now: UnixTime) -> Result<(), StoreError> {
        let mut after: Option<Box<str>> = None;
        loop {
            let page = self.list(after.as_deref(), limits::LISTED, now).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id.clone());
            for key in page.iter().filter(|key| *key.user == *user) {
                self.remove(key, now).await?;
            }
        }
    }

    /// Challenges whoever says to have a key. Says nothing about whether it is known.
    pub fn challenge(
        &self,
        fingerprint: &Secret,
        scene: &Scene<'_>,
    ) -> Result<authn::Challenge, Refused> {
        let text = str::from_utf8(fingerprint.expose()).ok();
        let fingerprint = text
            .and_then(Fingerprint::parse)
            .ok_or_else(|| Refused::new(Rejection::MalformedMessage, "not a fingerprint"))?;
        let nonce = opaque::random::<32>().map_err(|error| unavailable(&error))?;
        let Scene { transport: _, host, path, origin, peer: _, exporter: _ } = *scene;
        let challenge = Challenge::new(*nonce, host, path, origin).ok_or_else(|| {
            Refused::new(Rejection::Internal, "a handshake that cannot be signed over")
        })?;
        let demand = Demand::Nonce(challenge.nonce().into());
        Ok(authn::Challenge {
            demand,
            exchange: Exchange::new(exchange::Pending::PublicKey(Pending {
                fingerprint,
                challenge,
            })),
        })
    }

    /// Whose signature it is. Does not ask about revocations.
    ///
    /// An unknown key, a wrong signature, a key that must not be used here or now, and a user who may
    /// not come in are one refusal. A wrong yes lets a stranger in.
    pub(crate) async fn check(
        &self,
        pending: Pending,
        response: &Response,
        (door, peer): (&Door<'_>, IpAddr),
        now: UnixTime,
    ) -> Result<Verified, Refused> {
        let Pending { fingerprint, challenge } = pending;
        let signature = signature(response)?;
        let read = self.read(&id(fingerprint), now).await;
        let record = read.map_err(|error| unavailable(&error))?.map(|(record, _)| record);
        let key = record.as_ref().map(Record::key).transpose();
        let key = key.map_err(|error| unavailable(&error))?;
        // Asked whether there is a key or not, so that both take the same time.
        let user = record.as_ref().map_or("nobody", |record| record.user());
        let holder = self.holders.holder(user, now).await.map_err(|error| unavailable(&error))?;
        let proven = challenge.answer(key.as_ref(), &signature, peer, now)?;
        let (Some(record), Some(holder)) = (record, holder) else {
            return Err(invalid("the user of the key may not come in"));
        };
        if holder.since > record.added() {
            return Err(invalid("the key is of an earlier user of this name"));
        }
        if !door.takes(&self.issuer) {
            return Err(invalid("the route does not take the issuer of public keys"));
        }
        let principal = self.principal(&record, holder, &proven, now);
        Ok(Verified::assertion(Arc::new(principal)))
    }

    fn principal(
        &self,
        record: &Record,
        holder: Holder,
        proven: &Possession,
        now: UnixTime,
    ) -> Principal {
        let Holder { since: _, scopes, groups, email, name } = holder;
        let ends = now.after(self.lifetime);
        Principal {
            subject: record.user().into(),
            issuer: Arc::clone(&self.issuer),
            scopes,
            token_id: Some(record.token().into()),
            session: None,
            email,
            name,
            groups,
            mechanism: Mechanism::PublicKey,
            methods: methods::named(Mechanism::PublicKey.methods()),
            context: None,
            // The proof is of this moment, however old the key is.
            issued: Some(now),
            expires: proven.expires().map_or(ends, |end| end.min(ends)),
        }
    }

    async fn read(&self, id: &str, now: UnixTime) -> Result<Option<(Record, u64)>, StoreError> {
        // What cannot be an id is no key of a record either: it may be of any length.
        if opaque::decode::<32>(id.as_bytes()).is_none() {
            return Ok(None);
        }
        let entry = self.store.read(Table::PublicKeys, id, now).await?;
        let record = |entry: Entry| Ok((Record::from_bytes(&entry.value)?, entry.version));
        entry.map(record).transpose()
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fingerprint, challenge: _ } = self;
        f.debug_struct("Pending").field("fingerprint", fingerprint).finish_non_exhaustive()
    }
}

/// A fingerprint as a key of a record and a segment of a path: its hash in base64url.
fn id(fingerprint: Fingerprint) -> Box<str> {
    let text = fingerprint.to_string();
    let hash = text.strip_prefix("SHA256:").map(|hash| BASE64_NOPAD.decode(hash.as_bytes()));
    match hash {
        Some(Ok(hash)) => BASE64URL_NOPAD.encode(&hash).into(),
        Some(Err(_)) | None => text.into(),
    }
}

fn signature(response: &Response) -> Result<Signature, Refused> {
    let malformed = |reason: &str| Refused::new(Rejection::MalformedMessage, reason);
    let text = |secret: &Secret| {
        let text = str::from_utf8(secret.expose()).map(str::to_owned);
        text.map_err(|_| malformed("a signature is text"))
    };
    match response {
        Response::Signature(secret) => Signature::raw(&text(secret)?),
        Response::SshSig(secret) => Signature::ssh(&text(secret)?),
        Response::Message(_) | Response::Assertion(_) | Response::Proof(_) => {
            Err(malformed("a signature is wanted"))
        }
    }
}

fn invalid(reason: &str) -> Refused {
    Refused::new(Rejection::CredentialsInvalid, reason)
}

fn unavailable(error: &StoreError) -> Refused {
    Refused::new(Rejection::Unavailable, error.to_string())
}

#[cfg(test)]
mod tests;
