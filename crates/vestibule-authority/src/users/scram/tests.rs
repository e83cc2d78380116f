use std::num::NonZeroUsize;

use vestibule_verify::{
    password::Cost,
    scram::{Client, ClientBinding},
};

use vestibule_core::{authn::Secret, policy::origin::Transport};

use super::*;
use crate::{
    store::{Action, Change, Committed, Embedded, Expect, Table},
    users::{NewUser, PasswordHasher, UserState},
};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const PASSWORD: &str = "correct horse";
const GATE: &str = "https://gate.example";

struct Rig {
    store: Arc<dyn Store>,
    users: Users,
    scram: Scram,
}

impl Rig {
    async fn new() -> Self {
        let store: Arc<dyn Store> = Embedded::in_memory().unwrap();
        let hasher = PasswordHasher::new(Cost::dangerous_cheap(), NonZeroUsize::MIN, 8).unwrap();
        let users = Users::new(Arc::clone(&store), hasher);
        let user = NewUser {
            name: "alice".into(),
            password: Secret::new(PASSWORD),
            scopes: Box::new(["chat".into()]),
            groups: Box::default(),
            email: None,
            display_name: None,
        };
        users.add(user, NOW).await.unwrap();
        let scram = Scram::open(&*store, Duration::from_hours(1), NOW).await.unwrap();
        Self { store, users, scram }
    }

    /// The challenge for that name, and what the client answers.
    async fn begin(&self, user: &str) -> (Pending, String, Response) {
        let nonce = Nonce::new([7; 18]);
        let (client, message) =
            Client::begin(user, PASSWORD, ClientBinding::Unsupported, &nonce).unwrap();
        let challenge = self.challenge(Mechanism::ScramSha256, &message, None).await.unwrap();
        let Challenge { demand: Demand::Message(said), exchange } = challenge else { panic!() };
        let (_, answer) = client.respond(said.as_bytes()).unwrap();
        let Some(exchange::Pending::Scram(pending)) = exchange.into_state() else { panic!() };
        (pending, said.into(), Response::Message(Secret::new(answer.as_bytes())))
    }

    /// What comes of a first message on a connection with that exporter.
    async fn challenge(
        &self,
        mechanism: Mechanism,
        message: &str,
        exporter: Option<TlsExporter>,
    ) -> Result<Challenge, Rejection> {
        let secret = Secret::new(message.as_bytes());
        let credential = Credential { mechanism, secret, proof: None };
        let peer = "192.0.2.7".parse().unwrap();
        let transport = Transport::Tls;
        let scene = Scene { transport, host: "h", path: "/", origin: None, peer, exporter };
        let challenge = self.scram.challenge(&self.users, &credential, &scene, NOW).await;
        challenge.map_err(|refused| refused.rejection)
    }

    async fn end(&self, pending: Pending, response: &Response) -> Result<Box<str>, Rejection> {
        let issuer = Arc::from(GATE);
        let issuers = [Arc::clone(&issuer)];
        let door = Door { route: "chat", origin: None, issuers: &issuers };
        let checked = self.scram.check(&self.users, pending, response, (&door, &issuer), NOW).await;
        checked
            .map(|(verified, _)| verified.principal().subject.clone())
            .map_err(|refused| refused.rejection)
    }

    async fn run(&self, user: &str) -> Result<Box<str>, Rejection> {
        let (pending, _, response) = self.begin(user).await;
        self.end(pending, &response).await
    }

    /// The user, as a version before this one wrote it.
    async fn age(&self) {
        let entry = self.store.read(Table::Users, "alice", NOW).await.unwrap().unwrap();
        let mut record: serde_json::Value = serde_json::from_slice(&entry.value).unwrap();
        record.as_object_mut().unwrap().remove("scram").unwrap();
        let value = zeroize::Zeroizing::new(serde_json::to_vec(&record).unwrap());
        let change = Change {
            table: Table::Users,
            key: "alice".into(),
            expect: Expect::Anything,
            action: Action::Put(value, None),
        };
        assert_eq!(self.store.commit(vec![change], NOW).await.unwrap(), Committed::Done);
    }
}

