mod registration;

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use vestibule_core::authn::{self, Demand, Mechanism, Principal, Response, Secret};
use vestibule_testkit::{Authenticator, base64url};
use vestibule_verify::webauthn::Backup;

use super::*;
use crate::{
    api_keys::Holder,
    door::Door,
    identities::exchange,
    store::Answer,
    tests::{rig::NOW, shelf::Shelf},
};

const ID: &str = "example.org";
const PAGE: &str = "https://app.example.org";
const GATE: &str = "https://gate.example";

/// Users, as a test wants them.
#[derive(Debug, Default)]
struct People(Mutex<HashMap<Box<str>, Holder>>);

impl Holders for People {
    fn holder<'a>(&'a self, user: &'a str, _now: UnixTime) -> Answer<'a, Option<Holder>> {
        let people = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let holder = people.get(user).cloned();
        Box::pin(async move { Ok(holder) })
    }
}

struct Rig {
    shelf: Arc<Shelf>,
    people: Arc<People>,
    passkeys: Arc<Passkeys>,
}

fn policy(verification: Verification) -> PasskeyPolicy {
    let origins = [PAGE.into(), "https://example.org".into()];
    PasskeyPolicy { id: ID.into(), name: "Example".into(), origins: origins.into(), verification }
}

fn device(id: &[u8]) -> Authenticator {
    Authenticator::new(PAGE, ID, id).unwrap()
}

fn json_of(options: &Map<String, Value>) -> Value {
    Value::Object(options.clone())
}

fn later(seconds: u64) -> UnixTime {
    NOW.after(Duration::from_secs(seconds))
}

impl Rig {
    fn new() -> Self {
        Self::with(Some(policy(Verification::Required)))
    }

    fn with(policy: Option<PasskeyPolicy>) -> Self {
        let (shelf, people) = (Arc::new(Shelf::default()), Arc::new(People::default()));
        let (store, holders) = (Arc::<Shelf>::clone(&shelf), Arc::<People>::clone(&people));
        let lifetime = Duration::from_hours(1);
        let passkeys = Arc::new(Passkeys::new(store, holders, (GATE.into(), lifetime), policy));
        let rig = Self { shelf, people, passkeys };
        rig.user("alice", NOW);
        rig.user("bob", NOW);
        rig
    }

    fn user(&self, name: &str, since: UnixTime) {
        let scopes = Box::new(["chat".into()]);
        let holder = Holder { since, scopes, groups: Box::default(), email: None, name: None };
        self.people.0.lock().unwrap().insert(name.into(), holder);
    }

    fn disable(&self, name: &str) {
        self.people.0.lock().unwrap().remove(name);
    }

    async fn begin(&self, user: &str) -> Value {
        json_of(&self.passkeys.begin(user, NOW).await.unwrap().options)
    }

    async fn finish(&self, user: &str, answer: &Value, now: UnixTime) -> Result<Passkey, String> {
        let answer = answer.to_string();
        let finished = self.passkeys.finish(user, Some("Laptop"), answer.as_bytes(), now).await;
        finished.map_err(|error| error.to_string())
    }

    /// Registers it with a user.
    async fn register(&self, user: &str, device: &mut Authenticator) -> Passkey {
        let answer = device.create(&self.begin(user).await).unwrap();
        self.finish(user, &answer, NOW).await.unwrap()
    }

    fn ask(&self, user: &str) -> (Pending, Value) {
        let asked = self.passkeys.challenge(&Secret::new(user)).unwrap();
        let authn::Challenge { demand: Demand::Options(options), exchange } = asked else {
            panic!()
        };
        let Some(exchange::Pending::Webauthn(pending)) = exchange.into_state() else { panic!() };
        (pending, Value::Object(options))
    }

    async fn check_at(
        &self,
        pending: Pending,
        answer: &Value,
        now: UnixTime,
    ) -> Result<Principal, Rejection> {
        let issuers = [GATE.into()];
        let door = Door { route: "chat", origin: None, issuers: &issuers };
        let response = Response::Assertion(Secret::new(answer.to_string()));
        let verified = self.passkeys.check(pending, &response, &door, now).await;
        verified
            .map(|verified| Principal::clone(verified.principal()))
            .map_err(|refused| refused.rejection)
    }

