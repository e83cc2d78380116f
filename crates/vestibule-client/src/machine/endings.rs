//! The ways out: again, later, or never.

use super::{
    AskReason, Auth, Cause, Effect, End, Fresh, Machine, Opened, Replacing, StopReason,
    delays::{self, Delay},
    ends::{Outlook, outlook, read_reason},
    state::{Authenticating, State},
};

impl Machine {
    /// Gives up what does not answer.
    pub(super) fn abandon(&mut self, cause: Cause) {
        self.drop_socket(4408);
        self.ended(cause, None);
    }

    /// Goes on as if the gateway had closed.
    pub(super) fn refuse(&mut self, reason: &str) {
        self.drop_socket(4408);
        let end = End { code: 4401, reason: reason.to_owned(), clean: true };
        self.ended(Cause::ConnectionLost, Some(&end));
    }

    pub(super) fn nonsense(&mut self) {
        self.leave(StopReason::Protocol, End::lost(), 4400);
    }

    pub(super) fn leave(&mut self, why: StopReason, end: End, code: u16) {
        if self.state != State::Stopped {
            self.drop_socket(code);
            self.stop(why, end, None);
        }
    }

    /// `end`: what the server said, where it said something.
    pub(super) fn ended(&mut self, cause: Cause, end: Option<&End>) {
        if let State::Open(open) = self.state
            && self.now.saturating_sub(open.since) >= self.settings.stable
        {
            self.calm();
        }
        let lost = End::lost();
        let (end, outlook) = match end {
            Some(end) => (end, outlook(end.code, &self.settings.codes)),
            None => (&lost, Outlook::Wait),
        };
        // A question without an answer is asked again as it was. One that goes on is joined by the
        // next.
        self.reason = match self.state {
            State::Asking { .. } | State::Authenticating(Authenticating::Asking { .. }) => {
                self.reason
            }
            State::Stopped
            | State::Connecting { .. }
            | State::Settling { .. }
            | State::Authenticating(
                Authenticating::Presented { .. }
                | Authenticating::Responding { .. }
                | Authenticating::Responded { .. },
            )
            | State::Open(_)
            | State::Waiting { .. }
            | State::Closing { .. } => AskReason::Reconnect,
        };
        match outlook {
            Outlook::Stop(why) => self.stop(why, end.clone(), None),
            Outlook::Fresh => self.ended_for_want_of_a_fresh_one(cause, end),
            Outlook::Wait => self.ended_for_now(cause, end),
        }
    }

    fn ended_for_want_of_a_fresh_one(&mut self, cause: Cause, end: &End) {
        self.spend(read_reason(&end.reason).0);
        if self.fresh == Fresh::Tried {
            return self.stop(StopReason::CredentialRefused, end.clone(), None);
        }
        self.fresh = Fresh::Tried;
        self.reason = AskReason::Refused;
        if self.settings.replacing == Replacing::Off && self.opened == Opened::Again {
            return self.stop(StopReason::Ended, end.clone(), (!end.clean).then_some(cause));
        }
        let delay = delays::before_fresh(end, &self.settings, self.jitter);
        self.come_back(cause, end, &delay);
    }

    fn ended_for_now(&mut self, cause: Cause, end: &End) {
        if self.settings.replacing == Replacing::Off {
            return self.stop(StopReason::Ended, end.clone(), (!end.clean).then_some(cause));
        }
        let delay = delays::before_again(end, self.failures, &self.settings, self.jitter);
        self.failures = self.failures.saturating_add(1);
        if self.failures == self.settings.attempts {
            return self.stop(StopReason::AttemptsExhausted, end.clone(), None);
        }
        self.come_back(cause, end, &delay);
    }

    fn come_back(&mut self, cause: Cause, end: &End, delay: &Delay) {
        if cause == Cause::CredentialUnavailable {
            self.effects.push(Effect::Cancel);
        }
        self.effects.push(Effect::Reconnecting {
            cause,
            code: end.code,
            error: read_reason(&end.reason).0.to_owned(),
            attempt: self.attempt.saturating_add(1),
            delay: delay.whole,
        });
        self.state =
            State::Waiting { until: self.after(delay.whole), floor: self.after(delay.floor) };
    }

    /// `cause`: what failed, where the reason does not say it.
    pub(super) fn stop(&mut self, why: StopReason, end: End, cause: Option<Cause>) {
        self.state = State::Stopped;
        self.effects.push(Effect::Cancel);
        self.tell(Auth::Stopped { reason: why });
        if let Some(cause) = why.cause().or(cause) {
            let error = read_reason(&end.reason).0.to_owned();
            self.effects.push(Effect::Error { cause, code: end.code, error });
        }
        self.effects.push(Effect::Closed(end));
    }

    pub(super) fn calm(&mut self) {
        self.failures = 0;
        self.attempt = 0;
        self.fresh = Fresh::Untried;
    }

    /// After these errors a credential must not be presented again (`docs/protocol.md`, section 9).
    pub(super) fn spend(&mut self, error: &str) -> Spent {
        if matches!(error, "invalid_token" | "token_expired") {
            self.effects.push(Effect::Spend);
            return Spent::Yes;
        }
        Spent::No
    }

    /// Lets go of the socket, where there is one.
    pub(super) fn drop_socket(&mut self, code: u16) {
        if self.state.holds() {
            self.effects.push(Effect::Drop { code });
        }
    }
}

/// Whether a credential is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    Yes,
    No,
}
