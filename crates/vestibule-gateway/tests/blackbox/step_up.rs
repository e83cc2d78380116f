//! A second proof on a connection that is open: asked for by the route or by the operator, owed until
//! a deadline, and never a reason to drop the socket before.

use std::{
    future::ready,
    sync::{Arc, Mutex},
};

use anyhow::{Context as _, ensure};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use vestibule_client::{
    Builder, Event, Unavailable,
    auth::{bearer, scram, step_up as stepping_up},
};
use vestibule_testkit::{Handshake, Peer, eventually};

use crate::{
    admin::{ask, inside},
    client::{Background, Way},
    endpoint::Ask,
    exchanges::sign,
    public_key::{Pair, begin, refused, respond},
    rig::{Outcome, Rig, binary, close, closed, converse},
    scram::exchange,
    webauthn,
};

const PASSWORD: &str = "a long password";
const ROUTE: &str = "accept = [\"header\", \"message\"]\n\
                     mechanisms = [\"bearer\", \"scram-sha-256\"]\n";

/// A gateway with its users Alice and Mallory, and Alice's key; and what a second proof is wanted by.
fn rig(within: &str) -> anyhow::Result<(Rig, Pair)> {
    let step_up = format!("step_up = {{ mechanisms = [\"public-key\"], within = {within:?} }}\n");
    under(&format!("{ROUTE}{step_up}"))
}

fn under(route: &str) -> anyhow::Result<(Rig, Pair)> {
    let rig = Rig::with(route, |setup| setup.table("[auth]"))?;
    for name in ["alice", "mallory"] {
        let user = json!({ "name": name, "password": PASSWORD });
        let (status, body) = ask(&rig, "POST /api/v1/users", &user)?;
        ensure!(status == 201, "{status} {body}");
    }
    let (pair, _) = Pair::of(&rig, "alice", "alice", "ed25519")?;
    Ok((rig, pair))
}

/// An access token of Alice's, who has signed in by password.
fn login(rig: &Rig) -> anyhow::Result<String> {
    let login = json!({ "username": "alice", "password": PASSWORD });
    Ask::post("/auth/login").json(&login).of(&rig.gateway)?.text("access_token")
}

/// Both ends of a connection that came in by a header, and was asked for more.
fn open(rig: &Rig) -> anyhow::Result<(Peer, Peer)> {
    let (mut client, upstream) = rig.open(&Handshake::to("/ws").bearer(&login(rig)?))?;
    client.expect_auth("accepted")?;
    let required = client.expect_auth("required")?;
    ensure!(required["mechanisms"] == json!(["public-key"]), "{required}");
    Ok((client, upstream))
}

fn step_up(client: &mut Peer, pair: &Pair) -> Outcome {
    let nonce = begin(client, &pair.fingerprint)?;
    respond(client, &sign(pair, &nonce)?)
}

/// The only connection, as the operator sees it.
fn shown(rig: &Rig) -> anyhow::Result<Value> {
    let (_, body) = ask(rig, "GET /api/v1/connections", &Value::Null)?;
    let all = body["connections"].as_array().context("no list")?;
    ensure!(all.len() == 1, "{body}");
    Ok(all[0].clone())
}

#[test]
fn a_route_asks_for_a_second_proof_while_data_flows() -> Outcome {
    let (rig, pair) = rig("1m")?;
    let (mut client, mut upstream) = open(&rig)?;
    converse(&mut client, &mut upstream, "before it")?;
    let before = shown(&rig)?;
    assert_eq!(before["methods"], json!(["pwd"]));
    assert!(before["step_up_due"].is_i64() && before.get("stepped_up").is_none(), "{before}");
    let nonce = begin(&mut client, &pair.fingerprint)?;
    converse(&mut client, &mut upstream, "while a challenge is out")?;
    respond(&mut client, &sign(&pair, &nonce)?)?;
    let accepted = client.expect_auth("accepted")?;
    // It is the lease of the first credential that goes on.
    assert_eq!((&accepted["subject"], &accepted["mechanism"]), (&json!("alice"), &json!("bearer")));
    converse(&mut client, &mut upstream, "behind it")?;
    let after = shown(&rig)?;
    assert_eq!(after["methods"], json!(["pwd", "pop", "swk", "mfa"]));
    assert!(after["stepped_up"].is_i64() && after.get("step_up_due").is_none(), "{after}");
    assert_eq!(after["expires"], before["expires"]);
    assert_eq!(rig.upstream.count(), 1);
    Ok(())
}

