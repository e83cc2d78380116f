use std::{io::Write, sync::Arc, time::Duration};

use serde_json::json;
use tempfile::NamedTempFile;
use tokio::time;
use vestibule_core::rejection::Rejection;
use vestibule_verify::{jwt::Expectations, mint::Signer};

use super::{
    provider::{Answer, Provider},
    rig::{EXP, ask, jwks, patient, signer, token_with, yes},
};
use crate::{Authority, AuthorityFault, FetchPolicy, Issuer, KeySource};

const OPENID: &str = "/a/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server/a";

fn discovered(provider: &Provider, fetch: FetchPolicy) -> Arc<Authority> {
    let issuer: Arc<str> = provider.url("/a").into();
    let expectations = Expectations::new(&issuer, ["chat"]);
    let source = KeySource::Discovery { issuer, fetch };
    Authority::new(vec![Issuer { name: "idp".into(), source, expectations }]).unwrap()
}

fn metadata(issuer: &Provider, keys: &Provider) -> Answer {
    Answer::json(&json!({ "issuer": issuer.url("/a"), "jwks_uri": keys.url("/keys") }))
}

fn of(provider: &Provider, key: &Signer, subject: &str) -> vestibule_core::authn::Credential {
    let issuer = provider.url("/a");
    token_with(key, &json!({ "iss": issuer, "aud": "chat", "sub": subject, "exp": EXP }))
}

fn impatient() -> FetchPolicy {
    FetchPolicy { cool_down: Duration::ZERO, ..FetchPolicy::default() }
}

#[tokio::test]
async fn keys_are_found_by_either_address_and_may_be_on_another_host() {
    for path in [OPENID, OAUTH] {
        let (provider, elsewhere, key) = (Provider::start(), Provider::start(), signer());
        provider.at(path, metadata(&provider, &elsewhere));
        elsewhere.at("/keys", Answer::json(&jwks(&[&key])));
        let authority = discovered(&provider, patient());
        assert_eq!(ask(&authority, &of(&provider, &key, "alice")).await, yes("alice"), "{path}");
        assert_eq!(provider.hits(OPENID), 1);
        assert_eq!(provider.hits(OAUTH), usize::from(path == OAUTH));
    }
}

#[tokio::test]
async fn metadata_of_another_issuer_are_refused_before_any_key_is_fetched() {
    let (provider, key) = (Provider::start(), signer());
    let lie = json!({ "issuer": provider.url("/b"), "jwks_uri": provider.url("/keys") });
    provider.at(OPENID, Answer::json(&lie));
    provider.at(OAUTH, metadata(&provider, &provider));
    provider.at("/keys", Answer::json(&jwks(&[&key])));
    let authority = discovered(&provider, patient());
    let said = ask(&authority, &of(&provider, &key, "alice")).await;
    assert_eq!(said, Err(Rejection::Unavailable));
    assert_eq!(provider.hits("/keys") + provider.hits(OAUTH), 0);
    let error = authority.readiness()[0].last_error.clone().unwrap();
    assert!(error.contains("/b\"") && error.contains("to the byte"), "{error}");
}

#[tokio::test]
async fn no_metadata_at_all_is_told_with_both_addresses() {
    let (provider, key) = (Provider::start(), signer());
    provider.at(OPENID, Answer::with("302 a", "location: /elsewhere\r\n", ""));
    let authority = discovered(&provider, patient());
    let said = ask(&authority, &of(&provider, &key, "alice")).await;
    assert_eq!(said, Err(Rejection::Unavailable));
    let error = authority.readiness()[0].last_error.clone().unwrap();
    assert!(error.contains(OPENID) && error.contains(OAUTH) && error.contains("404"), "{error}");
    assert_eq!(provider.hits("/elsewhere"), 0);
}

