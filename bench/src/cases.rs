//! How a case is measured once.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

pub use crate::case::{Carrier, Carries, Case, Tokens};
use crate::{
    case::CARRIED,
    peers::{Peer, Place},
    process::{Core, Load, Process, pause},
    role::load::By,
    tokens::{self, Algorithm, Check},
};

/// One measurement of one proxy.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Figure {
    /// CPU microseconds of the proxy for each message, handshake or close.
    pub cpu: f64,
    /// A second, in all.
    pub rate: f64,
    /// Microseconds.
    pub p50: f64,
    /// Microseconds.
    pub p99: f64,
    /// Microseconds.
    pub p999: f64,
    /// Bytes for each connection; of fairness, those that all of them added.
    pub bytes: f64,
    /// Before what the case is about: bytes before the churn, 99 % without the noise.
    pub before: f64,
    /// Seconds between the first close and the last.
    pub spread: f64,
    /// Microseconds: the longest that a message of others took meanwhile.
    pub others: f64,
}

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scale {
    /// Two minutes.
    Quick,
    /// As long as it takes.
    Full,
}

/// A bench that is set up.
#[derive(Debug)]
pub struct Bench<'a> {
    /// For files.
    pub folder: &'a Path,
    /// The gateway's binary.
    pub vestibule: &'a Path,
    /// Where proxies run.
    pub proxy_core: Core,
    /// Where load and echo run.
    pub load_core: Core,
    /// Workers of each proxy.
    pub workers: usize,
    /// How much is done.
    pub scale: Scale,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    count: u64,
    seconds: f64,
    p50: f64,
    p99: f64,
    p999: f64,
    max: f64,
    alone: f64,
    closed: u64,
    first_closed: f64,
    last_closed: f64,
}

