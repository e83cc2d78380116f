use std::{net::IpAddr, num::NonZeroUsize, time::Duration};

use vestibule_core::rejection::Rejection;
use vestibule_verify::password::{Cost, PasswordHash};

use super::*;
use crate::{store::Rate, tests::ledger::Ledger};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const PASSWORD: &str = "correct horse";

struct Rig {
    ledger: Arc<Ledger>,
    users: Users,
}

impl Rig {
    fn with(ledger: Arc<Ledger>, cost: Cost, attempts: AttemptPolicy) -> Self {
        let hasher = PasswordHasher::new(cost, NonZeroUsize::MIN, 64).unwrap();
        let users = Users::with(Arc::<Ledger>::clone(&ledger), hasher, attempts);
        Self { ledger, users }
    }

    /// Where nobody has to wait for the next attempt.
    async fn new() -> Self {
        let often = Rate { burst: 1000, every: Duration::from_millis(1) };
        let attempts = AttemptPolicy { account: often, address: often };
        let rig = Self::with(Ledger::new(), Cost::dangerous_cheap(), attempts);
        rig.add("alice").await;
        rig
    }

    async fn add(&self, name: &str) -> User {
        self.users.add(new_user(name), NOW).await.unwrap()
    }

    /// The user's name, or what was said.
    async fn login(&self, name: &str, password: &str) -> Result<Box<str>, LoginError> {
        let user = self.users.login(name, &Secret::new(password), HERE, NOW).await;
        user.map(|user| user.name)
    }

    async fn is_refused(&self, name: &str, password: &str) -> bool {
        let said = self.login(name, password).await;
        matches!(said, Err(LoginError::Refused(Rejection::CredentialsInvalid)))
    }

    fn hashed(&self) -> u64 {
        self.users.hasher().hashed()
    }
}

fn new_user(name: &str) -> NewUser {
    NewUser {
        name: name.into(),
        password: Secret::new(PASSWORD),
        scopes: Box::new(["chat:read".into()]),
        groups: Box::new(["staff".into()]),
        email: Some("alice@example.org".into()),
        display_name: Some("Alice A.".into()),
    }
}

// Logins.

#[tokio::test]
async fn who_knows_the_password_is_let_in() {
    let rig = Rig::new().await;
    let secret = Secret::new(PASSWORD);
    let user = rig.users.login("alice", &secret, HERE, NOW).await.unwrap();
    assert_eq!((&*user.name, &*user.scopes[0], &*user.groups[0]), ("alice", "chat:read", "staff"));
    let issuer = "https://gate.example".into();
    let principal = user.principal(&issuer, NOW);
    assert_eq!((&*principal.subject, &principal.issuer), ("alice", &issuer));
    assert_eq!((principal.issued, principal.expires), (Some(NOW), NOW));
    assert_eq!(principal.name.as_deref(), Some("Alice A."));
}

#[tokio::test]
async fn unknown_disabled_and_mistyped_get_one_answer_at_one_price() {
    let rig = Rig::new().await;
    rig.add("mallory").await;
    rig.users.set_state("mallory", UserState::Disabled, NOW).await.unwrap();
    for (name, password) in [
        ("alice", "correct horsf"),
        ("Alice", PASSWORD),
        ("alice ", PASSWORD),
        ("nobody", PASSWORD),
        ("no\0body", PASSWORD),
        ("", PASSWORD),
        (&"x".repeat(10_000), PASSWORD),
        ("mallory", PASSWORD),
        ("mallory", "correct horsf"),
    ] {
        let before = rig.hashed();
        assert!(rig.is_refused(name, password).await, "{name:?}");
        assert_eq!(rig.hashed(), before + 1, "{name:?}");
    }
    // What nobody's password can be costs nothing, whoever is asked for.
    let before = rig.hashed();
    for name in ["alice", "mallory", "nobody"] {
        for password in ["", "1234567", "correct horse\n", &"x".repeat(5000)] {
            assert!(rig.is_refused(name, password).await, "{name}");
        }
    }
    assert_eq!(rig.hashed(), before);
}

#[tokio::test]
async fn a_password_that_another_keyboard_composed_otherwise_is_the_same() {
    let rig = Rig::new().await;
    rig.users.set_password("alice", &Secret::new("passw\u{f6}rter"), NOW).await.unwrap();
    assert!(rig.login("alice", "passwo\u{308}rter").await.is_ok());
    assert!(rig.is_refused("alice", "passworter").await);
}

