//! Asking, presenting, refreshing.

use core::time::Duration;

use vestibule_core::authn::Proof;

use super::{
    AskReason, Auth, Cause, Demand, Effect, End, Expected, Failure, Machine, Presentation,
    StopReason, delays,
    state::{Authenticating, Open, Renewal, State},
};
use crate::limits;

impl Machine {
    pub(super) fn ask(&mut self, reason: AskReason) {
        self.reason = reason;
        self.attempt = self.attempt.saturating_add(1);
        self.state = State::Asking { until: self.after(self.settings.auth_timeout) };
        self.tell(Auth::Waiting { reason });
        self.effects.push(Effect::Ask { reason, attempt: self.attempt });
    }

    pub(super) fn provided(&mut self) {
        match self.state {
            State::Asking { .. } => {
                self.state = State::Connecting { until: self.after(self.settings.connect_timeout) };
                self.effects.push(Effect::Connect);
            }
            State::Authenticating(Authenticating::Asking { .. }) => self.authenticate(),
            State::Open(from) => match from.renewal {
                Renewal::Asking { .. } => {
                    let span = if self.is_sealed() {
                        limits::REFRESH_FLOOR
                    } else {
                        self.settings.auth_timeout
                    };
                    let until = self.after(span);
                    self.state =
                        State::Open(Open { renewal: Renewal::Presented { until }, ..from });
                    self.effects.push(Effect::Present(match self.reason {
                        AskReason::StepUp => Presentation::Authenticate,
                        AskReason::Connect
                        | AskReason::Reconnect
                        | AskReason::Refresh
                        | AskReason::Refused => Presentation::Refresh,
                    }));
                }
                Renewal::Due(_)
                | Renewal::Presented { .. }
                | Renewal::Responding { .. }
                | Renewal::Responded { .. } => {}
            },
            State::Stopped
            | State::Connecting { .. }
            | State::Settling { .. }
            | State::Authenticating(
                Authenticating::Presented { .. }
                | Authenticating::Responding { .. }
                | Authenticating::Responded { .. },
            )
            | State::Waiting { .. }
            | State::Closing { .. } => {}
        }
    }

    pub(super) fn authenticate(&mut self) {
        let until = self.after(self.settings.auth_timeout);
        self.state = State::Authenticating(Authenticating::Presented { until });
        self.effects.push(Effect::Present(Presentation::Authenticate));
    }

    /// One challenge is answered for each credential, and only by who has said that it answers.
    pub(super) fn challenged(&mut self, demand: Demand) {
        match (self.state, self.proof()) {
            (State::Authenticating(Authenticating::Presented { until }), Proof::Response) => {
                self.state = State::Authenticating(Authenticating::Responding { until });
                self.effects.push(Effect::Challenge(demand));
            }
            (
                State::Open(from @ Open { renewal: Renewal::Presented { until }, .. }),
                Proof::Response,
            ) => {
                self.state = State::Open(Open { renewal: Renewal::Responding { until }, ..from });
                self.effects.push(Effect::Challenge(demand));
            }
            (_, Proof::Response | Proof::Token | Proof::Connection) => self.nonsense(),
        }
    }

    pub(super) fn responded(&mut self, expected: Option<Expected>) {
        self.state = match self.state {
            State::Authenticating(Authenticating::Responding { until }) => {
                State::Authenticating(Authenticating::Responded { until })
            }
            State::Open(from @ Open { renewal: Renewal::Responding { until }, .. }) => {
                State::Open(Open { renewal: Renewal::Responded { until }, ..from })
            }
            State::Authenticating(_)
            | State::Open(_)
            | State::Stopped
            | State::Asking { .. }
            | State::Connecting { .. }
            | State::Settling { .. }
            | State::Waiting { .. }
            | State::Closing { .. } => return,
        };
        self.expected = expected;
        self.effects.push(Effect::Respond);
    }

    pub(super) fn not_responded(&mut self) {
        match self.state {
            State::Authenticating(Authenticating::Responding { .. }) => self.unproven(),
            // An open connection goes on for as long as it may; nobody is asked again.
            State::Open(from @ Open { renewal: Renewal::Responding { .. }, .. }) => {
                self.state = State::Open(Open { renewal: Renewal::Due(None), ..from });
            }
            State::Authenticating(_)
            | State::Open(_)
            | State::Stopped
            | State::Asking { .. }
            | State::Connecting { .. }
            | State::Settling { .. }
            | State::Waiting { .. }
            | State::Closing { .. } => {}
        }
    }

    /// What is on the other side is not what it has to be.
    pub(super) fn unproven(&mut self) {
        self.leave(StopReason::ChallengeFailed, End::lost(), 1000);
    }

    pub(super) fn not_provided(&mut self, failure: Failure) {
        match self.state {
            State::Open(from @ Open { renewal: Renewal::Asking { .. }, .. }) => match failure {
                Failure::Repeated | Failure::Denied if self.is_sealed() => self.useless(failure),
                Failure::Failed | Failure::Repeated | Failure::Denied => self.renew_later(from),
            },
            State::Asking { .. } | State::Authenticating(Authenticating::Asking { .. }) => {
                match failure {
                    Failure::Failed => self.abandon(Cause::CredentialUnavailable),
                    Failure::Repeated | Failure::Denied => self.useless(failure),
                }
            }
            State::Open(Open {
                renewal:
                    Renewal::Due(_)
                    | Renewal::Presented { .. }
                    | Renewal::Responding { .. }
                    | Renewal::Responded { .. },
                ..
            }) => {}
            State::Stopped
            | State::Connecting { .. }
            | State::Settling { .. }
            | State::Authenticating(
                Authenticating::Presented { .. }
                | Authenticating::Responding { .. }
                | Authenticating::Responded { .. },
            )
            | State::Waiting { .. }
            | State::Closing { .. } => {}
        }
    }

    /// A provider that did not know that its credential was refused is told, once.
    fn useless(&mut self, failure: Failure) {
        self.drop_socket(1000);
        if self.reason == AskReason::Refused || failure == Failure::Denied {
            self.stop(StopReason::CredentialRefused, End::lost(), None);
        } else {
            self.ask(AskReason::Refused);
        }
    }

    pub(super) fn renew(&mut self, from: Open) {
        let until = self.after(self.settings.auth_timeout);
        self.state = State::Open(Open { renewal: Renewal::Asking { until }, ..from });
        self.tell(Auth::Refreshing);
        let attempt = from.failed.saturating_add(1);
        self.effects.push(Effect::Ask { reason: self.reason, attempt });
    }

    pub(super) fn renew_early(&mut self) {
        let hears = self.is_sealed() || self.speaks();
        if let State::Open(from @ Open { renewal: Renewal::Due(_), .. }) = self.state
            && hears
            && self.renews()
        {
            self.renew(from);
        }
    }

    /// A refresh that failed costs nothing but itself: the old lease goes on.
    pub(super) fn renew_later(&mut self, from: Open) {
        let backoff = delays::backoff(from.failed, &self.settings, self.jitter);
        let span = limits::REFRESH_FLOOR.saturating_add(backoff);
        self.state = State::Open(Open {
            renewal: Renewal::Due(Some(self.after(span))),
            failed: from.failed.saturating_add(1),
            ..from
        });
        self.effects.push(Effect::Cancel);
        self.tell(Auth::Waiting { reason: self.reason });
    }

    /// When a credential of that many seconds is to be refreshed.
    pub(super) fn renewal(&self, expires_in: u64) -> Option<Duration> {
        self.renews().then(|| self.after(delays::renewal(expires_in, self.jitter)))
    }
}
