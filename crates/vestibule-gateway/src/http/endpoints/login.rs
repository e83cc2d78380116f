//! `POST /auth/login`: a user signs in by a password.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use vestibule_authority::{sessions::Cookie, tokens::AccessToken, users::LoginError};
use vestibule_core::{
    authn::{Principal, Secret},
    rejection::Rejection,
    time::UnixTime,
};

use super::{Answer, Visit, answer::Problem, body::Hidden, cookie, cors};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    username: String,
    password: Hidden,
    /// Whether the session is to be kept in a cookie, which script cannot read.
    #[serde(default)]
    cookie: bool,
}

/// Answers with an access token, and with what the client goes on by: a refresh token, or a cookie.
/// A client that asks for the cookie gets no refresh token: script that was smuggled into its page
/// could read it.
pub(super) async fn answer(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let identities = visit.identities()?;
    let Wanted { username, password, cookie } = visit.json()?;
    // A foreign page must not be able to sign its visitor in as somebody else.
    cors::judge(visit.routes(), visit.head, visit.forwarded)?;
    let now = visit.now();
    let login = visit.users()?.login(&username, &password.0, visit.client, now.wall).await;
    let principal = login.map_err(refused)?.principal(&visit.auth()?.issuer, now.wall);
    // What is issued now must not be covered by what was revoked a moment ago.
    let after = identities.revocations.covering(&principal);
    let after = after.map_or(now.wall, |after| UnixTime::from_millis(after.as_millis() + 1));
    let principal = Principal { issued: Some(now.wall.max(after)), ..principal };
    let kind = if cookie { Cookie::Wanted } else { Cookie::None };
    let begun = identities.sessions.begin(&principal, kind, now.wall).await?;
    let minted = identities.mint(&begun.principal, now.wall)?;
    match begun.cookie {
        Some(session) => {
            let span = now.wall.until(begun.expires);
            Ok(tokens(&minted, None).with("Set-Cookie", cookie::set(&session, span)))
        }
        None => Ok(tokens(&minted, Some(&begun.refresh))),
    }
}

/// The answer of RFC 6749 section 5.1.
pub(super) fn tokens(access: &AccessToken, refresh: Option<&Secret>) -> Answer {
    let text = |secret: &Secret| Value::from(String::from_utf8_lossy(secret.expose()));
    let mut members = Map::new();
    members.insert("access_token".to_owned(), text(&access.token));
    members.insert("token_type".to_owned(), Value::from("Bearer"));
    members.insert("expires_in".to_owned(), Value::from(access.expires_in.as_secs()));
    if let Some(refresh) = refresh {
        members.insert("refresh_token".to_owned(), text(refresh));
    }
    Answer::json(200, &Value::Object(members))
}

fn refused(error: LoginError) -> Problem {
    match error {
        LoginError::Refused(rejection) => rejection.into(),
        LoginError::Wait(span) => Problem::from(Rejection::TooManyAttempts).after(span),
        LoginError::Busy => Problem::from(Rejection::Unavailable).after(Duration::from_secs(1)),
        LoginError::Store(error) => error.into(),
    }
}
