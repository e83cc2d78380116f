//! What a configuration means. Every value here was checked when it was made; defaults are filled
//! in, paths are absolute or relative to the working directory, and nothing refers to what is not
//! there.

use std::{net::SocketAddr, num::NonZero, path::PathBuf, sync::Arc, time::Duration};

use ipnet::IpNet;
use vestibule_authority::webauthn::PasskeyPolicy;
use vestibule_core::policy::RoutePolicy;
use vestibule_verify::{certificate::Mapping, jwt::Algorithm};

/// A gateway, as it was configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// The public side.
    pub server: Server,
    /// What is written about the work.
    pub log: Log,
    /// Who is trusted to say who somebody is; at least one, but with [`Config::auth`] or
    /// [`Config::certificates`]. Behind the last one, at [`Config::local_issuer`], stands the gateway itself.
    pub issuers: Vec<IssuerConfig>,
    /// Whom clients' certificates name.
    pub certificates: Vec<Mapping>,
    /// What is served; at least one.
    pub routes: Vec<Arc<Route>>,
    /// Where things are kept.
    pub store: Store,
    /// The gateway's own identities; `None` has none of its own.
    pub auth: Option<Auth>,
    /// The operator's side; `None` listens nowhere.
    pub admin: Option<Admin>,
}

/// The public side of the gateway.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where clients are awaited; at least one address, none twice.
    pub listen: Vec<SocketAddr>,
    /// The certificate of every listener; `None` is plain HTTP.
    pub tls: Option<Tls>,
    /// Proxies whose `X-Forwarded-…` fields are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Threads that carry connections.
    pub workers: NonZero<usize>,
    /// How long the connections of a stopping gateway take to be closed.
    pub drain: Duration,
    /// Most connections of one address that are not authenticated yet.
    pub pending_per_address: u32,
    /// Most connections in all that are not authenticated yet.
    pub pending: u32,
    /// The private key that signs assertions (PKCS#8, PEM); `None` makes one at each start.
    pub assertion_key: Option<PathBuf>,
}

/// A certificate and its key, both PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain, the own certificate first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// How clients' certificates are judged; `None` asks for none.
    pub clients: Option<ClientTls>,
}

/// How clients' certificates are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// Certificates (PEM) of the authorities that count.
    pub ca: PathBuf,
    /// Lists (PEM) of what these have withdrawn; empty does not look. With one, whatever no list is
    /// about is refused, and so is what only a list that is over is about.
    pub crls: Vec<PathBuf>,
    /// Whether there must be one.
    pub auth: ClientAuth,
}

/// Whether a client must show a certificate to be heard at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// It is asked for one, and may have none.
    Optional,
    /// Without one there is no TLS.
    Required,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A level, or directives in the syntax of `tracing_subscriber::EnvFilter`.
    pub level: Box<str>,
    /// For people or for machines.
    pub format: LogFormat,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The operator's listener: metrics, health, and the admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where.
    pub listen: SocketAddr,
    /// The file with the token that the admin API demands; made where it is not there.
    pub token_file: PathBuf,
    /// The file that every admin action is appended to; `None` is the log.
    pub audit_log: Option<PathBuf>,
}

/// Where users, keys, sessions and revocations are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// In this file, of one gateway at a time.
    Embedded(PathBuf),
    /// Nowhere: what the process knew is gone when it ends.
    Memory,
}

/// The gateway's own identities, and the endpoints for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// The path above its endpoints, without a slash at the end.
    pub path: Box<str>,
    /// The `iss` of its access tokens, users and API keys.
    pub issuer: Arc<str>,
    /// How long an access token is good.
    pub access_token: Duration,
    /// How long a login can be refreshed.
    pub refresh_token: Duration,
    /// How long a session token is good, in a cookie or on a reconnect.
    pub session: Duration,
    /// How long a ticket is good.
    pub ticket: Duration,
    /// Most tickets of one principal that were not redeemed.
    pub tickets_per_principal: u32,
    /// Most tickets in all that were not redeemed.
    pub tickets: u32,
    /// How often there is a new key for access tokens.
    pub key_rotation: Duration,
    /// What it is to authenticators; `None` has no passkeys.
    pub webauthn: Option<PasskeyPolicy>,
}

/// Whether a route hands out session tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sessions {
    /// It does not.
    Off,
    /// `accepted` holds one, which is good until its end.
    Issue,
    /// `accepted` holds a new one each time, and the one that was used is good no more.
    Rotate,
}

impl Config {
    /// The place of the gateway's own tokens among the issuers of a route.
    pub fn local_issuer(&self) -> usize {
        self.issuers.len()
    }
}

