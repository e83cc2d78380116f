//! What stands on the command line, and what it means.

use core::{convert::Infallible, fmt, str, str::FromStr};
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::{ArgGroup, Args, ValueEnum};
use http::{HeaderName, HeaderValue};
use vestibule_client::{
    Carrier,
    auth::{Credential, Mechanism},
    handshake::{Address, Handshake, Tls},
};
use vestibule_core::limits;
use zeroize::Zeroizing;

use super::ConnectError;

/// Longest message that is shown, in bytes.
const MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// A small WebSocket client that authenticates.
///
/// Lines of standard input are sent as text messages, received messages are printed. On a terminal
/// a line that begins with a slash is a command: /refresh FILE, /logout, /ping, /quit.
///
/// Ends with 0 after a normal close, 2 when the server refused (401, 403, 44xx), 1 on any other
/// failure.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("credential"))]
pub struct Arguments {
    /// Where to connect: ws:// or wss://
    #[arg(value_name = "URL")]
    url: Unshown,
    /// The token itself. Every user of this machine can read it in the list of processes: prefer
    /// one of the next two
    #[arg(long, value_name = "TOKEN", group = "credential")]
    token: Option<Unshown>,
    /// The file that holds the token
    #[arg(long, value_name = "FILE", group = "credential")]
    token_file: Option<PathBuf>,
    /// The first line of standard input is the token; the lines after it are sent
    #[arg(long, group = "credential")]
    token_stdin: bool,
    #[command(flatten)]
    prover: Prover,
    /// Where the token travels; header if absent. Keys and passwords need messages
    #[arg(long, value_enum)]
    carrier: Option<CarrierChoice>,
    /// The cookie that holds the token
    #[arg(long, value_name = "NAME", required_if_eq("carrier", "cookie"))]
    cookie_name: Option<String>,
    /// The Origin to send, as a browser would for a page of that origin
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
    /// A subprotocol to offer; may be given several times
    #[arg(long, value_name = "NAME")]
    subprotocol: Vec<String>,
    /// Another field of the handshake, as 'Name: value'; may be given several times
    #[arg(long = "header", short = 'H', value_name = "FIELD")]
    headers: Vec<Unshown>,
    /// A PEM file with the certificates to trust, instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    #[command(flatten)]
    shown: Shown,
    /// Send this message, print one answer, and end
    #[arg(long, value_name = "MESSAGE")]
    once: Option<String>,
    /// With --once: let this many messages pass before the answer, where a server greets first
    #[arg(long, value_name = "N", default_value_t = 0, requires = "once")]
    skip: u32,
}

/// What TLS has to do with the credential.
#[derive(Clone, Debug, Args)]
pub(super) struct Shown {
    /// Show this certificate: a PEM file with its chain. Without a token it is the credential
    #[arg(long, value_name = "FILE", requires = "cert_key")]
    cert: Option<PathBuf>,
    /// The private key of --cert, a PEM file
    #[arg(long, value_name = "FILE", requires = "cert")]
    cert_key: Option<PathBuf>,
    /// With --user: bind the proof to the TLS 1.3 connection (scram-sha-256-plus), so that nobody in
    /// between can pass it on
    #[arg(long, requires = "user")]
    channel_binding: bool,
}

impl Shown {
    fn binding(&self) -> ToConnection {
        if self.channel_binding { ToConnection::Bound } else { ToConnection::Unbound }
    }
}

/// What answers a challenge, instead of a token.
#[derive(Debug, Args)]
struct Prover {
    /// Sign with this SSH key by ssh-keygen: a private key, or a public one whose private key is
    /// with an agent
    #[arg(long, value_name = "FILE", group = "credential")]
    key: Option<PathBuf>,
    /// Prove the password of this user, which does not travel; it is asked for
    #[arg(long, value_name = "NAME", group = "credential")]
    user: Option<String>,
    /// With --user: the first line of standard input is the password; the lines after it are sent
    #[arg(long, requires = "user")]
    password_stdin: bool,
}

impl Prover {
    fn source(self, binding: ToConnection) -> Option<TokenSource> {
        let Self { key, user, password_stdin } = self;
        let from =
            if password_stdin { PasswordSource::FirstLine } else { PasswordSource::Terminal };
        match (key, user) {
            (Some(file), _) => Some(TokenSource::Key(file)),
            (None, Some(user)) => Some(TokenSource::Password { user, from, binding }),
            (None, None) => None,
        }
    }
}

