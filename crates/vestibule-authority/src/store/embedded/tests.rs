use super::*;
use crate::store::{Action, Expect};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn put(key: &str) -> Change {
    let value = b"value".to_vec().into();
    Change {
        table: Table::Users,
        key: key.into(),
        expect: Expect::Anything,
        action: Action::Put(value, None),
    }
}

#[tokio::test]
async fn what_was_written_is_there_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = Embedded::open(&path).unwrap();
    assert_eq!(store.commit(vec![put("alice")], NOW).await.unwrap(), Committed::Done);
    let version = store.read(Table::Users, "alice", NOW).await.unwrap().unwrap().version;
    assert!(matches!(Embedded::open(&path), Err(OpenError::InUse)));
    drop(store);

    let store = Embedded::open(&path).unwrap();
    let found = store.read(Table::Users, "alice", NOW).await.unwrap().unwrap();
    assert_eq!((found.value.as_slice(), found.version), (&b"value"[..], version));
}
