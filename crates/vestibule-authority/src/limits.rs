//! Every bound of this crate in one place. A value that a configuration may change is a default
//! here.

use std::time::Duration;

use crate::store::Rate;

/// Longest key set, metadata document or key file, in bytes. The largest known providers stay under
/// 20 KiB.
pub const DOCUMENT_BYTES: usize = 256 * 1024;
/// Longest address of a document, in bytes.
pub const ADDRESS_BYTES: usize = 2048;
/// Longest head of an answer, in bytes, give or take one read.
pub const HEAD_BYTES: usize = 32 * 1024;
/// Most header fields in an answer.
pub const HEAD_FIELDS: usize = 100;
/// How much of what a provider or a token says gets into a message for the operator, in characters.
pub const QUOTED_CHARS: usize = 200;

/// Time to connect to a provider, without TLS.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for a whole exchange with a provider, from the name look-up to the last byte.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a fetched key set is fresh where the provider does not say.
pub const REFRESH: Duration = Duration::from_mins(5);
/// The shortest time that a provider may ask for.
pub const REFRESH_SHORTEST: Duration = Duration::from_secs(30);
/// The longest time that a provider may ask for: a withdrawn key counts for that long at most.
pub const REFRESH_LONGEST: Duration = Duration::from_hours(24);
/// No two refreshes come closer than this, whatever is configured: a slip must not become a loop.
pub const REFRESH_FLOOR: Duration = Duration::from_millis(50);
/// How long discovered metadata are believed where the provider does not say.
pub const METADATA_REFRESH: Duration = Duration::from_hours(1);
/// How long the last good key set counts when no newer one can be had.
pub const MAX_STALE: Duration = Duration::from_hours(24);
/// Pause after the first failure; it doubles with each further one.
pub const RETRY_SHORTEST: Duration = Duration::from_secs(1);
/// Longest pause after a failure.
pub const RETRY_LONGEST: Duration = Duration::from_mins(1);
/// At most one fetch in this time is made because of what clients present.
pub const COOL_DOWN: Duration = Duration::from_secs(10);

/// How often a key file is read again.
pub const FILE_REFRESH: Duration = Duration::from_secs(2);
/// At most one read of a file in this time is made because of what clients present.
pub const FILE_COOL_DOWN: Duration = Duration::from_secs(1);

/// How often the store is asked for signing keys of other nodes.
pub const HELD_REFRESH: Duration = Duration::from_secs(30);

/// Longest answer about a token, in bytes.
pub const ANSWER_BYTES: usize = 64 * 1024;
/// Longest secret or token by which an issuer knows us, in bytes.
pub const LOGIN_BYTES: usize = 8 * 1024;
/// Time for a question about a token, from the name look-up to the last byte. Whoever waits for it
/// has five seconds for everything.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an issuer's yes counts without asking again.
pub const ANSWER_CACHE: Duration = Duration::from_secs(10);
/// How long an issuer's no counts, where a yes counts as long: one that was just issued may not be
/// known everywhere yet.
pub const NO_CACHE: Duration = Duration::from_secs(2);
/// Most tokens of an issuer whose yes is remembered.
pub const YES_REMEMBERED: usize = 65_536;
/// Most tokens whose no is remembered. Apart from the others, so that invented tokens cannot push
/// out those that are good.
pub const NO_REMEMBERED: usize = 8192;
/// How long a token that was good is kept, so that whoever comes by it, or by a ticket that was bought
/// with it, can be asked about later: as long as a ticket may be told to live.
pub const RECENT: Duration = Duration::from_mins(5);
/// Most tokens of an issuer that are kept so.
pub const RECENT_TOKENS: usize = 65_536;
/// How often an issuer is asked about a token by which somebody is connected.
pub const RECHECK: Duration = Duration::from_mins(1);
/// How long a token counts that has no end.
pub const ENDLESS_TOKEN: Duration = Duration::from_hours(1);
/// Most questions a second, to one issuer, about tokens that nobody knows.
pub const QUESTIONS: u32 = 200;
/// Questions to one issuer that are under way at once, about tokens that nobody knows; and as many
/// about those that were good.
pub const QUESTIONS_AT_ONCE: usize = 32;
/// Questions to one issuer that are under way or wait for their turn.
pub const QUESTIONS_WAITING: usize = 1024;
/// How long a connection to an issuer is kept that nobody uses.
pub const POOLED: Duration = Duration::from_secs(30);
/// So many failures in a row, and an issuer is left alone for a while.
pub const BREAKER_FAILURES: u32 = 5;
/// How long at first; it doubles as long as it fails.
pub const BREAKER_SHORTEST: Duration = Duration::from_secs(1);
/// How long at the most.
pub const BREAKER_LONGEST: Duration = Duration::from_secs(30);

