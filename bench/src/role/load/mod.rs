//! Clients: they open, authenticate, and then say the same message again and again, as often as is
//! asked. What is sent was prepared before; what comes back is counted, not parsed.

mod alarm;
mod fairness;
mod fleet;
mod sealed;
mod tasks;

use std::{
    io::{BufRead, Write as _},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;

use self::fleet::Fleet;

/// What to do.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Port of 127.0.0.1 to connect to.
    #[arg(long)]
    port: u16,
    /// What is measured.
    #[arg(long, value_enum)]
    task: Task,
    /// Connections that are open at once.
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Bytes of each message.
    #[arg(long, default_value_t = 64)]
    payload: usize,
    /// Messages of a connection that are on their way at once.
    #[arg(long, default_value_t = 1)]
    in_flight: usize,
    /// Messages, or handshakes, in all.
    #[arg(long, default_value_t = 1000)]
    count: u64,
    /// Messages a second in all, for `latency`.
    #[arg(long, default_value_t = 10_000)]
    rate: u64,
    /// A file with tokens, one a line, used in turn.
    #[arg(long)]
    tokens: Option<PathBuf>,
    /// Where the token travels.
    #[arg(long, value_enum, default_value_t = By::Header)]
    by: By,
    /// The certificate to trust, for `sealed`.
    #[arg(long)]
    certificate: Option<PathBuf>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Task {
    /// As many messages as `count`, as fast as they come back.
    Relay,
    /// Messages at a fixed rate, each with the time it took.
    Latency,
    /// Connect, upgrade, authenticate, one message, close.
    Handshake,
    /// Open, and stay until told to end, or until all were closed from the other side.
    Idle,
    /// Open under TLS, and stay until told to end.
    Sealed,
    /// Messages at a fixed rate, alone and beside connections that flood and do not read.
    Fairness,
}

/// Where a token travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// `Authorization`.
    Header,
    /// The first message.
    Message,
    /// Each message, on the path `/each`.
    PerMessage,
}

impl By {
    /// As the option wants it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Message => "message",
            Self::PerMessage => "per-message",
        }
    }
}

/// What came of it, as one line of JSON.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    count: u64,
    seconds: f64,
    /// Microseconds: median, 99 %, 99.9 %, the longest; at a fixed rate the first two are those of the
    /// median quarter of a second.
    p50: f64,
    p99: f64,
    p999: f64,
    max: f64,
    /// When it began, in seconds since 1970, for `idle`.
    began: f64,
    /// Connections that the other side closed, and when, in seconds after `began`.
    closed: u64,
    /// The 99 % without the others, of `fairness`.
    alone: f64,
    first_closed: f64,
    last_closed: f64,
}

const MASK: [u8; 4] = [0x21, 0x43, 0x65, 0x87];
const GUARD: Duration = Duration::from_mins(2);

/// Opens, says `ready`, waits for a line, measures, and says what came of it.
pub fn run(options: &Options) -> Result<()> {
    let mut fleet = Fleet::new(options)?;
    let outcome = match options.task {
        Task::Handshake => {
            say("ready")?;
            hear()?;
            fleet.handshakes()?
        }
        Task::Relay => {
            fleet.open(options.connections)?;
            say("ready")?;
            hear()?;
            fleet.relay()?
        }
        Task::Latency => {
            fleet.open(options.connections)?;
            say("ready")?;
            hear()?;
            fleet.latency()?
        }
        Task::Fairness => {
            fleet.open(options.connections)?;
            say("ready")?;
            hear()?;
            fleet.fairness()?
        }
        Task::Sealed => {
            let open = fleet.seal(options.connections)?;
            say("ready")?;
            hear()?;
            drop(open);
            Outcome::default()
        }
        Task::Idle => {
            fleet.open(options.connections)?;
            say("ready")?;
            hear()?;
            fleet.closes()?
        }
    };
    say(&serde_json::to_string(&outcome)?)
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn hear() -> Result<()> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(())
}

fn quantiles(mut times: Vec<Duration>, began: Instant) -> Outcome {
    times.sort_unstable();
    Outcome {
        count: u64::try_from(times.len()).unwrap_or(0),
        seconds: began.elapsed().as_secs_f64(),
        p50: quantile(&times, 500),
        p99: quantile(&times, 990),
        p999: quantile(&times, 999),
        max: quantile(&times, 1000),
        ..Outcome::default()
    }
}

/// Like [`quantiles`], but `p50` and `p99` are those of the median window: where something else takes
/// a core for some milliseconds a second, that falls into a few windows, instead of deciding what all
/// of them show. `p999` and the longest are of everything.
fn windowed(windows: Vec<Vec<Duration>>, began: Instant) -> Outcome {
    let mut sorted = windows.clone();
    for times in &mut sorted {
        times.sort_unstable();
    }
    let median = |thousandth: usize| {
        let of_each = sorted.iter().map(|times| quantile(times, thousandth));
        let mut of_each: Vec<f64> = of_each.collect();
        of_each.sort_unstable_by(f64::total_cmp);
        of_each.get(of_each.len() / 2).copied().unwrap_or(0.0)
    };
    let (p50, p99) = (median(500), median(990));
    Outcome { p50, p99, ..quantiles(windows.into_iter().flatten().collect(), began) }
}

/// Of sorted times, in microseconds.
fn quantile(times: &[Duration], thousandth: usize) -> f64 {
    let place = (times.len() * thousandth / 1000).min(times.len().saturating_sub(1));
    times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}
