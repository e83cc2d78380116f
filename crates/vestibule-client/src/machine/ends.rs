//! What the end of a connection means (`docs/protocol.md`, sections 7.2 and 9).

use core::{fmt, time::Duration};

use crate::limits;

/// What follows from a close code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Nothing changes by itself.
    Stop,
    /// A new credential, then again, once at once.
    Fresh,
    /// Again, after a while.
    Wait,
}

/// Why there will be no further connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// The application closed it or logged out.
    Closed,
    /// The application gave it up.
    Aborted,
    /// The server closed with 1000.
    Completed,
    /// The connection ended, and is not replaced.
    Ended,
    /// A fresh credential was refused too, or the provider repeated one that had been refused.
    CredentialRefused,
    /// Refused for a reason that another credential of the same kind does not mend (4403, 4404).
    Refused,
    /// Revoked or logged out (4410).
    Revoked,
    /// The server's challenge could not be answered, or it did not prove what it has to.
    ChallengeFailed,
    /// One side does not understand the other (1002, 4400, or nonsense of the server's).
    Protocol,
    /// As many connections as are allowed failed in a row.
    AttemptsExhausted,
}

impl StopReason {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Aborted => "aborted",
            Self::Completed => "completed",
            Self::Ended => "ended",
            Self::CredentialRefused => "credential_refused",
            Self::Refused => "refused",
            Self::Revoked => "revoked",
            Self::ChallengeFailed => "challenge_failed",
            Self::Protocol => "protocol",
            Self::AttemptsExhausted => "attempts_exhausted",
        }
    }

    /// What failed, where that is by itself a failure.
    pub(super) const fn cause(self) -> Option<Cause> {
        match self {
            Self::Closed | Self::Aborted | Self::Completed | Self::Ended => None,
            Self::CredentialRefused => Some(Cause::CredentialRefused),
            Self::Refused => Some(Cause::Refused),
            Self::Revoked => Some(Cause::Revoked),
            Self::ChallengeFailed => Some(Cause::ChallengeFailed),
            Self::Protocol => Some(Cause::Protocol),
            Self::AttemptsExhausted => Some(Cause::AttemptsExhausted),
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The connection ended before it was open.
    ConnectFailed,
    /// No handshake in time.
    ConnectTimeout,
    /// No answer to a credential in time.
    AuthTimeout,
    /// The provider failed, or took too long, or gave something that is no credential.
    CredentialUnavailable,
    /// An open connection ended.
    ConnectionLost,
    /// See [`StopReason::CredentialRefused`].
    CredentialRefused,
    /// See [`StopReason::Refused`].
    Refused,
    /// See [`StopReason::Revoked`].
    Revoked,
    /// See [`StopReason::ChallengeFailed`].
    ChallengeFailed,
    /// See [`StopReason::Protocol`].
    Protocol,
    /// See [`StopReason::AttemptsExhausted`].
    AttemptsExhausted,
}

impl Cause {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConnectFailed => "connect_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::AuthTimeout => "auth_timeout",
            Self::CredentialUnavailable => "credential_unavailable",
            Self::ConnectionLost => "connection_lost",
            Self::CredentialRefused => "credential_refused",
            Self::Refused => "refused",
            Self::Revoked => "revoked",
            Self::ChallengeFailed => "challenge_failed",
            Self::Protocol => "protocol",
            Self::AttemptsExhausted => "attempts_exhausted",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a connection ended. The reason is a stranger's text and is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct End {
    /// The close code; 1006 where there was no Close, 1005 where it had no code.
    pub code: u16,
    /// The reason in the Close.
    pub reason: String,
    /// Whether there was a Close.
    pub clean: bool,
}

impl End {
    /// How a connection ends that nobody closed.
    pub const fn lost() -> Self {
        Self { code: 1006, reason: String::new(), clean: false }
    }
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, reason, clean } = self;
        f.debug_struct("End")
            .field("code", code)
            .field("error", &read_reason(reason).0)
            .field("clean", clean)
            .finish()
    }
}

/// What is to be done after a code.
pub(super) enum Outlook {
    Fresh,
    Wait,
    Stop(StopReason),
}

/// The outlook after a code. `codes`: those that a route maps.
pub(super) fn outlook(code: u16, codes: &[(u16, Verdict)]) -> Outlook {
    let mapped = codes.iter().find(|(mapped, _)| *mapped == code).map(|(_, verdict)| *verdict);
    match (mapped, code) {
        (Some(Verdict::Stop), _) => Outlook::Stop(StopReason::Refused),
        (Some(Verdict::Fresh), _) => Outlook::Fresh,
        (Some(Verdict::Wait), _) => Outlook::Wait,
        (None, 1000) => Outlook::Stop(StopReason::Completed),
        (None, 1002 | 4400) => Outlook::Stop(StopReason::Protocol),
        (None, 4403 | 4404) => Outlook::Stop(StopReason::Refused),
        (None, 4410) => Outlook::Stop(StopReason::Revoked),
        (None, 4401) => Outlook::Fresh,
        (None, _) => Outlook::Wait,
    }
}

/// `error-name; retry-after=N` of a Close: the name, and how long to stay away.
pub fn read_reason(reason: &str) -> (&str, Duration) {
    const NOTHING: (&str, Duration) = ("", Duration::ZERO);
    let (name, rest) = match reason.split_once("; retry-after=") {
        Some((name, seconds)) => (name, Some(seconds)),
        None => (reason, None),
    };
    if !is_error_name(name) {
        return NOTHING;
    }
    match rest {
        None => (name, Duration::ZERO),
        Some(digits) if digits.len() <= 9 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            match digits.parse() {
                Ok(seconds) => (name, Duration::from_secs(seconds).min(limits::RETRY_AFTER)),
                Err(_) => NOTHING,
            }
        }
        Some(_) => NOTHING,
    }
}

/// Whether a text is a name as the protocol has them. What is none is not repeated: it may be
/// anything.
pub fn is_error_name(text: &str) -> bool {
    (1..=limits::ERROR_NAME_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}
