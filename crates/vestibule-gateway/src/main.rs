//! The binary: hands the process's own streams, arguments and environment to the command line.

use std::{
    io::{self, BufReader, IsTerminal},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use vestibule_core::time::UnixTime;
use vestibule_gateway::{
    cli::{self, World},
    config::Colour,
};

fn main() -> ExitCode {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let now = UnixTime::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    // https://no-color.org
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colour = match (io::stderr().is_terminal(), plain) {
        (true, false) => Colour::Styled,
        (true, true) | (false, _) => Colour::Plain,
    };
    // The streams are not locked: a command may run threads that print.
    let mut world = World {
        environment: std::env::vars_os().collect(),
        now,
        input: &mut BufReader::new(io::stdin()),
        output: &mut io::stdout(),
        error: &mut io::stderr(),
        colour,
    };
    cli::run(std::env::args_os(), &mut world).into()
}
