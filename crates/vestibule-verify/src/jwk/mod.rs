//! Keys (RFC 7517).

use core::fmt;

use crate::algorithm::Algorithm;

/// Whether a set may hold shared secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symmetric {
    /// For whatever came over a network.
    Refused,
    /// For the operator's own files.
    Allowed,
}

/// An entry that was left out of a set, or something odd about one that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Its place in `keys`, from zero.
    pub index: usize,
    /// Its `kid`.
    pub kid: Option<Box<str>>,
    /// Why, for the operator.
    pub reason: String,
}

/// A key set that cannot be used at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFault {
    /// Longer than the limit.
    TooLarge,
    /// Not a JSON Web Key Set.
    Malformed(String),
    /// Shared secrets beside public keys.
    Mixed,
    /// A secret shorter than 32 bytes, the hash's length.
    SecretTooShort,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("key fault")
    }
}

impl core::error::Error for KeyFault {}

/// A key that can verify.
#[derive(Debug)]
pub struct Key {}

/// The keys of one issuer, parsed once.
#[derive(Debug)]
pub struct KeySet {}

impl KeySet {
    /// Reads a JSON Web Key Set.
    pub fn from_jwks(_json: &[u8], _symmetric: Symmetric) -> Result<Self, KeyFault> {
        Err(KeyFault::TooLarge)
    }

    /// One shared secret.
    pub fn from_secret(_secret: &[u8]) -> Result<Self, KeyFault> {
        Err(KeyFault::TooLarge)
    }

    /// The keys to try.
    pub fn candidates(
        &self,
        _kid: Option<&str>,
        _algorithm: Algorithm,
    ) -> impl Iterator<Item = &Key> {
        [].into_iter()
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        0
    }

    /// Whether no key can be used.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Whether a key has that name.
    pub fn has_kid(&self, _kid: &str) -> bool {
        false
    }

    /// Entries that were left out.
    pub fn ignored(&self) -> &[Ignored] {
        &[]
    }

    /// What is odd about entries that were taken.
    pub fn notes(&self) -> &[Ignored] {
        &[]
    }
}