#[test]
fn without_a_second_proof_in_time_the_connection_is_closed() -> Outcome {
    let (rig, _) = rig("1s")?;
    let (mut client, mut upstream) = open(&rig)?;
    converse(&mut client, &mut upstream, "before it")?;
    assert_eq!(closed(&mut client)?, close(4403, "step_up_required"));
    Ok(())
}

#[test]
fn neither_attempts_nor_refreshes_move_the_deadline() -> Outcome {
    let (rig, pair) = rig("2s")?;
    let (mut client, mut upstream) = open(&rig)?;
    let nonce = begin(&mut client, &pair.fingerprint)?;
    let elsewhere =
        pair.sign("vestibule", &["vestibule-public-key-v1", &nonce, "other", "/ws", ""])?;
    respond(&mut client, &elsewhere)?;
    refused(&mut client)?;
    client.refresh(&login(&rig)?)?;
    client.expect_auth("accepted")?;
    let begun = json!({"auth": {
        "type": "refresh", "mechanism": "public-key", "key": pair.fingerprint
    }});
    client.send_text(&begun.to_string())?;
    // As a refresh, the route does not take it.
    assert_eq!(client.expect_auth("rejected")?["error"], "mechanism_not_allowed");
    converse(&mut client, &mut upstream, "still here")?;
    assert!(shown(&rig)?["step_up_due"].is_i64());
    begin(&mut client, &pair.fingerprint)?;
    assert_eq!(closed(&mut client)?, close(4403, "step_up_required"));
    Ok(())
}

#[test]
fn the_key_of_somebody_else_ends_the_connection() -> Outcome {
    let (rig, _) = rig("1m")?;
    let (pair, _) = Pair::of(&rig, "mallory", "mallory", "ecdsa")?;
    let (mut client, _upstream) = open(&rig)?;
    step_up(&mut client, &pair)?;
    assert_eq!(client.expect_auth("rejected")?["error"], "identity_changed");
    assert_eq!(closed(&mut client)?, close(4403, "identity_changed"));
    Ok(())
}

#[test]
fn who_came_in_by_what_is_wanted_is_not_asked() -> Outcome {
    let step_up = "step_up = { mechanisms = [\"scram-sha-256\", \"public-key\"] }\n";
    let (rig, _) = under(&format!("{ROUTE}{step_up}"))?;
    let mut client = rig.wait_at_the_door()?;
    exchange(&mut client, "alice", PASSWORD)?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    converse(&mut client, &mut upstream, "nothing was said in between")
}

#[test]
fn removing_the_key_of_a_second_proof_ends_what_rests_on_it() -> Outcome {
    let (rig, _) = rig("1m")?;
    let (pair, shown) = Pair::of(&rig, "alice", "second", "ed25519")?;
    let (mut client, _upstream) = open(&rig)?;
    step_up(&mut client, &pair)?;
    client.expect_auth("accepted")?;
    let id = shown["id"].as_str().context("no id")?;
    let (status, _) = ask(&rig, &format!("DELETE /api/v1/public-keys/{id}"), &Value::Null)?;
    assert_eq!(status, 204);
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    Ok(())
}

