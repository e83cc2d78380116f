use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet, time};
use vestibule_core::rejection::Rejection;
use vestibule_verify::{jwt::Algorithm, mint::Signer};

use super::{
    provider::{Answer, Provider},
    rig::{ask, at, jwks, now, patient, signer, token, yes},
};
use crate::{Authority, FetchPolicy, KeyState};

#[tokio::test]
async fn keys_are_fetched_once_and_then_at_hand() {
    let (provider, key) = (Provider::start(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&key])));
    let authority = at(&provider, FetchPolicy::default());
    assert_eq!(now(&authority, &token(&key, "alice")), None);
    assert_eq!(ask(&authority, &token(&key, "alice")).await, yes("alice"));
    assert_eq!(now(&authority, &token(&key, "bob")), Some(yes("bob")));
    assert_eq!(provider.hits("/keys"), 1);
}

#[tokio::test]
async fn without_keys_nobody_gets_in_and_the_provider_is_not_hammered() {
    let (provider, key) = (Provider::start(), signer());
    provider.at("/keys", Answer::status("500 a"));
    let authority = at(&provider, patient());
    for _ in 0..50 {
        let said = ask(&authority, &token(&key, "alice")).await;
        assert_eq!(said, Err(Rejection::Unavailable));
    }
    assert_eq!(now(&authority, &token(&key, "alice")), Some(Err(Rejection::Unavailable)));
    assert_eq!(provider.hits("/keys"), 1);
}

#[tokio::test]
async fn what_is_no_key_set_brings_no_keys() {
    let key = signer();
    for body in ["", "<html>", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]} "x""#] {
        let provider = Provider::start();
        provider.at("/keys", Answer::json(&body));
        let authority = at(&provider, patient());
        let said = ask(&authority, &token(&key, "alice")).await;
        assert_eq!(said, Err(Rejection::Unavailable), "{body}");
    }
}

#[tokio::test]
async fn a_shared_secret_that_others_can_fetch_is_none() {
    let secret = [7; 32];
    let key = Signer::from_secret(Algorithm::Hs256, &secret).unwrap();
    let provider = Provider::start();
    let set = r#"{"keys":[{"kty":"oct","alg":"HS256","k":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"}]}"#;
    provider.at("/keys", Answer::json(&set));
    let authority = at(&provider, patient());
    assert!(ask(&authority, &token(&key, "alice")).await.is_err());
    assert_eq!(authority.readiness()[0].state, KeyState::Empty);
}

#[tokio::test]
async fn all_who_wait_share_one_fetch() {
    let (provider, key) = (Provider::start(), signer());
    let (open, gate) = watch::channel(false);
    let answer = Answer::json(&jwks(&[&key]));
    provider.at("/keys", Answer::Gated(gate, Box::new(answer)));
    let authority = at(&provider, patient());
    let mut waiting = JoinSet::new();
    for number in 0..64 {
        let (authority, token) = (Arc::clone(&authority), token(&key, &format!("user{number}")));
        waiting.spawn(async move { ask(&authority, &token).await });
    }
    provider.wait_for("/keys", 1).await;
    open.send_replace(true);
    while let Some(said) = waiting.join_next().await {
        assert!(said.unwrap().is_ok());
    }
    assert_eq!(provider.hits("/keys"), 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_break_off_the_fetch_of_the_others() {
    let (provider, key) = (Provider::start(), signer());
    let (open, gate) = watch::channel(false);
    let answer = Answer::json(&jwks(&[&key]));
    provider.at("/keys", Answer::Gated(gate, Box::new(answer)));
    let authority = at(&provider, patient());
    let (credential, other) = (token(&key, "alice"), token(&key, "bob"));
    tokio::select! {
        _ = ask(&authority, &credential) => panic!("the gate is closed"),
        () = provider.wait_for("/keys", 1) => {}
    }
    let bob = ask(&authority, &other);
    let opens = async {
        open.send_replace(true);
    };
    assert_eq!(tokio::join!(bob, opens).0, yes("bob"));
    assert_eq!(provider.hits("/keys"), 1);
}

#[test]
fn a_thread_that_ends_costs_those_who_wait_on_others_neither_time_nor_their_turn() {
    let (provider, old, new) = (Provider::start(), signer(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&old])));
    let authority = at(&provider, patient());
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let credential = token(&new, "alice");
    let (open, gate) = watch::channel(false);
    first.block_on(async {
        assert_eq!(ask(&authority, &token(&old, "bob")).await, yes("bob"));
        let answer = Answer::json(&jwks(&[&new]));
        provider.at("/keys", Answer::Gated(gate, Box::new(answer)));
        tokio::select! {
            _ = ask(&authority, &credential) => panic!("the gate is closed"),
            () = provider.wait_for("/keys", 2) => {}
        }
    });
    let ends = async {
        drop(tokio::task::spawn_blocking(move || drop(first)));
        provider.wait_for("/keys", 3).await;
        open.send_replace(true);
    };
    let alice = async { tokio::join!(ask(&authority, &credential), ends).0 };
    assert_eq!(second.block_on(alice), yes("alice"));
}

