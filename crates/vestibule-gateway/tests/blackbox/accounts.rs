//! Users and API keys: from nothing to a connection, and from a connection to nothing.

use std::process::Command;

use serde_json::{Value, json};
use vestibule_testkit::{Handshake, Output, Setup, run};

use crate::{
    admin::{ask, inside},
    endpoint::Ask,
    rig::{No, Outcome, Rig, binary, close, closed, converse, http, no},
};

const ROUTE: &str = "accept = [\"header\", \"query\"]\n\
                     mechanisms = [\"bearer\", \"ticket\", \"api-key\"]\nissuers = [\"local\"]\n";
pub(crate) const PASSWORD: &str = "correct horse battery staple";

fn auth(setup: Setup) -> Setup {
    setup.table("[auth]").table("[store]\npath = \"kept.redb\"").admin("audit_log = \"audit.log\"")
}

fn rig() -> anyhow::Result<Rig> {
    Rig::with(ROUTE, auth)
}

/// Runs a command that finds the store, the token and the audit log by the configuration, and the
/// gateway by its address.
pub(crate) fn operate(rig: &Rig, arguments: &[&str], input: &str) -> anyhow::Result<Output> {
    let mut command = Command::new(binary());
    command.args(arguments).arg("-c").arg(rig.setup.folder().join("vestibule.toml"));
    command.arg("--admin").arg(rig.gateway.admin().to_string());
    command.env("USER", "olga").env_remove("SUDO_USER");
    run(command, input)
}

pub(crate) fn fine(output: Output) -> anyhow::Result<Output> {
    anyhow::ensure!(output.code == 0, "{output:?}");
    Ok(output)
}

pub(crate) fn add(rig: &Rig, name: &str) -> anyhow::Result<Output> {
    let input = format!("{PASSWORD}\n");
    fine(operate(rig, &["user", "add", name, "--scope", "chat", "--password-stdin"], &input)?)
}

pub(crate) fn log_in(rig: &Rig, name: &str, password: &str) -> anyhow::Result<(u16, Value)> {
    let body = json!({ "username": name, "password": password });
    let answer = Ask::post("/auth/login").json(&body).of(&rig.gateway)?;
    Ok((answer.head.status(), answer.body))
}

pub(crate) fn key(rig: &Rig, arguments: &[&str]) -> anyhow::Result<String> {
    let made = fine(operate(rig, &[&["key", "add"], arguments].concat(), "")?)?;
    anyhow::ensure!(made.stdout.starts_with("vsk_") && !made.stderr.contains("vsk_"), "{made:?}");
    Ok(made.stdout.trim().to_owned())
}

fn keys(rig: &Rig) -> anyhow::Result<Vec<Value>> {
    let listed = fine(operate(rig, &["key", "list", "--json"], "")?)?;
    let listed: Value = serde_json::from_str(&listed.stdout)?;
    Ok(listed["keys"].as_array().cloned().unwrap_or_default())
}

#[test]
fn a_user_is_added_signs_in_buys_a_ticket_connects_is_seen_and_is_cut_off() -> Outcome {
    let rig = rig()?;
    add(&rig, "alice")?;
    let (status, signed_in) = log_in(&rig, "alice", PASSWORD)?;
    assert_eq!(status, 200, "{signed_in}");
    let access = signed_in["access_token"].as_str().unwrap_or_default();
    let bought = Ask::post("/auth/ticket").bearer(access).json(&json!({ "path": "/ws" }));
    let ticket = bought.of(&rig.gateway)?.body["ticket"].as_str().unwrap_or_default().to_owned();
    let (mut client, mut upstream) = rig.open(&Handshake::to(&format!("/ws?ticket={ticket}")))?;
    converse(&mut client, &mut upstream, "hello")?;
    inside(&rig, 1)?;
    let listed = fine(operate(&rig, &["connections"], "")?)?;
    let words: Vec<_> = listed.stdout.split_whitespace().collect();
    assert!(words.join(" ").contains(" alice ticket query /ws 127.0.0.1 "), "{listed:?}");
    fine(operate(&rig, &["revoke", "--subject", "alice"], "")?)?;
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    let mut again = rig.send(&Handshake::to("/ws").bearer(access))?;
    assert_eq!(no(&mut again)?, http(401, "token_revoked"));
    Ok(())
}

