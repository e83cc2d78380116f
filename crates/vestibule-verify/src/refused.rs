//! Why a credential was refused: what the peer is told, and what helps the operator.

use core::fmt;

use vestibule_core::rejection::Rejection;

use crate::limits;

/// A credential that is not accepted.
///
/// `reason` is for the operator's eyes. It may name an issuer, an audience, a type, an algorithm or
/// a key, each cut short and with control characters escaped; it never holds a token or a part of
/// one's signature, a secret, or a claim that is about a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What the peer is told, and the metric label.
    pub rejection: Rejection,
    /// What was wrong, in a sentence without final stop.
    pub reason: String,
}

impl Refused {
    /// A refusal with its reason.
    pub fn new(rejection: Rejection, reason: impl Into<String>) -> Self {
        Self { rejection, reason: reason.into() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl core::error::Error for Refused {}

/// Foreign text, in quotes, for a reason: escaped, and not longer than a line.
pub(crate) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(limits::SHOWN_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

/// Several foreign texts, for a reason.
pub(crate) fn shown_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    const MOST: usize = 4;
    let mut out = String::new();
    for (index, text) in texts.into_iter().enumerate() {
        if index == MOST {
            out.push_str(" and others");
            break;
        }
        if index > 0 {
            out.push_str(", ");
        }
        out.push_str(&shown(text));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_on_its_line() {
        assert_eq!(shown("a\r\n\"b\u{1b}[31m"), r#""a\r\n\"b\u{1b}[31m""#);
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), limits::SHOWN_CHARS + 3);
        assert_eq!(shown_all(["a", "b"]), r#""a", "b""#);
        assert_eq!(shown_all(["a"; 9]), r#""a", "a", "a", "a" and others"#);
    }
}
