//! Passwords: from the terminal, which does not show them, or from standard input. Never from an
//! argument, which every user of the machine can read.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::cli::{CommandError, World};

/// Where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// The first line of standard input.
    Input,
    /// The terminal, twice.
    Terminal,
}

/// Reads one.
pub(super) fn read(from: From, world: &mut World<'_>) -> Result<Zeroizing<String>, CommandError> {
    match from {
        From::Input => {
            let mut line = Zeroizing::new(String::new());
            world.input.read_line(&mut line)?;
            Ok(without_end(&line))
        }
        From::Terminal => {
            let mut terminal = Terminal::open()?;
            let first = terminal.ask("Password: ")?;
            let again = terminal.ask("Again: ")?;
            if *first == *again {
                Ok(first)
            } else {
                Err(CommandError::Refused("these are two different passwords".to_owned()))
            }
        }
    }
}

/// Asks the terminal, once: whoever mistypes it is refused.
pub(in crate::cli) fn ask() -> Result<Zeroizing<String>, CommandError> {
    Ok(Terminal::open()?.ask("Password: ")?)
}

fn without_end(line: &str) -> Zeroizing<String> {
    let line = line.strip_suffix('\n').unwrap_or(line);
    Zeroizing::new(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// The terminal, silent until this is dropped.
struct Terminal {
    file: File,
    before: Termios,
}

impl Terminal {
    fn open() -> Result<Self, CommandError> {
        let file = OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(|_| {
            let message = "there is no terminal to ask for the password; use --password-stdin";
            CommandError::Usage(message.to_owned())
        })?;
        let before = tcgetattr(&file).map_err(io::Error::from)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&file, OptionalActions::Flush, &silent).map_err(io::Error::from)?;
        Ok(Self { file, before })
    }

    fn ask(&mut self, prompt: &str) -> io::Result<Zeroizing<String>> {
        self.file.write_all(prompt.as_bytes())?;
        let mut line = Zeroizing::new(String::new());
        BufReader::new(&self.file).read_line(&mut line)?;
        Ok(without_end(&line))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(&self.file, OptionalActions::Flush, &self.before) {
            tracing::warn!(%error, "the terminal stays silent; `stty sane` helps");
        }
    }
}
