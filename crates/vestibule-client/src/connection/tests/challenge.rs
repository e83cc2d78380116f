//! A server that asks back, and those who only claim to be one.

use core::str;

use data_encoding::BASE64;
use serde_json::{Value, json};
use vestibule_verify::scram::{Binding, ClientFirst, Decoy, Iterations, Nonce, StoredKeys};

use super::rig::{Memory, Peer, Server, memory};
use crate::{
    Builder, Credential, Ended, Error, Provider, Signature, Unavailable,
    auth::{Carrier, Unanswered},
    handshake::{Address, Handshake, OpenError},
    machine::{Cause, Demand, Presentation, StopReason},
    public_key, scram,
};

const NONCE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const KEY: &str = "SHA256:+ay0P5iwBQx1A1Q436qxez5GVMaD+dxCaFrmEtc4jMw";
const PASSWORD: &str = "s3cret";

/// Signs by saying what it was given.
fn parrot() -> impl Provider {
    public_key(KEY, async |bytes: Vec<u8>| {
        Ok::<_, Unavailable>(Signature::Ssh(str::from_utf8(&bytes).unwrap().to_owned()))
    })
}

fn with(provider: impl Provider) -> (Builder, Server) {
    let (memory, server): (Memory, _) = memory();
    let builder = Builder::new("ws://LOCALHOST:80/chat?room=1", provider).unwrap();
    (builder.connector(memory), server)
}

async fn failed(builder: Builder) -> Ended {
    match builder.connect().await {
        Err(Error::Ended(ended)) => ended,
        other => panic!("{other:?}"),
    }
}

async fn say(peer: &mut Peer, auth: Value) {
    peer.say(&json!({ "auth": auth }).to_string()).await;
}

