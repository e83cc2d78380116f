//! `POST /auth/refresh`: a new access token for a login that goes on; or, with the name of a
//! connection, a longer lease for it.

use serde::Deserialize;
use vestibule_authority::identities::Continued;
use vestibule_core::{
    authn::{Mechanism, Secret},
    rejection::Rejection,
};

use super::{Answer, Visit, answer::Problem, body::Hidden, cors, login};
use crate::{
    config::{LOGIN_COOKIE, Route},
    serve::connections::{ConnectionName, Renewal},
};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    refresh_token: Option<Hidden>,
    connection: Option<String>,
}

pub(super) async fn answer(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let wanted = if visit.body.is_empty() { Wanted::default() } else { visit.json::<Wanted>()? };
    match wanted {
        Wanted { refresh_token: Some(token), connection: None } => {
            let Continued { principal: _, access, refresh } = exchange(visit, &token.0).await?;
            Ok(login::tokens(&access, Some(&refresh)))
        }
        Wanted { refresh_token: None, connection: Some(name) } => lengthen(visit, &name).await,
        Wanted { refresh_token: None, connection: None } => by_cookie(visit).await,
        Wanted { refresh_token: Some(_), connection: Some(_) } => Err(Problem::request(
            "`refresh_token` gets a new access token, `connection` lengthens a lease by the \
             credential of this request: send one of them",
        )),
    }
}

/// Exchanges a refresh token (RFC 6749 section 6).
pub(super) async fn exchange(visit: &Visit<'_>, token: &Secret) -> Result<Continued, Problem> {
    // Foreign pages have no business here, whatever they hold.
    cors::judge(visit.routes(), visit.head, visit.forwarded)?;
    let refreshed = visit.identities()?.refresh(token, visit.now().wall).await;
    refreshed.map_err(|refused| {
        let rejection = visit.doubted(refused);
        if rejection == Rejection::Unavailable {
            return rejection.into();
        }
        // RFC 6749 section 5.2; nobody is told whether it was ever good.
        Problem::new(400, "invalid_grant", "the refresh token is not good; sign in again")
    })
}

/// An access token for whoever has the login cookie, or a session token in the header.
async fn by_cookie(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let Some((_, credential)) = visit.brought(visit.routes(), &[LOGIN_COOKIE])? else {
        return Err(Problem::request("send `refresh_token`, or the cookie of a login"));
    };
    if credential.mechanism != Mechanism::Session {
        return Err(Rejection::MechanismNotAllowed.into());
    }
    let verified = visit.worker.verify_anywhere(&credential, &visit.bringing()?).await?;
    let continued = visit.identities()?.continued(verified.principal(), visit.now().wall).await;
    let access = continued.map_err(|refused| visit.doubted(refused))?;
    Ok(login::tokens(&access, None))
}

/// Lengthens the lease of a connection by the credential of this request, which must be of the same
/// identity. Whoever does not have it learns nothing, not even whether the connection is there.
async fn lengthen(visit: &Visit<'_>, name: &str) -> Result<Answer, Problem> {
    let unknown = || Problem::new(404, "not_found", "there is no such connection of this identity");
    let name: ConnectionName = name.parse().map_err(|_| unknown())?;
    let connections = &visit.worker.shared.connections;
    let Some(details) = connections.show(name).await else {
        // Who has no good credential is told that first.
        visit.known_anywhere(&visit.every_cookie()).await?;
        return Err(unknown());
    };
    let renewal = match presented(visit, &details.route).await {
        Ok(renewal) => renewal,
        // What the rules of its route say would tell others that it is there.
        Err(problem) => {
            let known = visit.known_anywhere(&visit.every_cookie()).await?;
            let is_own = known.principal().is_same_identity(&details.principal);
            return Err(if is_own { problem } else { unknown() });
        }
    };
    match connections.renew(name, renewal).await {
        Some(Ok(span)) => {
            Ok(Answer::json(200, &serde_json::json!({ "expires_in": span.as_secs() })))
        }
        Some(Err(Rejection::IdentityChanged)) | None => Err(unknown()),
        Some(Err(rejection)) => Err(rejection.into()),
    }
}

/// The credential of this request, by the rules of that route.
async fn presented(visit: &Visit<'_>, route: &Route) -> Result<Renewal, Problem> {
    let credential = visit.for_route(route)?;
    if !route.policy.mechanisms.contains(&credential.mechanism) {
        return Err(Rejection::MechanismNotAllowed.into());
    }
    let worker = visit.worker;
    let verified = worker.verify(&credential, route, &visit.bringing()?).await?;
    let standing = worker.standing(&verified);
    Ok(Renewal { verified, standing })
}
