//! Keeps up with what authorities withdraw of clients' certificates.

use std::{error::Error as _, sync::Arc};

use tokio::time::sleep;
use tracing::{info, warn};

use super::Shared;
use crate::limits;

/// Reads the lists of withdrawn certificates anew whenever they change. Never ends where there are
/// any.
///
/// Connections that are open already go on: what ends them is a revocation of the certificate's
/// fingerprint.
pub(super) async fn follow(shared: Arc<Shared>) {
    let Some(acceptor) = shared.acceptor.as_ref().filter(|acceptor| acceptor.has_lists()) else {
        return;
    };
    let mut told = None;
    loop {
        sleep(limits::LISTS_LOOKED_AT).await;
        match acceptor.look() {
            None => told = None,
            Some(Ok(())) => {
                told = None;
                info!("the lists of withdrawn certificates were read anew");
            }
            // Tried again each time, and told once.
            Some(Err(error)) => {
                let cause = error.source().map(ToString::to_string);
                if told.as_ref() != Some(&cause) {
                    warn!(
                        cause,
                        "the new lists of withdrawn certificates cannot be used; the old ones go on"
                    );
                    told = Some(cause);
                }
            }
        }
    }
}
