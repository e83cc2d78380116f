//! OAUTHBEARER (RFC 7628): an access token in the words of SASL, for clients that speak it.
//!
//! Nothing is checked here but the form: the token goes the way of every other, and whoever it names
//! is who is there. What the client says about that beside it can only be wrong.
//!
//! ```
//! use vestibule_verify::oauthbearer::{Initial, initial};
//!
//! let message = initial("abc.def.ghi", None, Some(("ws.example.com", 443))).unwrap();
//! let read = Initial::parse(message.as_bytes()).unwrap();
//! assert_eq!(read.token().expose(), b"abc.def.ghi");
//! assert_eq!((read.host(), read.port()), (Some("ws.example.com"), Some(443)));
//! ```

use core::fmt;

use serde_json::{Map, Value};
use vestibule_core::{
    authn::{Principal, Secret},
    rejection::Rejection,
};
use zeroize::Zeroizing;

use crate::{Refused, limits, sasl};

/// What separates the pairs (`kvsep`), and all that a client says after a failure.
const SEPARATOR: char = '\u{1}';

/// A client's first message, read.
pub struct Initial {
    token: Secret,
    authorization: Option<Zeroizing<String>>,
    host: Option<String>,
    port: Option<u16>,
}

impl Initial {
    /// Reads `client-resp` (section 3.1). Without a token it is `credential_required`: that is how
    /// clients ask where to get one, and what a [`Failure`] tells them.
    pub fn parse(message: &[u8]) -> Result<Self, Refused> {
        if message.len() > limits::OAUTHBEARER_BYTES {
            return Err(malformed("the message is too long"));
        }
        let text = core::str::from_utf8(message).map_err(|_| malformed("not UTF-8"))?;
        let (header, rest) =
            text.split_once(SEPARATOR).ok_or_else(|| malformed("there is no separator"))?;
        let authorization = authorization(header)?;
        let pairs = match rest.strip_suffix(SEPARATOR) {
            // No pairs at all: the two separators are next to each other.
            Some("") => "",
            Some(pairs) => pairs
                .strip_suffix(SEPARATOR)
                .ok_or_else(|| malformed("the message does not end with two separators"))?,
            None => return Err(malformed("the message does not end with two separators")),
        };
        let mut known = Pairs::default();
        for pair in pairs.split(SEPARATOR).filter(|_| !pairs.is_empty()) {
            known.take(pair)?;
        }
        let Pairs { auth, host, port } = known;
        let auth = auth.filter(|auth| !auth.is_empty()).ok_or_else(|| {
            Refused::new(Rejection::CredentialRequired, "OAUTHBEARER without a token")
        })?;
        let port = match port {
            None => None,
            Some(port) => Some(number(port).ok_or_else(|| malformed("port is no port"))?),
        };
        Ok(Self { token: token(auth)?, authorization, host: host.map(str::to_owned), port })
    }

    /// The token, to be judged like one of any other carrier.
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The host that the client believes to be connected to. Where it is another one, somebody may be
    /// passing the message on.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The port that the client believes to be connected to.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether the token is that of whom the client wants to be. To act for somebody else is not
    /// possible.
    pub fn is_for(&self, principal: &Principal) -> Result<(), Refused> {
        let Some(wanted) = self.authorization.as_ref().map(|name| name.as_str()) else {
            return Ok(());
        };
        if *principal.subject == *wanted || principal.email.as_deref() == Some(wanted) {
            return Ok(());
        }
        let reason = "the token is that of another than the authorization identity";
        Err(Refused::new(Rejection::CredentialsInvalid, reason))
    }
}

impl fmt::Debug for Initial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token: _, authorization: _, host, port } = self;
        f.debug_struct("Initial").field("host", host).field("port", port).finish_non_exhaustive()
    }
}

/// A token as the first message. `None` where a part of it cannot be written: a token is not of the
/// form of RFC 6750, or there is a separator in a host.
pub fn initial(
    token: &str,
    authorization: Option<&str>,
    server: Option<(&str, u16)>,
) -> Option<Zeroizing<String>> {
    let authorization =
        authorization.map(|name| format!("a={}", sasl::escaped(name))).unwrap_or_default();
    let server = server
        .map(|(host, port)| format!("host={host}{SEPARATOR}port={port}{SEPARATOR}"))
        .unwrap_or_default();
    let message = Zeroizing::new(format!(
        "n,{authorization},{SEPARATOR}{server}auth=Bearer {token}{SEPARATOR}{SEPARATOR}"
    ));
    // What we would not read is not written either.
    Initial::parse(message.as_bytes()).is_ok().then_some(message)
}

