//! `GET /auth/verify`: whether a request that somebody else has before them is authenticated, for
//! nginx (`auth_request`), Caddy and Traefik (`forward_auth`), Envoy, HAProxy.
//!
//! The proxy passes the client's `Authorization` or `Cookie` on, and says what was asked for: in
//! `X-Forwarded-Uri` or `X-Original-Uri`, or in the query, as `?path=/chat`; and in
//! `X-Forwarded-Host` and `-Method`. What is said twice must agree. The route of that path decides. The answer is
//! 204 with the fields that tell the upstream who is there, 401, or 403.

use std::{str, sync::Arc};

use vestibule_core::{
    authn::Credential,
    handshake,
    policy::{Carrier, carrier, forwarded::Trust, route},
    rejection::Rejection,
    wire::head::RequestHead,
};

use super::{Answer, Bringing, Site, Visit, answer::Problem};
use crate::{config::Route, http::identity};

pub(super) async fn answer(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let Visit { head, forwarded, worker, .. } = visit;
    // Whoever asks is told who the client is, in fields that an upstream believes.
    let asks = forwarded.chain.last().map_or(Trust::Stranger, |peer| worker.shared.trusts(*peer));
    if asks == Trust::Stranger {
        let text = "only the proxies of `trusted_proxies` may ask here";
        return Err(Problem::new(403, "access_denied", text));
    }
    let (path, query) = asked_for(head)?;
    let routes = worker.shared.config.routes.iter().map(|route| (&route.policy, route));
    let route = Arc::clone(route::choose(routes, &forwarded.host, path)?);
    let (carrier, credential) = credential(visit, query, &route)?;
    if !route.policy.accept.contains(&carrier)
        || !route.policy.mechanisms.contains(&credential.mechanism)
    {
        return Err(Rejection::MechanismNotAllowed.into());
    }
    // The proof of a key is for what the proxy was asked, and not for what it asks.
    let site = Site { method: method(head)?, path, ..visit.site()? };
    let bringing = Bringing { site, ..visit.bringing()? };
    let verified = worker.verify(&credential, &route, &bringing).await?;
    let principal = verified.principal();
    handshake::check_demands(principal, &route.policy)?;
    let shared = &worker.shared;
    let now = shared.clock.now();
    if principal.expires <= now.wall {
        return Err(Rejection::TokenExpired.into());
    }
    let name = shared.connections.name(shared.next_id());
    let fields = identity::fields(&route, principal, name, &shared.signer, now.wall);
    let answer = Answer::empty(204);
    Ok(fields.into_iter().fold(answer, |answer, (name, value)| answer.with(name, value)))
}

/// The method that the client of the proxy used: what a handshake has, where the proxy does not say.
fn method(head: &RequestHead) -> Result<&str, Problem> {
    match (said(head, "x-forwarded-method")?, said(head, "x-original-method")?) {
        (Some(one), Some(two)) if one != two => {
            Err(Problem::request("X-Forwarded-Method and X-Original-Method differ"))
        }
        (one, two) => Ok(one.or(two).unwrap_or("GET")),
    }
}

fn said<'h>(head: &'h RequestHead, name: &str) -> Result<Option<&'h str>, Problem> {
    let value = head.one(name)?;
    value.map(str::from_utf8).transpose().map_err(|_| Problem::request("a field is not UTF-8"))
}

/// The path that the client of the proxy asked for, and its query.
fn asked_for(head: &RequestHead) -> Result<(&str, Option<&str>), Problem> {
    let field = match (said(head, "x-forwarded-uri")?, said(head, "x-original-uri")?) {
        (Some(one), Some(two)) if one != two => {
            return Err(Problem::request("X-Forwarded-Uri and X-Original-Uri differ"));
        }
        (one, two) => one.or(two),
    };
    // Either may be the client's: the field, where a proxy names the path in the address and replaces
    // no fields; the query, where a proxy hands on the one of the client, as Caddy does.
    let target = match (field, head.query().and_then(|query| query.strip_prefix("path="))) {
        (Some(field), Some(named)) if before_query(field) != before_query(named) => {
            return Err(Problem::request("?path= and what the fields say differ"));
        }
        (Some(target), _) | (None, Some(target)) => target,
        (None, None) => {
            return Err(Problem::request(
                "say which path was asked for: X-Forwarded-Uri, X-Original-Uri, or ?path=/…",
            ));
        }
    };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    RequestHead::check_path(path)?;
    Ok((path, query))
}

fn before_query(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

/// What the client brought: in a field, in a ticket of the query, or in the route's cookie.
fn credential(
    visit: &Visit<'_>,
    query: Option<&str>,
    route: &Route,
) -> Result<(Carrier, Credential), Rejection> {
    let Some(ticket) = carrier::ticket(query, &route.policy)? else {
        let cookies: Vec<&str> = route.policy.cookie.as_deref().into_iter().collect();
        return visit.brought([route], &cookies)?.ok_or(Rejection::CredentialRequired);
    };
    match visit.brought([route], &[])? {
        Some(_) => Err(Rejection::AmbiguousCredential),
        None => Ok((Carrier::Query, ticket)),
    }
}
