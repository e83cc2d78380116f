//! What the tests need beside Rust, and where it is kept: in `target/`, so that it is installed once
//! and goes away with everything else.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::step::{self, Steps};

/// Where programs are installed.
fn folder(root: &Path) -> PathBuf {
    root.join("target").join("tools")
}

/// `cargo-deny`: the one on the machine, or one that is built here once (some minutes).
pub(crate) fn cargo_deny(steps: &mut Steps) -> Result<String> {
    if step::works(&["cargo-deny", "--version"]) {
        return Ok("cargo-deny".to_owned());
    }
    let folder = folder(steps.root());
    let program = folder.join("bin").join("cargo-deny").display().to_string();
    if !step::works(&[&program, "--version"]) {
        let into = folder.display().to_string();
        let line = ["cargo", "install", "--locked", "--root", &into, "cargo-deny"];
        steps.command("install cargo-deny, once", &line, &[])?;
    }
    Ok(program)
}
