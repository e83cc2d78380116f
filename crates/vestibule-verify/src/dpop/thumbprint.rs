//! The name of a key (RFC 7638), which a token that is bound to it has in `cnf.jkt`.

use core::fmt;

use serde_json::{Map, Value};

use crate::{encoding, mint};

/// SHA-256 over a key's required members.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// Reads base64url of 32 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        encoding::base64url(text.as_bytes())?.try_into().ok().map(Self)
    }

    /// Of a public key, with the members as they are written: whoever bound the token hashed the same
    /// text. `None` for a type that has none here.
    pub(super) fn of(jwk: &Map<String, Value>) -> Option<Self> {
        let names: &[&str] = match jwk.get("kty").and_then(Value::as_str)? {
            "EC" => &["crv", "kty", "x", "y"],
            "OKP" => &["crv", "kty", "x"],
            "RSA" => &["e", "kty", "n"],
            _ => return None,
        };
        let mut required = Map::new();
        for name in names {
            let text = jwk.get(*name).and_then(Value::as_str)?;
            required.insert((*name).to_owned(), text.into());
        }
        Self::parse(&mint::thumbprint(&required))
    }

    /// The hash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encoding::to_base64url(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
