//! The one place where the clocks are read.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vestibule_core::time::{Mono, Now, UnixTime};

/// Reads both clocks together; copies agree on the start of the monotonic one.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// What both clocks say.
    pub fn now(&self) -> Now {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        Now { mono: Mono::since_start(self.start.elapsed()), wall: UnixTime::from_millis(millis) }
    }

    /// The instant of a point on this clock, for a timer.
    pub fn instant(&self, at: Mono) -> Instant {
        let span = Duration::from_micros(at.as_micros());
        self.start.checked_add(span).unwrap_or_else(|| self.start + Duration::from_hours(24 * 365))
    }
}
