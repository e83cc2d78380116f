//! The request of a handshake, and what of the answer has to be judged.

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use zeroize::Zeroizing;

use super::{
    Handshake, OpenError,
    tls::{Shows, Tls},
};
use crate::{
    auth::{Carrier, Credential},
    limits,
};

/// What makes the signed bytes unlike any others that a key may sign.
const DOMAIN: &str = "vestibule-public-key-v1";

/// The opening handshake, with the credential where its carrier is part of it.
pub(super) fn request(
    handshake: &Handshake,
    credential: Option<(&Carrier, &Credential)>,
) -> Result<Request<()>, OpenError> {
    let uri = match credential {
        Some((Carrier::Query { name }, credential)) => handshake
            .address
            .with_parameter(name, credential.expose())
            .ok_or(OpenError::Uncarried("it cannot stand in the query"))?,
        Some((
            Carrier::Message
            | Carrier::Header
            | Carrier::Subprotocol
            | Carrier::Cookie { .. }
            | Carrier::Tls
            | Carrier::PerMessage,
            _,
        ))
        | None => handshake.address.uri().clone(),
    };
    let mut request = uri
        .into_client_request()
        .map_err(|_| OpenError::Unaskable("the URL cannot be asked for"))?;
    let fields = request.headers_mut();
    let shows = handshake.tls.as_ref().map_or(Shows::Nothing, Tls::shows);
    match (&handshake.origin, shows) {
        (Some(origin), _) => {
            fields.insert(header::ORIGIN, origin.clone());
        }
        // A certificate counts only with an origin.
        (None, Shows::Certificate) => {
            fields.insert(header::ORIGIN, sensitive("", &handshake.address.origin())?);
        }
        (None, Shows::Nothing) => {}
    }
    let offer = match credential {
        Some((carrier, credential)) => carry(carrier, credential, handshake, fields)?,
        None => None,
    };
    let offer = offer.unwrap_or_else(|| Zeroizing::new(handshake.subprotocols.join(", ")));
    if !offer.is_empty() {
        fields.insert(header::SEC_WEBSOCKET_PROTOCOL, sensitive("", &offer)?);
    }
    for (name, value) in &handshake.fields {
        place(fields, name, value);
    }
    Ok(request)
}

/// What a private key signs, which is about this handshake and no other.
pub(super) fn signed(handshake: &Handshake, nonce: &str) -> Option<Vec<u8>> {
    if !is_nonce(nonce) {
        return None;
    }
    let request = request(handshake, None).ok()?;
    let host = request.headers().get(header::HOST)?.to_str().ok()?.to_ascii_lowercase();
    let (name, port) = match host.rsplit_once(':') {
        // A literal IPv6 address has colons of its own, and brackets around them.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, Some(port)),
        Some(_) | None => (host.as_str(), None),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let host = port.map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
    let origin = request.headers().get(header::ORIGIN).map(HeaderValue::to_str).transpose().ok()?;
    let parts = [DOMAIN, nonce, &host, request.uri().path(), origin.unwrap_or_default()];
    Some(parts.join("\0").into_bytes())
}

/// Whether a server's word is nothing but a nonce.
pub(super) fn is_nonce(text: &str) -> bool {
    text.len() == limits::NONCE_CHARS
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Puts the credential into the fields, or returns the offer that holds it.
fn carry(
    carrier: &Carrier,
    credential: &Credential,
    handshake: &Handshake,
    fields: &mut HeaderMap,
) -> Result<Option<Zeroizing<String>>, OpenError> {
    if credential.answers() && *carrier != Carrier::Message {
        return Err(OpenError::Uncarried("what answers a challenge travels in a message"));
    }
    let token = credential.expose();
    match carrier {
        Carrier::Message | Carrier::Query { .. } | Carrier::Tls | Carrier::PerMessage => Ok(None),
        Carrier::Header => {
            fields.insert(header::AUTHORIZATION, sensitive("Bearer ", token)?);
            Ok(None)
        }
        Carrier::Cookie { name } => {
            if token.contains([';', ',', '"', '\\']) {
                return Err(OpenError::Uncarried("it cannot stand in a cookie"));
            }
            fields.append(header::COOKIE, sensitive(&format!("{name}="), token)?);
            Ok(None)
        }
        Carrier::Subprotocol => credential
            .offer(&handshake.subprotocols)
            .map(Some)
            .ok_or(OpenError::Uncarried("it needs a real subprotocol beside it")),
    }
}

/// The subprotocol that the server chose. It must not choose the entry that holds the token.
pub(super) fn chosen<T>(
    handshake: &Handshake,
    answer: &Response<T>,
) -> Result<Option<String>, OpenError> {
    let Some(value) = answer.headers().get(header::SEC_WEBSOCKET_PROTOCOL) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(name) if name == "bearer" || handshake.subprotocols.iter().any(|own| own == name) => {
            Ok(Some(name.to_owned()))
        }
        Ok(_) | Err(_) => Err(OpenError::Echoed),
    }
}

/// `Host` has one value; everything else may be said more than once.
fn place(fields: &mut HeaderMap, name: &HeaderName, value: &HeaderValue) {
    if *name == header::HOST {
        fields.insert(name.clone(), value.clone());
    } else {
        fields.append(name.clone(), value.clone());
    }
}

fn sensitive(before: &str, secret: &str) -> Result<HeaderValue, OpenError> {
    let text = Zeroizing::new(format!("{before}{secret}"));
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| OpenError::Unaskable("a value cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}
