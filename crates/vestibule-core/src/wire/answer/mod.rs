//! What an upstream answered to the handshake. Only a valid 101 makes a tunnel of the connection;
//! everything else is an ordinary response, which goes to the client with its framing.

use super::{
    body::Body,
    head::{ResponseHead, Version},
    token,
    upgrade::{accept, push_field},
};
use crate::rejection::Rejection;

/// An upstream's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It opened the WebSocket.
    Switching {
        /// The subprotocol that it chose among those offered.
        subprotocol: Option<Box<str>>,
        /// The extensions that it agreed to, as it wrote them.
        extensions: Option<Vec<u8>>,
        /// Its end-to-end fields, such as `Set-Cookie`, for
        /// [`crate::wire::upgrade::switching_with`].
        fields: Vec<u8>,
    },
    /// It answered with something else.
    Other {
        /// Status line and end-to-end fields, ready to be sent; the connection closes behind it.
        head: Vec<u8>,
        /// How to find the end of what follows, which is passed on as it is.
        body: Body,
    },
}

impl Answer {
    /// Judges an answer (RFC 6455 section 4.1, "the client MUST validate"; RFC 9112 section 6.3).
    pub fn of(
        head: &ResponseHead,
        sent_key: &[u8; 16],
        offered_subprotocols: &[Box<str>],
        offered_extensions: Option<&[u8]>,
    ) -> Result<Self, Rejection> {
        if head.status() != 101 {
            let body = body(head)?;
            return Ok(Self::Other { head: render(head, body), body });
        }
        let fields = head.fields();
        let upgrade = head.one("upgrade")?;
        let accepted = head.one("sec-websocket-accept")?;
        let valid = head.version() == Version::Eleven
            && upgrade.is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
            && fields.lists("connection", "upgrade")
            && accepted == Some(accept(sent_key).as_bytes());
        if !valid {
            return Err(Rejection::UpstreamInvalid);
        }
        let subprotocol = subprotocol(head, offered_subprotocols)?;
        let extensions = extensions(head, offered_extensions)?;
        let mut out = Vec::new();
        end_to_end(head, &mut out);
        Ok(Self::Switching { subprotocol, extensions, fields: out })
    }
}

fn subprotocol(head: &ResponseHead, offered: &[Box<str>]) -> Result<Option<Box<str>>, Rejection> {
    let Some(chosen) = head.one("sec-websocket-protocol")? else { return Ok(None) };
    let known = offered.iter().find(|name| name.as_bytes() == chosen);
    known.cloned().map(Some).ok_or(Rejection::UpstreamInvalid)
}

fn extensions(head: &ResponseHead, offered: Option<&[u8]>) -> Result<Option<Vec<u8>>, Rejection> {
    let fields: Vec<&[u8]> = head.all("sec-websocket-extensions").collect();
    if fields.is_empty() {
        return Ok(None);
    }
    let joined = fields.join(&b", "[..]);
    let mut agreed = token::extensions(&joined).ok_or(Rejection::UpstreamInvalid)?;
    let offered = offered.and_then(token::extensions).unwrap_or_default();
    let count = agreed.len();
    agreed.sort_unstable();
    agreed.dedup();
    if agreed.len() < count || !agreed.iter().all(|name| offered.contains(name)) {
        return Err(Rejection::UpstreamInvalid);
    }
    Ok(Some(joined))
}

/// RFC 9112 section 6.3, for the answer to a GET. What it calls an error or lets a recipient guess
/// is refused: a guess that differs from the client's is a response of the attacker's making.
fn body(head: &ResponseHead) -> Result<Body, Rejection> {
    let length = head.one("content-length")?;
    let coding = head.one("transfer-encoding")?;
    if let 204 | 304 = head.status() {
        return Ok(Body::None);
    }
    match (coding, length) {
        (None, None) => Ok(Body::UntilClose),
        (None, Some(digits)) => {
            let text = str::from_utf8(digits).ok();
            let number = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let length = number.and_then(|text| text.parse().ok());
            length.map(Body::Length).ok_or(Rejection::UpstreamInvalid)
        }
        (Some(coding), None)
            if coding.eq_ignore_ascii_case(b"chunked") && head.version() == Version::Eleven =>
        {
            Ok(Body::Chunked)
        }
        (Some(_), _) => Err(Rejection::UpstreamInvalid),
    }
}

fn render(head: &ResponseHead, body: Body) -> Vec<u8> {
    let status = head.status();
    let reason = if token::is_value(head.reason().as_bytes()) { head.reason() } else { "" };
    let mut out = format!("HTTP/1.1 {status} {reason}\r\n").into_bytes();
    end_to_end(head, &mut out);
    match body {
        Body::None | Body::UntilClose => {}
        Body::Length(length) => {
            push_field(&mut out, "Content-Length", length.to_string().as_bytes());
        }
        Body::Chunked => push_field(&mut out, "Transfer-Encoding", b"chunked"),
    }
    push_field(&mut out, "Connection", b"close");
    out.extend_from_slice(b"\r\n");
    out
}

/// The fields that are not about this connection (RFC 9110 section 7.6.1), nor about the handshake.
fn end_to_end(head: &ResponseHead, out: &mut Vec<u8>) {
    const HOP_BY_HOP: [&str; 10] = [
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let fields = head.fields();
    for (name, value) in fields.iter() {
        let lower = name.to_ascii_lowercase();
        let handshake = lower.starts_with("sec-websocket-") && lower != "sec-websocket-version";
        if !handshake && !HOP_BY_HOP.contains(&&*lower) && !fields.lists("connection", name) {
            push_field(out, name, value);
        }
    }
}

#[cfg(test)]
mod tests;
