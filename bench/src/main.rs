//! `vestibule-bench compare`: what a proxy costs, measured beside its peers.

use std::{fs, path::PathBuf};

use anyhow::{Result, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use vestibule_bench::{
    cases::{Bench, Carrier, Carries, Case, Figure, Scale, Tokens},
    instructions::{self, Mode},
    machine::{Machine, Ticks},
    peers::Peer,
    process::{Core, pause},
    report::{Row, Run},
    revoke,
    role::Role,
    tokens::{Algorithm, Check},
};

/// Measures what a proxy costs.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures the gateway beside its peers.
    Compare(Compare),
    /// Counts instructions, and compares them with those that are checked in.
    Instructions(Instructions),
    /// Measures how soon the connections of a subject are closed after it was revoked.
    Revoke(revoke::Options),
    /// Runs one of the processes that a measurement is made of.
    #[command(subcommand)]
    Role(Role),
}

#[derive(Debug, Args)]
struct Instructions {
    /// The gateway's binary, built with `--release`.
    #[arg(long, default_value = "target/release/vestibule")]
    vestibule: PathBuf,
    /// The baseline.
    #[arg(long, default_value = "bench/instructions.json")]
    file: PathBuf,
    /// Make what is counted the new baseline.
    #[arg(long)]
    write: bool,
}

#[derive(Debug, Args)]
struct Compare {
    /// The gateway's binary, built with `--release`.
    #[arg(long, default_value = "target/release/vestibule")]
    vestibule: PathBuf,
    /// `quick` takes two minutes, `full` an hour.
    #[arg(long, value_enum, default_value_t = Scale::Quick)]
    scale: Scale,
    /// Rounds; each measures every proxy in every case once.
    #[arg(long)]
    rounds: Option<usize>,
    /// Only cases of this kind.
    #[arg(long, value_enum)]
    only: Option<Kind>,
    /// Only cases whose name contains one of these.
    #[arg(long)]
    case: Vec<String>,
    /// Let the kernel place the processes, with two workers.
    #[arg(long)]
    unpinned: bool,
    /// Where the tables, the figures and the picture are written.
    #[arg(long, default_value = "bench/results")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Relay,
    PerMessage,
    Latency,
    Handshake,
    Memory,
    Fairness,
    Expiry,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Role(role) => role.run(),
        Command::Compare(options) => compare(&options),
        Command::Revoke(options) => {
            show(&revoke::run(&options)?);
            Ok(())
        }
        Command::Instructions(Instructions { vestibule, file, write }) => {
            let mode = if write { Mode::Write } else { Mode::Compare };
            show(&instructions::check(&vestibule, &file, mode)?);
            Ok(())
        }
    }
}

fn compare(options: &Compare) -> Result<()> {
    ensure!(options.vestibule.exists(), "{} is not there", options.vestibule.display());
    let scale = options.scale;
    let rounds = options.rounds.unwrap_or(match scale {
        Scale::Quick => 3,
        Scale::Full => 5,
    });
    let folder = tempfile::tempdir()?;
    let (proxy_core, load_core, workers, placement) = if options.unpinned {
        (Core::Any, Core::Any, 2, "unpinned")
    } else {
        (Core::Pinned(0), Core::Pinned(1), 1, "pinned")
    };
    let quiet = Ticks::now();
    pause(std::time::Duration::from_secs(2));
    let start = Ticks::now();
    let busy = start.busy_since(quiet);
    let bench = Bench {
        folder: folder.path(),
        vestibule: &options.vestibule,
        proxy_core,
        load_core,
        workers,
        scale,
    };
    let rows = measure(&bench, options, rounds)?;
    let run = Run {
        machine: Machine::look(),
        versions: Peer::ALL.iter().filter_map(|peer| peer.version(&options.vestibule)).collect(),
        placement,
        rounds,
        stolen: Ticks::now().stolen_since(start),
        busy,
        rows,
    };
    fs::create_dir_all(&options.out)?;
    let tables = run.tables();
    fs::write(options.out.join(format!("{placement}.md")), &tables)?;
    fs::write(options.out.join(format!("{placement}.json")), serde_json::to_string_pretty(&run)?)?;
    fs::write(options.out.join(format!("{placement}.svg")), run.picture())?;
    show(&tables);
    Ok(())
}