    /// An exchange in which this name is said, or none.
    async fn run(&self, user: &str, device: &mut Authenticator) -> Result<Principal, Rejection> {
        let (pending, options) = self.ask(user);
        self.check_at(pending, &device.get(&options).unwrap(), NOW).await
    }
}

const INVALID: Result<&str, Rejection> = Err(Rejection::CredentialsInvalid);
const ALICE: Result<&str, Rejection> = Ok("alice");

fn subject(result: &Result<Principal, Rejection>) -> Result<&str, Rejection> {
    result.as_ref().map(|principal| &*principal.subject).map_err(|rejection| *rejection)
}

#[tokio::test]
async fn who_has_a_passkey_is_its_user_with_a_name_and_without() {
    let rig = Rig::new();
    let mut device = device(b"one");
    let passkey = rig.register("alice", &mut device).await;
    assert_eq!((&*passkey.user, passkey.name.as_deref()), ("alice", Some("Laptop")));
    assert_eq!((passkey.backup, passkey.used), (Backup::OneDevice, None));
    for name in ["", "alice"] {
        let principal = rig.run(name, &mut device).await.unwrap();
        assert_eq!(&*principal.subject, "alice");
        assert_eq!(&*principal.issuer, GATE);
        assert_eq!(principal.scopes, Box::from(["chat".into()]));
        assert_eq!(principal.token_id.as_ref(), Some(&passkey.token));
        assert_eq!(principal.mechanism, Mechanism::Webauthn);
        assert_eq!(principal.methods, Box::from(["hwk".into(), "user".into(), "mfa".into()]));
        assert_eq!(principal.expires, NOW.after(Duration::from_hours(1)));
    }
    let used = rig.passkeys.get(&passkey.id, NOW).await.unwrap().unwrap().used;
    assert_eq!(used, Some(NOW));
}

