//! The threat model names a test for each decision. One that does not exist is a promise that was
//! not kept.

use std::path::Path;

use anyhow::Result;

use super::{files, read};

/// Where the names are.
const MODEL: &str = "docs/threat-model.md";

/// Checks every `path::name` in back quotes; how many there were.
pub(super) fn check(root: &Path, found: &mut Vec<String>) -> Result<usize> {
    let text = read(&root.join(MODEL))?;
    let prefixes = prefixes(&text);
    let mut count = 0;
    for (number, line) in text.lines().enumerate() {
        for quoted in quoted(line) {
            let Some((path, name)) = quoted.rsplit_once("::") else { continue };
            // A name of Rust is no test of ours.
            if !path.contains('/') {
                continue;
            }
            count += 1;
            if !exists(root, &expand(path, &prefixes), name)? {
                found.push(format!("{MODEL}:{}: there is no test {quoted}", number + 1));
            }
        }
    }
    if count == 0 {
        found.push(format!("{MODEL} names no test"));
    }
    Ok(count)
}

/// The short names of folders: the document says "`core` is `crates/vestibule-core/src`".
fn prefixes(text: &str) -> Vec<(&str, &str)> {
    let pieces: Vec<&str> = text.split('`').collect();
    pieces
        .windows(3)
        .filter_map(|window| match window {
            [short, between, long] if between.trim() == "is" => Some((*short, *long)),
            _ => None,
        })
        .collect()
}

fn expand(path: &str, prefixes: &[(&str, &str)]) -> String {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    match prefixes.iter().find(|(short, _)| *short == first) {
        Some((_, long)) => format!("{long}/{rest}"),
        None => path.to_owned(),
    }
}

/// The texts in back quotes.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Whether a file has a test of this name. Where `x/tests.rs` was split, its parts are in `x/tests/`.
fn exists(root: &Path, path: &str, name: &str) -> Result<bool> {
    let file = root.join(path);
    let mut places = Vec::new();
    if file.is_file() {
        places.push(file);
    } else if let Some(folder) = path.strip_suffix(".rs").map(|stem| root.join(stem))
        && folder.is_dir()
    {
        places.extend(files(&folder, "rs")?);
    }
    for place in places {
        if has_function(&read(&place)?, name) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a function of this name begins on a line of its own, async or not. Public ones are tests
/// that a macro makes of a suite.
fn has_function(text: &str, name: &str) -> bool {
    let beginning = format!("fn {name}(");
    text.lines().map(str::trim_start).any(|line| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.strip_prefix("async ").unwrap_or(line).starts_with(&beginning)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_of_folders_are_read_from_the_document() {
        let text = "In it, `core` is `crates/core/src`, `verify` is `crates/verify/src`.";
        let prefixes = prefixes(text);
        assert_eq!(prefixes, [("core", "crates/core/src"), ("verify", "crates/verify/src")]);
        assert_eq!(expand("core/a/b.rs", &prefixes), "crates/core/src/a/b.rs");
        assert_eq!(expand("other/a.rs", &prefixes), "other/a.rs");
    }

    #[test]
    fn a_test_is_a_function_that_may_be_async() {
        let text = "    #[tokio::test]\n    async fn one() {}\nfn two() {}\n// fn three()\npub async fn four() {}";
        let expected =
            [("one", true), ("two", true), ("three", false), ("tw", false), ("four", true)];
        for (name, is_there) in expected {
            assert_eq!(has_function(text, name), is_there, "{name}");
        }
    }

    #[test]
    fn names_stand_in_back_quotes() {
        let names: Vec<_> = quoted("| `a/b.rs::c`, `d` | e |").collect();
        assert_eq!(names, ["a/b.rs::c", "d"]);
    }
}
