//! A password that does not travel: both sides show that they know it.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use vestibule_testkit::{Message, Peer};
use vestibule_verify::scram::{AwaitingServerFinal, Client, ClientBinding, Nonce};

use crate::{
    admin::ask,
    rig::{Outcome, Rig, close, closed, converse},
};

const ROUTE: &str = "accept = [\"message\"]\nmechanisms = [\"scram-sha-256\", \"bearer\"]\n";
pub(crate) const PASSWORD: &str = "correct horse battery";

fn rig() -> anyhow::Result<Rig> {
    let rig = Rig::with(ROUTE, |setup| setup.table("[auth]"))?;
    let user = json!({ "name": "alice", "password": PASSWORD });
    let (status, body) = ask(&rig, "POST /api/v1/users", &user)?;
    ensure!(status == 201, "{status} {body}");
    Ok(rig)
}

fn begin(client: &mut Peer, message: &str) -> anyhow::Result<String> {
    let begin = json!({"auth": {
        "type": "authenticate", "mechanism": "scram-sha-256", "message": message
    }});
    client.send_text(&begin.to_string())?;
    let challenge = client.expect_auth("challenge")?;
    Ok(challenge["message"].as_str().context("no message")?.to_owned())
}

fn respond(client: &mut Peer, message: &str) -> Outcome {
    let respond = json!({"auth": { "type": "respond", "message": message }});
    Ok(client.send_text(&respond.to_string())?)
}

/// An exchange up to the response; the salt that the gateway told.
pub(crate) fn exchange(
    client: &mut Peer,
    user: &str,
    password: &str,
) -> anyhow::Result<(AwaitingServerFinal, String)> {
    let nonce = Nonce::new([7; 18]);
    let begun = Client::begin(user, password, ClientBinding::Unsupported, &nonce);
    let (scram, message) = begun.map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
    let challenge = begin(client, &message)?;
    let salt = challenge.split(',').nth(1).context("no salt")?.to_owned();
    let responded = scram.respond(challenge.as_bytes());
    let (scram, message) = responded.map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
    respond(client, &message)?;
    Ok((scram, salt))
}

fn refused(client: &mut Peer) -> Outcome {
    let rejected = client.expect_auth("rejected")?;
    ensure!(rejected["error"] == "invalid_credentials", "{rejected}");
    ensure!(rejected["retry"] == true, "{rejected}");
    Ok(())
}

