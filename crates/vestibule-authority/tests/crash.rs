//! A process that keeps things in a file is killed, again and again, at moments that it does not
//! choose. Whatever it had acknowledged must be there afterwards, and no ticket twice.
//!
//! The process is this program, started with the argument `write`; so it has no harness.

#![expect(clippy::print_stdout, reason = "one process tells the other what was acknowledged")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "to panic is how a test fails")]

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use vestibule_authority::store::{
    Action, Change, Committed, Digest, Embedded, Event, Expect, Fleeting, Kept, Page, Position,
    Room, Space, Store, Table, Taken,
};
use vestibule_core::time::UnixTime;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
/// The process is killed so often.
const ROUNDS: usize = 20;
/// So many write at the same time, so that their changes are committed together.
const WRITERS: usize = 4;

type Test = (&'static str, fn());

const TESTS: [Test; 2] = [
    (
        "a_process_that_is_killed_loses_no_acknowledged_change_and_revives_no_ticket",
        a_process_that_is_killed_loses_no_acknowledged_change_and_revives_no_ticket,
    ),
    (
        "a_store_whose_making_was_interrupted_is_there_or_is_made_anew",
        a_store_whose_making_was_interrupted_is_there_or_is_made_anew,
    ),
];

/// The part of the usual harness that `cargo test` and `cargo nextest` need.
fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    if let ["write", path, start] = *words {
        return write(Path::new(path), start.parse().unwrap());
    }
    let wanted = names(&words);
    let (list, ignored) = (words.contains(&"--list"), words.contains(&"--ignored"));
    for (name, test) in TESTS {
        let named = wanted.is_empty() || wanted.iter().any(|word| name.contains(word));
        if named && list && !ignored {
            println!("{name}: test");
        } else if named && !list && !ignored {
            test();
            println!("test {name} ... ok");
        }
    }
}

/// The words that are neither options nor what belongs to one.
fn names<'w>(words: &[&'w str]) -> Vec<&'w str> {
    let valued = ["--format", "--color", "--skip", "--test-threads", "--logfile", "-Z"];
    let before = [""].iter().chain(words);
    let names = before
        .zip(words)
        .filter(|(before, word)| !word.starts_with('-') && !valued.contains(before));
    names.map(|(_, word)| *word).collect()
}

/// A change that a process acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Acknowledged {
    /// A batch of two records and a counter: who wrote it, and its number.
    Batch(usize, usize),
    /// An event: its number, and its position.
    Event(usize, u64),
    /// A ticket is kept.
    Kept(usize),
    /// A ticket was taken.
    Taken(usize),
}

impl Acknowledged {
    fn print(self) {
        let line = match self {
            Self::Batch(writer, number) => format!("batch {writer} {number}\n"),
            Self::Event(number, position) => format!("event {number} {position}\n"),
            Self::Kept(number) => format!("kept {number} 0\n"),
            Self::Taken(number) => format!("taken {number} 0\n"),
        };
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).unwrap();
    }

    fn read(line: &str) -> Self {
        let mut words = line.split(' ');
        let (kind, first) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
        let second: u64 = words.next().unwrap().parse().unwrap();
        match kind {
            "batch" => Self::Batch(first, second.try_into().unwrap()),
            "event" => Self::Event(first, second),
            "kept" => Self::Kept(first),
            "taken" => Self::Taken(first),
            other => panic!("{other}"),
        }
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Writes until it is killed, and tells what was acknowledged.
fn write(path: &Path, start: usize) {
    let store = Embedded::open(path).unwrap();
    run(async {
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            tasks.spawn(write_batches(Arc::clone(&store), writer, start));
        }
        tasks.spawn(write_events(Arc::clone(&store), start));
        tasks.spawn(sell_tickets(Arc::clone(&store), start));
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
    });
}

fn put(table: Table, key: &str, number: usize, expect: Expect) -> Change {
    let action = Action::Put(number.to_string().into_bytes().into(), None);
    Change { table, key: key.into(), expect, action }
}

async fn write_batches(store: Arc<Embedded>, writer: usize, start: usize) {
    for number in start.. {
        let key = format!("{writer}/{number:09}");
        let batch = vec![
            put(Table::Users, &key, number, Expect::Absent),
            put(Table::Secrets, &format!("last-{writer}"), number, Expect::Anything),
            put(Table::ApiKeys, &key, number, Expect::Absent),
        ];
        assert_eq!(store.commit(batch, NOW).await.unwrap(), Committed::Done);
        Acknowledged::Batch(writer, number).print();
    }
}

async fn write_events(store: Arc<Embedded>, start: usize) {
    for number in start.. {
        let value = Some(number.to_string().into_bytes().into());
        let event = Event { key: format!("event-{number}").into(), value, until: None };
        let position = store.append(event, NOW).await.unwrap();
        Acknowledged::Event(number, position.0).print();
    }
}

fn ticket(number: usize) -> Digest {
    let mut name = [0; 32];
    for (to, from) in name.iter_mut().zip(number.to_be_bytes()) {
        *to = from;
    }
    name
}