/// Most issuers that are tried for one token.
pub const ISSUERS_TRIED: usize = 8;
/// How often newer keys are tried that came while others were tried.
pub const OVERTAKEN: usize = 3;
/// How often one check may wait for keys: once for a fetch that was already under way and may have
/// been answered too early, once for its own, and once because somebody else's came between.
pub const WAITS: usize = 3;

/// Most verified tokens that are remembered.
pub const REMEMBERED: usize = 65_536;
/// Parts of that memory, each with its own lock.
pub const REMEMBERED_PARTS: usize = 16;

/// Longest key of a record, in bytes.
pub const KEY_BYTES: usize = 1024;
/// Longest record, in bytes.
pub const RECORD_BYTES: usize = 256 * 1024;
/// Most changes in a batch.
pub const CHANGES_AT_ONCE: usize = 4096;
/// Most events of the feed that are handed out at once.
pub const EVENTS_AT_ONCE: usize = 1000;

/// How long a record or event that is over stays in the file: a clock that was ahead for a moment
/// must not cost a revocation.
pub const KEPT_AFTER_END: Duration = Duration::from_hours(1);
/// Most batches and events that are made durable together, by one wait for the disk.
pub const COMMITTED_TOGETHER: usize = 256;
/// Most batches and events that wait for the writer; whoever comes then waits for a place.
pub const COMMITS_WAITING: usize = 1024;
/// How much of the file is held in memory, in bytes.
pub const STORE_CACHE_BYTES: usize = 16 * 1024 * 1024;
/// A file is compacted when it is opened, from this size on, in bytes, if most of it is empty.
pub const COMPACTED_FROM: u64 = 4 * 1024 * 1024;

/// Parts of the memory of fleeting things, each with its own lock.
pub const FLEETING_PARTS: usize = 16;
/// Longest fleeting thing, in bytes.
pub const FLEETING_BYTES: usize = 64 * 1024;
/// All fleeting things together, in bytes of their values.
pub const FLEETING_BYTES_IN_ALL: usize = 64 * 1024 * 1024;
/// Most names of a space that are remembered because they were taken. While there are as many,
/// nothing new is kept in that space.
pub const SPENT_NAMES: usize = 262_144;
/// Most attempt counters of a space. What is forgotten beyond is said at `store::fleeting`.
pub const ATTEMPT_COUNTERS: usize = 65_536;
/// Most things and counters that one call clears away because they are over.
pub const CLEARED_AT_ONCE: usize = 4;
/// Most revocations that hold at once. Those without an end (of subjects, of everything) supersede
/// each other, so that there are no more of them than subjects; those of tokens and sessions end.
pub const REVOCATIONS: usize = 131_072;
/// How long a revocation is kept behind the end of what it names: what is over may still be taken
/// for a while, by issuers' clock skew, routes' grace, and clocks that differ.
pub const REVOCATION_AFTERLIFE: Duration = Duration::from_hours(1);
/// How often revocations are looked through for those that can be forgotten.
pub const REVOCATION_SWEEP: Duration = Duration::from_mins(1);
/// Revocations that a receiver may be behind before it is told that it missed some.
pub const ANNOUNCEMENTS: usize = 4096;
/// Longest subject, issuer, or name of a token or session that can be revoked, in bytes: as long as
/// any that a credential can hold, since what cannot be named could not be revoked.
pub const REVOCATION_NAME_BYTES: usize = vestibule_core::limits::CREDENTIAL_BYTES;
/// Longest reason of a revocation, and longest name of who made it, in bytes.
pub const REVOCATION_WORDS_BYTES: usize = 1024;
/// Pause after the revocation feed failed for the first time; it doubles with each further failure.
pub const FEED_RETRY_SHORTEST: Duration = Duration::from_millis(100);
/// Longest pause after the revocation feed failed: so much later is one of another node known.
pub const FEED_RETRY_LONGEST: Duration = Duration::from_secs(5);
/// How long a login can be refreshed, from its beginning.
pub const LOGIN_LIFETIME: Duration = Duration::from_hours(30 * 24);
/// How long a session token that was handed out on `accepted` is good.
pub const RESUME_LIFETIME: Duration = Duration::from_hours(12);
/// Most logins of one subject, and most session tokens; one more ends the oldest.
pub const SESSIONS_EACH: usize = 1000;
/// How many sessions are looked up and ended at once.
pub const SESSIONS_AT_ONCE: usize = 100;