#[test]
fn a_second_proof_lets_nobody_in() -> Outcome {
    let (rig, pair) = rig("1m")?;
    let mut client = rig.wait_at_the_door()?;
    let begun = json!({"auth": {
        "type": "authenticate", "mechanism": "public-key", "key": pair.fingerprint
    }});
    client.send_text(&begun.to_string())?;
    assert_eq!(closed(&mut client)?, close(4403, "mechanism_not_allowed"));
    rig.expect_undialled()
}

#[test]
fn an_operator_asks_for_a_second_proof() -> Outcome {
    let route = ROUTE.replace("\"scram-sha-256\"", "\"public-key\"");
    let (rig, pair) = under(&route)?;
    let (mut client, mut upstream) = rig.open_by_message(&login(&rig)?)?;
    inside(&rig, 1)?;
    let id = shown(&rig)?["id"].as_str().context("no id")?.to_owned();
    let path = format!("POST /api/v1/connections/{id}/step-up");
    let wanted =
        json!({ "mechanisms": ["public-key"], "within": 30, "reason": "a large transfer" });
    let (status, body) = ask(&rig, &path, &wanted)?;
    assert_eq!(status, 200, "{body}");
    assert!(body["due"].is_i64(), "{body}");
    let required = client.expect_auth("required")?;
    assert_eq!(
        required,
        json!({ "type": "required", "mechanisms": ["public-key"], "timeout": 30 })
    );
    // One at a time.
    assert_eq!(ask(&rig, &path, &wanted)?.0, 409);
    step_up(&mut client, &pair)?;
    client.expect_auth("accepted")?;
    converse(&mut client, &mut upstream, "behind it")?;
    assert!(shown(&rig)?["stepped_up"].is_i64());
    // And again, by the command, to somebody who does not answer.
    let out = std::process::Command::new(binary())
        .args(["connections", "step-up", &id, "--mechanism", "public-key", "--within", "1s"])
        .args(["--admin", &rig.gateway.admin().to_string(), "--token-file"])
        .arg(rig.setup.folder().join("admin.token"))
        .output()?;
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(String::from_utf8_lossy(&out.stdout).starts_with("asked; "), "{out:?}");
    client.expect_auth("required")?;
    assert_eq!(closed(&mut client)?, close(4403, "step_up_required"));
    assert_eq!(ask(&rig, &path, &wanted)?.0, 404);
    Ok(())
}

#[test]
fn nobody_is_asked_who_would_not_understand_or_could_not_answer() -> Outcome {
    let (rig, _) = under(ROUTE)?;
    let (mut client, mut upstream) = rig.open(&Handshake::to("/ws").bearer(&login(&rig)?))?;
    inside(&rig, 1)?;
    let id = shown(&rig)?["id"].as_str().context("no id")?.to_owned();
    let path = format!("POST /api/v1/connections/{id}/step-up");
    let key = json!({ "mechanisms": ["scram-sha-256"] });
    // It has never spoken in band.
    assert_eq!(ask(&rig, &path, &key)?.0, 409);
    client.refresh(&login(&rig)?)?;
    client.expect_auth("accepted")?;
    for (body, status) in [
        (json!({ "mechanisms": ["public-key"] }), 409),
        (json!({ "mechanisms": [] }), 400),
        (json!({ "mechanisms": ["session"] }), 400),
        (json!({ "mechanisms": ["bearer"] }), 400),
        (json!({ "mechanisms": ["hope"] }), 400),
        (json!({ "mechanisms": ["scram-sha-256", "scram-sha-256"] }), 400),
        (json!({ "mechanisms": ["scram-sha-256"], "within": 0 }), 400),
        (json!({ "mechanisms": ["scram-sha-256"], "within": 601 }), 400),
        (json!({ "mechanisms": ["scram-sha-256"], "within": "60s" }), 400),
        (json!({}), 400),
    ] {
        assert_eq!(ask(&rig, &path, &body)?.0, status, "{body}");
    }
    converse(&mut client, &mut upstream, "nothing was said in between")?;
    assert_eq!(ask(&rig, &path, &key)?.0, 200);
    client.expect_auth("required")?;
    Ok(())
}

