mod kept;
mod passkeys;
mod people;

use std::{net::IpAddr, num::NonZeroUsize};

use serde_json::json;
use vestibule_core::authn::{Credential, Secret};
use vestibule_verify::password::Cost;

use super::*;
use crate::{
    Authority,
    api_keys::{NewApiKey, Owner},
    revocation::{Named, NewRevocation, RevocationError},
    sessions::{Cookie, Login},
    tests::{rig::NOW, shelf::Shelf},
    users::{LoginError, NewUser},
};

const GATE: &str = "https://gate.example";
const PASSWORD: &str = "correct horse";

struct Rig {
    shelf: Arc<Shelf>,
    identities: Arc<Identities>,
    authority: Arc<Authority>,
}

impl Rig {
    async fn start() -> Self {
        Self::on(Arc::default()).await
    }

    async fn on(shelf: Arc<Shelf>) -> Self {
        let policy = IdentityPolicy {
            tokens: TokenPolicy::new(GATE, "chat"),
            sessions: SessionPolicy::default(),
            tickets: TicketPolicy::default(),
            attempts: AttemptPolicy::default(),
            passkeys: None,
        };
        let hasher = PasswordHasher::new(Cost::dangerous_cheap(), NonZeroUsize::MIN, 64).unwrap();
        let store: Arc<Shelf> = Arc::clone(&shelf);
        let identities = Identities::open(store, hasher, policy, NOW).await.unwrap();
        let revocations = Arc::clone(&identities.revocations);
        let members = vec![identities.tokens.issuer()];
        let authority = Authority::with_revocations(members, revocations).unwrap();
        let rig = Self { shelf, identities, authority };
        rig.add_user(NOW).await;
        rig
    }

    /// Unless there is one.
    async fn add_user(&self, now: UnixTime) {
        let user = NewUser {
            name: "alice".into(),
            password: Secret::new(PASSWORD),
            scopes: Box::new(["chat".into(), "read".into()]),
            groups: Box::new(["staff".into()]),
            email: None,
            display_name: None,
        };
        drop(self.identities.users.add(user, now).await);
    }

    async fn log_in(&self, password: &str, now: UnixTime) -> Result<LoggedIn, LoginError> {
        let (client, password) = (IpAddr::from([192, 0, 2, 1]), Secret::new(password));
        self.identities.log_in(("alice", &password), client, Cookie::Wanted, now).await
    }

    async fn login(&self) -> Login {
        self.identities.sessions.begin(&principal(GATE), Cookie::Wanted, NOW).await.unwrap()
    }

    async fn buy(&self, principal: &Principal) -> Credential {
        let sold = self.identities.tickets.sell(principal, "chat", None, NOW).await.unwrap();
        Credential::of_token(sold.token.expose())
    }

    async fn key(&self, owner: Owner) -> (Box<str>, Credential) {
        let new = NewApiKey { owner, label: "ci".into(), scopes: Box::default(), expires: None };
        let (key, secret) = self.identities.api_keys.add(new, NOW).await.unwrap();
        (key.id, Credential::of_token(secret.expose()))
    }

    async fn check(&self, credential: &Credential) -> Result<Principal, Rejection> {
        self.check_at(credential, NOW).await
    }

    async fn check_at(
        &self,
        credential: &Credential,
        now: UnixTime,
    ) -> Result<Principal, Rejection> {
        let issuers = [GATE.into(), IDP.into()];
        let door = Door { route: "chat", origin: None, issuers: &issuers };
        let verified = match credential.mechanism {
            Mechanism::Bearer => self.authority.check(credential, &[0], || now).await,
            Mechanism::Ticket
            | Mechanism::Session
            | Mechanism::ApiKey
            | Mechanism::PublicKey
            | Mechanism::ScramSha256
            | Mechanism::ScramSha256Plus
            | Mechanism::Webauthn
            | Mechanism::External
            | Mechanism::Dpop
            | Mechanism::OauthBearer => self.identities.check(credential, &door, now).await,
        };
        let who = verified.map(|verified| Principal::clone(verified.principal()));
        who.map_err(|refused| refused.rejection)
    }

