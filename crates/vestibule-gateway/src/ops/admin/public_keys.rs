//! Public keys of users: register, list, remove.

use serde_json::json;
use vestibule_authority::public_keys::{PublicKey, PublicKeyError};
use vestibule_core::time::UnixTime;

use super::{
    accounts::{Accounts, BY},
    call::{Asked, Done},
    connections::limit,
    model,
    problem::Problem,
    revocations,
};
use crate::limits;

impl Accounts<'_> {
    pub(super) async fn list_public_keys(&self, asked: &Asked) -> Result<Done, Problem> {
        let limit = limit(asked, limits::ACCOUNTS_LISTED)?;
        let keys = &self.identities.public_keys;
        let found = keys.list(asked.parameter("after"), limit.saturating_add(1), self.now).await;
        let mut found = found.map_err(|error| Problem::unavailable(error.to_string()))?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().map(|key| key.id.clone()).filter(|_| more);
        Done::with(&model::PublicKeys { keys: found.iter().map(shown).collect(), next }, json!({}))
    }

    pub(super) async fn add_public_key(&self, asked: &Asked) -> Result<Done, Problem> {
        let request: model::NewPublicKey = asked.object()?;
        let details = json!(request);
        let model::NewPublicKey { user, key } = request;
        let added = self.identities.public_keys.add(&user, &key, self.now).await;
        Done::with(&shown(&added.map_err(|error| refused(&error))?), details)
    }

    pub(super) async fn remove_public_key(&self, asked: &Asked) -> Result<Done, Problem> {
        let removed = self.identities.remove_public_key(asked.argument(), BY, self.now).await;
        match removed.map_err(revocations::refused)? {
            Some(removed) => Ok(Done { body: None, details: json!(shown(&removed)) }),
            None => Err(Problem::not_found("there is no such key")),
        }
    }
}

fn refused(error: &PublicKeyError) -> Problem {
    let text = error.to_string();
    match error {
        PublicKeyError::BadKey(_) | PublicKeyError::Over | PublicKeyError::NoSuchUser => {
            Problem::invalid(text)
        }
        PublicKeyError::Exists => Problem::conflict(text),
        PublicKeyError::Store(_) => Problem::unavailable(text),
    }
}

fn shown(key: &PublicKey) -> model::PublicKey {
    let PublicKey { id, token, fingerprint, user, line, added, expires } = key;
    model::PublicKey {
        id: id.clone(),
        fingerprint: fingerprint.clone(),
        user: user.clone(),
        key: line.clone(),
        token: token.clone(),
        added: added.as_secs(),
        expires: expires.map(UnixTime::as_secs),
    }
}