async fn challenge(peer: &mut Peer, member: &str, value: &str) {
    say(peer, json!({ "type": "challenge", member: value, "expires_in": 5 })).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_signs_the_nonce_and_where_the_handshake_went() {
    let (builder, mut server) = with(parrot());
    let serving = async {
        let mut peer = server.accept().await;
        let named = peer.hear_auth("authenticate").await;
        assert_eq!((&named["mechanism"], &named["key"]), (&json!("public-key"), &json!(KEY)));
        challenge(&mut peer, "nonce", NONCE).await;
        let response = peer.hear_auth("respond").await;
        peer.accepted(600).await;
        (response["sshsig"].as_str().unwrap().to_owned(), peer)
    };
    let (connection, (signed, _peer)) = tokio::join!(builder.connect(), serving);
    connection.unwrap();
    assert_eq!(signed, format!("vestibule-public-key-v1\0{NONCE}\0localhost:80\0/chat\0"));
}

#[tokio::test(start_paused = true)]
async fn a_key_signs_nothing_but_a_nonce() {
    for nonce in ["", "AAAA", &format!("{NONCE}A"), &NONCE.replace('A', "\0")] {
        let (builder, mut server) = with(parrot());
        let serving = async {
            let mut peer = server.accept().await;
            peer.hear_auth("authenticate").await;
            challenge(&mut peer, "nonce", nonce).await;
            peer.rest().await.0
        };
        let (ended, said) = tokio::join!(failed(builder), serving);
        assert_eq!(ended.reason(), StopReason::ChallengeFailed);
        assert_eq!(said, Vec::<String>::new(), "{nonce}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_skips_the_challenge_is_not_believed() {
    for provider in [true, false] {
        let (builder, mut server) =
            if provider { with(parrot()) } else { with(scram("alice", PASSWORD)) };
        let serving = async {
            let mut peer = server.accept().await;
            peer.hear_auth("authenticate").await;
            peer.accepted(600).await;
            peer.rest().await
        };
        let (ended, _) = tokio::join!(failed(builder), serving);
        assert_eq!(ended.cause(), Some(Cause::ChallengeFailed));
    }
}

#[tokio::test]
async fn a_connection_by_password_counts_once_the_server_has_shown_that_it_knows_it() {
    for (known, says, is_believed) in [
        (PASSWORD, None, true),
        // A server that does not know it can challenge, and accept what it cannot check.
        ("a guess", Some("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), false),
        (PASSWORD, Some(""), false),
    ] {
        let (builder, mut server) = with(scram("alice", PASSWORD));
        let serving = async {
            let mut peer = server.accept().await;
            let first = peer.hear_auth("authenticate").await;
            let first = first["message"].as_str().unwrap().to_owned();
            let first = ClientFirst::parse(first.as_bytes(), Binding::Unavailable).unwrap();
            assert_eq!(first.user(), "alice");
            let keys = StoredKeys::derive(known, [7; 16], Iterations::MIN).unwrap();
            let decoy = Decoy::new([9; 32], Iterations::MIN);
            let (exchange, message) = first.challenge(Some(&keys), &decoy, &Nonce::new([2; 18]));
            challenge(&mut peer, "message", &message).await;
            let last = peer.hear_auth("respond").await;
            let finished = exchange.finish(last["message"].as_str().unwrap().as_bytes());
            let message = match says {
                Some(other) => other.to_owned(),
                None => finished.unwrap().server_final().to_owned(),
            };
            say(
                &mut peer,
                json!({"type": "accepted", "subject": "alice", "expires_in": 9, "message": message}),
            )
            .await;
            peer
        };
        let (connection, _peer) = tokio::join!(builder.connect(), serving);
        match connection {
            Ok(_) => assert!(is_believed, "{says:?}"),
            Err(Error::Ended(ended)) => {
                assert!(!is_believed && ended.cause() == Some(Cause::ChallengeFailed), "{ended}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn what_is_asked_for_must_be_of_the_mechanism_and_is_answered_once() {
    let handshake = Handshake::to(Address::parse("ws://localhost/").unwrap());
    let password = Credential::scram("alice", PASSWORD).unwrap();
    let key = Credential::public_key(KEY, async |_: Vec<u8>| Err(Unavailable::ForNow)).unwrap();
    let token = Credential::bearer("token").unwrap();
    let (nonce, message) = (Demand::Nonce(NONCE.to_owned()), Demand::Message("r=x".to_owned()));
    for (credential, demand, expected) in [
        (&token, &nonce, Unanswered::OutOfTurn),
        (&key, &message, Unanswered::Mismatch),
        (&key, &nonce, Unanswered::Unsigned),
        (&password, &nonce, Unanswered::Mismatch),
    ] {
        let answer = credential.respond(demand.clone(), &handshake, None).await;
        assert_eq!(answer.err(), Some(expected), "{credential:?} {demand:?}");
    }
    let broken = password.respond(message.clone(), &handshake, None).await;
    assert!(matches!(broken, Err(Unanswered::Server(_))));
    let again = password.respond(message, &handshake, None).await;
    assert_eq!(again.err(), Some(Unanswered::OutOfTurn));
    for credential in [&key, &password] {
        let opened = handshake.open(Some((&Carrier::Header, credential))).await;
        assert!(matches!(opened, Err(OpenError::Uncarried(_))));
        let shown = format!("{credential:?} {:?}", scram("alice", PASSWORD));
        assert!(!shown.contains(PASSWORD), "{shown}");
    }
}

#[tokio::test]
async fn a_bound_password_is_proven_to_nobody_without_a_connection_that_binds_it() {
    let handshake = Handshake::to(Address::parse("wss://localhost/").unwrap());
    let answer = async |exporter: Option<[u8; 32]>| {
        let credential = Credential::scram_plus("alice", "pencil").unwrap();
        let first = credential.message(Presentation::Authenticate);
        let first: Value = serde_json::from_str(&first).unwrap();
        let message = first["auth"]["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("p=tls-exporter,,n=alice,r="), "{message}");
        let nonce = message.split_once("r=").unwrap().1.to_owned();
        let challenge = format!("r={nonce}more,s=BwcHBwcHBwcHBwcHBwcHBw==,i=4096");
        let answer = credential.respond(Demand::Message(challenge), &handshake, exporter).await;
        answer.map(|answer| answer.into_parts().0.to_string())
    };
    assert!(matches!(answer(None).await, Err(Unanswered::Unbound)));
    let mut expected = b"p=tls-exporter,,".to_vec();
    expected.extend([3; 32]);
    let said = answer(Some([3; 32])).await.unwrap();
    assert!(said.contains(&format!("c={},", BASE64.encode(&expected))), "{said}");
}
