//! One step after another: what is run, how long it took, and what to repeat when it fails.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// What must hold before a change is merged.
    Usual,
    /// Also what takes long.
    Full,
}

/// Writes to standard output. Where nobody reads it, nothing is lost.
pub(crate) fn say(text: &str) {
    let written = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
    drop(written);
}

/// Writes to standard error.
pub(crate) fn complain(text: &str) {
    drop(io::stderr().write_all(text.as_bytes()));
}

/// The steps of a run.
#[derive(Debug)]
pub(crate) struct Steps {
    root: PathBuf,
    done: Vec<String>,
    skipped: Vec<String>,
}

impl Steps {
    /// None yet.
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf(), done: Vec::new(), skipped: Vec::new() }
    }

    /// Where the repository is.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Runs something under a header.
    pub(crate) fn step(&mut self, name: &str, run: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        say(&format!("\n==> {name}\n"));
        let start = Instant::now();
        run(&self.root)?;
        let line = format!("{name}: {:.1} s", start.elapsed().as_secs_f32());
        say(&format!("<== {line}\n"));
        self.done.push(line);
        Ok(())
    }

    /// Runs a command in the root, with these variables.
    pub(crate) fn command(
        &mut self,
        name: &str,
        line: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<()> {
        self.step(name, |root| run(root, line, variables))
    }

    /// Says that a step is left out, and why.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        let line = format!("{name}: skipped: {why}");
        say(&format!("\n==> {line}\n"));
        self.skipped.push(line);
    }

    /// Says what was done.
    pub(crate) fn finish(self) {
        let Self { root: _, done, skipped } = self;
        say("\nAll steps passed:\n");
        for line in done.iter().chain(&skipped) {
            say(&format!("  {line}\n"));
        }
    }
}

/// Runs a command, and fails with what to repeat.
pub(crate) fn run(root: &Path, line: &[&str], variables: &[(&str, &str)]) -> Result<()> {
    let [program, arguments @ ..] = line else { bail!("no command") };
    let assigned = variables.iter().map(|(name, value)| format!("{name}={value}"));
    let shown = assigned.chain(line.iter().map(|&word| word.to_owned()));
    let shown = shown.collect::<Vec<_>>().join(" ");
    say(&format!("    {shown}\n"));
    let status = Command::new(program)
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(root)
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    if status.success() {
        return Ok(());
    }
    bail!("failed ({status}); repeat it with:\n\n    cd {} && {shown}", root.display())
}

/// Whether a command can be run and ends well.
pub(crate) fn works(line: &[&str]) -> bool {
    let [program, arguments @ ..] = line else { return false };
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
