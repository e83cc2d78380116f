//! `SASLprep` (RFC 4013): one spelling for names and passwords that look the same.

use core::fmt;

use zeroize::Zeroizing;

use crate::limits;

/// Why a name or a password cannot be used. Says nothing of its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFault {
    /// Nothing is left of it.
    Empty,
    /// Longer than 1024 bytes, before or after preparation.
    TooLong,
    /// Has characters that RFC 4013 forbids: controls, private use, what Unicode 3.2 did not know
    /// (so most emoji), or left-to-right mixed with right-to-left.
    Prohibited,
}

impl fmt::Display for TextFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::TooLong => write!(f, "longer than {} bytes", limits::PREPARED_BYTES),
            Self::Prohibited => f.write_str("has characters that SASLprep (RFC 4013) forbids"),
        }
    }
}

impl core::error::Error for TextFault {}

/// Prepares a name or a password, as a stored string (RFC 3454 section 7) on every side: what could
/// not have been stored cannot match either.
pub(super) fn prepared(text: &str) -> Result<Zeroizing<String>, TextFault> {
    // Before the work, which grows with the length: one character can become 18.
    if text.len() > limits::PREPARED_BYTES {
        return Err(TextFault::TooLong);
    }
    let text = stringprep::saslprep(text).map_err(|_| TextFault::Prohibited)?;
    let text = Zeroizing::new(text.into_owned());
    if text.is_empty() {
        return Err(TextFault::Empty);
    }
    if text.len() > limits::PREPARED_BYTES {
        return Err(TextFault::TooLong);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepare(text: &str) -> Result<String, TextFault> {
        prepared(text).map(|text| text.as_str().to_owned())
    }

    #[test]
    fn the_examples_of_rfc_4013_section_3() {
        for (text, is) in [
            ("I\u{ad}X", "IX"),
            ("user", "user"),
            ("USER", "USER"),
            ("\u{aa}", "a"),
            ("\u{2168}", "IX"),
            ("a\u{a0}b", "a b"),
        ] {
            assert_eq!(prepare(text).as_deref(), Ok(is), "{text:?}");
        }
        assert_eq!(prepare("\u{7}"), Err(TextFault::Prohibited));
        assert_eq!(prepare("\u{627}1"), Err(TextFault::Prohibited));
    }

    #[test]
    fn what_cannot_be_typed_the_same_twice_is_refused() {
        for text in ["a\0b", "a\u{202e}b", "\u{e000}", "\u{fffd}", "\u{1f600}", "\u{e0001}"] {
            assert_eq!(prepare(text), Err(TextFault::Prohibited), "{text:?}");
        }
        assert_eq!(prepare(""), Err(TextFault::Empty));
        assert_eq!(prepare("\u{ad}"), Err(TextFault::Empty));
        assert_eq!(
            prepare("x".repeat(limits::PREPARED_BYTES).as_str()).map(|text| text.len()),
            Ok(limits::PREPARED_BYTES)
        );
        assert_eq!(prepare(&"x".repeat(limits::PREPARED_BYTES + 1)), Err(TextFault::TooLong));
        // Each of these becomes 18 characters.
        assert_eq!(prepare(&"\u{fdfa}".repeat(80)), Err(TextFault::TooLong));
    }
}
