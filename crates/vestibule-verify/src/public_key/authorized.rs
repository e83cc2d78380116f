//! A key as it is registered with a user.

use core::{fmt, net::IpAddr};

use data_encoding::BASE64;
use vestibule_core::time::UnixTime;

use super::{
    key::{ED25519, Fingerprint, KeyFault, P256, PublicKey},
    options::Options,
};
use crate::{limits, refused::shown};

/// A public key of a user, and what limits it.
pub struct AuthorizedKey {
    key: PublicKey,
    options: Options,
    comment: Box<str>,
}

impl AuthorizedKey {
    /// Reads one line of an `authorized_keys` file, or of a `.pub` file: options, type, key, comment.
    /// Lines that are empty or a comment are none; skip them before.
    ///
    /// Of the options, `expiry-time` (in UTC) and `from` (addresses) are kept. All others are refused:
    /// they limit what a key may do, and without them it could do more.
    pub fn from_line(line: &str) -> Result<Self, KeyFault> {
        if line.len() > limits::KEY_LINE_BYTES {
            return Err(KeyFault::new("line too long"));
        }
        let line = line.trim_matches([' ', '\t', '\r', '\n']);
        if line.contains(['\r', '\n', '\0']) {
            return Err(KeyFault::new("more than one line"));
        }
        if line.is_empty() || line.starts_with('#') {
            return Err(KeyFault::new("no key in this line"));
        }
        let (kind, _) = word(line);
        let (options, line) =
            if is_kind(kind) { (Options::default(), line) } else { Options::parse(line)? };
        let (kind, line) = word(line);
        if kind != ED25519 && kind != P256 {
            return Err(KeyFault::new(format!(
                "type {} is not accepted, only {ED25519} and {P256}",
                shown(kind)
            )));
        }
        let (blob, comment) = word(line);
        let blob =
            BASE64.decode(blob.as_bytes()).map_err(|_| KeyFault::new("the key is not Base64"))?;
        let key = PublicKey::from_blob(&blob)?;
        if key.name() != kind {
            return Err(KeyFault::new("the key is of another type than the line says"));
        }
        Ok(Self { key, options, comment: comment.into() })
    }

    /// Reads a public JSON Web Key (RFC 7517): `OKP` with `Ed25519` (RFC 8037) or `EC` with `P-256`, as
    /// `WebCrypto` exports it. Such a key has no limits of its own.
    pub fn from_jwk(json: &[u8]) -> Result<Self, KeyFault> {
        let key = PublicKey::from_jwk(json)?;
        Ok(Self { key, options: Options::default(), comment: Box::default() })
    }

    /// For a store: a line that [`AuthorizedKey::from_line`] reads, the same for the same key and
    /// limits.
    pub fn to_line(&self) -> String {
        let Self { key, options, comment } = self;
        let line = format!("{}{} {comment}", options.to_text(), key.to_text());
        line.trim_end().to_owned()
    }

    /// What names it on the wire.
    pub fn fingerprint(&self) -> Fingerprint {
        self.key.fingerprint()
    }

    /// What its owner wrote behind it, for people. Anybody's text: escape it.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// When it ends. A connection must not outlive it.
    pub fn expires(&self) -> Option<UnixTime> {
        self.options.expires
    }

    pub(super) fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Whether it may be used now and from there; if not, why.
    pub(super) fn limits(&self, peer: IpAddr, now: UnixTime) -> Result<(), &'static str> {
        let Options { expires, from } = &self.options;
        if expires.is_some_and(|expires| expires <= now) {
            return Err("the key has expired");
        }
        if from.as_ref().is_some_and(|from| !from.allows(peer)) {
            return Err("the key must not be used from this address");
        }
        Ok(())
    }
}

impl fmt::Debug for AuthorizedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, options, comment: _ } = self;
        f.debug_struct("AuthorizedKey")
            .field("key", key)
            .field("options", options)
            .finish_non_exhaustive()
    }
}

/// Whether a word is a type of key, not options: those of OpenSSH begin like this, and no option does.
fn is_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-", "rsa-", "webauthn-"].iter().any(|start| word.starts_with(start))
}

fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (word, rest.trim_start_matches([' ', '\t']))
}
