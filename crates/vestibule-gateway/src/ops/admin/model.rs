//! What the admin API takes and gives. Times are seconds since 1970, UTC; spans are seconds.

use serde_json::{Value, json};

use super::schema::{Object, Schema, described, objects};

objects! {
    /// A live connection.
    Connection {
        /// Its name, unique over nodes and restarts.
        id: Box<str>,
        /// Who is connected.
        subject: Box<str>,
        /// Who vouches for the subject.
        issuer: Box<str>,
        /// How it was proven.
        mechanism: Box<str>,
        /// Where the credential travelled.
        carrier: Box<str>,
        /// The path of the route.
        route: Box<str>,
        /// The address of the client.
        address: Box<str>,
        /// The page behind it, as it called itself.
        origin: Option<Box<str>>,
        /// When it was let in.
        since: i64,
        /// When its credential ends.
        expires: i64,
        /// When its lease ends; absent where it is being closed.
        lease_ends: Option<i64>,
        /// The id (`jti`) of the credential.
        token: Option<Box<str>>,
        /// The session that it belongs to.
        session: Option<Box<str>>,
        /// Bytes written to the client.
        to_client: u64,
        /// Bytes written to the upstream.
        to_upstream: u64,
    }
    /// A page of connections, in the order in which they came.
    Connections {
        /// The connections.
        connections: Vec<Connection>,
        /// Where the next page begins; absent on the last.
        next: Option<Box<str>>,
    }
    /// Which connections to close: those that fit every member that is there.
    CloseConnections {
        /// Of this subject.
        subject: Option<Box<str>>,
        /// Of this issuer.
        issuer: Option<Box<str>>,
        /// Of this session.
        session: Option<Box<str>>,
        /// On the route of this path.
        route: Option<Box<str>>,
        /// Authenticated in this way.
        mechanism: Option<Box<str>>,
        /// From an address, or a block of addresses such as `10.0.0.0/8`.
        address: Option<Box<str>>,
        /// Open for at least so many seconds.
        older_than: Option<u64>,
        /// Open for less than so many seconds.
        younger_than: Option<u64>,
        /// Must be true where no other member says which.
        all: Option<bool>,
        /// For the audit log.
        reason: Option<Box<str>>,
    }
    /// How many connections are being closed.
    Closed {
        /// So many.
        closed: u64,
    }
    /// What to revoke: one of `token`, `session`, `subject`, `everything`.
    NewRevocation {
        /// The id (`jti`) of one credential; needs `issuer`.
        token: Option<Box<str>>,
        /// All credentials of a session.
        session: Option<Box<str>>,
        /// All credentials of a subject that were issued up to a time.
        subject: Option<Box<str>>,
        /// True: all credentials that were issued up to a time.
        everything: Option<bool>,
        /// Only those of this issuer.
        issuer: Option<Box<str>>,
        /// Up to when they were issued; now if absent.
        issued_before: Option<i64>,
        /// When everything that is named has ended by itself; until it is lifted if absent.
        until: Option<i64>,
        /// Why.
        reason: Option<Box<str>>,
    }
    /// A revocation that holds.
    Revocation {
        /// Its name.
        id: Box<str>,
        /// The id (`jti`) of the credential.
        token: Option<Box<str>>,
        /// The session.
        session: Option<Box<str>>,
        /// The subject.
        subject: Option<Box<str>>,
        /// True: everything.
        everything: Option<bool>,
        /// Only what this issuer issued.
        issuer: Option<Box<str>>,
        /// Up to when it was issued.
        issued_before: Option<i64>,
        /// When everything that is named has ended by itself.
        until: Option<i64>,
        /// When it was made.
        made: i64,
        /// Who made it.
        by: Box<str>,
        /// Why.
        reason: Option<Box<str>>,
    }
    /// A page of revocations.
    Revocations {
        /// The revocations.
        revocations: Vec<Revocation>,
        /// Where the next page begins; absent on the last.
        next: Option<Box<str>>,
    }
    /// What went wrong.
    Problem {
        /// Its name, for programs.
        error: Box<str>,
        /// What it means, for people.
        error_description: Box<str>,
    }
}
