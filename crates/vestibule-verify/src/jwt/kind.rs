//! Which kind of token it is (RFC 8725 section 3.11): an issuer signs many with the same key, and
//! only access tokens open a door.

use serde_json::{Map, Value};
use vestibule_core::rejection::Rejection;

use super::{Expectations, IdTokens};
use crate::{
    Refused,
    refused::{shown, shown_all},
};

/// The type of RFC 9068, in its short form.
const ACCESS_TOKEN: &str = "at+jwt";
/// What is accepted where nothing is configured, besides no type at all.
const USUAL: [&str; 2] = [ACCESS_TOKEN, "jwt"];

pub(super) fn check(
    typ: Option<&str>,
    claims: &Map<String, Value>,
    expected: &Expectations,
) -> Result<(), Refused> {
    let typ_short = typ.map(short);
    let fits = match (&typ_short, expected.types.as_ref()) {
        (None, []) => true,
        (None, listed) => listed.iter().any(|listed| listed.is_empty()),
        (Some(typ), []) => USUAL.contains(&typ.as_str()),
        (Some(typ), listed) => {
            listed.iter().any(|listed| !listed.is_empty() && short(listed) == *typ)
        }
    };
    if !fits {
        let wanted = match expected.types.as_ref() {
            [] => shown_all(["at+jwt", "JWT"]),
            listed => shown_all(listed.iter().map(|listed| &**listed)),
        };
        let is = typ.map_or_else(|| "there is none".to_owned(), shown);
        return Err(refused(format!("typ: {is}, wanted: {wanted}")));
    }
    if typ_short.as_deref() == Some(ACCESS_TOKEN) {
        return Ok(());
    }
    check_said(claims, expected)
}

/// What the claims say themselves about the kind.
pub(super) fn check_said(
    claims: &Map<String, Value>,
    expected: &Expectations,
) -> Result<(), Refused> {
    match (other_kind(claims), expected.id_tokens) {
        (None, _) | (Some(Other::Id), IdTokens::Accepted) => Ok(()),
        (Some(Other::Id), IdTokens::Refused) => Err(refused("an ID token, not an access token")),
        (Some(Other::Refresh), _) => Err(refused("a refresh token, not an access token")),
        (Some(Other::Event), _) => Err(refused("a logout or security event token")),
    }
}

enum Other {
    Id,
    Refresh,
    Event,
}

/// Recognises what is not an access token. `nonce` tells nothing: some issuers copy it into both.
fn other_kind(claims: &Map<String, Value>) -> Option<Other> {
    let says = |claim: &str| claims.get(claim).and_then(Value::as_str).map(str::to_ascii_lowercase);
    // RFC 8417 section 2.2; a logout token of OpenID Connect has it too.
    if claims.contains_key("events") {
        return Some(Other::Event);
    }
    for claim in ["typ", "token_use"] {
        match says(claim).as_deref() {
            Some("id") => return Some(Other::Id),
            Some("refresh" | "offline") => return Some(Other::Refresh),
            Some("logout") => return Some(Other::Event),
            Some(_) | None => {}
        }
    }
    ["at_hash", "c_hash"].iter().any(|hash| claims.contains_key(*hash)).then_some(Other::Id)
}

/// RFC 7515 section 4.1.9: case does not count, and `application/` may be left out before a name
/// without a slash.
fn short(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    match typ.strip_prefix("application/") {
        Some(rest) if !rest.contains('/') => rest.to_owned(),
        Some(_) | None => typ,
    }
}

fn refused(reason: impl Into<String>) -> Refused {
    Refused::new(Rejection::TokenType, reason)
}
