//! Session tokens: what a client comes back with, and what a cookie holds.

use std::sync::Arc;

use vestibule_core::{
    authn::{Mechanism, Principal, Secret, Verified},
    rejection::Rejection,
    time::UnixTime,
};
use vestibule_verify::Refused;

use super::{
    Granted, Sessions, new_id,
    record::{self, Kind, Record},
};
use crate::{
    door::Door,
    opaque,
    records::{Bytes32, KeptPrincipal},
    store::{Committed, StoreError},
};

const PREFIX: &str = "vss_";
const BYTES: usize = opaque::ID_BYTES + opaque::SECRET_BYTES;

/// A session whose token was presented.
struct Found {
    id: [u8; opaque::ID_BYTES],
    session: Box<str>,
    record: Record,
    version: u64,
    /// Its own end, or that of its root.
    ends: UnixTime,
}

impl Sessions {
    /// Makes a resume token for a principal that was admitted to a route. It keeps what the
    /// credential said, its name and its date of issue among it, so that whatever revokes the
    /// credential revokes it too; it lasts for its own time, not the credential's.
    pub async fn grant(
        &self,
        principal: &Principal,
        route: &str,
        now: UnixTime,
    ) -> Result<Granted, StoreError> {
        let (id, own) = new_id()?;
        let root = principal.session.clone().unwrap_or_else(|| own.clone());
        let expires = now.after(self.policy.resume_lifetime);
        let kept = Principal { session: Some(root.clone()), expires, ..principal.clone() };
        let (hash, token) = token(&id)?;
        let record = Record {
            principal: KeptPrincipal::of(&kept),
            kind: Kind::Resume,
            root: root.clone(),
            route: Some(route.into()),
            token: Some(hash),
            family: None,
            created: now,
            ends: expires,
        };
        self.add(&own, &record, now).await?;
        Ok(Granted { session: root, token, expires })
    }

    /// Whose a session token is: as the principal was when it was made, of the root, until the end of
    /// the token. Does not ask about revocations.
    ///
    /// A wrong yes lets a stranger in; a wrong no sends somebody back to the first credential.
    pub async fn check(
        &self,
        presented: &Secret,
        door: &Door<'_>,
        now: UnixTime,
    ) -> Result<Verified, Refused> {
        let found = self.find(presented, door, now).await?;
        Ok(found.verified())
    }

    /// Like [`Sessions::check`], and replaces the token: the one presented is good no more, not even
    /// if the answer is lost on its way. Neither its end nor its root changes. Of two who present it
    /// at the same time one is refused.
    pub async fn rotate(
        &self,
        presented: &Secret,
        door: &Door<'_>,
        now: UnixTime,
    ) -> Result<(Verified, Granted), Refused> {
        let mut found = self.find(presented, door, now).await?;
        let (hash, token) = token(&found.id).map_err(|error| unavailable(&error))?;
        found.record.token = Some(hash);
        let changed = self.replace(&found.session, (&found.record, found.version), now).await;
        match changed.map_err(|error| unavailable(&error))? {
            Committed::Done => {}
            Committed::Conflict => return Err(unknown("the session token was just replaced")),
        }
        let session = found.record.root.clone();
        let granted = Granted { session, token, expires: found.ends };
        Ok((found.verified(), granted))
    }

    async fn find(
        &self,
        presented: &Secret,
        door: &Door<'_>,
        now: UnixTime,
    ) -> Result<Found, Refused> {
        let bytes = opaque::bytes_of::<BYTES>(PREFIX, presented)
            .ok_or_else(|| unknown("not of the form of a session token"))?;
        let (id, secret) = bytes.split_first_chunk().ok_or_else(|| unknown("too short"))?;
        let session = record::name(id);
        let read = self.read(&session, now).await.map_err(|error| unavailable(&error))?;
        let (record, version) = read.ok_or_else(|| unknown("no such session, or it is over"))?;
        let wanted = record.token.as_ref().ok_or_else(|| unknown("the session has no token"))?;
        if !opaque::is_same(wanted.expose(), &hash(id, secret)) {
            return Err(unknown("not the session's token"));
        }
        if record.route.as_deref().is_some_and(|route| route != door.route) {
            return Err(unknown("the session token is another route's"));
        }
        if !door.takes(record.principal.issuer()) {
            return Err(unknown("the route does not take the issuer of the session"));
        }
        let mut ends = record.ends;
        if record.root != session && record::is_ours(&record.root) {
            let root = self.read(&record.root, now).await.map_err(|error| unavailable(&error))?;
            let (root, _) = root.ok_or_else(|| unknown("the login of the session has ended"))?;
            ends = ends.min(root.ends);
        }
        Ok(Found { id: *id, session, record, version, ends })
    }
}

impl Found {
    fn verified(self) -> Verified {
        let Self { id: _, session: _, record, version: _, ends } = self;
        let principal = record.principal.by(Mechanism::Session);
        Verified::assertion(Arc::new(Principal { expires: ends, ..principal }))
    }
}

/// A new token of that session, and what is kept of it.
pub(super) fn token(id: &[u8; opaque::ID_BYTES]) -> Result<(Bytes32, Secret), StoreError> {
    let secret = opaque::random::<{ opaque::SECRET_BYTES }>()?;
    Ok((Bytes32::new(hash(id, secret.as_slice())), opaque::token(PREFIX, &[id, secret.as_slice()])))
}

fn hash(id: &[u8], secret: &[u8]) -> [u8; 32] {
    opaque::digest(&[b"session token", id, secret])
}

fn unknown(reason: &str) -> Refused {
    Refused::new(Rejection::SessionUnknown, reason)
}

fn unavailable(error: &StoreError) -> Refused {
    Refused::new(Rejection::Unavailable, error.to_string())
}
