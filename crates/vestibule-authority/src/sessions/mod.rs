//! Sessions: what lasts from a login, or from the first connection, until somebody ends it.
//!
//! Two kinds, in one table:
//!
//! - A **login** begins when a person proved who they are. It has a refresh token, which is replaced
//!   with each use, and perhaps a cookie.
//! - A **resume token** is handed out on `accepted`, so that a client comes back without its first
//!   credential. It is good on the route it was handed out on.
//!
//! Each session has a *root*: the session that its first credential belonged to, or itself. The root
//! is what principals carry ([`Principal::session`]), what is revoked, and what is ended: with it
//! ends all that came of it, whatever happens between two writes, because a session counts only
//! while its root is there.
//!
//! # Refresh tokens
//!
//! A refresh token names its login and a generation, and carries a MAC over both by a key of that
//! login alone. So every token that the login ever had is recognised without a list of them, and
//! whoever does not have the key cannot make one up to end somebody else's login. The rules (RFC
//! 9700 section 4.14.2):
//!
//! - The current generation is exchanged for the next one, once: of two who present it at the same
//!   time one wins, decided by the store.
//! - An older generation means that two parties hold tokens of one login, and that one of them stole
//!   his. Which one cannot be known, so the login ends, and all that came of it.
//! - Who loses the race itself presented the current generation, and is told
//!   [`RefreshError::Overtaken`], which ends nothing: the winner's token is the only one that still
//!   works. If the loser comes again with the same token, that is an older generation. By
//!   [`SessionPolicy::overlap`] that too can be forgiven for a while.
//!
//! Whoever can read the store can make refresh tokens, as he can read the keys that sign access
//! tokens.
//!
//! [`Principal::session`]: vestibule_core::authn::Principal::session

mod login;
mod record;
mod resume;

use std::{sync::Arc, time::Duration};

use vestibule_core::{
    authn::{Principal, Secret},
    time::UnixTime,
};

pub(crate) use self::record::is_ours;
use self::record::{Kind, Record};
use crate::{
    limits, opaque, records,
    store::{Action, Change, Committed, Expect, Page, Store, StoreError, Table},
};

/// How long sessions last.
#[derive(Clone, Copy, Debug)]
pub struct SessionPolicy {
    /// A login, from its beginning; using it does not make it longer. Default: 30 days.
    pub login_lifetime: Duration,
    /// A resume token. It ends with its login, too. Default: 12 hours.
    pub resume_lifetime: Duration,
    /// For how long after a refresh the generation just before is taken for a slip of the client's
    /// (two tabs, an answer that was lost) and not for theft. It is refused either way; what it costs
    /// is that a thief who comes so soon is not noticed until the next time. Default: zero, strict.
    pub overlap: Duration,
    /// Most logins of one subject, and most resume tokens; one more ends the oldest. Default:
    /// [`limits::SESSIONS_EACH`].
    pub each: usize,
}

/// Begins sessions, checks what belongs to them, and ends them.
#[derive(Clone, Debug)]
pub struct Sessions {
    store: Arc<dyn Store>,
    policy: SessionPolicy,
}

/// Whether a login gets a session token of its own, for a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// It does. The token is good on every route that takes sessions of that issuer.
    Wanted,
    /// It does not.
    None,
}

/// A login that has begun.
#[derive(Clone, Debug)]
pub struct Login {
    /// Its id: the `sid` of the access tokens that are made for it.
    pub session: Box<str>,
    /// Who it is: as it was told, of this session, until its end.
    pub principal: Principal,
    /// For [`Sessions::refresh`]: `vsr_…`.
    pub refresh: Secret,
    /// For the cookie, if it was wanted: `vss_…`.
    pub cookie: Option<Secret>,
    /// The end of it all.
    pub expires: UnixTime,
}

/// A login that goes on.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// As at the login. Whether the user still has those rights and is not revoked is for the caller
    /// to find out, before a token is made of it.
    pub principal: Principal,
    /// The next refresh token; the one presented is spent.
    pub refresh: Secret,
}

/// Why a login does not go on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RefreshError {
    /// Not a refresh token, not one of ours, or of a login that is over.
    #[error("no refresh token of a login that is there")]
    Invalid,
    /// Somebody presented the same token at the same time, and won. Nothing has ended.
    #[error("the refresh token was exchanged by somebody else at the same time")]
    Overtaken,
    /// It was exchanged before. The login has ended; the caller revokes its tokens.
    #[error("the refresh token was used before")]
    Reused {
        /// Which login.
        session: Box<str>,
    },
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A resume token.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The session that it belongs to: its root. The connection is revoked by this name.
    pub session: Box<str>,
    /// `vss_…`.
    pub token: Secret,
    /// Its end.
    pub expires: UnixTime,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            login_lifetime: limits::LOGIN_LIFETIME,
            resume_lifetime: limits::RESUME_LIFETIME,
            overlap: Duration::ZERO,
            each: limits::SESSIONS_EACH,
        }
    }
}

impl Sessions {
    /// Sessions in that store.
    pub fn new(store: Arc<dyn Store>, policy: SessionPolicy) -> Self {
        Self { store, policy }
    }

    /// Ends a session and all whose root it is; returns how many there were. Ending one that is not
    /// there is no error. Also takes a root that another issuer named (`sid`).
    pub async fn end(&self, session: &str, now: UnixTime) -> Result<usize, StoreError> {
        // The root goes first: whatever is added from here on has none, and does not count.
        let mut ended = usize::from(self.remove(session, now).await?);
        let prefix = record::under_root(session);
        loop {
            let page = Page { prefix: &prefix, after: None, limit: limits::SESSIONS_AT_ONCE };
            let members = self.store.list(Table::SessionsBySubject, page, now).await?;
            for member in &members {
                let id = record::id_of(&member.key);
                if self.remove(id, now).await? {
                    ended += 1;
                } else {
                    // A record that is over, and has not taken its index with it.
                    self.drop_index(&member.key, now).await?;
                }
            }
            if members.len() < limits::SESSIONS_AT_ONCE {
                return Ok(ended);
            }
        }
    }

