//! A public key as it is kept.

use serde::{Deserialize, Serialize};
use vestibule_core::time::UnixTime;
use vestibule_verify::public_key::AuthorizedKey;
use zeroize::Zeroizing;

use super::PublicKey;
use crate::{
    opaque,
    records::{self, date},
    store::StoreError,
};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// What this registration is called in principals: whoever registers a key that was removed does
    /// not want it to stay revoked.
    token: Box<str>,
    user: Box<str>,
    line: Box<str>,
    #[serde(with = "date")]
    added: UnixTime,
}

impl Record {
    pub(super) fn new(user: &str, key: &AuthorizedKey, now: UnixTime) -> Result<Self, StoreError> {
        let token = opaque::random::<{ opaque::ID_BYTES }>()?;
        let token = opaque::encode(token.as_slice()).into();
        Ok(Self { token, user: user.into(), line: key.to_line().into(), added: now })
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        records::decode("a public key", bytes)
    }

    pub(super) fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        records::encode(self)
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn user(&self) -> &str {
        &self.user
    }

    pub(super) fn added(&self) -> UnixTime {
        self.added
    }

    pub(super) fn key(&self) -> Result<AuthorizedKey, StoreError> {
        AuthorizedKey::from_line(&self.line)
            .map_err(|fault| StoreError(format!("a public key cannot be read: {fault}").into()))
    }

    pub(super) fn shown(&self, id: &str) -> Result<PublicKey, StoreError> {
        let key = self.key()?;
        Ok(PublicKey {
            id: id.into(),
            token: self.token.clone(),
            fingerprint: key.fingerprint().to_string().into(),
            user: self.user.clone(),
            line: self.line.clone(),
            added: self.added,
            expires: key.expires(),
        })
    }
}
