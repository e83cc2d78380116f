use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use vestibule_core::authn::Credential;
use vestibule_verify::mint::Signer;

use super::*;
use crate::{
    Again, Authority, FetchPolicy, Issuer, KeySource,
    tests::{
        provider::{Answer as Served, Provider},
        rig::{self, ISSUER, NOW, Said, jwks, said, signer, token_with, yes},
    },
};

const PATH: &str = "/introspect";

/// One issuer that is asked, and those before it.
struct Rig {
    authority: Arc<Authority>,
    _folder: TempDir,
}

fn asked(url: &str, change: impl FnOnce(&mut Introspection)) -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let issuer = asked_issuer(url, &folder, change);
    Rig { authority: Authority::new(vec![issuer]).unwrap(), _folder: folder }
}

fn asked_issuer(url: &str, folder: &TempDir, change: impl FnOnce(&mut Introspection)) -> Issuer {
    let secret_file = folder.path().join("secret");
    std::fs::write(&secret_file, "s3cret").unwrap();
    let login = Login::Basic { client_id: "gate".into(), secret_file };
    let mut policy = Introspection::new(url, login);
    change(&mut policy);
    rig::issuer("asked", KeySource::Introspection(Box::new(policy)))
}

fn active(subject: &str) -> Value {
    json!({
        "active": true, "token_type": "Bearer", "iss": ISSUER, "aud": "chat", "sub": subject,
        "exp": rig::EXP,
    })
}

async fn ask(authority: &Authority, token: &str) -> Said {
    said(authority.check(&Credential::bearer(token), &[0], || NOW).await)
}

fn now(authority: &Authority, token: &str) -> Option<Said> {
    authority.check_now(&Credential::bearer(token), &[0], NOW).map(said)
}

#[tokio::test]
async fn what_was_said_is_known_without_asking_and_the_rest_is_not() {
    let provider = Provider::start();
    let rig = asked(&provider.url(PATH), |_| {});
    assert_eq!(now(&rig.authority, "one"), None);
    provider.at(PATH, Served::json(&active("alice")));
    assert_eq!(ask(&rig.authority, "one").await, yes("alice"));
    assert_eq!(now(&rig.authority, "one"), Some(yes("alice")));
    provider.at(PATH, Served::json(&json!({ "active": false })));
    assert_eq!(ask(&rig.authority, "two").await, Err(Rejection::TokenInactive));
    assert_eq!(now(&rig.authority, "two"), Some(Err(Rejection::TokenInactive)));
    assert_eq!(provider.hits(PATH), 2);
    // No answer is remembered as one.
    provider.at(PATH, Served::status("500 No"));
    assert_eq!(ask(&rig.authority, "three").await, Err(Rejection::Unavailable));
    assert_eq!(now(&rig.authority, "three"), None);
}

