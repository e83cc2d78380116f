//! Passkeys of users: list, remove. Nobody but their users can register any.

use serde_json::json;
use vestibule_authority::webauthn::Passkey;
use vestibule_core::time::UnixTime;

use super::{
    accounts::{Accounts, BY},
    call::{Asked, Done},
    connections::limit,
    model,
    problem::Problem,
    revocations,
};
use crate::limits;

impl Accounts<'_> {
    pub(super) async fn list_passkeys(&self, asked: &Asked) -> Result<Done, Problem> {
        let limit = limit(asked, limits::ACCOUNTS_LISTED)?;
        let passkeys = &self.identities.passkeys;
        let found =
            passkeys.list(asked.parameter("after"), limit.saturating_add(1), self.now).await;
        let mut found = found.map_err(|error| Problem::unavailable(error.to_string()))?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().map(|passkey| passkey.id.clone()).filter(|_| more);
        let passkeys = found.iter().map(shown).collect();
        Done::with(&model::Passkeys { passkeys, next }, json!({}))
    }

    pub(super) async fn remove_passkey(&self, asked: &Asked) -> Result<Done, Problem> {
        let removed = self.identities.remove_passkey(asked.argument(), BY, self.now).await;
        match removed.map_err(revocations::refused)? {
            Some(removed) => Ok(Done { body: None, details: json!(shown(&removed)) }),
            None => Err(Problem::not_found("there is no such passkey")),
        }
    }
}

fn shown(passkey: &Passkey) -> model::Passkey {
    let Passkey { id, token, user, name, backup, added, used } = passkey;
    model::Passkey {
        id: id.clone(),
        user: user.clone(),
        name: name.clone(),
        token: token.clone(),
        backup_eligible: backup.is_possible(),
        backed_up: backup.is_done(),
        added: added.as_secs(),
        used: used.map(UnixTime::as_secs),
    }
}
