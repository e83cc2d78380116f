//! A store for tests of those who use one: records and rates in memory, and it can be told to fail.
//! It gives others a turn before each answer, so that two who run beside each other interleave.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::task::yield_now;
use vestibule_core::time::UnixTime;
use zeroize::Zeroizing;

use crate::{
    limits,
    store::{
        Action, Answer, Change, Committed, Digest, Entry, Event, Expect, Fleeting, Kept, Listed,
        Page, Position, Rate, Space, Spent, Store, StoreError, Table, Taken,
    },
};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    records: Mutex<BTreeMap<(Table, Box<str>), Record>>,
    rates: Mutex<BTreeMap<(Space, Digest), UnixTime>>,
    versions: AtomicU64,
    broken: AtomicBool,
}

#[derive(Clone, Debug)]
struct Record {
    value: Zeroizing<Vec<u8>>,
    version: u64,
    until: Option<UnixTime>,
}

impl Record {
    fn is_there(&self, now: UnixTime) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Ledger {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// From now on nothing can be answered.
    pub(crate) fn fail(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    /// How many records there are.
    pub(crate) fn len(&self, table: Table) -> usize {
        self.records.lock().unwrap().keys().filter(|(of, _)| *of == table).count()
    }

    /// Everything that is kept, as text: to look for what must not be in it.
    pub(crate) fn text(&self) -> String {
        let records = self.records.lock().unwrap();
        records.values().map(|record| String::from_utf8_lossy(&record.value).into_owned()).collect()
    }

    /// Changes a record at once, without giving anybody a turn.
    pub(crate) fn edit(&self, table: Table, key: &str, edit: impl Fn(&str) -> String) {
        let mut records = self.records.lock().unwrap();
        let record = records.get_mut(&(table, key.into())).unwrap();
        let text = edit(std::str::from_utf8(&record.value).unwrap());
        record.value = Zeroizing::new(text.into_bytes());
        record.version = self.versions.fetch_add(1, Ordering::SeqCst) + 1;
    }

    async fn turn(&self) -> Result<(), StoreError> {
        yield_now().await;
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError("out of order".into()));
        }
        Ok(())
    }

    fn commit_now(&self, changes: Vec<Change>, now: UnixTime) -> Committed {
        let mut records = self.records.lock().unwrap();
        let holds = changes.iter().all(|change| {
            let key = (change.table, change.key.clone());
            let version =
                records.get(&key).filter(|record| record.is_there(now)).map(|r| r.version);
            match change.expect {
                Expect::Anything => true,
                Expect::Absent => version.is_none(),
                Expect::Version(wanted) => version == Some(wanted),
            }
        });
        if !holds {
            return Committed::Conflict;
        }
        for Change { table, key, expect: _, action } in changes {
            assert!(key.len() <= limits::KEY_BYTES);
            match action {
                Action::Put(value, until) => {
                    let version = self.versions.fetch_add(1, Ordering::SeqCst) + 1;
                    records.insert((table, key), Record { value, version, until });
                }
                Action::Remove => {
                    records.remove(&(table, key));
                }
            }
        }
        Committed::Done
    }
}

impl Store for Ledger {
    fn read<'a>(&'a self, table: Table, key: &'a str, now: UnixTime) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            self.turn().await?;
            assert!(key.len() <= limits::KEY_BYTES);
            let records = self.records.lock().unwrap();
            let record = records.get(&(table, key.into())).filter(|record| record.is_there(now));
            Ok(record.map(|Record { value, version, until: _ }| Entry {
                value: value.clone(),
                version: *version,
            }))
        })
    }

    fn list<'a>(&'a self, table: Table, page: Page<'a>, now: UnixTime) -> Answer<'a, Vec<Listed>> {
        Box::pin(async move {
            self.turn().await?;
            let records = self.records.lock().unwrap();
            let fits = |of: &Table, key: &str| {
                *of == table
                    && key.starts_with(page.prefix)
                    && page.after.is_none_or(|after| key > after)
            };
            let found = records
                .iter()
                .filter(|((of, key), record)| fits(of, key) && record.is_there(now))
                .take(page.limit);
            Ok(found
                .map(|((_, key), Record { value, version, until: _ })| Listed {
                    key: key.clone(),
                    entry: Entry { value: value.clone(), version: *version },
                })
                .collect())
        })
    }

    fn commit(&self, changes: Vec<Change>, now: UnixTime) -> Answer<'_, Committed> {
        Box::pin(async move {
            self.turn().await?;
            Ok(self.commit_now(changes, now))
        })
    }

    fn append(&self, _: Event, _: UnixTime) -> Answer<'_, Position> {
        Box::pin(async { Err(StoreError("no feed here".into())) })
    }

    fn follow(&self, _: Position) -> Answer<'_, Vec<(Position, Event)>> {
        Box::pin(async { Err(StoreError("no feed here".into())) })
    }

    fn keep(&self, _: Fleeting, _: UnixTime) -> Answer<'_, Kept> {
        Box::pin(async { Err(StoreError("nothing fleeting here".into())) })
    }

    fn take(&self, _: Space, _: Digest, _: UnixTime) -> Answer<'_, Taken> {
        Box::pin(async { Err(StoreError("nothing fleeting here".into())) })
    }

    fn spend(&self, space: Space, name: Digest, rate: Rate, now: UnixTime) -> Answer<'_, Spent> {
        Box::pin(async move {
            self.turn().await?;
            let mut rates = self.rates.lock().unwrap();
            let full = rates.get(&(space, name)).copied().filter(|full| *full > now).unwrap_or(now);
            let next = full.after(rate.every);
            let allowed = now.after(rate.every * rate.burst);
            if next > allowed {
                return Ok(Spent::Wait(Duration::max(
                    allowed.until(next),
                    Duration::from_millis(1),
                )));
            }
            rates.insert((space, name), next);
            Ok(Spent::Granted)
        })
    }
}
