//! Tables for people.

use std::io::{self, Write};

use serde_json::Value;

/// Prints rows under their titles, each column as wide as it must be. What a client chose itself
/// cannot move the cursor, or change colours.
pub(super) fn print(titles: &[&str], rows: &[Vec<String>], out: &mut dyn Write) -> io::Result<()> {
    let titles: Vec<String> = titles.iter().map(|&title| title.to_owned()).collect();
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = std::iter::once(&titles).chain(&rows).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..titles.len()).map(width).collect();
    for row in std::iter::once(&titles).chain(&rows) {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  "));
        writeln!(out, "{}", cells.collect::<String>().trim_end())?;
    }
    out.flush()
}

/// Prints names and values, one a line.
pub(super) fn card(rows: &[(&str, String)], out: &mut dyn Write) -> io::Result<()> {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "{name:<width$}  {}", plain(value))?;
    }
    out.flush()
}

/// A text of an answer; empty where it is absent.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(" "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

fn plain(text: &str) -> String {
    let escape = |c: char| {
        // Some that are no control characters turn the direction of what follows.
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns { c.escape_unicode().to_string() } else { c.to_string() }
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_reaches_the_terminal_as_a_command() {
        let mut out = Vec::new();
        let rows = [
            vec!["a\u{1b}[31mb".to_owned(), "1".to_owned()],
            vec!["zoë".to_owned(), "2".to_owned()],
        ];
        print(&["SUBJECT", "N"], &rows, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "SUBJECT       N\na\\u{1b}[31mb  1\nzoë           2\n"
        );
    }
}
