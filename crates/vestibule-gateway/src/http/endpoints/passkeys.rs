//! `/auth/webauthn/…`: a user who has signed in registers passkeys, sees them, and removes them.

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use vestibule_authority::webauthn::{Passkey, PasskeyError};
use vestibule_core::{authn::Verified, rejection::Rejection, time::UnixTime};

use super::{Answer, Visit, answer::Problem};
use crate::config::LOGIN_COOKIE;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    /// What the user calls it.
    name: Option<String>,
    /// What the browser made (`RegistrationResponseJSON`).
    credential: Box<RawValue>,
}

/// `POST …/register/options`: what to ask a browser for.
pub(super) async fn options(visit: &Visit<'_>) -> Result<Answer, Problem> {
    if !visit.body.is_empty() {
        let Nothing {} = visit.json()?;
    }
    let verified = who(visit).await?;
    let now = visit.now().wall;
    let begun = visit.identities()?.begin_passkey(verified.principal(), now).await;
    let begun = begun.map_err(|error| refused(visit, error))?;
    let body = json!({ "options": begun.options, "expires_in": begun.expires_in.as_secs() });
    Ok(Answer::json(200, &body))
}

/// `POST …/register`: what the browser made of it.
pub(super) async fn register(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let Made { name, credential } = visit.json()?;
    let verified = who(visit).await?;
    let made = (name.as_deref(), credential.get().as_bytes());
    let now = visit.now().wall;
    let passkey = visit.identities()?.finish_passkey(verified.principal(), made, now).await;
    let passkey = passkey.map_err(|error| refused(visit, error))?;
    Ok(Answer::json(201, &shown(&passkey)))
}

/// `GET …/credentials`: those that there are.
pub(super) async fn list(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let verified = who(visit).await?;
    let now = visit.now().wall;
    let found = visit.identities()?.own_passkeys(verified.principal(), now).await;
    let found = found.map_err(|error| refused(visit, error))?;
    let found: Vec<_> = found.iter().map(shown).collect();
    Ok(Answer::json(200, &json!({ "credentials": found })))
}

/// `DELETE …/credentials/{id}`: one less, and what came by it ends.
pub(super) async fn remove(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let verified = who(visit).await?;
    let path = visit.head.path().unwrap_or_default();
    let id = path.rsplit('/').next().unwrap_or_default();
    let now = visit.now().wall;
    let removed = visit.identities()?.remove_own_passkey(verified.principal(), id, now).await;
    match removed.map_err(|error| refused(visit, error))? {
        Some(_) => Ok(Answer::empty(204)),
        None => Err(Problem::new(404, "not_found", "there is no such passkey of this user")),
    }
}

async fn who(visit: &Visit<'_>) -> Result<Verified, Rejection> {
    visit.known_anywhere(&[LOGIN_COOKIE]).await
}

fn shown(passkey: &Passkey) -> Value {
    let Passkey { id, token: _, user: _, name, backup, added, used } = passkey;
    json!({
        "id": id,
        "name": name,
        "backup_eligible": backup.is_possible(),
        "backed_up": backup.is_done(),
        "added": added.as_secs(),
        "used": used.map(UnixTime::as_secs),
    })
}

fn refused(visit: &Visit<'_>, error: PasskeyError) -> Problem {
    let text = error.to_string();
    match error {
        PasskeyError::Refused(refused) => visit.doubted(refused).into(),
        PasskeyError::Answer(refused) => {
            visit.doubted(refused);
            Problem::request("what the authenticator made is not good here")
        }
        PasskeyError::NoChallenge | PasskeyError::BadName => Problem::request(text),
        PasskeyError::Exists | PasskeyError::TooMany => Problem::new(409, "conflict", text),
        PasskeyError::NoSuchUser => Rejection::SessionUnknown.into(),
        PasskeyError::Busy(rejection) => rejection.into(),
        PasskeyError::Off => Problem::new(404, "not_found", "there is no such endpoint"),
        PasskeyError::Revocation(error) => error.into(),
        PasskeyError::Store(error) => error.into(),
    }
}
