//! The running gateway: what all threads share, the threads, and the graceful end.

mod bound;
mod check;
pub mod connections;
mod issuers;
mod kept;
mod lists;
mod logout;
mod observe;
pub mod recheck;
mod shared;
mod timed;
mod worker;

use std::{io, net::SocketAddr, sync::Arc, thread, time::Duration};

use tokio::{
    runtime::{Builder, Handle},
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
};
use tracing::{error, info, warn};

pub use self::{
    check::{Answered, Asking, Bringing, Purpose},
    kept::Kept,
    logout::{LoggedOut, log_out},
    observe::Seen,
    shared::{Phase, Place, Shared, Whose},
    worker::Worker,
};
use crate::{config::Config, drive::Clock, listen, ops};

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A listener.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A certificate or its key.
    #[error("cannot use the certificate of the listener")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A key set that must be there at the start.
    #[error("cannot use the issuers")]
    Issuers(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The key that signs assertions.
    #[error("cannot use the key for assertions")]
    AssertionKey(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store.
    #[error("cannot use the store")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The runtime.
    #[error("cannot start")]
    Start(#[from] io::Error),
}

/// Serves until a signal says stop, then drains.
pub fn run(config: Config) -> Result<(), ServeError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let signals = Signals::take()?;
        let gateway = Gateway::start(config).await?;
        let reason = signals.stop().await;
        info!(signal = reason, "stopping");
        gateway.stop().await;
        Ok(())
    })
}

/// The signals that mean something. From the moment that this exists, none of them kills.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes them over. Must be called in a runtime, before anybody is told that the process runs.
    pub fn take() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for SIGTERM or SIGINT. SIGHUP asks for a new configuration by custom, and must not end
    /// every connection.
    pub async fn stop(mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => {
                    warn!("SIGHUP: the configuration cannot be read anew yet; start again for that");
                }
            }
        }
    }
}

/// A gateway that runs; [`Gateway::stop`] ends it.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    phase: watch::Sender<Phase>,
    threads: Vec<thread::JoinHandle<()>>,
    background: tokio::task::JoinSet<()>,
    addresses: Vec<SocketAddr>,
}

impl Gateway {
    /// Binds, starts the threads, and returns once everything listens. Must be called in a runtime.
    pub async fn start(config: Config) -> Result<Self, ServeError> {
        let (phase, watching) = watch::channel(Phase::Open);
        let workers = config.server.workers.get();
        let drain = config.server.drain;
        let listen = config.server.listen.clone();
        let admin = config.admin.clone();
        let clock = Clock::start();
        let metrics = Arc::new(ops::metrics::Metrics::new());
        let kept = Kept::open(&config, &metrics, clock).await?;
        let (logouts, told) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::new(config, kept, logouts, metrics, clock)?);
        let mut reserved = Vec::new();
        let mut addresses = Vec::new();
        for address in listen {
            let (socket, actual) = listen::reserve(address)
                .map_err(|source| ServeError::Listen { address, source })?;
            reserved.push(socket);
            addresses.push(actual);
        }
        let mut gateway = Self {
            shared: Arc::clone(&shared),
            phase,
            threads: Vec::new(),
            background: tokio::task::JoinSet::new(),
            addresses: addresses.clone(),
        };
        for number in 0..workers {
            let sockets = addresses
                .iter()
                .map(|&address| {
                    listen::listen(address).map_err(|source| ServeError::Listen { address, source })
                })
                .collect::<Result<Vec<_>, _>>()?;
            let (shared, watching) = (Arc::clone(&shared), watching.clone());
            let runtime = Handle::current();
            let thread = thread::Builder::new()
                .name(format!("vestibule-{number}"))
                .spawn(move || work(&runtime, sockets, shared, watching, drain))?;
            gateway.threads.push(thread);
        }
        drop(reserved);
        let authority = Arc::clone(&shared.authority);
        gateway.background.spawn(authority.keep_fresh());
        let revocations = Arc::clone(&shared.kept.revocations);
        let announcements = revocations.announcements();
        gateway.background.spawn(kept::enforce(Arc::clone(&shared), announcements));
        gateway.background.spawn(logout::carry_out(Arc::clone(&shared), told));
        gateway.background.spawn(lists::follow(Arc::clone(&shared)));
        gateway.background.spawn(recheck::tend(Arc::clone(&shared)));
        let wall = move || clock.now().wall;
        match &shared.kept.identities {
            Some(identities) => gateway.background.spawn(Arc::clone(identities).tend(wall)),
            None => gateway.background.spawn(revocations.follow(wall)),
        };
        if let Some(admin) = admin {
            let address = admin.listen;
            let listener =
                listen::listen(address).map_err(|source| ServeError::Listen { address, source })?;
            let actual = listener.local_addr()?;
            let api = ops::admin::Api::new(admin, Arc::clone(&shared), watching);
            gateway.background.spawn(ops::admin::serve(listener, api));
            info!(listening = %actual, role = "admin", "listening");
        }
        for address in &gateway.addresses {
            info!(listening = %address, role = "public", workers, "listening");
        }
        Ok(gateway)
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What its threads share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Stops accepting, closes what is open over the drain time, and waits for the threads.
    pub async fn stop(mut self) {
        self.phase.send_replace(Phase::Draining);
        let threads = core::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().filter_map(|thread| thread.join().err()).count()
        });
        if let Ok(0) = joined.await {
            info!("stopped");
        } else {
            error!("a worker ended abnormally");
        }
        self.background.shutdown().await;
    }
}

/// A worker thread: its own listeners, its own tasks, its own relay. Timers and names are the
/// runtime's.
fn work(
    runtime: &Handle,
    sockets: Vec<std::net::TcpListener>,
    shared: Arc<Shared>,
    phase: watch::Receiver<Phase>,
    drain: Duration,
) {
    let _entered = runtime.enter();
    let outcome = Worker::new(shared, phase).and_then(|worker| worker.run(sockets, drain));
    if let Err(error) = outcome {
        error!(%error, "a worker failed");
    }
}
