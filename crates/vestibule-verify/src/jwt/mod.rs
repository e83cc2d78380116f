//! Access tokens (RFC 7519, RFC 9068), checked strictly (RFC 8725).
//!
//! The order is fixed: the form, the key, the signature, the claims; among the claims the expiry
//! comes last. So "expired" is said only of a token that is genuine and would else be accepted, and
//! a client that hears it knows that a fresh token helps.
//!
//! A token may be bound to a key or a certificate. Then it is no proof of anything by itself: what the
//! check makes of it, [`Checked`], opens for a [`Holder`].

mod binding;
mod claims;
mod expectations;
mod kind;

use core::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};
use vestibule_core::{
    authn::{Principal, Verified},
    rejection::Rejection,
    time::UnixTime,
};

use crate::{
    Refused, encoding,
    jwk::KeySet,
    jws::{Jws, Parts, malformed},
};

pub use crate::algorithm::Algorithm;
pub use binding::{Binding, CertificateHash, Holder};
pub use expectations::{Expectations, IdTokens};

/// A token that was read, and not checked.
///
/// Nothing in it may be believed. The issuer serves to pick among the configured ones, and no
/// address of keys is ever made from it.
pub struct Unverified {
    jws: Jws,
    claims: Map<String, Value>,
}

impl Unverified {
    /// Reads a token: at most 12 KiB, three parts of strict base64url, header and claims JSON
    /// objects without repeated members at any depth, an algorithm that we know, no `crit`.
    pub fn parse(token: &[u8]) -> Result<Self, Refused> {
        let jws = Jws::parse(token)?;
        let claims = claims_of(jws.payload())?;
        Ok(Self { jws, claims })
    }

    /// The key's name (`kid`), as the token says.
    pub fn kid(&self) -> Option<&str> {
        self.jws.kid()
    }

    /// The algorithm (`alg`), as the token says.
    pub fn algorithm(&self) -> Algorithm {
        self.jws.algorithm()
    }

    /// The issuer (`iss`), as the token says; `None` also where it is not a string.
    pub fn issuer_hint(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }
}

impl fmt::Debug for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { jws, claims: _ } = self;
        f.debug_tuple("Unverified").field(jws).finish()
    }
}

/// Checks a token and says whose it is. One that is bound to something is refused. A wrong answer lets
/// a stranger in.
pub fn verify(
    token: &Unverified,
    keys: &KeySet,
    expected: &Expectations,
    now: UnixTime,
) -> Result<Verified, Refused> {
    check(token, keys, expected, now)?.held_by(&Holder::BEARER, now)
}

/// Whether a token is genuine and not over, whoever shows it. The result can be remembered.
pub fn check(
    token: &Unverified,
    keys: &KeySet,
    expected: &Expectations,
    now: UnixTime,
) -> Result<Checked, Refused> {
    let Unverified { jws, claims } = token;
    jws.verified(keys, &expected.algorithms)?;
    kind::check(jws.typ(), claims, expected)?;
    checked(claims, expected, now)
}

/// Checks claims for which their sender vouches, and not a signature: those of an answer about a
/// token (RFC 7662). The same rules as for a token's own.
pub(crate) fn check_said(
    claims: &Map<String, Value>,
    expected: &Expectations,
    now: UnixTime,
) -> Result<Checked, Refused> {
    kind::check_said(claims, expected)?;
    checked(claims, expected, now)
}

fn checked(
    claims: &Map<String, Value>,
    expected: &Expectations,
    now: UnixTime,
) -> Result<Checked, Refused> {
    let (principal, binding) = claims::principal(claims, expected, now)?;
    let ends = principal.expires.after(expected.clock_skew);
    let verified = Verified::assertion(Arc::new(principal));
    let checked = Checked { verified, ends, binding };
    checked.unexpired(now)?;
    Ok(checked)
}

/// The result of a check, for a cache: a genuine token, of which it is not known who shows it.
///
/// It is good for as long as the key set and the expectations it was made with, and until
/// [`Checked::ends`]. Whoever keeps it longer lets in those whose key was withdrawn. The cache's key
/// must be a hash of the whole token.
#[derive(Clone, Debug)]
pub struct Checked {
    verified: Verified,
    ends: UnixTime,
    binding: Binding,
}

impl Checked {
    /// The proof of who is there, for whoever shows what the token is bound to; unless it has expired
    /// by now.
    pub fn held_by(self, holder: &Holder, now: UnixTime) -> Result<Verified, Refused> {
        holder.shows(self.binding)?;
        self.unexpired(now)?;
        Ok(self.verified)
    }

    /// An error where the token has expired by now.
    pub fn unexpired(&self, now: UnixTime) -> Result<(), Refused> {
        let Self { verified, ends, binding: _ } = self;
        if now >= *ends {
            let ago = verified.principal().expires.until(now).as_secs();
            let reason = format!("expired {ago} s ago");
            return Err(Refused::new(Rejection::TokenExpired, reason));
        }
        Ok(())
    }

    /// Whose token it is, which is not to say that they are there.
    pub fn principal(&self) -> &Principal {
        self.verified.principal()
    }

    /// What the token is bound to.
    pub fn binding(&self) -> Binding {
        self.binding
    }

    /// From when on the token is refused: its `exp` and the clock skew allowed.
    pub fn ends(&self) -> UnixTime {
        self.ends
    }
}

/// What a token says, unverified.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// The JOSE header.
    pub header: Value,
    /// The claims.
    pub claims: Value,
}

/// Header and claims of a token, for people to look at and never for a decision. Also takes tokens
/// that [`Unverified::parse`] refuses for their algorithm or `crit`.
pub fn inspect(token: &[u8]) -> Result<Contents, Refused> {
    let parts = Parts::of(token)?;
    let claims = claims_of(&parts.payload)?;
    Ok(Contents { header: Value::Object(parts.header), claims: Value::Object(claims) })
}

fn claims_of(payload: &[u8]) -> Result<Map<String, Value>, Refused> {
    encoding::object(payload)
        .map_err(|error| malformed(format!("the claims are not a JSON object: {error}")))
}

#[cfg(test)]
mod tests;
