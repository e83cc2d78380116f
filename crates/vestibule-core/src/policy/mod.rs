//! What a route allows: who may open a socket, by which carriers, with which mechanisms, and for
//! how long. A policy is a value that was checked when it was made; nothing here can be half right.

pub mod assurance;
pub mod origin;
pub mod quota;
pub mod route;
pub mod step_up;

pub mod carrier;
pub mod channel;
pub mod forwarded;

use core::time::Duration;

pub use self::{
    assurance::Assurance,
    channel::{Certificate, Channel, ChannelBinding},
    origin::{Host, OriginPolicy},
    route::RoutePath,
    step_up::{StepUp, StepUpFault},
};
use crate::{authn::Mechanism, limits, wire::close::CloseCodes};

/// Where a credential travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    /// `Authorization: Bearer …` of the handshake (RFC 6750 section 2.1).
    Header,
    /// A cookie of the handshake; counts only with an allowed Origin.
    Cookie,
    /// The query of the handshake's target.
    Query,
    /// An entry of `Sec-WebSocket-Protocol`.
    Subprotocol,
    /// A client certificate.
    Tls,
    /// A message after the upgrade.
    Message,
    /// Every message.
    PerMessage,
}

impl Carrier {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Header,
        Self::Cookie,
        Self::Query,
        Self::Subprotocol,
        Self::Tls,
        Self::Message,
        Self::PerMessage,
    ];

    /// The name in configuration, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Query => "query",
            Self::Subprotocol => "subprotocol",
            Self::Tls => "tls",
            Self::Message => "message",
            Self::PerMessage => "per-message",
        }
    }

    /// The carrier of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|carrier| carrier.name() == name)
    }

    /// Whether the client chose to send it. An ambient credential is attached by a browser or a TLS
    /// stack on its own, whoever asked for the connection.
    pub const fn is_explicit(self) -> bool {
        match self {
            Self::Header | Self::Query | Self::Subprotocol | Self::Message | Self::PerMessage => {
                true
            }
            Self::Cookie | Self::Tls => false,
        }
    }
}

/// Whether `required` is sent on connect, and `accepted` to clients that did not speak in band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announce {
    /// Some clients choke on a message that they did not ask for.
    No,
    /// The clients of this route expect it.
    Yes,
}

/// How a failed handshake is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectStyle {
    /// A Close for those that send an Origin (browsers show nothing else), HTTP for the others.
    Auto,
    /// Always an HTTP status.
    Http,
    /// Always a Close, except for a refused origin.
    Close,
}

/// Whether `access_token` in the query counts (RFC 6750 section 2.3 advises against it: it ends up
/// in logs, histories and `Referer`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenInQuery {
    /// It does not.
    Refused,
    /// It does: the route says `dangerous_token_in_query = true`.
    Taken,
}

/// Whether the upstream sees the credential that the gateway has checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardCredential {
    /// It does not.
    No,
    /// It gets `Authorization` and the route's cookie as they came. Whoever reads the upstream's
    /// logs can then act for its users. A token in the query, in a subprotocol or in a message is
    /// not forwarded even so.
    Yes,
}

/// Whether a proof of possession in a header must have a nonce of ours (RFC 9449 section 8). In band
/// it always has: the challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DpopNonce {
    /// It must: a proof was made after the nonce, by whoever had the key then.
    Required,
    /// It need not. Whoever can use the key for a moment can make proofs for later then.
    Off,
}

/// The rules of one route.
#[derive(Clone, Debug)]
pub struct RoutePolicy {
    /// The path, with everything below it.
    pub path: RoutePath,
    /// Host names served; empty believes the `Host` field, which DNS rebinding can use where the
    /// network position is the credential.
    pub hosts: Box<[Host]>,
    /// Which pages may open a socket.
    pub origins: OriginPolicy,
    /// Where a credential may travel.
    pub accept: Box<[Carrier]>,
    /// The cookie that holds a token.
    pub cookie: Option<Box<str>>,
    /// Whether a token in the query counts.
    pub token_in_query: TokenInQuery,
    /// How identity may be proven, in order of preference.
    pub mechanisms: Box<[Mechanism]>,
    /// Whether a proof of possession in a header must have a nonce.
    pub dpop_nonce: DpopNonce,
    /// What a principal must be allowed; all of them.
    pub scopes: Box<[Box<str>]>,
    /// How well a principal must be known.
    pub assurance: Assurance,
    /// The second proof that is asked of whoever came in by another mechanism.
    pub step_up: Option<StepUp>,
    /// Whether the upstream sees the credential.
    pub forward_credential: ForwardCredential,
    /// How a failed handshake is answered.
    pub reject: RejectStyle,
    /// Close codes for clients that know others.
    pub close_codes: CloseCodes,
    /// Whether messages are sent to clients that did not ask for them.
    pub announce: Announce,
    /// The subprotocols of the upstream, for handshakes that the gateway must answer first; empty
    /// takes the first one offered.
    pub subprotocols: Box<[Box<str>]>,
    /// Time to authenticate.
    pub auth_deadline: Duration,
    /// Time a connection may outlive its credential.
    pub expiry_grace: Duration,
    /// How long before the end `expiring` is sent.
    pub expiry_warning: Duration,
    /// Longest life of a connection; `None` is as long as it is authenticated.
    pub max_lifetime: Option<Duration>,
    /// Longest silence in both directions; `None` is any.
    pub idle_timeout: Option<Duration>,
    /// Longest message that carries its own credential, in bytes; of use with
    /// [`Carrier::PerMessage`] alone. So much is kept of each connection, those of strangers
    /// included.
    pub max_message: usize,
}

impl RoutePolicy {
    /// The safe defaults: own origin, no cookie, nothing in the query.
    pub fn new(path: RoutePath) -> Self {
        Self {
            path,
            hosts: Box::default(),
            origins: OriginPolicy::default(),
            accept: Box::new([Carrier::Header, Carrier::Subprotocol, Carrier::Message]),
            cookie: None,
            token_in_query: TokenInQuery::Refused,
            mechanisms: Box::new([Mechanism::Bearer]),
            dpop_nonce: DpopNonce::Required,
            scopes: Box::default(),
            assurance: Assurance::default(),
            step_up: None,
            forward_credential: ForwardCredential::No,
            reject: RejectStyle::Auto,
            close_codes: CloseCodes::default(),
            announce: Announce::No,
            subprotocols: Box::default(),
            auth_deadline: limits::AUTH_DEADLINE,
            expiry_grace: limits::EXPIRY_GRACE,
            expiry_warning: limits::EXPIRY_WARNING,
            max_lifetime: None,
            idle_timeout: None,
            max_message: limits::ENVELOPE_BYTES,
        }
    }

    /// Whether each message carries its own credential. Then no credential comes in another way:
    /// [`Carrier::PerMessage`] stands alone.
    pub fn is_per_message(&self) -> bool {
        self.accept.contains(&Carrier::PerMessage)
    }

    /// Whether a mechanism counts here, at the door or as a second proof.
    pub fn knows(&self, mechanism: Mechanism) -> bool {
        let is_second = |step_up: &StepUp| step_up.mechanisms().contains(&mechanism);
        self.mechanisms.contains(&mechanism) || self.step_up.as_ref().is_some_and(is_second)
    }

    /// Whether clients are told what becomes of their credential that have not spoken in band: the
    /// route says that they expect it, or it will ask them for more.
    pub fn tells_all(&self) -> bool {
        self.announce == Announce::Yes || self.step_up.is_some()
    }
}