impl Bench<'_> {
    /// Measures once.
    pub fn measure(&self, case: Case, peer: Peer) -> Result<Figure> {
        // A new one each time: the ports of connections that have ended stay taken for a minute.
        let upstream = free_port()?;
        let _echo = echo(self.load_core, upstream)?;
        let port = if peer == Peer::Direct { upstream } else { free_port()? };
        let place = Place {
            core: self.proxy_core,
            workers: self.workers,
            port,
            upstream,
            check: case.check(),
            cover: case.cover(),
            folder: self.folder,
            vestibule: self.vestibule,
        };
        let process = peer.start(&place)?;
        // What serves to let connections in is there once, however many there are.
        match case {
            Case::Memory { .. } | Case::Churn { .. } => {
                self.come_and_go(Case::Memory { connections: 512 }, peer, port)?;
            }
            Case::Sealed { .. } => {
                self.come_and_go(Case::Sealed { connections: 64 }, peer, port)?;
            }
            Case::Relay { .. }
            | Case::PerMessage { .. }
            | Case::Latency
            | Case::Fairness
            | Case::Handshake { .. }
            | Case::Expiry { .. } => {}
        }
        let before = process.as_ref().map_or(0, Process::pss);
        let load = Load::start(self.load_core, &self.arguments(case, peer, port)?)
            .with_context(|| format!("{} at {}", case.name(), peer.name()))?;
        match case {
            Case::Memory { connections } | Case::Sealed { connections } => {
                memory(process.as_ref(), before, connections, load)
            }
            Case::Churn { connections } => {
                let first = memory(process.as_ref(), before, connections, load)?;
                let by = Carrier::Header;
                let (check, tokens) = (Check::Nothing, Tokens::Known);
                self.come_and_go(Case::Handshake { check, tokens, by }, peer, port)?;
                let again = Case::Memory { connections };
                let load = Load::start(self.load_core, &self.arguments(again, peer, port)?)?;
                let then = memory(process.as_ref(), before, connections, load)?;
                Ok(Figure { before: first.bytes, ..then })
            }
            Case::Fairness => fairness(process.as_ref(), before, load),
            Case::Expiry { connections } => {
                let others = Load::start(self.load_core, &self.others(connections, port)?)?;
                expiry(load, others)
            }
            Case::Relay { .. }
            | Case::PerMessage { .. }
            | Case::Latency
            | Case::Handshake { .. } => timed(process.as_ref(), load),
        }
    }

    /// Runs a case to its end, and gives the proxy time to clear up.
    fn come_and_go(&self, case: Case, peer: Peer, port: u16) -> Result<()> {
        let mut load = Load::start(self.load_core, &self.arguments(case, peer, port)?)?;
        load.go()?;
        if let Case::Handshake { .. } = case {
            let _done: Outcome = load.outcome()?;
        } else {
            drop(load);
        }
        pause(Duration::from_secs(1));
        Ok(())
    }

    fn arguments(&self, case: Case, peer: Peer, port: u16) -> Result<Vec<String>> {
        let scaled = |quick: u64, full: u64| match self.scale {
            Scale::Quick => quick,
            Scale::Full => full,
        };
        let mut words = vec![format!("--port={port}")];
        let mut token = (peer == Peer::Vestibule).then_some((Algorithm::Hs256, Tokens::Known));
        let mut life = 3600;
        match case {
            Case::Relay { payload, connections, in_flight } => {
                let (quick, full) = messages(payload, in_flight);
                words.extend(relaying((payload, connections), in_flight, scaled(quick, full)));
            }
            Case::PerMessage { in_flight, carries } => {
                let (quick, full) = messages(CARRIED.0, in_flight);
                words.extend(relaying(CARRIED, in_flight, scaled(quick, full)));
                if carries == Carries::Token {
                    words.push(format!("--by={}", By::PerMessage.name()));
                }
            }
            Case::Latency => {
                words.extend(["--task=latency", "--connections=1000"].map(str::to_owned));
                words.push(format!("--count={}", scaled(20_000, 100_000)));
            }
            Case::Handshake { check, tokens, by } => {
                let count = scaled(3_000, 10_000);
                words.extend(["--task=handshake", "--connections=32"].map(str::to_owned));
                words.push(format!("--count={count}"));
                words.push(format!("--by={}", By::from(by).name()));
                if let Check::Token(algorithm) = check {
                    token = Some((algorithm, tokens));
                }
                if let Some((algorithm, Tokens::Fresh)) = token {
                    let path = tokens::file(algorithm, count, life, self.folder)?;
                    words.push(format!("--tokens={}", path.display()));
                    return Ok(words);
                }
            }
            Case::Memory { connections } | Case::Churn { connections } => {
                words.push("--task=idle".to_owned());
                words.push(format!("--connections={connections}"));
            }
            Case::Sealed { connections } => {
                words.push("--task=sealed".to_owned());
                words.push(format!("--connections={connections}"));
                let certificate = tokens::certificate(self.folder)?.0;
                words.push(format!("--certificate={}", certificate.display()));
            }
            Case::Fairness => {
                words.extend(
                    ["--task=fairness", "--connections=64", "--rate=2000"].map(str::to_owned),
                );
                words.push(format!("--count={}", scaled(4_000, 8_000)));
            }
            Case::Expiry { connections } => {
                words.push("--task=idle".to_owned());
                words.push(format!("--connections={connections}"));
                life = i64::try_from(lifetime(connections))?;
            }
        }
        if let Some((algorithm, _)) = token {
            let path = tokens::file(algorithm, 1, life, self.folder)?;
            words.push(format!("--tokens={}", path.display()));
        }
        Ok(words)
    }

    /// A few that talk on while so many end, from before until after.
    fn others(&self, connections: usize, port: u16) -> Result<Vec<String>> {
        let path = tokens::file(Algorithm::Hs256, 1, 3600, self.folder)?;
        let seconds = lifetime(connections) + 5;
        Ok(vec![
            format!("--port={port}"),
            "--task=latency".to_owned(),
            "--connections=100".to_owned(),
            format!("--rate={OTHERS_RATE}"),
            format!("--count={}", seconds * OTHERS_RATE),
            format!("--tokens={}", path.display()),
        ])
    }
}

