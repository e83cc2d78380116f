//! Issuers, their signers, and questions about tokens.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use vestibule_core::{
    authn::{Credential, Verified},
    rejection::Rejection,
    time::UnixTime,
};
use vestibule_verify::{
    Refused,
    jwt::{Algorithm, Expectations},
    mint::Signer,
};

use super::provider::Provider;
use crate::{Authority, FetchPolicy, Issuer, KeySource};

pub(crate) const ISSUER: &str = "https://idp.example/";
/// The day of all tests; tokens are good for an hour from here.
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
pub(crate) const EXP: i64 = NOW.as_secs() + 3600;

/// What a check said, in a word: the subject, or the rejection's label.
pub(crate) type Said = Result<String, Rejection>;

pub(crate) fn signer() -> Signer {
    Signer::generate(Algorithm::EdDsa).unwrap()
}

/// The set of these keys.
pub(crate) fn jwks(signers: &[&Signer]) -> Value {
    let keys: Vec<Value> =
        signers.iter().map(|signer| signer.public_jwks()["keys"][0].clone()).collect();
    json!({ "keys": keys })
}

pub(crate) fn token(signer: &Signer, subject: &str) -> Credential {
    token_with(signer, &json!({ "iss": ISSUER, "aud": "chat", "sub": subject, "exp": EXP }))
}

pub(crate) fn token_with(signer: &Signer, claims: &Value) -> Credential {
    Credential::bearer(signer.sign(Some("at+jwt"), claims).unwrap())
}

pub(crate) fn issuer(name: &str, source: KeySource) -> Issuer {
    Issuer { name: name.into(), source, expectations: Expectations::new(ISSUER, ["chat"]) }
}

/// A policy whose cool-down never ends within a test.
pub(crate) fn patient() -> FetchPolicy {
    FetchPolicy { cool_down: Duration::from_hours(1), ..FetchPolicy::default() }
}

/// An issuer whose keys are at `/keys` of the provider.
pub(crate) fn at(provider: &Provider, fetch: FetchPolicy) -> Arc<Authority> {
    at_path(provider, "/keys", fetch)
}

pub(crate) fn at_path(provider: &Provider, path: &str, fetch: FetchPolicy) -> Arc<Authority> {
    let url = provider.url(path).into();
    Authority::new(vec![issuer("idp", KeySource::JwksUrl { url, fetch })]).unwrap()
}

pub(crate) fn said(result: Result<Verified, Refused>) -> Said {
    match result {
        Ok(verified) => Ok(verified.principal().subject.to_string()),
        Err(refused) => Err(refused.rejection),
    }
}

/// Without waiting; `None` is "keys must be fetched first".
pub(crate) fn now(authority: &Authority, credential: &Credential) -> Option<Said> {
    authority.check_now(credential, &[0], NOW).map(said)
}

/// With waiting.
pub(crate) async fn ask(authority: &Authority, credential: &Credential) -> Said {
    said(authority.check(credential, &[0], || NOW).await)
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with what a check says")]
pub(crate) fn yes(subject: &str) -> Said {
    Ok(subject.to_owned())
}
