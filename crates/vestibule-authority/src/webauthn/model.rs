//! Passkeys as others see them.

use std::time::Duration;

use serde_json::{Map, Value};
use vestibule_core::{rejection::Rejection, time::UnixTime};
use vestibule_verify::{Refused, webauthn::Backup};

use crate::{limits, revocation::RevocationError, store::StoreError};

/// What this installation is to authenticators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyPolicy {
    /// The domain that passkeys are for (`rp.id`): every origin is it, or below it. Another one later
    /// makes all passkeys useless.
    pub id: Box<str>,
    /// What people see it called.
    pub name: Box<str>,
    /// The pages that may use passkeys, as browsers write their origins.
    pub origins: Box<[Box<str>]>,
    /// Whether the authenticator must know its user.
    pub verification: Verification,
}

/// Whether an authenticator must know its user, by a PIN or a finger, beyond being touched
/// (section 5.8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// It must: a passkey that was found or stolen is worth nothing.
    Required,
    /// It is asked to, and comes in without.
    Preferred,
    /// It is asked not to.
    Discouraged,
}

/// A registered passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkey {
    /// Its name: a hash of what its authenticator calls it, which can stand in a path.
    pub id: Box<str>,
    /// What principals that came by it have as token id: of this registration alone.
    pub token: Box<str>,
    /// Whose it is.
    pub user: Box<str>,
    /// What its user calls it.
    pub name: Option<Box<str>>,
    /// Whether there can be, or is, a copy of it with its provider.
    pub backup: Backup,
    /// When it was registered.
    pub added: UnixTime,
    /// When it was last used, give or take [`limits::PASSKEY_USED`].
    pub used: Option<UnixTime>,
}

/// Why a passkey was not registered.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PasskeyError {
    /// The installation has no name towards authenticators.
    #[error("passkeys are not turned on")]
    Off,
    /// Who asks may not come in, or not by what was presented.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// What the authenticator made is not good.
    #[error("the authenticator's answer: {0}")]
    Answer(#[source] Refused),
    /// The challenge is over, was answered before, or was somebody else's.
    #[error("there is no such challenge, or it was answered before")]
    NoChallenge,
    /// The name is longer than a name, or cannot be seen.
    #[error(
        "a name has at most {} characters, all of which can be seen",
        limits::PASSKEY_NAME_CHARS
    )]
    BadName,
    /// It is registered, with this user or another.
    #[error("the passkey is registered already")]
    Exists,
    /// The user has as many as there may be.
    #[error("there are {} passkeys, and there can be no more", limits::PASSKEYS_EACH)]
    TooMany,
    /// There is no such user, or they may not come in.
    #[error("there is no such user, or they are disabled")]
    NoSuchUser,
    /// Too many registrations have begun and not come to an end.
    #[error("too many registrations have begun")]
    Busy(Rejection),
    /// What came by it was not revoked.
    #[error(transparent)]
    Revocation(#[from] RevocationError),
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A registration that has begun.
#[derive(Clone, Debug)]
pub struct Begun {
    /// What a browser is asked (`PublicKeyCredentialCreationOptionsJSON`).
    pub options: Map<String, Value>,
    /// How long the answer counts.
    pub expires_in: Duration,
}
