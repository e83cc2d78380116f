mod refresh;

use std::{sync::Arc, time::Duration};

use vestibule_core::{
    authn::{Mechanism, Principal, Secret},
    rejection::Rejection,
    time::UnixTime,
};

use super::*;
use crate::{door::Door, tests::ledger::Ledger};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const HOUR: Duration = Duration::from_hours(1);

struct Rig {
    ledger: Arc<Ledger>,
    sessions: Sessions,
}

impl Rig {
    fn new(policy: SessionPolicy) -> Self {
        let ledger = Ledger::new();
        let sessions = Sessions::new(Arc::<Ledger>::clone(&ledger), policy);
        Self { ledger, sessions }
    }

    async fn login(&self, subject: &str) -> Login {
        self.sessions.begin(&principal(subject), Cookie::Wanted, NOW).await.unwrap()
    }

    async fn grant(&self, principal: &Principal) -> Granted {
        self.sessions.grant(principal, "chat", NOW).await.unwrap()
    }

    /// Who it is, and in which session.
    async fn check(&self, token: &Secret, route: &str, now: UnixTime) -> Result<String, Rejection> {
        let issuers = ["https://gate.example".into()];
        let door = Door { route, origin: None, issuers: &issuers };
        let verified = self.sessions.check(token, &door, now).await;
        verified.map(|it| it.principal().subject.to_string()).map_err(|refused| refused.rejection)
    }

    async fn refresh(&self, token: &Secret) -> Result<Secret, RefreshError> {
        self.sessions.refresh(token, NOW).await.map(|refreshed| refreshed.refresh)
    }
}

fn rig() -> Rig {
    Rig::new(SessionPolicy::default())
}

fn principal(subject: &str) -> Principal {
    Principal {
        subject: subject.into(),
        issuer: "https://gate.example".into(),
        scopes: Box::new(["chat:read".into()]),
        token_id: Some("jti-1".into()),
        session: None,
        email: Some("a@example".into()),
        name: None,
        groups: Box::new(["staff".into()]),
        mechanism: Mechanism::Bearer,
        methods: Box::default(),
        context: None,
        issued: Some(NOW),
        expires: NOW.after(Duration::from_mins(5)),
    }
}

/// Every text that differs in one bit.
fn flipped(token: &Secret) -> impl Iterator<Item = Secret> {
    let bytes = token.expose().to_vec();
    (0..bytes.len() * 8).map(move |bit| {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        Secret::new(bytes)
    })
}

#[tokio::test]
async fn a_session_token_says_who_it_was_made_for_until_its_own_end() {
    let rig = rig();
    let granted = rig.grant(&principal("alice")).await;
    let issuers = ["https://gate.example".into()];
    let door = Door { route: "chat", origin: None, issuers: &issuers };
    let late = NOW.after(11 * HOUR);
    let verified = rig.sessions.check(&granted.token, &door, late).await.unwrap();
    let expected = Principal {
        session: Some(granted.session.clone()),
        mechanism: Mechanism::Session,
        expires: NOW.after(12 * HOUR),
        ..principal("alice")
    };
    assert_eq!(**verified.principal(), expected);
    assert_eq!(granted.expires, expected.expires);
    let over = rig.check(&granted.token, "chat", granted.expires).await;
    assert_eq!(over, Err(Rejection::SessionUnknown));
}

#[tokio::test]
async fn a_session_token_is_good_on_its_route_and_a_cookie_on_all() {
    let rig = rig();
    let login = rig.login("alice").await;
    let granted = rig.grant(&login.principal).await;
    assert_eq!(rig.check(&granted.token, "chat", NOW).await, Ok("alice".to_owned()));
    assert_eq!(rig.check(&granted.token, "admin", NOW).await, Err(Rejection::SessionUnknown));
    let cookie = login.cookie.unwrap();
    for route in ["chat", "admin"] {
        assert_eq!(rig.check(&cookie, route, NOW).await, Ok("alice".to_owned()));
    }
}

#[tokio::test]
async fn a_route_takes_sessions_of_its_own_issuers_alone() {
    let rig = rig();
    let login = rig.login("alice").await;
    let token = rig.grant(&login.principal).await.token;
    let other: [Arc<str>; 1] = ["https://gate.example.evil".into()];
    for token in [token, login.cookie.unwrap()] {
        for issuers in [&other[..], &[]] {
            let door = Door { route: "chat", origin: None, issuers };
            let refused = rig.sessions.check(&token, &door, NOW).await.unwrap_err();
            assert_eq!(refused.rejection, Rejection::SessionUnknown);
        }
    }
}

#[tokio::test]
async fn a_session_token_with_one_bit_flipped_opens_nothing() {
    let rig = rig();
    let granted = rig.grant(&principal("alice")).await;
    for forged in flipped(&granted.token) {
        assert_eq!(rig.check(&forged, "chat", NOW).await, Err(Rejection::SessionUnknown));
    }
    assert!(rig.check(&granted.token, "chat", NOW).await.is_ok());
}

