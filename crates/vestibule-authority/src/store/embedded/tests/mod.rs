use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
};

use tempfile::TempDir;

use super::{
    tables::{ENDS, FEED_ENDS, FEED_KEYS, FORMAT, META},
    *,
};
use crate::store::{Action, Expect};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

mod disk;

mod in_memory {
    use super::*;

    crate::store_contract!(|| -> Arc<dyn Store> { Embedded::in_memory().unwrap() });
}

mod in_a_file {
    use super::*;

    crate::store_contract!(|| -> Arc<dyn Store> {
        let (_folder, path) = place();
        // The file lives on without its name until the store is dropped.
        Embedded::open(&path).unwrap()
    });
}

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    (folder, path)
}

fn put(key: &str, size: usize, until: Option<UnixTime>) -> Change {
    let action = Action::Put(vec![7; size].into(), until);
    Change { table: Table::Users, key: key.into(), expect: Expect::Anything, action }
}

fn event(key: &str, until: Option<UnixTime>) -> Event {
    Event { key: key.into(), value: Some(Box::from([7])), until }
}

/// A store in which something happened.
async fn used(path: &Path) {
    let store = Embedded::open(path).unwrap();
    let batch = (0..50).map(|user| put(&format!("user-{user}"), 500, None)).collect();
    assert_eq!(store.commit(batch, NOW).await.unwrap(), Committed::Done);
    store.append(event("a", None), NOW).await.unwrap();
}

fn refusal(path: &Path) -> OpenError {
    let before = fs::read(path).unwrap();
    let error = Embedded::open(path).expect_err("it must not be opened");
    assert!(fs::read(path).unwrap() == before, "the file was touched: {error}");
    error
}

#[tokio::test]
async fn what_was_written_is_there_when_the_file_is_opened_again() {
    let (_folder, path) = place();
    let store = Embedded::open(&path).unwrap();
    let batch = vec![put("alice", 5, None)];
    assert_eq!(store.commit(batch, NOW).await.unwrap(), Committed::Done);
    let version = store.read(Table::Users, "alice", NOW).await.unwrap().unwrap().version;
    let first = store.append(event("a", None), NOW).await.unwrap();
    drop(store);

    let store = Embedded::open(&path).unwrap();
    let found = store.read(Table::Users, "alice", NOW).await.unwrap().unwrap();
    assert_eq!((found.value.as_slice(), found.version), (&[7; 5][..], version));
    let feed = store.follow(Position::START).await.unwrap();
    assert_eq!(feed, [(first, event("a", None))]);
    // Numbers go on where they were.
    let second = store.append(event("a", None), NOW).await.unwrap();
    assert!(second > first);
    let batch = vec![put("alice", 5, None)];
    assert_eq!(store.commit(batch, NOW).await.unwrap(), Committed::Done);
    assert!(store.read(Table::Users, "alice", NOW).await.unwrap().unwrap().version > version);
}

#[test]
fn the_file_is_for_its_owner_alone() {
    let (folder, path) = place();
    let store = Embedded::open(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(store);
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["store"]);
}

#[tokio::test]
async fn a_file_that_is_open_is_not_opened_a_second_time() {
    let (folder, path) = place();
    let store = Embedded::open(&path).unwrap();
    let link = folder.path().join("link");
    symlink(&path, &link).unwrap();
    for path in [&path, &link] {
        let error = Embedded::open(path).expect_err("it is in use");
        assert_eq!(error.to_string(), "the store is in use by another process");
    }
    let batch = vec![put("alice", 5, None)];
    assert_eq!(store.commit(batch, NOW).await.unwrap(), Committed::Done);
    drop(store);
    Embedded::open(&path).unwrap();
}

#[test]
fn a_foreign_file_is_refused_and_not_touched() {
    let (folder, path) = place();
    for content in ["# vestibule.toml\n".to_owned(), "x".repeat(100_000), "\0".repeat(73_728)] {
        fs::write(&path, content).unwrap();
        let error = refusal(&path);
        assert!(matches!(error, OpenError::Foreign(_)), "{error:?}");
    }
    let error = Embedded::open(folder.path()).expect_err("a folder");
    assert!(matches!(error, OpenError::Foreign("no regular file")), "{error:?}");

    let other = folder.path().join("other");
    drop(Database::create(&other).unwrap());
    let error = refusal(&other);
    assert!(matches!(error, OpenError::Foreign("a database of something else")), "{error:?}");
}

#[test]
fn an_empty_file_is_refused_rather_than_taken_for_a_new_store() {
    let (_folder, path) = place();
    fs::write(&path, "").unwrap();
    let error = refusal(&path);
    assert!(matches!(error, OpenError::Foreign(_) | OpenError::Damaged(_)), "{error:?}");
}

#[test]
fn a_folder_that_is_not_there_is_an_error_of_the_file() {
    let (folder, _path) = place();
    let error = Embedded::open(&folder.path().join("no/store")).expect_err("no folder");
    assert!(matches!(error, OpenError::File(_)), "{error:?}");
}

#[tokio::test]
async fn a_newer_format_is_refused_and_not_touched() {
    let (_folder, path) = place();
    used(&path).await;
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert(FORMAT, 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = refusal(&path).to_string();
    assert!(error.starts_with("the store has format 2, and this version"), "{error}");
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_refused_and_not_touched() {
    let (_folder, path) = place();
    used(&path).await;
    let whole = fs::read(&path).unwrap();
    for size in [1, 8, 100, 4096, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..size]).unwrap();
        let error = refusal(&path);
        assert!(matches!(error, OpenError::Damaged(_) | OpenError::Foreign(_)), "{error:?}");
    }
    fs::write(&path, &whole).unwrap();
    Embedded::open(&path).unwrap();
}

