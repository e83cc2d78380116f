use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::time;
use vestibule_core::{authn::Credential, rejection::Rejection, time::UnixTime};
use vestibule_verify::jwt::{Binding, CertificateHash, Expectations, Holder};

use super::{
    provider::{Answer, Provider},
    rig::{
        EXP, ISSUER, NOW, Said, ask, at, issuer, jwks, now, patient, said, signer, token,
        token_with, yes,
    },
};
use crate::{Authority, KeySource};

/// What is said at another time; never `None`.
fn later(authority: &Authority, credential: &Credential, wall: UnixTime) -> Said {
    said(authority.check_now(credential, &[0], wall).unwrap())
}

#[tokio::test]
async fn a_token_that_comes_again_costs_no_second_verification() {
    let (provider, key) = (Provider::start(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&key])));
    let authority = at(&provider, patient());
    let credential = token(&key, "alice");
    let first = authority.check(&credential, &[0], || NOW).await.unwrap();
    let again = authority.check_now(&credential, &[0], NOW).unwrap().unwrap();
    // A second verification would have made a second principal.
    assert!(Arc::ptr_eq(first.principal(), again.principal()));
    authority.forget(|_| true);
    let anew = authority.check_now(&credential, &[0], NOW).unwrap().unwrap();
    assert!(!Arc::ptr_eq(first.principal(), anew.principal()));
}

#[tokio::test]
async fn a_bound_token_opens_for_who_shows_what_it_is_bound_to_remembered_or_not() {
    let (provider, key) = (Provider::start(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&key])));
    let authority = at(&provider, patient());
    let hash = "RYB1cUHAzIzm4D7fSrMbNBTRqP28BNpIkrE9hT8GdC0";
    let claims = json!({
        "iss": ISSUER, "aud": "chat", "sub": "alice", "exp": EXP, "cnf": { "x5t#S256": hash }
    });
    let credential = token_with(&key, &claims);
    let refused = Err(Rejection::TokenClaims);
    assert_eq!(ask(&authority, &credential).await, refused);
    for _ in 0..2 {
        let examined = authority.examine_now(&credential.secret, &[0], NOW).unwrap().unwrap();
        let Binding::Certificate(bound) = examined.binding() else { panic!("{examined:?}") };
        let open = |holder: Holder| said(examined.clone().held_by(&holder, NOW));
        assert_eq!(open(Holder::with_certificate(bound)), yes("alice"));
        let other = CertificateHash::of(b"another certificate");
        assert_eq!(open(Holder::with_certificate(other)), refused);
        assert_eq!(now(&authority, &credential), Some(refused.clone()));
    }
    assert_eq!(authority.remembered(), 1);
}

#[tokio::test]
async fn a_remembered_token_ends_when_it_expires() {
    let (provider, key) = (Provider::start(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&key])));
    let authority = at(&provider, patient());
    let credential = token(&key, "alice");
    assert_eq!(ask(&authority, &credential).await, yes("alice"));
    assert_eq!(authority.remembered(), 1);
    let end = EXP + 30; // the clock skew
    let at = |seconds: i64| later(&authority, &credential, UnixTime::from_secs(seconds));
    assert_eq!(at(end - 1), yes("alice"));
    assert_eq!(authority.remembered(), 1);
    assert_eq!(at(end), Err(Rejection::TokenExpired));
    assert_eq!(authority.remembered(), 0);
    // Set the clock back, and it is verified again like any other.
    assert_eq!(at(end - 1), yes("alice"));
    assert_eq!(authority.remembered(), 1);
}

#[tokio::test]
async fn a_remembered_token_is_not_yet_valid_when_the_clock_is_set_back() {
    let (provider, key) = (Provider::start(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&key])));
    let authority = at(&provider, patient());
    let nbf = NOW.as_secs() - 10;
    let claims = json!({ "iss": ISSUER, "aud": "chat", "sub": "alice", "exp": EXP, "nbf": nbf });
    let credential = token_with(&key, &claims);
    assert_eq!(ask(&authority, &credential).await, yes("alice"));
    let before = UnixTime::from_secs(nbf - 31);
    assert_eq!(later(&authority, &credential, before), Err(Rejection::TokenNotYetValid));
    assert_eq!(now(&authority, &credential), Some(yes("alice")));
}

#[tokio::test]
async fn a_revoked_principal_is_forgotten_and_the_others_are_not() {
    let (provider, key) = (Provider::start(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&key])));
    let authority = at(&provider, patient());
    for subject in ["alice", "bob", "carol"] {
        assert_eq!(ask(&authority, &token(&key, subject)).await, yes(subject));
    }
    assert_eq!(authority.forget(|principal| &*principal.subject == "alice"), 1);
    assert_eq!(authority.remembered(), 2);
    assert_eq!(authority.forget(|principal| &*principal.subject == "alice"), 0);
}

