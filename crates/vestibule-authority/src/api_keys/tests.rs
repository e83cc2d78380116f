use std::time::Duration;

use super::*;
use crate::tests::{rig::NOW, shelf::Shelf};

/// Users, as a test wants them.
#[derive(Debug, Default)]
struct People(Mutex<HashMap<Box<str>, Holder>>);

impl Holders for People {
    fn holder<'a>(&'a self, user: &'a str, _now: UnixTime) -> Answer<'a, Option<Holder>> {
        Box::pin(async move { Ok(self.0.lock().unwrap().get(user).cloned()) })
    }
}

struct Rig {
    shelf: Arc<Shelf>,
    people: Arc<People>,
    keys: ApiKeys,
}

impl Rig {
    fn new() -> Self {
        let (shelf, people) = (Arc::new(Shelf::default()), Arc::new(People::default()));
        let (store, holders) = (Arc::<Shelf>::clone(&shelf), Arc::<People>::clone(&people));
        let keys = ApiKeys::new(store, holders, "https://gate.example".into());
        let rig = Self { shelf, people, keys };
        rig.user("alice", &["chat", "read"], NOW);
        rig
    }

    fn user(&self, name: &str, scopes: &[&str], since: UnixTime) {
        let holder = Holder {
            since,
            scopes: texts(scopes),
            groups: texts(&["staff"]),
            email: Some("alice@mail.example".into()),
            name: Some("Alice".into()),
        };
        self.people.0.lock().unwrap().insert(name.into(), holder);
    }

    fn disable(&self, name: &str) {
        self.people.0.lock().unwrap().remove(name);
    }

    async fn add(&self, owner: Owner, expires: Option<UnixTime>) -> (ApiKey, Secret) {
        self.keys.add(NewApiKey { expires, ..new(owner) }, NOW).await.unwrap()
    }

    async fn check(&self, key: &Secret, now: UnixTime) -> Result<Principal, Rejection> {
        let issuers = ["https://gate.example".into()];
        self.check_at(key, &issuers, now).await
    }

    async fn check_at(
        &self,
        key: &Secret,
        issuers: &[Arc<str>],
        now: UnixTime,
    ) -> Result<Principal, Rejection> {
        let door = Door { route: "chat", origin: None, issuers };
        let verified = self.keys.check(key, &door, now).await;
        let principal = verified.map(|it| Principal::clone(it.principal()));
        principal.map_err(|refused| refused.rejection)
    }
}

fn texts(texts: &[&str]) -> Box<[Box<str>]> {
    texts.iter().copied().map(Box::from).collect()
}

fn new(owner: Owner) -> NewApiKey {
    NewApiKey {
        owner,
        label: "build server".into(),
        scopes: texts(&["chat", "write"]),
        expires: None,
    }
}

fn machine(name: &str) -> Owner {
    Owner::Machine(name.into())
}

fn user(name: &str) -> Owner {
    Owner::User(name.into())
}

fn at(seconds: u64) -> UnixTime {
    NOW.after(Duration::from_secs(seconds))
}

#[tokio::test]
async fn a_machine_is_known_by_its_key() {
    let rig = Rig::new();
    let (key, secret) = rig.add(machine("ci"), None).await;
    assert_eq!(Mechanism::of_token(secret.expose()), Mechanism::ApiKey);
    let who = rig.check(&secret, NOW).await.unwrap();
    assert_eq!((&*who.subject, &*who.issuer), ("machine:ci", "https://gate.example"));
    assert_eq!((who.scopes, who.token_id), (texts(&["chat", "write"]), Some(key.id)));
    assert_eq!((who.mechanism, who.issued), (Mechanism::ApiKey, Some(NOW)));
    assert_eq!(who.expires, NEVER);
}

#[tokio::test]
async fn a_machine_is_no_user_whatever_it_is_called() {
    let rig = Rig::new();
    let (_, machines) = rig.add(machine("alice"), None).await;
    let (_, users) = rig.add(user("alice"), None).await;
    let (machine, user) =
        (rig.check(&machines, NOW).await.unwrap(), rig.check(&users, NOW).await.unwrap());
    assert!(!machine.is_same_identity(&user));
    assert_eq!((&*user.subject, user.email.is_some(), machine.email), ("alice", true, None));
    for name in ["", "a:b", "a b", "a/b", "é", "a\n", &"x".repeat(101)] {
        let refused = rig.keys.add(new(Owner::Machine(name.into())), NOW).await;
        assert!(matches!(refused, Err(ApiKeyError::BadName)), "{name}");
    }
}