#[test]
fn required_names_the_mechanisms_in_the_order_of_the_route() -> Outcome {
    for order in [["scram-sha-256", "bearer", "api-key"], ["api-key", "scram-sha-256", "bearer"]] {
        let route = format!("accept = [\"message\"]\nannounce = true\nmechanisms = {order:?}\n");
        let rig = Rig::with(&route, |setup| setup.table("[auth]"))?;
        let mut client = rig.wait_at_the_door()?;
        let required = client.expect_auth("required")?;
        assert_eq!(required["mechanisms"], json!(order));
    }
    Ok(())
}

#[test]
fn a_connection_of_a_route_without_messages_cannot_be_asked() -> Outcome {
    let rig = Rig::new("accept = [\"header\"]\n")?;
    let (_client, _upstream) = rig.open(&rig.good()?)?;
    inside(&rig, 1)?;
    let id = shown(&rig)?["id"].as_str().context("no id")?.to_owned();
    let path = format!("POST /api/v1/connections/{id}/step-up");
    assert_eq!(ask(&rig, &path, &json!({ "mechanisms": ["public-key"] }))?.0, 409);
    Ok(())
}

#[test]
fn a_person_steps_up_by_a_passkey_and_has_the_time_for_it() -> Outcome {
    let rig = webauthn::rig(
        "accept = [\"message\"]\nmechanisms = [\"bearer\"]\nauth_deadline = \"1s\"\n\
         step_up = { mechanisms = [\"webauthn\"] }\n",
    )?;
    let (mut device, _) = webauthn::registered(&rig, "alice", b"one")?;
    let (mut client, mut upstream) = rig.open_by_message(&webauthn::access(&rig, "alice")?)?;
    assert_eq!(client.expect_auth("required")?["mechanisms"], json!(["webauthn"]));
    // A person is waited for: more than the five seconds of a program.
    let options = webauthn::begin(&mut client, None)?;
    converse(&mut client, &mut upstream, "while a finger is looked for")?;
    webauthn::respond(&mut client, &device.get(&options)?)?;
    client.expect_auth("accepted")?;
    let methods = shown(&rig)?["methods"].clone();
    for method in ["pwd", "mfa"] {
        assert!(methods.as_array().is_some_and(|all| all.contains(&json!(method))), "{methods}");
    }
    converse(&mut client, &mut upstream, "behind it")
}

#[test]
fn the_rust_client_shows_a_second_proof_and_stays() -> Outcome {
    let step_up = "step_up = { mechanisms = [\"scram-sha-256\"] }\n";
    let (rig, _) = under(&format!("accept = [\"message\"]\n{step_up}"))?;
    let token = login(&rig)?;
    let first = bearer(move |_| ready(Ok::<_, Unavailable>(token.clone())));
    let told = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&told);
    let builder = Builder::new("ws://localhost/ws", stepping_up(first, scram("alice", PASSWORD)))?
        .connector(Way(Arc::new(Mutex::new(rig.gateway.address()))))
        .on_event(move |event: &Event| events.lock().unwrap().push(format!("{event:?}")));
    let background = Background::start()?;
    let mut connection = {
        let _entered = background.runtime.enter();
        builder.start()?
    };
    let (mut upstream, _) = rig.upstream.switch("")?;
    background.wait(connection.opened())??;
    eventually("it is stepped up", || {
        Ok(told.lock().unwrap().iter().any(|event| event.contains("Refreshed")))
    })?;
    let seen = shown(&rig)?;
    assert!(seen["stepped_up"].is_i64() && seen["mechanism"] == "bearer", "{seen}");
    upstream.send_text("still here")?;
    let message = background.wait(connection.next())?.context("it is over")??;
    assert_eq!(message.as_text(), Some("still here"));
    assert_eq!(rig.upstream.count(), 1);
    Ok(())
}
