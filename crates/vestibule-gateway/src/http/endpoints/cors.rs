//! Which pages may read the answers of the endpoints (the Fetch standard, section 3.2): those that
//! may open a socket.

use std::str;

use vestibule_core::{
    policy::{
        forwarded::Forwarded,
        origin::{Asked, OriginAllowed},
    },
    rejection::Rejection,
    wire::head::RequestHead,
};

use super::{Answer, Endpoint};
use crate::config::{Config, Route};

/// Judges the page behind a request by the rules of these routes: one that allows it will do.
pub(super) fn judge<'a>(
    routes: impl IntoIterator<Item = &'a Route>,
    head: &RequestHead,
    forwarded: &Forwarded,
) -> Result<OriginAllowed, Rejection> {
    let origins: Vec<&[u8]> = head.all("origin").collect();
    let fetch_site = head.one("sec-fetch-site")?;
    let host = &forwarded.host;
    let transport = forwarded.transport;
    // These are no sockets, so a browser says another mode.
    let asked = Asked { origins: &origins, host, transport, fetch_mode: None, fetch_site };
    let mut judged = Err(Rejection::OriginNotAllowed);
    for route in routes {
        let served = &route.policy.hosts;
        if served.is_empty() || served.iter().any(|served| served.covers(host)) {
            judged = route.policy.origins.check(&asked);
        }
        if judged.is_ok() {
            break;
        }
    }
    judged
}

/// Lets the page read the answer, where it may.
pub(super) fn open(
    answer: Answer,
    head: &RequestHead,
    forwarded: &Forwarded,
    endpoint: Endpoint,
    config: &Config,
) -> Answer {
    let answer = answer.with("Vary", "Origin");
    let routes = config.routes.iter().map(AsRef::as_ref);
    let Ok(allowed) = judge(routes, head, forwarded) else { return answer };
    let origin = head.all("origin").next().and_then(|origin| str::from_utf8(origin).ok());
    let (true, Some(origin)) = (allowed.is_present(), origin) else { return answer };
    let answer = answer
        .with("Access-Control-Allow-Origin", origin)
        .with("Access-Control-Allow-Credentials", "true")
        .with("Access-Control-Expose-Headers", "DPoP-Nonce, Retry-After, WWW-Authenticate");
    if head.method() != "OPTIONS" {
        return answer;
    }
    answer
        .with("Access-Control-Allow-Methods", endpoint.methods().join(", "))
        .with("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
        .with("Access-Control-Max-Age", "600")
}