#[tokio::test]
async fn an_exchange_is_bound_where_that_is_offered_and_a_downgrade_is_refused() {
    let rig = Rig::new().await;
    let (plain, plus) = (Mechanism::ScramSha256, Mechanism::ScramSha256Plus);
    let (none, offered) = (None, Some([3; 32]));
    let no = Some(Rejection::MechanismNotAllowed);
    for (mechanism, flag, exporter, expected) in [
        (plain, "n", none, None),
        (plain, "y", none, None),
        (plain, "n", offered, None),
        (plain, "y", offered, no),
        (plain, "p=tls-exporter", offered, no),
        (plain, "p=tls-exporter", none, no),
        (plus, "p=tls-exporter", offered, None),
        (plus, "p=tls-exporter", none, no),
        (plus, "p=tls-unique", offered, no),
        (plus, "p=tls-server-end-point", offered, no),
        (plus, "n", offered, no),
        (plus, "y", offered, no),
    ] {
        let message = format!("{flag},,n=alice,r=abcdefgh");
        let said = rig.challenge(mechanism, &message, exporter).await;
        assert_eq!(said.err(), expected, "{mechanism:?} {flag} {exporter:?}");
    }
}

#[tokio::test]
async fn a_proof_for_another_connection_is_that_of_nobody() {
    let rig = Rig::new().await;
    for (of_client, expected) in
        [([3; 32], Ok("alice")), ([4; 32], Err(&Rejection::CredentialsInvalid))]
    {
        let binding = ClientBinding::TlsExporter(of_client);
        let nonce = Nonce::new([7; 18]);
        let (client, message) = Client::begin("alice", PASSWORD, binding, &nonce).unwrap();
        let begun = rig.challenge(Mechanism::ScramSha256Plus, &message, Some([3; 32])).await;
        let Challenge { demand: Demand::Message(said), exchange } = begun.unwrap() else {
            panic!()
        };
        let (_, answer) = client.respond(said.as_bytes()).unwrap();
        let Some(exchange::Pending::Scram(pending)) = exchange.into_state() else { panic!() };
        let said = rig.end(pending, &Response::Message(Secret::new(answer.as_bytes()))).await;
        assert_eq!(said.as_deref(), expected);
    }
}

/// Without the nonce.
fn salt(challenge: &str) -> &str {
    challenge.split_once(',').unwrap().1
}

#[tokio::test]
async fn a_user_of_an_earlier_version_looks_like_nobody_until_the_password_is_set_again() {
    let rig = Rig::new().await;
    assert_eq!(rig.run("alice").await.as_deref(), Ok("alice"));
    rig.age().await;
    assert_eq!(rig.run("alice").await, Err(Rejection::CredentialsInvalid));
    rig.users.set_password("alice", &Secret::new(PASSWORD), NOW).await.unwrap();
    assert_eq!(rig.run("alice").await.as_deref(), Ok("alice"));
}

#[tokio::test]
async fn a_false_salt_is_the_same_after_a_restart() {
    let mut rig = Rig::new().await;
    let (_, before, _) = rig.begin("nobody").await;
    rig.scram = Scram::open(&*rig.store, Duration::from_hours(1), NOW).await.unwrap();
    let (_, after, _) = rig.begin("nobody").await;
    assert_ne!(before, after);
    assert_eq!(salt(&before), salt(&after));
    let (_, other, _) = rig.begin("somebody").await;
    assert_ne!(salt(&other), salt(&after));
}

#[tokio::test]
async fn what_is_changed_between_challenge_and_response_counts() {
    let rig = Rig::new().await;
    let (pending, _, response) = rig.begin("alice").await;
    rig.users.set_password("alice", &Secret::new(PASSWORD), NOW).await.unwrap();
    assert_eq!(rig.end(pending, &response).await, Err(Rejection::CredentialsInvalid));
    let (pending, _, response) = rig.begin("alice").await;
    rig.users.set_state("alice", UserState::Disabled, NOW).await.unwrap();
    assert_eq!(rig.end(pending, &response).await, Err(Rejection::CredentialsInvalid));
}

#[tokio::test]
async fn a_signature_is_no_message() {
    let rig = Rig::new().await;
    let (pending, _, _) = rig.begin("alice").await;
    let response = Response::Signature(Secret::new("AAAA"));
    assert_eq!(rig.end(pending, &response).await, Err(Rejection::MalformedMessage));
}
