//! Records: read, listed, changed under conditions.

use super::{
    Action, Arc, Change, Committed, Entry, Expect, NOW, Page, Store, Table, UnixTime, later, ok,
    together,
};
use crate::limits;

fn change(key: &str, expect: Expect, action: Action) -> Change {
    Change { table: Table::Users, key: key.into(), expect, action }
}

fn put(key: &str, value: &str, expect: Expect) -> Change {
    change(key, expect, Action::Put(value.as_bytes().to_vec().into(), None))
}

fn put_until(key: &str, value: &str, until: UnixTime) -> Change {
    let action = Action::Put(value.as_bytes().to_vec().into(), Some(until));
    change(key, Expect::Anything, action)
}

async fn entry(store: &Arc<dyn Store>, key: &str, now: UnixTime) -> Option<Entry> {
    ok(store.read(Table::Users, key, now)).await
}

async fn value(store: &Arc<dyn Store>, key: &str, now: UnixTime) -> Option<String> {
    let entry = entry(store, key, now).await?;
    Some(String::from_utf8_lossy(&entry.value).into_owned())
}

async fn version(store: &Arc<dyn Store>, key: &str) -> u64 {
    entry(store, key, NOW).await.map_or(0, |entry| entry.version)
}

async fn keys(store: &Arc<dyn Store>, prefix: &str, after: Option<&str>, limit: usize) -> String {
    let page = Page { prefix, after, limit };
    let listed = ok(store.list(Table::Users, page, NOW)).await;
    listed.iter().map(|listed| &*listed.key).collect::<Vec<_>>().join(" ")
}

/// A batch of which one condition does not hold leaves everything as it was.
pub async fn a_batch_happens_as_a_whole_or_not_at_all(store: Arc<dyn Store>) {
    let batch = vec![put("a", "1", Expect::Absent), put("b", "1", Expect::Absent)];
    assert_eq!(ok(store.commit(batch, NOW)).await, Committed::Done);

    let batch = vec![
        put("a", "2", Expect::Anything),
        change("b", Expect::Anything, Action::Remove),
        put("c", "2", Expect::Absent),
        put("b", "2", Expect::Absent),
    ];
    assert_eq!(ok(store.commit(batch, NOW)).await, Committed::Conflict);
    assert_eq!(value(&store, "a", NOW).await.as_deref(), Some("1"));
    assert_eq!(value(&store, "b", NOW).await.as_deref(), Some("1"));
    assert_eq!(value(&store, "c", NOW).await, None);

    assert_eq!(ok(store.commit(Vec::new(), NOW)).await, Committed::Done);
}

/// Conditions see nothing of their own batch; of two changes of one record the later counts.
pub async fn conditions_are_judged_before_the_first_change_of_a_batch(store: Arc<dyn Store>) {
    let batch = vec![put("a", "1", Expect::Absent), put("a", "2", Expect::Absent)];
    assert_eq!(ok(store.commit(batch, NOW)).await, Committed::Done);
    assert_eq!(value(&store, "a", NOW).await.as_deref(), Some("2"));

    let first = version(&store, "a").await;
    let batch = vec![
        change("a", Expect::Version(first), Action::Remove),
        put("b", "2", Expect::Absent),
        put("a", "3", Expect::Version(first)),
    ];
    assert_eq!(ok(store.commit(batch, NOW)).await, Committed::Done);
    assert_eq!(value(&store, "a", NOW).await.as_deref(), Some("3"));
}

/// A number that many raise, each by what it read, ends as high as there were successes.
pub async fn of_many_who_change_one_version_one_succeeds(store: Arc<dyn Store>) {
    let begin = vec![put("a", "0", Expect::Absent)];
    assert_eq!(ok(store.commit(begin, NOW)).await, Committed::Done);
    let raised = together(&store, async |_number, store| {
        let mut raised = 0_usize;
        for _ in 0..20 {
            let Some(found) = entry(&store, "a", NOW).await else { continue };
            let read = String::from_utf8_lossy(&found.value).parse::<usize>().unwrap_or(usize::MAX);
            let next = read.saturating_add(1).to_string();
            let batch = vec![put("a", &next, Expect::Version(found.version))];
            match ok(store.commit(batch, NOW)).await {
                Committed::Done => raised += 1,
                Committed::Conflict => {}
            }
        }
        raised
    })
    .await;
    let sum: usize = raised.iter().sum();
    assert!(sum >= 20, "{sum}");
    assert_eq!(value(&store, "a", NOW).await, Some(sum.to_string()));
}

