//! Every bound in one place. A value that a configuration may change is a default here.

use core::time::Duration;

/// Longest request or response head, in bytes, blank line included.
pub const HEAD_BYTES: usize = 16 * 1024;
/// Most header fields in a head.
pub const HEAD_FIELDS: usize = 64;
/// Longest request target, in bytes.
pub const TARGET_BYTES: usize = 8 * 1024;
/// Longest credential of any carrier, in bytes.
pub const CREDENTIAL_BYTES: usize = 12 * 1024;
/// Most entries in `Sec-WebSocket-Protocol`.
pub const SUBPROTOCOLS: usize = 32;

/// Longest in-band message, in bytes of payload.
pub const MESSAGE_BYTES: usize = 16 * 1024;
/// Most messages before admission.
pub const MESSAGES_BEFORE_ADMISSION: u32 = 8;
/// Most bytes of frames before admission, those that say nothing included: empty fragments, pings.
pub const BYTES_BEFORE_ADMISSION: usize = 1024 * 1024;
/// Most credentials a connection may try before admission.
pub const ATTEMPTS: u32 = 3;
/// Most bytes of a stream held back while it is not known whose message they begin.
pub const HELD_BYTES: usize = 64;
/// The same for a compressed message: of payload, and as many of headers. The longest description of
/// a code takes 286 (RFC 1951 section 3.2.7), and the text begins behind it.
pub const HELD_COMPRESSED_BYTES: usize = 512;
/// Most in-band messages a minute on an authenticated connection.
pub const MESSAGES_A_MINUTE: u32 = 30;

/// Longest message that carries its own credential, envelope included, in bytes.
pub const ENVELOPE_BYTES: usize = 64 * 1024;
/// Most arrays and objects inside of each other in what such a message carries.
pub const ENVELOPE_DEPTH: usize = 64;
/// Most of them that are rejected in a minute before the connection is closed; before the first good
/// one, in all.
pub const REJECTIONS_A_MINUTE: u32 = 30;

/// Time to authenticate, from the accepted socket; also, whatever a route says, for TLS and the head.
pub const AUTH_DEADLINE: Duration = Duration::from_secs(5);
/// How long a challenge counts.
pub const CHALLENGE: Duration = Duration::from_secs(5);
/// The same for one that a person has to answer. Once a connection, it also moves the end of the time
/// to authenticate so far.
pub const CHALLENGE_OF_A_PERSON: Duration = Duration::from_mins(1);
/// Shortest time for a second proof.
pub const STEP_UP_SHORTEST: Duration = Duration::from_secs(1);
/// Longest time for a second proof: it bounds for how long a connection is half as well known as is
/// wanted.
pub const STEP_UP_LONGEST: Duration = Duration::from_mins(10);
/// Time for a second proof: somebody looks for a key.
pub const STEP_UP: Duration = Duration::from_mins(1);
/// Time a connection may outlive its credential.
pub const EXPIRY_GRACE: Duration = Duration::from_secs(30);
/// How long before the end of the lease `expiring` is sent.
pub const EXPIRY_WARNING: Duration = Duration::from_secs(30);
/// Time to reach the upstream and get its answer.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a begun frame towards the client may still take when a connection is to be closed.
pub const CUT_WINDOW: Duration = Duration::from_secs(1);
/// How long the closing handshake may take (RFC 6455 section 7.1.1 leaves it open).
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// A peer of which nothing was heard for so long is asked whether it is still there, on TCP.
pub const KEEPALIVE: Duration = Duration::from_mins(1);
/// Pause between two such questions.
pub const KEEPALIVE_PAUSE: Duration = Duration::from_secs(15);
/// Most of them without an answer: then it has gone.
pub const KEEPALIVE_ASKED: u32 = 4;
/// A peer that for so long acknowledges nothing of what it was sent, or has no room for what waits
/// for it, has gone, on TCP. As long as all of those questions take.
pub const UNACKNOWLEDGED: Duration = Duration::from_mins(2);

/// Connections not yet admitted, from one address.
pub const PENDING_PER_ADDRESS: u32 = 64;
/// Connections not yet admitted, in all.
pub const PENDING: u32 = 4096;

/// Connections of one thread that are told at once that there are too many of them. Telling takes a
/// socket for a while, so that those beyond are cut off without a word.
pub const GOODBYES: usize = 256;

/// Longest body of a request for one of the gateway's own endpoints, in bytes.
pub const ENDPOINT_BODY_BYTES: usize = 16 * 1024;
/// How long a proxy that is trusted may keep a connection to an endpoint without a request.
pub const ENDPOINT_IDLE: Duration = Duration::from_secs(75);

/// Most of an `Origin` that gets into a log, in bytes: what is longer is none of a browser's.
pub const ORIGIN_SHOWN: usize = 300;

/// Longest reason in a Close frame (RFC 6455 section 5.5: 125 bytes less the code).
pub const CLOSE_REASON_BYTES: usize = 123;

/// Second proofs that one connection rests on; one more takes the place of the oldest.
pub const PROOFS_SHOWN: usize = 8;