#[tokio::test]
async fn a_key_that_is_not_in_the_set_is_looked_for_once() {
    let (provider, old, new) = (Provider::start(), signer(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&old])));
    let authority = at(&provider, patient());
    assert_eq!(ask(&authority, &token(&old, "alice")).await, yes("alice"));
    provider.at("/keys", Answer::json(&jwks(&[&old, &new])));
    assert_eq!(now(&authority, &token(&new, "bob")), None);
    assert_eq!(ask(&authority, &token(&new, "bob")).await, yes("bob"));
    assert_eq!(now(&authority, &token(&old, "carol")), Some(yes("carol")));
    assert_eq!(provider.hits("/keys"), 2);
}

#[tokio::test]
async fn a_known_name_with_a_new_key_is_looked_for_once_too() {
    let (provider, old, new) = (Provider::start(), signer().with_kid("1"), signer().with_kid("1"));
    provider.at("/keys", Answer::json(&jwks(&[&old])));
    let authority = at(&provider, patient());
    assert_eq!(ask(&authority, &token(&old, "alice")).await, yes("alice"));
    provider.at("/keys", Answer::json(&jwks(&[&new])));
    assert_eq!(ask(&authority, &token(&new, "bob")).await, yes("bob"));
    assert_eq!(now(&authority, &token(&old, "alice")), Some(Err(Rejection::TokenSignature)));
    assert_eq!(provider.hits("/keys"), 2);
}

#[tokio::test]
async fn strangers_who_invent_tokens_cost_the_provider_one_fetch_in_a_cool_down() {
    let (provider, key) = (Provider::start(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&key])));
    let authority = at(&provider, FetchPolicy::default());
    assert_eq!(ask(&authority, &token(&key, "alice")).await, yes("alice"));
    for number in 0..100 {
        let forger = if number % 2 == 0 {
            signer() // an unknown name
        } else {
            signer().with_kid(key.kid().unwrap()) // a known name, another key
        };
        let said = ask(&authority, &token(&forger, "alice")).await;
        let expected = [Rejection::TokenKeyUnknown, Rejection::TokenSignature][number % 2];
        assert_eq!(said, Err(expected), "{number}");
    }
    assert_eq!(provider.hits("/keys"), 2);
    assert_eq!(now(&authority, &token(&key, "bob")), Some(yes("bob")));
}

#[tokio::test]
async fn a_withdrawn_key_refuses_its_tokens() {
    let (provider, old, new) = (Provider::start(), signer(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&old])));
    let authority = at(&provider, FetchPolicy { cool_down: Duration::ZERO, ..patient() });
    let credential = token(&old, "alice");
    assert_eq!(ask(&authority, &credential).await, yes("alice"));
    provider.at("/keys", Answer::json(&jwks(&[&new])));
    assert_eq!(ask(&authority, &token(&new, "bob")).await, yes("bob"));
    assert_eq!(ask(&authority, &credential).await, Err(Rejection::TokenKeyUnknown));
}

#[tokio::test]
async fn an_emptied_set_withdraws_all_keys() {
    let (provider, key) = (Provider::start(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&key])));
    let authority = at(&provider, FetchPolicy { cool_down: Duration::ZERO, ..patient() });
    assert_eq!(ask(&authority, &token(&key, "alice")).await, yes("alice"));
    provider.at("/keys", Answer::json(&jwks(&[])));
    let stranger = ask(&authority, &token(&signer(), "eve")).await;
    assert_eq!(stranger, Err(Rejection::TokenKeyUnknown));
    assert_eq!(ask(&authority, &token(&key, "alice")).await, Err(Rejection::TokenKeyUnknown));
    assert!(!authority.readiness()[0].is_ready());
}

