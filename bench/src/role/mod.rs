//! What the benchmark itself runs beside the proxies: the echo server behind them, the load in front
//! of them, and the floor, a relay that knows nothing.

pub mod echo;
pub mod floor;
pub mod load;
pub mod socket;
pub mod work;

use clap::Subcommand;

/// One of our own processes.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// A WebSocket server that sends every message back.
    Echo(echo::Options),
    /// A relay of bytes: one epoll loop, one shared buffer.
    Floor(floor::Options),
    /// Clients.
    Load(load::Options),
    /// Work without sockets, to be counted.
    Work(work::Options),
}

impl Role {
    /// Runs until it is told to end, or has measured.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Echo(options) => echo::run(&options),
            Self::Floor(options) => floor::run(&options),
            Self::Load(options) => load::run(&options),
            Self::Work(options) => work::run(&options),
        }
    }
}