#[tokio::test]
async fn metadata_are_believed_for_an_hour_and_asked_for_again_when_the_keys_have_moved() {
    let (provider, old, new) = (Provider::start(), signer(), signer());
    provider.at(OPENID, metadata(&provider, &provider));
    provider.at("/keys", Answer::json(&jwks(&[&old])));
    let authority = discovered(&provider, impatient());
    assert_eq!(ask(&authority, &of(&provider, &old, "alice")).await, yes("alice"));
    provider.at("/keys", Answer::json(&jwks(&[&new])));
    assert_eq!(ask(&authority, &of(&provider, &new, "bob")).await, yes("bob"));
    assert_eq!(provider.hits(OPENID), 1);

    // The keys move. The first attempt finds out, the second one asks where they are.
    let elsewhere = Provider::start();
    provider.at(OPENID, metadata(&provider, &elsewhere));
    provider.at("/keys", Answer::status("410 a"));
    elsewhere.at("/keys", Answer::json(&jwks(&[&old])));
    assert_eq!(ask(&authority, &of(&provider, &old, "alice")).await, yes("alice"));
    assert_eq!(provider.hits(OPENID), 2);

    // The metadata are old, and nobody answers for them: the keys are where they were.
    provider.at(OPENID, Answer::status("500 a"));
    elsewhere.at("/keys", Answer::json(&jwks(&[&new])));
    time::pause();
    time::advance(Duration::from_hours(1)).await;
    time::resume();
    assert_eq!(ask(&authority, &of(&provider, &new, "bob")).await, yes("bob"));
    assert_eq!(provider.hits(OPENID), 3);

    // They answer, and call themselves something else: that is no outage, and nothing is fetched.
    provider
        .at(OPENID, Answer::json(&json!({ "issuer": "x", "jwks_uri": elsewhere.url("/keys") })));
    elsewhere.at("/keys", Answer::json(&jwks(&[&old])));
    time::pause();
    time::advance(Duration::from_hours(1)).await;
    time::resume();
    let said = ask(&authority, &of(&provider, &old, "alice")).await;
    assert_eq!(said, Err(Rejection::Unavailable));
}

#[tokio::test]
async fn an_outage_at_the_first_address_is_no_reason_to_ask_at_the_second() {
    let (provider, key) = (Provider::start(), signer());
    provider.at(OPENID, Answer::Raw(Vec::new()));
    provider.at(OAUTH, metadata(&provider, &provider));
    let authority = discovered(&provider, patient());
    let said = ask(&authority, &of(&provider, &key, "alice")).await;
    assert_eq!(said, Err(Rejection::Unavailable));
    assert_eq!(provider.hits(OAUTH), 0);
}

#[tokio::test]
async fn all_of_it_works_over_tls() {
    let ((provider, ca), key) = (Provider::start_tls(), signer());
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(ca.as_bytes()).unwrap();
    provider.at(OPENID, metadata(&provider, &provider));
    provider.at("/keys", Answer::json(&jwks(&[&key])));
    let fetch = FetchPolicy { ca: Some(file.path().to_owned()), ..patient() };
    let authority = discovered(&provider, fetch);
    assert_eq!(ask(&authority, &of(&provider, &key, "alice")).await, yes("alice"));
    // What came over TLS does not lead to a place without.
    let (plain, other) = (Provider::start(), signer());
    plain.at("/keys", Answer::json(&jwks(&[&other])));
    provider.at(OPENID, metadata(&provider, &plain));
    let fetch = FetchPolicy { ca: Some(file.path().to_owned()), ..patient() };
    let authority = discovered(&provider, fetch);
    let said = ask(&authority, &of(&provider, &other, "eve")).await;
    assert_eq!(said, Err(Rejection::Unavailable));
    assert_eq!(plain.hits("/keys"), 0);
}

#[test]
fn faults_of_the_configuration_are_told_at_the_start() {
    let fault = |issuer: &str, expected: &str| {
        let source = KeySource::Discovery { issuer: issuer.into(), fetch: FetchPolicy::default() };
        let expectations = Expectations::new(expected, ["chat"]);
        let issuer = Issuer { name: "idp".into(), source, expectations };
        Authority::new(vec![issuer]).unwrap_err().fault
    };
    let plain = fault("http://idp.example", "http://idp.example");
    assert!(matches!(plain, AuthorityFault::Address { .. }), "{plain:?}");
    let other = fault("https://a.example", "https://a.example/");
    assert!(matches!(other, AuthorityFault::OtherIssuer { .. }), "{other:?}");
    let url = |url: &str, ca: Option<&str>| {
        let fetch = FetchPolicy { ca: ca.map(Into::into), ..FetchPolicy::default() };
        let source = KeySource::JwksUrl { url: url.into(), fetch };
        let expectations = Expectations::new("a", ["chat"]);
        let issuer = Issuer { name: "idp".into(), source, expectations };
        crate::words::of(&Authority::new(vec![issuer]).unwrap_err())
    };
    let said = url("https://idp.example/keys", Some("/nowhere/ca.pem"));
    assert!(said.contains("issuer idp") && said.contains("/nowhere/ca.pem"), "{said}");
    let said = url("http://idp.example/keys", None);
    assert!(said.contains("use https"), "{said}");
}
