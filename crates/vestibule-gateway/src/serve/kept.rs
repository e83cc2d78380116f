//! What the gateway keeps: the store, and what is revoked. Opened before anybody is let in.

use std::{error::Error, sync::Arc};

use tracing::info;
use vestibule_authority::{
    attempts::AttemptPolicy,
    identities::{Identities, IdentityPolicy},
    limits::PASSWORD_QUEUE,
    proofs::Proofs,
    revocation::{Announcements, Revocations},
    sessions::SessionPolicy,
    store::{Embedded, Store, StoreError},
    tickets::TicketPolicy,
    tokens::TokenPolicy,
    users::{PasswordHasher, kept_cost},
};

use super::{ServeError, Shared, timed::Timed};
use crate::{
    config::{self, Auth, Config},
    drive::Clock,
    ops::metrics::Metrics,
};

/// What is kept.
#[derive(Debug)]
pub struct Kept {
    /// Where.
    pub store: Arc<dyn Store>,
    /// What is revoked.
    pub revocations: Arc<Revocations>,
    /// Who proves a key, and which proofs were used.
    pub proofs: Proofs,
    /// The gateway's own; `None` has none.
    pub identities: Option<Arc<Identities>>,
}

impl Kept {
    /// Opens the store and reads what is revoked.
    pub async fn open(
        config: &Config,
        metrics: &Arc<Metrics>,
        clock: Clock,
    ) -> Result<Self, ServeError> {
        let now = clock.now().wall;
        let refuse = |error: Box<dyn Error + Send + Sync>| ServeError::Store(error);
        let opened = match &config.store {
            config::Store::Embedded(path) => Embedded::open(path),
            config::Store::Memory => Embedded::in_memory(),
        };
        let store = opened.map_err(|error| refuse(error.into()))?;
        let store = Timed::over(store, Arc::clone(metrics), clock);
        let fault = |error: StoreError| refuse(error.into());
        let proofs = Proofs::open(Arc::clone(&store), now).await.map_err(fault)?;
        let Some(auth) = &config.auth else {
            let revocations = Revocations::open(Arc::clone(&store), now).await.map_err(fault)?;
            return Ok(Self { store, revocations, proofs, identities: None });
        };
        let cost = kept_cost(&*store, now).await.map_err(fault)?;
        let workers = PasswordHasher::default_workers();
        let hasher = PasswordHasher::new(cost, workers, PASSWORD_QUEUE);
        let hasher = hasher.map_err(|error| refuse(error.into()))?;
        let opened = Identities::open(Arc::clone(&store), hasher, policy(auth), now).await;
        let identities = opened.map_err(fault)?;
        let revocations = Arc::clone(&identities.revocations);
        Ok(Self { store, revocations, proofs, identities: Some(identities) })
    }
}

fn policy(auth: &Auth) -> IdentityPolicy {
    IdentityPolicy {
        tokens: TokenPolicy {
            lifetime: auth.access_token,
            rotate_every: auth.key_rotation,
            ..TokenPolicy::new(&auth.issuer, &auth.issuer)
        },
        sessions: SessionPolicy {
            login_lifetime: auth.refresh_token,
            resume_lifetime: auth.session,
            ..SessionPolicy::default()
        },
        tickets: TicketPolicy {
            lifetime: auth.ticket,
            each: auth.tickets_per_principal,
            all: auth.tickets,
        },
        attempts: AttemptPolicy::default(),
        passkeys: auth.webauthn.clone(),
    }
}

/// Ends what is revoked, from whichever node, as soon as it is. Those that come while connections are
/// being ended are seen to together, right behind. Never ends.
pub(super) async fn enforce(shared: Arc<Shared>, mut announcements: Announcements) {
    while announcements.next().await.is_some() {
        // A sweep asks about everything that is revoked: one is enough for all that have come.
        while announcements.try_next().is_some() {}
        let began = shared.clock.now().mono;
        let closed = shared.connections.sweep().await;
        let span = began.until(shared.clock.now().mono);
        shared.metrics.revocation.observe(span.as_secs_f64());
        info!(closed, millis = span.as_millis(), "revoked");
    }
}
