//! What the server does.

use core::time::Duration;

use vestibule_core::authn::Proof;

use super::{
    AskReason, Auth, Carrier, Cause, Controls, Effect, End, Fresh, Machine, Opened, Told,
    controls::Said,
    endings::Spent,
    state::{Authenticating, Known, Open, Renewal, State},
};
use crate::limits;

impl Machine {
    pub(super) fn connected(&mut self) {
        if !matches!(self.state, State::Connecting { .. }) {
            return;
        }
        self.controls = Controls { count: 0, since: self.now };
        match self.settings.carrier {
            Carrier::Message => self.authenticate(),
            // A refusal follows the handshake at once, and looks like an open connection until then.
            Carrier::Handshake | Carrier::Cookie | Carrier::PerMessage => {
                self.state = State::Settling { until: self.after(self.settings.settle) };
            }
        }
    }

    pub(super) fn application(&mut self) {
        match self.state {
            State::Settling { .. } => {
                self.open(None, None);
                self.effects.push(Effect::Deliver);
            }
            State::Open(_) | State::Closing { .. } => self.effects.push(Effect::Deliver),
            State::Authenticating(_) => self.nonsense(),
            State::Stopped
            | State::Asking { .. }
            | State::Connecting { .. }
            | State::Waiting { .. } => {}
        }
    }

    pub(super) fn heard(&mut self, said: Said) {
        match self.state {
            State::Authenticating(_) | State::Settling { .. } | State::Open(_) => {}
            State::Stopped
            | State::Asking { .. }
            | State::Connecting { .. }
            | State::Waiting { .. }
            | State::Closing { .. } => return,
        }
        if self.now.saturating_sub(self.controls.since) >= limits::MINUTE {
            self.controls = Controls { count: 0, since: self.now };
        }
        self.controls.count = self.controls.count.saturating_add(1);
        if self.controls.count > limits::CONTROLS_A_MINUTE && !self.is_sealed() {
            return self.nonsense();
        }
        match said {
            Said::Garbage => self.nonsense(),
            Said::Required => match self.state {
                State::Authenticating(_) => {}
                State::Open(from @ Open { lease: Known::Yes, .. }) => self.step_up(from),
                // Who presented a credential in the handshake is asked for one only if it did not
                // count.
                State::Settling { .. }
                | State::Open(_)
                | State::Stopped
                | State::Asking { .. }
                | State::Connecting { .. }
                | State::Waiting { .. }
                | State::Closing { .. } => self.refuse("credential_required"),
            },
            Said::Challenge(demand) => self.challenged(demand),
            Said::Accepted { subject, expires_in, message } => {
                self.accepted(Told { subject, expires_in }, message.as_deref());
            }
            Said::Expiring { expires_in } => self.expiring(expires_in),
            Said::Rejected { error, retry } => {
                self.rejected(&error, if retry { Retry::Allowed } else { Retry::Refused });
            }
            Said::Unknown => {}
        }
    }

    /// Somebody is in, and is to show more. A refresh that is under way gives way to it.
    fn step_up(&mut self, from: Open) {
        self.reason = AskReason::StepUp;
        self.effects.push(Effect::Cancel);
        self.renew(from);
    }

    fn accepted(&mut self, told: Told, message: Option<&str>) {
        match (self.state, self.proof()) {
            // It was renewed by other means. What is under way goes on.
            (
                State::Open(Open {
                    renewal: Renewal::Presented { .. } | Renewal::Responding { .. },
                    ..
                }),
                Proof::Response,
            ) => return,
            (_, Proof::Response | Proof::Token | Proof::Connection) => {}
        }
        if !self.is_proven(message) {
            return self.unproven();
        }
        let until = self.renewal(told.expires_in);
        let State::Open(from) = self.state else {
            return self.open(Some(told), until);
        };
        let known = match from.renewal {
            Renewal::Presented { .. } | Renewal::Responded { .. } => true,
            Renewal::Due(_) | Renewal::Asking { .. } | Renewal::Responding { .. } => {
                from.lease == Known::Yes
            }
        };
        self.tell(if known { Auth::Refreshed(told) } else { Auth::Authenticated(Some(told)) });
        self.state = State::Open(match from.renewal {
            // An answer that nobody waits for does not call back a question that is under way.
            Renewal::Asking { .. } => Open { lease: Known::Yes, ..from },
            Renewal::Due(_)
            | Renewal::Presented { .. }
            | Renewal::Responding { .. }
            | Renewal::Responded { .. } => {
                self.reason = AskReason::Refresh;
                Open { lease: Known::Yes, renewal: Renewal::Due(until), failed: 0, ..from }
            }
        });
    }

