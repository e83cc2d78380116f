//! Things that are taken once.
//!
//! Locks are taken in one order: the part of the name, then the part of the owner. The counts are
//! atomic, and are raised only with the part of the name locked.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, HashMap},
    fmt,
    hash::RandomState,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use vestibule_core::time::UnixTime;
use zeroize::Zeroizing;

use super::{Name, lock, part_of};
use crate::{
    limits,
    store::{Digest, Fleeting, Kept, Space, StoreError, Taken},
};

/// All things, those that were taken included.
pub(super) struct Things {
    parts: Box<[Mutex<Part>]>,
    owners: Box<[Mutex<Owners>]>,
    places: RandomState,
    counts: Counts,
}

/// Things of one part, by name, and when they are over.
#[derive(Default)]
struct Part {
    things: HashMap<Name, Thing>,
    /// One for each that was kept. May be of a thing that was replaced since.
    ends: BinaryHeap<Reverse<(UnixTime, Name)>>,
}

/// What each owner has: when it is over, and its name.
type Owners = HashMap<Name, BTreeSet<(UnixTime, Digest)>>;

struct Thing {
    until: UnixTime,
    state: State,
}

enum State {
    Held { value: Zeroizing<Vec<u8>>, owner: Digest },
    Spent,
}

impl Things {
    /// Remembers so many taken names of each space, and values of so many bytes.
    pub(super) fn new(most_spent: usize, most_bytes: usize) -> Self {
        Self {
            parts: std::iter::repeat_with(Mutex::default).take(limits::FLEETING_PARTS).collect(),
            owners: std::iter::repeat_with(Mutex::default).take(limits::FLEETING_PARTS).collect(),
            places: RandomState::new(),
            counts: Counts { most_spent, most_bytes, ..Counts::default() },
        }
    }

    /// Keeps it, if there is room.
    pub(super) fn keep(&self, thing: Fleeting, now: UnixTime) -> Result<Kept, StoreError> {
        if thing.value.len() > limits::FLEETING_BYTES {
            return Err(StoreError("a fleeting thing is too long".into()));
        }
        let mut thing = Some(thing);
        let kept = self.keep_now(&mut thing, now)?;
        if kept != Kept::Full {
            return Ok(kept);
        }
        for part in &self.parts {
            let mut part = lock(part)?;
            while self.clear_one(&mut part, now)? {}
        }
        self.keep_now(&mut thing, now)
    }

    /// Takes the thing out of the hand if it is kept.
    fn keep_now(&self, hand: &mut Option<Fleeting>, now: UnixTime) -> Result<Kept, StoreError> {
        let Some(thing) = hand.as_ref() else { return Ok(Kept::Taken) };
        let name = (thing.space, thing.name);
        let mut part = lock(part_of(&self.parts, &self.places, &name)?)?;
        self.clear_some(&mut part, now)?;
        if let Some(known) = part.things.get(&name) {
            if now < known.until {
                return Ok(Kept::Taken);
            }
            self.remove(&mut part, name)?;
        }
        if thing.until <= now {
            // Nobody could take it any more.
            return Ok(Kept::Done);
        }
        let owner = (thing.space, thing.owner);
        let mut owners = lock(part_of(&self.owners, &self.places, &owner)?)?;
        let count = owners.get_mut(&owner).map_or(0, |own| {
            while own.first().is_some_and(|(until, _name)| *until <= now) {
                own.pop_first();
            }
            own.len()
        });
        if count >= usize::try_from(thing.room.each).unwrap_or(usize::MAX) {
            return Ok(Kept::OwnerFull);
        }
        if !self.counts.admit(thing) {
            return Ok(Kept::Full);
        }
        let Some(Fleeting { space: _, name: digest, owner: of, value, until, room: _ }) =
            hand.take()
        else {
            return Ok(Kept::Taken);
        };
        owners.entry(owner).or_default().insert((until, digest));
        part.things.insert(name, Thing { until, state: State::Held { value, owner: of } });
        part.ends.push(Reverse((until, name)));
        Ok(Kept::Done)
    }

    /// Takes it, and remembers that.
    pub(super) fn take(&self, name: Name, now: UnixTime) -> Result<Taken, StoreError> {
        let mut part = lock(part_of(&self.parts, &self.places, &name)?)?;
        self.clear_some(&mut part, now)?;
        let Some(thing) = part.things.get_mut(&name).filter(|thing| now < thing.until) else {
            return Ok(Taken::Nothing);
        };
        match std::mem::replace(&mut thing.state, State::Spent) {
            State::Held { value, owner } => {
                self.counts.spent(name.0, value.len());
                self.disown((name.0, owner), thing.until, name.1)?;
                Ok(Taken::Value(value))
            }
            State::Spent => Ok(Taken::Spent),
        }
    }