#[tokio::test]
async fn a_users_key_opens_no_more_than_the_user_may() {
    let rig = Rig::new();
    let (_, key) = rig.add(user("alice"), None).await;
    let who = rig.check(&key, NOW).await.unwrap();
    assert_eq!((who.scopes, who.groups), (texts(&["chat"]), texts(&["staff"])));
    rig.user("alice", &["write"], NOW);
    assert_eq!(rig.check(&key, NOW).await.unwrap().scopes, texts(&["write"]));
    rig.user("alice", &[], NOW);
    assert_eq!(rig.check(&key, NOW).await.unwrap().scopes, texts(&[]));
}

#[tokio::test]
async fn a_key_of_a_user_who_was_disabled_or_removed_opens_nothing() {
    let rig = Rig::new();
    let (_, key) = rig.add(user("alice"), None).await;
    assert!(rig.check(&key, NOW).await.is_ok());
    rig.disable("alice");
    assert_eq!(rig.check(&key, NOW).await, Err(Rejection::ApiKeyUnknown));
    let refused = rig.keys.add(new(user("alice")), NOW).await;
    assert!(matches!(refused, Err(ApiKeyError::NoSuchUser)), "{refused:?}");
    // Somebody else gets the name.
    rig.user("alice", &["chat"], at(1));
    assert_eq!(rig.check(&key, at(2)).await, Err(Rejection::ApiKeyUnknown));
}

#[tokio::test]
async fn a_key_ends_when_it_expires_and_when_it_is_removed() {
    let rig = Rig::new();
    let (key, secret) = rig.add(machine("ci"), Some(at(10))).await;
    assert_eq!(rig.check(&secret, at(9)).await.unwrap().expires, at(10));
    assert_eq!(rig.check(&secret, at(10)).await, Err(Rejection::ApiKeyUnknown));
    assert_eq!(rig.keys.remove(&key.id, NOW).await.unwrap().unwrap().id, key.id);
    assert_eq!(rig.check(&secret, NOW).await, Err(Rejection::ApiKeyUnknown));
    assert_eq!(rig.keys.remove(&key.id, NOW).await.unwrap(), None);
    let over = rig.keys.add(NewApiKey { expires: Some(NOW), ..new(machine("ci")) }, NOW).await;
    assert!(matches!(over, Err(ApiKeyError::Over)), "{over:?}");
}

#[tokio::test]
async fn all_keys_of_a_user_can_be_removed_and_those_of_a_machine_of_that_name_stay() {
    let rig = Rig::new();
    rig.user("bob", &[], NOW);
    let (_, machine) = rig.add(machine("alice"), None).await;
    let (_, bob) = rig.add(user("bob"), None).await;
    for _ in 0..3 {
        rig.add(user("alice"), None).await;
    }
    assert_eq!(rig.keys.remove_of("alice", NOW).await.unwrap().len(), 3);
    assert_eq!(rig.keys.list(None, 9, NOW).await.unwrap().len(), 2);
    assert!(rig.check(&machine, NOW).await.is_ok() && rig.check(&bob, NOW).await.is_ok());
}

#[tokio::test]
async fn what_is_no_id_names_no_key() {
    let rig = Rig::new();
    for id in ["", "x", "a/b", &"x".repeat(22_000)] {
        assert_eq!(rig.keys.get(id, NOW).await.unwrap(), None);
        assert_eq!(rig.keys.remove(id, NOW).await.unwrap(), None);
    }
}

#[tokio::test]
async fn the_id_of_a_key_opens_nothing_without_its_secret() {
    let rig = Rig::new();
    let (_, one) = rig.add(machine("one"), None).await;
    let (_, two) = rig.add(machine("two"), None).await;
    // The id of one with the secret of the other: checksums are no secret, so make it right.
    let mixed = [&one.expose()[..26], &two.expose()[26..69]].concat();
    let checksum = checksum(&mixed);
    let mixed = Secret::new([mixed, checksum].concat());
    assert_eq!(rig.check(&mixed, NOW).await, Err(Rejection::ApiKeyUnknown));
    assert_eq!(rig.check_at(&one, &[], NOW).await, Err(Rejection::ApiKeyUnknown));
    let elsewhere = ["https://idp.example".into()];
    assert_eq!(rig.check_at(&one, &elsewhere, NOW).await, Err(Rejection::ApiKeyUnknown));
}

