//! What the tests need beside Rust, and where it is kept: in `target/`, so that it is installed once
//! and goes away with everything else.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

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

/// Chromium: that of `CHROMIUM`, the one on the machine, or the distribution's package.
pub(crate) fn chromium(steps: &mut Steps) -> Result<String> {
    if let Ok(named) = env::var("CHROMIUM") {
        return Ok(named);
    }
    let found = |name: &str| step::works(&[name, "--version"]).then(|| in_path(name)).flatten();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    if let Some(program) = names.into_iter().find_map(found) {
        return Ok(program);
    }
    let line = ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"];
    steps.command("install Chromium, once", &line, &[])?;
    names.into_iter().find_map(found).context("no Chromium: name one in CHROMIUM")
}

/// valgrind: the one on the machine, or the distribution's package.
pub(crate) fn valgrind(steps: &mut Steps) -> Result<()> {
    if step::works(&["valgrind", "--version"]) {
        return Ok(());
    }
    let line = ["apt-get", "install", "--yes", "--no-install-recommends", "valgrind"];
    steps.command("install valgrind, once", &line, &[])
}

/// Where a program is.
fn in_path(name: &str) -> Option<String> {
    let path = env::var_os("PATH")?;
    let file = env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    file.map(|file| file.display().to_string())
}
