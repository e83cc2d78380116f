//! What is in the file.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | name | number: `format`, the last `version`, the last `position` |
//! | `records` | table, key | version, end, value |
//! | `ends` | end, table, key | – |
//! | `feed` | position | key, value, end, how long it is kept |
//! | `feed-keys` | key | position |
//! | `feed-ends` | how long it is kept, position | – |
//!
//! Dates are milliseconds since 1970; [`NEVER`] is no end.

use std::ops::Bound;

use redb::{Database, ReadableDatabase, TableDefinition};
use vestibule_core::time::UnixTime;
use zeroize::Zeroizing;

use crate::{
    limits,
    store::{Entry, Event, Listed, Page, Position, Table},
};

/// Numbers by name.
pub(super) const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
/// Records.
pub(super) const RECORDS: TableDefinition<'static, (&str, &str), Record> =
    TableDefinition::new("records");
/// Which records are over when.
pub(super) const ENDS: TableDefinition<'static, (i64, &str, &str), ()> =
    TableDefinition::new("ends");
/// The feed.
pub(super) const FEED: TableDefinition<'static, u64, Happened> = TableDefinition::new("feed");
/// Where in the feed a key is.
pub(super) const FEED_KEYS: TableDefinition<'static, &str, u64> = TableDefinition::new("feed-keys");
/// Which events can be forgotten when.
pub(super) const FEED_ENDS: TableDefinition<'static, (i64, u64), ()> =
    TableDefinition::new("feed-ends");

/// Version, end, value.
pub(super) type Record = (u64, i64, &'static [u8]);
/// Key, value, end, how long it is kept.
pub(super) type Happened = (&'static str, Option<&'static [u8]>, Option<i64>, i64);

/// The name of the layout in `meta`.
pub(super) const FORMAT: &str = "format";
/// The layout that this version writes, and the only one that it reads.
pub(super) const FORMAT_WRITTEN: u64 = 1;
/// The name of the last version in `meta`.
pub(super) const VERSION: &str = "version";
/// The name of the last position in `meta`.
pub(super) const POSITION: &str = "position";

/// No end.
pub(super) const NEVER: i64 = i64::MAX;

/// An end as it is written.
pub(super) fn written(until: Option<UnixTime>) -> i64 {
    until.map_or(NEVER, UnixTime::as_millis)
}

/// Whether something with that end is over.
pub(super) fn is_over(until: i64, now: UnixTime) -> bool {
    until != NEVER && until <= now.as_millis()
}

/// One record as of now.
pub(super) fn read(
    database: &Database,
    table: Table,
    key: &str,
    now: UnixTime,
) -> Result<Option<Entry>, redb::Error> {
    let records = database.begin_read()?.open_table(RECORDS)?;
    let Some(found) = records.get((table.name(), key))? else { return Ok(None) };
    let (version, until, value) = found.value();
    if is_over(until, now) {
        return Ok(None);
    }
    Ok(Some(Entry { value: Zeroizing::new(value.to_vec()), version }))
}

/// A page of records as of now.
pub(super) fn list(
    database: &Database,
    table: Table,
    page: Page<'_>,
    now: UnixTime,
) -> Result<Vec<Listed>, redb::Error> {
    let records = database.begin_read()?.open_table(RECORDS)?;
    let from = match page.after {
        Some(after) if after >= page.prefix => Bound::Excluded((table.name(), after)),
        Some(_) | None => Bound::Included((table.name(), page.prefix)),
    };
    let mut listed = Vec::new();
    for found in records.range::<(&str, &str)>((from, Bound::Unbounded))? {
        let (place, record) = found?;
        let (of, key) = place.value();
        if listed.len() >= page.limit || of != table.name() || !key.starts_with(page.prefix) {
            break;
        }
        let (version, until, value) = record.value();
        if !is_over(until, now) {
            let entry = Entry { value: Zeroizing::new(value.to_vec()), version };
            listed.push(Listed { key: key.into(), entry });
        }
    }
    Ok(listed)
}

/// What is in the feed after a position, oldest first.
pub(super) fn events(
    database: &Database,
    after: Position,
) -> Result<Vec<(Position, Event)>, redb::Error> {
    let feed = database.begin_read()?.open_table(FEED)?;
    let mut events = Vec::new();
    let from = (Bound::Excluded(after.0), Bound::Unbounded);
    for found in feed.range::<u64>(from)?.take(limits::EVENTS_AT_ONCE) {
        let (position, event) = found?;
        let (key, value, until, _kept) = event.value();
        let event = Event {
            key: key.into(),
            value: value.map(Into::into),
            until: until.map(UnixTime::from_millis),
        };
        events.push((Position(position.value()), event));
    }
    Ok(events)
}
