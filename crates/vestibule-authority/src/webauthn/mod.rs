//! Passkeys of users (Web Authentication Level 3): an authenticator signs a challenge for this
//! installation's own pages, and for nobody else's.
//!
//! A user who is signed in registers one ([`Passkeys::begin`], [`Passkeys::finish`]). Whoever has one is
//! challenged on a connection, with or without saying who they are, and the authenticator says whose the
//! passkey is.
//!
//! What a stranger learns by asking is nothing: the options are the same for everybody. They never list
//! passkeys (`allowCredentials`), which would tell who has any, how many, and by which names they can be
//! followed about (sections 14.6.2 and 14.6.3); a false list for those who have none would have to be
//! kept up for ever to be believed. The price is that an authenticator must find the passkey by itself,
//! so that only those that can (`residentKey`) are registered. A name that was given is a condition
//! then: the passkey must be that user's. Nothing is looked up before the response.
//!
//! A passkey counts while its user may come in, for what the user may do. It does not count for another
//! user who later gets the name. An authenticator whose count of signatures goes back is refused: it
//! may have been copied (section 6.1.1). Principals carry a name of the registration as token id, by
//! which a passkey that was removed is revoked wherever it is in use. Whoever removes one must do that,
//! too.

mod assertion;
mod model;
mod options;
mod record;
mod registration;

use std::{sync::Arc, time::Duration};

use vestibule_core::{rejection::Rejection, time::UnixTime};
use vestibule_verify::{
    Refused,
    webauthn::{RelyingParty, UserVerification},
};

pub(crate) use self::assertion::Pending;
pub use self::model::{Begun, Passkey, PasskeyError, PasskeyPolicy, Verification};
use self::record::{Owner, Record};
use crate::{
    api_keys::Holders,
    limits, opaque,
    store::{Action, Change, Committed, Entry, Expect, Listed, Page, Store, StoreError, Table},
};

/// Keeps passkeys, asks for signatures, and checks them.
#[derive(Debug)]
pub struct Passkeys {
    store: Arc<dyn Store>,
    holders: Arc<dyn Holders>,
    issuer: Arc<str>,
    lifetime: Duration,
    party: Option<Party>,
}

#[derive(Debug)]
struct Party {
    policy: PasskeyPolicy,
    relying: RelyingParty,
}

impl Passkeys {
    /// Those in this store; `issuer` is the gateway's own. What came by one is over after `lifetime`.
    /// Without a policy nobody can register or use one.
    pub fn new(
        store: Arc<dyn Store>,
        holders: Arc<dyn Holders>,
        (issuer, lifetime): (Arc<str>, Duration),
        policy: Option<PasskeyPolicy>,
    ) -> Self {
        Self { store, holders, issuer, lifetime, party: policy.map(Party::new) }
    }

    /// In the order of their ids, after one of them, at most [`limits::LISTED`].
    pub async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
        now: UnixTime,
    ) -> Result<Vec<Passkey>, StoreError> {
        let page = Page { prefix: "", after, limit: limit.min(limits::LISTED) };
        let listed = self.store.list(Table::Passkeys, page, now).await?;
        let shown =
            |listed: &Listed| Ok(Record::from_bytes(&listed.entry.value)?.shown(&listed.key));
        listed.iter().map(shown).collect()
    }

    /// Those of a user, in the order in which they were registered.
    pub async fn list_of(&self, user: &str, now: UnixTime) -> Result<Vec<Passkey>, StoreError> {
        let mut found = Vec::new();
        let Some((owner, _)) = self.owner(user, now).await? else { return Ok(found) };
        for credential in &owner.credentials {
            let id = record::id(credential)?;
            if let Some((record, _)) = self.read(&id, now).await? {
                found.push(record.shown(&id));
            }
        }
        Ok(found)
    }

    /// One of them.
    pub async fn get(&self, id: &str, now: UnixTime) -> Result<Option<Passkey>, StoreError> {
        Ok(self.read(id, now).await?.map(|(record, _)| record.shown(id)))
    }

    /// Removes one, unless it is by now another registration. From now on nobody gets in by it; who is
    /// in by it is cut off only by a revocation of [`Named::Token`](crate::revocation::Named::Token)
    /// with its [`Passkey::token`].
    pub async fn remove(&self, passkey: &Passkey, now: UnixTime) -> Result<(), StoreError> {
        for _ in 0..limits::CONFLICTS {
            let read = self.read(&passkey.id, now).await?;
            let Some((record, version)) = read.filter(|(record, _)| record.is_of(&passkey.token))
            else {
                return Ok(());
            };
            let mut changes = vec![Change {
                table: Table::Passkeys,
                key: passkey.id.clone(),
                expect: Expect::Version(version),
                action: Action::Remove,
            }];
            if let Some((owner, version)) = self.owner(record.user(), now).await? {
                let left = owner.without(record.credential_id());
                changes.push(left.written(record.user(), Expect::Version(version))?);
            }
            match self.store.commit(changes, now).await? {
                Committed::Done => return Ok(()),
                // It was just used, or another one of the user was registered.
                Committed::Conflict => {}
            }
        }
        Err(StoreError("a passkey is used all the time, and could not be removed".into()))
    }

    /// Removes all of a user.
    pub async fn remove_of(&self, user: &str, now: UnixTime) -> Result<(), StoreError> {
        for _ in 0..limits::CONFLICTS {
            for passkey in self.list_of(user, now).await? {
                self.remove(&passkey, now).await?;
            }
            let Some((owner, version)) = self.owner(user, now).await? else { return Ok(()) };
            // One was registered meanwhile.
            if !owner.credentials.is_empty() {
                continue;
            }
            let change = Change {
                table: Table::PasskeysByUser,
                key: user.into(),
                expect: Expect::Version(version),
                action: Action::Remove,
            };
            match self.store.commit(vec![change], now).await? {
                Committed::Done => return Ok(()),
                Committed::Conflict => {}
            }
        }
        Err(StoreError("the passkeys of a user are changed all the time".into()))
    }

    fn party(&self) -> Result<&Party, Refused> {
        let off = || Refused::new(Rejection::MechanismNotAllowed, "passkeys are not turned on");
        self.party.as_ref().ok_or_else(off)
    }

    async fn read(&self, id: &str, now: UnixTime) -> Result<Option<(Record, u64)>, StoreError> {
        // What cannot be an id is no key of a record either: it may be of any length.
        if opaque::decode::<32>(id.as_bytes()).is_none() {
            return Ok(None);
        }
        let entry = self.store.read(Table::Passkeys, id, now).await?;
        let record = |entry: Entry| Ok((Record::from_bytes(&entry.value)?, entry.version));
        entry.map(record).transpose()
    }

    async fn owner(&self, user: &str, now: UnixTime) -> Result<Option<(Owner, u64)>, StoreError> {
        let entry = self.store.read(Table::PasskeysByUser, user, now).await?;
        let owner = |entry: Entry| Ok((Owner::from_bytes(&entry.value)?, entry.version));
        entry.map(owner).transpose()
    }
}

impl Party {
    fn new(policy: PasskeyPolicy) -> Self {
        let origins = policy.origins.iter().map(AsRef::as_ref);
        let relying = RelyingParty::new(&policy.id, origins);
        let relying = relying.with_verification(match policy.verification {
            Verification::Required => UserVerification::Required,
            Verification::Preferred | Verification::Discouraged => UserVerification::Optional,
        });
        Self { policy, relying }
    }
}

#[cfg(test)]
mod tests;
