//! The options in front of a key in `authorized_keys` (sshd(8)).
//!
//! Almost all of them take something away from a key: it may run one command, forward one port. Here
//! they would be without meaning, and the key could do more than its owner was meant to. So those that
//! can be kept are kept, and the others are refused.

use vestibule_core::time::UnixTime;

use super::{expiry, from::AllowedFrom, key::KeyFault};
use crate::refused::shown;

/// The limits that a line sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) expires: Option<UnixTime>,
    pub(super) from: Option<AllowedFrom>,
}

impl Options {
    /// Reads the options at the beginning of `line`, and gives what comes after their white space.
    pub(super) fn parse(line: &str) -> Result<(Self, &str), KeyFault> {
        let mut options = Self::default();
        let mut rest = line;
        loop {
            let name_ends = rest.find([',', '=', ' ', '\t', '"']).unwrap_or(rest.len());
            let (name, after) = rest.split_at_checked(name_ends).unwrap_or((rest, ""));
            let (value, after) = match after.strip_prefix('=') {
                Some(after) => {
                    let (value, after) = quoted(after).ok_or_else(|| {
                        KeyFault::new(format!("option {} without a quoted value", shown(name)))
                    })?;
                    (Some(value), after)
                }
                None => (None, after),
            };
            options.take(name, value)?;
            if let Some(next) = after.strip_prefix(',') {
                rest = next;
                continue;
            }
            let key = after.trim_start_matches([' ', '\t']);
            if key.len() == after.len() {
                return Err(KeyFault::new("options that are not followed by a key"));
            }
            return Ok((options, key));
        }
    }

    fn take(&mut self, name: &str, value: Option<String>) -> Result<(), KeyFault> {
        // Names are compared without regard to case, as sshd does.
        match (name.to_ascii_lowercase().as_str(), value) {
            ("expiry-time", Some(value)) if self.expires.is_none() => {
                self.expires = Some(expiry::parse(&value).map_err(KeyFault::new)?);
                Ok(())
            }
            ("from", Some(value)) if self.from.is_none() => {
                self.from = Some(AllowedFrom::parse(&value).map_err(KeyFault::new)?);
                Ok(())
            }
            ("expiry-time" | "from", Some(_)) => {
                Err(KeyFault::new(format!("option {} twice", shown(name))))
            }
            ("expiry-time" | "from", None) => {
                Err(KeyFault::new(format!("option {} without a value", shown(name))))
            }
            ("cert-authority", _) => Err(KeyFault::new("certificates are not accepted")),
            ("", _) => Err(KeyFault::new("an option without a name")),
            (_, _) => Err(KeyFault::new(format!(
                "option {} cannot be kept here, and the key could do more without it",
                shown(name)
            ))),
        }
    }

    /// The options as text, with a space behind them where there are any.
    pub(super) fn to_text(&self) -> String {
        let Self { expires, from } = self;
        let expires = expires.map(|date| format!("expiry-time=\"{}\"", expiry::format(date)));
        let from = from.as_ref().map(|from| format!("from=\"{}\"", from.text()));
        match (expires, from) {
            (Some(expires), Some(from)) => format!("{expires},{from} "),
            (Some(one), None) | (None, Some(one)) => format!("{one} "),
            (None, None) => String::new(),
        }
    }
}

/// A value in quotes, in which `\"` is a quote, and what comes after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut value = String::new();
    loop {
        let at = rest.find(['"', '\\'])?;
        let (piece, special) = rest.split_at_checked(at)?;
        value.push_str(piece);
        if let Some(after) = special.strip_prefix('"') {
            return Some((value, after));
        }
        if let Some(after) = special.strip_prefix("\\\"") {
            value.push('"');
            rest = after;
        } else {
            value.push('\\');
            rest = special.strip_prefix('\\')?;
        }
    }
}
