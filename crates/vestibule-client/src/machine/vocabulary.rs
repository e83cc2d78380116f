//! What goes into the machine and what comes out of it. The names are those of
//! `vectors/client-machine.json`.

use core::{fmt, time::Duration};

use subtle::ConstantTimeEq;
use vestibule_core::authn::Proof;
use zeroize::Zeroizing;

use super::ends::{Cause, End, StopReason, Verdict};

/// When the credential travels, as far as the machine has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// In a message behind the handshake.
    Message,
    /// In the handshake.
    Handshake,
    /// In the handshake, and it cannot be refreshed over the connection.
    Cookie,
    /// In each message of the application: then each is refused by itself, and nothing ends with
    /// that.
    PerMessage,
}

/// Why a credential is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AskReason {
    /// The first connection.
    Connect,
    /// Another connection. A credential that is still good will do.
    Reconnect,
    /// The lease ends soon. A newer credential is needed.
    Refresh,
    /// The last credential was refused, or has ended. Another one is needed.
    Refused,
    /// The server wants a second proof of who is in already, and ends the connection without it.
    StepUp,
}

impl AskReason {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Reconnect => "reconnect",
            Self::Refresh => "refresh",
            Self::Refused => "refused",
            Self::StepUp => "step-up",
        }
    }
}

/// Whether a connection that was open is replaced when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacing {
    /// It is.
    On,
    /// It is not. A credential that is refused before that still gets its one retry.
    Off,
}

/// What the machine goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When the credential travels.
    pub carrier: Carrier,
    /// For the handshake.
    pub connect_timeout: Duration,
    /// For the provider, and again for the server's answer to what it provided.
    pub auth_timeout: Duration,
    /// With [`Proof::Response`] a credential counts only after a challenge that was answered, and
    /// nothing is refreshed over the connection.
    pub proof: Proof,
    /// The same of the credentials that are a second proof on an open connection.
    pub step_up: Proof,
    /// How long a refusal may follow a handshake that carried the credential.
    pub settle: Duration,
    /// Whether a connection that ended is replaced.
    pub replacing: Replacing,
    /// First ceiling of the back-off.
    pub base: Duration,
    /// Last ceiling of the back-off.
    pub max: Duration,
    /// How long a connection must have been open to be taken for a success.
    pub stable: Duration,
    /// Failures in a row before it stops; 0: no bound.
    pub attempts: u32,
    /// What other close codes mean, for a route that maps them.
    pub codes: Vec<(u16, Verdict)>,
}

/// Why there is no credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The provider has none.
    Failed,
    /// It gave the one that was spent.
    Repeated,
    /// It knows that there will be none.
    Denied,
}

/// What a server demands in a `challenge`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// To sign this, together with where the handshake went.
    Nonce(String),
    /// The answer to this message of SCRAM.
    Message(String),
}

/// The `message` without which an `accepted` is not believed.
#[derive(Clone, PartialEq, Eq)]
pub struct Expected(Zeroizing<String>);

impl Expected {
    /// This one, and no other.
    pub fn new(message: impl Into<String>) -> Self {
        Self(Zeroizing::new(message.into()))
    }

    /// Whether the server said it.
    pub fn is(&self, message: Option<&str>) -> bool {
        message.is_some_and(|message| self.0.as_bytes().ct_eq(message.as_bytes()).into())
    }
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Expected")
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// From any state: begins anew.
    Start,
    /// The provider gave a credential.
    Credential,
    /// The provider gave none.
    NoCredential(Failure),
    /// There is a response to the challenge, and what `accepted` must say for it, where the server
    /// has something to prove.
    Response(Option<Expected>),
    /// The challenge must not be answered, or cannot be.
    NoResponse,
    /// The handshake is done.
    SocketOpen,
    /// A text message came.
    Text(&'a str),
    /// A binary message came.
    Binary,
    /// The socket did what no WebSocket may do.
    Fault,
    /// The socket has ended.
    SocketClosed(End),
    /// The application wants it closed.
    Close {
        /// The close code.
        code: u16,
        /// The reason, which travels in the Close frame.
        reason: String,
    },
    /// The application wants it gone at once.
    Abort,
    /// The application wants to be logged out.
    Logout,
    /// The application wants a newer credential to be presented.
    Refresh,
    /// The network is back.
    Online,
    /// A deadline has passed, or a timer cannot be trusted.
    Tick,
}

/// How a credential is presented in band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presentation {
    /// On a connection that is not admitted, or as a second proof on one that is.
    Authenticate,
    /// On one that is, to go on.
    Refresh,
}

/// Which connection is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The first one.
    First,
    /// A later one.
    Again,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask the provider, or join the question that is under way.
    Ask {
        /// Why.
        reason: AskReason,
        /// 1, and more when it is asked again because something failed.
        attempt: u32,
    },
    /// Give up the question.
    Cancel,
    /// The credential that was presented last must not be presented again.
    Spend,
    /// Open a socket.
    Connect,
    /// Send the credential.
    Present(Presentation),
    /// Find the response to this.
    Challenge(Demand),
    /// Send the response.
    Respond,
    /// Send the logout.
    Logout,
    /// Close the socket, and hear it until it has closed.
    Close {
        /// The close code; 1005 is one without a code.
        code: u16,
        /// The reason.
        reason: String,
    },
    /// Close the socket, and hear nothing more of it.
    Drop {
        /// The close code.
        code: u16,
    },
    /// Send what waits, and say that it is open.
    Open(Opened),
    /// The message of this input is the application's.
    Deliver,
    /// The application is told of its authentication.
    Auth(Auth),
    /// The application is told that another connection follows.
    Reconnecting {
        /// Why the last connection, or the attempt, ended.
        cause: Cause,
        /// Its close code; 1006 where there was no Close.
        code: u16,
        /// The server's error name, or nothing.
        error: String,
        /// Which attempt comes next.
        attempt: u32,
        /// In how long.
        delay: Duration,
    },
    /// It is over because something failed; `Closed` follows.
    Error {
        /// What failed.
        cause: Cause,
        /// The close code; 1006 where there was no Close.
        code: u16,
        /// The server's error name, or nothing.
        error: String,
    },
    /// It is over.
    Closed(End),
}

/// What the application is told of its authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// A credential has been asked for, or will be.
    Waiting {
        /// Why.
        reason: AskReason,
    },
    /// The connection is authenticated, as far as is known.
    Authenticated(Option<Told>),
    /// A newer credential has been asked for.
    Refreshing,
    /// The lease was renewed.
    Refreshed(Told),
    /// The server warns: the connection ends in so long unless it is refreshed.
    Expiring {
        /// In whole seconds.
        expires_in: u64,
    },
    /// A credential was refused.
    Rejected {
        /// The server's error name; empty where it is none.
        error: String,
        /// Whether the server takes another one on this connection.
        retry: bool,
    },
    /// There will be no further connection.
    Stopped {
        /// Why.
        reason: StopReason,
    },
}

/// What the server says of a connection that it accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who it is.
    pub subject: String,
    /// How long its credential is good, in whole seconds.
    pub expires_in: u64,
}
