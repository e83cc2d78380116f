//! Messages for the operator.

use std::error::Error;

use crate::limits;

/// An error and its causes in one line; a cause that repeats what was said is left out.
pub(crate) fn of(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !said.contains(&words) {
            said.push_str(": ");
            said.push_str(&words);
        }
        cause = error.source();
    }
    said
}

/// What somebody else wrote: in quotes, without control characters, cut to a length.
pub(crate) fn quote(text: &str) -> String {
    let mut characters = text.chars();
    let mut quoted = String::from("\"");
    quoted.extend(characters.by_ref().take(limits::QUOTED_CHARS).flat_map(char::escape_debug));
    quoted.push('"');
    if characters.next().is_some() {
        quoted.push('…');
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_wrote_cannot_forge_a_log_line() {
        assert_eq!(quote("a\n\u{1b}[31mb\"c"), r#""a\n\u{1b}[31mb\"c""#);
        assert_eq!(quote(&"x".repeat(500)), format!("\"{}\"…", "x".repeat(200)));
    }

    #[test]
    fn causes_follow_in_their_order() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read")]
        struct Outer(#[source] std::io::Error);
        assert_eq!(of(&Outer(std::io::Error::other("no such file"))), "cannot read: no such file");
    }
}