#[test]
fn a_user_who_is_disabled_is_out_at_once_and_comes_back_by_the_password() -> Outcome {
    let rig = rig()?;
    add(&rig, "alice")?;
    add(&rig, "bob")?;
    let open = |name: &str| {
        let token = log_in(&rig, name, PASSWORD)?.1;
        let token = token["access_token"].as_str().unwrap_or_default().to_owned();
        rig.open(&Handshake::to("/ws").bearer(&token))
    };
    let (mut alice, _one) = open("alice")?;
    let (mut bob, mut two) = open("bob")?;
    let done = fine(operate(&rig, &["user", "disable", "alice"], "")?)?;
    assert_eq!(done.stdout, "disabled alice");
    assert_eq!(closed(&mut alice)?, close(4410, "token_revoked"));
    converse(&mut bob, &mut two, "still here")?;
    assert_eq!(log_in(&rig, "alice", PASSWORD)?.0, 401);
    let listed = fine(operate(&rig, &["user", "list"], "")?)?;
    assert!(listed.stdout.contains("alice  disabled  chat"), "{listed:?}");
    fine(operate(&rig, &["user", "enable", "alice"], "")?)?;
    assert_eq!(log_in(&rig, "alice", PASSWORD)?.0, 200);
    fine(operate(&rig, &["user", "remove", "bob"], "")?)?;
    assert_eq!(closed(&mut bob)?, close(4410, "token_revoked"));
    assert_eq!(operate(&rig, &["user", "remove", "bob"], "")?.code, 2);
    assert_eq!(log_in(&rig, "bob", PASSWORD)?.0, 401);
    Ok(())
}

#[test]
fn a_new_password_takes_the_place_of_the_old_one() -> Outcome {
    let rig = rig()?;
    add(&rig, "alice")?;
    let another = "another password entirely";
    fine(operate(&rig, &["user", "passwd", "alice", "--password-stdin"], another)?)?;
    assert_eq!(log_in(&rig, "alice", PASSWORD)?.0, 401);
    assert_eq!(log_in(&rig, "alice", another)?.0, 200);
    Ok(())
}

#[test]
fn a_key_lets_a_machine_in_until_it_is_removed() -> Outcome {
    let rig = rig()?;
    let secret = key(&rig, &["--machine", "robot", "--label", "the robot", "--lifetime", "90d"])?;
    let other = key(&rig, &["--machine", "drone", "--label", "the drone"])?;
    let (mut robot, _one) = rig.open(&Handshake::to("/ws").bearer(&secret))?;
    let (mut drone, mut two) = rig.open(&Handshake::to("/ws").bearer(&other))?;
    let table = fine(operate(&rig, &["key", "list"], "")?)?;
    assert!(table.stdout.contains("machine:robot  the robot"), "{table:?}");
    assert!(!table.stdout.contains(&secret), "{table:?}");
    let all = keys(&rig)?;
    let of = |name: &str| all.iter().find(|key| key["machine"] == name).map(|key| &key["id"]);
    let id = of("robot").and_then(Value::as_str).unwrap_or_default();
    fine(operate(&rig, &["key", "remove", id], "")?)?;
    assert_eq!(closed(&mut robot)?, close(4410, "token_revoked"));
    converse(&mut drone, &mut two, "still here")?;
    let mut again = rig.send(&Handshake::to("/ws").bearer(&secret))?;
    assert_eq!(no(&mut again)?.error(), "invalid_token");
    assert_eq!(operate(&rig, &["key", "remove", id], "")?.code, 2);
    Ok(())
}

#[test]
fn what_cannot_be_is_refused_with_the_exit_code_for_it() -> Outcome {
    let rig = rig()?;
    add(&rig, "alice")?;
    let long = "a".repeat(2000);
    for (arguments, input, code) in [
        (&["user", "add", "alice", "--password-stdin"][..], PASSWORD, 2),
        (&["user", "add", "b:b", "--password-stdin"], PASSWORD, 2),
        (&["user", "add", "bob", "--password-stdin"], "short", 2),
        (&["user", "add", "bob", "--password-stdin"], &*long, 2),
        (&["user", "add", "bob", "--password", "secret"], "", 64),
        (&["user", "passwd", "bob", "--password-stdin"], PASSWORD, 2),
        (&["user", "disable", "bob"], "", 2),
        (&["user"], "", 64),
        (&["key", "add", "--label", "x"], "", 64),
        (&["key", "add", "--label", "x", "--user", "a", "--machine", "b"], "", 64),
        (&["key", "add", "--label", "x", "--user", "bob"], "", 2),
        (&["key", "add", "--label", "", "--machine", "b"], "", 2),
        (&["key", "remove", "nothing"], "", 2),
    ] {
        let output = operate(&rig, arguments, input)?;
        assert_eq!(output.code, code, "{arguments:?}: {output:?}");
    }
    Ok(())
}

