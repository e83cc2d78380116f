//! Every bound of the gateway that is not the core's. A value that a configuration may change is a
//! default here.

use std::time::Duration;

/// Places of the relay that a command looks at before bytes pass again: some tens of microseconds.
pub const COMMAND_PLACES: u32 = 500;
/// Commands that wait for one worker; whoever has one more waits for room.
pub const COMMANDS_WAITING: usize = 64;
/// Commands that one worker works on at once.
pub const COMMANDS_AT_ONCE: usize = 8;
/// Tokens of live connections that issuers are asked about at once.
pub const RECHECKS_AT_ONCE: usize = 32;
/// The pause before an issuer that could not be asked about such a token is asked again; or as long
/// as it is asked anyway, where that is shorter.
pub const RECHECK_RETRY: Duration = Duration::from_secs(10);
/// Most connections on one page of a list.
pub const LISTED: usize = 1000;
/// Most users, or keys, on one page.
pub const ACCOUNTS_LISTED: usize = 100;
/// Connections on a page where nobody says how many.
pub const LISTED_BY_DEFAULT: usize = 100;
/// Fewest characters of the token of the admin API.
pub const ADMIN_TOKEN_BYTES: usize = 32;
/// Most bytes of its file.
pub const ADMIN_TOKEN_FILE: u64 = 4096;
/// Requests to the admin API with a wrong token that are told so; those beyond are told to wait.
pub const ADMIN_FAILURES: u32 = 10;
/// Then one more in this time.
pub const ADMIN_FAILURE_EVERY: Duration = Duration::from_secs(1);
/// Connections to the admin listener at once.
pub const ADMIN_CONNECTIONS: usize = 128;
/// Longest body of a request to the admin API.
pub const ADMIN_BODY_BYTES: usize = 64 * 1024;
/// Time for the head, and then for the body, of such a request.
pub const ADMIN_REQUEST_TIME: Duration = Duration::from_secs(10);
/// How long the store may take to show that it takes writes, before a node counts as not ready.
pub const STORE_PROBE: Duration = Duration::from_secs(2);
/// Longest text of a reason that an operator gives, in bytes.
pub const REASON_BYTES: usize = 500;
/// Watchers of the admin API at once.
pub const WATCHERS: usize = 8;
/// Connections that a watcher is told of, those that came first.
pub const WATCHED: usize = 10_000;
/// The pause between two messages to a watcher.
pub const WATCH_EVERY: Duration = Duration::from_secs(1);
/// How long a watcher may stay without showing the token again.
pub const WATCH_LEASE: Duration = Duration::from_hours(12);
/// Longest message from a watcher, in bytes.
pub const WATCHER_SAYS: usize = 4096;
/// Time for a watcher's first message.
pub const WATCHER_AUTHENTICATES: Duration = Duration::from_secs(5);
/// Time for a watcher to take a message.
pub const WATCHER_TAKES: Duration = Duration::from_secs(10);

/// Pause between two looks at the lists of withdrawn client certificates.
pub const LISTS_LOOKED_AT: Duration = Duration::from_secs(1);