    async fn refresh(&self, token: &Secret) -> Result<Continued, Rejection> {
        self.identities.refresh(token, NOW).await.map_err(|refused| refused.rejection)
    }

    async fn revoke(&self, named: Named) {
        self.identities.revoke(NewRevocation::of(named, "admin"), NOW).await.unwrap();
    }
}

const IDP: &str = "https://idp.example/";

fn principal(issuer: &str) -> Principal {
    Principal {
        subject: "alice".into(),
        issuer: issuer.into(),
        scopes: Box::new(["chat".into()]),
        token_id: Some("t".into()),
        session: None,
        email: None,
        name: None,
        groups: Box::default(),
        mechanism: Mechanism::Bearer,
        methods: Box::default(),
        context: None,
        issued: Some(NOW),
        expires: at(300),
    }
}

fn at(seconds: u64) -> UnixTime {
    NOW.after(Duration::from_secs(seconds))
}

fn bearer(token: &AccessToken) -> Credential {
    Credential::bearer(token.token.expose())
}

fn token(issuer: &str) -> Named {
    Named::Token { issuer: issuer.into(), id: "t".into() }
}

fn of_alice() -> Named {
    Named::Subject { issuer: None, subject: "alice".into() }
}

const REVOKED: Result<Principal, Rejection> = Err(Rejection::TokenRevoked);
const NO_SESSION: Result<Principal, Rejection> = Err(Rejection::SessionUnknown);

#[tokio::test]
async fn who_was_revoked_after_buying_a_ticket_does_not_get_in_by_it() {
    for named in [token(IDP), of_alice(), Named::Everything { issuer: None }] {
        let rig = Rig::start().await;
        let (ticket, later) = (rig.buy(&principal(IDP)).await, rig.buy(&principal(IDP)).await);
        assert!(rig.check(&ticket).await.is_ok());
        rig.revoke(named.clone()).await;
        assert_eq!(rig.check(&later).await, REVOKED, "{named:?}");
        assert_eq!(rig.check(&later).await, Err(Rejection::TicketReplayed));
    }
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_by_any_carrier_of_it() {
    let rig = Rig::start().await;
    let resumed = rig.identities.sessions.grant(&principal(IDP), "chat", NOW).await.unwrap();
    let resumed = Credential::of_token(resumed.token.expose());
    let ticket = rig.buy(&rig.check(&resumed).await.unwrap()).await;
    let until = Some(principal(IDP).expires);
    let new = NewRevocation { until, ..NewRevocation::of(token(IDP), "admin") };
    rig.identities.revoke(new, NOW).await.unwrap();
    assert_eq!(rig.check(&resumed).await, REVOKED);
    assert_eq!(rig.check(&ticket).await, REVOKED);
    // When the token itself is over, and the session that it began would not be.
    let late = NOW.after(Duration::from_hours(11));
    let reopened = Rig::on(Arc::clone(&rig.shelf)).await;
    for rig in [&rig, &reopened] {
        rig.identities.revocations.expire(late);
        assert_eq!(rig.check_at(&resumed, late).await, REVOKED);
    }
}

#[tokio::test]
async fn what_is_revoked_is_not_exchanged_for_something_new() {
    let rig = Rig::start().await;
    let who = principal(GATE);
    assert!(rig.identities.mint(&who, NOW).is_ok());
    rig.revoke(of_alice()).await;
    let refused = rig.identities.mint(&who, NOW).unwrap_err();
    assert_eq!(refused.rejection, Rejection::TokenRevoked);
    // Somebody who logs in right afterwards gets a token that counts.
    let anew = Principal { issued: Some(UnixTime::from_millis(NOW.as_millis() + 1)), ..who };
    let minted = rig.identities.mint(&anew, NOW).unwrap();
    assert!(rig.check_at(&bearer(&minted), at(1)).await.is_ok());
}

#[tokio::test]
async fn a_logout_ends_all_that_came_of_a_login() {
    let rig = Rig::start().await;
    let login = rig.login().await;
    let access = bearer(&rig.identities.mint(&login.principal, NOW).unwrap());
    let cookie = Credential::of_token(login.cookie.unwrap().expose());
    let who = rig.check(&access).await.unwrap();
    let ticket = rig.buy(&who).await;
    let resumed = rig.identities.sessions.grant(&who, "chat", NOW).await.unwrap();
    let resumed = Credential::of_token(resumed.token.expose());
    let mut hears = rig.identities.revocations.announcements();

    let made = rig.identities.log_out(&who, NOW).await.unwrap();
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].named, Named::Session(login.session.clone()));
    // Not for longer than what is left of the session can live.
    assert_eq!(made[0].until, Some(NOW.after(limits::ACCESS_TOKEN_LIFETIME)));
    assert!(hears.try_next().is_some());
    assert_eq!(rig.check(&access).await, REVOKED);
    assert_eq!(rig.check(&ticket).await, REVOKED);
    assert_eq!(rig.check(&cookie).await, NO_SESSION);
    assert_eq!(rig.check(&resumed).await, NO_SESSION);
    assert_eq!(rig.refresh(&login.refresh).await.unwrap_err(), Rejection::SessionUnknown);
    // Another login of the same user is another session.
    let other = rig.login().await;
    assert!(rig.refresh(&other.refresh).await.is_ok());
}

