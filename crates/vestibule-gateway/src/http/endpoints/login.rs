//! `POST /auth/login`: a user signs in by a password.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use vestibule_authority::{
    identities::LoggedIn, sessions::Cookie, tokens::AccessToken, users::LoginError,
};
use vestibule_core::{authn::Secret, rejection::Rejection};

use super::{Answer, Visit, answer::Problem, body::Hidden, cookie, cors, credential::listing};

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
    if cookie {
        cors::judge(listing(visit.routes()), visit.head, visit.forwarded)?;
    } else {
        cors::judge(visit.routes(), visit.head, visit.forwarded)?;
    }
    let now = visit.now();
    let kind = if cookie { Cookie::Wanted } else { Cookie::None };
    let who = (username.as_str(), &password.0);
    let login = identities.log_in(who, visit.client, kind, now.wall).await;
    let LoggedIn { login, access } = login.map_err(refused)?;
    match login.cookie {
        Some(session) => {
            let span = now.wall.until(login.expires);
            Ok(tokens(&access, None).with("Set-Cookie", cookie::set(&session, span)))
        }
        None => Ok(tokens(&access, Some(&login.refresh))),
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
