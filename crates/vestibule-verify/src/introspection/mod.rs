//! What an issuer answers when it is asked about a token (RFC 7662 section 2.2).
//!
//! The issuer is trusted, and its answer is read as strictly as if it were not: what is not exactly an
//! answer is [`Malformed`], which says nothing about the token, neither yes nor no. An answer that
//! says yes is then judged by the rules for a token's own claims. What RFC 7662 leaves open:
//!
//! - Without `iss` the token is the asked issuer's own; with it, it must be the expected one.
//! - Without `exp` it counts for as long as the caller says, from now.
//! - `token_type` must be `Bearer`, or `DPoP` for a token that is bound to a key, whatever the case:
//!   issuers answer for refresh tokens, too, and leave it out there. [`Expectations::types`] lists
//!   other words; `""` is an answer without one.
//! - A token that is bound (`cnf`) opens nothing for who does not show that it is theirs
//!   ([`Checked::held_by`]).
//! - A member that is `null` is not there, except for `active`.

use core::time::Duration;
use std::fmt;

use serde_json::{Map, Value};
use vestibule_core::{rejection::Rejection, time::UnixTime};

use crate::{
    Refused, encoding,
    jwt::{self, Checked, Expectations},
    limits,
    refused::{shown, shown_all},
};

/// What counts where nothing is configured.
const BEARER: &str = "bearer";
/// And for a token that is bound to a key (RFC 9449 section 6.2).
const DPOP: &str = "dpop";

/// Members that are texts, where they are there (RFC 7662 section 2.2).
const TEXTS: [&str; 7] = ["iss", "sub", "scope", "client_id", "username", "token_type", "jti"];
/// Members that are dates.
const DATES: [&str; 3] = ["exp", "nbf", "iat"];

/// An answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The token counts no more, or never did. Nothing else that the answer says matters.
    Inactive,
    /// The token is good, as far as its issuer is concerned.
    Active(Active),
}

/// What an issuer says about a token that is good.
#[derive(Clone)]
pub struct Active {
    claims: Map<String, Value>,
}

/// Not an answer about a token. The text has no claim in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl Answer {
    /// Reads the body of an answer: at most 64 KiB, one JSON object without repeated members at any
    /// depth, `active` a boolean, and the members of RFC 7662 of their types.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        if body.len() > limits::INTROSPECTION_BYTES {
            let most = limits::INTROSPECTION_BYTES;
            return Err(Malformed(format!("longer than {most} bytes")));
        }
        let mut claims = encoding::object(body).map_err(Malformed)?;
        let active = match claims.remove("active") {
            Some(Value::Bool(active)) => active,
            Some(_) => return Err(Malformed("`active` is not a boolean".to_owned())),
            None => return Err(Malformed("there is no `active`".to_owned())),
        };
        if !active {
            return Ok(Self::Inactive);
        }
        claims.retain(|_, value| !value.is_null());
        let wrong = |name: &str| Err(Malformed(format!("`{name}` is of another type")));
        for name in TEXTS {
            if claims.get(name).is_some_and(|value| !value.is_string()) {
                return wrong(name);
            }
        }
        for name in DATES {
            if claims.get(name).is_some_and(|value| !value.is_number()) {
                return wrong(name);
            }
        }
        match claims.get("aud") {
            None | Some(Value::String(_)) => {}
            Some(Value::Array(audiences)) if audiences.iter().all(Value::is_string) => {}
            Some(_) => return wrong("aud"),
        }
        if claims.get("cnf").is_some_and(|value| !value.is_object()) {
            return wrong("cnf");
        }
        Ok(Self::Active(Active { claims }))
    }
}

impl Active {
    /// Gives the token a name (`jti`) by which it can be revoked, where its issuer gives it none.
    #[must_use]
    pub fn or_named(mut self, name: &str) -> Self {
        self.claims.entry("jti").or_insert_with(|| Value::from(name));
        self
    }

    /// Judges what was said, and says whose the token is. A wrong answer lets a stranger in.
    /// `lifetime` is for a token that has no end.
    pub fn check(
        &self,
        expected: &Expectations,
        lifetime: Duration,
        now: UnixTime,
    ) -> Result<Checked, Refused> {
        let mut claims = self.claims.clone();
        kind(&claims, expected)?;
        if let (false, Some(issuer)) = (claims.contains_key("iss"), &expected.issuer) {
            claims.insert("iss".to_owned(), Value::from(&**issuer));
        }
        if !claims.contains_key("exp") {
            let end = now.after(lifetime).as_secs();
            claims.insert("exp".to_owned(), Value::from(end));
        }
        jwt::check_said(&claims, expected, now)
    }
}

/// Whether the answer is about an access token that whoever has it may use.
fn kind(claims: &Map<String, Value>, expected: &Expectations) -> Result<(), Refused> {
    let is = claims.get("token_type").and_then(Value::as_str);
    let is_bound = claims.get("cnf").is_some_and(|cnf| cnf.get("jkt").is_some());
    let fits = match (is, expected.types.as_ref()) {
        (None, listed) => listed.iter().any(|listed| listed.is_empty()),
        (Some(is), []) => {
            is.eq_ignore_ascii_case(BEARER) || (is.eq_ignore_ascii_case(DPOP) && is_bound)
        }
        (Some(is), listed) => {
            listed.iter().any(|listed| !listed.is_empty() && is.eq_ignore_ascii_case(listed))
        }
    };
    if fits {
        return Ok(());
    }
    let wanted = match expected.types.as_ref() {
        [] => shown(BEARER),
        listed => shown_all(listed.iter().map(|listed| &**listed)),
    };
    let is = is.map_or_else(|| "there is none".to_owned(), shown);
    let reason = format!("token_type: {is}, wanted: {wanted}");
    Err(Refused::new(Rejection::TokenType, reason))
}

impl fmt::Debug for Active {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { claims: _ } = self;
        f.debug_struct("Active").finish_non_exhaustive()
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(what) = self;
        f.write_str(what)
    }
}

impl core::error::Error for Malformed {}

#[cfg(test)]
mod tests;