#[tokio::test]
async fn a_logout_revokes_the_token_of_another_issuer_and_no_api_key() {
    let rig = Rig::start().await;
    let made = rig.identities.log_out(&principal(IDP), NOW).await.unwrap();
    assert_eq!(made.iter().map(|one| one.named.clone()).collect::<Vec<_>>(), [token(IDP)]);
    // Its connection was part of a session that was handed out.
    let resumed = rig.identities.sessions.grant(&principal(IDP), "chat", NOW).await.unwrap();
    let inside = Principal { session: Some(resumed.session.clone()), ..principal(IDP) };
    let made = rig.identities.log_out(&inside, NOW).await.unwrap();
    let named: Vec<_> = made.iter().map(|one| one.named.clone()).collect();
    assert_eq!(named, [Named::Session(resumed.session), token(IDP)]);
    let (_, key) = rig.key(Owner::Machine("ci".into())).await;
    let who = rig.check(&key).await.unwrap();
    let bought = rig.check(&rig.buy(&who).await).await.unwrap();
    for who in [who, bought] {
        assert!(rig.identities.log_out(&who, NOW).await.unwrap().is_empty());
        assert!(rig.check(&key).await.is_ok());
    }
}

#[tokio::test]
async fn a_key_that_is_removed_takes_with_it_what_it_bought() {
    let rig = Rig::start().await;
    let (id, key) = rig.key(Owner::User("alice".into())).await;
    let who = rig.check(&key).await.unwrap();
    let ticket = rig.buy(&who).await;
    let resumed = rig.identities.sessions.grant(&who, "chat", NOW).await.unwrap();
    let resumed = Credential::of_token(resumed.token.expose());
    let removed = rig.identities.remove_api_key(&id, "admin", NOW).await.unwrap();
    assert_eq!(removed.unwrap().id, id);
    assert!(rig.identities.revocations.covers(&who));
    assert_eq!(rig.check(&key).await, Err(Rejection::ApiKeyUnknown));
    assert_eq!(rig.check(&ticket).await, REVOKED);
    assert_eq!(rig.check(&resumed).await, REVOKED);
    assert_eq!(rig.identities.remove_api_key(&id, "admin", NOW).await.unwrap(), None);
}

