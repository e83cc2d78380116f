//! What the admin API takes and gives. Times are seconds since 1970, UTC; spans are seconds.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::schema::{Hidden, Object, Schema, Shown, described, objects};

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
        /// The methods of authentication that it rests on (`amr`, RFC 8176).
        methods: Vec<Box<str>>,
        /// The authentication context class (`acr`).
        context: Option<Box<str>>,
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
        /// When a second proof was shown, where one was asked for.
        stepped_up: Option<i64>,
        /// Until when a second proof is owed; absent where none is.
        step_up_due: Option<i64>,
        /// Bytes written to the client.
        to_client: u64,
        /// Bytes written to the upstream.
        to_upstream: u64,
    }
    /// A second proof of the same identity, which the client of a connection is asked for.
    NewStepUp {
        /// By which mechanisms, in order of preference; the route must know them.
        mechanisms: Vec<Box<str>>,
        /// How long there is for it; 60 if absent.
        within: Option<u64>,
        /// For the audit log.
        reason: Option<Box<str>>,
    }
    /// A client that was asked.
    StepUpAsked {
        /// When its connection is closed, unless the proof was shown.
        due: i64,
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
    /// A user to be added.
    NewUser {
        /// The name: ASCII letters, digits, `.`, `_`, `-`, `@` and `+`. Case counts.
        name: Box<str>,
        /// The password: 8 to 1024 bytes.
        password: Hidden,
        /// What the user may do.
        scopes: Option<Vec<Box<str>>>,
        /// Of which groups.
        groups: Option<Vec<Box<str>>>,
        /// The mail address.
        email: Option<Box<str>>,
        /// The name for people.
        display_name: Option<Box<str>>,
    }
    /// A user.
    User {
        /// The name.
        name: Box<str>,
        /// `enabled`, or `disabled`.
        state: Box<str>,
        /// What the user may do.
        scopes: Vec<Box<str>>,
        /// Of which groups.
        groups: Vec<Box<str>>,
        /// The mail address.
        email: Option<Box<str>>,
        /// The name for people.
        display_name: Option<Box<str>>,
        /// When the user was added.
        created: i64,
        /// When the user was last changed.
        changed: i64,
    }
    /// A page of users.
    Users {
        /// The users.
        users: Vec<User>,
        /// Where the next page begins; absent on the last.
        next: Option<Box<str>>,
    }
    /// How a user is changed.
    UserChange {
        /// `enabled`, or `disabled`: no login, no API key, and what was issued is revoked.
        state: Box<str>,
    }
    /// A password in place of the one before, whose logins end.
    NewPassword {
        /// The password: 8 to 1024 bytes.
        password: Hidden,
    }
    /// An API key to be made: for a `user`, or for a `machine`.
    NewKey {
        /// Whose it is.
        user: Option<Box<str>>,
        /// The name of the machine that it is for; its subject is `machine:` and this.
        machine: Option<Box<str>>,
        /// What people call it.
        label: Box<str>,
        /// What it is good for. A user's key is good for no more than the user.
        scopes: Option<Vec<Box<str>>>,
        /// When it ends; never if absent.
        expires: Option<i64>,
    }
    /// A public key to register with a user.
    NewPublicKey {
        /// Whose it is.
        user: Box<str>,
        /// A line of OpenSSH, with its options `expiry-time` and `from` or without, or a JSON Web Key
        /// as text: Ed25519 or ECDSA on P-256.
        key: Box<str>,
    }
    /// A registered public key.
    PublicKey {
        /// Its name: the hash of its fingerprint in base64url.
        id: Box<str>,
        /// Its fingerprint, as OpenSSH shows it.
        fingerprint: Box<str>,
        /// Whose it is.
        user: Box<str>,
        /// The key, as a line of OpenSSH.
        key: Box<str>,
        /// The token id of what came by it, for revocations.
        token: Box<str>,
        /// When it was registered.
        added: i64,
        /// When it ends; absent is never.
        expires: Option<i64>,
    }
    /// A page of public keys, in the order of their ids.
    PublicKeys {
        /// The keys.
        keys: Vec<PublicKey>,
        /// Where the next page begins; absent on the last.
        next: Option<Box<str>>,
    }
    /// A passkey that a user has registered.
    Passkey {
        /// Its name: a hash of what its authenticator calls it.
        id: Box<str>,
        /// Whose it is.
        user: Box<str>,
        /// What its user calls it.
        name: Option<Box<str>>,
        /// The token id of what came by it, for revocations.
        token: Box<str>,
        /// Whether its provider can copy it.
        backup_eligible: bool,
        /// Whether its provider has a copy.
        backed_up: bool,
        /// When it was registered.
        added: i64,
        /// When it was last used, give or take a minute; absent is never.
        used: Option<i64>,
    }
    /// A page of passkeys, in the order of their ids.
    Passkeys {
        /// The passkeys.
        passkeys: Vec<Passkey>,
        /// Where the next page begins; absent on the last.
        next: Option<Box<str>>,
    }
    /// An API key that was made. It is shown this once.
    MadeKey {
        /// Its name.
        id: Box<str>,
        /// The key itself.
        key: Shown,
    }
    /// An API key, without what is secret of it.
    Key {
        /// Its name.
        id: Box<str>,
        /// Whose it is.
        user: Option<Box<str>>,
        /// The machine that it is for.
        machine: Option<Box<str>>,
        /// What people call it.
        label: Box<str>,
        /// What it is good for.
        scopes: Vec<Box<str>>,
        /// When it was made.
        created: i64,
        /// When it ends; never if absent.
        expires: Option<i64>,
        /// When it was last used, give or take some minutes.
        used: Option<i64>,
    }
    /// A page of API keys.
    Keys {
        /// The keys.
        keys: Vec<Key>,
        /// Where the next page begins; absent on the last.
        next: Option<Box<str>>,
    }
    /// How the gateway is doing.
    Status {
        /// As at `/readyz`: `ready`, `draining`, `waiting for keys`, `issuer not answering`,
        /// `store failing` or `revocations not followed`.
        state: Box<str>,
        /// Whose tokens can be verified.
        issuers: Vec<KeySet>,
        /// Every metric of `/metrics`.
        metrics: Vec<Sample>,
    }
    /// The keys of an issuer.
    KeySet {
        /// The issuer's name in the configuration.
        name: Box<str>,
        /// Where the keys are from; `introspection` has none, and is asked.
        kind: Box<str>,
        /// `ready`, `never loaded`, `too old` or `no usable key`; `never answered` or `failing`.
        state: Box<str>,
        /// Keys that count.
        keys: u64,
        /// For how long the set has been as it is.
        age: Option<u64>,
        /// How long ago it was last read.
        last_success: Option<u64>,
        /// Why it could not be read, the last time.
        last_error: Option<Box<str>>,
    }
    /// One value of one metric.
    Sample {
        /// The metric.
        name: Box<str>,
        /// Which of its values it is.
        labels: BTreeMap<Box<str>, Box<str>>,
        /// The value.
        value: f64,
    }
    /// What went wrong.
    Problem {
        /// Its name, for programs.
        error: Box<str>,
        /// What it means, for people.
        error_description: Box<str>,
    }
}
