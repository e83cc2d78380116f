//! A store in one file, for one process: no server to run.
//!
//! Records and the feed are in the file, by [redb](https://docs.rs/redb): changes are written by
//! one thread, many at once, and acknowledged when the disk has them; reads see the last commit and
//! wait for nobody. Fleeting things are in memory and end with the process, so no ticket survives
//! a crash.

use std::{fmt, path::Path, sync::Arc};

use redb::Database;
use tokio::sync::Notify;
use vestibule_core::time::UnixTime;

use super::{
    Answer, Change, Committed, Digest, Entry, Event, Fleeting, Kept, Listed, Page, Position, Rate,
    Space, Spent, Store, StoreError, Table, Taken, fleeting::FleetingMemory,
};
use crate::limits;

mod open;
mod rehearsal;
mod tables;
mod transaction;
mod writer;

pub use self::open::OpenError;
use self::writer::{Request, Waiting, Writer};

/// A store in one file, or in memory. See [`crate::store`] for what it promises.
///
/// Dropped, it waits until everything is written that was asked for.
pub struct Embedded {
    database: Arc<Database>,
    writer: Writer,
    /// Told after each commit.
    written: Arc<Notify>,
    fleeting: FleetingMemory,
}

impl Embedded {
    /// Opens the file, or makes it, for its owner alone to read. Blocks; reads the whole file.
    ///
    /// Nothing is written to a file that is not a store, is damaged, or belongs to a newer version.
    pub fn open(path: &Path) -> Result<Arc<Self>, OpenError> {
        Self::start(open::file(path)?)
    }

    /// One that ends with the process.
    pub fn in_memory() -> Result<Arc<Self>, OpenError> {
        Self::start(open::memory()?)
    }

    fn start(database: Database) -> Result<Arc<Self>, OpenError> {
        let database = Arc::new(database);
        let written = Arc::new(Notify::new());
        let writer = Writer::start(Arc::clone(&database), Arc::clone(&written))
            .map_err(OpenError::Thread)?;
        Ok(Arc::new(Self { database, writer, written, fleeting: FleetingMemory::new() }))
    }

    async fn wait_for_events(&self, after: Position) -> Result<Vec<(Position, Event)>, StoreError> {
        loop {
            // First the ear, then the question: a commit between the two is heard.
            let written = self.written.notified();
            let events = tables::events(&self.database, after).map_err(|error| failed(&error))?;
            if !events.is_empty() {
                return Ok(events);
            }
            written.await;
        }
    }
}

impl Store for Embedded {
    fn read<'a>(&'a self, table: Table, key: &'a str, now: UnixTime) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            tables::read(&self.database, table, key, now).map_err(|error| failed(&error))
        })
    }

    fn list<'a>(&'a self, table: Table, page: Page<'a>, now: UnixTime) -> Answer<'a, Vec<Listed>> {
        Box::pin(async move {
            tables::list(&self.database, table, page, now).map_err(|error| failed(&error))
        })
    }

    fn commit(&self, changes: Vec<Change>, now: UnixTime) -> Answer<'_, Committed> {
        Box::pin(async move {
            check_batch(&changes)?;
            let (batch, answer) = Waiting::new(changes, now);
            self.writer.write(Request::Commit(batch), answer).await
        })
    }

    fn append(&self, event: Event, now: UnixTime) -> Answer<'_, Position> {
        Box::pin(async move {
            check_key(&event.key)?;
            check_value(event.value.as_deref().unwrap_or_default())?;
            let (event, answer) = Waiting::new(event, now);
            self.writer.write(Request::Append(event), answer).await
        })
    }

    fn follow(&self, after: Position) -> Answer<'_, Vec<(Position, Event)>> {
        Box::pin(self.wait_for_events(after))
    }

    fn keep(&self, thing: Fleeting, now: UnixTime) -> Answer<'_, Kept> {
        Box::pin(async move { self.fleeting.keep(thing, now) })
    }

    fn take(&self, space: Space, name: Digest, now: UnixTime) -> Answer<'_, Taken> {
        Box::pin(async move { self.fleeting.take(space, name, now) })
    }

    fn spend(&self, space: Space, name: Digest, rate: Rate, now: UnixTime) -> Answer<'_, Spent> {
        Box::pin(async move { self.fleeting.spend(space, name, rate, now) })
    }
}

fn check_batch(changes: &[Change]) -> Result<(), StoreError> {
    if changes.len() > limits::CHANGES_AT_ONCE {
        return Err(StoreError("a batch has too many changes".into()));
    }
    for change in changes {
        check_key(&change.key)?;
        match &change.action {
            super::Action::Put(value, _until) => check_value(value)?,
            super::Action::Remove => {}
        }
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), StoreError> {
    if key.len() > limits::KEY_BYTES {
        return Err(StoreError("a key is too long".into()));
    }
    Ok(())
}

fn check_value(value: &[u8]) -> Result<(), StoreError> {
    if value.len() > limits::RECORD_BYTES {
        return Err(StoreError("a record is too long".into()));
    }
    Ok(())
}

fn failed(error: &redb::Error) -> StoreError {
    StoreError(error.to_string().into())
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { database: _, writer: _, written: _, fleeting } = self;
        f.debug_struct("Embedded").field("fleeting", fleeting).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
