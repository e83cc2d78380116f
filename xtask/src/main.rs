//! Repository chores: `cargo xtask test`, `cargo xtask tidy`.

mod step;
mod test;
mod tidy;
mod tools;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};

use crate::step::Reach;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test          all that must hold before a change is merged; installs what the tests need
  test --full   also the slow suites: Autobahn, long fuzzing, many cases for each property
  ci            the same as test
  tidy          what no compiler checks: lengths of files, allowed lints, names in the threat model
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test" | "ci"] => root().and_then(|root| test::run(&root, Reach::Usual)),
        ["test" | "ci", "--full"] => root().and_then(|root| test::run(&root, Reach::Full)),
        ["tidy"] => root().and_then(|root| tidy::run(&root)),
        ["help" | "--help" | "-h"] => {
            step::say(USAGE);
            return ExitCode::SUCCESS;
        }
        _ => {
            step::complain(USAGE);
            return ExitCode::from(64);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            step::complain(&format!("\nxtask: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

/// The root of the repository.
fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(Path::to_path_buf).context("xtask is not in a repository")
}
