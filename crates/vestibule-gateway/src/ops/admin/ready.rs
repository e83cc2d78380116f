//! Whether this node should be sent clients.

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::timeout;
use vestibule_authority::{Readiness, revocation::FeedReadiness, store::StoreError};

use super::{Answer, reply};
use crate::{
    limits,
    serve::{Phase, Shared},
};

/// What was found.
pub(super) struct Judged {
    /// It in a word: `ready`, or what is missing.
    pub(super) word: &'static str,
    pub(super) issuers: Vec<Readiness>,
    store: Result<(), StoreError>,
    feed: FeedReadiness,
}

/// Ready is: serving, every issuer has keys or answers, the store takes writes, and revocations arrive. A node
/// without keys would refuse everybody; one that cannot write can neither end a login nor keep a
/// revocation; one that does not hear of revocations lets in who was shut out elsewhere.
pub(super) async fn judge(shared: &Shared, phase: Phase) -> Judged {
    let issuers = shared.authority.readiness();
    let store = writes(shared).await;
    let feed = shared.kept.revocations.readiness();
    let missing = issuers.iter().find(|issuer| !issuer.is_ready());
    let word = match (phase, missing, &store, feed.is_ready()) {
        (Phase::Draining, _, _, _) => "draining",
        (Phase::Open, _, Err(_), _) => "store failing",
        (Phase::Open, _, Ok(()), false) => "revocations not followed",
        (Phase::Open, Some(issuer), Ok(()), true) => match issuer.circuit {
            None => "waiting for keys",
            Some(_) => "issuer not answering",
        },
        (Phase::Open, None, Ok(()), true) => READY,
    };
    Judged { word, issuers, store, feed }
}

/// The word for a node that should be sent clients.
const READY: &str = "ready";

/// The answer of `/readyz`.
pub(super) async fn answer(shared: &Shared, phase: Phase) -> Answer {
    let Judged { word, issuers, store, feed } = judge(shared, phase).await;
    let status = if word == READY { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let issuers: Vec<Value> = issuers.iter().map(issuer).collect();
    let body = json!({
        "status": word,
        "issuers": issuers,
        "store": match &store {
            Ok(()) => json!({ "state": "ready", "last_error": null }),
            Err(error) => json!({ "state": "failing", "last_error": error.to_string() }),
        },
        "revocations": {
            "state": feed.state.to_string(),
            "held": feed.held,
            "failing_for": feed.failing_for.map(|span| span.as_secs()),
            "last_error": feed.last_error,
        },
    });
    reply(status, "application/json", format!("{body}\n"))
}

/// Asks for a batch without changes. A file that a write has failed on refuses even that, until it
/// is opened again.
async fn writes(shared: &Shared) -> Result<(), StoreError> {
    let asked = shared.kept.store.commit(Vec::new(), shared.clock.now().wall);
    let answered = timeout(limits::STORE_PROBE, asked).await;
    answered.unwrap_or_else(|_| Err(StoreError("not in time".into()))).map(drop)
}

fn issuer(issuer: &Readiness) -> Value {
    json!({
        "name": &*issuer.name,
        "kind": issuer.kind,
        "state": issuer.state.to_string(),
        "keys": issuer.keys,
        "age": issuer.age.map(|age| age.as_secs()),
        "last_success": issuer.last_success.map(|age| age.as_secs()),
        "last_error": issuer.last_error,
    })
}
