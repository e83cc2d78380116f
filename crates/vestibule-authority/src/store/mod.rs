//! Where everything is kept that must be known again: a contract, so that one node can keep it in a
//! file and many can share it.
//!
//! Three kinds of things, and no more than these:
//!
//! - **Records** last: users, API keys, sessions, signing keys. They are read and listed by key, and
//!   changed in batches that happen as a whole or not at all, each change under a condition.
//! - **The feed** lasts, and is followed: revocations. Whoever comes late or was away reads on from
//!   the last position it knows, and misses nothing.
//! - **Fleeting things** live for seconds and need not outlive the process that keeps them: tickets,
//!   challenges, attempt counters. They are taken once.
//!
//! What an implementation must keep, and what it costs when it does not (`contract` has the
//! tests that every one passes):
//!
//! - A change is acknowledged once it survives a crash of the process and of the machine. Else a user
//!   who was disabled comes back.
//! - Conditions are judged together with the change. Else a refresh token is good twice.
//! - [`Store::take`] hands a thing out at most once, over all nodes. Else a ticket is good twice.
//! - What cannot be answered is an error, never "nothing is there". Else a revocation that could not
//!   be read is none.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use vestibule_core::time::UnixTime;
use zeroize::Zeroizing;

mod embedded;
mod fleeting;

#[cfg(any(test, feature = "contract"))]
pub mod contract;

pub use self::embedded::{Embedded, OpenError};

/// What comes of a question to the store.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The store cannot answer. Whoever asked refuses by "temporarily unavailable".
#[derive(Clone, Debug, thiserror::Error)]
#[error("the store cannot answer: {0}")]
pub struct StoreError(
    /// For the operator: what failed. Holds no record.
    pub Box<str>,
);

/// Keeps what must be known again. See the module for what is promised.
///
/// Futures may be dropped at any time; a change whose future was dropped happened, or did not.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// One record; `None` where there is none, or where it is over.
    fn read<'a>(&'a self, table: Table, key: &'a str, now: UnixTime) -> Answer<'a, Option<Entry>>;

    /// Records whose keys begin so, in the order of their keys (bytewise), after one of them.
    fn list<'a>(&'a self, table: Table, page: Page<'a>, now: UnixTime) -> Answer<'a, Vec<Listed>>;

    /// Changes all of them, or nothing. A record that is over counts as absent. All conditions are
    /// judged by what is there before the first change; then the changes are made in their order.
    fn commit(&self, changes: Vec<Change>, now: UnixTime) -> Answer<'_, Committed>;

    /// Appends to the feed. A later value under the same key replaces the earlier one for those who
    /// come new; `None` takes it back. Acknowledged when it is durable.
    ///
    /// It stays as long as it holds, and as long as the one that it replaces would have held: who
    /// knows only that one must learn of it. What takes nothing back need not stay.
    fn append(&self, event: Event, now: UnixTime) -> Answer<'_, Position>;

    /// What came after a position, oldest first, at most
    /// [`limits::EVENTS_AT_ONCE`](crate::limits::EVENTS_AT_ONCE) of it; waits while there is
    /// nothing. From [`Position::START`], everything that still holds. What is over may still come,
    /// for [`limits::KEPT_AFTER_END`](crate::limits::KEPT_AFTER_END) at least: look at its end.
    fn follow(&self, after: Position) -> Answer<'_, Vec<(Position, Event)>>;

    /// Keeps something fleeting, if there is room and nothing of that name is there or was taken.
    /// Asked in this order: the name, the room of the owner, the room in all.
    fn keep(&self, thing: Fleeting, now: UnixTime) -> Answer<'_, Kept>;

    /// Takes something fleeting. Whoever asks second is told that it was there.
    fn take(&self, space: Space, name: Digest, now: UnixTime) -> Answer<'_, Taken>;

    /// Counts an attempt against a rate, by GCRA (the generic cell rate algorithm): the bucket is
    /// full at first, and empties by one each attempt that is granted. One that is not costs nothing.
    ///
    /// Must not fail closed for want of room, nor open: what is forgotten first is the bucket that
    /// has least to remember.
    fn spend(&self, space: Space, name: Digest, rate: Rate, now: UnixTime) -> Answer<'_, Spent>;
}

/// A kind of record. Keys are unique within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Users, by name.
    Users,
    /// API keys, by id.
    ApiKeys,
    /// Public keys of users, by the hash of the key.
    PublicKeys,
    /// Passkeys of users, by a hash of what their authenticators call them.
    Passkeys,
    /// What is kept of a user who has passkeys, by name.
    PasskeysByUser,
    /// Sessions, by id.
    Sessions,
    /// Ids of sessions, by subject and id.
    SessionsBySubject,
    /// Keys that sign access tokens, by id.
    SigningKeys,
    /// Secrets of the installation, by purpose.
    Secrets,
}