/// Where the token travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CarrierChoice {
    /// `Authorization: Bearer`
    Header,
    /// The first message after the handshake
    Message,
    /// An entry of `Sec-WebSocket-Protocol`
    Subprotocol,
    /// A cookie; the gateway wants --origin with it
    Cookie,
    /// The certificate of --cert
    Tls,
}

/// A text of the command line that may hold a credential.
#[derive(Clone)]
struct Unshown(Zeroizing<String>);

impl FromStr for Unshown {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for Unshown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[not shown]")
    }
}

/// What is to be done, checked.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) address: Address,
    pub(super) token: TokenSource,
    pub(super) carrier: CarrierChoice,
    pub(super) cookie_name: Option<String>,
    pub(super) origin: Option<HeaderValue>,
    pub(super) subprotocols: Vec<String>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) ca: Option<PathBuf>,
    pub(super) shown: Shown,
    pub(super) once: Option<Once>,
}

/// One question, one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Once {
    pub(super) message: String,
    /// How many messages come before the answer.
    pub(super) skip: u32,
}

/// Where the token comes from.
#[derive(Debug)]
pub(super) enum TokenSource {
    None,
    Given(Credential),
    File(PathBuf),
    FirstLine,
    Key(PathBuf),
    Password { user: String, from: PasswordSource, binding: ToConnection },
    Certificate,
}

/// Whether a proof is bound to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToConnection {
    Unbound,
    Bound,
}

/// Where the password comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PasswordSource {
    FirstLine,
    Terminal,
}

impl Arguments {
    /// Checks everything that can be checked without the network and without other files.
    pub(super) fn plan(self) -> Result<Plan, ConnectError> {
        let Self {
            url,
            token,
            token_file,
            token_stdin,
            prover,
            carrier,
            cookie_name,
            origin,
            subprotocol,
            headers,
            ca,
            shown,
            once,
            skip,
        } = self;
        let proof = prover.source(shown.binding());
        let has_token = token.is_some() || token_file.is_some() || token_stdin;
        let by_certificate = !has_token && proof.is_none() && shown.cert.is_some();
        let carrier = match (&proof, carrier) {
            (None, Some(CarrierChoice::Tls)) if !by_certificate => {
                let words = "--carrier tls is for --cert, without a token";
                return Err(ConnectError::Usage(words.to_owned()));
            }
            (
                None,
                Some(CarrierChoice::Header | CarrierChoice::Subprotocol | CarrierChoice::Cookie),
            ) if by_certificate => {
                let words =
                    "a certificate counts by --carrier tls, which is its default, or message";
                return Err(ConnectError::Usage(words.to_owned()));
            }
            (None, None) if by_certificate => CarrierChoice::Tls,
            (None, carrier) => carrier.unwrap_or(CarrierChoice::Header),
            (Some(_), None | Some(CarrierChoice::Message)) => CarrierChoice::Message,
            (Some(_), Some(_)) => {
                let words = "--key and --user need --carrier message, which is their default";
                return Err(ConnectError::Usage(words.to_owned()));
            }
        };
        let token = match (token, token_file, token_stdin) {
            (Some(token), _, _) => TokenSource::Given(token_of(token.0.as_bytes())?),
            (None, Some(file), _) => TokenSource::File(file),
            (None, None, true) => TokenSource::FirstLine,
            (None, None, false) if by_certificate => TokenSource::Certificate,
            (None, None, false) => proof.unwrap_or(TokenSource::None),
        };
        let origin = origin
            .map(|origin| HeaderValue::from_str(&origin))
            .transpose()
            .map_err(|_| ConnectError::Usage("--origin cannot stand in a header".to_owned()))?;
        Ok(Plan {
            address: Address::parse(&url.0)
                .map_err(|error| ConnectError::Usage(error.to_string()))?,
            token,
            carrier,
            cookie_name,
            origin,
            subprotocols: subprotocol,
            headers: headers.iter().map(|field| header(&field.0)).collect::<Result<_, _>>()?,
            ca,
            shown,
            once: once.map(|message| Once { message, skip }),
        })
    }
}

