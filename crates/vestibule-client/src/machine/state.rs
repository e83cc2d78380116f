//! What the machine can be in: each state is named after what is waited for.

use core::time::Duration;

/// Times are since the machine's clock began; `until` is when something happens by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Stopped,
    /// For a credential.
    Asking {
        until: Duration,
    },
    /// For the handshake.
    Connecting {
        until: Duration,
    },
    /// For a refusal behind a handshake that carried the credential.
    Settling {
        until: Duration,
    },
    Authenticating(Authenticating),
    Open(Open),
    /// For the next attempt. Before `floor` the server wants nobody back.
    Waiting {
        until: Duration,
        floor: Duration,
    },
    /// For the server's Close.
    Closing {
        until: Duration,
    },
}

/// Behind the handshake, before the server has accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authenticating {
    /// The last credential was refused; another one is waited for.
    Asking { until: Duration },
    /// The server's answer is waited for.
    Presented { until: Duration },
    /// The response to a challenge is waited for.
    Responding { until: Duration },
    /// The server's answer to that is waited for.
    Responded { until: Duration },
}

/// Messages flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) renewal: Renewal,
    /// How many refreshes failed, in a row.
    pub(super) failed: u32,
    pub(super) since: Duration,
    pub(super) lease: Known,
}

/// Where the next refresh is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// Due then, or never.
    Due(Option<Duration>),
    /// A credential is waited for.
    Asking { until: Duration },
    /// The answer to one is waited for.
    Presented { until: Duration },
    /// The response to a challenge is waited for.
    Responding { until: Duration },
    /// The server's answer to that is waited for.
    Responded { until: Duration },
}

/// Whether the server has said that it hears control messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Yes,
    No,
}

/// The state, for those outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateName {
    /// Nothing is wanted.
    Stopped,
    /// A credential is waited for.
    Asking,
    /// A handshake is under way.
    Connecting,
    /// A refusal may follow the handshake.
    Settling,
    /// The answer to a credential is waited for.
    Authenticating,
    /// Messages flow.
    Open,
    /// The next attempt is waited for.
    Waiting,
    /// The closing handshake is under way.
    Closing,
}

impl StateName {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Asking => "asking",
            Self::Connecting => "connecting",
            Self::Settling => "settling",
            Self::Authenticating => "authenticating",
            Self::Open => "open",
            Self::Waiting => "waiting",
            Self::Closing => "closing",
        }
    }
}

impl State {
    pub(super) const fn name(&self) -> StateName {
        match self {
            Self::Stopped => StateName::Stopped,
            Self::Asking { .. } => StateName::Asking,
            Self::Connecting { .. } => StateName::Connecting,
            Self::Settling { .. } => StateName::Settling,
            Self::Authenticating(_) => StateName::Authenticating,
            Self::Open(_) => StateName::Open,
            Self::Waiting { .. } => StateName::Waiting,
            Self::Closing { .. } => StateName::Closing,
        }
    }

    /// When something happens by itself; `None`: never.
    pub(super) const fn until(&self) -> Option<Duration> {
        match self {
            Self::Stopped => None,
            Self::Asking { until }
            | Self::Connecting { until }
            | Self::Settling { until }
            | Self::Waiting { until, .. }
            | Self::Closing { until }
            | Self::Authenticating(
                Authenticating::Asking { until }
                | Authenticating::Presented { until }
                | Authenticating::Responding { until }
                | Authenticating::Responded { until },
            ) => Some(*until),
            Self::Open(Open { renewal, .. }) => match renewal {
                Renewal::Due(until) => *until,
                Renewal::Asking { until }
                | Renewal::Presented { until }
                | Renewal::Responding { until }
                | Renewal::Responded { until } => Some(*until),
            },
        }
    }

    /// Whether there is a socket.
    pub(super) const fn holds(&self) -> bool {
        match self {
            Self::Stopped | Self::Asking { .. } | Self::Waiting { .. } => false,
            Self::Connecting { .. }
            | Self::Settling { .. }
            | Self::Authenticating(_)
            | Self::Open(_)
            | Self::Closing { .. } => true,
        }
    }
}
