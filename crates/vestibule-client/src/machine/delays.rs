//! How long to wait. Jitter comes from outside: from 0 up to, not including, 1. Products with it
//! are computed in binary64 and rounded down to milliseconds, so that every implementation comes
//! to the same.

use core::time::Duration;

use super::{
    ends::{End, read_reason},
    vocabulary::Settings,
};
use crate::limits;

/// From here on doubling changes nothing: every ceiling is passed.
const DOUBLINGS: u32 = 64;

/// When to refresh a credential of that many seconds: after three quarters of it, and before nine
/// tenths.
pub(super) fn renewal(seconds: u64, jitter: f64) -> Duration {
    let lease = millis(Duration::from_secs(seconds.min(limits::LEASE_SECONDS)));
    limits::REFRESH_FLOOR.max(floored(lease * (0.75 + 0.15 * jitter)))
}

/// Full jitter: anything up to a ceiling that doubles with each failure.
pub(super) fn backoff(failures: u32, settings: &Settings, jitter: f64) -> Duration {
    let doubled = millis(settings.base) * 2_f64.powi(exponent(failures));
    floored(jitter * millis(settings.max).min(doubled))
}

/// How long to stay away.
pub(super) struct Delay {
    /// At the least, whatever happens meanwhile.
    pub(super) floor: Duration,
    /// If nothing happens.
    pub(super) whole: Duration,
}

/// After a connection that ended, where a fresh credential is tried.
pub(super) fn before_fresh(end: &End, settings: &Settings, jitter: f64) -> Delay {
    let (_, asked) = read_reason(&end.reason);
    crowded(end, asked, settings, jitter).unwrap_or(Delay { floor: asked, whole: asked })
}

/// After a connection that ended, where it is tried again as it was.
pub(super) fn before_again(end: &End, failures: u32, settings: &Settings, jitter: f64) -> Delay {
    let (_, asked) = read_reason(&end.reason);
    crowded(end, asked, settings, jitter).unwrap_or_else(|| Delay {
        floor: asked,
        whole: asked.saturating_add(backoff(failures, settings, jitter)),
    })
}

/// Too many connections do not become fewer by coming back soon.
fn crowded(end: &End, asked: Duration, settings: &Settings, jitter: f64) -> Option<Delay> {
    (end.code == 4429 && asked.is_zero()).then(|| {
        let floor = floored(millis(settings.max) / 2.0);
        Delay { floor, whole: floor.saturating_add(floored(jitter * millis(floor))) }
    })
}

fn exponent(failures: u32) -> i32 {
    i32::try_from(failures.min(DOUBLINGS)).unwrap_or(i32::MAX)
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "binary64 is what the vectors ask for; it is exact up to 2^53 ms"
)]
fn millis(span: Duration) -> f64 {
    span.as_millis() as f64
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates, and a time that is not a number is none"
)]
fn floored(millis: f64) -> Duration {
    Duration::from_millis(millis.floor() as u64)
}
