//! The machine's time.

use core::time::Duration;

use tokio::time::Instant;

/// Time since the beginning, without what an application took that did not read while the server's
/// answer stood behind its messages: a slow reader is no silent server.
#[derive(Debug)]
pub(super) struct Clock {
    began: Instant,
    lost: Duration,
    halted: Option<Duration>,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { began: Instant::now(), lost: Duration::ZERO, halted: None }
    }

    pub(super) fn now(&self) -> Duration {
        self.halted.unwrap_or_else(|| self.running())
    }

    /// When that time comes; `None` while it stands still.
    pub(super) fn instant(&self, time: Duration) -> Option<Instant> {
        match self.halted {
            Some(_) => None,
            None => self.began.checked_add(time.saturating_add(self.lost)),
        }
    }

    pub(super) fn halt(&mut self) {
        if self.halted.is_none() {
            self.halted = Some(self.running());
        }
    }

    pub(super) fn go_on(&mut self) {
        if let Some(halted) = self.halted.take() {
            self.lost = self.lost.saturating_add(self.running().saturating_sub(halted));
        }
    }

    fn running(&self) -> Duration {
        self.began.elapsed().saturating_sub(self.lost)
    }
}