#[tokio::test]
async fn attempts_beyond_the_rate_reach_no_hasher() {
    let attempts = AttemptPolicy::default();
    let rig = Rig::with(Ledger::new(), Cost::dangerous_cheap(), attempts);
    rig.add("alice").await;
    for name in ["alice", "nobody"] {
        let before = rig.hashed();
        for _ in 0..5 {
            assert!(rig.is_refused(name, "correct horsf").await);
        }
        for _ in 0..5 {
            // The right password is not tried, either: guessing goes no faster by being lucky.
            let said = rig.login(name, PASSWORD).await;
            let wait = Duration::from_secs(30);
            assert!(matches!(said, Err(LoginError::Wait(span)) if span == wait), "{said:?}");
        }
        assert_eq!(rig.hashed(), before + 5);
    }
    // The address has ten attempts left; each is at another account, and then there is an end.
    let before = rig.hashed();
    for user in 0..30 {
        assert!(rig.login(&format!("user{user}"), PASSWORD).await.is_err());
    }
    assert_eq!(rig.hashed(), before);
    let elsewhere = [198, 51, 100, 1].into();
    let said = rig.users.login("user29", &Secret::new(PASSWORD), elsewhere, NOW).await;
    assert!(matches!(said, Err(LoginError::Refused(_))));
}

#[tokio::test]
async fn a_success_gives_an_address_no_attempts_back() {
    let account = Rate { burst: 100, every: Duration::from_secs(1) };
    let attempts = AttemptPolicy { account, ..AttemptPolicy::default() };
    let rig = Rig::with(Ledger::new(), Cost::dangerous_cheap(), attempts);
    rig.add("mallory").await;
    rig.add("alice").await;
    for _ in 0..10 {
        assert!(rig.is_refused("alice", "a wrong guess").await);
        assert!(rig.login("mallory", PASSWORD).await.is_ok());
    }
    for name in ["alice", "mallory"] {
        assert!(matches!(rig.login(name, PASSWORD).await, Err(LoginError::Wait(_))));
    }
}

#[tokio::test]
async fn who_is_changed_while_the_password_is_hashed_does_not_get_in() {
    for (from, to, gets_in) in [
        ("enabled", "disabled", false),
        // Another password, of which this would be the hash.
        ("p=1$", "p=1$AAAA", false),
        ("Alice A.", "Alice B.", true),
    ] {
        let rig = Rig::new().await;
        let (said, ()) = tokio::join!(biased; rig.login("alice", PASSWORD), async {
            while rig.hashed() < 2 {
                tokio::task::yield_now().await;
            }
            // In the turn in which the hash began.
            rig.ledger.edit(Table::Users, "alice", |text| {
                let (before, after) = text.split_once(from).unwrap();
                let replaced = after.get(to.len() - from.len().min(to.len())..).unwrap();
                let after = if from == "p=1$" { replaced } else { after };
                format!("{before}{to}{after}")
            });
        });
        assert_eq!(said.is_ok(), gets_in, "{to}: {said:?}");
    }
}

#[tokio::test]
async fn a_weak_hash_is_replaced_when_the_password_is_known() {
    let rig = Rig::new().await;
    let often = Rate { burst: 1000, every: Duration::from_millis(1) };
    let attempts = AttemptPolicy { account: often, address: often };
    let dearer = Rig::with(Arc::clone(&rig.ledger), Cost::LEAST, attempts);
    let hash = |rig: &Rig| {
        let text = rig.ledger.text();
        let from = text.find("$argon2id").unwrap();
        PasswordHash::parse(text.get(from..).unwrap().split('"').next().unwrap()).unwrap()
    };
    assert!(dearer.is_refused("alice", "correct horsf").await);
    assert_eq!(hash(&rig).cost(), Cost::dangerous_cheap());
    assert!(dearer.login("alice", PASSWORD).await.is_ok());
    assert_eq!(hash(&rig).cost(), Cost::LEAST);
    let before = dearer.hashed();
    assert!(dearer.login("alice", PASSWORD).await.is_ok());
    assert_eq!(dearer.hashed(), before + 1);
    // Nobody's change; and a weaker installation replaces nothing.
    assert_eq!(dearer.users.get("alice", NOW).await.unwrap().unwrap().changed, NOW);
    assert!(rig.login("alice", PASSWORD).await.is_ok());
    assert_eq!(hash(&rig).cost(), Cost::LEAST);
}

