//! What a client presents. Never printable, wiped when dropped.

use core::fmt;

use zeroize::Zeroizing;

/// How identity is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    /// An access token (RFC 6750).
    Bearer,
}

impl Mechanism {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Bearer];

    /// The name on the wire, in configuration and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
        }
    }

    /// The mechanism of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mechanism| mechanism.name() == name)
    }
}

/// Bytes that must not be seen.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes a copy; the caller wipes the original.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes, for those who check them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A secret and the mechanism it is meant for.
#[derive(Clone, Debug)]
pub struct Credential {
    /// How it is to be checked.
    pub mechanism: Mechanism,
    /// What is to be checked.
    pub secret: Secret,
}

impl Credential {
    /// An access token.
    pub fn bearer(token: impl Into<Vec<u8>>) -> Self {
        Self { mechanism: Mechanism::Bearer, secret: Secret::new(token) }
    }
}
