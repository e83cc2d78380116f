//! The claims (RFC 7519 section 4.1, RFC 9068 section 2.2): a claim that is there and of the wrong
//! type is an error, never "absent". What was read as absent has let strangers in before.

use std::sync::Arc;

use serde_json::{Map, Number, Value};
use vestibule_core::{
    authn::{Mechanism, Principal},
    rejection::Rejection,
    time::UnixTime,
};

use super::{Binding, Expectations};
use crate::{
    Refused, limits,
    refused::{shown, shown_all},
};

type Claims = Map<String, Value>;

/// Reads everybody's claims and judges them; the caller judges the expiry and the binding.
pub(super) fn principal(
    claims: &Claims,
    expected: &Expectations,
    now: UnixTime,
) -> Result<(Principal, Binding), Refused> {
    let expires = date(claims, "exp")?.ok_or_else(|| wrong("there is no exp"))?;
    let (not_before, issued) = (date(claims, "nbf")?, date(claims, "iat")?);
    let subject = text(claims, &expected.subject_claim)?
        .filter(|subject| !subject.is_empty())
        .ok_or_else(|| wrong(format!("there is no {}", expected.subject_claim)))?;
    let token_id = text(claims, "jti")?.map(Box::from);
    // OpenID Connect Front-Channel Logout 1.0 section 3; elsewhere the name has no fixed meaning.
    let session = claims.get("sid").and_then(Value::as_str).map(Box::from);
    let binding = Binding::of(claims)?;
    let issuer = issuer(claims, expected)?;
    audience(claims, expected)?;
    for (name, date) in [("nbf", not_before), ("iat", issued)] {
        if let Some(date) = date
            && date > now.after(expected.clock_skew)
        {
            let reason = format!("{name} lies {} s ahead", now.until(date).as_secs());
            return Err(Refused::new(Rejection::TokenNotYetValid, reason));
        }
    }
    let principal = Principal {
        subject: subject.into(),
        issuer,
        scopes: scopes(claims, expected)?,
        token_id,
        session,
        email: email(claims)?,
        name: profile(claims, "name")?.or(profile(claims, "preferred_username")?).map(Box::from),
        groups: groups(claims, expected)?,
        mechanism: Mechanism::Bearer,
        methods: methods(claims)?,
        context: context(claims)?,
        issued,
        expires,
    };
    Ok((principal, binding))
}

fn issuer(claims: &Claims, expected: &Expectations) -> Result<Arc<str>, Refused> {
    let is = text(claims, "iss")?;
    let Some(wanted) = &expected.issuer else {
        return Ok(Arc::clone(&expected.issuer_name));
    };
    if is == Some(&**wanted) {
        return Ok(Arc::clone(wanted));
    }
    let is = is.map_or_else(|| "nobody named".to_owned(), shown);
    let reason = format!("issued by {is}, wanted: {}", shown(wanted));
    Err(Refused::new(Rejection::TokenIssuer, reason))
}

fn audience(claims: &Claims, expected: &Expectations) -> Result<(), Refused> {
    let is = texts(claims, "aud")?.unwrap_or_default();
    let wanted = &expected.audiences;
    if wanted.is_empty() || is.iter().any(|is| wanted.iter().any(|wanted| **wanted == **is)) {
        return Ok(());
    }
    let is = if is.is_empty() { "nobody named".to_owned() } else { shown_all(is) };
    let reason =
        format!("issued for audience {is}, wanted: {}", shown_all(wanted.iter().map(|w| &**w)));
    Err(Refused::new(Rejection::TokenAudience, reason))
}

/// A string of scopes with spaces between (RFC 8693 section 4.2), or an array of scopes, which many
/// issuers write.
fn scopes(claims: &Claims, expected: &Expectations) -> Result<Box<[Box<str>]>, Refused> {
    let name = match &expected.scope_claim {
        Some(name) => name,
        None if claims.contains_key("scope") => "scope",
        None => "scp",
    };
    Ok(match claims.get(name) {
        Some(Value::String(scopes)) => {
            scopes.split(' ').filter(|scope| !scope.is_empty()).map(Box::from).collect()
        }
        Some(_) | None => {
            texts(claims, name)?.unwrap_or_default().into_iter().map(Box::from).collect()
        }
    })
}

