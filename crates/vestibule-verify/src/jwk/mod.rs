//! Keys (RFC 7517), parsed once when a set is loaded, so that a check costs the signature alone.
//!
//! A set that other software shares with us holds much that is not for us. Such entries are left
//! out and remembered with the reason ([`KeySet::ignored`]): one odd entry must not lock everybody
//! out. What a key can do is decided here and nowhere else: by its type and length and its own
//! `alg`, `use` and `key_ops`. A token only picks among what is left.

mod entry;
mod rsa;
mod set;

use core::fmt;

use aws_lc_rs::{hmac, signature::ParsedPublicKey};
use serde_json::Value;

use crate::algorithm::Algorithm;

pub(crate) use rsa::check as check_rsa;
pub use set::{Ignored, KeyFault, KeySet, Symmetric};

/// A key that verifies.
pub struct Key {
    kid: Option<Box<str>>,
    /// Each algorithm that the key does, with the key in the form that the algorithm wants. An
    /// algorithm that is not here cannot be used with this key, whatever a token says.
    verifiers: Box<[(Algorithm, Verifier)]>,
}

enum Verifier {
    Public(ParsedPublicKey),
    Secret(Box<hmac::Key>),
}

impl Key {
    /// The key's name in its set.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What the key does.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.verifiers.iter().map(|(algorithm, _)| *algorithm)
    }

    /// Reads one public key that is on its own. The error is for the operator.
    pub(crate) fn from_jwk(jwk: &Value) -> Result<Self, String> {
        entry::read(jwk, Symmetric::Refused).map(|(key, _)| key)
    }

    /// Whether `signature` is this key's, by `algorithm`, over `message`. False for an algorithm
    /// that the key does not do.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let Some((_, verifier)) = self.verifiers.iter().find(|(does, _)| *does == algorithm) else {
            return false;
        };
        match verifier {
            Verifier::Public(key) => key.verify_sig(message, signature).is_ok(),
            Verifier::Secret(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kid, verifiers } = self;
        let algorithms: Vec<_> = verifiers.iter().map(|(algorithm, _)| algorithm.name()).collect();
        f.debug_struct("Key").field("kid", kid).field("algorithms", &algorithms).finish()
    }
}

#[cfg(test)]
mod tests;
