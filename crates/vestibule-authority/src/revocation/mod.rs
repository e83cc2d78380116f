//! What is withdrawn before its end: tokens, sessions, subjects, everything issued before a time.
//!
//! A revocation is made once, kept in the store's feed, and known to all who follow it. Whoever
//! admits a principal, renews a lease or recalls a token asks [`Revocations::covers`]; whoever holds
//! connections listens to [`Revocations::announcements`]. When [`Revocations::revoke`] has returned,
//! the revocation survives a crash, `covers` says yes on every thread, and it is announced.
//!
//! What is revoked stays so for as long as it could live: a token until its `exp`, a session until
//! its end, each and [`limits::REVOCATION_AFTERLIFE`] more; without such a date until it is lifted.
//! Revocations of the same thing supersede each other, and what they cover never shrinks by that.
//!
//! What cannot be read is never taken for "nothing is revoked": [`Revocations::open`] fails, and a
//! feed that fails later is tried again and shown by [`Revocations::readiness`].

mod announce;
mod follow;
mod index;
mod model;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::broadcast;
use vestibule_core::{authn::Principal, time::UnixTime};

pub use self::{
    announce::{Announcement, Announcements},
    follow::{FeedReadiness, FeedState},
    model::{Named, NewRevocation, Revocation},
};
use self::{
    follow::Feed,
    index::{Bringer, Index},
};
use crate::{
    limits,
    store::{Event, Position, Store, StoreError},
};

/// Why a revocation was not made. Nothing was revoked, unless the store failed: then it may have
/// been.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RevocationError {
    /// There are as many as there can be.
    #[error(
        "{} revocations hold already; lift some, or revoke by subject or time",
        limits::REVOCATIONS
    )]
    Full,
    /// Too long.
    #[error("the {what} is longer than {most} bytes")]
    TooLong {
        /// What is.
        what: &'static str,
        /// How long it may be.
        most: usize,
    },
    /// Empty.
    #[error("the {what} is empty")]
    Empty {
        /// What is.
        what: &'static str,
    },
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All revocations that hold, shared by all threads.
pub struct Revocations {
    store: Arc<dyn Store>,
    index: RwLock<Index>,
    /// How many hold: while there are none, nobody takes the lock.
    held: AtomicUsize,
    sender: broadcast::Sender<Arc<Revocation>>,
    feed: Mutex<Feed>,
}

impl Revocations {
    /// Reads all that hold. Nobody may be let in before.
    pub async fn open(store: Arc<dyn Store>, now: UnixTime) -> Result<Arc<Self>, StoreError> {
        let (sender, _) = broadcast::channel(limits::ANNOUNCEMENTS);
        let revocations = Self {
            store,
            index: RwLock::default(),
            held: AtomicUsize::new(0),
            sender,
            feed: Mutex::default(),
        };
        revocations.load(now).await?;
        revocations.expire(now);
        Ok(Arc::new(revocations))
    }

    /// Whether somebody is revoked. Does not wait for anybody who waits, allocates nothing, and is
    /// one atomic load while nothing is revoked. A wrong "no" lets a thief in.
    pub fn covers(&self, principal: &Principal) -> bool {
        self.held.load(Ordering::Acquire) > 0 && self.index().covers(principal)
    }

    /// Up to which time what is issued for this subject by this issuer is revoked. Whoever mints
    /// something anew dates it after this, or it is revoked at once.
    pub fn covering(&self, principal: &Principal) -> Option<UnixTime> {
        self.index().covering(principal)
    }

    /// Revokes: durably, then here, then for those who listen. What held under the same name is
    /// joined with it.
    pub async fn revoke(
        &self,
        new: NewRevocation,
        now: UnixTime,
    ) -> Result<Revocation, RevocationError> {
        let mut revocation = new.made(now)?;
        {
            let index = self.index();
            match index.get(&revocation.id) {
                Some(known) => revocation = known.joined(&revocation),
                None if index.held() >= limits::REVOCATIONS => return Err(RevocationError::Full),
                None => {}
            }
        }
        self.keep(&revocation, now).await?;
        Ok(revocation)
    }

    /// Takes a revocation back; what it was, or `None` if there was none of this name. Who was cut
    /// off stays so, and may come again.
    pub async fn lift(&self, id: &str, now: UnixTime) -> Result<Option<Revocation>, StoreError> {
        let Some(known) = self.get(id) else { return Ok(None) };
        let event = Event { key: key(id), value: None, until: None };
        let position = self.store.append(event, now).await?;
        let mut index = self.index_mut();
        index.lift(position, id, Bringer::Maker);
        self.count(&index);
        Ok(Some(Revocation::clone(&known)))
    }

    /// One that holds.
    pub fn get(&self, id: &str) -> Option<Arc<Revocation>> {
        self.index().get(id).cloned()
    }

    /// Those that hold, in the order of their ids, after that one.
    pub fn list(&self, after: Option<&str>, limit: usize, now: UnixTime) -> Vec<Arc<Revocation>> {
        let holds = |revocation: &&Arc<Revocation>| revocation.ends().is_none_or(|end| end > now);
        self.index().list(after).filter(holds).take(limit).cloned().collect()
    }

    /// How many hold.
    pub fn len(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    /// Whether none holds.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those that are applied from now on, of whichever node.
    pub fn announcements(&self) -> Announcements {
        Announcements::new(self.sender.subscribe())
    }

    /// Appends it, and whatever covers more that was made under the same name meanwhile.
    async fn keep(&self, revocation: &Revocation, now: UnixTime) -> Result<(), StoreError> {
        let mut unkept = Some(Arc::new(revocation.clone()));
        while let Some(revocation) = unkept {
            let event = Event {
                key: key(&revocation.id),
                value: Some(revocation.to_bytes()?),
                until: revocation.ends(),
            };
            let position = self.store.append(event, now).await?;
            unkept = self.hold(position, Revocation::clone(&revocation), Bringer::Maker);
        }
        Ok(())
    }

    /// Applies and announces; returns what must be kept besides.
    fn hold(&self, at: Position, new: Revocation, bringer: Bringer) -> Option<Arc<Revocation>> {
        let mut index = self.index_mut();
        let applied = index.hold(at, new, bringer);
        self.count(&index);
        if let Some(news) = applied.news {
            // With the lock, so that all hear them in one order. That nobody listens is no fault.
            drop(self.sender.send(news));
        }
        applied.unkept
    }

    pub(crate) fn expire(&self, now: UnixTime) {
        let mut index = self.index_mut();
        index.expire(now);
        self.count(&index);
    }

    fn count(&self, index: &Index) {
        self.held.store(index.held(), Ordering::Release);
    }

    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations").field("held", &self.len()).finish_non_exhaustive()
    }
}

/// Under which a revocation stands in the feed.
fn key(id: &str) -> Box<str> {
    format!("{PREFIX}{id}").into()
}

const PREFIX: &str = "revocation/";

#[cfg(test)]
mod tests;
