//! Random scripts, against a store that is so simple that it can be seen to be right.

use std::collections::BTreeMap;

use proptest::{collection, prelude::*, test_runner::TestRunner};

use super::{
    Action, Arc, Change, Committed, Duration, Event, Expect, Fleeting, Kept, NOW, Page, Position,
    Rate, Room, Space, Spent, Store, Table, Taken, UnixTime, digest, fail, feed::drain, ok,
};

const CASES: u32 = 32;
const STEPS: usize = 60;
const ROOM: Room = Room { each: 2, all: 4 };
const RATE: Rate = Rate { burst: 3, every: Duration::from_millis(700) };

/// What a script does. Numbers name keys, owners and values.
#[derive(Clone, Debug)]
enum Step {
    /// Time passes, in milliseconds.
    Pass(u64),
    Commit(Batch),
    Read(u8),
    List(u8, usize),
    Append(u8, Option<u8>, Option<u64>),
    /// A follower reads on from where it was.
    Follow,
    Keep(u8, u8, u64),
    Take(u8),
    Spend(u8),
}

/// Key, condition, and the value and life that are put.
type Batch = Vec<(u8, Given, Option<(u8, Option<u64>)>)>;

#[derive(Clone, Copy, Debug)]
enum Given {
    Anything,
    Absent,
    /// The version that the model has, or one that is wrong.
    Current,
    Wrong,
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..4_u8;
    let life = prop_oneof![1..50_u64, 1..5000_u64, 1..20_000_000_u64];
    let end = prop_oneof![2 => Just(None), 3 => life.clone().prop_map(Some)];
    let given = prop_oneof![
        3 => Just(Given::Anything),
        1 => Just(Given::Absent),
        2 => Just(Given::Current),
        1 => Just(Given::Wrong)
    ];
    let action = prop_oneof![
        3 => (any::<u8>(), end.clone()).prop_map(Some),
        1 => Just(None)
    ];
    prop_oneof![
        3 => life.clone().prop_map(Step::Pass),
        4 => collection::vec((key.clone(), given, action), 1..4).prop_map(Step::Commit),
        2 => key.clone().prop_map(Step::Read),
        1 => (key.clone(), 0..5_usize).prop_map(|(after, limit)| Step::List(after, limit)),
        3 => (key.clone(), any::<Option<u8>>(), end).prop_map(|(k, v, e)| Step::Append(k, v, e)),
        2 => Just(Step::Follow),
        4 => (0..8_u8, 0..3_u8, life).prop_map(|(name, owner, life)| Step::Keep(name, owner, life)),
        3 => (0..8_u8).prop_map(Step::Take),
        3 => (0..2_u8).prop_map(Step::Spend),
    ]
}

/// Value and end, by key.
type Believed = BTreeMap<Box<str>, (Box<[u8]>, Option<UnixTime>)>;

/// The simple store, and what its follower believes.
#[derive(Default)]
struct Model {
    passed: u64,
    records: BTreeMap<u8, (u8, Option<UnixTime>, u64)>,
    events: BTreeMap<u8, (u8, Option<UnixTime>)>,
    believed: Believed,
    position: Position,
    things: BTreeMap<u8, (u8, UnixTime, Kept)>,
    /// Milliseconds of attempts that are left, and when that was.
    left: BTreeMap<u8, (u64, u64)>,
}

fn holds(until: Option<UnixTime>, now: UnixTime) -> bool {
    until.is_none_or(|until| now < until)
}

impl Model {
    fn now(&self) -> UnixTime {
        NOW.after(Duration::from_millis(self.passed))
    }

    fn end(&self, life: u64) -> UnixTime {
        self.now().after(Duration::from_millis(life))
    }

    fn record(&self, key: u8) -> Option<&(u8, Option<UnixTime>, u64)> {
        self.records.get(&key).filter(|(_, until, _)| holds(*until, self.now()))
    }