async fn sell_tickets(store: Arc<Embedded>, start: usize) {
    for number in start.. {
        let thing = Fleeting {
            space: Space::Ticket,
            name: ticket(number),
            owner: ticket(0),
            value: b"ticket".to_vec().into(),
            until: NOW.after(std::time::Duration::from_secs(20)),
            room: Room { each: 1_000_000, all: 1_000_000 },
        };
        assert_eq!(store.keep(thing, NOW).await.unwrap(), Kept::Done);
        Acknowledged::Kept(number).print();
        if number % 2 == 0 {
            let taken = store.take(Space::Ticket, ticket(number), NOW).await.unwrap();
            assert!(matches!(taken, Taken::Value(_)), "{taken:?}");
            Acknowledged::Taken(number).print();
        }
        // The others come between.
        store.append(Event { key: "sold".into(), value: None, until: None }, NOW).await.unwrap();
    }
}

fn start_writer(path: &Path, start: usize) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["write".as_ref(), path.as_os_str(), start.to_string().as_ref()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Lets it write until so much is acknowledged, kills it, and returns all that it had told.
fn write_and_kill(path: &Path, start: usize, enough: usize) -> Vec<Acknowledged> {
    let mut process = start_writer(path, start);
    let mut told = BufReader::new(process.stdout.take().unwrap());
    let mut acknowledged = Vec::new();
    let mut line = String::new();
    loop {
        line.clear();
        told.read_line(&mut line).unwrap();
        // What is told after the last line that is whole was cut off.
        let Some(whole) = line.strip_suffix('\n') else { break };
        acknowledged.push(Acknowledged::read(whole));
        if acknowledged.len() == enough {
            process.kill().unwrap();
        }
    }
    let end = process.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&end), Some(9), "{end}");
    assert!(acknowledged.len() >= enough);
    acknowledged
}

fn a_process_that_is_killed_loses_no_acknowledged_change_and_revives_no_ticket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let start = round * 1_000_000;
        acknowledged.extend(write_and_kill(&path, start, 20 + round * 13 % 100));
        let store = Embedded::open(&path).unwrap();
        run(async {
            check_records(&store, &acknowledged).await;
            check_feed(&store, &acknowledged).await;
            check_tickets(&store, &acknowledged).await;
        });
    }
    assert!(acknowledged.len() > ROUNDS * 20);
}

async fn records(store: &Embedded, table: Table) -> BTreeMap<Box<str>, usize> {
    let mut records = BTreeMap::new();
    let mut after: Option<Box<str>> = None;
    loop {
        let page = Page { prefix: "", after: after.as_deref(), limit: 1000 };
        let listed = store.list(table, page, NOW).await.unwrap();
        let Some(last) = listed.last() else { return records };
        after = Some(last.key.clone());
        for listed in listed {
            let number = String::from_utf8(listed.entry.value.to_vec()).unwrap().parse().unwrap();
            records.insert(listed.key, number);
        }
    }
}

async fn check_records(store: &Embedded, acknowledged: &[Acknowledged]) {
    let (left, right) = (records(store, Table::Users).await, records(store, Table::ApiKeys).await);
    assert_eq!(left, right, "half a batch");
    let last = records(store, Table::Secrets).await;
    for writer in 0..WRITERS {
        let mut own = left.iter().filter(|(key, _)| key.starts_with(&format!("{writer}/")));
        let highest = own.next_back().map(|(_, number)| number);
        assert_eq!(last.get(&*format!("last-{writer}")), highest, "half a batch of {writer}");
    }
    for change in acknowledged {
        if let Acknowledged::Batch(writer, number) = change {
            let key = format!("{writer}/{number:09}");
            assert_eq!(left.get(&*key), Some(number), "{key} was acknowledged");
        }
    }
}

async fn check_feed(store: &Embedded, acknowledged: &[Acknowledged]) {
    let event = Event { key: "mark".into(), value: None, until: None };
    let end = store.append(event.clone(), NOW).await.unwrap();
    let event = Event { value: Some(Box::from([])), ..event };
    let mark = store.append(event, NOW).await.unwrap();
    assert!(mark > end);
    let (mut feed, mut after) = (BTreeMap::new(), Position::START);
    while after < mark {
        for (position, event) in store.follow(after).await.unwrap() {
            assert!(position > after);
            after = position;
            feed.insert(event.key, position.0);
        }
    }
    for change in acknowledged {
        if let Acknowledged::Event(number, position) = change {
            let key = format!("event-{number}");
            assert_eq!(feed.get(&*key), Some(position), "{key} was acknowledged");
        }
    }
}

async fn check_tickets(store: &Embedded, acknowledged: &[Acknowledged]) {
    for change in acknowledged {
        if let Acknowledged::Kept(number) | Acknowledged::Taken(number) = change {
            let taken = store.take(Space::Ticket, ticket(*number), NOW).await.unwrap();
            assert!(matches!(taken, Taken::Nothing), "{change:?} came back: {taken:?}");
        }
    }
}

fn a_store_whose_making_was_interrupted_is_there_or_is_made_anew() {
    for round in 0..ROUNDS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let mut process = start_writer(&path, 0);
        // Killed when something is there, or, every other time, when the store itself is.
        let is_there = || match round % 2 {
            0 => fs::read_dir(folder.path()).unwrap().next().is_some(),
            _ => path.exists(),
        };
        while !is_there() {
            std::thread::yield_now();
        }
        process.kill().unwrap();
        process.wait().unwrap();
        let store = Embedded::open(&path).unwrap();
        let batch = vec![put(Table::Secrets, "first", round, Expect::Absent)];
        assert_eq!(run(store.commit(batch, NOW)).unwrap(), Committed::Done);
    }
}