#[tokio::test]
async fn a_full_queue_is_told_and_takes_no_memory() {
    let hasher = PasswordHasher::new(Cost::dangerous_cheap(), NonZeroUsize::MIN, 2).unwrap();
    let password = Password::prepare(&Secret::new(PASSWORD)).unwrap();
    let hash = || hasher.hash(password.clone());
    // As if somebody's hash took long.
    let busy = Arc::clone(&hasher.workers).acquire_owned().await.unwrap();
    let (one, two, three, four) = tokio::join!(biased; hash(), hash(), hash(), async {
        let said = hash().await;
        drop(busy);
        said
    });
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(four.unwrap_err(), HasherError::Busy);
    assert_eq!((hasher.hashed(), hasher.room()), (3, 3));
}

#[tokio::test]
async fn who_gives_up_leaves_the_queue_and_a_hash_that_has_begun_keeps_its_place() {
    let hasher = PasswordHasher::new(Cost::dangerous_cheap(), NonZeroUsize::MIN, 2).unwrap();
    let password = Password::prepare(&Secret::new(PASSWORD)).unwrap();
    let give_up = async || {
        tokio::select! {
            biased;
            _ = hasher.hash(password.clone()) => {}
            () = std::future::ready(()) => {}
        }
    };
    let busy = Arc::clone(&hasher.workers).acquire_owned().await.unwrap();
    give_up().await;
    assert_eq!((hasher.hashed(), hasher.room()), (0, 3));
    drop(busy);
    give_up().await;
    while hasher.room() < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(hasher.hashed(), 1);
}

#[tokio::test]
async fn a_store_that_cannot_answer_lets_nobody_in() {
    let rig = Rig::new().await;
    rig.ledger.fail();
    let before = rig.hashed();
    assert!(matches!(rig.login("alice", PASSWORD).await, Err(LoginError::Store(_))));
    assert_eq!(rig.hashed(), before);
}

// What operators do.

#[tokio::test]
async fn a_user_is_added_once_however_many_try() {
    let rig = Rig::new().await;
    assert!(matches!(rig.users.add(new_user("alice"), NOW).await, Err(UserError::Exists)));
    let (one, other) =
        tokio::join!(rig.users.add(new_user("bob"), NOW), rig.users.add(new_user("bob"), NOW));
    assert!(one.is_ok() != other.is_ok());
    assert!(rig.login("bob", PASSWORD).await.is_ok());
}

#[tokio::test]
async fn what_would_be_taken_for_something_else_is_refused_with_its_reason() {
    let rig = Rig::new().await;
    for name in ["", "a b", "a\nb", "-rf", ".", "@x", "ä", "a,b", "a\0", "a/b", &"x".repeat(129)] {
        let said = rig.users.add(new_user(name), NOW).await;
        assert!(matches!(said, Err(UserError::BadName(_))), "{name:?}: {said:?}");
    }
    for name in ["bob", "B.o-b_2+x@example.org", "_service", "0", &"x".repeat(128)] {
        assert!(rig.users.add(new_user(name), NOW).await.is_ok(), "{name:?}");
    }
    for password in ["", "1234567", "12345678\n", &"x".repeat(1025)] {
        let user = NewUser { password: Secret::new(password), ..new_user("carol") };
        let said = rig.users.add(user, NOW).await;
        assert!(matches!(said, Err(UserError::BadPassword(_))), "{password:?}");
        let said = rig.users.set_password("alice", &Secret::new(password), NOW).await;
        assert!(matches!(said, Err(UserError::BadPassword(_))), "{password:?}");
    }
    let many: Box<[Box<str>]> = (0..65).map(|index| format!("s{index}").into()).collect();
    let texts = |text: &str| -> Box<[Box<str>]> { Box::new([text.into()]) };
    for (what, user) in [
        ("scopes", NewUser { scopes: texts("a b"), ..new_user("carol") }),
        ("scopes", NewUser { scopes: texts(""), ..new_user("carol") }),
        ("scopes", NewUser { scopes: texts("a\"b"), ..new_user("carol") }),
        ("scopes", NewUser { scopes: many.clone(), ..new_user("carol") }),
        ("groups", NewUser { groups: texts("a,b"), ..new_user("carol") }),
        ("groups", NewUser { groups: texts("a\r\nb"), ..new_user("carol") }),
        ("groups", NewUser { groups: many, ..new_user("carol") }),
        ("email", NewUser { email: Some("no mail".into()), ..new_user("carol") }),
        ("email", NewUser { email: Some("a@b@c".into()), ..new_user("carol") }),
        ("email", NewUser { email: Some("a@b\r\nx: y".into()), ..new_user("carol") }),
        ("display_name", NewUser { display_name: Some("a\nb".into()), ..new_user("carol") }),
    ] {
        match rig.users.add(user, NOW).await {
            Err(UserError::BadValue { what: said, .. }) => assert_eq!(said, what),
            other => panic!("{what}: {other:?}"),
        }
    }
    assert!(rig.users.get("carol", NOW).await.unwrap().is_none());
}