#[tokio::test]
async fn the_secret_of_one_session_opens_no_other() {
    let rig = rig();
    let (alice, mallory) =
        (rig.grant(&principal("alice")).await, rig.grant(&principal("mallory")).await);
    let bytes = |granted: &Granted| *opaque::bytes_of::<48>("vss_", &granted.token).unwrap();
    let mixed = opaque::token("vss_", &[&bytes(&alice)[..16], &bytes(&mallory)[16..]]);
    assert_eq!(rig.check(&mixed, "chat", NOW).await, Err(Rejection::SessionUnknown));
    // A login without a cookie has no session token, whatever is presented.
    let login = rig.sessions.begin(&principal("bob"), Cookie::None, NOW).await.unwrap();
    let id = opaque::decode::<16>(&login.session.as_bytes()[4..]).unwrap();
    let empty = opaque::token("vss_", &[id.as_slice(), &[0; 32]]);
    assert!(login.cookie.is_none());
    assert_eq!(rig.check(&empty, "chat", NOW).await, Err(Rejection::SessionUnknown));
}

#[tokio::test]
async fn what_has_ended_opens_nothing_and_neither_does_what_came_of_it() {
    let rig = rig();
    let login = rig.login("alice").await;
    let first = rig.grant(&login.principal).await;
    let second = rig.grant(&login.principal).await;
    let others = rig.grant(&principal("alice")).await;
    assert_eq!(first.session, login.session);
    assert_ne!(others.session, login.session);
    assert_eq!(rig.sessions.end(&login.session, NOW).await.unwrap(), 3);
    for token in [&first.token, &second.token, &login.cookie.unwrap()] {
        assert_eq!(rig.check(token, "chat", NOW).await, Err(Rejection::SessionUnknown));
    }
    assert!(matches!(rig.refresh(&login.refresh).await, Err(RefreshError::Invalid)));
    assert_eq!(rig.check(&others.token, "chat", NOW).await, Ok("alice".to_owned()));
    assert_eq!(rig.sessions.end(&login.session, NOW).await.unwrap(), 0);
    assert_eq!(rig.sessions.end(&others.session, NOW).await.unwrap(), 1);
    assert_eq!(rig.ledger.len(Table::SessionsBySubject), 0);
}

#[tokio::test]
async fn a_token_that_is_made_for_an_ended_session_is_dead_at_birth() {
    let rig = rig();
    let login = rig.login("alice").await;
    rig.sessions.end(&login.session, NOW).await.unwrap();
    let late = rig.grant(&login.principal).await;
    assert_eq!(rig.check(&late.token, "chat", NOW).await, Err(Rejection::SessionUnknown));
    // So is one that is made of a session token that ended meanwhile.
    let first = rig.grant(&principal("bob")).await;
    let resumed = Principal { session: Some(first.session.clone()), ..principal("bob") };
    rig.sessions.end(&first.session, NOW).await.unwrap();
    let late = rig.grant(&resumed).await;
    assert_eq!(rig.check(&late.token, "chat", NOW).await, Err(Rejection::SessionUnknown));
}

#[tokio::test]
async fn a_session_token_does_not_outlive_its_login() {
    let rig = rig();
    let login = rig.login("alice").await;
    let late = NOW.after(Duration::from_hours(24 * 30 - 1));
    let granted = rig.sessions.grant(&login.principal, "chat", late).await.unwrap();
    assert_eq!(granted.expires, late.after(12 * HOUR));
    let issuers = ["https://gate.example".into()];
    let door = Door { route: "chat", origin: None, issuers: &issuers };
    let verified = rig.sessions.check(&granted.token, &door, late).await.unwrap();
    assert_eq!(verified.principal().expires, login.expires);
    let over = rig.check(&granted.token, "chat", login.expires).await;
    assert_eq!(over, Err(Rejection::SessionUnknown));
}

#[tokio::test]
async fn the_session_of_another_issuer_can_be_ended_by_its_name() {
    let rig = rig();
    for sid in ["sid-of-the-idp", "ses_", "", "a/b", &"x".repeat(10_000)] {
        let foreign = Principal { session: Some(sid.into()), ..principal("alice") };
        let granted = rig.grant(&foreign).await;
        assert_eq!(&*granted.session, sid);
        assert_eq!(rig.check(&granted.token, "chat", NOW).await, Ok("alice".to_owned()));
        assert_eq!(rig.sessions.end(sid, NOW).await.unwrap(), 1);
        assert_eq!(rig.check(&granted.token, "chat", NOW).await, Err(Rejection::SessionUnknown));
    }
}

