//! A store in memory that fails on request, and shows what is in it.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    pin::Pin,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;
use vestibule_core::time::UnixTime;

use crate::{
    limits,
    store::{
        Action, Answer, Change, Committed, Digest, Entry, Event, Expect, Fleeting, Kept, Listed,
        Page, Position, Rate, Space, Spent, Store, StoreError, Table, Taken,
    },
};

#[derive(Debug, Default)]
pub(crate) struct Shelf {
    state: Mutex<State>,
    changed: Notify,
    fails: AtomicBool,
    between: Mutex<Option<Between>>,
}

/// What happens just before a change of a table.
struct Between(Table, Pin<Box<dyn Future<Output = ()> + Send>>);

impl fmt::Debug for Between {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Between").field(&self.0).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct State {
    records: BTreeMap<(Table, Box<str>), (Entry, Option<UnixTime>)>,
    versions: u64,
    feed: BTreeMap<Position, Event>,
    fleeting: HashMap<(Space, Digest), (Option<Fleeting>, UnixTime)>,
}

impl Shelf {
    /// From now on every question fails.
    pub(crate) fn fail(&self) {
        self.fails.store(true, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// From now on none does.
    pub(crate) fn mend(&self) {
        self.fails.store(false, Ordering::SeqCst);
    }

    /// Has something else happen just before the next change of a table.
    pub(crate) fn before_next(
        &self,
        table: Table,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        *self.between.lock().unwrap() = Some(Between(table, Box::pin(work)));
    }

    /// The feed as one reads it who comes new, without the marks.
    pub(crate) fn feed(&self) -> Vec<Event> {
        let events = self.state().feed.values().cloned().collect::<Vec<_>>();
        events
            .into_iter()
            .filter(|event| event.value.as_ref().is_none_or(|v| !v.is_empty()))
            .collect()
    }

    /// Forgets an event, as a store may that is over.
    pub(crate) fn drop_event(&self, key: &str) {
        self.state().feed.retain(|_, event| *event.key != *key);
    }

    /// Everything that is kept, for a search for what must not be.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let state = self.state();
        let mut all = Vec::new();
        for ((_, key), (entry, _)) in &state.records {
            all.extend_from_slice(key.as_bytes());
            all.extend_from_slice(&entry.value);
        }
        for ((_, name), (thing, _)) in &state.fleeting {
            all.extend_from_slice(name);
            all.extend(thing.iter().flat_map(|thing| thing.value.iter().copied()));
        }
        all
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn works(&self) -> Result<(), StoreError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError("the shelf is broken".into()));
        }
        Ok(())
    }

    fn answer<'a, T: Send + 'a>(
        &'a self,
        work: impl FnOnce(&mut State) -> T + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            self.works()?;
            let answer = work(&mut self.state());
            self.changed.notify_waiters();
            Ok(answer)
        })
    }
}

impl State {
    fn record(&self, table: Table, key: &str, now: UnixTime) -> Option<&Entry> {
        let (entry, until) = self.records.get(&(table, key.into()))?;
        until.is_none_or(|until| until > now).then_some(entry)
    }

    fn commit(&mut self, changes: Vec<Change>, now: UnixTime) -> Committed {
        for Change { table, key, expect, action: _ } in &changes {
            let version = self.record(*table, key, now).map(|entry| entry.version);
            let holds = match expect {
                Expect::Anything => true,
                Expect::Absent => version.is_none(),
                Expect::Version(wanted) => version == Some(*wanted),
            };
            if !holds {
                return Committed::Conflict;
            }
        }
        for Change { table, key, expect: _, action } in changes {
            self.versions += 1;
            match action {
                Action::Put(value, until) => {
                    let entry = Entry { value, version: self.versions };
                    self.records.insert((table, key), (entry, until));
                }
                Action::Remove => {
                    self.records.remove(&(table, key));
                }
            }
        }
        Committed::Done
    }