    async fn step(&mut self, step: Step, store: &Arc<dyn Store>) {
        match step {
            Step::Pass(millis) => self.passed = self.passed.saturating_add(millis),
            Step::Commit(batch) => self.commit(batch, store).await,
            Step::Read(key) => {
                let found = ok(store.read(Table::Sessions, &key.to_string(), self.now())).await;
                let found = found.map(|entry| (entry.value.to_vec(), entry.version));
                let expected = self.record(key).map(|(value, _, version)| (vec![*value], *version));
                assert_eq!(found, expected);
            }
            Step::List(after, limit) => self.list(after, limit, store).await,
            Step::Append(key, value, life) => {
                let until = life.map(|life| self.end(life));
                let told = value.map(|value| Box::from([value]));
                let event = Event { key: key.to_string().into(), value: told, until };
                ok(store.append(event, self.now())).await;
                match value {
                    Some(value) => _ = self.events.insert(key, (value, until)),
                    None => _ = self.events.remove(&key),
                }
            }
            Step::Follow => self.follow(store).await,
            Step::Keep(name, owner, life) => self.keep(name, owner, life, store).await,
            Step::Take(name) => self.take(name, store).await,
            Step::Spend(name) => self.spend(name, store).await,
        }
    }

    async fn commit(&mut self, batch: Batch, store: &Arc<dyn Store>) {
        let mut expected = Committed::Done;
        let mut changes = Vec::new();
        for (key, given, action) in &batch {
            let version = self.record(*key).map(|(_, _, version)| *version);
            let (expect, fits) = match given {
                Given::Anything => (Expect::Anything, true),
                Given::Absent => (Expect::Absent, version.is_none()),
                Given::Current => (Expect::Version(version.unwrap_or(1)), version.is_some()),
                Given::Wrong => (Expect::Version(u64::MAX), false),
            };
            if !fits {
                expected = Committed::Conflict;
            }
            let action = match action {
                Some((value, life)) => {
                    Action::Put(vec![*value].into(), life.map(|life| self.end(life)))
                }
                None => Action::Remove,
            };
            changes.push(Change {
                table: Table::Sessions,
                key: key.to_string().into(),
                expect,
                action,
            });
        }
        assert_eq!(ok(store.commit(changes, self.now())).await, expected);
        if expected == Committed::Conflict {
            return;
        }
        for (key, _, action) in batch {
            match action {
                Some((value, life)) => {
                    let until = life.map(|life| self.end(life));
                    self.records.insert(key, (value, until, 0));
                }
                None => _ = self.records.remove(&key),
            }
        }
        // The store chooses the versions.
        let now = self.now();
        for (key, (_, until, version)) in &mut self.records {
            if holds(*until, now) {
                let found = ok(store.read(Table::Sessions, &key.to_string(), now)).await;
                let found = found.map_or(0, |entry| entry.version);
                assert!(
                    *version == 0 || *version == found,
                    "an untouched record has a new version"
                );
                *version = found;
            }
        }
    }

    async fn list(&self, after: u8, limit: usize, store: &Arc<dyn Store>) {
        let from = after.to_string();
        let page = Page { prefix: "", after: Some(&from), limit };
        let found = ok(store.list(Table::Sessions, page, self.now())).await;
        let found: Vec<_> = found
            .into_iter()
            .map(|listed| (listed.key.to_string(), listed.entry.value.to_vec()))
            .collect();
        let expected: Vec<_> = self
            .records
            .keys()
            .filter(|key| **key > after)
            .filter_map(|key| Some((key.to_string(), vec![self.record(*key)?.0])))
            .take(limit)
            .collect();
        assert_eq!(found, expected);
    }