#[tokio::test]
async fn a_subject_that_is_revoked_has_no_sessions_left() {
    let rig = Rig::start().await;
    let login = rig.login().await;
    let cookie = Credential::of_token(login.cookie.unwrap().expose());
    rig.revoke(of_alice()).await;
    assert_eq!(rig.check(&cookie).await, NO_SESSION);
    assert!(rig.refresh(&login.refresh).await.is_err());
    assert_eq!(rig.identities.sessions.of_subject(GATE, "alice", NOW).await.unwrap().len(), 0);
    // What began later than the time that was named goes on.
    let before = Some(UnixTime::from_secs(NOW.as_secs() - 60));
    let rig = Rig::start().await;
    let login = rig.login().await;
    let new = NewRevocation { issued_before: before, ..NewRevocation::of(of_alice(), "admin") };
    rig.identities.revoke(new, NOW).await.unwrap();
    assert!(rig.refresh(&login.refresh).await.is_ok());
}

#[tokio::test]
async fn a_session_token_that_is_replaced_is_refused_when_revoked() {
    let rig = Rig::start().await;
    let granted = rig.identities.sessions.grant(&principal(IDP), "chat", NOW).await.unwrap();
    let issuers = [IDP.into()];
    let door = Door { route: "chat", origin: None, issuers: &issuers };
    let (_, next) = rig.identities.rotate(&granted.token, &door, NOW).await.unwrap();
    rig.revoke(token(IDP)).await;
    let refused = rig.identities.rotate(&next.token, &door, NOW).await.unwrap_err();
    assert_eq!(refused.rejection, Rejection::TokenRevoked);
}

#[tokio::test]
async fn what_the_store_cannot_answer_is_not_answered_by_yes() {
    let rig = Rig::start().await;
    let login = rig.login().await;
    let (_, key) = rig.key(Owner::Machine("ci".into())).await;
    let cookie = Credential::of_token(login.cookie.unwrap().expose());
    let credentials = [rig.buy(&principal(IDP)).await, cookie, key];
    rig.shelf.fail();
    for credential in &credentials {
        let said = rig.check(credential).await;
        assert_eq!(said, Err(Rejection::Unavailable), "{:?}", credential.mechanism);
    }
    assert_eq!(rig.refresh(&login.refresh).await.unwrap_err(), Rejection::Unavailable);
    let failed = rig.identities.log_out(&principal(IDP), NOW).await;
    assert!(matches!(failed, Err(RevocationError::Store(_))), "{failed:?}");
    rig.shelf.mend();
    for credential in &credentials {
        assert!(rig.check(credential).await.is_ok(), "{:?}", credential.mechanism);
    }
}

#[tokio::test]
async fn a_token_of_an_issuer_is_for_others_to_check() {
    let rig = Rig::start().await;
    let issuers = [GATE.into()];
    let door = Door { route: "chat", origin: None, issuers: &issuers };
    let refused = rig.identities.check(&Credential::bearer("x.y.z"), &door, NOW).await.unwrap_err();
    assert_eq!(refused.rejection, Rejection::MechanismNotAllowed);
    assert!(rig.identities.tokens.public_jwks() != json!({ "keys": [] }));
}

#[tokio::test(start_paused = true)]
async fn what_others_revoke_arrives_while_it_is_looked_after() {
    let shelf = Arc::<Shelf>::default();
    let (one, two) = (Rig::on(Arc::clone(&shelf)).await, Rig::on(shelf).await);
    let tending = tokio::spawn(Arc::clone(&two.identities).tend(|| NOW));
    let mut hears = two.identities.revocations.announcements();
    one.revoke(token(IDP)).await;
    assert!(hears.next().await.is_some());
    assert!(two.identities.revocations.covers(&principal(IDP)));
    sleep(limits::KEYS_TENDED * 3).await;
    assert!(!tending.is_finished());
    tending.abort();
}
