//! Fleeting things in bounded memory.
//!
//! No timer runs: whatever is over is cleared away by the calls that come later, a few at a time,
//! and all of it before a call is refused for want of room.
//!
//! What happens when there is no room:
//!
//! - **Things** (tickets, challenges, identifiers that count once) fail closed: nothing more is kept.
//!   A name that was taken is remembered as long as the thing would have lived, so its memory is
//!   reserved too: a space with [`limits::SPENT_NAMES`] such names keeps nothing new.
//! - **Attempt counters** forget the one that is nearest to being full again. Refusing instead would
//!   let a stranger lock everybody out, with one attempt each against many invented names. What the
//!   stranger gains is small: the forgotten counter is the one with the fewest attempts against it,
//!   so to have the counter of an account forgotten, [`limits::ATTEMPT_COUNTERS`] others must each
//!   have had as many attempts, and must keep having them as fast as counters recover.
//!
//! Parts have locks of their own; which part a name belongs to is decided with a key that nobody
//! outside the process knows, so that nobody can aim at one.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard},
};

use vestibule_core::time::UnixTime;

use super::{Digest, Fleeting, Kept, Rate, Space, Spent, StoreError, Taken};
use crate::limits;

mod counters;
mod things;

use self::{counters::Counters, things::Things};

/// Things and attempt counters.
pub(crate) struct FleetingMemory {
    things: Things,
    counters: Box<[Mutex<Counters>]>,
    places: RandomState,
}

/// A name within all spaces.
type Name = (Space, Digest);

impl FleetingMemory {
    /// Remembers nothing yet.
    pub(crate) fn new() -> Self {
        let counters =
            || Mutex::new(Counters::new(limits::ATTEMPT_COUNTERS / limits::FLEETING_PARTS));
        Self {
            things: Things::new(limits::SPENT_NAMES, limits::FLEETING_BYTES_IN_ALL),
            counters: std::iter::repeat_with(counters).take(limits::FLEETING_PARTS).collect(),
            places: RandomState::new(),
        }
    }

    /// [`Store::keep`](super::Store::keep).
    pub(crate) fn keep(&self, thing: Fleeting, now: UnixTime) -> Result<Kept, StoreError> {
        self.things.keep(thing, now)
    }

    /// [`Store::take`](super::Store::take).
    pub(crate) fn take(
        &self,
        space: Space,
        name: Digest,
        now: UnixTime,
    ) -> Result<Taken, StoreError> {
        self.things.take((space, name), now)
    }

    /// [`Store::spend`](super::Store::spend).
    pub(crate) fn spend(
        &self,
        space: Space,
        name: Digest,
        rate: Rate,
        now: UnixTime,
    ) -> Result<Spent, StoreError> {
        let mut counters = lock(part_of(&self.counters, &self.places, &(space, name))?)?;
        Ok(counters.spend((space, name), rate, now))
    }
}

/// The part that a name belongs to.
fn part_of<'p, T>(
    parts: &'p [Mutex<T>],
    places: &RandomState,
    name: &Name,
) -> Result<&'p Mutex<T>, StoreError> {
    let count = u64::try_from(parts.len()).unwrap_or(u64::MAX).max(1);
    let place = usize::try_from(places.hash_one(name) % count).unwrap_or(usize::MAX);
    parts.get(place).ok_or_else(broken)
}

/// After a panic with the lock held nobody knows what is there, so nothing is handed out any more.
fn lock<T>(part: &Mutex<T>) -> Result<MutexGuard<'_, T>, StoreError> {
    part.lock().map_err(|_| broken())
}

fn broken() -> StoreError {
    StoreError("the memory of fleeting things is broken".into())
}

impl fmt::Debug for FleetingMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { things, counters: _, places: _ } = self;
        f.debug_struct("FleetingMemory").field("things", things).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