/// Of those who add the same record one succeeds, and it is that one's.
pub async fn of_many_who_add_one_record_one_succeeds(store: Arc<dyn Store>) {
    for round in 0..10 {
        let key = format!("round-{round}");
        let asked = key.clone();
        let done = together(&store, move |number, store: Arc<dyn Store>| {
            let batch = vec![put(&asked, &number.to_string(), Expect::Absent)];
            async move { (number, ok(store.commit(batch, NOW)).await) }
        })
        .await;
        let mut winners = done.iter().filter(|(_, done)| *done == Committed::Done);
        let winner = winners.next().map(|(number, _)| number.to_string());
        assert_eq!(winners.count(), 0, "one winner in {key}");
        assert_eq!(value(&store, &key, NOW).await, winner);
    }
}

/// Whoever knows an old version cannot change a new record, whatever happened in between.
pub async fn a_version_never_comes_back(store: Arc<dyn Store>) {
    let mut seen = Vec::new();
    for _ in 0..5 {
        for (key, value) in [("a", "same"), ("b", "other")] {
            let batch = vec![put(key, value, Expect::Absent)];
            assert_eq!(ok(store.commit(batch, NOW)).await, Committed::Done);
            let now = version(&store, key).await;
            assert!(!seen.contains(&now), "{now} in {seen:?}");
            for before in &seen {
                let batch = vec![change(key, Expect::Version(*before), Action::Remove)];
                assert_eq!(ok(store.commit(batch, NOW)).await, Committed::Conflict);
            }
            seen.push(now);
        }
        let batch = ["a", "b"].map(|key| change(key, Expect::Anything, Action::Remove));
        assert_eq!(ok(store.commit(batch.to_vec(), NOW)).await, Committed::Done);
        let gone = vec![change("a", Expect::Version(0), Action::Remove)];
        assert_eq!(ok(store.commit(gone, NOW)).await, Committed::Conflict);
    }
}

/// A record is over at its end, not after it, for readers, lists and conditions.
pub async fn a_record_that_is_over_is_not_there(store: Arc<dyn Store>) {
    let batch = vec![put_until("a", "1", later(10)), put("b", "1", Expect::Absent)];
    assert_eq!(ok(store.commit(batch, NOW)).await, Committed::Done);
    let last = UnixTime::from_millis(later(10).as_millis() - 1);
    assert_eq!(value(&store, "a", last).await.as_deref(), Some("1"));
    assert_eq!(value(&store, "a", later(10)).await, None);
    let page = Page { prefix: "", after: None, limit: 1 };
    let listed = ok(store.list(Table::Users, page, later(10))).await;
    assert_eq!(listed.first().map(|listed| &*listed.key), Some("b"));

    let version = version(&store, "a").await;
    let batch = vec![put("a", "2", Expect::Version(version))];
    assert_eq!(ok(store.commit(batch, later(10))).await, Committed::Conflict);
    let batch = vec![put("a", "2", Expect::Absent)];
    assert_eq!(ok(store.commit(batch.clone(), last)).await, Committed::Conflict);
    assert_eq!(ok(store.commit(batch, later(10))).await, Committed::Done);
    assert_eq!(value(&store, "a", later(10_000_000)).await.as_deref(), Some("2"));
}

