use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use proptest::prelude::*;
use vestibule_core::authn::Challenge as Asked;

use vestibule_core::policy::origin::Transport;

use super::*;
use crate::{
    store::Answer,
    tests::{rig::NOW, shelf::Shelf},
};

const HOST: &str = "ws.example.com";
const PEER: &str = "192.0.2.7";

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
    keys: PublicKeys,
}

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn jwk(pair: &Ed25519KeyPair) -> String {
    let x = BASE64URL_NOPAD.encode(pair.public_key().as_ref());
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#)
}

fn scene<'a>() -> Scene<'a> {
    let (transport, peer) = (Transport::Tls, PEER.parse().unwrap());
    Scene { transport, host: HOST, path: "/chat", origin: None, peer, exporter: None }
}

impl Rig {
    fn new() -> Self {
        let (shelf, people) = (Arc::new(Shelf::default()), Arc::new(People::default()));
        let (store, holders) = (Arc::<Shelf>::clone(&shelf), Arc::<People>::clone(&people));
        let issuer = "https://gate.example".into();
        let keys = PublicKeys::new(store, holders, issuer, Duration::from_hours(1));
        let rig = Self { shelf, people, keys };
        rig.user("alice", NOW);
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

    fn ask(&self, fingerprint: &str, scene: &Scene<'_>) -> (Pending, String) {
        let asked = self.keys.challenge(&Secret::new(fingerprint), scene).unwrap();
        let Asked { demand: Demand::Nonce(nonce), exchange } = asked else { panic!() };
        let Some(exchange::Pending::PublicKey(pending)) = exchange.into_state() else { panic!() };
        (pending, nonce.into())
    }

    async fn check_at(
        &self,
        pending: Pending,
        response: Response,
        now: UnixTime,
    ) -> Result<Principal, Rejection> {
        let issuers = ["https://gate.example".into()];
        let door = Door { route: "chat", origin: None, issuers: &issuers };
        let peer = PEER.parse().unwrap();
        let verified = self.keys.check(pending, &response, (&door, peer), now).await;
        verified
            .map(|verified| Principal::clone(verified.principal()))
            .map_err(|refused| refused.rejection)
    }

    /// An exchange in which this key is named and that one signs.
    async fn run(
        &self,
        named: &str,
        signer: &Ed25519KeyPair,
        now: UnixTime,
    ) -> Result<Principal, Rejection> {
        let (pending, nonce) = self.ask(named, &scene());
        self.check_at(pending, sign(signer, &nonce, &scene()), now).await
    }
}

/// Signs as the protocol says, and not by the code under test.
fn sign(pair: &Ed25519KeyPair, nonce: &str, scene: &Scene<'_>) -> Response {
    let Scene { transport: _, host, path, origin, peer: _, exporter: _ } = *scene;
    let origin = origin.unwrap_or_default();
    let text = format!("vestibule-public-key-v1\0{nonce}\0{host}\0{path}\0{origin}");
    let signature = BASE64URL_NOPAD.encode(pair.sign(text.as_bytes()).as_ref());
    Response::Signature(Secret::new(signature))
}

const INVALID: Result<&str, Rejection> = Err(Rejection::CredentialsInvalid);

fn subject(result: &Result<Principal, Rejection>) -> Result<&str, Rejection> {
    result.as_ref().map(|principal| &*principal.subject).map_err(|rejection| *rejection)
}

#[tokio::test]
async fn who_signs_with_the_registered_key_is_its_user() {
    let rig = Rig::new();
    let key = rig.keys.add("alice", &jwk(&pair(1)), NOW).await.unwrap();
    let principal = rig.run(&key.fingerprint, &pair(1), NOW).await.unwrap();
    assert_eq!(&*principal.subject, "alice");
    assert_eq!(&*principal.issuer, "https://gate.example");
    assert_eq!(principal.scopes, Box::from(["chat".into()]));
    assert_eq!(principal.token_id, Some(key.token));
    assert_eq!(principal.mechanism, Mechanism::PublicKey);
    assert_eq!(principal.expires, NOW.after(Duration::from_hours(1)));
}

#[tokio::test]
async fn wrong_unknown_and_shut_out_are_one_refusal() {
    let rig = Rig::new();
    let key = rig.keys.add("alice", &jwk(&pair(1)), NOW).await.unwrap();
    let other = rig.keys.add("alice", &jwk(&pair(2)), NOW).await.unwrap();
    assert_eq!(subject(&rig.run(&key.fingerprint, &pair(2), NOW).await), INVALID);
    assert_eq!(subject(&rig.run(&other.fingerprint, &pair(1), NOW).await), INVALID);
    let unknown = format!("SHA256:{}", "A".repeat(43));
    assert_eq!(subject(&rig.run(&unknown, &pair(1), NOW).await), INVALID);
    rig.disable("alice");
    assert_eq!(subject(&rig.run(&key.fingerprint, &pair(1), NOW).await), INVALID);
    rig.user("alice", NOW.after(Duration::from_secs(1)));
    assert_eq!(subject(&rig.run(&key.fingerprint, &pair(1), NOW).await), INVALID);
}

#[tokio::test]
async fn a_signature_is_good_for_one_challenge_host_path_and_page() {
    let rig = Rig::new();
    let key = rig.keys.add("alice", &jwk(&pair(1)), NOW).await.unwrap();
    let page = Scene { origin: Some("https://app.example.com"), ..scene() };
    for elsewhere in [
        Scene { host: "evil.example.com", ..scene() },
        Scene { host: "ws.example.com:8443", ..scene() },
        Scene { path: "/admin", ..scene() },
        Scene { path: "/chat/", ..scene() },
        page,
    ] {
        let (pending, nonce) = rig.ask(&key.fingerprint, &scene());
        let response = sign(&pair(1), &nonce, &elsewhere);
        assert_eq!(subject(&rig.check_at(pending, response, NOW).await), INVALID);
    }
    let (_, nonce) = rig.ask(&key.fingerprint, &scene());
    let (pending, _) = rig.ask(&key.fingerprint, &scene());
    let response = sign(&pair(1), &nonce, &scene());
    assert_eq!(subject(&rig.check_at(pending, response, NOW).await), INVALID);
    let (pending, nonce) = rig.ask(&key.fingerprint, &page);
    let response = sign(&pair(1), &nonce, &page);
    assert_eq!(subject(&rig.check_at(pending, response, NOW).await), Ok("alice"));
}

#[tokio::test]
async fn a_route_that_does_not_take_our_issuer_takes_no_key() {
    let rig = Rig::new();
    let key = rig.keys.add("alice", &jwk(&pair(1)), NOW).await.unwrap();
    let (pending, nonce) = rig.ask(&key.fingerprint, &scene());
    let door = Door { route: "chat", origin: None, issuers: &["https://idp.example".into()] };
    let response = sign(&pair(1), &nonce, &scene());
    let peer = PEER.parse().unwrap();
    let refused = rig.keys.check(pending, &response, (&door, peer), NOW).await.unwrap_err();
    assert_eq!(refused.rejection, Rejection::CredentialsInvalid);
}

#[tokio::test]
async fn a_key_is_limited_as_its_line_says() {
    let rig = Rig::new();
    let add = |options: &str, seed: u8| {
        let key = AuthorizedKey::from_jwk(jwk(&pair(seed)).as_bytes()).unwrap();
        format!("{options} {}", key.to_line())
    };
    let elsewhere = rig.keys.add("alice", &add("from=\"198.51.100.0/24\"", 2), NOW).await.unwrap();
    assert_eq!(subject(&rig.run(&elsewhere.fingerprint, &pair(2), NOW).await), INVALID);
    let brief = rig.keys.add("alice", &add("expiry-time=\"20350101Z\"", 3), NOW).await.unwrap();
    let end = brief.expires.unwrap();
    let before = UnixTime::from_secs(end.as_secs() - 10);
    let principal = rig.run(&brief.fingerprint, &pair(3), before).await.unwrap();
    assert_eq!(principal.expires, end);
    assert_eq!(subject(&rig.run(&brief.fingerprint, &pair(3), end).await), INVALID);
    let over = rig.keys.add("alice", &add("expiry-time=\"20010101Z\"", 4), NOW).await;
    assert!(matches!(over, Err(PublicKeyError::Over)));
    let wide = rig.keys.add("alice", &add("restrict", 4), NOW).await;
    assert!(matches!(wide, Err(PublicKeyError::BadKey(_))));
}

#[tokio::test]
async fn a_key_is_of_one_user_until_it_is_removed() {
    let rig = Rig::new();
    rig.user("bob", NOW);
    let key = rig.keys.add("alice", &jwk(&pair(1)), NOW).await.unwrap();
    let again = rig.keys.add("bob", &jwk(&pair(1)), NOW).await;
    assert!(matches!(again, Err(PublicKeyError::Exists)));
    let nobody = rig.keys.add("carol", &jwk(&pair(2)), NOW).await;
    assert!(matches!(nobody, Err(PublicKeyError::NoSuchUser)));
    let (pending, nonce) = rig.ask(&key.fingerprint, &scene());
    rig.keys.remove_of("alice", NOW).await.unwrap();
    assert_eq!(rig.keys.list(None, 10, NOW).await.unwrap(), []);
    let response = sign(&pair(1), &nonce, &scene());
    assert_eq!(subject(&rig.check_at(pending, response, NOW).await), INVALID);
    let moved = rig.keys.add("bob", &jwk(&pair(1)), NOW).await.unwrap();
    assert_ne!(moved.token, key.token);
    // Of the registration before, nothing is left to remove.
    rig.keys.remove(&key, NOW).await.unwrap();
    assert_eq!(subject(&rig.run(&moved.fingerprint, &pair(1), NOW).await), Ok("bob"));
}

#[tokio::test]
async fn a_store_that_cannot_answer_lets_nobody_in() {
    let rig = Rig::new();
    let key = rig.keys.add("alice", &jwk(&pair(1)), NOW).await.unwrap();
    rig.shelf.fail();
    let said = rig.run(&key.fingerprint, &pair(1), NOW).await;
    assert_eq!(subject(&said), Err(Rejection::Unavailable));
}

#[test]
fn what_is_no_fingerprint_is_not_challenged() {
    let rig = Rig::new();
    for text in ["", "SHA256:", "alice", "MD5:00", "SHA256:AAAA", "sha256:+ay0P5iwBQx1A1Q436qxez5G"]
    {
        let refused = rig.keys.challenge(&Secret::new(text), &scene()).unwrap_err();
        assert_eq!(refused.rejection, Rejection::MalformedMessage, "{text}");
    }
}

#[test]
fn a_pending_challenge_is_not_printed() {
    let rig = Rig::new();
    let (pending, nonce) = rig.ask(&format!("SHA256:{}", "A".repeat(43)), &scene());
    assert!(!format!("{pending:?}").contains(&nonce));
}

proptest! {
    /// Whatever is answered, only the signature of the key over this challenge opens.
    #[test]
    fn no_other_bytes_are_a_response(text in ".{0,120}", kind in 0..3_u8) {
        let rig = Rig::new();
        let secret = Secret::new(text);
        let response = match kind {
            0 => Response::Message(secret),
            1 => Response::Signature(secret),
            _ => Response::SshSig(secret),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let said = runtime.block_on(async {
            let key = rig.keys.add("alice", &jwk(&pair(1)), NOW).await.unwrap();
            let (pending, _) = rig.ask(&key.fingerprint, &scene());
            rig.check_at(pending, response, NOW).await
        });
        let refused = [Rejection::CredentialsInvalid, Rejection::MalformedMessage];
        prop_assert!(said.is_err_and(|rejection| refused.contains(&rejection)));
    }
}
