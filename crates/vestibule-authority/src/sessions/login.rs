//! Logins, and the refresh tokens that keep them going.

use aws_lc_rs::hmac;
use vestibule_core::{
    authn::{Mechanism, Principal, Secret},
    time::UnixTime,
};

use super::{
    Cookie, Login, RefreshError, Refreshed, Sessions, new_id,
    record::{self, Family, Kind, Record},
    resume,
};
use crate::{
    opaque,
    records::{Bytes32, KeptPrincipal},
    store::{Committed, StoreError},
};

/// What a refresh token begins with.
const PREFIX: &str = "vsr_";
const GENERATION_BYTES: usize = 4;
const MAC_BYTES: usize = 32;
const BYTES: usize = opaque::ID_BYTES + GENERATION_BYTES + MAC_BYTES;

impl Sessions {
    /// Begins a login for somebody who has just proven who they are.
    pub async fn begin(
        &self,
        principal: &Principal,
        cookie: Cookie,
        now: UnixTime,
    ) -> Result<Login, StoreError> {
        let (id, session) = new_id()?;
        let ends = now.after(self.policy.login_lifetime);
        let principal = Principal {
            session: Some(session.clone()),
            issued: principal.issued.or(Some(now)),
            expires: ends,
            ..principal.clone()
        };
        let family = Family { key: Bytes32::new(*opaque::random()?), generation: 0, since: now };
        let refresh = token(&id, &family);
        let (token, cookie) = match cookie {
            Cookie::Wanted => {
                let (hash, cookie) = resume::token(&id)?;
                (Some(hash), Some(cookie))
            }
            Cookie::None => (None, None),
        };
        let record = Record {
            principal: KeptPrincipal::of(&principal),
            kind: Kind::Login,
            root: session.clone(),
            route: None,
            token,
            family: Some(family),
            created: now,
            ends,
        };
        self.add(&session, &record, now).await?;
        Ok(Login { session, principal, refresh, cookie, expires: ends })
    }

    /// Exchanges a refresh token for the next one. See [the module](super) for what happens to one
    /// that was exchanged before.
    pub async fn refresh(
        &self,
        presented: &Secret,
        now: UnixTime,
    ) -> Result<Refreshed, RefreshError> {
        let bytes = opaque::bytes_of::<BYTES>(PREFIX, presented).ok_or(RefreshError::Invalid)?;
        let (id, presented, mac) = parts(&bytes).ok_or(RefreshError::Invalid)?;
        let session = record::name(id);
        let (mut record, version) = self.read(&session, now).await?.ok_or(RefreshError::Invalid)?;
        let family = record.family.as_mut().ok_or(RefreshError::Invalid)?;
        // Before anything is believed: else whoever has seen an id could end its login.
        hmac::verify(&mac_key(family), &message(id, presented), mac)
            .map_err(|_| RefreshError::Invalid)?;
        if presented < family.generation {
            let slip = family.since.after(self.policy.overlap);
            if presented.checked_add(1) == Some(family.generation) && now < slip {
                return Err(RefreshError::Overtaken);
            }
            self.end(&session, now).await?;
            return Err(RefreshError::Reused { session });
        }
        // A later one is genuine, and the store is older than it: restored from a copy, say. Which
        // tokens were exchanged since then is not known, so none is.
        if presented > family.generation {
            return Err(RefreshError::Invalid);
        }
        family.generation = family.generation.checked_add(1).ok_or(RefreshError::Invalid)?;
        family.since = now;
        let refresh = token(id, family);
        match self.replace(&session, (&record, version), now).await? {
            Committed::Done => {
                let principal = record.principal.by(Mechanism::Session);
                Ok(Refreshed { principal, refresh })
            }
            Committed::Conflict => Err(RefreshError::Overtaken),
        }
    }
}

fn token(id: &[u8; opaque::ID_BYTES], family: &Family) -> Secret {
    let mac = hmac::sign(&mac_key(family), &message(id, family.generation));
    opaque::token(PREFIX, &[id, &family.generation.to_be_bytes(), mac.as_ref()])
}

fn mac_key(family: &Family) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, family.key.expose())
}

fn message(id: &[u8; opaque::ID_BYTES], generation: u32) -> Vec<u8> {
    [b"refresh", id.as_slice(), &generation.to_be_bytes()].concat()
}

fn parts(bytes: &[u8; BYTES]) -> Option<(&[u8; opaque::ID_BYTES], u32, &[u8])> {
    let (id, rest) = bytes.split_first_chunk()?;
    let (generation, mac) = rest.split_first_chunk()?;
    Some((id, u32::from_be_bytes(*generation), mac))
}