/// The end of a former value does not count, however much is cleared away meanwhile.
pub async fn a_record_lives_by_the_end_that_it_was_given_last(store: Arc<dyn Store>) {
    let long = later(1_000_000);
    for batch in [
        vec![put_until("a", "1", later(10)), put_until("b", "1", later(10))],
        vec![put_until("a", "2", long), put("b", "2", Expect::Anything)],
        vec![put_until("c", "1", long), put_until("c", "2", later(20))],
    ] {
        assert_eq!(ok(store.commit(batch, NOW)).await, Committed::Done);
    }
    let much_later = UnixTime::from_millis(long.as_millis() - 1);
    for round in 0..20 {
        let batch = vec![put("other", &round.to_string(), Expect::Anything)];
        assert_eq!(ok(store.commit(batch, much_later)).await, Committed::Done);
    }
    assert_eq!(value(&store, "a", much_later).await.as_deref(), Some("2"));
    assert_eq!(value(&store, "b", much_later).await.as_deref(), Some("2"));
    assert_eq!(value(&store, "c", much_later).await, None);
    assert_eq!(value(&store, "a", long).await, None);
}

/// By prefix, after a key, up to a number.
pub async fn lists_come_in_pages_in_the_order_of_bytes(store: Arc<dyn Store>) {
    let names = ["a", "a/1", "a/10", "a/2", "a/Z", "a/\u{e9}", "a/\u{1f600}", "a0", "b", "\u{ff}"];
    let batch = names.iter().rev().map(|key| put(key, "1", Expect::Absent)).collect();
    assert_eq!(ok(store.commit(batch, NOW)).await, Committed::Done);

    assert_eq!(keys(&store, "", None, 100).await, names.join(" "));
    assert_eq!(keys(&store, "a/", None, 3).await, "a/1 a/10 a/2");
    assert_eq!(keys(&store, "a/", Some("a/2"), 3).await, "a/Z a/\u{e9} a/\u{1f600}");
    assert_eq!(keys(&store, "a/", Some("a/\u{1f600}"), 3).await, "");
    assert_eq!(keys(&store, "a/", Some("a"), 1).await, "a/1");
    assert_eq!(keys(&store, "a/", Some("a/15"), 1).await, "a/2");
    assert_eq!(keys(&store, "a", Some("a"), 1).await, "a/1");
    assert_eq!(keys(&store, "a/", Some("b"), 10).await, "");
    assert_eq!(keys(&store, "a/1", None, 10).await, "a/1 a/10");
    assert_eq!(keys(&store, "c", None, 10).await, "");
    assert_eq!(keys(&store, "", Some("b"), 10).await, "\u{ff}");
    assert_eq!(keys(&store, "", None, 0).await, "");
}

/// The same key in another table is another record.
pub async fn tables_do_not_mix(store: Arc<dyn Store>) {
    for (number, table) in Table::ALL.iter().enumerate() {
        let batch = ["same", "\u{10ffff}"]
            .map(|key| Change { table: *table, ..put(key, &number.to_string(), Expect::Absent) });
        assert_eq!(ok(store.commit(batch.to_vec(), NOW)).await, Committed::Done);
    }
    for (number, table) in Table::ALL.iter().enumerate() {
        for prefix in ["", "same", "\u{10ffff}"] {
            let page = Page { prefix, after: None, limit: 100 };
            let listed = ok(store.list(*table, page, NOW)).await;
            assert_eq!(listed.len(), if prefix.is_empty() { 2 } else { 1 });
            for listed in listed {
                assert_eq!(*listed.entry.value, number.to_string().into_bytes());
            }
        }
    }
}

/// Bounds are errors, not cuts.
pub async fn what_is_too_long_is_refused_and_changes_nothing(store: Arc<dyn Store>) {
    let longest = "k".repeat(limits::KEY_BYTES);
    let too_long = "k".repeat(limits::KEY_BYTES + 1);
    let value_too_long = "v".repeat(limits::RECORD_BYTES + 1);
    let fits = vec![put(&longest, "1", Expect::Absent)];
    assert_eq!(ok(store.commit(fits, NOW)).await, Committed::Done);
    for change in [put(&too_long, "1", Expect::Absent), put("b", &value_too_long, Expect::Absent)] {
        let batch = vec![put("a", "1", Expect::Absent), change];
        assert!(store.commit(batch, NOW).await.is_err());
    }
    assert_eq!(keys(&store, "", None, 10).await, longest);
}
