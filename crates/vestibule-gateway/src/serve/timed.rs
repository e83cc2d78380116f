//! A store whose answers are timed and whose failures are counted.

use std::{fmt, sync::Arc};

use vestibule_authority::store::{
    Answer, Change, Committed, Digest, Entry, Event, Fleeting, Kept, Listed, Page, Position, Rate,
    Space, Spent, Store, Table, Taken,
};
use vestibule_core::time::UnixTime;

use crate::{
    drive::Clock,
    ops::metrics::{Metrics, Operation},
};

/// Asks another store.
pub(super) struct Timed {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl Timed {
    /// Times that one.
    pub(super) fn over(
        store: Arc<dyn Store>,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Arc<dyn Store> {
        Arc::new(Self { store, metrics, clock })
    }

    fn timed<'a, T: 'a>(&'a self, operation: &'static str, answer: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(async move {
            let began = self.clock.now().mono;
            let answer = answer.await;
            let span = began.until(self.clock.now().mono);
            let (metrics, label) = (&self.metrics, Operation { operation });
            metrics.store.get_or_create(&label).observe(span.as_secs_f64());
            if answer.is_err() {
                metrics.store_errors.get_or_create(&label).inc();
            }
            answer
        })
    }
}

impl fmt::Debug for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

impl Store for Timed {
    fn read<'a>(&'a self, table: Table, key: &'a str, now: UnixTime) -> Answer<'a, Option<Entry>> {
        self.timed("read", self.store.read(table, key, now))
    }

    fn list<'a>(&'a self, table: Table, page: Page<'a>, now: UnixTime) -> Answer<'a, Vec<Listed>> {
        self.timed("list", self.store.list(table, page, now))
    }

    fn commit(&self, changes: Vec<Change>, now: UnixTime) -> Answer<'_, Committed> {
        self.timed("commit", self.store.commit(changes, now))
    }

    fn append(&self, event: Event, now: UnixTime) -> Answer<'_, Position> {
        self.timed("append", self.store.append(event, now))
    }

    /// Not timed: it waits for something to happen.
    fn follow(&self, after: Position) -> Answer<'_, Vec<(Position, Event)>> {
        self.store.follow(after)
    }

    fn keep(&self, thing: Fleeting, now: UnixTime) -> Answer<'_, Kept> {
        self.timed("keep", self.store.keep(thing, now))
    }

    fn take(&self, space: Space, name: Digest, now: UnixTime) -> Answer<'_, Taken> {
        self.timed("take", self.store.take(space, name, now))
    }

    fn spend(&self, space: Space, name: Digest, rate: Rate, now: UnixTime) -> Answer<'_, Spent> {
        self.timed("spend", self.store.spend(space, name, rate, now))
    }
}