/// Whatever byte was changed: either nobody can see it, or the file is refused as it is.
#[tokio::test]
async fn a_changed_byte_is_noticed_before_anything_is_written() {
    let (_folder, path) = place();
    used(&path).await;
    let whole = fs::read(&path).unwrap();
    let mut refused = 0;
    // The head has the most to say.
    for place in (0..512).step_by(7).chain((512..whole.len()).step_by(3001)) {
        let mut changed = whole.clone();
        changed[place] ^= 0x55;
        fs::write(&path, &changed).unwrap();
        let Ok(store) = Embedded::open(&path) else {
            refused += 1;
            assert!(fs::read(&path).unwrap() == changed, "byte {place}: the file was touched");
            continue;
        };
        let page = Page { prefix: "", after: None, limit: 100 };
        let users = store.list(Table::Users, page, NOW).await.unwrap();
        assert_eq!(users.len(), 50, "byte {place}");
        assert!(users.iter().all(|user| *user.entry.value == [7; 500]), "byte {place}");
        let feed = store.follow(Position::START).await.unwrap();
        assert_eq!(feed, [(Position(1), event("a", None))], "byte {place}");
    }
    assert!(refused > 30, "{refused}");
}

/// How much is in the indexes.
fn ends(store: &Embedded) -> (u64, u64, u64) {
    use redb::{ReadableDatabase, ReadableTableMetadata};
    let read = store.database.begin_read().unwrap();
    let (records, feed) = (read.open_table(ENDS).unwrap(), read.open_table(FEED_ENDS).unwrap());
    let keys = read.open_table(FEED_KEYS).unwrap();
    (records.len().unwrap(), feed.len().unwrap(), keys.len().unwrap())
}

#[tokio::test]
async fn what_has_been_over_for_long_leaves_the_file() {
    let store = Embedded::in_memory().unwrap();
    let over = NOW.after(std::time::Duration::from_secs(10));
    for round in 0..3 {
        let batch = (0..100).map(|user| put(&format!("{user}"), 5, Some(over))).collect();
        assert_eq!(store.commit(batch, NOW).await.unwrap(), Committed::Done, "{round}");
        store.append(event("a", Some(over)), NOW).await.unwrap();
        store.append(event("b", Some(over)), NOW).await.unwrap();
    }
    assert_eq!(ends(&store), (100, 2, 2));
    // A clock that is ahead for a moment costs nothing.
    let batch = vec![put("other", 5, None)];
    let _done = store.commit(batch.clone(), over.after(limits::KEPT_AFTER_END / 2)).await.unwrap();
    assert_eq!(ends(&store), (100, 2, 2));
    for _ in 0..50 {
        let _done = store.commit(batch.clone(), over.after(limits::KEPT_AFTER_END)).await.unwrap();
    }
    assert_eq!(ends(&store), (0, 0, 0));
}

#[tokio::test]
async fn a_file_that_is_mostly_empty_is_compacted_when_it_is_opened() {
    let (_folder, path) = place();
    let store = Embedded::open(&path).unwrap();
    let names: Vec<_> = (0..100).map(|user| format!("user-{user}")).collect();
    for name in names.chunks(10) {
        let batch = name.iter().map(|name| put(name, 100_000, None)).collect();
        let _done = store.commit(batch, NOW).await.unwrap();
    }
    let remove = |name: &String| Change { action: Action::Remove, ..put(name, 0, None) };
    let _done = store.commit(names.iter().take(99).map(remove).collect(), NOW).await.unwrap();
    drop(store);
    let before = fs::metadata(&path).unwrap().len();
    assert!(before >= limits::COMPACTED_FROM, "{before}");

    let store = Embedded::open(&path).unwrap();
    let after = fs::metadata(&path).unwrap().len();
    assert!(after < 1_000_000, "{after}");
    let kept = store.read(Table::Users, "user-99", NOW).await.unwrap().unwrap();
    assert_eq!(kept.value.len(), 100_000);
}

#[tokio::test]
async fn many_changes_wait_for_the_disk_together() {
    let store = Embedded::in_memory().unwrap();
    // A change that nobody waits for any more does not stop those behind it.
    drop(store.commit(vec![put("gone", 5, None)], NOW));
    let changing: Vec<_> = (0..3000)
        .map(|user| {
            let store = Arc::clone(&store);
            let batch = vec![put(&user.to_string(), 5, None)];
            tokio::spawn(async move { store.commit(batch, NOW).await.unwrap() })
        })
        .collect();
    for changing in changing {
        assert_eq!(changing.await.unwrap(), Committed::Done);
    }
    let page = Page { prefix: "", after: None, limit: 5000 };
    assert_eq!(store.list(Table::Users, page, NOW).await.unwrap().len(), 3000);
}

#[tokio::test]
async fn nothing_that_is_kept_is_printed() {
    let store = Embedded::in_memory().unwrap();
    let batch = vec![put("alice", 5, None)];
    let printed = format!("{batch:?}");
    let _done = store.commit(batch, NOW).await.unwrap();
    let read = store.read(Table::Users, "alice", NOW).await.unwrap();
    let printed = format!("{printed} {read:?} {store:?}");
    assert!(!printed.contains("7, 7"), "{printed}");
    assert!(printed.contains("Embedded"), "{printed}");
}
