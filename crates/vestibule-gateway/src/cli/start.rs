//! The commands that run something: `serve`, `demo`, `connect`. What runs is built elsewhere; here
//! it gets its runtime, its signals and its exit code.

use std::{error::Error, io};

use tokio::runtime::{Builder, Runtime};

use super::{CommandError, Exit, World, connect};
use crate::{
    config::{Config, Loaded},
    demo::{self, Launch},
    ops,
    serve::{self, Gateway, Signals},
};

/// Runs the gateway until a signal says stop.
pub(super) fn serve(loaded: Loaded) -> Result<Exit, CommandError> {
    let Loaded { config, report, .. } = loaded;
    ops::log::install(&config.log);
    for warning in report.faults() {
        tracing::warn!(help = warning.help, "{}", warning.message);
    }
    serve::run(config).map_err(|error| failed(&error))?;
    Ok(Exit::Fine)
}

/// Runs the demonstration until a signal says stop.
pub(super) fn demo(options: &demo::Options, world: &mut World<'_>) -> Result<Exit, CommandError> {
    let mut out = Borrowed(world.output);
    runtime()?.block_on(async {
        let signals = Signals::take()?;
        let until = async {
            signals.stop().await;
        };
        demo::run(options, &Here, &mut out, until).await.map_err(|error| failed(&error))
    })?;
    Ok(Exit::Fine)
}

/// Runs the client.
pub(super) fn connect(arguments: connect::Arguments) -> Result<Exit, CommandError> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(connect::run(arguments));
    // A thread that waits for standard input must not keep the process.
    runtime.shutdown_background();
    Ok(match outcome.code() {
        0 => Exit::Fine,
        2 => Exit::Refused,
        64 => Exit::Usage,
        _ => Exit::Failed,
    })
}

pub(super) fn runtime() -> Result<Runtime, CommandError> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// An error and all its causes on one line.
pub(super) fn failed(error: &dyn Error) -> CommandError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    CommandError::Other(text)
}

/// The gateway of the demonstration runs in this process.
struct Here;

impl Launch for Here {
    type Running = Gateway;

    async fn start(&self, configuration: &str) -> Result<Gateway, Box<dyn Error + Send + Sync>> {
        let loaded = Config::parse("demo.toml", configuration, [])
            .map_err(|report| io::Error::other(report.to_string()))?;
        ops::log::install(&loaded.config.log);
        Ok(Gateway::start(loaded.config).await?)
    }

    async fn stop(&self, running: Gateway) {
        running.stop().await;
    }
}

/// A writer that is not ours.
struct Borrowed<'a>(&'a mut dyn io::Write);

impl io::Write for Borrowed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