    fn clear_some(&self, part: &mut Part, now: UnixTime) -> Result<(), StoreError> {
        for _ in 0..limits::CLEARED_AT_ONCE {
            if !self.clear_one(part, now)? {
                break;
            }
        }
        Ok(())
    }

    /// Clears the one away that was over first; says whether there was one.
    fn clear_one(&self, part: &mut Part, now: UnixTime) -> Result<bool, StoreError> {
        let Some(Reverse((until, name))) = part.ends.peek().copied() else { return Ok(false) };
        if now < until {
            return Ok(false);
        }
        part.ends.pop();
        if part.things.get(&name).is_some_and(|thing| thing.until <= now) {
            self.remove(part, name)?;
        }
        Ok(true)
    }

    fn remove(&self, part: &mut Part, name: Name) -> Result<(), StoreError> {
        match part.things.remove(&name) {
            Some(Thing { until, state: State::Held { value, owner } }) => {
                self.counts.gone(name.0, value.len());
                self.disown((name.0, owner), until, name.1)
            }
            Some(Thing { until: _, state: State::Spent }) => {
                self.counts.forgotten(name.0);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn disown(&self, owner: Name, until: UnixTime, name: Digest) -> Result<(), StoreError> {
        let mut owners = lock(part_of(&self.owners, &self.places, &owner)?)?;
        if let Some(own) = owners.get_mut(&owner) {
            own.remove(&(until, name));
            if own.is_empty() {
                owners.remove(&owner);
            }
        }
        Ok(())
    }

    /// How many are held, how many were taken, how many owners are known.
    #[cfg(test)]
    pub(super) fn census(&self) -> (usize, usize, usize) {
        let of = |state: fn(&State) -> bool| {
            let count = |part: &Mutex<Part>| {
                part.lock().unwrap().things.values().filter(|thing| state(&thing.state)).count()
            };
            self.parts.iter().map(count).sum()
        };
        let owners = self.owners.iter().map(|owners| owners.lock().unwrap().len()).sum();
        (
            of(|state| matches!(state, State::Held { .. })),
            of(|state| matches!(state, State::Spent)),
            owners,
        )
    }
}

/// How much there is in all parts together.
#[derive(Default)]
struct Counts {
    held: PerSpace,
    spent: PerSpace,
    bytes: AtomicUsize,
    most_spent: usize,
    most_bytes: usize,
}

#[derive(Default)]
struct PerSpace {
    ticket: AtomicUsize,
    challenge: AtomicUsize,
    replay: AtomicUsize,
    account: AtomicUsize,
    address: AtomicUsize,
}

impl PerSpace {
    fn of(&self, space: Space) -> &AtomicUsize {
        match space {
            Space::Ticket => &self.ticket,
            Space::Challenge => &self.challenge,
            Space::Replay => &self.replay,
            Space::Account => &self.account,
            Space::Address => &self.address,
        }
    }
}

impl Counts {
    /// Counts it in, if there is room.
    fn admit(&self, thing: &Fleeting) -> bool {
        let all = usize::try_from(thing.room.all).unwrap_or(usize::MAX);
        let bytes = thing.value.len();
        if self.spent.of(thing.space).load(Ordering::Relaxed) >= self.most_spent
            || !raise(self.held.of(thing.space), 1, all)
        {
            return false;
        }
        let fits = raise(&self.bytes, bytes, self.most_bytes);
        if !fits {
            lower(self.held.of(thing.space), 1);
        }
        fits
    }

    fn spent(&self, space: Space, bytes: usize) {
        self.gone(space, bytes);
        raise(self.spent.of(space), 1, usize::MAX);
    }

    fn gone(&self, space: Space, bytes: usize) {
        lower(self.held.of(space), 1);
        lower(&self.bytes, bytes);
    }

    fn forgotten(&self, space: Space) {
        lower(self.spent.of(space), 1);
    }
}

fn raise(count: &AtomicUsize, by: usize, most: usize) -> bool {
    count
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            count.checked_add(by).filter(|sum| *sum <= most)
        })
        .is_ok()
}

fn lower(count: &AtomicUsize, by: usize) {
    count.fetch_sub(by, Ordering::Relaxed);
}

impl fmt::Debug for Things {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parts: _, owners: _, places: _, counts } = self;
        f.debug_struct("Things")
            .field("bytes", &counts.bytes.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}
