//! `vestibule token`: look at tokens, check them, make them. Nothing is fetched.

mod inspect;
mod mint;
pub(super) mod times;
mod verify;

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufRead, Read as _},
    path::Path,
};

use clap::Subcommand;
use vestibule_core::limits;
use vestibule_verify::jwt::Algorithm;
use zeroize::Zeroizing;

use super::{CommandError, Exit, World};
use crate::config::{NAMED_FILE_BYTES, without_newline};

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what a token says, without checking it
    ///
    /// Prints header, claims and dates as JSON. Nothing of it may be believed: anybody can write
    /// such a token. `vestibule token verify` checks one.
    Inspect(inspect::Options),
    /// Check tokens, and say why where one is refused
    ///
    /// Prints one JSON object a line for each token: {"valid":true,"subject":…} or
    /// {"valid":false,"error":…,"label":…,"reason":…}, where `error` is what a client is told and
    /// `label` what logs and metrics call it. Exit code 2 if any token is refused, 1 if nothing
    /// could be checked.
    Verify(verify::Options),
    /// Make a token
    ///
    /// Prints the token and nothing else. Everybody who has the secret or the key can do this.
    Mint(mint::Options),
}

/// Runs one of them.
pub(super) fn run(command: Command, world: &mut World<'_>) -> Result<Exit, CommandError> {
    match command {
        Command::Inspect(options) => inspect::run(options, world),
        Command::Verify(options) => verify::run(options, world),
        Command::Mint(options) => mint::run(&options, world),
    }
}

/// Bytes of one token, from an argument or a line.
type Token = Zeroizing<Vec<u8>>;

/// Calls `each` with the tokens of the arguments; where there are none, with those of standard
/// input, one a line, until it ends. Says how many there were.
fn for_each_token(
    arguments: Vec<OsString>,
    input: &mut dyn BufRead,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<usize> {
    if !arguments.is_empty() {
        let count = arguments.len();
        for argument in arguments {
            let token = Zeroizing::new(argument.into_encoded_bytes());
            each(&token)?;
        }
        return Ok(count);
    }
    let mut count = 0;
    while let Some(line) = read_line(input)? {
        let token = line.strip_suffix(b"\r").unwrap_or(&line);
        if !token.iter().all(u8::is_ascii_whitespace) {
            count += 1;
            each(token)?;
        }
    }
    Ok(count)
}

/// A line without its end; `None` at the end of the input. Of a line that is longer than any token,
/// the rest is passed over: what is kept is still too long.
fn read_line(input: &mut dyn BufRead) -> io::Result<Option<Token>> {
    const KEPT: usize = limits::CREDENTIAL_BYTES + 2;
    let mut line = Zeroizing::new(Vec::with_capacity(KEPT));
    let mut began = false;
    loop {
        let buffer = match input.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            return Ok(began.then_some(line));
        }
        began = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        let room = KEPT.saturating_sub(line.len());
        line.extend_from_slice(part.get(..room).unwrap_or(part));
        let used = end.map_or(buffer.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(Some(line));
        }
    }
}

/// The bytes of a file with keys.
fn key_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let read = || {
        let file = File::open(path)?;
        // Room for all of it at once: a buffer that grows leaves copies of a secret behind.
        let room = file.metadata()?.len().min(NAMED_FILE_BYTES).saturating_add(1);
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(room).unwrap_or(0)));
        file.take(NAMED_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > NAMED_FILE_BYTES) {
            return Err(io::Error::other(format!("longer than {NAMED_FILE_BYTES} bytes")));
        }
        Ok(bytes)
    };
    read().map_err(|error: io::Error| CommandError::file(path, &error))
}

/// The secret of a file: its bytes, less one newline at the end.
fn secret_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let bytes = key_file(path)?;
    Ok(Zeroizing::new(without_newline(&bytes).to_vec()))
}

/// Reads the name of an algorithm.
fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
        format!("there is {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests;
