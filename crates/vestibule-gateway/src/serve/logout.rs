//! What a logout ends, beside the connection that it came on.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tracing::warn;
use vestibule_authority::revocation::{Named, NewRevocation, RevocationError};
use vestibule_core::authn::Principal;

use super::Shared;

/// Most logouts that are seen to at once.
const TOGETHER: usize = 256;

/// Whether a logout has ended the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoggedOut {
    /// It is good no more, nowhere.
    Everywhere,
    /// It has neither a session nor a name: it is good until it ends by itself.
    HereAlone,
}

/// Ends the session of a principal, or the one credential where it has none: revokes it, which
/// closes its connections, and forgets it.
pub async fn log_out(shared: &Shared, principal: &Principal) -> Result<LoggedOut, RevocationError> {
    let now = shared.clock.now().wall;
    let made = match (&shared.kept.identities, named(principal)) {
        (Some(identities), _) => identities.log_out(principal, now).await?,
        // Somebody else's, then: how long their sessions last is not known.
        (None, Some(named)) => {
            let until = matches!(named, Named::Token { .. }).then_some(principal.expires);
            let reason = Some("logout".into());
            let new =
                NewRevocation { until, reason, ..NewRevocation::of(named, &principal.subject) };
            vec![shared.kept.revocations.revoke(new, now).await?]
        }
        (None, None) => Vec::new(),
    };
    Ok(if made.is_empty() { LoggedOut::HereAlone } else { LoggedOut::Everywhere })
}

/// What a principal's credential can be named by.
fn named(principal: &Principal) -> Option<Named> {
    let issuer = || (&*principal.issuer).into();
    match (&principal.session, &principal.token_id) {
        (Some(session), _) => Some(Named::Session(session.clone())),
        (None, Some(id)) => Some(Named::Token { issuer: issuer(), id: id.clone() }),
        (None, None) => None,
    }
}

/// Sees to the logouts that connections were told of. Never ends.
pub(super) async fn carry_out(
    shared: Arc<Shared>,
    mut logouts: mpsc::UnboundedReceiver<Arc<Principal>>,
) {
    let mut told = Vec::new();
    while logouts.recv_many(&mut told, TOGETHER).await > 0 {
        // Together, so that the store writes them down together.
        let each = told.drain(..).map(|principal| {
            let shared = &shared;
            async move {
                if let Err(error) = log_out(shared, &principal).await {
                    let subject = &*principal.subject;
                    warn!(%error, subject, "a logout ended one connection alone");
                }
            }
        });
        join_all(each).await;
    }
}