fn measure(bench: &Bench<'_>, options: &Compare, rounds: usize) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for case in cases(bench.scale) {
        let wanted = options.only.is_none_or(|kind| kind == Kind::of(case))
            && (options.case.is_empty()
                || options.case.iter().any(|part| case.name().contains(part.as_str())));
        if !wanted {
            continue;
        }
        let peers: Vec<Peer> = Peer::ALL.into_iter().filter(|peer| case.is_for(*peer)).collect();
        let mut figures: Vec<Vec<Figure>> = peers.iter().map(|_| Vec::new()).collect();
        let mut failed: Vec<Peer> = Vec::new();
        for round in 0..rounds {
            // Each round begins with another, so that none is always first on a cold machine.
            for turn in 0..peers.len() {
                let at = (turn + round) % peers.len();
                let (Some(peer), Some(figures)) = (peers.get(at), figures.get_mut(at)) else {
                    continue;
                };
                if failed.contains(peer) {
                    continue;
                }
                match bench.measure(case, *peer) {
                    Ok(figure) => figures.push(figure),
                    // One that cannot do it does not keep the others from being measured. It has no
                    // figure at all: one from fewer rounds would be compared with other rounds'.
                    Err(error) if *peer != Peer::Vestibule => {
                        show(&format!("failed: {} at {}: {error:#}", case.name(), peer.name()));
                        failed.push(*peer);
                        figures.clear();
                    }
                    Err(error) => {
                        return Err(error.context(format!("{} at {}", case.name(), peer.name())));
                    }
                }
            }
        }
        show(&format!("measured: {}", case.name()));
        rows.extend(peers.into_iter().zip(figures).map(|(peer, figures)| Row {
            case,
            peer,
            figures,
        }));
    }
    Ok(rows)
}

fn cases(scale: Scale) -> Vec<Case> {
    let (payloads, connections, flights, idle): (&[usize], &[usize], &[usize], &[usize]) =
        match scale {
            Scale::Quick => (&[64, 16 * 1024], &[64], &[1], &[1000]),
            Scale::Full => {
                (&[64, 1024, 16 * 1024, 256 * 1024], &[1, 64, 1000], &[1, 16], &[1000, 5000, 9000])
            }
        };
    let mut cases = Vec::new();
    for &in_flight in flights {
        for &payload in payloads {
            for &connections in connections {
                // A thousand connections with sixteen times 256 KiB on their way are 4 GiB.
                if payload * connections * in_flight <= 1 << 28 {
                    cases.push(Case::Relay { payload, connections, in_flight });
                }
            }
        }
    }
    if scale == Scale::Full {
        cases.push(Case::Relay { payload: 64, connections: 9000, in_flight: 1 });
    }
    for &in_flight in flights {
        for carries in [Carries::Nothing, Carries::Token] {
            cases.push(Case::PerMessage { in_flight, carries });
        }
    }
    let by = Carrier::Header;
    cases.push(Case::Handshake { check: Check::Nothing, tokens: Tokens::None, by });
    for algorithm in Algorithm::ALL {
        let check = Check::Token(algorithm);
        cases.push(Case::Handshake { check, tokens: Tokens::Fresh, by });
        if scale == Scale::Full {
            cases.push(Case::Handshake { check, tokens: Tokens::Known, by });
            let by = Carrier::Message;
            cases.push(Case::Handshake { check, tokens: Tokens::Fresh, by });
        }
    }
    cases.extend(idle.iter().map(|&connections| Case::Memory { connections }));
    if scale == Scale::Full {
        cases.push(Case::Churn { connections: 5000 });
        cases.push(Case::Sealed { connections: 1000 });
        cases.push(Case::Fairness);
        cases.push(Case::Latency);
        cases.push(Case::Expiry { connections: 9000 });
    }
    cases
}

impl Kind {
    fn of(case: Case) -> Self {
        match case {
            Case::Relay { .. } => Self::Relay,
            Case::PerMessage { .. } => Self::PerMessage,
            Case::Latency => Self::Latency,
            Case::Handshake { .. } => Self::Handshake,
            Case::Memory { .. } | Case::Churn { .. } | Case::Sealed { .. } => Self::Memory,
            Case::Fairness => Self::Fairness,
            Case::Expiry { .. } => Self::Expiry,
        }
    }
}

#[expect(clippy::print_stdout, reason = "the product of this program")]
fn show(text: &str) {
    println!("{text}");
}
