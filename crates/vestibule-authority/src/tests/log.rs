use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};
use vestibule_core::rejection::Rejection;

use super::{
    provider::{Answer, Provider},
    rig::{ask, at, jwks, patient, signer, token},
};
use crate::{FetchPolicy, KeyState};

/// Writes every event of this crate into a text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("vestibule")
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap();
        write!(text, "{}", event.metadata().level()).unwrap();
        event.record(&mut Line(&mut text));
        text.push('\n');
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn changes_and_faults_are_told_once_and_tokens_never() {
    let log = Log::default();
    // While there is one subscriber alone, tracing lets the thread that meets an event first decide for
    // all whether it is of interest; that may be one of another test, without a subscriber.
    let _second = tracing::Dispatch::new(Log::default());
    let _guard = tracing::subscriber::set_default(log.clone());
    let (provider, old, new) = (Provider::start(), signer(), signer());
    provider.at("/keys?key=s3cret", Answer::status("500 a"));
    let authority = super::rig::at_path(
        &provider,
        "/keys?key=s3cret",
        FetchPolicy { cool_down: Duration::ZERO, ..patient() },
    );
    let tokens = [token(&old, "alice"), token(&new, "bob"), token(&signer(), "eve")];
    assert_eq!(ask(&authority, &tokens[0]).await, Err(Rejection::Unavailable));
    for keys in [vec![&old], vec![&old, &new], vec![&new]] {
        provider.at("/keys?key=s3cret", Answer::json(&jwks(&keys)));
        for token in &tokens {
            // Whatever it says: what is logged counts.
            drop(ask(&authority, token).await);
        }
    }
    let text = log.0.lock().unwrap().clone();
    let count = |words: &str| text.lines().filter(|line| line.contains(words)).count();
    assert_eq!(count("keys changed"), 3, "{text}");
    assert_eq!(count("WARN message=keys not refreshed"), 1, "{text}");
    assert_eq!(count("keys can be had again"), 1, "{text}");
    assert!(text.contains(old.kid().unwrap()) && text.contains(new.kid().unwrap()), "{text}");
    assert!(text.contains("status 500"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    for token in &tokens {
        let token = std::str::from_utf8(token.secret.expose()).unwrap();
        assert!(token.split('.').all(|part| !text.contains(part)), "{text}");
    }
}

#[tokio::test]
async fn readiness_tells_what_the_operator_needs() {
    let (provider, key) = (Provider::start(), signer());
    provider.at("/keys", Answer::status("500 a"));
    let authority = at(&provider, FetchPolicy { cool_down: Duration::ZERO, ..patient() });
    let state = || authority.readiness()[0].clone();
    assert_eq!((&*state().name, state().kind), ("idp", "jwks_url"));
    assert_eq!(state().state, KeyState::NeverLoaded);
    assert_eq!((state().keys, state().age, state().last_success), (0, None, None));
    assert!(ask(&authority, &token(&key, "alice")).await.is_err());
    assert!(state().last_error.unwrap().contains("status 500"));
    provider.at("/keys", Answer::json(&jwks(&[&key])));
    assert!(ask(&authority, &token(&key, "alice")).await.is_ok());
    assert!(state().is_ready() && state().keys == 1 && state().last_error.is_none());
    assert!(state().age.is_some() && state().last_success.is_some());
}

#[tokio::test]
async fn nothing_prints_a_secret() {
    let (provider, key) = (Provider::start(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&key])));
    let authority = at(&provider, patient());
    let credential = token(&key, "alice-the-person");
    assert!(ask(&authority, &credential).await.is_ok());
    let printed = format!("{authority:?} {:?}", authority.readiness());
    let token = std::str::from_utf8(credential.secret.expose()).unwrap();
    assert!(token.split('.').all(|part| !printed.contains(part)), "{printed}");
    assert!(!printed.contains("alice-the-person"), "{printed}");
}
