//! When to ask for a credential, connect, present, refresh, wait, stop.
//!
//! A pure machine: inputs, the time and a random number go in, effects come out. It has no timer, no
//! socket and no randomness, and it never sees a credential. `vectors/client-machine.json` pins what
//! it does; the TypeScript client passes the same file.
//!
//! ```
//! use std::time::Duration;
//! use vestibule_client::machine::{Effect, Input, Machine, Settings, StateName};
//!
//! let mut machine = Machine::new(Settings::default());
//! let effects = machine.handle(Input::Start, Duration::ZERO, 0.5);
//! assert!(matches!(effects.last(), Some(Effect::Ask { attempt: 1, .. })));
//! assert_eq!(machine.state(), StateName::Asking);
//! assert_eq!(machine.deadline(), Some(Duration::from_secs(10)));
//! ```

mod controls;
mod credentials;
mod delays;
mod endings;
mod ends;
mod server;
mod state;
mod vocabulary;

#[cfg(test)]
mod tests;

use core::{mem, time::Duration};

use vestibule_core::authn::Proof;

pub(crate) use self::controls::content;
use self::state::{Authenticating, Known, Open, Renewal, State};
pub use self::{
    controls::is_control,
    ends::{Cause, End, StopReason, Verdict, is_error_name, read_reason},
    state::StateName,
    vocabulary::{
        AskReason, Auth, Carrier, Demand, Effect, Expected, Failure, Input, Opened, Presentation,
        Replacing, Settings, Told,
    },
};
use crate::limits;

/// The machine.
#[derive(Debug)]
pub struct Machine {
    settings: Settings,
    state: State,
    /// Failures in a row: the exponent of the back-off.
    failures: u32,
    /// Connections in a row for which a credential was asked.
    attempt: u32,
    fresh: Fresh,
    opened: Opened,
    /// Why a credential was asked for last, or is to be asked for next.
    reason: AskReason,
    controls: Controls,
    /// What the server must say when it accepts the response that was sent.
    expected: Option<Expected>,
    effects: Vec<Effect>,
    now: Duration,
    jitter: f64,
}

/// Whether a fresh credential has been tried since the last success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fresh {
    Untried,
    Tried,
}

/// The server's control messages on this connection, in the minute that began then.
#[derive(Clone, Copy, Debug)]
struct Controls {
    count: u32,
    since: Duration,
}

impl Default for Settings {
    /// A message carries the credential; everything else as in `limits`.
    fn default() -> Self {
        Self {
            carrier: Carrier::Message,
            connect_timeout: limits::CONNECT_TIMEOUT,
            auth_timeout: limits::AUTH_TIMEOUT,
            proof: Proof::Token,
            step_up: Proof::Token,
            settle: limits::SETTLE,
            replacing: Replacing::On,
            base: limits::BACKOFF_BASE,
            max: limits::BACKOFF_MAX,
            stable: limits::STABLE,
            attempts: 0,
            codes: Vec::new(),
        }
    }
}

