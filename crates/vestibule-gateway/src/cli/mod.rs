//! The command line. What a command needs of the world comes in as a [`World`]; nothing here reads
//! a clock or the environment, and nothing prints but through the writers that it was given.

mod check;
pub mod connect;
mod init;
mod operate;
mod start;
mod token;

use std::{
    ffi::OsString,
    fmt,
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand, error::ErrorKind};
use vestibule_core::time::UnixTime;

use crate::{
    config::{Colour, Config, Loaded},
    demo,
};

/// The name of the configuration file where none was given.
const FILE: &str = "vestibule.toml";
/// The variable that gives one.
const FILE_VARIABLE: &str = "VESTIBULE_CONFIG";

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Fine.
    Fine,
    /// Something failed.
    Failed,
    /// A check refused.
    Refused,
    /// The command line makes no sense (`EX_USAGE` of sysexits).
    Usage,
    /// The configuration is faulty (`EX_CONFIG` of sysexits).
    Configuration,
}

impl Exit {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Failed => 1,
            Self::Refused => 2,
            Self::Usage => 64,
            Self::Configuration => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What a command sees of the world.
pub struct World<'a> {
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// When the process began.
    pub now: UnixTime,
    /// Standard input.
    pub input: &'a mut dyn BufRead,
    /// Standard output: results.
    pub output: &'a mut dyn Write,
    /// Standard error: everything else.
    pub error: &'a mut dyn Write,
    /// Whether standard error takes colours.
    pub colour: Colour,
}

impl fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment may hold secrets.
        let Self { environment: _, now, input: _, output: _, error: _, colour } = self;
        f.debug_struct("World").field("now", now).field("colour", colour).finish_non_exhaustive()
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Somebody does not read what is printed, or standard input cannot be read.
    #[error("cannot read or write")]
    Terminal(#[from] io::Error),
    /// A file cannot be used.
    #[error("cannot use {}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Options that do not go together.
    #[error("{0}")]
    Usage(String),
    /// A running gateway, or a rule, says no.
    #[error("{0}")]
    Refused(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl CommandError {
    fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Refused(_) => Exit::Refused,
            Self::Terminal(_) | Self::File { .. } | Self::Other(_) => Exit::Failed,
        }
    }

    fn file(path: &Path, reason: &dyn fmt::Display) -> Self {
        Self::File { path: path.to_path_buf(), reason: reason.to_string() }
    }
}

#[derive(Debug, Parser)]
#[command(
    name = "vestibule",
    version,
    about = "Authenticates WebSockets before anything behind it sees them",
    after_help = "Exit codes: 0 fine, 1 failure, 2 refused by a check, 64 usage, 78 configuration.",
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Line {
    /// The configuration file; else that of `VESTIBULE_CONFIG`, else `vestibule.toml`
    #[arg(short, long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway until it is told to stop
    Serve,
    /// Report everything that is wrong with the configuration
    ///
    /// Reads the configuration and the files that it names, and prints every fault with file, line
    /// and column; connects to nobody. Exit code 78 where there is a fault; warnings are no faults.
    Check,
    /// Write a configuration to begin with, in which every key is explained
    Init(init::Options),
    /// Try it out: a gateway, something behind it, and a page that shows every method
    Demo(demo::Options),
    /// Look at tokens, check them, make them
    #[command(subcommand)]
    Token(Box<token::Command>),
    /// Connect to a WebSocket server and authenticate
    Connect(Box<connect::Arguments>),
    #[command(flatten)]
    Operate(operate::Command),
}

/// Runs the command that the arguments name; the first one is the program's own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>, world: &mut World<'_>) -> Exit {
    let result = match Line::try_parse_from(arguments) {
        Ok(Line { config, command }) => command.run(config.as_deref(), world),
        Err(error) => explain(&error, world),
    };
    match result {
        Ok(exit) => exit,
        // Whoever has stopped reading knows.
        Err(CommandError::Terminal(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Exit::Failed
        }
        Err(error) => {
            let cause = std::error::Error::source(&error);
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            // Where not even this can be written, the exit code is all there is.
            match writeln!(world.error, "vestibule: {error}{cause}") {
                Ok(()) | Err(_) => error.exit(),
            }
        }
    }
}

/// What clap has to say: help goes to standard output, complaints to standard error.
fn explain(error: &clap::Error, world: &mut World<'_>) -> Result<Exit, CommandError> {
    let text = error.render();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        write!(world.output, "{text}")?;
        world.output.flush()?;
        return Ok(Exit::Fine);
    }
    match world.colour {
        Colour::Plain => write!(world.error, "{text}")?,
        Colour::Styled => write!(world.error, "{}", text.ansi())?,
    }
    Ok(Exit::Usage)
}

impl Command {
    fn run(self, config: Option<&Path>, world: &mut World<'_>) -> Result<Exit, CommandError> {
        match self {
            Self::Serve => match load(config, world)? {
                Some(loaded) => start::serve(loaded),
                None => Ok(Exit::Configuration),
            },
            Self::Check => check::run(&Named::of(config, world), world),
            Self::Init(options) => init::run(&options, world),
            Self::Demo(options) => start::demo(&options, world),
            Self::Token(command) => token::run(*command, world),
            Self::Connect(arguments) => start::connect(*arguments),
            Self::Operate(command) => operate::run(command, config, world),
        }
    }
}

/// The configuration file, and whether somebody has asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    /// It must be there.
    Asked(PathBuf),
    /// It is looked for where nothing was asked.
    Usual,
}

impl Named {
    fn of(option: Option<&Path>, world: &World<'_>) -> Self {
        let variable = || {
            let found = world.environment.iter().find(|(name, _)| name == FILE_VARIABLE);
            found.map(|(_, value)| value).filter(|value| !value.is_empty()).map(PathBuf::from)
        };
        option.map(Path::to_path_buf).or_else(variable).map_or(Self::Usual, Self::Asked)
    }

    fn path(&self) -> &Path {
        match self {
            Self::Asked(path) => path,
            Self::Usual => Path::new(FILE),
        }
    }

    /// Whether there is no file, and everything may be in the environment.
    fn is_absent(&self) -> bool {
        match self {
            Self::Asked(_) => false,
            Self::Usual => !Path::new(FILE).exists(),
        }
    }
}

/// Whether the environment holds keys of a configuration.
fn configures(environment: &[(OsString, OsString)]) -> bool {
    environment.iter().any(|(name, _)| {
        name.to_str().is_some_and(|name| name.starts_with("VESTIBULE_") && name.contains("__"))
    })
}

/// The configuration; `None` where it has faults, which were reported.
fn load(config: Option<&Path>, world: &mut World<'_>) -> Result<Option<Loaded>, CommandError> {
    let named = Named::of(config, world);
    let environment = world.environment.clone();
    let loaded = if named.is_absent() && configures(&environment) {
        Config::parse(FILE, "", environment)
    } else {
        Config::read(named.path(), environment)
    };
    let loaded = loaded.and_then(|loaded| {
        let report = loaded.preflight();
        if report.is_fatal() { Err(report) } else { Ok(loaded) }
    });
    match loaded {
        Ok(loaded) => Ok(Some(loaded)),
        Err(report) => {
            write!(world.error, "{}", report.render(world.colour))?;
            writeln!(world.error, "{}", check::count(&report, named.path()))?;
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests;