#[tokio::test]
async fn the_options_are_the_same_for_whoever_has_passkeys_and_whoever_is_nobody() {
    let rig = Rig::new();
    rig.register("alice", &mut device(b"one")).await;
    let long = "x".repeat(10_000);
    let mut seen = Vec::new();
    for name in ["", "alice", "bob", "nobody", "\u{1f511}", &long] {
        let (_, mut options) = rig.ask(name);
        assert_eq!(options["allowCredentials"], json!([]));
        assert_eq!(options["userVerification"], "required");
        assert_eq!(options["challenge"].take().as_str().unwrap().len(), 43);
        seen.push(options);
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
}

#[tokio::test]
async fn unknown_wrong_shut_out_and_anothers_are_one_refusal() {
    let rig = Rig::new();
    let (mut one, mut other, mut stranger) = (device(b"one"), device(b"other"), device(b"one"));
    rig.register("alice", &mut one).await;
    rig.register("bob", &mut other).await;
    assert_eq!(subject(&rig.run("alice", &mut other).await), INVALID);
    assert_eq!(subject(&rig.run("nobody", &mut one).await), INVALID);
    assert_eq!(subject(&rig.run("nobody", &mut stranger).await), INVALID);
    // A key of somebody else's under a name that is known.
    stranger.handle.clone_from(&one.handle);
    assert_eq!(subject(&rig.run("", &mut stranger).await), INVALID);
    stranger.id = b"unknown".to_vec();
    assert_eq!(subject(&rig.run("", &mut stranger).await), INVALID);
    // The user of another passkey.
    let own = std::mem::replace(&mut one.handle, other.handle.clone());
    assert_eq!(subject(&rig.run("", &mut one).await), INVALID);
    one.handle = None;
    assert_eq!(subject(&rig.run("", &mut one).await), INVALID);
    // Who said who they are, need not be told by the authenticator.
    assert_eq!(subject(&rig.run("alice", &mut one).await), ALICE);
    one.handle = own;
    rig.disable("alice");
    assert_eq!(subject(&rig.run("", &mut one).await), INVALID);
    rig.user("alice", later(1));
    assert_eq!(subject(&rig.run("", &mut one).await), INVALID);
}

#[tokio::test]
async fn an_assertion_is_good_for_one_challenge_page_and_party() {
    let rig = Rig::new();
    let mut device = device(b"one");
    rig.register("alice", &mut device).await;
    let (_, elsewhere) = rig.ask("");
    let (pending, _) = rig.ask("");
    let replayed = device.get(&elsewhere).unwrap();
    assert_eq!(subject(&rig.check_at(pending, &replayed, NOW).await), INVALID);
    for page in ["https://evil.example", "http://app.example.org", "https://app.example.org:8443"] {
        page.clone_into(&mut device.origin);
        assert_eq!(subject(&rig.run("", &mut device).await), INVALID, "{page}");
    }
    PAGE.clone_into(&mut device.origin);
    "evil.example".clone_into(&mut device.party);
    assert_eq!(subject(&rig.run("", &mut device).await), INVALID);
    ID.clone_into(&mut device.party);
    device.flags = Authenticator::VERIFIED;
    assert_eq!(subject(&rig.run("", &mut device).await), INVALID);
    device.flags = Authenticator::PRESENT;
    assert_eq!(subject(&rig.run("", &mut device).await), INVALID);
    device.flags = Authenticator::PRESENT | Authenticator::VERIFIED;
    assert_eq!(subject(&rig.run("", &mut device).await), ALICE);
}

#[tokio::test]
async fn a_touch_is_one_factor_where_it_is_enough() {
    for verification in [Verification::Preferred, Verification::Discouraged] {
        let rig = Rig::with(Some(policy(verification)));
        let mut device = device(b"one");
        device.flags = Authenticator::PRESENT;
        rig.register("alice", &mut device).await;
        let principal = rig.run("", &mut device).await.unwrap();
        assert_eq!(principal.methods, Box::from(["hwk".into(), "user".into()]));
    }
}

#[tokio::test]
async fn a_count_that_goes_back_is_a_copy() {
    let rig = Rig::new();
    let mut device = device(b"one");
    device.count = 5;
    rig.register("alice", &mut device).await;
    assert_eq!(subject(&rig.run("", &mut device).await), ALICE);
    // Its copy goes on from where it was copied.
    device.count = 5;
    assert_eq!(subject(&rig.run("", &mut device).await), INVALID);
    assert_eq!(subject(&rig.run("", &mut device).await), ALICE);
    device.count = 0;
    assert_eq!(subject(&rig.run("", &mut device).await), INVALID);
}

#[tokio::test]
async fn of_two_copies_at_the_same_time_one_is_refused() {
    let rig = Rig::new();
    let mut device = device(b"one");
    device.count = 5;
    rig.register("alice", &mut device).await;
    let (first, second) = (rig.ask(""), rig.ask(""));
    let one = device.get(&first.1).unwrap();
    device.count = 5;
    let copy = device.get(&second.1).unwrap();
    // The copy comes between the look at the count and its change.
    let passkeys = Arc::clone(&rig.passkeys);
    rig.shelf.before_next(Table::Passkeys, async move {
        let door = Door { route: "chat", origin: None, issuers: &[GATE.into()] };
        let response = Response::Assertion(Secret::new(copy.to_string()));
        assert!(passkeys.check(second.0, &response, &door, NOW).await.is_ok());
    });
    assert_eq!(subject(&rig.check_at(first.0, &one, NOW).await), INVALID);
}

#[tokio::test]
async fn a_passkey_that_is_removed_while_it_is_used_lets_nobody_in() {
    let rig = Rig::new();
    let mut device = device(b"one");
    let passkey = rig.register("alice", &mut device).await;
    let passkeys = Arc::clone(&rig.passkeys);
    rig.shelf.before_next(Table::Passkeys, async move {
        passkeys.remove(&passkey, NOW).await.unwrap();
    });
    assert_eq!(subject(&rig.run("", &mut device).await), INVALID);
}

#[tokio::test]
async fn a_passkey_that_is_used_while_it_is_removed_is_removed() {
    let rig = Rig::new();
    let mut device = device(b"one");
    device.count = 1;
    let passkey = rig.register("alice", &mut device).await;
    let (pending, options) = rig.ask("");
    let answer = device.get(&options).unwrap();
    let passkeys = Arc::clone(&rig.passkeys);
    rig.shelf.before_next(Table::Passkeys, async move {
        let door = Door { route: "chat", origin: None, issuers: &[GATE.into()] };
        let response = Response::Assertion(Secret::new(answer.to_string()));
        assert!(passkeys.check(pending, &response, &door, NOW).await.is_ok());
    });
    rig.passkeys.remove(&passkey, NOW).await.unwrap();
    assert_eq!(rig.passkeys.list(None, 10, NOW).await.unwrap(), []);
    assert_eq!(rig.passkeys.list_of("alice", NOW).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_kept_follows_the_authenticator_and_is_written_when_it_matters() {
    let rig = Rig::new();
    let mut device = device(b"one");
    device.flags |= Authenticator::COPYABLE;
    let passkey = rig.register("alice", &mut device).await;
    let shown = async || rig.passkeys.get(&passkey.id, NOW).await.unwrap().unwrap();
    assert_eq!(shown().await.backup, Backup::Possible);
    device.flags |= Authenticator::COPIED;
    assert_eq!(subject(&rig.run("", &mut device).await), ALICE);
    assert_eq!(shown().await.backup, Backup::Done);
    for (seconds, used) in [(10, 0), (70, 70)] {
        let (pending, options) = rig.ask("");
        let answer = device.get(&options).unwrap();
        assert!(rig.check_at(pending, &answer, later(seconds)).await.is_ok());
        assert_eq!(shown().await.used, Some(later(used)));
    }
    // It could be copied, and now says that it cannot.
    device.flags = Authenticator::PRESENT | Authenticator::VERIFIED;
    assert_eq!(subject(&rig.run("", &mut device).await), INVALID);
}

#[tokio::test]
async fn a_store_that_cannot_answer_lets_nobody_in_and_registers_nothing() {
    let rig = Rig::new();
    let mut device = device(b"one");
    rig.register("alice", &mut device).await;
    let options = rig.begin("alice").await;
    rig.shelf.fail();
    assert_eq!(subject(&rig.run("", &mut device).await), Err(Rejection::Unavailable));
    assert!(matches!(rig.passkeys.begin("alice", NOW).await, Err(PasskeyError::Store(_))));
    let answer = device.create(&options).unwrap();
    assert!(rig.finish("alice", &answer, NOW).await.is_err());
}

#[tokio::test]
async fn without_a_policy_there_are_none_and_a_route_of_others_takes_none() {
    let off = Rig::with(None);
    let refused = off.passkeys.challenge(&Secret::new("")).unwrap_err();
    assert_eq!(refused.rejection, Rejection::MechanismNotAllowed);
    assert!(matches!(off.passkeys.begin("alice", NOW).await, Err(PasskeyError::Off)));
    let rig = Rig::new();
    let mut device = device(b"one");
    rig.register("alice", &mut device).await;
    let (pending, options) = rig.ask("");
    let door = Door { route: "chat", origin: None, issuers: &["https://idp.example".into()] };
    let response = Response::Assertion(Secret::new(device.get(&options).unwrap().to_string()));
    let refused = rig.passkeys.check(pending, &response, &door, NOW).await.unwrap_err();
    assert_eq!(refused.rejection, Rejection::CredentialsInvalid);
}

#[test]
fn what_is_pending_is_not_printed() {
    let rig = Rig::new();
    let (pending, options) = rig.ask("alice");
    let shown = format!("{pending:?}");
    assert!(!shown.contains("alice") && !shown.contains(options["challenge"].as_str().unwrap()));
}

proptest! {
    /// Whatever is answered, only what the passkey signed over this challenge opens.
    #[test]
    fn nothing_else_is_an_answer(text in ".{0,200}", kind in 0..4_u8) {
        let rig = Rig::new();
        let secret = Secret::new(text);
        let response = match kind {
            0 => Response::Message(secret),
            1 => Response::Signature(secret),
            2 => Response::SshSig(secret),
            _ => Response::Assertion(secret),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let said = runtime.block_on(async {
            rig.register("alice", &mut device(b"one")).await;
            let (pending, _) = rig.ask("");
            let door = Door { route: "chat", origin: None, issuers: &[GATE.into()] };
            rig.passkeys.check(pending, &response, &door, NOW).await
        });
        prop_assert_eq!(said.unwrap_err().rejection, Rejection::MalformedMessage);
    }
}
