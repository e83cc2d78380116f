//! How a user who is signed in gets a passkey (Web Authentication section 7.1).

use serde::{Deserialize, Serialize};
use vestibule_core::{rejection::Rejection, time::UnixTime};
use vestibule_verify::webauthn::{Challenge, Credential, Registration};

use super::{
    Begun, Party, Passkey, PasskeyError, Passkeys,
    options::{self, Maker},
    record::{self, Owner, Record},
};
use crate::{
    limits, opaque,
    records::{self, date},
    store::{
        Change, Committed, Digest, Expect, Fleeting, Kept, Room, Space, StoreError, Table, Taken,
    },
};

/// A registration that waits for the authenticator.
#[derive(Serialize, Deserialize)]
struct Waiting {
    user: Box<str>,
    #[serde(with = "date")]
    since: UnixTime,
}

impl Passkeys {
    /// Begins to register one with a user, who must be signed in. The challenge is kept in the store,
    /// for [`limits::PASSKEY_REGISTRATION`]: another node may get the answer.
    pub async fn begin(&self, user: &str, now: UnixTime) -> Result<Begun, PasskeyError> {
        let Party { policy, .. } = self.party.as_ref().ok_or(PasskeyError::Off)?;
        let holder = self.holders.holder(user, now).await?.ok_or(PasskeyError::NoSuchUser)?;
        let owner = self.known(user, holder.since, now).await?;
        if owner.credentials.len() >= limits::PASSKEYS_EACH {
            return Err(PasskeyError::TooMany);
        }
        let random = opaque::random::<32>()?;
        let waiting = Waiting { user: user.into(), since: holder.since };
        let thing = Fleeting {
            space: Space::Challenge,
            name: name(random.as_slice()),
            owner: opaque::digest(&[b"passkey of", user.as_bytes()]),
            value: records::encode(&waiting)?,
            until: now.after(limits::PASSKEY_REGISTRATION),
            room: Room {
                each: limits::PASSKEY_REGISTRATIONS_EACH,
                all: limits::PASSKEY_REGISTRATIONS,
            },
        };
        match self.store.keep(thing, now).await? {
            Kept::Done => {}
            Kept::OwnerFull => return Err(PasskeyError::Busy(Rejection::TooManyAttempts)),
            Kept::Full => return Err(PasskeyError::Busy(Rejection::Unavailable)),
            // 256 random bits do not repeat: the store, or the system's randomness, is broken.
            Kept::Taken => return Err(StoreError("a new challenge is not new".into()).into()),
        }
        let maker = Maker {
            user,
            name: holder.name.as_deref(),
            handle: &owner.handle,
            has: &owner.credentials,
        };
        let (challenge, expires_in) = (Challenge::new(*random), limits::PASSKEY_REGISTRATION);
        Ok(Begun { options: options::creation(policy, &maker, &challenge, expires_in), expires_in })
    }

    /// Registers what an authenticator made for the user, who calls it `called`. The challenge is spent,
    /// whatever comes of it.
    pub async fn finish(
        &self,
        user: &str,
        called: Option<&str>,
        response: &[u8],
        now: UnixTime,
    ) -> Result<Passkey, PasskeyError> {
        let Party { relying, .. } = self.party.as_ref().ok_or(PasskeyError::Off)?;
        if called.is_some_and(|called| !is_name(called)) {
            return Err(PasskeyError::BadName);
        }
        let response = Registration::parse(response).map_err(PasskeyError::Answer)?;
        let random = response.challenge().map_err(PasskeyError::Answer)?;
        let random = random.ok_or(PasskeyError::NoChallenge)?;
        let taken = self.store.take(Space::Challenge, name(&random), now).await?;
        let Taken::Value(waiting) = taken else { return Err(PasskeyError::NoChallenge) };
        let waiting: Waiting = records::decode("a registration", &waiting)?;
        let holder = self.holders.holder(user, now).await?.ok_or(PasskeyError::NoSuchUser)?;
        if (&*waiting.user, waiting.since) != (user, holder.since) {
            return Err(PasskeyError::NoChallenge);
        }
        let owner = self.known(user, holder.since, now).await?;
        let handle = owner.handle_bytes()?;
        let made = relying.register(Challenge::new(random), &response, &handle);
        let made = made.map_err(PasskeyError::Answer)?;
        self.add(user, called, &made, now).await
    }

    async fn add(
        &self,
        user: &str,
        called: Option<&str>,
        made: &Credential,
        now: UnixTime,
    ) -> Result<Passkey, PasskeyError> {
        let record = Record::new(user, called, made, now)?;
        let id = record::id_of(&made.id);
        for _ in 0..limits::CONFLICTS {
            let Some((owner, version)) = self.owner(user, now).await? else {
                // The user was removed meanwhile.
                return Err(PasskeyError::NoSuchUser);
            };
            if owner.credentials.len() >= limits::PASSKEYS_EACH {
                return Err(PasskeyError::TooMany);
            }
            if self.read(&id, now).await?.is_some() {
                return Err(PasskeyError::Exists);
            }
            let owner = owner.with(record.credential_id());
            let changes = vec![
                Change {
                    table: Table::Passkeys,
                    key: id.clone(),
                    expect: Expect::Absent,
                    action: record.put()?,
                },
                owner.written(user, Expect::Version(version))?,
            ];
            match self.store.commit(changes, now).await? {
                Committed::Done => return Ok(record.shown(&id)),
                Committed::Conflict => {}
            }
        }
        Err(StoreError("the passkeys of a user are changed all the time".into()).into())
    }

    /// What is kept of a user, made where there is nothing yet, or where it is of an earlier user of the
    /// name: whose passkeys are refused, and are not this one's to be counted.
    async fn known(&self, user: &str, since: UnixTime, now: UnixTime) -> Result<Owner, StoreError> {
        for _ in 0..limits::CONFLICTS {
            let read = self.owner(user, now).await?;
            let expect = match read {
                Some((owner, _)) if owner.since == since => return Ok(owner),
                Some((_, version)) => Expect::Version(version),
                None => Expect::Absent,
            };
            let owner = Owner::new(since)?;
            match self.store.commit(vec![owner.written(user, expect)?], now).await? {
                Committed::Done => return Ok(owner),
                Committed::Conflict => {}
            }
        }
        Err(StoreError("the passkeys of a user are changed all the time".into()))
    }
}

fn is_name(called: &str) -> bool {
    let length = called.chars().take(limits::PASSKEY_NAME_CHARS + 1).count();
    (1..=limits::PASSKEY_NAME_CHARS).contains(&length) && !called.chars().any(char::is_control)
}

/// Under which a challenge is kept: whoever reads the store cannot answer it.
fn name(challenge: &[u8]) -> Digest {
    opaque::digest(&[b"passkey", challenge])
}