/// How long an access token of our own is good.
pub const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_mins(15);
/// How long a key signs.
pub const ROTATE_EVERY: Duration = Duration::from_hours(30 * 24);
/// The shortest time that a key may be told to sign.
pub const ROTATE_SHORTEST: Duration = Duration::from_mins(1);
/// How long a key is published before it signs, where it signs for at least twice that: caches of
/// those who fetch the key set are at most as old.
pub const KEYS_AHEAD: Duration = Duration::from_hours(24);
/// How long a key stays published when no token of its can live any more: for clocks that differ.
pub const KEYS_BEHIND: Duration = Duration::from_mins(5);
/// How far ahead the `iat` of a token may be put, to come after a revocation: what verifiers forgive.
pub const ISSUED_AHEAD: Duration = Duration::from_secs(30);
/// How often a change is tried again that somebody else came before.
pub const CONFLICTS: usize = 8;
/// How long a ticket is good: for one handshake right after it was bought.
pub const TICKET_LIFETIME: Duration = Duration::from_secs(20);
/// Most tickets of one subject that are out at once.
pub const TICKETS_EACH: u32 = 16;
/// Most tickets that are out at once.
pub const TICKETS: u32 = 65_536;

/// Most proofs of possession of one key that are remembered: a minute of them.
pub const PROOFS_EACH: u32 = 4096;
/// Most proofs of possession that are remembered, of all keys: where there are as many, nobody gets in
/// by another one until the oldest is too old to be used again.
pub const PROOFS: u32 = 131_072;
/// How much longer than it could be used a proof is remembered: for nodes whose clocks differ.
pub const REPLAYS_KEPT_LONGER: Duration = Duration::from_secs(5);

/// Longest label of an API key, in characters.
pub const API_KEY_LABEL_CHARS: usize = 100;
/// Longest name of a machine, in bytes.
pub const MACHINE_NAME_BYTES: usize = 100;
/// Most scopes of an API key.
pub const API_KEY_SCOPES: usize = 100;
/// Longest scope, in bytes.
pub const SCOPE_BYTES: usize = 200;
/// How exactly it is known when an API key was last used: it costs a write.
pub const API_KEY_USED: Duration = Duration::from_mins(1);
/// Most API keys of which it is remembered that their use was written.
pub const API_KEYS_USED: usize = 4096;

/// Most passkeys of one user.
pub const PASSKEYS_EACH: usize = 20;
/// Longest name of a passkey, in characters.
pub const PASSKEY_NAME_CHARS: usize = 100;
/// How long a browser may take to make a passkey (Web Authentication section 15.1 recommends 5 to 10
/// minutes).
pub const PASSKEY_REGISTRATION: Duration = Duration::from_mins(5);
/// Most registrations of one user that have begun and not come to an end.
pub const PASSKEY_REGISTRATIONS_EACH: u32 = 8;
/// Most of them in all.
pub const PASSKEY_REGISTRATIONS: u32 = 4096;
/// How exactly it is known when a passkey was last used, where its authenticator keeps no count: it
/// costs a write.
pub const PASSKEY_USED: Duration = Duration::from_mins(1);

/// Most records that are listed at once.
pub const LISTED: usize = 1000;

/// Longest name of a user, in bytes.
pub const USER_NAME_BYTES: usize = 128;
/// Longest scope, group or name for people, in bytes.
pub const USER_TEXT_BYTES: usize = 256;
/// Longest mail address, in bytes (RFC 5321 section 4.5.3.1).
pub const USER_EMAIL_BYTES: usize = 254;
/// Most scopes of a user, and most groups.
pub const USER_RIGHTS: usize = 64;
/// Most users that are listed at once.
pub const USERS_AT_ONCE: usize = 1000;

/// How many passwords may wait for being hashed, beyond those that are: at the least cost, some
/// seconds of waiting.
pub const PASSWORD_QUEUE: usize = 64;
/// How long a hash should take, where that is measured.
pub const PASSWORD_TARGET: Duration = Duration::from_millis(100);
/// The longest time that a hash may be told to take.
pub const PASSWORD_TARGET_LONGEST: Duration = Duration::from_secs(2);

/// How often somebody may try to log in to one account, from wherever.
pub const ACCOUNT_ATTEMPTS: Rate = Rate { burst: 5, every: Duration::from_secs(30) };
/// How often somebody may try to log in from one address, to whatever account.
pub const ADDRESS_ATTEMPTS: Rate = Rate { burst: 20, every: Duration::from_secs(3) };

/// How often it is looked whether signing keys are to be replaced.
pub const KEYS_TENDED: Duration = Duration::from_mins(1);