/// Somebody whose tokens count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerConfig {
    /// What routes, logs and metrics call it; unique.
    pub name: Arc<str>,
    /// The `iss` that its tokens must have; `None` does not look at `iss`. Always there with
    /// [`KeySource::Discovery`].
    pub issuer: Option<Arc<str>>,
    /// Where its keys are.
    pub source: KeySource,
    /// Of these, a token's `aud` must have one; empty does not look at `aud`.
    pub audiences: Box<[Box<str>]>,
    /// Algorithms that count. Empty leaves it to each key, asymmetric ones only. With
    /// [`KeySource::SecretFile`] never empty, and symmetric; elsewhere never symmetric.
    pub algorithms: Box<[Algorithm]>,
    /// How wrong the issuer's clock may be.
    pub clock_skew: Duration,
    /// Values of `typ` that count; `None` leaves it to the verifier.
    pub types: Option<Box<[Box<str>]>>,
    /// The claim that holds the subject; `None` is `sub`.
    pub subject_claim: Option<Box<str>>,
    /// The claim that holds the scopes; `None` is `scope` or `scp`.
    pub scope_claim: Option<Box<str>>,
    /// The claim that holds the groups; `None` is `groups`.
    pub groups_claim: Option<Box<str>>,
    /// Trust roots (PEM) for fetching its keys; `None` is the system's.
    pub ca: Option<PathBuf>,
    /// Whether its keys may be fetched without TLS.
    pub http: DangerousHttp,
    /// How often its keys are fetched.
    pub refresh: Duration,
    /// How long fetched keys count when they cannot be fetched again.
    pub max_stale: Duration,
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A JWK set (RFC 7517) in a file.
    JwksFile(PathBuf),
    /// A secret for HMAC in a file: its bytes, less one newline at the end.
    SecretFile(PathBuf),
    /// A JWK set at this `https` address, or `http` where that was allowed.
    JwksUrl(Box<str>),
    /// A JWK set at the address that the issuer's metadata name (OpenID Connect Discovery 1.0
    /// section 4, RFC 8414 section 3).
    Discovery,
    /// None: the issuer is asked about each token (RFC 7662).
    Introspection(Introspection),
}

/// How an issuer is asked about its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introspection {
    /// At this `https` address, or `http` where that was allowed.
    pub url: Box<str>,
    /// How it knows who asks.
    pub login: IntrospectionLogin,
    /// How long a yes counts without asking again.
    pub cache: Duration,
    /// How often it is asked about a token by which somebody is connected.
    pub recheck: Duration,
    /// How long whoever is connected stays while it cannot be asked; `None` is until the lease ends.
    pub max_stale: Option<Duration>,
    /// How long a token counts that has no end.
    pub max_lifetime: Duration,
    /// Time for a question.
    pub timeout: Duration,
    /// Most questions a second about tokens that nobody knows.
    pub rate: u32,
}

/// How an issuer that is asked knows who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntrospectionLogin {
    /// By a name and a secret (`client_secret_basic`).
    Basic {
        /// The name.
        client_id: Box<str>,
        /// A file with the secret: its bytes, less one newline at the end.
        secret_file: PathBuf,
    },
    /// By a bearer token.
    Bearer {
        /// A file with it, less one newline at the end.
        token_file: PathBuf,
    },
}

/// Whether keys may be fetched without TLS from a host other than this one. Whoever sits on the
/// way can then make keys of his own count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DangerousHttp {
    /// They may not.
    Refused,
    /// They may: the issuer says `dangerous_allow_http = true`.
    Allowed,
}

/// A path with its upstream and its policy.
#[derive(Clone, Debug)]
pub struct Route {
    /// Who gets in.
    pub policy: RoutePolicy,
    /// Whose tokens count: indexes into [`Config::issuers`], or [`Config::local_issuer`], in the
    /// order written; none twice, and at least one where there are any.
    pub issuers: Box<[usize]>,
    /// Which certificates count: indexes into [`Config::certificates`], in the order written.
    pub certificates: Box<[usize]>,
    /// The same, as principals name them.
    pub issuer_names: Box<[Arc<str>]>,
    /// What its tickets and session tokens are bound to: unique among routes.
    pub binding: Box<str>,
    /// Where it leads, tried in turn; at least one.
    pub upstreams: Vec<Upstream>,
    /// Which fields tell the upstream who is there.
    pub identity: IdentityPreset,
    /// Whether a signed token tells it, too.
    pub assertion: Assertion,
    /// Whether client and upstream may agree on extensions.
    pub compression: Compression,
    /// Whether session tokens are handed out.
    pub sessions: Sessions,
}

/// A WebSocket server behind the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// A name or an address; IPv6 without brackets.
    pub host: Box<str>,
    /// Its port.
    pub port: u16,
    /// What comes before the rest of the client's path, and a query that comes before the client's,
    /// as they were written. The path is empty, or begins with `/` and may end with one.
    pub path: Box<str>,
    /// How it is trusted; `None` is `ws://`.
    pub tls: Option<UpstreamTls>,
    pub(super) authority: Box<str>,
}

impl Upstream {
    /// The `Host` field for it: the port is left out where it is the scheme's own.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

/// How the certificate of a `wss://` upstream is judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamTls {
    /// Trust roots (PEM); `None` is the system's.
    pub ca: Option<PathBuf>,
}

/// The names of the fields that tell the upstream who is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityPreset {
    /// `X-Vestibule-…`.
    Vestibule,
    /// `X-Forwarded-User` and its like.
    Oauth2Proxy,
    /// `Remote-User` and its like.
    Authelia,
    /// None at all.
    None,
}

/// Whether the upstream gets `X-Vestibule-Assertion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assertion {
    /// A short signed token.
    Signed,
    /// Nothing.
    Off,
}

/// Whether extensions, such as compression, may be agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// By client and upstream, as far as the gateway can still read the messages that are its own.
    Auto,
    /// Never.
    Off,
}
