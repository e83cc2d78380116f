//! `POST /auth/logout`: ends a login, or what a token stands for, with all that came of it, on every
//! connection.

use serde::Deserialize;
use vestibule_core::{
    authn::Principal,
    policy::{Carrier, carrier::of_request},
    rejection::Rejection,
};

use super::{Answer, Visit, answer::Problem, body::Hidden, cookie, cors, refresh};
use crate::{
    config::LOGIN_COOKIE,
    serve::{LoggedOut, log_out},
};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    refresh_token: Option<Hidden>,
}

pub(super) async fn answer(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let wanted = if visit.body.is_empty() { Wanted::default() } else { visit.json::<Wanted>()? };
    let principal = whose(visit, wanted).await?;
    match log_out(&visit.worker.shared, &principal).await? {
        LoggedOut::Everywhere => Ok(Answer::empty(204).with("Set-Cookie", cookie::clear())),
        LoggedOut::HereAlone => Err(Problem::request(
            "the token has neither a session (sid) nor a name (jti) to be ended by",
        )),
    }
}

/// Who logs out.
async fn whose(visit: &Visit<'_>, wanted: Wanted) -> Result<Principal, Problem> {
    if let Some(token) = wanted.refresh_token {
        return refresh::exchange(visit, &token.0).await.map(|continued| continued.principal);
    }
    let allowed = cors::judge(visit.routes(), visit.head, visit.forwarded)?;
    let credential = match of_request(visit.head, &[LOGIN_COOKIE])? {
        None => return Err(Rejection::CredentialRequired.into()),
        Some((Carrier::Cookie, _)) if !allowed.is_present() => {
            return Err(Rejection::OriginNotAllowed.into());
        }
        Some((_, credential)) => credential,
    };
    let verified = visit.worker.verify_anywhere(&credential, visit.client).await?;
    Ok(verified.principal().as_ref().clone())
}
