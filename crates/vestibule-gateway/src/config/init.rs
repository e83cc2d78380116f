//! The table of keys as text: a file to begin with, and a page to look things up.

use std::fmt::Write as _;

use super::keys::{Absent, Key, Section, Shape};

/// Widest line of a comment, in characters.
const WIDTH: usize = 96;

/// Keys that stand in the example without a `#`: with them it is complete.
const ACTIVE: &[(Section, &str)] = &[
    (Section::Server, "listen"),
    (Section::Log, "level"),
    (Section::Issuers, "name"),
    (Section::Issuers, "issuer"),
    (Section::Issuers, "audiences"),
    (Section::Routes, "path"),
    (Section::Routes, "upstream"),
    (Section::Admin, "listen"),
];

/// Sections that turn something on by being there.
const OPTIONAL: &[Section] = &[Section::Certificates, Section::Store, Section::Auth];

/// A configuration file that is complete, and explains every key.
pub fn example() -> String {
    let mut out = String::new();
    comment(
        &mut out,
        "Configuration of Vestibule. `vestibule check` says what is wrong with it. Lines that begin \
         with `#` and a key show what could be written; what holds without them is said above each. \
         Spans of time have a unit: \"500ms\", \"30s\", \"5m\", \"12h\", \"7d\". Names of files begin at the \
         directory of this one.",
    );
    line(&mut out, "#");
    comment(
        &mut out,
        "Environment variables override this file: VESTIBULE_SERVER__LISTEN is `listen` in \
         `[server]`, VESTIBULE_ROUTES__0__PATH the `path` of the first `[[routes]]`; lists are \
         separated by commas.",
    );
    for section in Section::TOP.iter().copied() {
        out.push('\n');
        comment(&mut out, section.about());
        let mark = if OPTIONAL.contains(&section) { "# " } else { "" };
        line(&mut out, &format!("{mark}{}", section.header()));
        for key in section.keys() {
            out.push('\n');
            comment(&mut out, &format!("{} {}", key.doc, otherwise(key)));
            let mark = if ACTIVE.contains(&(section, key.name)) { "" } else { "# " };
            line(&mut out, &format!("{mark}{} = {}", key.name, key.example));
        }
    }
    out
}

/// The reference of all keys, in Markdown.
pub fn reference() -> String {
    let mut out = String::from("# Configuration reference\n\n");
    line(
        &mut out,
        "`vestibule.toml` is TOML. `vestibule init` writes a file to begin with, `vestibule check` \
         reports everything that is wrong with one. Spans of time are strings with a unit (`500ms`, \
         `30s`, `5m`, `12h`, `7d`). Names of files begin at the directory of the configuration file.",
    );
    out.push('\n');
    line(
        &mut out,
        "Every key can also be given as an environment variable, which goes before the file; lists \
         are separated by commas there. Variables that begin with `VESTIBULE_` and have no double \
         underscore are ignored, except for `VESTIBULE_CONFIG`, the name of the file.",
    );
    let inner = [Section::Tls, Section::Webauthn, Section::StepUp];
    for section in Section::TOP.iter().copied().chain(inner) {
        line(&mut out, &format!("\n## `{}`\n\n{}\n", section.header(), section.about()));
        line(&mut out, "| key | type | default | meaning |\n|---|---|---|---|");
        for key in section.keys() {
            let Key { name, kind, absent, doc, .. } = key;
            let absent = match absent {
                Absent::Required => "*required*".to_owned(),
                Absent::Value(value) => format!("`{value}`"),
                Absent::Words(words) => (*words).to_owned(),
            };
            let doc = doc.replace('|', "\\|");
            line(&mut out, &format!("| `{name}` | {} | {absent} | {doc} |", kind.name()));
        }
        let first = match (section, section.shape()) {
            (Section::Tls, _) => "VESTIBULE_SERVER__TLS__".to_owned(),
            (Section::Webauthn, _) => "VESTIBULE_AUTH__WEBAUTHN__".to_owned(),
            (Section::StepUp, _) => "VESTIBULE_ROUTES__0__STEP_UP__".to_owned(),
            (section, Shape::Once) => {
                format!("VESTIBULE_{}__", section.name().to_ascii_uppercase())
            }
            (section, Shape::Many) => {
                format!("VESTIBULE_{}__0__", section.name().to_ascii_uppercase())
            }
        };
        let name = section.keys().next().map_or("", |key| key.name).to_ascii_uppercase();
        line(&mut out, &format!("\nEnvironment: `{first}{name}` and so on."));
    }
    out
}

/// What holds without the key, as a sentence.
fn otherwise(key: &Key) -> String {
    match key.absent {
        Absent::Required => "Must be written.".to_owned(),
        Absent::Value(value) => format!("Default: {value}."),
        Absent::Words(words) => format!("Default: {words}."),
    }
}

/// Wraps a paragraph into comment lines.
fn comment(out: &mut String, text: &str) {
    let mut length = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if length == 0 {
            out.push('#');
            length = 1;
        } else if length + 1 + width > WIDTH {
            out.push_str("\n#");
            length = 1;
        }
        out.push(' ');
        out.push_str(word);
        length += 1 + width;
    }
    out.push('\n');
}

fn line(out: &mut String, text: &str) {
    // Writing to a string cannot fail.
    if writeln!(out, "{text}").is_err() {
        out.push('\n');
    }
}
