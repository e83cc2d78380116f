//! What a change does, inside of a transaction that may hold the changes of many.

use redb::{ReadableTable, Table as Opened, WriteTransaction};
use vestibule_core::time::UnixTime;

use super::tables::{
    ENDS, FEED, FEED_ENDS, FEED_KEYS, Happened, META, NEVER, POSITION, RECORDS, Record, VERSION,
    is_over, written,
};
use crate::{
    limits,
    store::{Action, Change, Committed, Event, Expect, Position},
};

/// The tables, open for writing. [`Open::close`] before the commit.
pub(super) struct Open<'t> {
    meta: Opened<'t, &'static str, u64>,
    records: Opened<'t, (&'static str, &'static str), Record>,
    ends: Opened<'t, (i64, &'static str, &'static str), ()>,
    feed: Opened<'t, u64, Happened>,
    feed_keys: Opened<'t, &'static str, u64>,
    feed_ends: Opened<'t, (i64, u64), ()>,
    /// The last version given out.
    version: u64,
    /// The last position given out.
    position: u64,
    /// How many changes were made.
    made: usize,
}

impl<'t> Open<'t> {
    /// Opens them, and makes those that are missing.
    pub(super) fn new(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        let meta = transaction.open_table(META)?;
        let version = meta.get(VERSION)?.map_or(0, |last| last.value());
        let position = meta.get(POSITION)?.map_or(0, |last| last.value());
        Ok(Self {
            meta,
            records: transaction.open_table(RECORDS)?,
            ends: transaction.open_table(ENDS)?,
            feed: transaction.open_table(FEED)?,
            feed_keys: transaction.open_table(FEED_KEYS)?,
            feed_ends: transaction.open_table(FEED_ENDS)?,
            version,
            position,
            made: 0,
        })
    }

    /// Makes all changes if all conditions hold for what is there before the first of them.
    pub(super) fn apply(
        &mut self,
        changes: &[Change],
        now: UnixTime,
    ) -> Result<Committed, redb::Error> {
        for change in changes {
            if !self.holds(change, now)? {
                return Ok(Committed::Conflict);
            }
        }
        for change in changes {
            self.change(change)?;
        }
        Ok(Committed::Done)
    }

    fn holds(&self, change: &Change, now: UnixTime) -> Result<bool, redb::Error> {
        let found = self.records.get((change.table.name(), &*change.key))?;
        let version = found.and_then(|found| {
            let (version, until, _value) = found.value();
            (!is_over(until, now)).then_some(version)
        });
        Ok(match change.expect {
            Expect::Anything => true,
            Expect::Absent => version.is_none(),
            Expect::Version(expected) => version == Some(expected),
        })
    }

    fn change(&mut self, change: &Change) -> Result<(), redb::Error> {
        let place = (change.table.name(), &*change.key);
        self.made = self.made.saturating_add(1);
        let before = match &change.action {
            Action::Put(value, until) => {
                self.version = self.version.saturating_add(1);
                let until = written(*until);
                if until != NEVER {
                    self.ends.insert((until, place.0, place.1), ())?;
                }
                let before = self.records.insert(place, (self.version, until, value.as_slice()))?;
                before.map(|before| before.value().1).filter(|before| *before != until)
            }
            Action::Remove => self.records.remove(place)?.map(|before| before.value().1),
        };
        if let Some(before) = before.filter(|before| *before != NEVER) {
            self.ends.remove((before, place.0, place.1))?;
        }
        Ok(())
    }

    /// Appends an event, and takes out the one that it replaces.
    ///
    /// It is kept as long as the replaced one would have been: a follower that knows only that one
    /// must learn that it no longer holds.
    pub(super) fn append(&mut self, event: &Event) -> Result<Position, redb::Error> {
        self.position = self.position.saturating_add(1);
        self.made = self.made.saturating_add(1);
        let replaced = self.feed_keys.remove(&*event.key)?.map(|place| place.value());
        let owed = match replaced {
            Some(place) => self.forget(place)?,
            None => None,
        };
        let own = match (&event.value, event.until, owed) {
            // Nobody knows what this takes back.
            (None, _, None) => return Ok(Position(self.position)),
            (None, None, Some(owed)) => owed,
            (None, Some(_), Some(_)) | (Some(_), _, _) => written(event.until),
        };
        let kept = own.max(owed.unwrap_or(i64::MIN));
        let until = event.until.map(UnixTime::as_millis);
        let row = (&*event.key, event.value.as_deref(), until, kept);
        self.feed.insert(self.position, row)?;
        self.feed_keys.insert(&*event.key, self.position)?;
        if kept != NEVER {
            self.feed_ends.insert((kept, self.position), ())?;
        }
        Ok(Position(self.position))
    }

    /// Takes an event out; returns how long it would have been kept.
    fn forget(&mut self, position: u64) -> Result<Option<i64>, redb::Error> {
        let kept = self.feed.remove(position)?.map(|event| event.value().3);
        if let Some(kept) = kept {
            self.feed_ends.remove((kept, position))?;
        }
        Ok(kept)
    }

    /// Takes out what has been over for long: at most twice as much as was changed, so that it
    /// keeps pace, and no change waits for much.
    pub(super) fn prune(&mut self, now: UnixTime) -> Result<(), redb::Error> {
        let grace = i64::try_from(limits::KEPT_AFTER_END.as_millis()).unwrap_or(i64::MAX);
        let before = now.as_millis().saturating_sub(grace);
        for _ in 0..self.made.saturating_mul(2) {
            let records = self.prune_record(before)?;
            let events = self.prune_event(before)?;
            if !records && !events {
                break;
            }
        }
        Ok(())
    }

    fn prune_record(&mut self, before: i64) -> Result<bool, redb::Error> {
        let Some((first, ())) = self.ends.first()?.map(|(place, end)| (place, end.value())) else {
            return Ok(false);
        };
        let (end, table, key) = first.value();
        if end > before {
            return Ok(false);
        }
        let (table, key) = (table.to_owned(), key.to_owned());
        drop(first);
        self.records.remove((&*table, &*key))?;
        self.ends.remove((end, &*table, &*key))?;
        Ok(true)
    }

    fn prune_event(&mut self, before: i64) -> Result<bool, redb::Error> {
        let Some((kept, position)) = self.feed_ends.first()?.map(|(place, _)| place.value()) else {
            return Ok(false);
        };
        if kept > before {
            return Ok(false);
        }
        let key = self.feed.get(position)?.map(|event| event.value().0.to_owned());
        if let Some(key) = key {
            self.feed_keys.remove(&*key)?;
        }
        self.forget(position)?;
        self.feed_ends.remove((kept, position))?;
        Ok(true)
    }

    /// Writes down what was given out. Returns whether there is anything to commit.
    pub(super) fn close(mut self) -> Result<Written, redb::Error> {
        if self.made == 0 {
            return Ok(Written::Nothing);
        }
        self.meta.insert(VERSION, self.version)?;
        self.meta.insert(POSITION, self.position)?;
        Ok(Written::Something)
    }
}

/// Whether a transaction has anything to commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It has.
    Something,
    /// It has not.
    Nothing,
}