#[tokio::test]
async fn a_remembered_yes_ends_with_the_token_on_a_clock_that_jumps_too() {
    let provider = Provider::start();
    let rig = asked(&provider.url(PATH), |policy| policy.cache = Duration::from_mins(5));
    provider.at(PATH, Served::json(&active("alice")));
    let wall = AtomicI64::new(NOW.as_secs());
    let clock = || UnixTime::from_secs(wall.load(Ordering::Relaxed));
    let ask = || async { said(rig.authority.check(&Credential::bearer("one"), &[0], clock).await) };
    assert_eq!(ask().await, yes("alice"));
    wall.store(rig::EXP + 31, Ordering::Relaxed);
    assert_eq!(ask().await, Err(Rejection::TokenExpired));
    // And what was said in the future says nothing about the past.
    wall.store(NOW.as_secs() - 10, Ordering::Relaxed);
    let hits = provider.hits(PATH);
    assert_eq!(ask().await, yes("alice"));
    assert_eq!(provider.hits(PATH), hits + 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_break_off_the_question_of_others() {
    let provider = Provider::start();
    let rig = asked(&provider.url(PATH), |_| {});
    let (gate, open) = watch::channel(false);
    provider.at(PATH, Served::Gated(open, Box::new(Served::json(&active("alice")))));
    let asking = || {
        let authority = Arc::clone(&rig.authority);
        tokio::spawn(async move { ask(&authority, "one").await })
    };
    let first = asking();
    provider.wait_for(PATH, 1).await;
    let second = asking();
    first.abort();
    assert!(first.await.is_err());
    gate.send(true).unwrap();
    assert_eq!(second.await.unwrap(), yes("alice"));
    assert_eq!(provider.hits(PATH), 1);
}

#[tokio::test]
async fn invented_tokens_get_their_rate_and_a_known_one_is_asked_about_beside_them() {
    let provider = Provider::start();
    let rig = asked(&provider.url(PATH), |policy| {
        policy.rate = 3;
        policy.cache = Duration::ZERO;
    });
    provider.at(PATH, Served::json(&active("alice")));
    assert_eq!(ask(&rig.authority, "known").await, yes("alice"));
    provider.at(PATH, Served::json(&json!({ "active": false })));
    let mut said = Vec::new();
    for number in 0..50 {
        said.push(ask(&rig.authority, &format!("invented-{number}")).await);
    }
    assert!(said.contains(&Err(Rejection::TokenInactive)), "{said:?}");
    assert!(said.contains(&Err(Rejection::Unavailable)), "{said:?}");
    let hits = provider.hits(PATH);
    provider.at(PATH, Served::json(&active("alice")));
    assert_eq!(ask(&rig.authority, "known").await, yes("alice"));
    assert_eq!(provider.hits(PATH), hits + 1);
}

#[tokio::test]
async fn a_stranger_cannot_open_the_breaker_by_the_choice_of_tokens() {
    let provider = Provider::start();
    let rig = asked(&provider.url(PATH), |_| {});
    let circuit = || rig.authority.readiness()[0].circuit;
    let odd = [
        Served::status("400 Bad Request"),
        Served::json(&json!({ "active": true, "exp": "soon" })),
        Served::json(&"x".repeat(limits::ANSWER_BYTES)),
    ];
    for (number, served) in odd.iter().cycle().take(30).enumerate() {
        provider.at(PATH, served.clone());
        let token = format!("odd-{number}");
        assert_eq!(ask(&rig.authority, &token).await, Err(Rejection::Unavailable));
    }
    assert_eq!(circuit(), Some(Circuit::Closed));
    provider.at(PATH, Served::status("500 No"));
    for number in 0..limits::BREAKER_FAILURES {
        let token = format!("down-{number}");
        assert_eq!(ask(&rig.authority, &token).await, Err(Rejection::Unavailable));
    }
    assert_eq!(circuit(), Some(Circuit::Open));
    let hits = provider.hits(PATH);
    assert_eq!(ask(&rig.authority, "left-alone").await, Err(Rejection::Unavailable));
    assert_eq!(provider.hits(PATH), hits);
}

#[tokio::test]
async fn an_issuer_is_asked_before_anybody_comes_and_found_when_it_is_back() {
    let provider = Provider::start();
    provider.at(PATH, Served::status("500 No"));
    let rig = asked(&provider.url(PATH), |_| {});
    let state = || rig.authority.readiness()[0].state;
    assert_eq!(state(), KeyState::NeverAnswered);
    let background = tokio::spawn(Arc::clone(&rig.authority).keep_fresh());
    provider.wait_for(PATH, 1).await;
    assert_eq!(state(), KeyState::NeverAnswered);
    provider.at(PATH, Served::json(&json!({ "active": false })));
    let hits = provider.hits(PATH);
    provider.wait_for(PATH, hits + 1).await;
    while state() != KeyState::Ready {
        tokio::task::yield_now().await;
    }
    background.abort();
}

#[tokio::test]
async fn an_issuer_s_certificate_counts_only_with_the_configured_roots() {
    let (provider, ca) = Provider::start_tls();
    provider.at(PATH, Served::json(&active("alice")));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, ca).unwrap();
    let fetch = |ca| FetchPolicy { ca, ..FetchPolicy::default() };
    let url = provider.url(PATH);
    let rig = asked(&url, |policy| policy.fetch = fetch(Some(path)));
    assert_eq!(ask(&rig.authority, "one").await, yes("alice"));
    let other = folder.path().join("other.pem");
    std::fs::write(&other, Provider::start_tls().1).unwrap();
    let rig = asked(&url, |policy| policy.fetch = fetch(Some(other)));
    assert_eq!(ask(&rig.authority, "one").await, Err(Rejection::Unavailable));
}

#[tokio::test]
async fn an_answer_has_a_time() {
    let provider = Provider::start();
    let rig = asked(&provider.url(PATH), |policy| {
        policy.fetch.timeout = Duration::from_millis(200);
    });
    for served in [Served::Hang, Served::Trickle] {
        provider.at(PATH, served);
        assert_eq!(ask(&rig.authority, "one").await, Err(Rejection::Unavailable));
    }
}

#[test]
fn an_address_without_tls_to_another_host_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = asked_issuer("http://idp.example/introspect", &folder, |_| {});
    assert!(Authority::new(vec![issuer]).is_err());
    let issuer = asked_issuer("https://idp.example/introspect", &folder, |_| {});
    std::fs::write(folder.path().join("secret"), "").unwrap();
    assert!(Authority::new(vec![issuer]).is_err());
}

/// Keys of `ISSUER` from a file, then one that is asked, for another name.
fn both(url: &str, keys: &[&Signer], named: Option<&str>) -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks");
    std::fs::write(&path, jwks(keys).to_string()).unwrap();
    let keyed = rig::issuer("keyed", KeySource::JwksFile(path));
    let mut issuer = asked_issuer(url, &folder, |_| {});
    issuer.expectations.issuer = named.map(Into::into);
    issuer.expectations.issuer_name = "asked".into();
    Rig { authority: Authority::new(vec![keyed, issuer]).unwrap(), _folder: folder }
}