    /// Whatever the follower missed, it believes in the end what holds.
    async fn follow(&mut self, store: &Arc<dyn Store>) {
        let now = self.now();
        for (position, event) in drain(store, self.position, now).await {
            self.position = position;
            match event.value {
                Some(value) => _ = self.believed.insert(event.key, (value, event.until)),
                None => _ = self.believed.remove(&event.key),
            }
        }
        self.believed.retain(|_, (_, until)| holds(*until, now));
        self.events.retain(|_, (_, until)| holds(*until, now));
        let expected: Believed = self
            .events
            .iter()
            .map(|(key, (value, until))| (key.to_string().into(), (Box::from([*value]), *until)))
            .collect();
        assert_eq!(self.believed, expected);
    }

    fn forget_things(&mut self) {
        let now = self.now();
        self.things.retain(|_, (_, until, _)| now < *until);
    }

    fn held(&self, owner: Option<u8>) -> u32 {
        let counts = self.things.values().filter(|(of, _, state)| {
            *state == Kept::Done && owner.is_none_or(|owner| owner == *of)
        });
        counts.map(|_| 1).sum()
    }

    async fn keep(&mut self, name: u8, owner: u8, life: u64, store: &Arc<dyn Store>) {
        self.forget_things();
        let expected = if self.things.contains_key(&name) {
            Kept::Taken
        } else if self.held(Some(owner)) >= ROOM.each {
            Kept::OwnerFull
        } else if self.held(None) >= ROOM.all {
            Kept::Full
        } else {
            self.things.insert(name, (owner, self.end(life), Kept::Done));
            Kept::Done
        };
        let thing = Fleeting {
            space: Space::Challenge,
            name: digest(name.into()),
            owner: digest(owner.into()),
            value: vec![name, owner].into(),
            until: self.end(life),
            room: ROOM,
        };
        assert_eq!(ok(store.keep(thing, self.now())).await, expected);
    }

    async fn take(&mut self, name: u8, store: &Arc<dyn Store>) {
        self.forget_things();
        let taken = ok(store.take(Space::Challenge, digest(name.into()), self.now())).await;
        let known = self.things.get_mut(&name);
        match (taken, known) {
            (Taken::Value(value), Some((owner, _, state))) if *state == Kept::Done => {
                assert_eq!(*value, [name, *owner]);
                *state = Kept::Taken;
            }
            (Taken::Spent, Some((_, _, state))) => assert_eq!(*state, Kept::Taken),
            (Taken::Nothing, None) => {}
            (taken, known) => assert!(known.is_none() && known.is_some(), "{taken:?} of {known:?}"),
        }
    }

    async fn spend(&mut self, name: u8, store: &Arc<dyn Store>) {
        let every = u64::try_from(RATE.every.as_millis()).unwrap_or(u64::MAX);
        let full = every * u64::from(RATE.burst);
        let (left, when) = self.left.get(&name).copied().unwrap_or((full, self.passed));
        let left = left.saturating_add(self.passed - when).min(full);
        let expected = match left.checked_sub(every) {
            Some(rest) => {
                self.left.insert(name, (rest, self.passed));
                Spent::Granted
            }
            None => Spent::Wait(Duration::from_millis(every - left)),
        };
        let spent = ok(store.spend(Space::Account, digest(name.into()), RATE, self.now())).await;
        assert_eq!(spent, expected);
    }
}

/// Random scripts give the same answers as the model.
pub fn it_does_what_the_model_does(make: &dyn Fn() -> Arc<dyn Store>) {
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..Default::default() };
    let mut runner = TestRunner::new(config);
    let runtime = match tokio::runtime::Builder::new_current_thread().build() {
        Ok(runtime) => runtime,
        Err(error) => fail(&error),
    };
    let result = runner.run(&collection::vec(step(), 1..STEPS), |script| {
        let store = make();
        let mut model = Model::default();
        runtime.block_on(async {
            for step in script {
                model.step(step, &store).await;
            }
            model.step(Step::Follow, &store).await;
        });
        Ok(())
    });
    if let Err(error) = result {
        fail(&error);
    }
}
