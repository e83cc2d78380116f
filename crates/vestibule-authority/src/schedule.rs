//! When keys are fetched, as a value: time goes in, answers come out.
//!
//! Two parties want keys. The background wants them fresh, and backs off when the provider fails.
//! Clients present tokens that no key fits, which may mean that the provider rotated, and may mean
//! that somebody invents tokens; so all clients together get one fetch in a cool-down, whatever they
//! present. The background does not spend the clients' turn: its fetch may have been answered just
//! before the rotation.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits;

/// How fast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How long keys are fresh where the provider does not say.
    pub(crate) refresh: Duration,
    /// How long keys count when no newer ones can be had; `None` is for ever.
    pub(crate) max_stale: Option<Duration>,
    /// At most one fetch in this time for what clients present.
    pub(crate) cool_down: Duration,
    /// First and last pause after failures.
    pub(crate) retry: (Duration, Duration),
}

/// Who wants keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// The background: it is time.
    Fresh,
    /// A client, and there are no keys at all.
    Any,
    /// A client whose token no key fits.
    Newer,
}

/// A random number that spreads the fetches of many nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jitter(pub(crate) u8);

impl Jitter {
    /// Between 75 and 95 per cent of `span`.
    pub(crate) fn shorten(self, span: Duration) -> Duration {
        let percent = 75 + u32::from(self.0) % 21;
        span.saturating_mul(percent) / 100
    }
}

/// What was done when, and what is to be done when.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pace: Pace,
    next: Instant,
    /// When clients may next ask for want of any keys, and for want of newer ones. Two, because a
    /// key may be replaced right after the first set was fetched.
    any: Instant,
    newer: Instant,
    confirmed: Option<Instant>,
    failures: u32,
}

impl Schedule {
    /// Wants keys at once.
    pub(crate) fn new(pace: Pace, now: Instant) -> Self {
        Self { pace, next: now, any: now, newer: now, confirmed: None, failures: 0 }
    }

    /// When the background wants keys.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// When keys were last had.
    pub(crate) fn confirmed(&self) -> Option<Instant> {
        self.confirmed
    }

    /// Whether a fetch may begin.
    pub(crate) fn permits(&self, want: Want, now: Instant) -> bool {
        match want {
            Want::Fresh => now >= self.next,
            // Nobody gets in meanwhile: do not wait for the background's longest pause.
            Want::Any => now >= self.next || now >= self.any,
            Want::Newer => now >= self.newer,
        }
    }

    /// A fetch begins.
    pub(crate) fn begin(&mut self, want: Want, now: Instant) {
        match want {
            Want::Fresh => {}
            Want::Any => self.any = after(now, self.pace.cool_down),
            Want::Newer => self.newer = after(now, self.pace.cool_down),
        }
    }

    /// A fetch brought keys, which the provider says are fresh for `max_age`. Returns until when
    /// they count.
    pub(crate) fn succeeded(
        &mut self,
        max_age: Option<Duration>,
        jitter: Jitter,
        now: Instant,
    ) -> Option<Instant> {
        let fresh = max_age.map_or(self.pace.refresh, |age| {
            age.clamp(limits::REFRESH_SHORTEST, limits::REFRESH_LONGEST)
        });
        // Keys must not run out between two fetches that both succeed.
        let fresh = self.pace.max_stale.map_or(fresh, |stale| fresh.min(stale / 2));
        self.next = after(now, jitter.shorten(fresh).max(limits::REFRESH_FLOOR));
        self.confirmed = Some(now);
        self.failures = 0;
        self.pace.max_stale.and_then(|stale| now.checked_add(stale))
    }

    /// A fetch failed. Returns the pause.
    pub(crate) fn failed(&mut self, jitter: Jitter, now: Instant) -> Duration {
        let (shortest, longest) = self.pace.retry;
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let pause = jitter.shorten(shortest.saturating_mul(factor).min(longest));
        self.failures = self.failures.saturating_add(1);
        self.next = after(now, pause);
        pause
    }

    /// A fetch was broken off on our side, which says nothing about the provider.
    pub(crate) fn interrupted(&mut self, now: Instant) {
        (self.next, self.any, self.newer) = (now, now, now);
    }
}