/// The checksum as documented, written anew.
fn checksum(head: &[u8]) -> Vec<u8> {
    let mut crc = u32::MAX;
    for byte in head {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let digits: Vec<u8> = (b'0'..=b'9').chain(b'A'..=b'Z').chain(b'a'..=b'z').collect();
    let mut number = usize::try_from(!crc).unwrap();
    let mut text = Vec::new();
    for _ in 0..6 {
        text.insert(0, digits[number % 62]);
        number /= 62;
    }
    text
}

#[tokio::test]
async fn a_key_with_a_wrong_checksum_is_refused_without_asking_the_store() {
    let rig = Rig::new();
    let (_, key) = rig.add(machine("ci"), None).await;
    rig.shelf.fail();
    let mut slip = key.expose().to_vec();
    slip[30] = if slip[30] == b'a' { b'b' } else { b'a' };
    assert_eq!(rig.check(&Secret::new(slip), NOW).await, Err(Rejection::TokenMalformed));
    assert_eq!(rig.check(&key, NOW).await, Err(Rejection::Unavailable));
    assert!(rig.keys.add(new(machine("ci")), NOW).await.is_err());
    assert!(rig.keys.list(None, 9, NOW).await.is_err());
}

#[tokio::test]
async fn it_is_written_once_a_minute_that_a_key_is_used() {
    let rig = Rig::new();
    let (key, secret) = rig.add(machine("ci"), None).await;
    let used = async || rig.keys.get(&key.id, NOW).await.unwrap().unwrap().used;
    assert_eq!(used().await, None);
    for (seconds, written) in [(5, 5), (6, 5), (64, 5), (65, 65), (66, 65)] {
        rig.check(&secret, at(seconds)).await.unwrap();
        assert_eq!(used().await, Some(at(written)), "{seconds}");
    }
    // A use does not bring back what was removed meanwhile.
    let entry = rig.shelf.read(Table::ApiKeys, &key.id, NOW).await.unwrap().unwrap();
    rig.keys.remove(&key.id, NOW).await.unwrap();
    let record = Record::from_bytes(&entry.value).unwrap();
    rig.keys.note_use(&key.id, record, entry.version, at(999)).await;
    assert_eq!(rig.keys.get(&key.id, NOW).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_asked_for_must_make_sense() {
    let rig = Rig::new();
    let long = "x".repeat(limits::SCOPE_BYTES + 1);
    let many: Vec<String> = (0..=limits::API_KEY_SCOPES).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(|text| &**text).collect();
    for scopes in [&["a b"][..], &[""], &["a\"b"], &["a\\b"], &["é"], &["a", "a"], &[&long], &many]
    {
        let refused = rig.keys.add(NewApiKey { scopes: texts(scopes), ..new(machine("ci")) }, NOW);
        assert!(matches!(refused.await, Err(ApiKeyError::BadScopes)), "{scopes:?}");
    }
    for label in ["", "a\nb", "\u{1b}[31m", &"x".repeat(limits::API_KEY_LABEL_CHARS + 1)] {
        let refused = rig.keys.add(NewApiKey { label: label.into(), ..new(machine("ci")) }, NOW);
        assert!(matches!(refused.await, Err(ApiKeyError::BadLabel)), "{label:?}");
    }
    assert!(rig.keys.list(None, 9, NOW).await.unwrap().is_empty());
}

#[tokio::test]
async fn pages_hold_every_key_once_and_no_secret() {
    let rig = Rig::new();
    let mut secrets = Vec::new();
    for number in 0..7 {
        secrets.push(rig.add(machine(&number.to_string()), None).await.1);
    }
    let mut seen: Vec<ApiKey> = Vec::new();
    loop {
        let after = seen.last().map(|key| key.id.clone());
        let page = rig.keys.list(after.as_deref(), 3, NOW).await.unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen.len(), 7);
    let (kept, printed) = (rig.shelf.bytes(), format!("{seen:?} {secrets:?} {:?}", rig.keys));
    for secret in &secrets {
        let secret = &secret.expose()[26..69];
        assert!(!kept.windows(secret.len()).any(|window| window == secret));
        assert!(!printed.as_bytes().windows(secret.len()).any(|window| window == secret));
    }
}
