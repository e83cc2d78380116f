//! A message that carries its own credential, for servers that keep no state:
//! `{"auth":{"token":"…"},"data":…}` (`docs/protocol.md`, section 6.6).
//!
//! What stands behind `data` goes on as it was written, byte for byte. So it is found and not made
//! into anything that would have to be written anew; and so an envelope has one reading: what two
//! readers of JSON could understand differently is refused.

use zeroize::Zeroizing;

use super::{Credential, Mechanism, Secret};
use crate::{limits, rejection::Rejection, wire::json::Json};

/// A message and its credential.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// Who sends it. The token's beginning says the mechanism.
    pub credential: Credential,
    /// The text of `data`, without the white space around it.
    pub data: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Reads one text message of at most `most` bytes.
    ///
    /// Strictly: the members `auth` and `data`, in either order, each once and with nothing else
    /// beside them; in `auth` a `token` alone, a string; their names written without escapes;
    /// nothing behind the envelope; and in `data` any JSON, nested no deeper than
    /// [`limits::ENVELOPE_DEPTH`]. Anything else is no message of the protocol. A token that is too
    /// long to be one is [`Rejection::TokenMalformed`]: the message is an envelope all the same.
    pub fn parse(text: &'a [u8], most: usize) -> Result<Self, Rejection> {
        if text.len() > most {
            return Err(Rejection::MessageTooLarge);
        }
        // Once, so that neither the token nor `data` can be anything else.
        if str::from_utf8(text).is_err() {
            return Err(Rejection::MalformedMessage);
        }
        let (token, data) = members(text).ok_or(Rejection::MalformedMessage)?;
        let secret = secret(token)?;
        let mechanism = Mechanism::of_token(secret.expose());
        Ok(Self { credential: Credential { mechanism, secret, proof: None }, data })
    }
}

/// The token, as it was written, and `data`.
fn members(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut json = Json::new(text);
    let (mut token, mut data) = (None, None);
    json.space();
    json.eat(b'{')?;
    loop {
        json.space();
        match (json.name()?, token, data) {
            (b"auth", None, _) => token = Some(auth(&mut json)?),
            (b"data", _, None) => data = Some(json.value()?),
            _ => return None,
        }
        json.space();
        match json.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    json.space();
    if json.is_over() { token.zip(data) } else { None }
}

fn auth<'a>(json: &mut Json<'a>) -> Option<&'a [u8]> {
    json.eat(b'{')?;
    json.space();
    if json.name()? != b"token" {
        return None;
    }
    let token = json.string()?;
    json.space();
    json.eat(b'}')?;
    Some(token)
}

/// The token that was written so. No token needs an escape; some writers of JSON escape the slash.
fn secret(written: &[u8]) -> Result<Secret, Rejection> {
    // An escape of six bytes is one character at least.
    if written.len() > limits::CREDENTIAL_BYTES * 6 {
        return Err(Rejection::TokenMalformed);
    }
    let secret = if written.contains(&b'\\') {
        let quoted = Zeroizing::new([b"\"", written, b"\""].concat());
        let text: String =
            serde_json::from_slice(&quoted).map_err(|_| Rejection::MalformedMessage)?;
        Secret::new(text)
    } else {
        Secret::new(written)
    };
    if secret.expose().len() > limits::CREDENTIAL_BYTES {
        return Err(Rejection::TokenMalformed);
    }
    Ok(secret)
}

#[cfg(test)]
mod tests;
