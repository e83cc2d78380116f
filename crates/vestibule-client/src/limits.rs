//! Every bound in one place. What a builder may change is a default here.

use core::time::Duration;

pub use vestibule_core::limits::{CLOSE_REASON_BYTES, CLOSE_TIMEOUT, CREDENTIAL_BYTES};

/// For TCP, TLS and the opening handshake, all together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For the provider, and again for the server's answer to what it provided.
pub const AUTH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a refusal may follow a handshake that carried the credential.
pub const SETTLE: Duration = Duration::from_millis(50);

/// First ceiling of the back-off.
pub const BACKOFF_BASE: Duration = Duration::from_millis(500);
/// Last ceiling of the back-off.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// How long a connection must be open for the next back-off to begin anew.
pub const STABLE: Duration = Duration::from_secs(5);

/// Least time between two refreshes. The gateway hears 30 control messages a minute.
pub const REFRESH_FLOOR: Duration = Duration::from_secs(3);
/// Longest lease that is believed, in seconds: some thirty years. What is longer is not worth a
/// timer.
pub const LEASE_SECONDS: u64 = 1_000_000_000;
/// Longest wait that a server can ask for: a day.
pub const RETRY_AFTER: Duration = Duration::from_hours(24);
/// Longest error name, in bytes. What is longer is none.
pub const ERROR_NAME_BYTES: usize = 40;

/// The server's control messages in one minute; more are nonsense.
pub const CONTROLS_A_MINUTE: u32 = 30;
/// That minute.
pub const MINUTE: Duration = Duration::from_mins(1);

/// Bytes that may wait to be sent, and the one message that crosses the bound.
pub const QUEUE_BYTES: usize = 1024 * 1024;
/// Bytes that may wait to be read by the application, and the one message that crosses the bound.
pub const INBOX_BYTES: usize = 1024 * 1024;
/// What a message costs in these bounds beside its bytes, so that empty ones are bounded too.
pub const MESSAGE_OVERHEAD: usize = 64;
/// Longest message that is taken, in bytes.
pub const MESSAGE_BYTES: usize = 16 * 1024 * 1024;
/// What the WebSocket buffers of a connection in each direction, in bytes.
pub const SOCKET_BUFFER: usize = 16 * 1024;

/// Longest body of an HTTP refusal that is read, in bytes.
pub const BODY_BYTES: usize = 16 * 1024;

/// What a nonce to sign is long, in characters: 32 bytes in base64url. Nothing else is signed.
pub const NONCE_CHARS: usize = 43;