impl Table {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Users,
        Self::ApiKeys,
        Self::PublicKeys,
        Self::Passkeys,
        Self::PasskeysByUser,
        Self::Sessions,
        Self::SessionsBySubject,
        Self::SigningKeys,
        Self::Secrets,
    ];

    /// Its name in a store; never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::ApiKeys => "api-keys",
            Self::PublicKeys => "public-keys",
            Self::Passkeys => "passkeys",
            Self::PasskeysByUser => "passkeys-by-user",
            Self::Sessions => "sessions",
            Self::SessionsBySubject => "sessions-by-subject",
            Self::SigningKeys => "signing-keys",
            Self::Secrets => "secrets",
        }
    }
}

/// A record as it was read.
#[derive(Clone)]
pub struct Entry {
    /// What was put. May hold keys and hashes: not printed.
    pub value: Zeroizing<Vec<u8>>,
    /// Changes with every change, for [`Expect::Version`].
    pub version: u64,
}

/// A record and its key.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The key.
    pub key: Box<str>,
    /// The record.
    pub entry: Entry,
}

/// Which records are listed.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Keys that begin so; empty is all.
    pub prefix: &'a str,
    /// Keys greater than this one; `None` begins at the beginning.
    pub after: Option<&'a str>,
    /// Most records.
    pub limit: usize,
}

/// One change of a batch.
#[derive(Clone, Debug)]
pub struct Change {
    /// Of which kind.
    pub table: Table,
    /// Of which record; up to [`limits::KEY_BYTES`](crate::limits::KEY_BYTES) bytes.
    pub key: Box<str>,
    /// What must be there for the batch to happen.
    pub expect: Expect,
    /// What is there afterwards.
    pub action: Action,
}

/// What must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Whatever is.
    Anything,
    /// Nothing.
    Absent,
    /// A record of this version.
    Version(u64),
}

/// What is there afterwards.
#[derive(Clone)]
pub enum Action {
    /// This value, until then; `None` is for ever.
    Put(Zeroizing<Vec<u8>>, Option<UnixTime>),
    /// Nothing.
    Remove,
}

/// Whether a batch happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a batch whose conditions did not hold has changed nothing"]
pub enum Committed {
    /// It did, and is durable.
    Done,
    /// A condition did not hold, and nothing has changed.
    Conflict,
}

/// One entry of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub key: Box<str>,
    /// What holds now; `None` takes it back.
    pub value: Option<Box<[u8]>>,
    /// When it can be forgotten; `None` is never.
    pub until: Option<UnixTime>,
}

/// A place in the feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub u64);

impl Position {
    /// Before everything.
    pub const START: Self = Self(0);
}

/// What a fleeting thing is for; names are unique within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Tickets.
    Ticket,
    /// Challenges and nonces.
    Challenge,
    /// Identifiers that count once.
    Replay,
    /// Attempts to log in, by account.
    Account,
    /// Attempts to log in, by address.
    Address,
}

/// The name of a fleeting thing: a hash, so that whoever reads the store holds no ticket.
pub type Digest = [u8; 32];

/// Something that lives for seconds.
#[derive(Clone)]
pub struct Fleeting {
    /// What it is for.
    pub space: Space,
    /// Its name.
    pub name: Digest,
    /// Whose it is, for the bound.
    pub owner: Digest,
    /// What is handed to whoever takes it.
    pub value: Zeroizing<Vec<u8>>,
    /// When it is over.
    pub until: UnixTime,
    /// How many there may be.
    pub room: Room,
}

/// How many fleeting things of a space there may be at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Of one owner.
    pub each: u32,
    /// In all.
    pub all: u32,
}

/// Whether something fleeting was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what was not kept cannot be taken"]
pub enum Kept {
    /// It was.
    Done,
    /// Something of that name is there, or was taken.
    Taken,
    /// There is no room for one more of this owner.
    OwnerFull,
    /// There is no room for one more.
    Full,
}

/// What taking brought.
#[derive(Clone)]
pub enum Taken {
    /// The thing, for the first and only time.
    Value(Zeroizing<Vec<u8>>),
    /// It was there, and somebody took it. Known for as long as the thing would have lived.
    Spent,
    /// It is not there: never was, or is over.
    Nothing,
}

/// How often something may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many at once.
    pub burst: u32,
    /// And then one more in each of these; at least a millisecond.
    pub every: Duration,
}

/// Whether an attempt may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an attempt that is not granted must not be made"]
pub enum Spent {
    /// It may.
    Granted,
    /// Not before that time has passed.
    Wait(Duration),
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, version } = self;
        f.debug_struct("Entry")
            .field("bytes", &value.len())
            .field("version", version)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(value, until) => write!(f, "Put({} bytes, {until:?})", value.len()),
            Self::Remove => f.write_str("Remove"),
        }
    }
}

impl fmt::Debug for Fleeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { space, name: _, owner: _, value, until, room } = self;
        f.debug_struct("Fleeting")
            .field("space", space)
            .field("bytes", &value.len())
            .field("until", until)
            .field("room", room)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "Value({} bytes)", value.len()),
            Self::Spent => f.write_str("Spent"),
            Self::Nothing => f.write_str("Nothing"),
        }
    }
}