#[test]
fn who_proves_a_password_is_let_in_and_sees_that_the_gateway_knew_it_too() -> Outcome {
    let rig = rig()?;
    let mut client = rig.wait_at_the_door()?;
    let (scram, _) = exchange(&mut client, "alice", PASSWORD)?;
    let (mut upstream, head) = rig.upstream.switch("")?;
    let accepted = client.expect_auth("accepted")?;
    assert_eq!(
        (&accepted["subject"], &accepted["mechanism"]),
        (&json!("alice"), &json!("scram-sha-256"))
    );
    let last = accepted["message"].as_str().context("no signature of the server")?;
    scram.finish(last.as_bytes()).map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
    assert_eq!(head.one("x-vestibule-mechanism"), Some("scram-sha-256"));
    converse(&mut client, &mut upstream, "hello")?;
    assert!(!rig.gateway.log().text().contains(last));
    Ok(())
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_the_same() -> Outcome {
    let rig = rig()?;
    let mut salts = Vec::new();
    for (user, password) in [("alice", "wrong"), ("nobody", PASSWORD), ("nobody", "wrong")] {
        let mut client = rig.wait_at_the_door()?;
        let (_, salt) = exchange(&mut client, user, password)?;
        refused(&mut client)?;
        salts.push(salt);
    }
    assert_eq!(salts[0].len(), salts[1].len());
    // Of one who does not exist it is as stable as a real one.
    assert_eq!(salts[1], salts[2]);
    rig.expect_undialled()
}

#[test]
fn a_user_who_is_shut_out_looks_like_nobody() -> Outcome {
    let rig = rig()?;
    let (status, _) = ask(&rig, "PATCH /api/v1/users/alice", &json!({ "state": "disabled" }))?;
    assert_eq!(status, 200);
    let mut client = rig.wait_at_the_door()?;
    exchange(&mut client, "alice", PASSWORD)?;
    refused(&mut client)
}

#[test]
fn a_proof_for_another_connection_lets_nobody_in() -> Outcome {
    let rig = rig()?;
    let first = "n,,n=alice,r=rOprNGfwEbeRWgbNEkqO";
    let nonce = Nonce::new([7; 18]);
    let begun = Client::begin("alice", PASSWORD, ClientBinding::Unsupported, &nonce);
    let (scram, message) = begun.map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
    let mut honest = rig.wait_at_the_door()?;
    let challenge = begin(&mut honest, &message)?;
    let responded = scram.respond(challenge.as_bytes());
    let (_, proof) = responded.map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
    for first in [first, &message] {
        let mut thief = rig.wait_at_the_door()?;
        begin(&mut thief, first)?;
        respond(&mut thief, &proof)?;
        refused(&mut thief)?;
    }
    rig.expect_undialled()
}

#[test]
fn a_replaced_password_ends_what_came_by_it() -> Outcome {
    let rig = rig()?;
    let mut client = rig.wait_at_the_door()?;
    exchange(&mut client, "alice", PASSWORD)?;
    let (_upstream, _) = rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    let new = json!({ "password": "another long password" });
    assert_eq!(ask(&rig, "PUT /api/v1/users/alice/password", &new)?.0, 200);
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    let mut old = rig.wait_at_the_door()?;
    exchange(&mut old, "alice", PASSWORD)?;
    refused(&mut old)?;
    let mut client = rig.wait_at_the_door()?;
    exchange(&mut client, "alice", "another long password")?;
    let (_upstream, _) = rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    Ok(())
}

#[test]
fn guesses_are_counted_by_account() -> Outcome {
    let rig = rig()?;
    for _ in 0..100 {
        let mut client = rig.wait_at_the_door()?;
        let begin = json!({"auth": {
            "type": "authenticate", "mechanism": "scram-sha-256", "message": "n,,n=alice,r=abcdefgh"
        }});
        client.send_text(&begin.to_string())?;
        let Message::Text(said) = client.message()? else { anyhow::bail!("no text") };
        let said: Value = serde_json::from_str(&said)?;
        if said["auth"]["type"] == "rejected" {
            assert_eq!(said["auth"]["error"], "too_many_attempts");
            assert_eq!(closed(&mut client)?, close(4429, "too_many_attempts"));
            return Ok(());
        }
    }
    anyhow::bail!("nobody counts")
}

#[test]
fn what_is_malformed_ends_the_connection_at_every_step() -> Outcome {
    let rig = rig()?;
    for first in ["", "n,,n=,r=a", "n,,r=abc", "nonsense", "n,a=bob,n=alice,r=abc"] {
        let mut client = rig.wait_at_the_door()?;
        let begin = json!({"auth": {
            "type": "authenticate", "mechanism": "scram-sha-256", "message": first
        }});
        client.send_text(&begin.to_string())?;
        client.expect_auth("rejected")?;
        assert_eq!(closed(&mut client)?, close(4400, "invalid_request"), "{first}");
    }
    for last in ["", "c=biws", "c=biws,r=abc,p=!", "p=AAAA"] {
        let mut client = rig.wait_at_the_door()?;
        begin(&mut client, "n,,n=alice,r=abcdefgh")?;
        respond(&mut client, last)?;
        client.expect_auth("rejected")?;
        assert_eq!(closed(&mut client)?, close(4400, "invalid_request"), "{last}");
    }
    rig.expect_undialled()
}