#[test]
fn the_api_takes_and_gives_users_and_keys() -> Outcome {
    let rig = rig()?;
    let body = json!({ "name": "alice", "password": PASSWORD, "groups": ["staff"] });
    let (status, added) = ask(&rig, "POST /api/v1/users", &body)?;
    assert_eq!((status, &added["groups"]), (201, &json!(["staff"])), "{added}");
    assert_eq!(ask(&rig, "POST /api/v1/users", &body)?.0, 409);
    assert_eq!(ask(&rig, "GET /api/v1/users/alice", &Value::Null)?.1, added);
    assert_eq!(ask(&rig, "GET /api/v1/users/bob", &Value::Null)?.0, 404);
    for bad in [
        json!({ "name": "bob" }),
        json!({ "name": "bob", "password": 7 }),
        json!({ "name": "bob", "password": PASSWORD, "admin": true }),
    ] {
        assert_eq!(ask(&rig, "POST /api/v1/users", &bad)?.0, 400, "{bad}");
    }
    let patch = "PATCH /api/v1/users/alice";
    assert_eq!(ask(&rig, patch, &json!({ "state": "asleep" }))?.0, 400);
    assert_eq!(ask(&rig, patch, &json!({ "state": "disabled" }))?.1["state"], "disabled");
    let put = ask(&rig, "PUT /api/v1/users/alice/password", &json!({ "password": PASSWORD }))?;
    assert_eq!(put.0, 200, "{}", put.1);
    let (status, made) =
        ask(&rig, "POST /api/v1/keys", &json!({ "machine": "robot", "label": "r" }))?;
    assert_eq!(status, 201, "{made}");
    let secret = made["key"].as_str().unwrap_or_default();
    let (_, listed) = ask(&rig, "GET /api/v1/keys", &Value::Null)?;
    assert_eq!(listed["keys"][0]["id"], made["id"]);
    let (_, users) = ask(&rig, "GET /api/v1/users?limit=1", &Value::Null)?;
    assert_eq!(users["users"].as_array().map(Vec::len), Some(1));
    assert_eq!(ask(&rig, "DELETE /api/v1/users/alice", &Value::Null)?.0, 204);
    let audit = std::fs::read_to_string(rig.setup.folder().join("audit.log"))?;
    assert!(audit.contains("key.add") && audit.contains("user.remove"), "{audit}");
    for text in [audit, rig.gateway.log().text(), listed.to_string(), users.to_string()] {
        assert!(!text.contains(PASSWORD) && !text.contains(secret), "{text}");
    }
    Ok(())
}

#[test]
fn without_a_gateway_that_runs_the_store_is_changed_itself() -> Outcome {
    let mut rig = rig()?;
    // Whoever holds the store keeps everybody else out of it.
    let mut other = Command::new(binary());
    other.args(["user", "list", "--admin", "127.0.0.1:1", "-c"]);
    other.arg(rig.setup.folder().join("vestibule.toml"));
    let other = run(other, "")?;
    assert!(other.code == 1 && other.stderr.contains("in use"), "{other:?}");
    rig.gateway.terminate()?;
    rig.gateway.wait()?;
    add(&rig, "alice")?;
    let secret = key(&rig, &["--user", "alice", "--label", "laptop", "--scope", "chat"])?;
    let none = operate(&rig, &["connections"], "")?;
    assert!(none.code == 1 && none.stderr.contains("no gateway runs"), "{none:?}");
    let audit = std::fs::read_to_string(rig.setup.folder().join("audit.log"))?;
    let last: Value = serde_json::from_str(audit.lines().last().unwrap_or_default())?;
    assert_eq!(
        (&last["action"], &last["user"], &last["from"]),
        (&json!("key.add"), &json!("olga"), &json!("the store"))
    );
    assert!(!audit.contains(PASSWORD) && !audit.contains(&secret), "{audit}");
    rig.gateway = rig.setup.start(binary())?;
    assert_eq!(log_in(&rig, "alice", PASSWORD)?.0, 200);
    let (mut client, mut upstream) = rig.open(&Handshake::to("/ws").bearer(&secret))?;
    converse(&mut client, &mut upstream, "hello")?;
    fine(operate(&rig, &["user", "disable", "alice"], "")?)?;
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    assert!(matches!(no(&mut rig.send(&Handshake::to("/ws").bearer(&secret))?)?, No::Http(401, _)));
    Ok(())
}
