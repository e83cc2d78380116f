//! Passkeys of users: who may register one, and what ends with one.

use std::time::Duration;

use vestibule_core::{
    authn::{Judge, Mechanism, Principal},
    rejection::Rejection,
    time::UnixTime,
};
use vestibule_verify::Refused;

use super::{Identities, ending::because};
use crate::{
    revocation::{Named, NewRevocation, RevocationError},
    sessions,
    webauthn::{Begun, Passkey, PasskeyError},
};

impl Identities {
    /// Begins to register a passkey with a user who has signed in.
    ///
    /// A passkey stays when the login is over. So it is for those who logged in, and not for what an
    /// API key, another key or a ticket stands for: whoever removes that knows nothing of passkeys.
    pub async fn begin_passkey(
        &self,
        principal: &Principal,
        now: UnixTime,
    ) -> Result<Begun, PasskeyError> {
        let user = self.signed_in(principal, now).await?;
        self.passkeys.begin(&user.subject, now).await
    }

    /// Registers what an authenticator made for the user, who calls it `called`.
    pub async fn finish_passkey(
        &self,
        principal: &Principal,
        (called, response): (Option<&str>, &[u8]),
        now: UnixTime,
    ) -> Result<Passkey, PasskeyError> {
        let user = self.signed_in(principal, now).await?;
        self.passkeys.finish(&user.subject, called, response, now).await
    }

    /// The passkeys of a user who has signed in.
    pub async fn own_passkeys(
        &self,
        principal: &Principal,
        now: UnixTime,
    ) -> Result<Vec<Passkey>, PasskeyError> {
        let user = self.signed_in(principal, now).await?;
        Ok(self.passkeys.list_of(&user.subject, now).await?)
    }

    /// Removes a passkey of a user who has signed in; what it was, if it is theirs.
    pub async fn remove_own_passkey(
        &self,
        principal: &Principal,
        id: &str,
        now: UnixTime,
    ) -> Result<Option<Passkey>, PasskeyError> {
        let user = self.signed_in(principal, now).await?;
        let passkey = self.passkeys.get(id, now).await?;
        let Some(passkey) = passkey.filter(|passkey| passkey.user == user.subject) else {
            return Ok(None);
        };
        self.end_passkey(&passkey, &user.subject, now).await?;
        Ok(Some(passkey))
    }

    /// Removes a passkey, and revokes what came by it; what it was, if there was one.
    pub async fn remove_passkey(
        &self,
        id: &str,
        by: &str,
        now: UnixTime,
    ) -> Result<Option<Passkey>, RevocationError> {
        let Some(passkey) = self.passkeys.get(id, now).await? else { return Ok(None) };
        self.end_passkey(&passkey, by, now).await?;
        Ok(Some(passkey))
    }

    /// It is revoked first: a registration has a name of its own, so that nothing can come by it any
    /// more.
    async fn end_passkey(
        &self,
        passkey: &Passkey,
        by: &str,
        now: UnixTime,
    ) -> Result<(), RevocationError> {
        let issuer = Box::from(&*self.tokens.policy().issuer);
        let named = Named::Token { issuer, id: passkey.token.clone() };
        let new = because(named, by, "the passkey was removed");
        self.revoke(NewRevocation { until: Some(now.after(self.lives.token)), ..new }, now).await?;
        Ok(self.passkeys.remove(passkey, now).await?)
    }

    /// The user, with what they may do now, if they logged in themselves.
    async fn signed_in(&self, principal: &Principal, now: UnixTime) -> Result<Principal, Refused> {
        let mut user = principal.clone();
        let is_login = match (principal.mechanism.judge(), principal.mechanism) {
            (Judge::Issuer, _) => {
                // A token has whole seconds, rounded down: in its second the user may have been added.
                user.issued = user.issued.map(|issued| issued.after(Duration::from_millis(999)));
                true
            }
            // One that began with a credential of its own has its name.
            (Judge::Store, Mechanism::Session) => principal.token_id.is_none(),
            (Judge::Store | Judge::Transport, _) => false,
        };
        let is_ours = principal.issuer == self.tokens.policy().issuer
            && principal.session.as_deref().is_some_and(sessions::is_ours);
        if !is_login || !is_ours {
            let reason = "passkeys are managed by users who have logged in";
            return Err(Refused::new(Rejection::MechanismNotAllowed, reason));
        }
        self.as_of_now(user, now).await
    }
}