/// The server's answer to a token that was refused, which the client must acknowledge (section
/// 3.2.2).
#[must_use = "the client waits for what is in it"]
pub struct Failure {
    refused: Refused,
    message: String,
}

impl Failure {
    /// An answer that says what the rejection says, which scope would do, and where to find the
    /// issuer (an address of `openid-configuration`).
    pub fn new(refused: Refused, scope: Option<&str>, discovery: Option<&str>) -> Self {
        let mut members = Map::new();
        let mut say = |name: &str, value: &str| members.insert(name.to_owned(), value.into());
        say("status", refused.rejection.answer().error);
        for (name, value) in [("scope", scope), ("openid-configuration", discovery)] {
            if let Some(value) = value {
                say(name, value);
            }
        }
        Self { refused, message: Value::Object(members).to_string() }
    }

    /// What to send: a JSON object.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The end, whatever the client says: the refusal, or that the acknowledgement was none.
    pub fn acknowledged(self, message: &[u8]) -> Refused {
        match message {
            [1] => self.refused,
            _ => malformed("the client did not acknowledge the failure"),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { refused, message } = self;
        f.debug_struct("Failure").field("refused", refused).field("message", message).finish()
    }
}

/// The pairs that mean something. Others are for the future (section 3.1), and not read.
#[derive(Default)]
struct Pairs<'m> {
    auth: Option<&'m str>,
    host: Option<&'m str>,
    port: Option<&'m str>,
}

impl<'m> Pairs<'m> {
    fn take(&mut self, pair: &'m str) -> Result<(), Refused> {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| malformed("a pair without a value"))?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(malformed("a pair without a name"));
        }
        let allowed = |byte: u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n');
        if !value.bytes().all(allowed) {
            return Err(malformed("a value with what no value may hold"));
        }
        let place = match name {
            "auth" if self.auth.is_some() => {
                let reason = "OAUTHBEARER with two tokens";
                return Err(Refused::new(Rejection::AmbiguousCredential, reason));
            }
            "auth" => &mut self.auth,
            "host" => &mut self.host,
            "port" => &mut self.port,
            _ => return Ok(()),
        };
        match place.replace(value) {
            None => Ok(()),
            Some(_) => Err(malformed("a pair twice")),
        }
    }
}

/// The `gs2-header`. There is no mechanism of this kind that binds channels, so that a client may well
/// say that it could.
fn authorization(header: &str) -> Result<Option<Zeroizing<String>>, Refused> {
    let mut parts = header.split(',');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("n" | "y"), Some(""), Some(""), None) => Ok(None),
        (Some("n" | "y"), Some(name), Some(""), None) => name
            .strip_prefix("a=")
            .filter(|name| !name.is_empty() && !name.contains('\0'))
            .and_then(sasl::unescaped)
            .map(Some)
            .ok_or_else(|| malformed("an authorization identity that is none")),
        (_, _, _, _) => Err(malformed("there is no gs2-header")),
    }
}

fn token(auth: &str) -> Result<Secret, Refused> {
    let (scheme, token) = auth.split_once(' ').unwrap_or((auth, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        let reason = "OAUTHBEARER with another scheme than Bearer";
        return Err(Refused::new(Rejection::MechanismNotAllowed, reason));
    }
    let token = token.trim_start_matches(' ');
    // RFC 6750 section 2.1, `b64token`.
    let body = token.trim_end_matches('=');
    let in_body = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
    };
    if body.is_empty() || !body.bytes().all(in_body) || token.len() > limits::TOKEN_BYTES {
        return Err(Refused::new(Rejection::TokenMalformed, "not a token, or too long"));
    }
    Ok(Secret::new(token))
}

fn number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn malformed(reason: &str) -> Refused {
    Refused::new(Rejection::MalformedMessage, format!("OAUTHBEARER: {reason}"))
}

#[cfg(test)]
mod tests;
