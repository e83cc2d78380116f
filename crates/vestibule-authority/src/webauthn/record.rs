//! A passkey as it is kept, and what is kept of its user.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use vestibule_core::time::UnixTime;
use vestibule_verify::webauthn::{Authenticated, Backup, Credential, CredentialKey};

use super::Passkey;
use crate::{
    limits, opaque,
    records::{self, date},
    store::{Action, Change, Expect, StoreError, Table},
};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// What this registration is called in principals: whoever registers a passkey that was removed
    /// does not want it to stay revoked.
    token: Box<str>,
    user: Box<str>,
    #[serde(default)]
    name: Option<Box<str>>,
    /// What the authenticator calls it, in base64url.
    credential: Box<str>,
    /// The COSE key, in base64url.
    key: Box<str>,
    sign_count: u32,
    backup: KeptBackup,
    /// What the authenticator calls the user, in base64url.
    handle: Box<str>,
    #[serde(with = "date")]
    added: UnixTime,
    /// Milliseconds since 1970.
    #[serde(default)]
    used: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KeptBackup {
    OneDevice,
    Possible,
    Done,
}

impl From<Backup> for KeptBackup {
    fn from(backup: Backup) -> Self {
        match backup {
            Backup::OneDevice => Self::OneDevice,
            Backup::Possible => Self::Possible,
            Backup::Done => Self::Done,
        }
    }
}

impl From<KeptBackup> for Backup {
    fn from(kept: KeptBackup) -> Self {
        match kept {
            KeptBackup::OneDevice => Self::OneDevice,
            KeptBackup::Possible => Self::Possible,
            KeptBackup::Done => Self::Done,
        }
    }
}

impl Record {
    pub(super) fn new(
        user: &str,
        name: Option<&str>,
        made: &Credential,
        now: UnixTime,
    ) -> Result<Self, StoreError> {
        let Credential { id, key, sign_count, backup, user_handle } = made;
        let token = opaque::random::<{ opaque::ID_BYTES }>()?;
        Ok(Self {
            token: opaque::encode(token.as_slice()).into(),
            user: user.into(),
            name: name.map(Into::into),
            credential: opaque::encode(id).into(),
            key: opaque::encode(key.as_cose()).into(),
            sign_count: *sign_count,
            backup: (*backup).into(),
            handle: opaque::encode(user_handle).into(),
            added: now,
            used: None,
        })
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        records::decode("a passkey", bytes)
    }

    pub(super) fn put(&self) -> Result<Action, StoreError> {
        Ok(Action::Put(records::encode(self)?, None))
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn is_of(&self, token: &str) -> bool {
        *self.token == *token
    }

    pub(super) fn user(&self) -> &str {
        &self.user
    }

    pub(super) fn added(&self) -> UnixTime {
        self.added
    }

    /// What the authenticator calls it, in base64url.
    pub(super) fn credential_id(&self) -> &str {
        &self.credential
    }

    pub(super) fn credential(&self) -> Result<Credential, StoreError> {
        let key = CredentialKey::from_cose(&bytes(&self.key)?);
        let key = key.map_err(|fault| broken(&fault.to_string()))?;
        Ok(Credential {
            id: bytes(&self.credential)?.into(),
            key,
            sign_count: self.sign_count,
            backup: self.backup.into(),
            user_handle: bytes(&self.handle)?.into(),
        })
    }

    /// Whether that use is one that can come after what is kept. Both counts are zero where the
    /// authenticator does not count.
    pub(super) fn counts_up_to(&self, used: Authenticated) -> bool {
        (used.sign_count(), self.sign_count) == (0, 0) || used.sign_count() > self.sign_count
    }

    /// Whether it is worth a write that it is used now: always, where there is a count to be kept.
    pub(super) fn is_use_news(&self, used: Authenticated, now: UnixTime) -> bool {
        let last = self.used.map(UnixTime::from_millis);
        used.sign_count() != self.sign_count
            || KeptBackup::from(used.backup()) != self.backup
            || last.is_none_or(|last| last.after(limits::PASSKEY_USED) <= now)
    }

    pub(super) fn used_by(self, used: Authenticated, now: UnixTime) -> Self {
        Self {
            sign_count: used.sign_count(),
            backup: used.backup().into(),
            used: Some(now.as_millis()),
            ..self
        }
    }

    pub(super) fn shown(&self, id: &str) -> Passkey {
        Passkey {
            id: id.into(),
            token: self.token.clone(),
            user: self.user.clone(),
            name: self.name.clone(),
            backup: self.backup.into(),
            added: self.added,
            used: self.used.map(UnixTime::from_millis),
        }
    }
}

/// What is kept of a user who has passkeys, or was about to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Owner {
    /// Since when there is this user: another one of the name begins anew.
    #[serde(with = "date")]
    pub(super) since: UnixTime,
    /// What authenticators call the user, in base64url: random, so that nobody is named by it.
    pub(super) handle: Box<str>,
    /// What authenticators call the passkeys, in base64url, in the order of registration.
    pub(super) credentials: Vec<Box<str>>,
}

impl Owner {
    pub(super) fn new(since: UnixTime) -> Result<Self, StoreError> {
        let handle = opaque::random::<{ opaque::SECRET_BYTES }>()?;
        let handle = opaque::encode(handle.as_slice()).into();
        Ok(Self { since, handle, credentials: Vec::new() })
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        records::decode("the passkeys of a user", bytes)
    }

    pub(super) fn with(mut self, credential: &str) -> Self {
        self.credentials.push(credential.into());
        self
    }

    pub(super) fn without(mut self, credential: &str) -> Self {
        self.credentials.retain(|other| **other != *credential);
        self
    }

    pub(super) fn handle_bytes(&self) -> Result<Vec<u8>, StoreError> {
        bytes(&self.handle)
    }

    pub(super) fn written(&self, user: &str, expect: Expect) -> Result<Change, StoreError> {
        let action = Action::Put(records::encode(self)?, None);
        Ok(Change { table: Table::PasskeysByUser, key: user.into(), expect, action })
    }
}

/// What an authenticator calls a passkey, as a key of a record and a segment of a path.
pub(super) fn id_of(credential: &[u8]) -> Box<str> {
    opaque::encode(&opaque::digest(&[b"passkey", credential])).into()
}

/// The same, from base64url.
pub(super) fn id(credential: &str) -> Result<Box<str>, StoreError> {
    Ok(id_of(&bytes(credential)?))
}

fn bytes(text: &str) -> Result<Vec<u8>, StoreError> {
    BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| broken("not base64url"))
}

fn broken(fault: &str) -> StoreError {
    StoreError(format!("a passkey cannot be read: {fault}").into())
}
