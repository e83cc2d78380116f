//! Access tokens (RFC 7519, RFC 9068).

use core::time::Duration;
use std::sync::Arc;

use serde_json::Value;
use vestibule_core::{authn::Verified, rejection::Rejection, time::UnixTime};

use crate::{Refused, jwk::KeySet};

pub use crate::algorithm::Algorithm;

/// A token that was read, not checked.
#[derive(Debug)]
pub struct Unverified {}

impl Unverified {
    /// Reads.
    pub fn parse(_token: &[u8]) -> Result<Self, Refused> {
        Err(Refused::new(Rejection::TokenMalformed, "not written yet"))
    }
    /// The key's name, as the token says.
    pub fn kid(&self) -> Option<&str> {
        None
    }
    /// The algorithm, as the token says.
    pub fn algorithm(&self) -> Algorithm {
        Algorithm::EdDsa
    }
    /// The issuer, as the token says: only to pick among the configured ones.
    pub fn issuer_hint(&self) -> Option<&str> {
        None
    }
}

/// Whether OpenID Connect ID tokens pass as access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IdTokens {
    /// They are refused where they can be told apart.
    #[default]
    Refused,
    /// They are taken.
    Accepted,
}

/// What an issuer's tokens must look like.
#[derive(Clone, Debug)]
pub struct Expectations {
    /// `iss`, byte for byte. `None`: not checked.
    pub issuer: Option<Arc<str>>,
    /// The principal's issuer where `issuer` is `None`.
    pub issuer_name: Arc<str>,
    /// One of them must be in `aud`. Empty: not checked.
    pub audiences: Box<[Box<str>]>,
    /// Empty: whatever the key does, asymmetric only.
    pub algorithms: Box<[Algorithm]>,
    /// Accepted `typ`. Empty: `at+jwt`, `JWT`, or absent. The empty string in it stands for absent.
    pub types: Box<[Box<str>]>,
    /// Whether ID tokens pass.
    pub id_tokens: IdTokens,
    /// How far clocks may differ.
    pub clock_skew: Duration,
    /// The claim that names the subject. Default: `sub`.
    pub subject_claim: Box<str>,
    /// The claim that holds the scopes. Default: `scope`, else `scp`.
    pub scope_claim: Option<Box<str>>,
    /// The claim that holds the groups. Default: `groups`, else `roles`.
    pub groups_claim: Option<Box<str>>,
}

impl Expectations {
    /// The usual, for that issuer and these audiences.
    pub fn new<'a>(issuer: &str, audiences: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            issuer: Some(issuer.into()),
            issuer_name: issuer.into(),
            audiences: audiences.into_iter().map(Into::into).collect(),
            algorithms: Box::default(),
            types: Box::default(),
            id_tokens: IdTokens::default(),
            clock_skew: Duration::from_secs(30),
            subject_claim: "sub".into(),
            scope_claim: None,
            groups_claim: None,
        }
    }
}

/// A token that was checked, to be remembered.
#[derive(Clone, Debug)]
pub struct Checked {}

impl Checked {
    /// The proof, if the token is still good at `now`.
    pub fn at(&self, _now: UnixTime) -> Result<Verified, Refused> {
        Err(Refused::new(Rejection::TokenMalformed, "not written yet"))
    }
    /// From when on it is refused.
    pub fn ends(&self) -> UnixTime {
        UnixTime::from_secs(0)
    }
}

/// Checks a token.
pub fn verify(
    token: &Unverified,
    keys: &KeySet,
    expected: &Expectations,
    now: UnixTime,
) -> Result<Verified, Refused> {
    check(token, keys, expected, now)?.at(now)
}

/// Checks a token, for a cache.
pub fn check(
    _token: &Unverified,
    _keys: &KeySet,
    _expected: &Expectations,
    _now: UnixTime,
) -> Result<Checked, Refused> {
    Err(Refused::new(Rejection::TokenMalformed, "not written yet"))
}

/// A token's contents, unverified.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// The header.
    pub header: Value,
    /// The claims.
    pub claims: Value,
}

/// Header and claims, unverified: for people to look at, never for a decision.
pub fn inspect(_token: &[u8]) -> Result<Contents, Refused> {
    Err(Refused::new(Rejection::TokenMalformed, "not written yet"))
}
