//! `POST /auth/logout`: ends a login, or what a token stands for, with all that came of it, on every
//! connection.

use serde::Deserialize;
use vestibule_core::authn::Principal;

use super::{Answer, Visit, answer::Problem, body::Hidden, cookie, refresh};
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
    let verified = visit.known_anywhere(&[LOGIN_COOKIE]).await?;
    Ok(verified.principal().as_ref().clone())
}
