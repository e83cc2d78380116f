//! A live connection is asked back: what was proven at the door can be proven again later, and data
//! flows meanwhile.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use vestibule_testkit::{Handshake, Head, Peer};

use crate::{
    admin::ask,
    public_key::{Pair, begin, parts, refused, respond},
    rig::{Outcome, PAGE, Rig, close, closed, converse},
    scram::exchange,
};

const ROUTE: &str = "accept = [\"message\"]\n\
                     mechanisms = [\"public-key\", \"scram-sha-256\", \"bearer\"]\n";
const PASSWORD: &str = "a long password";

/// A gateway with its users Alice and Mallory, who both have a key.
fn rig() -> anyhow::Result<(Rig, Pair, Pair)> {
    let rig = Rig::with(ROUTE, |setup| setup.table("[auth]"))?;
    for name in ["alice", "mallory"] {
        let user = json!({ "name": name, "password": PASSWORD });
        let (status, body) = ask(&rig, "POST /api/v1/users", &user)?;
        ensure!(status == 201, "{status} {body}");
    }
    let (alice, _) = Pair::of(&rig, "alice", "alice", "ed25519")?;
    let (mallory, _) = Pair::of(&rig, "mallory", "mallory", "ecdsa")?;
    Ok((rig, alice, mallory))
}

pub(crate) fn sign(pair: &Pair, nonce: &str) -> anyhow::Result<String> {
    pair.sign("vestibule", &parts(nonce, ""))
}

/// Both ends of a connection that was opened with this key.
fn open(rig: &Rig, pair: &Pair) -> anyhow::Result<(Peer, Peer)> {
    let (client, upstream, _) = enter(rig, pair)?;
    Ok((client, upstream))
}

/// The same, and what the upstream was asked.
pub(crate) fn enter(rig: &Rig, pair: &Pair) -> anyhow::Result<(Peer, Peer, Head)> {
    let mut client = rig.wait_at_the_door()?;
    let nonce = begin(&mut client, &pair.fingerprint)?;
    respond(&mut client, &sign(pair, &nonce)?)?;
    let (upstream, head) = rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    Ok((client, upstream, head))
}

#[test]
fn a_live_connection_is_renewed_by_a_key_and_by_a_password_while_data_flows() -> Outcome {
    let (rig, pair, _) = rig()?;
    let (mut client, mut upstream) = open(&rig, &pair)?;
    let nonce = begin(&mut client, &pair.fingerprint)?;
    converse(&mut client, &mut upstream, "while a challenge is out")?;
    respond(&mut client, &sign(&pair, &nonce)?)?;
    let accepted = client.expect_auth("accepted")?;
    assert_eq!(accepted["mechanism"], "public-key");
    let (scram, _) = exchange(&mut client, "alice", PASSWORD)?;
    let accepted = client.expect_auth("accepted")?;
    assert_eq!(accepted["mechanism"], "scram-sha-256");
    let last = accepted["message"].as_str().context("no signature of the server")?;
    scram.finish(last.as_bytes()).map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
    converse(&mut client, &mut upstream, "behind it")?;
    assert_eq!(rig.upstream.count(), 1);
    Ok(())
}

#[test]
fn a_response_on_a_live_connection_counts_once_and_only_behind_its_challenge() -> Outcome {
    let (rig, pair, _) = rig()?;
    let (mut other, _upstream) = open(&rig, &pair)?;
    let (mut client, mut upstream) = open(&rig, &pair)?;
    // The challenge of another connection.
    let elsewhere = begin(&mut other, &pair.fingerprint)?;
    begin(&mut client, &pair.fingerprint)?;
    respond(&mut client, &sign(&pair, &elsewhere)?)?;
    refused(&mut client)?;
    // One that another has taken the place of.
    let nonce = begin(&mut client, &pair.fingerprint)?;
    begin(&mut client, &pair.fingerprint)?;
    respond(&mut client, &sign(&pair, &nonce)?)?;
    refused(&mut client)?;
    converse(&mut client, &mut upstream, "what was refused cost nothing")?;
    // The same response once more.
    let nonce = begin(&mut client, &pair.fingerprint)?;
    let right = sign(&pair, &nonce)?;
    respond(&mut client, &right)?;
    client.expect_auth("accepted")?;
    respond(&mut client, &right)?;
    assert_eq!(closed(&mut client)?, close(4400, "invalid_request"));
    Ok(())
}

