//! Connections by tokens that say nothing themselves: their issuers are asked about them again and
//! again for as long as somebody is connected, once for each token, however many connections it
//! opened.
//!
//! What is kept: of each such token its name, which is a keyed hash, the token itself in memory that
//! is wiped, and whose it is; of each connection its number and that name, about a hundred bytes. A
//! connection by any other credential has nothing here, and nobody here is asked about a message.

mod table;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tracing::{error, info, warn};
use vestibule_authority::{
    Again, Standing, TokenName,
    revocation::{Named, NewRevocation},
};
use vestibule_core::{
    authn::{ConnectionId, Principal},
    rejection::Rejection,
};

use self::table::{Ends, Table};
use super::Shared;
use crate::limits;

/// The tokens that are asked about again.
#[derive(Debug, Default)]
pub struct Rechecks {
    table: Mutex<Table>,
    /// How many connections there are: while there are none, nobody takes the lock.
    connections: AtomicUsize,
    changed: Notify,
}

impl Rechecks {
    /// A connection lives by this token from now on, and by none that it may have lived by before.
    pub fn enter(&self, id: ConnectionId, standing: Standing) {
        let mut table = self.table();
        table.enter(id, standing, jitter());
        self.count(&table);
        drop(table);
        self.changed.notify_one();
    }

    /// A connection is over, or lives by something else.
    pub fn leave(&self, id: ConnectionId) {
        if self.connections.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut table = self.table();
        table.leave(id);
        self.count(&table);
    }

    /// A connection lives by another credential: by this token, or by one that is not asked about.
    pub fn renewed(&self, id: ConnectionId, standing: Option<Standing>) {
        match standing {
            Some(standing) => self.enter(id, standing),
            None => self.leave(id),
        }
    }

    /// How many tokens are asked about, and for how many connections.
    pub fn len(&self) -> (usize, usize) {
        let table = self.table();
        (table.tokens(), table.connections())
    }

    fn count(&self, table: &Table) {
        self.connections.store(table.connections(), Ordering::Release);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks when it is time, and ends what must end. Never ends itself.
pub(super) async fn tend(shared: Arc<Shared>) {
    let rechecks = &shared.rechecks;
    let mut asking = JoinSet::new();
    loop {
        let room = limits::RECHECKS_AT_ONCE.saturating_sub(asking.len());
        let (due, next) = rechecks.table().due(room, Instant::now());
        for standing in due {
            let clock = shared.clock;
            asking.spawn(async move {
                let again = standing.ask_again(|| clock.now().wall).await;
                (standing.name, again)
            });
        }
        let has_room = asking.len() < limits::RECHECKS_AT_ONCE;
        let alarm = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        let answered = tokio::select! {
            () = alarm, if has_room => None,
            () = rechecks.changed.notified(), if has_room => None,
            Some(answered) = asking.join_next(), if !asking.is_empty() => Some(answered),
        };
        let mut ends = Vec::new();
        let mut more = answered;
        // All that have come meanwhile are seen to together.
        while let Some(answered) = more {
            match answered {
                Ok((name, again)) => ends.extend(rechecks.answered(name, &again)),
                Err(failed) => error!(error = %failed, "a token was not asked about again"),
            }
            more = asking.try_join_next();
        }
        end(&shared, ends).await;
    }
}

impl Rechecks {
    fn answered(&self, name: TokenName, again: &Again) -> Option<Ends> {
        let mut table = self.table();
        let ends = table.answered(name, again, jitter(), Instant::now());
        self.count(&table);
        ends
    }
}

/// Ends connections: as revoked ones where the token is gone, and for now where nobody knows.
async fn end(shared: &Shared, ends: Vec<Ends>) {
    let mut gone = BTreeSet::new();
    let mut unknown = BTreeSet::new();
    let mut principals = Vec::new();
    for Ends { connections, principal, refused } in ends {
        let (rejection, reason) = (refused.rejection.label(), refused.reason);
        info!(connections = connections.len(), rejection, %reason, "a token counts no more");
        if refused.rejection == Rejection::Unavailable {
            unknown.extend(connections);
        } else {
            // Whatever else its issuer says about it.
            gone.extend(connections);
            principals.push(principal);
        }
    }
    // First, or who is closed would be back by a session before that is revoked. Together, so that the
    // store writes them down together.
    join_all(principals.iter().map(|principal| revoke(shared, principal))).await;
    if !gone.is_empty() {
        shared.connections.end(gone, Rejection::TokenRevoked).await;
    }
    if !unknown.is_empty() {
        shared.connections.end(unknown, Rejection::Unavailable).await;
    }
}

/// Revokes what was made of a token: sessions and tickets, which would else open the door again. Only
/// the gateway itself makes any.
async fn revoke(shared: &Shared, principal: &Principal) {
    let (Some(identities), Some(id)) = (&shared.kept.identities, &principal.token_id) else {
        return;
    };
    let named = Named::Token { issuer: (&*principal.issuer).into(), id: id.clone() };
    // Whatever was made of it was made by now; its first end may be long over where it has none.
    let now = shared.clock.now().wall;
    let new = NewRevocation {
        until: Some(principal.expires.max(now)),
        reason: Some("withdrawn by its issuer".into()),
        ..NewRevocation::of(named, &principal.issuer)
    };
    if let Err(error) = identities.revoke(new, now).await {
        let subject = &*principal.subject;
        warn!(%error, subject, "what was made of a withdrawn token is still good");
    }
}

/// Spreads questions: of a span, nine tenths and up to all of it.
fn jitter() -> Spread {
    let mut byte = [0];
    let [byte] = match aws_lc_rs::rand::fill(&mut byte) {
        Ok(()) => byte,
        Err(_) => [0],
    };
    Spread(byte)
}

/// A random number that spreads questions.
#[derive(Clone, Copy, Debug)]
struct Spread(u8);

impl Spread {
    fn shorten(self, span: Duration) -> Duration {
        span.saturating_mul(90 + u32::from(self.0) % 11) / 100
    }
}