    fn keep(&mut self, thing: Fleeting, now: UnixTime) -> Kept {
        self.fleeting.retain(|_, (_, until)| *until > now);
        let Fleeting { space, name, owner, value: _, until, room } = &thing;
        let things = || self.fleeting.values().filter_map(|(thing, _)| thing.as_ref());
        let of_space = |thing: &&Fleeting| thing.space == *space;
        if self.fleeting.contains_key(&(*space, *name)) {
            return Kept::Taken;
        }
        let all = things().filter(of_space).count();
        let each = things().filter(of_space).filter(|thing| thing.owner == *owner).count();
        if each >= usize::try_from(room.each).unwrap() {
            return Kept::OwnerFull;
        }
        if all >= usize::try_from(room.all).unwrap() {
            return Kept::Full;
        }
        let (place, until) = ((*space, *name), *until);
        self.fleeting.insert(place, (Some(thing), until));
        Kept::Done
    }

    fn take(&mut self, space: Space, name: Digest, now: UnixTime) -> Taken {
        self.fleeting.retain(|_, (_, until)| *until > now);
        match self.fleeting.get_mut(&(space, name)) {
            Some((thing, _)) => {
                thing.take().map_or(Taken::Spent, |thing| Taken::Value(thing.value))
            }
            None => Taken::Nothing,
        }
    }

    fn after(&self, after: Position) -> Vec<(Position, Event)> {
        let from = Position(after.0 + 1);
        let events = self.feed.range(from..).take(limits::EVENTS_AT_ONCE);
        events.map(|(position, event)| (*position, event.clone())).collect()
    }
}

impl Store for Shelf {
    fn read<'a>(&'a self, table: Table, key: &'a str, now: UnixTime) -> Answer<'a, Option<Entry>> {
        self.answer(move |state| state.record(table, key, now).cloned())
    }

    fn list<'a>(&'a self, table: Table, page: Page<'a>, now: UnixTime) -> Answer<'a, Vec<Listed>> {
        self.answer(move |state| {
            let all = state.records.iter().filter(|((of, key), (_, until))| {
                *of == table
                    && key.starts_with(page.prefix)
                    && page.after.is_none_or(|after| **key > *after)
                    && until.is_none_or(|until| until > now)
            });
            let listed =
                all.map(|((_, key), (entry, _))| Listed { key: key.clone(), entry: entry.clone() });
            listed.take(page.limit).collect()
        })
    }

    fn commit(&self, changes: Vec<Change>, now: UnixTime) -> Answer<'_, Committed> {
        let tables: Vec<Table> = changes.iter().map(|change| change.table).collect();
        Box::pin(async move {
            let between = {
                let mut between = self.between.lock().unwrap();
                between.take_if(|between| tables.contains(&between.0))
            };
            if let Some(Between(_, work)) = between {
                work.await;
            }
            self.answer(move |state| state.commit(changes, now)).await
        })
    }

    fn append(&self, event: Event, _now: UnixTime) -> Answer<'_, Position> {
        self.answer(move |state| {
            state.versions += 1;
            let position = Position(state.versions);
            state.feed.retain(|_, earlier| earlier.key != event.key);
            state.feed.insert(position, event);
            position
        })
    }

    fn follow(&self, after: Position) -> Answer<'_, Vec<(Position, Event)>> {
        Box::pin(async move {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                self.works()?;
                let events = self.state().after(after);
                if !events.is_empty() {
                    return Ok(events);
                }
                changed.await;
            }
        })
    }

    fn keep(&self, thing: Fleeting, now: UnixTime) -> Answer<'_, Kept> {
        self.answer(move |state| state.keep(thing, now))
    }

    fn take(&self, space: Space, name: Digest, now: UnixTime) -> Answer<'_, Taken> {
        self.answer(move |state| state.take(space, name, now))
    }

    fn spend(&self, _: Space, _: Digest, _: Rate, _now: UnixTime) -> Answer<'_, Spent> {
        self.answer(|_| Spent::Granted)
    }
}
