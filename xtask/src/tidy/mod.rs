//! `cargo xtask tidy`: what no compiler checks.

mod threats;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::step::say;

/// Longest file of Rust, in lines. "About 400" is the rule; this is where it is broken.
const LINES: usize = 450;
/// What is not looked into.
const FOREIGN: [&str; 5] = ["target", "node_modules", ".git", ".venv", "__pycache__"];

/// Looks at everything, and fails with all that was found.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut found = Vec::new();
    let mut count = 0_usize;
    for path in files(root, "rs")? {
        let text = read(&path)?;
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        count += 1;
        check_length(&shown, &text, &mut found);
        check_lints(&shown, &text, &mut found);
    }
    let named = threats::check(root, &mut found)?;
    if found.is_empty() {
        say(&format!("    {count} files of Rust and {named} named tests are tidy\n"));
        return Ok(());
    }
    bail!("not tidy:\n  {}\nrepeat it with:\n\n    cargo xtask tidy", found.join("\n  "))
}

fn check_length(shown: &str, text: &str, found: &mut Vec<String>) {
    let lines = text.lines().count();
    if lines > LINES {
        found.push(format!("{shown}: {lines} lines; split what has more than {LINES}"));
    }
}

/// An exception to a lint says why, and ends by itself when it is needed no more.
fn check_lints(shown: &str, text: &str, found: &mut Vec<String>) {
    // Written apart, so that this file is not found.
    let attributes = [concat!("#[", "allow("), concat!("#![", "allow(")];
    for (number, line) in text.lines().enumerate() {
        if attributes.iter().any(|attribute| line.trim_start().starts_with(attribute)) {
            let line = number + 1;
            found.push(format!("{shown}:{line}: use #[expect(…, reason = \"…\")]"));
        }
    }
}

/// Every file below `folder` with this extension.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        for entry in entries {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() && !FOREIGN.iter().any(|name| *name == entry.file_name()) {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|have| have == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}
