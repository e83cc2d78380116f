//! The feed: read to its end before anybody is let in, then followed.

use std::{
    fmt,
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};
use vestibule_core::time::UnixTime;

use super::{Bringer, PREFIX, Revocation, Revocations};
use crate::{
    limits,
    store::{Event, Position, StoreError, Table},
};

/// What the operator sees of the feed: `/readyz`, metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedReadiness {
    /// Whether revocations of other nodes arrive.
    pub state: FeedState,
    /// How many revocations hold.
    pub held: usize,
    /// For how long it has been failing.
    pub failing_for: Option<Duration>,
    /// What went wrong. Holds no record.
    pub last_error: Option<Box<str>>,
}

/// Whether revocations of other nodes arrive. Those made here count in any state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedState {
    /// They do.
    Following,
    /// The store cannot be followed; it is tried again.
    Failing,
    /// One was there that could not be read, and does not count.
    Damaged,
}

/// How following goes.
#[derive(Debug, Default)]
pub(super) struct Feed {
    trouble: Option<Trouble>,
    damage: Option<Box<str>>,
}

#[derive(Debug)]
struct Trouble {
    since: Instant,
    error: Box<str>,
}

impl FeedReadiness {
    /// Whether revocations of other nodes arrive.
    pub fn is_ready(&self) -> bool {
        self.state == FeedState::Following
    }
}

impl fmt::Display for FeedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Following => "following",
            Self::Failing => "failing",
            Self::Damaged => "damaged",
        })
    }
}

impl Revocations {
    /// Applies what other nodes revoke, and forgets what is over. Never ends; belongs into one task.
    /// Until it runs, only what is revoked here is known.
    pub async fn follow(self: Arc<Self>, wall: impl Fn() -> UnixTime) {
        tokio::join!(self.keep_up(&wall), self.keep_small(&wall));
    }

    /// How following goes.
    pub fn readiness(&self) -> FeedReadiness {
        let feed = self.feed();
        let Feed { trouble, damage } = &*feed;
        let state = match (trouble, damage) {
            (Some(_), _) => FeedState::Failing,
            (None, Some(_)) => FeedState::Damaged,
            (None, None) => FeedState::Following,
        };
        let error = trouble.as_ref().map(|trouble| &trouble.error).or(damage.as_ref());
        FeedReadiness {
            state,
            held: self.len(),
            failing_for: trouble.as_ref().map(|trouble| trouble.since.elapsed()),
            last_error: error.cloned(),
        }
    }

    /// Reads to the end. A feed that nothing was appended to would make its reader wait for ever,
    /// and nothing says where it ends: so a mark is appended, and read up to.
    pub(super) async fn load(&self, now: UnixTime) -> Result<(), StoreError> {
        let mark = Event { key: MARK.into(), value: Some(Box::default()), until: None };
        let end = self.store.append(mark, now).await?;
        let mut position = Position::START;
        while position < end {
            for (at, event) in self.store.follow(position).await? {
                position = position.max(at);
                if let Some(unkept) = self.apply(at, event)? {
                    self.keep(&unkept, now).await?;
                }
            }
            self.index_mut().read_up_to(position);
        }
        Ok(())
    }

    async fn keep_up(&self, wall: &impl Fn() -> UnixTime) {
        let mut pause = limits::FEED_RETRY_SHORTEST;
        loop {
            let position = self.index().position();
            match self.store.follow(position).await {
                Ok(events) => {
                    self.mend();
                    pause = limits::FEED_RETRY_SHORTEST;
                    self.take(events, wall()).await;
                }
                Err(fault) => {
                    self.fail(&fault);
                    sleep(pause).await;
                    pause = pause.saturating_mul(2).min(limits::FEED_RETRY_LONGEST);
                    // Following says nothing while nothing happens: ask whether the store is back.
                    if self.store.read(Table::Secrets, MARK, wall()).await.is_ok() {
                        self.mend();
                    }
                }
            }
        }
    }

    async fn keep_small(&self, wall: &impl Fn() -> UnixTime) {
        loop {
            sleep(limits::REVOCATION_SWEEP).await;
            self.expire(wall());
        }
    }

    async fn take(&self, events: Vec<(Position, Event)>, now: UnixTime) {
        let mut position = Position::START;
        for (at, event) in events {
            position = position.max(at);
            match self.apply(at, event) {
                Ok(None) => {}
                // Every node that sees it does so; they append the same, and the next sees nothing.
                Ok(Some(unkept)) => {
                    if let Err(fault) = self.keep(&unkept, now).await {
                        self.fail(&fault);
                    }
                }
                Err(damage) => {
                    error!(cause = %damage, "a revocation of another node does not count");
                    self.feed().damage = Some(damage.0);
                }
            }
        }
        self.index_mut().read_up_to(position);
    }

    /// Returns what must be kept besides.
    pub(super) fn apply(
        &self,
        at: Position,
        event: Event,
    ) -> Result<Option<Arc<Revocation>>, StoreError> {
        let Event { key, value, until: _ } = event;
        let Some(id) = key.strip_prefix(PREFIX) else { return Ok(None) };
        let Some(value) = value else {
            let mut index = self.index_mut();
            index.lift(at, id, Bringer::Feed);
            self.count(&index);
            return Ok(None);
        };
        Ok(self.hold(at, Revocation::from_bytes(&value)?, Bringer::Feed))
    }

    fn fail(&self, fault: &StoreError) {
        let mut feed = self.feed();
        if feed.trouble.is_none() {
            warn!(cause = %fault, "revocations of other nodes do not arrive");
        }
        let since = feed.trouble.as_ref().map_or_else(Instant::now, |trouble| trouble.since);
        feed.trouble = Some(Trouble { since, error: fault.0.clone() });
    }

    fn mend(&self) {
        if self.feed().trouble.take().is_some() {
            info!("revocations of other nodes arrive again");
        }
    }

    fn feed(&self) -> MutexGuard<'_, Feed> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is appended when the feed is opened.
const MARK: &str = "opened";
