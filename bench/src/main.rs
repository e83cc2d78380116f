//! Benchmarks of Vestibule beside its peers.

use vestibule_bench::role;

use clap::Parser;

/// Measures what a proxy costs.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Runs one of the processes that a measurement is made of.
    #[command(subcommand)]
    Role(role::Role),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Role(role) => role.run(),
    }
}
