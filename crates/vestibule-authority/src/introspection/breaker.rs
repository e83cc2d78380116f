//! Whether a question may be put, as values: time goes in, answers come out.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    limits,
    schedule::{Jitter, after},
};

/// Stops asking an issuer that fails, and finds out by one question at a time whether it still does.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    /// In a row.
    failures: u32,
    /// How often it stayed open after a probe.
    reopened: u32,
}

#[derive(Debug)]
enum State {
    Closed,
    Open { until: Instant },
    Probing,
}

/// The state of the way to an issuer, for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    /// It is asked.
    Closed,
    /// One question finds out whether it answers again.
    HalfOpen,
    /// It has failed, and is left alone for a while.
    Open,
}

/// Leave to ask; what became of it is told to [`Breaker::settle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a probe that is not settled stays the last one"]
pub(super) enum Pass {
    Ordinary,
    Probe,
}

/// What a question says about whoever was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It answers.
    Good,
    /// It does not.
    Bad,
    /// Nothing: it was about the token, or was broken off on our side.
    Unknown,
}

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Opened,
    Closed,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self { state: State::Closed, failures: 0, reopened: 0 }
    }

    /// Leave to ask; `None` while it is left alone.
    pub(super) fn pass(&mut self, now: Instant) -> Option<Pass> {
        match self.state {
            State::Closed => Some(Pass::Ordinary),
            State::Open { until } if now >= until => {
                self.state = State::Probing;
                Some(Pass::Probe)
            }
            State::Open { until: _ } | State::Probing => None,
        }
    }

    /// When the next probe is due; `None` while it is asked anyway, or one is under way.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.state {
            State::Open { until } => Some(until),
            State::Closed | State::Probing => None,
        }
    }

    pub(super) fn circuit(&self) -> Circuit {
        match self.state {
            State::Closed => Circuit::Closed,
            State::Probing => Circuit::HalfOpen,
            State::Open { .. } => Circuit::Open,
        }
    }

    /// A question is over.
    pub(super) fn settle(
        &mut self,
        pass: Pass,
        health: Health,
        jitter: Jitter,
        now: Instant,
    ) -> Change {
        match (health, pass, &self.state) {
            (Health::Good, _, State::Closed) => {
                self.failures = 0;
                Change::None
            }
            // Also by a question that was put before it opened.
            (Health::Good, _, State::Open { .. } | State::Probing) => {
                *self = Self::new();
                Change::Closed
            }
            (Health::Bad, _, State::Closed) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures < limits::BREAKER_FAILURES {
                    return Change::None;
                }
                self.open(jitter, now);
                Change::Opened
            }
            (Health::Bad, Pass::Probe, State::Probing) => {
                self.reopened = self.reopened.saturating_add(1);
                self.open(jitter, now);
                Change::None
            }
            (Health::Unknown, Pass::Probe, State::Probing) => {
                self.state = State::Open { until: now };
                Change::None
            }
            (Health::Bad | Health::Unknown, _, _) => Change::None,
        }
    }

    fn open(&mut self, jitter: Jitter, now: Instant) {
        let factor = 1_u32.checked_shl(self.reopened).unwrap_or(u32::MAX);
        let pause = limits::BREAKER_SHORTEST.saturating_mul(factor).min(limits::BREAKER_LONGEST);
        self.state = State::Open { until: after(now, jitter.shorten(pause)) };
    }
}

/// So many in a second, and no more than that many at once.
#[derive(Debug)]
pub(super) struct Bucket {
    every: Duration,
    /// When it is empty of debts.
    paid: Option<Instant>,
}

