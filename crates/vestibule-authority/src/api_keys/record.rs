//! An API key as it is kept.

use serde::{Deserialize, Serialize};
use vestibule_core::time::UnixTime;
use vestibule_verify::api_key;
use zeroize::Zeroizing;

use super::{ApiKey, NewApiKey, Owner};
use crate::{
    limits,
    records::{self, Bytes32, date},
    store::StoreError,
};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    hash: Bytes32,
    kind: Kind,
    /// Of the user, or of the machine.
    owner: Box<str>,
    label: Box<str>,
    scopes: Box<[Box<str>]>,
    #[serde(with = "date")]
    created: UnixTime,
    /// Milliseconds since 1970.
    #[serde(default)]
    expires: Option<i64>,
    /// Milliseconds since 1970.
    #[serde(default)]
    used: Option<i64>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    User,
    Machine,
}

impl Record {
    pub(super) fn new(new: NewApiKey, key: &api_key::ApiKey, now: UnixTime) -> Self {
        let NewApiKey { owner, label, scopes, expires } = new;
        let (kind, owner) = match owner {
            Owner::User(name) => (Kind::User, name),
            Owner::Machine(name) => (Kind::Machine, name),
        };
        Self {
            hash: Bytes32::new(key.hash()),
            kind,
            owner,
            label,
            scopes,
            created: now,
            expires: expires.map(UnixTime::as_millis),
            used: None,
        }
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        records::decode("an API key", bytes)
    }

    pub(super) fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        records::encode(self)
    }

    pub(super) fn is_of(&self, key: &api_key::ApiKey) -> bool {
        self.hash.expose().try_into().is_ok_and(|hash| key.is(hash))
    }

    pub(super) fn expires(&self) -> Option<UnixTime> {
        self.expires.map(UnixTime::from_millis)
    }

    /// Whether it is worth a write that it is used now.
    pub(super) fn is_use_news(&self, now: UnixTime) -> bool {
        let used = self.used.map(UnixTime::from_millis);
        used.is_none_or(|used| used.after(limits::API_KEY_USED) <= now)
    }

    pub(super) fn used_at(self, now: UnixTime) -> Self {
        Self { used: Some(now.as_millis()), ..self }
    }

    /// What is not secret of it.
    pub(super) fn shown(&self, id: &str) -> ApiKey {
        let Self { hash: _, kind, owner, label, scopes, created, expires, used } = self;
        ApiKey {
            id: id.into(),
            owner: match kind {
                Kind::User => Owner::User(owner.clone()),
                Kind::Machine => Owner::Machine(owner.clone()),
            },
            label: label.clone(),
            scopes: scopes.clone(),
            created: *created,
            expires: expires.map(UnixTime::from_millis),
            used: used.map(UnixTime::from_millis),
        }
    }
}