impl Machine {
    /// Stopped, until [`Input::Start`].
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: State::Stopped,
            failures: 0,
            attempt: 0,
            fresh: Fresh::Untried,
            opened: Opened::First,
            reason: AskReason::Connect,
            controls: Controls { count: 0, since: Duration::ZERO },
            expected: None,
            effects: Vec::new(),
            now: Duration::ZERO,
            jitter: 0.0,
        }
    }

    /// Takes what happened, and says what is to be done, in this order.
    ///
    /// `now` is of a clock that does not go back, and goes on while the device sleeps where there is
    /// such a one; `jitter` is random, from 0 up to, not including, 1.
    #[must_use = "what is not done is not done by anybody else"]
    pub fn handle(&mut self, input: Input<'_>, now: Duration, jitter: f64) -> Vec<Effect> {
        self.now = now;
        self.jitter = jitter;
        // What is late is late, whatever is reported first; but a refusal counts however late it is.
        let late = self.state.until().is_some_and(|until| now >= until);
        let counts = match (&input, &self.state) {
            (Input::SocketClosed(_), _) | (Input::Text(_), State::Settling { .. }) => true,
            (_, _) => false,
        };
        if late && !counts {
            self.lapse();
        }
        self.take(input);
        mem::take(&mut self.effects)
    }

    /// What is waited for.
    pub fn state(&self) -> StateName {
        self.state.name()
    }

    /// When `handle` must be called at the latest; `None`: never.
    pub fn deadline(&self) -> Option<Duration> {
        self.state.until()
    }

    /// Whether the server owes the answer to a refresh.
    pub fn awaits_answer(&self) -> bool {
        let renewal = match self.state {
            State::Open(Open { renewal, .. }) => renewal,
            State::Stopped
            | State::Asking { .. }
            | State::Connecting { .. }
            | State::Settling { .. }
            | State::Authenticating(_)
            | State::Waiting { .. }
            | State::Closing { .. } => return false,
        };
        matches!(renewal, Renewal::Presented { .. } | Renewal::Responded { .. })
            && !self.is_sealed()
    }

    fn lapse(&mut self) {
        match self.state {
            State::Stopped => {}
            State::Asking { .. } | State::Authenticating(Authenticating::Asking { .. }) => {
                self.abandon(Cause::CredentialUnavailable);
            }
            State::Connecting { .. } => self.abandon(Cause::ConnectTimeout),
            State::Authenticating(
                Authenticating::Presented { .. }
                | Authenticating::Responding { .. }
                | Authenticating::Responded { .. },
            ) => self.abandon(Cause::AuthTimeout),
            State::Settling { .. } => self.open(None, None),
            State::Waiting { .. } => self.ask(self.reason),
            State::Closing { .. } => self.leave(StopReason::Closed, End::lost(), 1000),
            State::Open(from) => match from.renewal {
                Renewal::Due(_) => self.renew(from),
                Renewal::Asking { .. } => self.renew_later(from),
                Renewal::Presented { .. } if self.is_sealed() => {
                    self.state = State::Open(Open { renewal: Renewal::Due(None), ..from });
                }
                Renewal::Presented { .. }
                | Renewal::Responding { .. }
                | Renewal::Responded { .. } => self.abandon(Cause::AuthTimeout),
            },
        }
    }

    fn take(&mut self, input: Input<'_>) {
        match input {
            Input::Start => {
                self.drop_socket(1000);
                self.calm();
                self.opened = Opened::First;
                self.ask(AskReason::Connect);
            }
            Input::Credential => self.provided(),
            Input::NoCredential(failure) => self.not_provided(failure),
            Input::Response(expected) => self.responded(expected),
            Input::NoResponse => self.not_responded(),
            Input::SocketOpen => self.connected(),
            Input::Text(text) if is_control(text) => self.heard(controls::read(text)),
            Input::Text(_) | Input::Binary => self.application(),
            Input::Fault => self.nonsense(),
            Input::SocketClosed(end) => self.closed(&end),
            Input::Close { code, reason } => self.close(code, reason),
            Input::Abort => {
                let end = End { code: 1000, reason: String::new(), clean: true };
                self.leave(StopReason::Aborted, end, 1000);
            }
            Input::Logout if self.speaks() => {
                self.effects.extend([Effect::Cancel, Effect::Logout]);
                self.await_close();
            }
            Input::Logout => self.close(1000, String::new()),
            Input::Refresh => self.renew_early(),
            Input::Online => match self.state {
                State::Waiting { floor, .. } if floor <= self.now => self.ask(self.reason),
                State::Waiting { .. }
                | State::Stopped
                | State::Asking { .. }
                | State::Connecting { .. }
                | State::Settling { .. }
                | State::Authenticating(_)
                | State::Open(_)
                | State::Closing { .. } => {}
            },
            Input::Tick => {}
        }
    }

    fn close(&mut self, code: u16, reason: String) {
        match self.state {
            State::Open(_) => {
                self.effects.extend([Effect::Cancel, Effect::Close { code, reason }]);
                self.await_close();
            }
            State::Closing { .. } => {}
            State::Stopped
            | State::Asking { .. }
            | State::Connecting { .. }
            | State::Settling { .. }
            | State::Authenticating(_)
            | State::Waiting { .. } => {
                self.leave(StopReason::Closed, End { code, reason, clean: true }, 1000);
            }
        }
    }

    fn await_close(&mut self) {
        self.state = State::Closing { until: self.after(limits::CLOSE_TIMEOUT) };
    }

    /// Whether the gateway hears control messages on this route, as far as is known.
    fn speaks(&self) -> bool {
        matches!(self.state, State::Open(Open { lease: Known::Yes, .. }))
    }

    /// Whether each message carries the token.
    fn is_sealed(&self) -> bool {
        self.settings.carrier == Carrier::PerMessage
    }

    /// Whether what is presented counts only after a challenge that was answered.
    fn proof(&self) -> Proof {
        match (self.state, self.reason) {
            (State::Open(_), AskReason::StepUp) => self.settings.step_up,
            (_, _) => self.settings.proof,
        }
    }

    /// Whether a newer credential can be presented on an open connection.
    fn renews(&self) -> bool {
        self.settings.carrier != Carrier::Cookie && self.settings.proof == Proof::Token
    }

    fn after(&self, span: Duration) -> Duration {
        self.now.saturating_add(span)
    }

    fn tell(&mut self, auth: Auth) {
        self.effects.push(Effect::Auth(auth));
    }
}
