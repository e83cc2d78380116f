//! A disk that forgets what it was not asked to keep, or breaks.

use std::{
    io,
    sync::{Mutex, MutexGuard},
};

use redb::StorageBackend;

use super::*;

#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What is read.
    seen: Vec<u8>,
    /// What is there when the power is cut.
    kept: Vec<u8>,
    broken: bool,
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The disk as it would be found.
    fn after_power_cut(&self) -> Self {
        let kept = self.state().kept.clone();
        Self(Arc::new(Mutex::new(State { seen: kept.clone(), kept, broken: false })))
    }

    fn working(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.broken { Err(io::ErrorKind::StorageFull.into()) } else { Ok(state) }
    }

    fn open(self) -> Arc<Embedded> {
        Embedded::start(open::on(self).unwrap()).unwrap()
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().seen.len().try_into().unwrap())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.state().seen[offset..offset + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.working()?.seen.resize(len.try_into().unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.working()?;
        state.kept = state.seen.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.working()?.seen[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_power_cut() {
    let disk = Disk::default();
    let store = disk.clone().open();
    for round in 0..20 {
        let key = format!("user-{round}");
        let batch = vec![put(&key, 5, None)];
        assert_eq!(store.commit(batch, NOW).await.unwrap(), Committed::Done);
        let found = disk.after_power_cut().open();
        assert!(found.read(Table::Users, &key, NOW).await.unwrap().is_some(), "{key}");

        let position = store.append(event(&key, None), NOW).await.unwrap();
        let found = disk.after_power_cut().open();
        let feed = found.follow(Position::START).await.unwrap();
        assert_eq!(feed.last(), Some(&(position, event(&key, None))));
        assert_eq!(feed.len(), round + 1);
    }
}

#[tokio::test]
async fn a_disk_that_fails_is_an_error_and_never_an_absence() {
    let disk = Disk::default();
    let store = disk.clone().open();
    let batch = vec![put("alice", 5, None)];
    assert_eq!(store.commit(batch, NOW).await.unwrap(), Committed::Done);
    let position = store.append(event("a", None), NOW).await.unwrap();

    disk.state().broken = true;
    store.commit(vec![put("bob", 100_000, None)], NOW).await.unwrap_err();
    store.append(event("b", None), NOW).await.unwrap_err();
    disk.state().broken = false;
    // Whoever asks now hears the truth, or nothing.
    for _ in 0..3 {
        let alice = store.read(Table::Users, "alice", NOW).await;
        assert!(!matches!(alice, Ok(None)), "{alice:?}");
        let bob = store.read(Table::Users, "bob", NOW).await;
        assert!(!matches!(bob, Ok(Some(_))), "{bob:?}");
        if let Ok(feed) = store.follow(Position::START).await {
            assert_eq!(feed, [(position, event("a", None))]);
        }
        // A batch without changes tells whether one with changes has a chance.
        let asked = store.commit(Vec::new(), NOW).await;
        let done = store.commit(vec![put("carol", 5, None)], NOW).await;
        assert_eq!(asked.is_ok(), done.is_ok(), "{asked:?} {done:?}");
        let carol = store.read(Table::Users, "carol", NOW).await;
        assert_eq!(done.is_ok(), matches!(carol, Ok(Some(_))), "{done:?} {carol:?}");
    }
    drop(store);
    let found = disk.after_power_cut().open();
    assert!(found.read(Table::Users, "alice", NOW).await.unwrap().is_some());
    assert!(found.read(Table::Users, "bob", NOW).await.unwrap().is_none());
    let feed = found.follow(Position::START).await.unwrap();
    assert_eq!(feed, [(position, event("a", None))]);
}