/// The point `span` later; a span without end becomes a year.
pub(crate) fn after(now: Instant, span: Duration) -> Instant {
    const YEAR: Duration = Duration::from_hours(365 * 24);
    now.checked_add(span).or_else(|| now.checked_add(YEAR)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_hours(1);
    const LATEST: Jitter = Jitter(20); // 95 %

    fn schedule(now: Instant) -> Schedule {
        let pace = Pace {
            refresh: 300 * SECOND,
            max_stale: Some(24 * HOUR),
            cool_down: 10 * SECOND,
            retry: (SECOND, 60 * SECOND),
        };
        Schedule::new(pace, now)
    }

    #[test]
    fn a_refresh_comes_before_the_keys_are_old() {
        let now = Instant::now();
        for (max_age, least, most) in [
            (None, 225, 285),
            (Some(1), 22, 29),
            (Some(0), 22, 29),
            (Some(600), 450, 570),
            (Some(u64::MAX), 43_200 * 3 / 4, 43_200),
        ] {
            for jitter in 0..=u8::MAX {
                let mut schedule = schedule(now);
                let until =
                    schedule.succeeded(max_age.map(Duration::from_secs), Jitter(jitter), now);
                let next = schedule.next() - now;
                assert!((least..=most).contains(&next.as_secs()), "{max_age:?} {next:?}");
                assert_eq!(until, Some(now + 24 * HOUR));
            }
        }
    }

    #[test]
    fn failures_back_off_to_a_minute() {
        let now = Instant::now();
        let mut schedule = schedule(now);
        let mut pauses = Vec::new();
        for _ in 0..40 {
            pauses.push(schedule.failed(LATEST, now).as_millis());
        }
        assert_eq!(pauses[..8], [950, 1900, 3800, 7600, 15_200, 30_400, 57_000, 57_000]);
        assert_eq!(pauses.last(), Some(&57_000));
        schedule.succeeded(None, LATEST, now);
        assert_eq!(schedule.failed(LATEST, now).as_millis(), 950);
    }

    #[test]
    fn clients_together_get_one_fetch_in_a_cool_down() {
        let now = Instant::now();
        let mut schedule = schedule(now);
        schedule.succeeded(None, LATEST, now);
        assert!(schedule.permits(Want::Newer, now));
        schedule.begin(Want::Newer, now);
        assert!(!schedule.permits(Want::Newer, now + 9 * SECOND));
        assert!(schedule.permits(Want::Newer, now + 10 * SECOND));
    }

    #[test]
    fn the_background_does_not_spend_the_turn_of_the_clients() {
        let now = Instant::now();
        let mut schedule = schedule(now);
        schedule.begin(Want::Fresh, now);
        schedule.succeeded(None, LATEST, now);
        assert!(schedule.permits(Want::Newer, now));
        assert!(!schedule.permits(Want::Fresh, now));
    }

    #[test]
    fn without_keys_a_client_waits_for_the_cool_down_and_not_for_the_longest_pause() {
        let now = Instant::now();
        let mut schedule = schedule(now);
        for _ in 0..10 {
            schedule.failed(LATEST, now);
        }
        schedule.begin(Want::Any, now);
        assert!(!schedule.permits(Want::Any, now + 9 * SECOND));
        assert!(schedule.permits(Want::Any, now + 10 * SECOND));
        assert!(!schedule.permits(Want::Fresh, now + 10 * SECOND));
    }

    #[test]
    fn spans_without_end_do_not_overflow() {
        let now = Instant::now();
        let mut schedule = schedule(now);
        schedule.pace = Pace {
            refresh: Duration::MAX,
            max_stale: Some(Duration::MAX),
            cool_down: Duration::MAX,
            retry: (Duration::MAX, Duration::MAX),
        };
        schedule.begin(Want::Newer, now);
        assert_eq!(schedule.succeeded(None, LATEST, now), None);
        schedule.failed(LATEST, now);
        assert!(schedule.next() > now + 24 * HOUR);
        assert!(!schedule.permits(Want::Newer, now + 24 * HOUR));
    }

    #[test]
    fn a_short_bound_on_stale_keys_shortens_the_refresh() {
        let now = Instant::now();
        let mut schedule = schedule(now);
        schedule.pace.max_stale = Some(60 * SECOND);
        let until = schedule.succeeded(Some(HOUR), LATEST, now);
        assert_eq!(until, Some(now + 60 * SECOND));
        assert!(schedule.next() <= now + 30 * SECOND);
    }
}
