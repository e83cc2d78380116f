//! A passkey on a connection that is open: as a second proof, and to go on.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use vestibule_testkit::{Authenticator, Handshake, Peer};

use crate::{
    admin::ask,
    rig::{Outcome, Rig, close, closed, converse},
    webauthn::{access, begin, enter, refused, registered, respond, rig},
};

const STEP_UP: &str = "accept = [\"header\", \"message\"]\nmechanisms = [\"bearer\"]\n\
                       step_up = { mechanisms = [\"webauthn\"], within = \"1m\" }\n";

/// Both ends of a connection that came in by the token of a login, and was asked for a passkey.
fn open(rig: &Rig) -> anyhow::Result<(Peer, Peer)> {
    let token = access(rig, "alice")?;
    let (mut client, upstream) = rig.open(&Handshake::to("/ws").bearer(&token))?;
    client.expect_auth("accepted")?;
    let required = client.expect_auth("required")?;
    ensure!(required["mechanisms"] == json!(["webauthn"]), "{required}");
    Ok((client, upstream))
}

/// By what the only connection was authenticated.
fn methods(rig: &Rig) -> anyhow::Result<Value> {
    let (_, body) = ask(rig, "GET /api/v1/connections", &Value::Null)?;
    let all = body["connections"].as_array().context("no list")?;
    ensure!(all.len() == 1, "{body}");
    Ok(all[0]["methods"].clone())
}

#[test]
fn a_passkey_is_a_second_proof_and_data_flows_while_a_person_looks_for_it() -> Outcome {
    let rig = rig(STEP_UP)?;
    let (mut device, _) = registered(&rig, "alice", b"one")?;
    let (mut client, mut upstream) = open(&rig)?;
    // Only touched, which is not enough, and costs nothing but itself.
    device.flags = Authenticator::PRESENT;
    let options = begin(&mut client, None)?;
    converse(&mut client, &mut upstream, "while a challenge is out")?;
    respond(&mut client, &device.get(&options)?)?;
    refused(&mut client)?;
    assert_eq!(methods(&rig)?, json!(["pwd"]));
    device.flags |= Authenticator::VERIFIED;
    let options = begin(&mut client, Some("alice"))?;
    respond(&mut client, &device.get(&options)?)?;
    client.expect_auth("accepted")?;
    assert_eq!(methods(&rig)?, json!(["pwd", "hwk", "user", "mfa"]));
    converse(&mut client, &mut upstream, "behind it")
}

#[test]
fn what_was_signed_for_another_connection_is_no_second_proof() -> Outcome {
    let rig = rig(STEP_UP)?;
    let (mut device, _) = registered(&rig, "alice", b"one")?;
    let (mut other, _other_upstream) = open(&rig)?;
    let foreign = begin(&mut other, None)?;
    let (mut client, mut upstream) = open(&rig)?;
    begin(&mut client, None)?;
    respond(&mut client, &device.get(&foreign)?)?;
    refused(&mut client)?;
    converse(&mut client, &mut upstream, "still here")
}

#[test]
fn the_passkey_of_somebody_else_ends_the_connection() -> Outcome {
    let rig = rig(STEP_UP)?;
    let (mut bobs, _) = registered(&rig, "bob", b"two")?;
    let (mut client, _upstream) = open(&rig)?;
    let options = begin(&mut client, None)?;
    respond(&mut client, &bobs.get(&options)?)?;
    assert_eq!(client.expect_auth("rejected")?["error"], "identity_changed");
    assert_eq!(closed(&mut client)?, close(4403, "identity_changed"));
    Ok(())
}

#[test]
fn removing_the_passkey_of_a_second_proof_ends_what_rests_on_it() -> Outcome {
    let rig = rig(STEP_UP)?;
    let (mut device, shown) = registered(&rig, "alice", b"one")?;
    let (mut client, _upstream) = open(&rig)?;
    let options = begin(&mut client, None)?;
    respond(&mut client, &device.get(&options)?)?;
    client.expect_auth("accepted")?;
    let id = shown["id"].as_str().context("no id")?;
    let (status, _) = ask(&rig, &format!("DELETE /api/v1/passkeys/{id}"), &Value::Null)?;
    assert_eq!(status, 204);
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    Ok(())
}

#[test]
fn a_connection_goes_on_by_the_passkey_of_its_user_alone() -> Outcome {
    let rig = rig("accept = [\"message\"]\nmechanisms = [\"webauthn\"]\n")?;
    let (mut alices, _) = registered(&rig, "alice", b"one")?;
    let (mut bobs, _) = registered(&rig, "bob", b"two")?;
    let mut client = enter(&rig, &mut alices)?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    let options = begin(&mut client, None)?;
    converse(&mut client, &mut upstream, "while a challenge is out")?;
    respond(&mut client, &alices.get(&options)?)?;
    assert_eq!(client.expect_auth("accepted")?["mechanism"], "webauthn");
    converse(&mut client, &mut upstream, "behind it")?;
    let options = begin(&mut client, None)?;
    respond(&mut client, &bobs.get(&options)?)?;
    assert_eq!(client.expect_auth("rejected")?["error"], "identity_changed");
    assert_eq!(closed(&mut client)?, close(4403, "identity_changed"));
    Ok(())
}
