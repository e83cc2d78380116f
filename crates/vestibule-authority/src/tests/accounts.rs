//! Users, logins, tokens and sessions on the store that is shipped: one line from a password to an
//! open door, through a restart, and many who want the same thing at once.

use std::{net::IpAddr, num::NonZeroUsize, path::Path, sync::Arc, time::Duration};

use vestibule_core::{
    authn::{Credential, Secret},
    time::UnixTime,
};
use vestibule_verify::password::Cost;

use crate::{
    Authority, Door,
    sessions::{Cookie, Login, RefreshError, SessionPolicy, Sessions},
    store::{Embedded, Store},
    tokens::{AccessTokens, TokenPolicy},
    users::{LoginError, NewUser, PasswordHasher, User, UserState, Users},
};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const ISSUER: &str = "https://gate.example";

/// One node.
struct Node {
    users: Users,
    sessions: Sessions,
    tokens: Arc<AccessTokens>,
    authority: Arc<Authority>,
}

impl Node {
    async fn start(file: &Path) -> Self {
        let store: Arc<dyn Store> = Embedded::open(file).unwrap();
        let hasher = PasswordHasher::new(Cost::dangerous_cheap(), NonZeroUsize::MIN, 64).unwrap();
        let policy = TokenPolicy::new(ISSUER, "chat");
        let tokens = AccessTokens::open(Arc::clone(&store), policy, NOW).await.unwrap();
        Self {
            users: Users::new(Arc::clone(&store), hasher),
            sessions: Sessions::new(store, SessionPolicy::default()),
            authority: Authority::new(vec![tokens.issuer()]).unwrap(),
            tokens,
        }
    }

    async fn login(&self, password: &str) -> Result<User, LoginError> {
        let client = IpAddr::from([192, 0, 2, 1]);
        self.users.login("alice", &Secret::new(password), client, NOW).await
    }

    async fn begin(&self, user: &User) -> Login {
        let principal = user.principal(&ISSUER.into(), NOW);
        self.sessions.begin(&principal, Cookie::Wanted, NOW).await.unwrap()
    }

    /// Whose an access token is.
    fn opens_for(&self, token: &Secret) -> Option<String> {
        let credential = Credential::bearer(token.expose());
        let said = self.authority.check_now(&credential, &[0], NOW)?;
        Some(said.ok()?.principal().subject.to_string())
    }

    async fn resumes(&self, token: &Secret) -> bool {
        let issuers = [ISSUER.into()];
        let door = Door { route: "chat", origin: None, issuers: &issuers };
        self.sessions.check(token, &door, NOW).await.is_ok()
    }
}

async fn with_alice(file: &Path) -> Node {
    let node = Node::start(file).await;
    let alice = NewUser {
        name: "alice".into(),
        password: Secret::new("correct horse"),
        scopes: Box::new(["chat:read".into()]),
        groups: Box::default(),
        email: None,
        display_name: None,
    };
    node.users.add(alice, NOW).await.unwrap();
    node
}

#[tokio::test]
async fn what_began_before_a_restart_goes_on_after_it_and_what_ended_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    let node = with_alice(&file).await;
    assert!(matches!(node.login("correct horsf").await, Err(LoginError::Refused(_))));
    let user = node.login("correct horse").await.unwrap();
    let (first, second) = (node.begin(&user).await, node.begin(&user).await);
    let granted = node.sessions.grant(&first.principal, "chat", NOW).await.unwrap();
    let access = node.tokens.mint(&first.principal, None, NOW).unwrap().token;
    assert_eq!(node.opens_for(&access).as_deref(), Some("alice"));
    let refreshed = node.sessions.refresh(&first.refresh, NOW).await.unwrap();
    node.sessions.end(&second.session, NOW).await.unwrap();
    drop(node);

    let node = Node::start(&file).await;
    assert_eq!(node.opens_for(&access).as_deref(), Some("alice"));
    assert!(node.resumes(&granted.token).await);
    assert!(node.resumes(first.cookie.as_ref().unwrap()).await);
    assert!(!node.resumes(second.cookie.as_ref().unwrap()).await);
    let ended = node.sessions.refresh(&second.refresh, NOW).await;
    assert!(matches!(ended, Err(RefreshError::Invalid)));
    let next = node.sessions.refresh(&refreshed.refresh, NOW).await.unwrap();
    drop(node);

    // A stolen token of two restarts ago ends all of it.
    let node = Node::start(&file).await;
    let stolen = node.sessions.refresh(&first.refresh, NOW).await;
    assert!(matches!(stolen, Err(RefreshError::Reused { session }) if session == first.session));
    assert!(!node.resumes(&granted.token).await);
    assert!(node.sessions.refresh(&next.refresh, NOW).await.is_err());
    let left = node.sessions.of_subject(ISSUER, "alice", NOW).await.unwrap();
    assert!(left.is_empty());
}

#[tokio::test]
async fn of_a_hundred_who_present_one_refresh_token_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let node = Arc::new(with_alice(&folder.path().join("store")).await);
    let user = node.login("correct horse").await.unwrap();
    let login = node.begin(&user).await;
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (node, token) = (Arc::clone(&node), login.refresh.clone());
            tokio::spawn(async move { node.sessions.refresh(&token, NOW).await })
        })
        .collect();
    let (mut won, mut ended) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => won += 1,
            Err(RefreshError::Reused { .. }) => ended += 1,
            Err(RefreshError::Overtaken | RefreshError::Invalid) => {}
            Err(RefreshError::Store(error)) => panic!("{error}"),
        }
    }
    assert_eq!(won, 1);
    // Whoever came after the winner had committed came with an older generation.
    let left = node.sessions.of_subject(ISSUER, "alice", NOW).await.unwrap();
    assert_eq!(left.is_empty(), ended > 0);
}

#[tokio::test]
async fn of_a_hundred_guesses_at_once_five_are_hashed() {
    let folder = tempfile::tempdir().unwrap();
    let node = Arc::new(with_alice(&folder.path().join("store")).await);
    let before = node.users.hasher().hashed();
    let tasks: Vec<_> = (0..100_u8)
        .map(|guess| {
            let node = Arc::clone(&node);
            tokio::spawn(async move {
                let (guess, client) = (format!("wrong guess {guess}"), [192, 0, 2, guess].into());
                node.users.login("alice", &Secret::new(guess), client, NOW).await
            })
        })
        .collect();
    let (mut refused, mut waiting) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Err(LoginError::Refused(_)) => refused += 1,
            Err(LoginError::Wait(span)) if span <= Duration::from_secs(30) => waiting += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((refused, waiting), (5, 95));
    assert_eq!(node.users.hasher().hashed() - before, 5);
}

#[tokio::test]
async fn who_is_disabled_stays_so_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    let node = with_alice(&file).await;
    node.users.set_state("alice", UserState::Disabled, NOW).await.unwrap();
    drop(node);
    let node = Node::start(&file).await;
    assert!(matches!(node.login("correct horse").await, Err(LoginError::Refused(_))));
}
