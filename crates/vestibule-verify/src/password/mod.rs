//! Passwords: what may be one, and the hash that is kept of it (Argon2id, RFC 9106).
//!
//! Hashing takes tens of milliseconds and tens of megabytes on purpose. Whoever calls it bounds how
//! many do so at once, and does it on a thread that may block.
//!
//! ```
//! use vestibule_core::authn::Secret;
//! use vestibule_verify::password::{Cost, Password};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let password = Password::prepare(&Secret::new("correct horse"))?;
//! let kept = password.hash(Cost::LEAST)?;
//! assert!(kept.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
//! assert!(kept.is_of(&password)?);
//! assert!(!kept.is_of(&Password::prepare(&Secret::new("battery staple"))?)?);
//! # Ok(())
//! # }
//! ```

mod cost;
mod hash;

use core::fmt;

use unicode_normalization::UnicodeNormalization;
use vestibule_core::authn::Secret;
use zeroize::Zeroizing;

use crate::limits;

pub use self::{
    cost::{Cost, CostFault},
    hash::{HashFault, PasswordHash},
};

/// A password in the one form in which it is hashed (RFC 8265 section 4.2, `OpaqueString`): NFC, with
/// every kind of space a space, so that it is the same from every keyboard. Case and everything else
/// count.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

/// Why something is no password; says nothing about what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordFault {
    /// Fewer than 8 bytes.
    TooShort,
    /// More than 1024 bytes.
    TooLong,
    /// Not UTF-8.
    NotText,
    /// Has a control character: a tab, a line break, a NUL.
    Control,
}

impl Password {
    /// Brings it into form, or says why it cannot be one.
    pub fn prepare(secret: &Secret) -> Result<Self, PasswordFault> {
        // Before anything is done with it; composing does not make it shorter than a third.
        if secret.expose().len() > limits::PASSWORD_BYTES_MAX {
            return Err(PasswordFault::TooLong);
        }
        let text = core::str::from_utf8(secret.expose()).map_err(|_| PasswordFault::NotText)?;
        if text.chars().any(is_control) {
            return Err(PasswordFault::Control);
        }
        // Room for the longest form: what grows leaves copies behind (UAX #15, NFC: three times).
        let mut prepared = Zeroizing::new(String::with_capacity(text.len().saturating_mul(3)));
        prepared.extend(text.chars().map(space).nfc());
        match prepared.len() {
            ..limits::PASSWORD_BYTES_MIN => Err(PasswordFault::TooShort),
            limits::PASSWORD_BYTES_MIN..=limits::PASSWORD_BYTES_MAX => Ok(Self(prepared)),
            _ => Err(PasswordFault::TooLong),
        }
    }

    /// Hashes it with a new salt.
    pub fn hash(&self, cost: Cost) -> Result<PasswordHash, HashFault> {
        PasswordHash::of(self, cost)
    }

    fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Also the separators of lines and paragraphs, which no field for passwords can hold.
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// RFC 8265 section 4.2.2, additional mapping rule.
fn space(character: char) -> char {
    if character.is_whitespace() { ' ' } else { character }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[password]")
    }
}

impl fmt::Display for PasswordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "a password has at least 8 bytes",
            Self::TooLong => "a password has at most 1024 bytes",
            Self::NotText => "a password is UTF-8",
            Self::Control => "a password has no control characters",
        })
    }
}

impl core::error::Error for PasswordFault {}

#[cfg(test)]
mod tests;