#[tokio::test]
async fn a_rotated_token_is_good_once() {
    let rig = rig();
    let first = rig.grant(&principal("alice")).await;
    let issuers = ["https://gate.example".into()];
    let door = Door { route: "chat", origin: None, issuers: &issuers };
    let late = NOW.after(HOUR);
    let (verified, second) = rig.sessions.rotate(&first.token, &door, late).await.unwrap();
    assert_eq!((second.expires, &second.session), (first.expires, &first.session));
    assert_eq!(verified.principal().session.as_ref(), Some(&first.session));
    assert_eq!(rig.check(&first.token, "chat", late).await, Err(Rejection::SessionUnknown));
    assert_eq!(rig.check(&second.token, "chat", late).await, Ok("alice".to_owned()));
    let elsewhere = Door { route: "admin", ..door };
    assert!(rig.sessions.rotate(&second.token, &elsewhere, late).await.is_err());
    let (one, other) = tokio::join!(
        rig.sessions.rotate(&second.token, &door, late),
        rig.sessions.rotate(&second.token, &door, late)
    );
    assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
}

#[tokio::test]
async fn one_subject_has_a_bounded_number_of_sessions_and_the_oldest_goes() {
    let rig = Rig::new(SessionPolicy { each: 3, ..SessionPolicy::default() });
    let login = rig.login("alice").await;
    let mut tokens = Vec::new();
    for second in 0..5 {
        let now = NOW.after(Duration::from_secs(second));
        tokens.push(rig.sessions.grant(&login.principal, "chat", now).await.unwrap().token);
    }
    let now = NOW.after(Duration::from_secs(5));
    for (token, alive) in tokens.iter().zip([false, false, true, true, true]) {
        assert_eq!(rig.check(token, "chat", now).await.is_ok(), alive);
    }
    // Not the login, which is older than all of them.
    assert!(rig.refresh(&login.refresh).await.is_ok());
    let ids = rig.sessions.of_subject("https://gate.example", "alice", now).await.unwrap();
    assert_eq!((ids.len(), &ids[0]), (4, &login.session));
    // Nor anybody else's.
    let others = rig.sessions.of_subject("https://gate.example", "alic", now).await.unwrap();
    assert!(others.is_empty());
    assert!(
        rig.sessions.of_subject("https://gate.examplealice", "", now).await.unwrap().is_empty()
    );
    let ended = rig.sessions.end_of_subject("https://gate.example", "alice", now).await.unwrap();
    assert_eq!((ended, rig.ledger.len(Table::Sessions)), (4, 0));
}

#[tokio::test]
async fn all_sessions_of_a_subject_end_however_few_there_may_be_by_now() {
    let rig = rig();
    for _ in 0..=limits::SESSIONS_AT_ONCE * 2 {
        rig.grant(&principal("alice")).await;
    }
    let policy = SessionPolicy { each: 3, ..SessionPolicy::default() };
    let sessions = Sessions::new(Arc::<Ledger>::clone(&rig.ledger), policy);
    let ended = sessions.end_of_subject("https://gate.example", "alice", NOW).await.unwrap();
    assert_eq!((ended, rig.ledger.len(Table::Sessions)), (limits::SESSIONS_AT_ONCE * 2 + 1, 0));
}

#[tokio::test]
async fn many_sessions_of_one_root_end_together() {
    let rig = rig();
    let login = rig.login("alice").await;
    for _ in 0..=limits::SESSIONS_AT_ONCE * 2 {
        rig.grant(&login.principal).await;
    }
    let ended = rig.sessions.end(&login.session, NOW).await.unwrap();
    assert_eq!(ended, limits::SESSIONS_AT_ONCE * 2 + 2);
    assert_eq!(rig.ledger.len(Table::Sessions) + rig.ledger.len(Table::SessionsBySubject), 0);
}

#[tokio::test]
async fn neither_the_store_nor_what_is_printed_holds_a_token() {
    let rig = rig();
    let login = rig.login("alice").await;
    let granted = rig.grant(&login.principal).await;
    let printed = format!("{login:?} {granted:?} {:?}", rig.refresh(&login.refresh).await);
    let kept = rig.ledger.text();
    for token in [&login.refresh, &login.cookie.unwrap(), &granted.token] {
        let text = std::str::from_utf8(token.expose()).unwrap();
        // Neither the whole nor the secret half.
        let secret = text.get(text.len() - 24..).unwrap();
        assert!(!printed.contains(secret) && !kept.contains(secret));
    }
    assert!(kept.contains("\"sub\":\"alice\"") && !printed.contains("vss_"));
}

#[tokio::test]
async fn a_store_that_cannot_answer_opens_nothing_and_ends_nothing() {
    let rig = rig();
    let login = rig.login("alice").await;
    let granted = rig.grant(&login.principal).await;
    rig.ledger.fail();
    assert_eq!(rig.check(&granted.token, "chat", NOW).await, Err(Rejection::Unavailable));
    assert!(matches!(rig.refresh(&login.refresh).await, Err(RefreshError::Store(_))));
    assert!(rig.sessions.end(&login.session, NOW).await.is_err());
    assert!(rig.sessions.begin(&login.principal, Cookie::None, NOW).await.is_err());
}
