//! The opening handshake as a server has it (RFC 6455 section 4.2): what a client asks for, and the
//! two answers.

mod challenge;
mod refusal;

use core::fmt;

use data_encoding::BASE64;
use sha1_smol::Sha1;
use zeroize::Zeroizing;

pub use self::{
    challenge::{Challenges, DPOP_ALGORITHMS, Scheme},
    refusal::{description, phrase, refusal},
};
use super::{
    head::{RequestHead, Version},
    token,
};
use crate::{limits, rejection::Rejection};

/// Joined to the key before it is hashed (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A handshake that asks for a WebSocket, and obeys RFC 6455 section 4.2.1.
#[derive(Clone)]
pub struct Upgrade {
    /// `Sec-WebSocket-Key`, decoded.
    pub key: [u8; 16],
    /// The subprotocols offered, unique, in the client's order. A credential may be among them:
    /// [`crate::policy::carrier::collect`] says what is left without it.
    pub protocols: Zeroizing<Box<[Box<str>]>>,
    /// The extensions offered: the fields, joined.
    pub extensions: Option<Vec<u8>>,
}

impl Upgrade {
    /// Reads what a head asks for. One that asks for no WebSocket is refused by
    /// [`Rejection::UpgradeRequired`]; one that does and brings a body by
    /// [`Rejection::MalformedHandshake`], since what we take for the body's end the upstream may
    /// take for the beginning of a request.
    pub fn of(head: &RequestHead) -> Result<Self, Rejection> {
        let fields = head.fields();
        // RFC 6455 section 4.2.1
        if head.version() == Version::Ten {
            return Err(Rejection::UpgradeRequired);
        }
        if !fields.lists("upgrade", "websocket") || !fields.lists("connection", "upgrade") {
            return Err(Rejection::UpgradeRequired);
        }
        let length = head.one("content-length")?;
        let body = length.is_some_and(|length| length != b"0");
        if head.method() != "GET" || body || head.all("transfer-encoding").next().is_some() {
            return Err(Rejection::MalformedHandshake);
        }
        let mut versions = head.all("sec-websocket-version");
        let (Some(b"13"), None) = (versions.next(), versions.next()) else {
            return Err(Rejection::UnsupportedVersion);
        };
        let key =
            head.one("sec-websocket-key")?.and_then(key).ok_or(Rejection::MalformedHandshake)?;
        let protocols = Zeroizing::new(protocols(head)?);
        let extensions = extensions(head)?;
        Ok(Self { key, protocols, extensions })
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key: _, protocols, extensions } = self;
        f.debug_struct("Upgrade")
            .field("protocols", &protocols.len())
            .field("extensions", &extensions.as_deref().map(String::from_utf8_lossy))
            .finish_non_exhaustive()
    }
}

/// 16 bytes in 24 characters; a key of any other length could not have come from a client of this
/// protocol.
fn key(value: &[u8]) -> Option<[u8; 16]> {
    BASE64.decode(value).ok()?.try_into().ok()
}

fn protocols(head: &RequestHead) -> Result<Box<[Box<str>]>, Rejection> {
    const NAME: &str = "sec-websocket-protocol";
    let mut protocols: Vec<Box<str>> = Vec::new();
    for element in head.fields().list(NAME) {
        let name = token::token(element).ok_or(Rejection::MalformedHandshake)?;
        let twice = protocols.iter().any(|other| &**other == name);
        if twice || protocols.len() == limits::SUBPROTOCOLS {
            return Err(Rejection::MalformedHandshake);
        }
        protocols.push(name.into());
    }
    if protocols.is_empty() && head.all(NAME).next().is_some() {
        return Err(Rejection::MalformedHandshake);
    }
    Ok(protocols.into())
}

fn extensions(head: &RequestHead) -> Result<Option<Vec<u8>>, Rejection> {
    let fields: Vec<&[u8]> = head.all("sec-websocket-extensions").collect();
    if fields.is_empty() {
        return Ok(None);
    }
    let joined = fields.join(&b", "[..]);
    token::extensions(&joined).ok_or(Rejection::MalformedHandshake)?;
    Ok(Some(joined))
}

/// What proves that a key was read (RFC 6455 section 4.2.2): the value of `Sec-WebSocket-Accept`.
pub fn accept(key: &[u8; 16]) -> String {
    let mut hash = Sha1::new();
    hash.update(BASE64.encode(key).as_bytes());
    hash.update(GUID);
    BASE64.encode(&hash.digest().bytes())
}

/// The answer that opens the WebSocket.
pub fn switching(key: &[u8; 16], subprotocol: Option<&str>, extensions: Option<&[u8]>) -> Vec<u8> {
    switching_with(key, subprotocol, extensions, &[])
}

/// The same, with fields of the upstream's answer, as [`crate::wire::answer`] rendered them.
pub fn switching_with(
    key: &[u8; 16],
    subprotocol: Option<&str>,
    extensions: Option<&[u8]>,
    fields: &[u8],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
    push_field(&mut out, "Upgrade", b"websocket");
    push_field(&mut out, "Connection", b"Upgrade");
    push_field(&mut out, "Sec-WebSocket-Accept", accept(key).as_bytes());
    if let Some(subprotocol) = subprotocol {
        push_field(&mut out, "Sec-WebSocket-Protocol", subprotocol.as_bytes());
    }
    if let Some(extensions) = extensions {
        push_field(&mut out, "Sec-WebSocket-Extensions", extensions);
    }
    out.extend_from_slice(fields);
    out.extend_from_slice(b"\r\n");
    out
}

/// Writes one field. One whose name or value could be read as something else is left out: a missing
/// field is a fault, an injected one a hole.
pub(super) fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    if token::is_token(name.as_bytes()) && token::is_value(value) {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests;