impl Plan {
    /// The handshake, less the credential.
    pub(super) fn handshake(&self) -> Result<Handshake, ConnectError> {
        let mut handshake = Handshake::to(self.address.clone()).message_bytes(MESSAGE_BYTES);
        if let Some(origin) = &self.origin {
            handshake = handshake.origin(origin.clone());
        }
        for name in &self.subprotocols {
            handshake = handshake.subprotocol(name);
        }
        for (name, value) in &self.headers {
            handshake = handshake.field(name.clone(), value.clone());
        }
        let trusted = self.ca.as_deref().map(trusting).transpose()?;
        let tls = match (&self.shown.cert, &self.shown.cert_key) {
            (Some(cert), Some(key)) => {
                let tls =
                    trusted.map_or_else(Tls::system, Ok).map_err(ConnectError::Certificates)?;
                Some(showing(tls, cert, key)?)
            }
            (Some(_), None) | (None, Some(_) | None) => trusted,
        };
        Ok(tls.into_iter().fold(handshake, Handshake::tls))
    }

    /// Where the token travels.
    pub(super) fn carrier(&self) -> Carrier {
        match self.carrier {
            CarrierChoice::Header => Carrier::Header,
            CarrierChoice::Message => Carrier::Message,
            CarrierChoice::Subprotocol => Carrier::Subprotocol,
            CarrierChoice::Tls => Carrier::Tls,
            CarrierChoice::Cookie => {
                Carrier::Cookie { name: self.cookie_name.clone().unwrap_or_default() }
            }
        }
    }
}

/// Trusts the certificates in that file alone.
fn trusting(path: &Path) -> Result<Tls, ConnectError> {
    let unusable = |source| ConnectError::Ca { path: path.to_owned(), source };
    let pem = fs::read(path).map_err(unusable)?;
    Tls::only(&pem).map_err(|error| unusable(io::Error::other(error)))
}

/// Shows the certificate in one file by the key in the other.
fn showing(tls: Tls, cert: &Path, key: &Path) -> Result<Tls, ConnectError> {
    let unusable = |path: &Path, source| ConnectError::Shown { path: path.to_owned(), source };
    let chain = fs::read(cert).map_err(|source| unusable(cert, source))?;
    let secret = fs::read(key).map(Zeroizing::new).map_err(|source| unusable(key, source))?;
    tls.showing(&chain, &secret).map_err(|error| unusable(cert, io::Error::other(error)))
}

/// A field of the handshake. Its value may be secret and stands in no error.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), ConnectError> {
    let usage = || ConnectError::Usage("--header is written 'Name: value'".to_owned());
    let (name, value) = text.split_once(':').ok_or_else(usage)?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| usage())?;
    let mut value = HeaderValue::from_str(value.trim()).map_err(|_| usage())?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// A token, less the white space around it. Only what can stand in a header is one.
pub(super) fn token_of(bytes: &[u8]) -> Result<Credential, ConnectError> {
    let bytes = bytes.trim_ascii();
    if bytes.is_empty() {
        return Err(ConnectError::Token("it is empty"));
    }
    if bytes.len() > limits::CREDENTIAL_BYTES {
        return Err(ConnectError::Token("it is longer than any that is accepted"));
    }
    // The gateway is to say what it thinks of a token that is none.
    let text = str::from_utf8(bytes).map_err(|_| ConnectError::Token("it is not text"))?;
    // By its beginning: a ticket, a session or an API key of the gateway's, or an access token.
    Credential::opaque(Mechanism::of_token(bytes), text)
        .map_err(|_| ConnectError::Token("it holds more than one word"))
}

/// Reads a token from a file, which may be a pipe.
pub(super) fn token_in(path: &Path) -> Result<Credential, ConnectError> {
    let read = || -> io::Result<Zeroizing<Vec<u8>>> {
        let limit = u64::try_from(limits::CREDENTIAL_BYTES).unwrap_or(u64::MAX);
        let mut bytes = Zeroizing::new(Vec::with_capacity(limits::CREDENTIAL_BYTES));
        File::open(path)?.take(limit.saturating_add(64)).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes =
        read().map_err(|source| ConnectError::TokenFile { path: path.to_owned(), source })?;
    token_of(&bytes)
}
