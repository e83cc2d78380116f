//! Which names count.

use core::fmt;

use super::SubjectFrom;
use crate::limits;

/// A name, or many: `*` stands for one character or more, but for none that separates the parts of a
/// name: a dot in a DNS name, a slash in a URI, the at sign in a mail address. A common name has no
/// parts. `*` alone is every name.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern(Box<str>);

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternFault {
    /// There is nothing in it.
    Empty,
    /// Longer than any name.
    TooLong,
    /// Two stars have nothing between them.
    Stars,
}

impl fmt::Display for PatternFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong => {
                write!(f, "it is longer than {} bytes", limits::CERTIFICATE_NAME_BYTES)
            }
            Self::Stars => f.write_str("`**` means nothing: a star is within one part of a name"),
        }
    }
}

impl core::error::Error for PatternFault {}

impl Pattern {
    /// Reads one from configuration.
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        if text.is_empty() {
            return Err(PatternFault::Empty);
        }
        if text.len() > limits::CERTIFICATE_NAME_BYTES {
            return Err(PatternFault::TooLong);
        }
        if text.contains("**") {
            return Err(PatternFault::Stars);
        }
        Ok(Self(text.into()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is every name, of whatever kind.
    pub fn is_any(&self) -> bool {
        &*self.0 == "*"
    }

    /// Whether this name is one of its names. A wrong yes lets in somebody whom nobody meant.
    pub(super) fn covers(&self, name: &str, from: SubjectFrom) -> bool {
        if self.is_any() {
            return true;
        }
        let Some(separator) = from.separator() else { return part(&self.0, name) };
        let (mut patterns, mut parts) = (self.0.split(separator), name.split(separator));
        loop {
            match (patterns.next(), parts.next()) {
                (None, None) => return true,
                (Some(pattern), Some(name)) if part(pattern, name) => {}
                (Some(_) | None, Some(_) | None) => return false,
            }
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Within one part: the texts between the stars stand there in their order, with something in between.
/// Each is taken as early as possible, which leaves the most for the others.
fn part(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(head) else { return false };
    let mut texts = rest.split('*').peekable();
    while let Some(text) = texts.next() {
        // The star before it is one character at least.
        let mut characters = left.chars();
        if characters.next().is_none() {
            return false;
        }
        let behind = characters.as_str();
        left = if texts.peek().is_none() {
            return behind.ends_with(text);
        } else {
            match behind.split_once(text) {
                Some((_, rest)) => rest,
                None => return false,
            }
        };
    }
    left.is_empty()
}