#[tokio::test]
async fn the_last_keys_count_for_a_while_when_the_provider_is_down() {
    let (provider, key) = (Provider::start(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&key])));
    let authority = at(&provider, patient());
    let credential = token(&key, "alice");
    assert_eq!(ask(&authority, &credential).await, yes("alice"));
    provider.at("/keys", Answer::status("503 a"));
    time::pause();
    time::advance(Duration::from_hours(24) - Duration::from_mins(1)).await;
    assert_eq!(now(&authority, &credential), Some(yes("alice")));
    assert_eq!(now(&authority, &token(&key, "bob")), Some(yes("bob")));
    // An unknown key may be one that we could not get: that is our fault, not the token's.
    time::resume();
    let newcomer = ask(&authority, &token(&signer(), "carol")).await;
    assert_eq!(newcomer, Err(Rejection::Unavailable));
    time::pause();
    time::advance(Duration::from_mins(1)).await;
    time::resume();
    assert_eq!(ask(&authority, &credential).await, Err(Rejection::Unavailable));
    assert_eq!(authority.readiness()[0].state, KeyState::TooOld);
    // And when it is back, so are its users.
    provider.at("/keys", Answer::json(&jwks(&[&key])));
    time::pause();
    time::advance(Duration::from_hours(1)).await;
    time::resume();
    assert_eq!(ask(&authority, &credential).await, yes("alice"));
}

#[tokio::test]
async fn keys_are_refreshed_in_the_background_and_after_failures() {
    let (provider, old, new) = (Provider::start(), signer(), signer());
    provider.at("/keys", Answer::status("500 a"));
    let policy = FetchPolicy { refresh: Duration::from_millis(100), ..patient() };
    let authority = at(&provider, policy);
    let background = tokio::spawn(Arc::clone(&authority).keep_fresh());
    provider.wait_for("/keys", 1).await;
    provider.at("/keys", Answer::json(&jwks(&[&old])));
    provider.wait_for("/keys", 3).await;
    assert_eq!(now(&authority, &token(&old, "alice")), Some(yes("alice")));
    provider.at("/keys", Answer::json(&jwks(&[&new])));
    let seen = provider.hits("/keys");
    provider.wait_for("/keys", seen + 3).await;
    assert_eq!(now(&authority, &token(&new, "bob")), Some(yes("bob")));
    assert_eq!(ask(&authority, &token(&old, "alice")).await, Err(Rejection::TokenKeyUnknown));
    background.abort();
}

#[test]
fn a_rotation_under_load_refuses_nobody() {
    rotate_under_load(FetchPolicy::default(), 1);
}

#[test]
fn many_rotations_under_load_refuse_nobody() {
    rotate_under_load(FetchPolicy { cool_down: Duration::ZERO, ..FetchPolicy::default() }, 6);
}

/// The published set is {n - 1, n}; eight threads present tokens of either key, and all of them
/// get in.
fn rotate_under_load(policy: FetchPolicy, rotations: usize) {
    let provider = Provider::start();
    let keys: Vec<Signer> = (0..=rotations).map(|_| signer()).collect();
    provider.at("/keys", Answer::json(&jwks(&[&keys[0]])));
    let load = Load {
        authority: at(&provider, policy),
        keys,
        published: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
    };
    let accepted: Vec<AtomicUsize> = (0..8).map(|_| AtomicUsize::new(0)).collect();
    thread::scope(|scope| {
        for accepted in &accepted {
            scope.spawn(|| load.run(accepted));
        }
        for rotation in 0..=rotations {
            let before: Vec<_> = accepted.iter().map(|n| n.load(Ordering::SeqCst)).collect();
            let enough = || {
                let pairs = accepted.iter().zip(&before);
                pairs.into_iter().all(|(now, before)| now.load(Ordering::SeqCst) > before + 10)
            };
            while !enough() && !load.stop.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            if let Some(next) = load.keys.get(rotation + 1) {
                let set = jwks(&[&load.keys[rotation], next]);
                provider.at("/keys", Answer::json(&set));
                load.published.store(rotation + 1, Ordering::SeqCst);
            }
        }
        load.stop.store(true, Ordering::SeqCst);
    });
}

struct Load {
    authority: Arc<Authority>,
    keys: Vec<Signer>,
    published: AtomicUsize,
    stop: AtomicBool,
}

impl Load {
    fn run(&self, accepted: &AtomicUsize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            while !self.stop.load(Ordering::SeqCst) {
                let turn = accepted.load(Ordering::SeqCst);
                let published = self.published.load(Ordering::SeqCst);
                // The newest key and the one before it in turn, and a token seen before now and then.
                let key = published.saturating_sub(turn % 2);
                let credential = token(&self.keys[key], &format!("{}", turn % 7));
                let said = match now(&self.authority, &credential) {
                    Some(said) => said,
                    None => ask(&self.authority, &credential).await,
                };
                // While it was asked, its key may have left the set; then no is right as well.
                let withdrawn = self.published.load(Ordering::SeqCst) > key + 1;
                if said != Ok(format!("{}", turn % 7)) && !withdrawn {
                    self.stop.store(true, Ordering::SeqCst);
                    panic!("key {key} of {published}: {said:?}");
                }
                accepted.store(turn + 1, Ordering::SeqCst);
            }
        });
    }
}
