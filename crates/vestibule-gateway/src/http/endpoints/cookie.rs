//! The cookie that login sets (RFC 6265bis). The prefix `__Host-` binds it to this host, to its whole
//! path, and to TLS: no sibling host can set one.

use std::time::Duration;

use vestibule_core::authn::Secret;

use crate::config::LOGIN_COOKIE;

/// Sets it: out of the reach of script, not sent with what other sites ask for but when the user
/// comes from there.
pub(super) fn set(session: &Secret, span: Duration) -> String {
    let value = String::from_utf8_lossy(session.expose());
    field(&value, span.as_secs())
}

/// Takes it back.
pub(super) fn clear() -> String {
    field("", 0)
}

fn field(value: &str, seconds: u64) -> String {
    format!("{LOGIN_COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Lax")
}