#[tokio::test]
async fn a_remembered_token_ends_with_its_key() {
    let (provider, old, new) = (Provider::start(), signer(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&old])));
    let authority = at(&provider, patient());
    let credential = token(&old, "alice");
    assert_eq!(ask(&authority, &credential).await, yes("alice"));
    assert_eq!(now(&authority, &credential), Some(yes("alice")));
    provider.at("/keys", Answer::json(&jwks(&[&new])));
    assert_eq!(ask(&authority, &token(&new, "bob")).await, yes("bob"));
    assert_eq!(now(&authority, &credential), Some(Err(Rejection::TokenKeyUnknown)));
    assert_eq!(authority.remembered(), 1);
}

#[tokio::test]
async fn a_remembered_token_ends_with_the_time_its_keys_may_be_stale() {
    let (provider, key) = (Provider::start(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&key])));
    let authority = at(&provider, patient());
    let credential = token(&key, "alice");
    assert_eq!(ask(&authority, &credential).await, yes("alice"));
    provider.at("/keys", Answer::status("500 a"));
    time::pause();
    time::advance(Duration::from_hours(24)).await;
    time::resume();
    assert_eq!(ask(&authority, &credential).await, Err(Rejection::Unavailable));
}

#[tokio::test]
async fn a_token_is_remembered_for_its_issuers_only() {
    let (provider, key) = (Provider::start(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&key])));
    provider.at("/other", Answer::json(&jwks(&[&signer()])));
    let source = |path| KeySource::JwksUrl { url: provider.url(path).into(), fetch: patient() };
    let mut elsewhere = issuer("elsewhere", source("/keys"));
    elsewhere.expectations = Expectations::new("https://elsewhere.example/", ["chat"]);
    let mut pay = issuer("pay", source("/keys"));
    pay.expectations.audiences = Box::new(["pay".into()]);
    let members =
        vec![issuer("chat", source("/keys")), issuer("other", source("/other")), elsewhere, pay];
    let authority = Authority::new(members).unwrap();
    let credential = token(&key, "alice");
    let ask = async |issuers: &[usize]| said(authority.check(&credential, issuers, || NOW).await);
    assert_eq!(ask(&[0]).await, yes("alice"));
    assert_eq!(ask(&[0]).await, yes("alice"));
    assert_eq!(ask(&[]).await, Err(Rejection::TokenIssuer));
    assert_eq!(ask(&[1]).await, Err(Rejection::TokenKeyUnknown));
    assert_eq!(ask(&[2]).await, Err(Rejection::TokenIssuer));
    assert_eq!(ask(&[3]).await, Err(Rejection::TokenAudience));
    assert_eq!(ask(&[99]).await, Err(Rejection::TokenIssuer));
    // Of several that may have issued it, one that says yes is enough, in any order.
    assert_eq!(ask(&[1, 3, 0]).await, yes("alice"));
    // The one whose key fits says most.
    assert_eq!(ask(&[1, 3]).await, Err(Rejection::TokenAudience));
}

#[tokio::test]
async fn failures_are_not_remembered() {
    let (provider, key) = (Provider::start(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&key])));
    let authority = at(&provider, patient());
    let expired = json!({ "iss": ISSUER, "aud": "chat", "sub": "alice", "exp": 1 });
    assert!(ask(&authority, &token_with(&key, &expired)).await.is_err());
    let good = key.sign(None, &json!({ "iss": ISSUER, "aud": "chat", "sub": "a", "exp": EXP }));
    let good = good.unwrap();
    for place in (0..good.len()).step_by(7) {
        let mut bytes = good.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        assert!(ask(&authority, &Credential::bearer(bytes)).await.is_err(), "{place}");
    }
    assert_eq!(authority.remembered(), 0);
    // A token that differs in one byte from a remembered one is another token.
    assert_eq!(ask(&authority, &Credential::bearer(good.clone())).await, yes("a"));
    let mut bytes = good.into_bytes();
    let place = bytes.iter().rposition(|byte| *byte == b'.').unwrap() + 1;
    bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
    let said = ask(&authority, &Credential::bearer(bytes)).await;
    assert_eq!(said, Err(Rejection::TokenSignature));
}

#[tokio::test]
async fn the_token_names_its_issuer_and_adds_none() {
    let (provider, key) = (Provider::start(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&key])));
    let authority = at(&provider, patient());
    let mut claims = json!({ "iss": provider.url("/evil"), "aud": "chat", "sub": "a", "exp": EXP });
    let evil = token_with(&key, &claims);
    assert_eq!(now(&authority, &evil), Some(Err(Rejection::TokenIssuer)));
    claims["iss"] = "https://idp.example".into(); // without the slash
    let refused = authority.check_now(&token_with(&key, &claims), &[0], NOW).unwrap().unwrap_err();
    assert_eq!(refused.rejection, Rejection::TokenIssuer);
    assert!(refused.reason.contains(r#""https://idp.example""#), "{}", refused.reason);
    assert!(refused.reason.contains(r#""https://idp.example/""#), "{}", refused.reason);
    // Nothing was fetched: neither from there nor at all.
    assert_eq!(provider.hits("/evil") + provider.hits("/keys"), 0);
}