#[tokio::test]
async fn a_token_goes_to_the_keys_or_to_the_one_that_is_asked_and_never_to_both() {
    let provider = Provider::start();
    let key = signer();
    provider.at(
        PATH,
        Served::json(
            &json!({ "active": true, "token_type": "Bearer", "aud": "chat", "sub": "bob" }),
        ),
    );
    let claims =
        |issuer: &str| json!({ "iss": issuer, "aud": "chat", "sub": "alice", "exp": rig::EXP });
    for (named, token, expected, hits) in [
        // By its keys: the second has no say.
        (None, token_with(&key, &claims(ISSUER)), yes("alice"), 0),
        (None, token_with(&signer(), &claims(ISSUER)), Err(Rejection::TokenKeyUnknown), 0),
        // Of nobody's keys: the second may not look at the name, or look for its own.
        (None, token_with(&key, &claims("https://other.example/")), yes("bob"), 1),
        (
            Some("https://other.example/"),
            token_with(&key, &claims("https://other.example/")),
            yes("bob"),
            1,
        ),
        (
            Some("https://asked.example/"),
            token_with(&key, &claims("https://other.example/")),
            Err(Rejection::TokenIssuer),
            0,
        ),
        (Some("https://asked.example/"), token_with(&key, &json!({ "sub": "a" })), yes("bob"), 1),
        // No JWT at all.
        (Some("https://asked.example/"), Credential::bearer("opaque"), yes("bob"), 1),
        (Some("https://asked.example/"), Credential::bearer("a.b.c"), yes("bob"), 1),
        (None, Credential::bearer(""), Err(Rejection::TokenMalformed), 0),
        (None, Credential::bearer("a b"), Err(Rejection::TokenMalformed), 0),
        (None, Credential::bearer("a\r\nb"), Err(Rejection::TokenMalformed), 0),
        (None, Credential::bearer("x".repeat(13_000)), Err(Rejection::TokenMalformed), 0),
    ] {
        let rig = both(&provider.url(PATH), &[&key], named);
        let before = provider.hits(PATH);
        assert_eq!(said(rig.authority.check(&token, &[0, 1], || NOW).await), expected);
        assert_eq!(provider.hits(PATH) - before, hits);
        // Where only the keys count, what is no JWT of theirs is refused.
        if hits == 1 {
            assert!(rig.authority.check(&token, &[0], || NOW).await.is_err());
            assert_eq!(provider.hits(PATH) - before, hits);
        }
    }
}

#[tokio::test]
async fn what_is_kept_of_a_token_finds_out_what_became_of_it() {
    let provider = Provider::start();
    let rig = asked(&provider.url(PATH), |_| {});
    let credential = Credential::bearer("opaque-1");
    let said = json!({ "scope": "read write" });
    let with = |change: &Value| {
        let mut answer = active("alice");
        for (name, value) in change.as_object().unwrap() {
            answer[name] = value.clone();
        }
        Served::json(&answer)
    };
    provider.at(PATH, with(&said));
    let verified = rig.authority.check(&credential, &[0], || NOW).await.unwrap();
    let standing = rig.authority.standing(&verified).unwrap();
    assert!(!format!("{standing:?}").contains("opaque-1"));
    let again = || standing.ask_again(|| NOW);
    assert!(matches!(again().await, Again::Good { .. }));
    assert_eq!(provider.hits(PATH), 2);
    for (change, expected) in [
        (json!({ "active": false }), Rejection::TokenInactive),
        (json!({ "scope": "read" }), Rejection::TokenRevoked),
        (json!({ "scope": "read write", "sub": "bob" }), Rejection::TokenRevoked),
        (json!({ "scope": "read write", "exp": 1 }), Rejection::TokenExpired),
        (
            json!({
                "scope": "read write",
                "cnf": { "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }
            }),
            Rejection::TokenRevoked,
        ),
    ] {
        provider.at(PATH, with(&change));
        let Again::Gone(refused) = again().await else { panic!("{change}") };
        assert_eq!(refused.rejection, expected, "{change}");
    }
    provider.at(PATH, with(&json!({ "active": false })));
    assert!(matches!(again().await, Again::Gone(_)));
    // Nobody else gets in by what was said before.
    assert_eq!(now(&rig.authority, "opaque-1"), Some(Err(Rejection::TokenInactive)));
    // Its own end is no withdrawal, whatever its issuer says of it then.
    let hits = provider.hits(PATH);
    let ended = standing.ask_again(|| UnixTime::from_secs(rig::EXP)).await;
    assert_eq!((ended, provider.hits(PATH)), (Again::Over, hits));
    provider.at(PATH, Served::status("500 No"));
    assert!(matches!(again().await, Again::Later(_)));
    provider.at(PATH, with(&json!({ "scope": "write more read" })));
    assert!(matches!(again().await, Again::Good { .. }));
}