fn groups(claims: &Claims, expected: &Expectations) -> Result<Box<[Box<str>]>, Refused> {
    let name = match &expected.groups_claim {
        Some(name) => name,
        None if is_told(claims, "groups") => "groups",
        None => "roles",
    };
    if !is_told(claims, name) {
        return Ok(Box::default());
    }
    Ok(texts(claims, name)?.unwrap_or_default().into_iter().map(Box::from).collect())
}

/// How the user was authenticated (OpenID Connect Core section 2, RFC 8176): an array of strings. A
/// single string, as some write it, is one method.
fn methods(claims: &Claims) -> Result<Box<[Box<str>]>, Refused> {
    if !is_told(claims, "amr") {
        return Ok(Box::default());
    }
    let methods = texts(claims, "amr")?.unwrap_or_default();
    if methods.len() > limits::METHODS || methods.iter().any(|it| it.len() > limits::METHOD_BYTES) {
        return Err(wrong("amr has more, or longer, values than are read"));
    }
    Ok(methods.into_iter().map(Box::from).collect())
}

/// The authentication context class (OpenID Connect Core section 2).
fn context(claims: &Claims) -> Result<Option<Box<str>>, Refused> {
    match profile(claims, "acr")? {
        Some(context) if context.len() > limits::CONTEXT_BYTES => {
            Err(wrong("acr is longer than is read"))
        }
        context => Ok(context.map(Box::from)),
    }
}

/// The mail address, unless the issuer says that nobody checked it (OpenID Connect Core section
/// 5.1): whoever may write any address there must not become its owner upstream. Some issuers write
/// that boolean as a string.
fn email(claims: &Claims) -> Result<Option<Box<str>>, Refused> {
    let email = profile(claims, "email")?;
    let checked = match claims.get("email_verified") {
        None | Some(Value::Null | Value::Bool(true)) => true,
        Some(Value::Bool(false)) => false,
        Some(Value::String(text)) => text == "true",
        Some(Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            return Err(wrong("email_verified is not a boolean"));
        }
    };
    Ok(email.filter(|_| checked).map(Box::from))
}

/// A claim about a person. Issuers write `null` for what they do not know.
fn profile<'a>(claims: &'a Claims, name: &str) -> Result<Option<&'a str>, Refused> {
    if is_told(claims, name) { text(claims, name) } else { Ok(None) }
}

fn is_told(claims: &Claims, name: &str) -> bool {
    claims.get(name).is_some_and(|value| !value.is_null())
}

fn text<'a>(claims: &'a Claims, name: &str) -> Result<Option<&'a str>, Refused> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong(format!("{name} is not a string"))),
    }
}

fn texts<'a>(claims: &'a Claims, name: &str) -> Result<Option<Vec<&'a str>>, Refused> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(vec![text])),
        Some(Value::Array(elements)) => elements
            .iter()
            .map(Value::as_str)
            .collect::<Option<Vec<_>>>()
            .map(Some)
            .ok_or_else(|| wrong(format!("{name} holds something else than strings"))),
        Some(_) => Err(wrong(format!("{name} is neither a string nor an array of strings"))),
    }
}

fn date(claims: &Claims, name: &str) -> Result<Option<UnixTime>, Refused> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => Ok(Some(numeric_date(number))),
        Some(_) => Err(wrong(format!("{name} is not a number"))),
    }
}

/// RFC 7519 section 2: seconds, perhaps with a fraction, perhaps negative or huge. Rounded towards
/// the past, and held within what [`UnixTime`] can say.
fn numeric_date(number: &Number) -> UnixTime {
    if let Some(seconds) = number.as_i64() {
        return UnixTime::from_secs(seconds);
    }
    let millis = number.as_f64().map_or(f64::MIN, |seconds| (seconds * 1000.0).floor());
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "from a float, `as` saturates"
    )]
    UnixTime::from_millis(millis as i64)
}

fn wrong(reason: impl Into<String>) -> Refused {
    Refused::new(Rejection::TokenClaims, reason)
}
