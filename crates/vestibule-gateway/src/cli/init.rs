//! `vestibule init`: a configuration to begin with.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    path::PathBuf,
};

use clap::Args;

use super::{CommandError, Exit, World};
use crate::config;

/// Options of `vestibule init`.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// Write it to this file, not to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite the file where there is one
    #[arg(long, requires = "output")]
    force: bool,
}

/// Writes the example.
pub(super) fn run(options: &Options, world: &mut World<'_>) -> Result<Exit, CommandError> {
    let Options { output, force } = options;
    let text = config::example();
    let Some(path) = output else {
        world.output.write_all(text.as_bytes())?;
        world.output.flush()?;
        return Ok(Exit::Fine);
    };
    let mut how = OpenOptions::new();
    how.write(true).truncate(*force).create(*force).create_new(!*force);
    let written = how.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            return CommandError::file(path, &"it is there already; --force overwrites it");
        }
        CommandError::file(path, &error)
    })?;
    writeln!(world.error, "wrote {}; `vestibule check -c {0}` reads it", path.display())?;
    Ok(Exit::Fine)
}
