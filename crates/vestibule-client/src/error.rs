//! What can go wrong. No error holds a credential, or a text of the server's that is not a name of
//! the protocol.

use core::fmt;
use std::{error, sync::Arc};

use crate::{
    auth::Unanswered,
    handshake::{BadAddress, BadCertificates, OpenError, Refusal, SocketError},
    machine::{Cause, End, StopReason, read_reason},
};

/// Why something was not done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// It is over: no further message comes or goes.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The application has closed it or logged out: nothing more is sent.
    #[error("the connection is being closed")]
    Closing,
    /// More waits to be sent than may.
    #[error("more is waiting to be sent than may")]
    QueueFull,
    /// The text begins like a control message, and would be taken for one.
    #[error("the text begins like a control message")]
    Reserved,
    /// It is no JSON, and so cannot carry a token.
    #[error("what is no JSON cannot carry a token")]
    NotJson,
    /// A code that a client cannot close with, or a reason of more than 123 bytes.
    #[error("a connection cannot be closed with that code or reason")]
    BadClose,
    /// The URL is none.
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// A credential would travel in the clear, to another machine.
    #[error("a credential needs wss:")]
    Insecure,
    /// A subprotocol is no token (RFC 9110 section 5.6.2), or is offered twice.
    #[error("a subprotocol is offered twice, or cannot be offered")]
    Subprotocol,
    /// The certificates to trust cannot be used.
    #[error(transparent)]
    Certificates(Arc<BadCertificates>),
}

impl From<BadCertificates> for Error {
    fn from(error: BadCertificates) -> Self {
        Self::Certificates(Arc::new(error))
    }
}

/// What the last connection, or the last attempt, came to.
#[derive(Debug)]
pub(crate) enum Detail {
    Open(OpenError),
    Socket(SocketError),
    Challenge(Unanswered),
}

/// How it ended, for good. Only names of the protocol are printed; the rest of what the server said
/// can be asked for.
#[derive(Clone, Debug)]
pub struct Ended {
    pub(crate) reason: StopReason,
    pub(crate) cause: Option<Cause>,
    pub(crate) end: End,
    pub(crate) unsent: usize,
    pub(crate) detail: Option<Arc<Detail>>,
}

impl Ended {
    /// Why there will be no further connection.
    pub fn reason(&self) -> StopReason {
        self.reason
    }

    /// What failed; `None` where nothing did: it was closed.
    pub fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// The close code; 1006 where there was no Close. A refusal by HTTP has the code that says the
    /// same.
    pub fn code(&self) -> u16 {
        self.end.code
    }

    /// The server's error name, such as `invalid_token`; empty where it gave none.
    pub fn error(&self) -> &str {
        read_reason(&self.end.reason).0
    }

    /// The whole reason of the Close. It is a stranger's text.
    pub fn close_reason(&self) -> &str {
        &self.end.reason
    }

    /// How many messages were waiting to be sent, and are dropped: they must not go out under the
    /// name of whoever signs in next.
    pub fn unsent(&self) -> usize {
        self.unsent
    }

    /// The HTTP answer, where that was the last word.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self.detail.as_deref() {
            Some(Detail::Open(OpenError::Refused(refusal))) => Some(refusal),
            Some(
                Detail::Open(
                    OpenError::Unreachable { .. }
                    | OpenError::Tls(_)
                    | OpenError::Certificates(_)
                    | OpenError::Answer(_)
                    | OpenError::Echoed
                    | OpenError::Uncarried(_)
                    | OpenError::Unaskable(_),
                )
                | Detail::Socket(_)
                | Detail::Challenge(_),
            )
            | None => None,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = self.cause.map_or_else(|| self.reason.name(), Cause::name);
        write!(f, "the connection is over: {why} ({}", self.code())?;
        match self.error() {
            "" => f.write_str(")"),
            error => write!(f, " {error})"),
        }
    }
}

impl error::Error for Ended {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self.detail.as_deref()? {
            Detail::Open(error) => Some(error),
            Detail::Socket(error) => Some(error),
            Detail::Challenge(error) => Some(error),
        }
    }
}
