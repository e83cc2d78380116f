//! The grammar of RFC 5802 section 7, read strictly: attributes in their order, none twice, no
//! mandatory extension. Optional ones are read over; they are signed all the same.

use zeroize::Zeroizing;

use super::prepared::prepared;
use crate::{limits, sasl};

/// What was wrong with a message: a fixed text, which holds nothing of it.
pub(super) type Fault = &'static str;

/// What a client says of channel binding (RFC 5802 section 6).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag<'m> {
    /// `n`: it cannot.
    Unsupported,
    /// `y`: it could, and believes that the server cannot.
    ServerDoesNot,
    /// `p=…`: it does, by that type.
    Bound(&'m str),
}

/// `client-first-message`.
pub(super) struct ClientFirst<'m> {
    pub(super) flag: Flag<'m>,
    /// The `gs2-header` as it was sent.
    pub(super) header: &'m str,
    /// `client-first-message-bare`.
    pub(super) bare: &'m str,
    pub(super) user: Zeroizing<String>,
    pub(super) nonce: &'m str,
}

impl<'m> ClientFirst<'m> {
    pub(super) fn parse(message: &'m [u8]) -> Result<Self, Fault> {
        let message = text(message)?;
        let mut parts = message.splitn(3, ',');
        let (Some(flag), Some(authzid), Some(bare)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err("no gs2-header");
        };
        let flag_bytes = flag.len();
        let flag = match flag {
            "n" => Flag::Unsupported,
            "y" => Flag::ServerDoesNot,
            flag => Flag::Bound(flag.strip_prefix("p=").ok_or("no gs2-cbind-flag")?),
        };
        let header = flag_bytes
            .checked_add(authzid.len())
            .and_then(|length| length.checked_add(2))
            .and_then(|length| message.get(..length))
            .ok_or("no gs2-header")?;
        let mut attributes = bare.split(',');
        let user = saslname(attribute(&mut attributes, 'n')?)?;
        let nonce = nonce(attribute(&mut attributes, 'r')?)?;
        extensions(attributes)?;
        // Acting for somebody else is not done here; saying one's own name twice is harmless.
        if !authzid.is_empty() {
            let authzid = authzid.strip_prefix("a=").ok_or("no gs2-header")?;
            if *saslname(authzid)? != *user {
                return Err("another authorization identity");
            }
        }
        Ok(Self { flag, header, bare, user, nonce })
    }
}

/// `client-final-message`.
pub(super) struct ClientFinal<'m> {
    /// The value of `c`.
    pub(super) binding: &'m str,
    pub(super) nonce: &'m str,
    pub(super) proof: &'m str,
    /// `client-final-message-without-proof`.
    pub(super) without_proof: &'m str,
}

impl<'m> ClientFinal<'m> {
    pub(super) fn parse(message: &'m [u8]) -> Result<Self, Fault> {
        // The proof is the last attribute, and Base64 has no comma.
        let (without_proof, proof) = text(message)?.rsplit_once(',').ok_or("no proof")?;
        let proof = proof.strip_prefix("p=").ok_or("no proof")?;
        let mut attributes = without_proof.split(',');
        let binding = attribute(&mut attributes, 'c')?;
        let nonce = nonce(attribute(&mut attributes, 'r')?)?;
        extensions(attributes)?;
        Ok(Self { binding, nonce, proof, without_proof })
    }
}

/// `server-first-message`.
pub(super) struct ServerFirst<'m> {
    pub(super) text: &'m str,
    pub(super) nonce: &'m str,
    pub(super) salt: &'m str,
    pub(super) iterations: &'m str,
}

impl<'m> ServerFirst<'m> {
    pub(super) fn parse(message: &'m [u8]) -> Result<Self, Fault> {
        let text = text(message)?;
        let mut attributes = text.split(',');
        let nonce = nonce(attribute(&mut attributes, 'r')?)?;
        let salt = attribute(&mut attributes, 's')?;
        let iterations = attribute(&mut attributes, 'i')?;
        extensions(attributes)?;
        Ok(Self { text, nonce, salt, iterations })
    }
}

/// `server-final-message`.
pub(super) enum ServerFinal<'m> {
    Signature(&'m str),
    Error,
}

impl<'m> ServerFinal<'m> {
    pub(super) fn parse(message: &'m [u8]) -> Result<Self, Fault> {
        let mut attributes = text(message)?.split(',');
        let first = attributes.next().unwrap_or_default();
        let is = match (first.strip_prefix("v="), first.strip_prefix("e=")) {
            (Some(signature), _) => Self::Signature(signature),
            (None, Some(_)) => Self::Error,
            (None, None) => return Err("neither signature nor error"),
        };
        extensions(attributes)?;
        Ok(is)
    }
}

fn text(message: &[u8]) -> Result<&str, Fault> {
    if message.len() > limits::SCRAM_MESSAGE_BYTES {
        return Err("message too long");
    }
    let text = core::str::from_utf8(message).map_err(|_| "not UTF-8")?;
    if text.contains('\0') { Err("has a NUL") } else { Ok(text) }
}

/// The value of the next attribute, which must be that one.
fn attribute<'m>(
    attributes: &mut impl Iterator<Item = &'m str>,
    name: char,
) -> Result<&'m str, Fault> {
    let attribute = attributes.next().ok_or("an attribute is missing")?;
    if attribute.starts_with("m=") {
        return Err("a mandatory extension, and none is known");
    }
    attribute
        .strip_prefix(name)
        .and_then(|attribute| attribute.strip_prefix('='))
        .filter(|value| !value.is_empty())
        .ok_or("attributes missing or out of order")
}

/// What follows the known attributes: optional extensions. The letters that mean something are none.
fn extensions<'m>(attributes: impl Iterator<Item = &'m str>) -> Result<(), Fault> {
    for attribute in attributes {
        let mut characters = attribute.chars();
        match (characters.next(), characters.next(), characters.next()) {
            (Some('m'), Some('='), _) => return Err("a mandatory extension, and none is known"),
            (Some('a' | 'c' | 'e' | 'i' | 'n' | 'p' | 'r' | 's' | 'v'), Some('='), _) => {
                return Err("an attribute out of order or twice");
            }
            (Some(letter), Some('='), Some(_)) if letter.is_ascii_alphabetic() => {}
            (_, _, _) => return Err("an extension without name or value"),
        }
    }
    Ok(())
}

/// RFC 5802 section 7: printable characters of ASCII. That it has no comma was seen when splitting.
fn nonce(text: &str) -> Result<&str, Fault> {
    if text.len() > limits::SCRAM_NONCE_BYTES {
        return Err("nonce too long");
    }
    if text.bytes().all(|byte| byte.is_ascii_graphic()) { Ok(text) } else { Err("not a nonce") }
}

/// A name as it was sent, its escapes undone, and prepared.
fn saslname(text: &str) -> Result<Zeroizing<String>, Fault> {
    let name = sasl::unescaped(text).ok_or("a name with another escape than =2C and =3D")?;
    prepared(&name).map_err(|_| "a name that SASLprep refuses")
}
