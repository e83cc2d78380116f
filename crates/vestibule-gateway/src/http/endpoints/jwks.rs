//! `GET /.well-known/jwks.json`: the keys that verify assertions, and the gateway's own tokens.

use super::{Answer, Visit};

pub(super) fn answer(visit: &Visit<'_>) -> Answer {
    let keys = visit.worker.shared.signer.public_jwks().to_string();
    Answer::public(keys, "application/jwk-set+json", "max-age=300")
}