/// Messages a second of those whose tokens do not end while others' do.
const OTHERS_RATE: usize = 1_000;

/// Seconds that tokens last which end at once: long enough to open all connections. The grace comes
/// on top.
fn lifetime(connections: usize) -> usize {
    connections / 1000 + 5
}

/// How many messages are sent, quickly and in full.
fn messages(payload: usize, in_flight: usize) -> (u64, u64) {
    match payload {
        0..=1024 if in_flight > 1 => (300_000, 400_000),
        0..=1024 => (30_000, 100_000),
        1025..=65536 => (15_000, 40_000),
        _ => (1_000, 3_000),
    }
}

/// Messages of so many bytes over so many connections.
fn relaying(
    (payload, connections): (usize, usize),
    in_flight: usize,
    count: u64,
) -> impl Iterator<Item = String> {
    [
        "--task=relay".to_owned(),
        format!("--payload={payload}"),
        format!("--connections={connections}"),
        format!("--in-flight={in_flight}"),
        format!("--count={count}"),
    ]
    .into_iter()
}

fn memory(
    process: Option<&Process>,
    before: u64,
    connections: usize,
    mut load: Load,
) -> Result<Figure> {
    // Whatever a proxy frees after a handshake, it may free now.
    pause(Duration::from_secs(1));
    let after = process.map_or(0, Process::pss);
    load.go()?;
    let connections = u64::try_from(connections)?;
    let bytes = crate::machine::ratio(after.saturating_sub(before), connections);
    Ok(Figure { bytes, ..Figure::default() })
}

fn timed(process: Option<&Process>, mut load: Load) -> Result<Figure> {
    let before = process.map_or(Duration::ZERO, Process::cpu);
    load.go()?;
    let outcome: Outcome = load.outcome()?;
    let after = process.map_or(Duration::ZERO, Process::cpu);
    ensure!(outcome.count > 0, "nothing was done");
    let count = crate::machine::ratio(outcome.count, 1);
    Ok(Figure {
        cpu: after.saturating_sub(before).as_secs_f64() * 1e6 / count,
        rate: count / outcome.seconds,
        p50: outcome.p50,
        p99: outcome.p99,
        p999: outcome.p999,
        ..Figure::default()
    })
}

fn fairness(process: Option<&Process>, before: u64, mut load: Load) -> Result<Figure> {
    load.go()?;
    // While the second half runs, what waits for the one that does not read is held.
    pause(Duration::from_millis(2500));
    let added = process.map_or(0, Process::pss).saturating_sub(before);
    let outcome: Outcome = load.outcome()?;
    let bytes = crate::machine::ratio(added, 1);
    Ok(Figure { p99: outcome.p99, before: outcome.alone, bytes, ..Figure::default() })
}

fn expiry(mut load: Load, mut others: Load) -> Result<Figure> {
    load.go()?;
    others.go()?;
    let outcome: Outcome = load.outcome()?;
    let rest: Outcome = others.outcome()?;
    ensure!(rest.seconds > outcome.last_closed, "the others were done before the last had ended");
    let closed = crate::machine::ratio(outcome.closed, 1);
    let spread = outcome.last_closed - outcome.first_closed;
    Ok(Figure { rate: closed, spread, others: rest.max, ..Figure::default() })
}

impl From<Carrier> for By {
    fn from(carrier: Carrier) -> Self {
        match carrier {
            Carrier::Header => Self::Header,
            Carrier::Message => Self::Message,
        }
    }
}

/// The server behind the proxies.
pub fn echo(core: Core, port: u16) -> Result<Process> {
    let own = std::env::current_exe()?.to_string_lossy().into_owned();
    let words = [own, "role".into(), "echo".into(), "--port".into(), port.to_string()];
    let mut echo = Process::start(core, &words)?;
    echo.listens(port)?;
    Ok(echo)
}

/// A port that nobody listens on.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
