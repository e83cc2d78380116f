//! `GET /.well-known/jwks.json`: the keys that verify assertions, and the gateway's own tokens.

use serde_json::{Value, json};

use super::{Answer, Visit};

pub(super) fn answer(visit: &Visit<'_>) -> Answer {
    let shared = &visit.worker.shared;
    let own = shared.kept.identities.as_ref().map(|identities| identities.tokens.public_jwks());
    let sets = [Some(shared.signer.public_jwks()), own];
    let keys: Vec<Value> = sets.into_iter().flatten().flat_map(keys).collect();
    let set = json!({ "keys": keys }).to_string();
    Answer::public(set, "application/jwk-set+json", "max-age=300")
}

/// The keys of a set (RFC 7517 section 5.1).
fn keys(mut set: Value) -> Vec<Value> {
    match set.get_mut("keys").map(Value::take) {
        Some(Value::Array(keys)) => keys,
        Some(_) | None => Vec::new(),
    }
}
