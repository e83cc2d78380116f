//! Where things are printed: messages on one stream, everything about the connection on another.

use std::io::{self, Write};

use tokio::time::Instant;

/// For whom is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A person: direction, time, and nothing that could move the cursor.
    Terminal,
    /// A program: a message is a line, as it came.
    Plain,
}

/// Longest part of a binary message that is shown, in bytes.
const SHOWN_BYTES: usize = 32;
/// What stands before the text of a line, in characters.
const INDENT: usize = 13;

/// The two streams.
#[derive(Debug)]
pub(super) struct Screen<'a, Out, Notes> {
    out: &'a mut Out,
    notes: &'a mut Notes,
    style: Style,
    began: Instant,
}

impl<'a, Out: Write, Notes: Write> Screen<'a, Out, Notes> {
    pub(super) fn new(out: &'a mut Out, notes: &'a mut Notes, style: Style) -> Self {
        Self { out, notes, style, began: Instant::now() }
    }

    /// A text message of the application.
    pub(super) fn text(&mut self, text: &str) -> io::Result<()> {
        match self.style {
            Style::Terminal => {
                let time = self.time();
                writeln!(self.out, "{time} \u{2190} {}", harmless(text))?;
            }
            Style::Plain => writeln!(self.out, "{text}")?,
        }
        self.out.flush()
    }

    /// A binary message of the application.
    pub(super) fn binary(&mut self, bytes: &[u8]) -> io::Result<()> {
        let shown: Vec<String> =
            bytes.iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}")).collect();
        let mut words = format!("binary message, {} bytes: {}", bytes.len(), shown.join(" "));
        if bytes.len() > SHOWN_BYTES {
            words.push_str(" \u{2026}");
        }
        self.said(&words)
    }

    /// Something the server said that is no message of the application.
    pub(super) fn said(&mut self, words: &str) -> io::Result<()> {
        self.line('\u{2190}', words)
    }

    /// Something this side said that is no message of the application.
    pub(super) fn told(&mut self, words: &str) -> io::Result<()> {
        self.line('\u{2192}', words)
    }

    /// Something about the connection.
    pub(super) fn note(&mut self, words: &str) -> io::Result<()> {
        self.line('\u{00b7}', words)
    }

    /// Several lines about one thing.
    pub(super) fn notes(&mut self, lines: &[String]) -> io::Result<()> {
        let mut lines = lines.iter();
        if let Some(first) = lines.next() {
            self.note(first)?;
        }
        for line in lines {
            let indent = match self.style {
                Style::Terminal => INDENT,
                Style::Plain => 2,
            };
            writeln!(self.notes, "{:indent$}{}", "", harmless(line))?;
        }
        self.notes.flush()
    }

    fn line(&mut self, mark: char, words: &str) -> io::Result<()> {
        let words = harmless(words);
        match self.style {
            Style::Terminal => {
                let time = self.time();
                writeln!(self.notes, "{time} {mark} {words}")?;
            }
            Style::Plain => writeln!(self.notes, "{mark} {words}")?,
        }
        self.notes.flush()
    }

    /// Time since the beginning, in seconds.
    fn time(&self) -> String {
        format!("{:>9.3}s", self.began.elapsed().as_secs_f64())
    }
}

/// A server's text without what a terminal would obey; lines after the first are indented, so that
/// none can pass for a line of ours.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.trim_end_matches(['\r', '\n']).chars() {
        match character {
            '\n' => {
                out.push('\n');
                out.extend(core::iter::repeat_n(' ', INDENT));
            }
            '\t' => out.push(character),
            // Marks that reorder text can hide what it says.
            c if c.is_control()
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                out.extend(c.escape_default());
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(style: Style, text: &str) -> String {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        Screen::new(&mut out, &mut notes, style).text(text).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_program_gets_a_message_as_it_came() {
        assert_eq!(printed(Style::Plain, "a\u{1b}[2J"), "a\u{1b}[2J\n");
    }

    #[test]
    fn a_terminal_obeys_no_server() {
        let line = printed(Style::Terminal, "a\u{1b}[2J\r\u{9b}b\u{202e}c\nd");
        assert!(
            line.contains("\u{2190} a\\u{1b}[2J\\r\\u{9b}b\\u{202e}c\n             d\n"),
            "{line}"
        );
        assert!(line.chars().all(|c| c == '\n' || !c.is_control()), "{line}");
    }
}
