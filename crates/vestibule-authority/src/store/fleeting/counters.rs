//! Attempt counters, by the generic cell rate algorithm: of each bucket only the time is kept at
//! which it will be full again.

use std::collections::{BTreeSet, HashMap};

use vestibule_core::time::UnixTime;

use super::Name;
use crate::{
    limits,
    store::{Rate, Space, Spent},
};

/// A part of the counters.
pub(super) struct Counters {
    full_again: HashMap<Name, i64>,
    /// The same, the most relaxed first, so that it can be found.
    by_time: BTreeSet<(Space, i64, [u8; 32])>,
    /// How many there are of a space.
    count: HashMap<Space, usize>,
    /// How many there may be.
    most: usize,
}

impl Counters {
    /// Counts up to that many of each space.
    pub(super) fn new(most: usize) -> Self {
        Self {
            full_again: HashMap::new(),
            by_time: BTreeSet::new(),
            count: HashMap::new(),
            most: most.max(1),
        }
    }

    /// Takes one from the bucket, if there is one.
    pub(super) fn spend(&mut self, name: Name, rate: Rate, now: UnixTime) -> Spent {
        let now = now.as_millis();
        let every = i64::try_from(rate.every.as_micros().div_ceil(1000)).unwrap_or(i64::MAX).max(1);
        let burst = every.saturating_mul(i64::from(rate.burst));
        // A bucket cannot be emptier than empty, unless the clock went back since.
        let empty = now.saturating_add(burst);
        let mut known = self.full_again.get(&name).copied();
        if let Some(ahead) = known.filter(|known| *known > empty) {
            self.remove(name, ahead);
            self.insert(name, empty);
            known = Some(empty);
        }
        let next = known.unwrap_or(now).max(now).saturating_add(every);
        if next > empty {
            let wait = u64::try_from(next.saturating_sub(empty)).unwrap_or(1);
            return Spent::Wait(std::time::Duration::from_millis(wait));
        }
        self.clear(name.0, now);
        match known {
            Some(known) => self.remove(name, known),
            None => self.make_room(name.0),
        }
        self.insert(name, next);
        Spent::Granted
    }

    /// Forgets some of those that are full again: they count nothing.
    fn clear(&mut self, space: Space, now: i64) {
        for _ in 0..limits::CLEARED_AT_ONCE {
            let Some((time, digest)) = self.most_relaxed(space) else { return };
            if time > now {
                return;
            }
            self.remove((space, digest), time);
        }
    }

    fn make_room(&mut self, space: Space) {
        if self.count.get(&space).is_some_and(|count| *count >= self.most)
            && let Some((time, digest)) = self.most_relaxed(space)
        {
            self.remove((space, digest), time);
        }
    }

    fn most_relaxed(&self, space: Space) -> Option<(i64, [u8; 32])> {
        let first = self.by_time.range((space, i64::MIN, [0; 32])..).next()?;
        let (of, time, digest) = *first;
        (of == space).then_some((time, digest))
    }

    fn insert(&mut self, name: Name, time: i64) {
        let (space, digest) = name;
        self.full_again.insert(name, time);
        self.by_time.insert((space, time, digest));
        let count = self.count.entry(space).or_default();
        *count = count.saturating_add(1);
    }

    fn remove(&mut self, name: Name, time: i64) {
        let (space, digest) = name;
        if self.full_again.get(&name) == Some(&time) {
            self.full_again.remove(&name);
            self.by_time.remove(&(space, time, digest));
            let count = self.count.entry(space).or_default();
            *count = count.saturating_sub(1);
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.full_again.len(), self.by_time.len());
        self.full_again.len()
    }
}