    /// Who skips the challenge, or does not say what only the right server can, has proved nothing.
    fn is_proven(&self, message: Option<&str>) -> bool {
        match (self.state, self.proof()) {
            (
                State::Authenticating(Authenticating::Responded { .. })
                | State::Open(Open { renewal: Renewal::Responded { .. }, .. }),
                Proof::Response,
            ) => self.expected.as_ref().is_none_or(|expected| expected.is(message)),
            (State::Authenticating(_), Proof::Response) => false,
            (_, Proof::Response | Proof::Token | Proof::Connection) => true,
        }
    }

    fn expiring(&mut self, expires_in: u64) {
        if matches!(self.state, State::Settling { .. }) {
            self.open(None, None);
        }
        if let State::Open(from) = self.state {
            self.tell(Auth::Expiring { expires_in });
            self.state = State::Open(Open { lease: Known::Yes, ..from });
            self.renew_early();
        }
    }

    fn rejected(&mut self, error: &str, retry: Retry) {
        let told = Auth::Rejected { error: error.to_owned(), retry: retry == Retry::Allowed };
        if self.is_sealed() {
            return self.message_rejected(error, told);
        }
        match (self.state, retry) {
            (
                State::Open(
                    from @ Open {
                        renewal: Renewal::Presented { .. } | Renewal::Responded { .. },
                        ..
                    },
                ),
                _,
            ) => {
                self.tell(told);
                self.spend(error);
                self.renew_later(from);
            }
            (
                State::Authenticating(
                    Authenticating::Presented { .. } | Authenticating::Responded { .. },
                ),
                Retry::Allowed,
            ) => {
                self.tell(told);
                if self.fresh == Fresh::Tried {
                    return self.refuse(error);
                }
                self.spend(error);
                self.fresh = Fresh::Tried;
                self.ask(AskReason::Refused);
                let until = self.after(self.settings.auth_timeout);
                self.state = State::Authenticating(Authenticating::Asking { until });
            }
            // Its Close follows.
            (
                State::Authenticating(
                    Authenticating::Presented { .. } | Authenticating::Responded { .. },
                ),
                Retry::Refused,
            ) => {
                self.tell(told);
                self.spend(error);
            }
            // Nobody asked.
            (
                State::Open(_)
                | State::Authenticating(
                    Authenticating::Asking { .. } | Authenticating::Responding { .. },
                )
                | State::Stopped
                | State::Asking { .. }
                | State::Connecting { .. }
                | State::Settling { .. }
                | State::Waiting { .. }
                | State::Closing { .. },
                _,
            ) => {}
        }
    }

    /// One message was refused, and the connection stays. What was on its way with the old token
    /// says nothing about the new one.
    fn message_rejected(&mut self, error: &str, told: Auth) {
        if let State::Open(from) = self.state {
            self.tell(told);
            if matches!(from.renewal, Renewal::Due(_)) && self.spend(error) == Spent::Yes {
                self.renew(from);
            }
        }
    }

    /// The connection is the application's, until the lease is to be renewed or for ever.
    pub(super) fn open(&mut self, told: Option<Told>, until: Option<Duration>) {
        let lease = if told.is_some() { Known::Yes } else { Known::No };
        self.state =
            State::Open(Open { renewal: Renewal::Due(until), failed: 0, since: self.now, lease });
        self.tell(Auth::Authenticated(told));
        self.effects.push(Effect::Open(self.opened));
        self.opened = Opened::Again;
        self.reason = AskReason::Refresh;
    }

    pub(super) fn closed(&mut self, end: &End) {
        match self.state {
            State::Closing { .. } => self.stop(super::StopReason::Closed, end.clone(), None),
            State::Connecting { .. } => self.ended(Cause::ConnectFailed, Some(end)),
            State::Settling { .. } | State::Authenticating(_) | State::Open(_) => {
                self.ended(Cause::ConnectionLost, Some(end));
            }
            State::Stopped | State::Asking { .. } | State::Waiting { .. } => {}
        }
    }
}

/// Whether the server takes another credential on this connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Retry {
    Allowed,
    Refused,
}
