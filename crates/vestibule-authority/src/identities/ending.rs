//! What ends for good.

use vestibule_core::{
    authn::{Judge, Principal},
    time::UnixTime,
};

use super::Identities;
use crate::{
    api_keys::ApiKey,
    public_keys::PublicKey,
    revocation::{Named, NewRevocation, Revocation, RevocationError},
    sessions,
};

impl Identities {
    /// Revokes, and ends in the store what is named there.
    ///
    /// Where the end of what is named is told ([`NewRevocation::until`]), the revocation holds
    /// longer: sessions that were begun by a token go on when it is over. Where it is not, a session
    /// of our own is revoked for as long as what was made of it can live, since it ends first; all
    /// else until the revocation is lifted.
    pub async fn revoke(
        &self,
        new: NewRevocation,
        now: UnixTime,
    ) -> Result<Revocation, RevocationError> {
        let mut new = new;
        match &new.named {
            Named::Session(session) => {
                self.sessions.end(session, now).await?;
                if sessions::is_ours(session) {
                    new.until = new.until.or_else(|| Some(now.after(self.lives.token)));
                }
                self.revocations.revoke(new, now).await
            }
            Named::Subject { issuer, subject } => {
                let local = Box::from(&*self.tokens.policy().issuer);
                let (issuer, subject) = (issuer.clone().unwrap_or(local), subject.clone());
                // This covers every session, also one that begins meanwhile with an older
                // credential; what is in the store is only swept up.
                let made = self.revocations.revoke(new, now).await?;
                if made.issued_before >= now {
                    self.sessions.end_of_subject(&issuer, &subject, now).await?;
                }
                Ok(made)
            }
            Named::Token { .. } => {
                new.until = new.until.map(|until| until.after(self.lives.session));
                self.revocations.revoke(new, now).await
            }
            Named::Everything { .. } => self.revocations.revoke(new, now).await,
        }
    }

    /// Ends what a principal came by: its session with all that came of it, and the token of another
    /// issuer, which no session of ours ends. An API key that was used without a session stays: it
    /// is there to be used again, and who wants it gone removes it. Returns what was revoked.
    pub async fn log_out(
        &self,
        principal: &Principal,
        now: UnixTime,
    ) -> Result<Vec<Revocation>, RevocationError> {
        let is_local = *principal.issuer == *self.tokens.policy().issuer;
        let mut made = Vec::new();
        if let Some(session) = &principal.session {
            // Of a session elsewhere, other tokens are not known; they end about when this one does.
            let until = (!sessions::is_ours(session)).then_some(principal.expires);
            let named = Named::Session(session.clone());
            let new = because(named, &principal.subject, "logged out");
            made.push(self.revoke(NewRevocation { until, ..new }, now).await?);
        }
        let is_token_of_its_own = match principal.mechanism.judge() {
            Judge::Issuer => !is_local || principal.session.is_none(),
            // Of our own, it is the API key's, the public key's, or that of a password.
            Judge::Store | Judge::Transport => !is_local,
        };
        if let Some(id) = &principal.token_id
            && is_token_of_its_own
        {
            let named = Named::Token { issuer: (&*principal.issuer).into(), id: id.clone() };
            let new = because(named, &principal.subject, "logged out");
            let until = Some(principal.expires);
            made.push(self.revoke(NewRevocation { until, ..new }, now).await?);
        }
        Ok(made)
    }

    /// Removes an API key, and revokes what came by it; what it was, if there was one. If not, it is
    /// revoked all the same: it may have been removed by a process that ended before it came to that.
    pub async fn remove_api_key(
        &self,
        id: &str,
        by: &str,
        now: UnixTime,
    ) -> Result<Option<ApiKey>, RevocationError> {
        let removed = self.api_keys.remove(id, now).await?;
        let issuer = Box::from(&*self.tokens.policy().issuer);
        let named = Named::Token { issuer, id: id.into() };
        let new = because(named, by, "the API key was removed");
        self.revoke(NewRevocation { until: Some(now.after(self.lives.token)), ..new }, now).await?;
        Ok(removed)
    }
}

impl Identities {
    /// Removes a public key, and revokes what came by it; what it was, if there was one. It is revoked
    /// first: a registration has a name of its own, so that nothing can come by it any more.
    pub async fn remove_public_key(
        &self,
        id: &str,
        by: &str,
        now: UnixTime,
    ) -> Result<Option<PublicKey>, RevocationError> {
        let Some(key) = self.public_keys.get(id, now).await? else { return Ok(None) };
        let issuer = Box::from(&*self.tokens.policy().issuer);
        let named = Named::Token { issuer, id: key.token.clone() };
        let new = because(named, by, "the public key was removed");
        self.revoke(NewRevocation { until: Some(now.after(self.lives.token)), ..new }, now).await?;
        self.public_keys.remove(&key, now).await?;
        Ok(Some(key))
    }
}

pub(super) fn because(named: Named, by: &str, reason: &str) -> NewRevocation {
    NewRevocation { reason: Some(reason.into()), ..NewRevocation::of(named, by) }
}
