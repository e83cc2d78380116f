//! What the threads share. Nothing here is on the path of a message.

use std::{
    io,
    net::IpAddr,
    num::NonZeroU64,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::mpsc;
use tracing::warn;
use vestibule_authority::{Authority, introspection::Observer};
use vestibule_core::{
    authn::{ConnectionId, Principal, Revoked},
    policy::{forwarded::Trust, quota::Quota},
    rejection::Rejection,
};
use vestibule_verify::{jwt::Algorithm, mint::Signer};
use zeroize::Zeroizing;

use super::{
    Kept, ServeError,
    connections::{ConnectionName, Connections, Process},
    issuers,
    recheck::Rechecks,
};
use crate::{
    config::{Config, signing_key},
    dial::Dialler,
    drive::Clock,
    listen::Acceptor,
    ops::metrics::Metrics,
};

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Serving.
    Open,
    /// Closing what is open, accepting nothing.
    Draining,
}

/// Everything that more than one thread uses.
#[derive(Debug)]
pub struct Shared {
    /// What was configured.
    pub config: Config,
    /// Who is trusted.
    pub authority: Arc<Authority>,
    /// What is kept: revocations, and the gateway's own identities.
    pub kept: Kept,
    /// Signs assertions.
    pub signer: Signer,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Reads the time.
    pub clock: Clock,
    /// Ends TLS.
    pub acceptor: Option<Acceptor>,
    /// Reaches upstreams.
    pub dialler: Dialler,
    /// Asks the workers about what is open.
    pub connections: Connections,
    /// The tokens of live connections that are asked about again.
    pub rechecks: Rechecks,
    logouts: mpsc::UnboundedSender<Arc<Principal>>,
    quota: Mutex<Quota>,
    ids: AtomicU64,
}

impl Shared {
    /// Loads keys and certificates.
    pub fn new(
        config: Config,
        kept: Kept,
        logouts: mpsc::UnboundedSender<Arc<Principal>>,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Result<Self, ServeError> {
        let revocations = Arc::clone(&kept.revocations);
        let mut issuers = issuers::of(&config);
        issuers.extend(kept.identities.iter().map(|identities| identities.tokens.issuer()));
        let authority = Authority::with_revocations(issuers, revocations)
            .map_err(|error| ServeError::Issuers(error.into()))?;
        let observer: Arc<dyn Observer> = Arc::<Metrics>::clone(&metrics);
        authority.observe(&observer);
        let signer = signer(config.server.assertion_key.as_deref())?;
        let acceptor = config.server.tls.as_ref().map(Acceptor::new).transpose()?;
        let dialler = Dialler::new(&config.routes)?;
        let quota = Quota::new(config.server.pending_per_address, config.server.pending);
        let process = Process::random().map_err(|_| ServeError::Start(randomness()))?;
        Ok(Self {
            config,
            authority,
            kept,
            signer,
            metrics,
            clock,
            acceptor,
            dialler,
            connections: Connections::new(process),
            rechecks: Rechecks::default(),
            logouts,
            quota: Mutex::new(quota),
            ids: AtomicU64::new(1),
        })
    }

    /// A name for a new connection.
    pub fn next_id(&self) -> ConnectionId {
        let number = self.ids.fetch_add(1, Ordering::Relaxed);
        ConnectionId(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }

    /// What a connection is called outside of the process.
    pub fn name(&self, id: ConnectionId) -> ConnectionName {
        self.connections.name(id)
    }

    /// A client has logged out on its connection: what it stands for ends everywhere, soon. One of
    /// these a connection, so that they need no bound of their own.
    pub fn logged_out(&self, principal: &Arc<Principal>) {
        if self.logouts.send(Arc::clone(principal)).is_err() {
            warn!("a logout came too late, and ended one connection alone");
        }
    }

    /// Whether a revocation covers this principal by now. Does not wait.
    pub fn is_revoked(&self, principal: &Principal) -> Revoked {
        if self.kept.revocations.covers(principal) { Revoked::Yes } else { Revoked::No }
    }

    /// What proofs of possession must have now.
    pub fn dpop_nonce(&self) -> String {
        self.kept.proofs.nonce(self.clock.now().wall)
    }

    /// Whether what this peer says about others is believed.
    pub fn trusts(&self, peer: IpAddr) -> Trust {
        let peer = peer.to_canonical();
        if self.config.server.trusted_proxies.iter().any(|net| net.contains(&peer)) {
            Trust::Proxy
        } else {
            Trust::Stranger
        }
    }

    /// Takes a place among those who wait; it is given back when the value is dropped.
    pub fn wait(self: &Arc<Self>, whose: Whose) -> Result<Place, Rejection> {
        let mut quota = self.quota();
        match whose {
            Whose::Unknown => quota.enter_unnamed()?,
            Whose::Client(address) => quota.enter(address)?,
        }
        drop(quota);
        self.metrics.pending.inc();
        Ok(Place { shared: Arc::clone(self), whose })
    }

    fn quota(&self) -> MutexGuard<'_, Quota> {
        self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For whom a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A proxy that is trusted has not said it yet.
    Unknown,
    /// The client at this address.
    Client(IpAddr),
}

fn randomness() -> io::Error {
    io::Error::other("the system has no randomness")
}

/// The configured key, or a new one.
fn signer(path: Option<&Path>) -> Result<Signer, ServeError> {
    let Some(path) = path else {
        return Signer::generate(Algorithm::EdDsa)
            .map_err(|error| ServeError::AssertionKey(error.into()));
    };
    let pem = std::fs::read(path).map(Zeroizing::new);
    let pem = pem.map_err(|error| ServeError::AssertionKey(error.into()))?;
    signing_key(&pem)
        .ok_or_else(|| ServeError::AssertionKey("no private key of Ed25519 or P-256".into()))
}

/// A place among those who wait for their authentication.
#[derive(Debug)]
pub struct Place {
    shared: Arc<Shared>,
    whose: Whose,
}

impl Place {
    /// The place of a client whose address is known by now.
    pub fn of(self, client: IpAddr) -> Result<Self, Rejection> {
        match self.whose {
            Whose::Client(_) => Ok(self),
            Whose::Unknown => {
                let shared = Arc::clone(&self.shared);
                drop(self);
                shared.wait(Whose::Client(client))
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.metrics.pending.dec();
        match self.whose {
            Whose::Unknown => self.shared.quota().leave_unnamed(),
            Whose::Client(address) => self.shared.quota().leave(address),
        }
    }
}