#[tokio::test]
async fn users_are_changed_listed_and_removed() {
    let rig = Rig::new().await;
    for name in ["bob", "carol", "dave"] {
        rig.add(name).await;
    }
    let names = async |after, limit| -> Vec<String> {
        let users = rig.users.list(after, limit, NOW).await.unwrap();
        users.iter().map(|user| user.name.to_string()).collect()
    };
    assert_eq!(names(None, 2).await, ["alice", "bob"]);
    assert_eq!(names(Some("bob"), 9).await, ["carol", "dave"]);

    let later = NOW.after(Duration::from_secs(9));
    let user = rig.users.set_state("bob", UserState::Disabled, later).await.unwrap();
    assert_eq!((user.state, user.created, user.changed), (UserState::Disabled, NOW, later));
    assert!(rig.is_refused("bob", PASSWORD).await);
    rig.users.set_state("bob", UserState::Enabled, later).await.unwrap();
    assert!(rig.login("bob", PASSWORD).await.is_ok());

    rig.users.set_password("bob", &Secret::new("battery staple"), later).await.unwrap();
    assert!(rig.is_refused("bob", PASSWORD).await);
    assert!(rig.login("bob", "battery staple").await.is_ok());

    rig.users.remove("bob", later).await.unwrap();
    assert!(rig.is_refused("bob", "battery staple").await);
    let secret = Secret::new(PASSWORD);
    for said in [
        rig.users.remove("bob", later).await,
        rig.users.set_state("bob", UserState::Enabled, later).await.map(drop),
        rig.users.set_password("bob", &secret, later).await.map(drop),
        rig.users.set_password(&"x".repeat(10_000), &secret, later).await.map(drop),
    ] {
        assert!(matches!(said, Err(UserError::NotFound)), "{said:?}");
    }
}

#[tokio::test]
async fn two_operators_who_change_a_user_at_once_both_do() {
    let rig = Rig::new().await;
    let secret = Secret::new("battery staple");
    let (one, other) = tokio::join!(
        rig.users.set_state("alice", UserState::Disabled, NOW),
        rig.users.set_password("alice", &secret, NOW)
    );
    assert!(one.is_ok() && other.is_ok());
    assert!(rig.is_refused("alice", "battery staple").await);
    rig.users.set_state("alice", UserState::Enabled, NOW).await.unwrap();
    assert!(rig.login("alice", "battery staple").await.is_ok());
}

#[tokio::test]
async fn neither_the_store_nor_what_is_printed_holds_a_password() {
    let rig = Rig::new().await;
    let user = rig.users.get("alice", NOW).await.unwrap();
    let refused = rig.login("alice", "a wrong guess").await;
    let printed = format!("{user:?} {:?} {:?} {refused:?}", rig.users, new_user("bob"));
    for secret in [PASSWORD, "a wrong guess", "$argon2id"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    let kept = rig.ledger.text();
    assert!(!kept.contains(PASSWORD) && kept.contains("$argon2id"));
}

#[test]
fn a_measured_cost_is_never_below_the_least() {
    let cost = PasswordHasher::calibrate(Duration::ZERO).unwrap();
    assert_eq!(cost, Cost::LEAST);
    let cost = PasswordHasher::calibrate(Duration::from_mins(10)).unwrap();
    assert!(!cost.is_weaker_than(Cost::LEAST) && cost.memory_kib() <= 256 * 1024);
}