#[test]
fn the_key_of_another_user_ends_the_connection() -> Outcome {
    let (rig, pair, stranger) = rig()?;
    let (mut client, _upstream) = open(&rig, &pair)?;
    let nonce = begin(&mut client, &stranger.fingerprint)?;
    respond(&mut client, &sign(&stranger, &nonce)?)?;
    let rejected = client.expect_auth("rejected")?;
    assert_eq!(rejected["error"], "identity_changed");
    assert_eq!(closed(&mut client)?, close(4403, "identity_changed"));
    Ok(())
}

#[test]
fn what_is_signed_later_is_what_the_handshake_had() -> Outcome {
    let (rig, pair, _) = rig()?;
    let mut client = rig.send(&Handshake::to("/ws/room?x=1").origin(PAGE))?;
    client.expect_switch()?;
    let (domain, host, path) = ("vestibule-public-key-v1", "localhost", "/ws/room");
    let sign = |nonce: &str, [host, path, origin]: [&str; 3]| -> anyhow::Result<String> {
        pair.sign("vestibule", &[domain, nonce, host, path, origin])
    };
    let nonce = begin(&mut client, &pair.fingerprint)?;
    respond(&mut client, &sign(&nonce, [host, path, PAGE])?)?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    for elsewhere in [
        [host, path, ""],
        [host, path, "https://evil.example.com"],
        [host, "/ws", PAGE],
        ["evil.example.com", path, PAGE],
    ] {
        let nonce = begin(&mut client, &pair.fingerprint)?;
        respond(&mut client, &sign(&nonce, elsewhere)?)?;
        refused(&mut client)?;
    }
    let nonce = begin(&mut client, &pair.fingerprint)?;
    respond(&mut client, &sign(&nonce, [host, path, PAGE])?)?;
    client.expect_auth("accepted")?;
    converse(&mut client, &mut upstream, "still here")
}

#[test]
fn what_is_malformed_ends_a_live_connection_as_it_ends_one_at_the_door() -> Outcome {
    let (rig, pair, _) = rig()?;
    let responses = [
        json!({"type": "respond", "signature": "AAAA"}),
        json!({"type": "respond", "message": "c=biws"}),
        json!({"type": "respond", "sshsig": "-----BEGIN SSH SIGNATURE-----"}),
    ];
    for response in responses {
        let (mut client, _upstream) = open(&rig, &pair)?;
        begin(&mut client, &pair.fingerprint)?;
        client.send_text(&json!({ "auth": response }).to_string())?;
        let rejected = client.expect_auth("rejected")?;
        assert_eq!(
            (&rejected["error"], &rejected["retry"]),
            (&json!("invalid_request"), &json!(false))
        );
        assert_eq!(closed(&mut client)?, close(4400, "invalid_request"));
    }
    let (mut client, _upstream) = open(&rig, &pair)?;
    client.send_text(&json!({ "auth": {"type": "respond", "signature": "AAAA"} }).to_string())?;
    assert_eq!(closed(&mut client)?, close(4400, "invalid_request"));
    Ok(())
}

#[test]
fn a_key_that_is_removed_while_its_challenge_is_out_renews_nothing() -> Outcome {
    let (rig, pair, _) = rig()?;
    let (second, shown) = Pair::of(&rig, "alice", "second", "ed25519")?;
    let (mut client, mut upstream) = open(&rig, &pair)?;
    let nonce = begin(&mut client, &second.fingerprint)?;
    let id = shown["id"].as_str().context("no id")?;
    let (status, _) = ask(&rig, &format!("DELETE /api/v1/public-keys/{id}"), &Value::Null)?;
    assert_eq!(status, 204);
    respond(&mut client, &sign(&second, &nonce)?)?;
    refused(&mut client)?;
    converse(&mut client, &mut upstream, "by the other key")
}