    /// Ends all sessions of a subject; returns how many there were. One that begins meanwhile is not
    /// among them: revoke the subject first.
    pub async fn end_of_subject(
        &self,
        issuer: &str,
        subject: &str,
        now: UnixTime,
    ) -> Result<usize, StoreError> {
        let mut ended = 0;
        for id in self.of_subject(issuer, subject, now).await? {
            ended += self.end(&id, now).await?;
        }
        Ok(ended)
    }

    /// The ids of a subject's sessions: logins first, then resume tokens, each by age. All of them,
    /// also where there are more than [`SessionPolicy::each`] says by now.
    pub async fn of_subject(
        &self,
        issuer: &str,
        subject: &str,
        now: UnixTime,
    ) -> Result<Vec<Box<str>>, StoreError> {
        let mut ids = Vec::new();
        for kind in [Kind::Login, Kind::Resume] {
            let prefix = record::under_subject(kind, issuer, subject);
            let mut last: Option<Box<str>> = None;
            loop {
                let after = last.as_deref();
                let page = Page { prefix: &prefix, after, limit: limits::SESSIONS_AT_ONCE };
                let listed = self.store.list(Table::SessionsBySubject, page, now).await?;
                ids.extend(listed.iter().map(|listed| Box::from(record::id_of(&listed.key))));
                if listed.len() < limits::SESSIONS_AT_ONCE {
                    break;
                }
                last = listed.into_iter().next_back().map(|listed| listed.key);
            }
        }
        Ok(ids)
    }

    /// Writes a new session, and ends the oldest of the subject if it has too many.
    async fn add(&self, id: &str, record: &Record, now: UnixTime) -> Result<(), StoreError> {
        let prefix = record.prefix();
        let page = Page { prefix: &prefix, after: None, limit: self.policy.each.max(1) };
        let others = self.store.list(Table::SessionsBySubject, page, now).await?;
        if others.len() >= self.policy.each.max(1)
            && let Some(oldest) = others.first()
        {
            self.end(record::id_of(&oldest.key), now).await?;
            self.drop_index(&oldest.key, now).await?;
        }
        let put = |table, key: Box<str>, value| Change {
            table,
            key,
            expect: Expect::Absent,
            action: Action::Put(value, Some(record.ends)),
        };
        let [by_subject, by_root] = record.index(id);
        let changes = vec![
            put(Table::Sessions, id.into(), records::encode(record)?),
            put(Table::SessionsBySubject, by_subject, records::encode(&record::Index {})?),
            put(Table::SessionsBySubject, by_root, records::encode(&record::Index {})?),
        ];
        match self.store.commit(changes, now).await? {
            Committed::Done => Ok(()),
            Committed::Conflict => Err(StoreError("a new session has the id of another".into())),
        }
    }

    /// A session and its version, for changing it.
    async fn read(&self, id: &str, now: UnixTime) -> Result<Option<(Record, u64)>, StoreError> {
        let Some(entry) = self.store.read(Table::Sessions, id, now).await? else {
            return Ok(None);
        };
        let record: Record = records::decode("sessions", &entry.value)?;
        Ok((now < record.ends).then_some((record, entry.version)))
    }

    /// Writes a session that was read, unless somebody else has written it since.
    async fn replace(
        &self,
        id: &str,
        (record, version): (&Record, u64),
        now: UnixTime,
    ) -> Result<Committed, StoreError> {
        let change = Change {
            table: Table::Sessions,
            key: id.into(),
            expect: Expect::Version(version),
            action: Action::Put(records::encode(record)?, Some(record.ends)),
        };
        self.store.commit(vec![change], now).await
    }

    /// Whether it was there.
    async fn remove(&self, id: &str, now: UnixTime) -> Result<bool, StoreError> {
        if !is_ours(id) {
            return Ok(false);
        }
        let Some(entry) = self.store.read(Table::Sessions, id, now).await? else {
            return Ok(false);
        };
        let record: Record = records::decode("sessions", &entry.value)?;
        let gone = |table, key: Box<str>| Change {
            table,
            key,
            expect: Expect::Anything,
            action: Action::Remove,
        };
        let [by_subject, by_root] = record.index(id);
        let changes = vec![
            gone(Table::Sessions, id.into()),
            gone(Table::SessionsBySubject, by_subject),
            gone(Table::SessionsBySubject, by_root),
        ];
        match self.store.commit(changes, now).await? {
            Committed::Done => Ok(true),
            Committed::Conflict => Err(StoreError("a change without condition had none".into())),
        }
    }

    async fn drop_index(&self, key: &str, now: UnixTime) -> Result<(), StoreError> {
        let change = Change {
            table: Table::SessionsBySubject,
            key: key.into(),
            expect: Expect::Anything,
            action: Action::Remove,
        };
        match self.store.commit(vec![change], now).await? {
            Committed::Done | Committed::Conflict => Ok(()),
        }
    }
}

/// A new session's id, as bytes and as a name.
fn new_id() -> Result<([u8; opaque::ID_BYTES], Box<str>), StoreError> {
    let bytes = *opaque::random::<{ opaque::ID_BYTES }>()?;
    Ok((bytes, record::name(&bytes)))
}

#[cfg(test)]
mod tests;