impl Bucket {
    pub(super) fn new(rate: u32) -> Self {
        Self { every: Duration::from_secs(1) / rate.max(1), paid: None }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> Option<()> {
        let paid = self.paid.map_or(now, |paid| paid.max(now));
        let debt = paid.saturating_duration_since(now) + self.every;
        if debt > Duration::from_secs(1).max(self.every) {
            return None;
        }
        self.paid = Some(after(paid, self.every));
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATEST: Jitter = Jitter(20); // 95 %
    const SECOND: Duration = Duration::from_secs(1);

    fn fail(breaker: &mut Breaker, times: u32, now: Instant) -> Change {
        let mut last = Change::None;
        for _ in 0..times {
            let pass = breaker.pass(now).unwrap();
            last = breaker.settle(pass, Health::Bad, LATEST, now);
        }
        last
    }

    fn broken(now: Instant) -> Breaker {
        let mut breaker = Breaker::new();
        assert_eq!(fail(&mut breaker, limits::BREAKER_FAILURES, now), Change::Opened);
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let now = Instant::now();
        let mut breaker = Breaker::new();
        for _ in 0..10 {
            assert_eq!(fail(&mut breaker, limits::BREAKER_FAILURES - 1, now), Change::None);
            let pass = breaker.pass(now).unwrap();
            assert_eq!(breaker.settle(pass, Health::Good, LATEST, now), Change::None);
        }
        assert_eq!(breaker.circuit(), Circuit::Closed);
        assert_eq!(broken(now).circuit(), Circuit::Open);
    }

    #[test]
    fn what_says_nothing_about_the_issuer_changes_nothing() {
        let now = Instant::now();
        let mut breaker = Breaker::new();
        for _ in 0..100 {
            let pass = breaker.pass(now).unwrap();
            assert_eq!(breaker.settle(pass, Health::Unknown, LATEST, now), Change::None);
        }
        assert_eq!(breaker.circuit(), Circuit::Closed);
    }

    #[test]
    fn an_open_one_lets_one_question_through_when_its_time_has_come() {
        let now = Instant::now();
        let mut breaker = broken(now);
        assert_eq!(breaker.pass(now), None);
        let due = breaker.due().unwrap();
        assert!(due > now && due <= now + SECOND);
        assert_eq!(breaker.pass(due), Some(Pass::Probe));
        assert_eq!(breaker.circuit(), Circuit::HalfOpen);
        assert_eq!(breaker.pass(due + SECOND), None);
        assert_eq!(breaker.settle(Pass::Probe, Health::Good, LATEST, due), Change::Closed);
        assert_eq!(breaker.pass(due), Some(Pass::Ordinary));
        // And it takes as many failures again.
        assert_eq!(fail(&mut breaker, limits::BREAKER_FAILURES - 1, due), Change::None);
    }

    #[test]
    fn each_probe_that_fails_makes_the_pause_longer_up_to_the_longest() {
        let mut now = Instant::now();
        let mut breaker = broken(now);
        let mut pauses = Vec::new();
        for _ in 0..40 {
            let due = breaker.due().unwrap();
            pauses.push((due - now).as_millis());
            now = due;
            assert_eq!(breaker.pass(now), Some(Pass::Probe));
            assert_eq!(breaker.settle(Pass::Probe, Health::Bad, LATEST, now), Change::None);
        }
        assert_eq!(pauses[..6], [950, 1900, 3800, 7600, 15_200, 28_500]);
        assert_eq!(pauses.last(), Some(&28_500));
    }

    #[test]
    fn a_question_from_before_cannot_end_a_probe_but_its_success_counts() {
        let now = Instant::now();
        let mut breaker = broken(now);
        assert_eq!(breaker.settle(Pass::Ordinary, Health::Bad, LATEST, now), Change::None);
        let due = breaker.due().unwrap();
        assert_eq!(breaker.pass(due), Some(Pass::Probe));
        assert_eq!(breaker.settle(Pass::Ordinary, Health::Bad, LATEST, due), Change::None);
        assert_eq!(breaker.circuit(), Circuit::HalfOpen);
        assert_eq!(breaker.settle(Pass::Ordinary, Health::Good, LATEST, due), Change::Closed);
        assert_eq!(breaker.settle(Pass::Probe, Health::Bad, LATEST, due), Change::None);
        assert_eq!(breaker.circuit(), Circuit::Closed);
    }

    #[test]
    fn a_probe_that_was_broken_off_is_made_again() {
        let now = Instant::now();
        let mut breaker = broken(now);
        let due = breaker.due().unwrap();
        assert_eq!(breaker.pass(due), Some(Pass::Probe));
        assert_eq!(breaker.settle(Pass::Probe, Health::Unknown, LATEST, due), Change::None);
        assert_eq!(breaker.pass(due), Some(Pass::Probe));
    }

    #[test]
    fn a_bucket_gives_its_rate_and_no_more() {
        let now = Instant::now();
        for rate in [1, 3, 200] {
            let mut bucket = Bucket::new(rate);
            let taken = |bucket: &mut Bucket, now| {
                std::iter::from_fn(|| bucket.take(now)).take(1000).count()
            };
            assert_eq!(taken(&mut bucket, now), usize::try_from(rate).unwrap());
            assert_eq!(taken(&mut bucket, now), 0);
            // A little more than half, since the span of one is rounded.
            let half = taken(&mut bucket, now + SECOND / 2);
            assert!(half.abs_diff(usize::try_from(rate / 2).unwrap()) <= 1, "{rate}: {half}");
            assert!(taken(&mut bucket, now + 100 * SECOND) <= usize::try_from(rate).unwrap());
        }
        assert_eq!(Bucket::new(0).every, SECOND);
    }
}
