//! Revocation: it refuses from now on, it ends what is open, and nothing slips between.

use anyhow::Context as _;
use serde_json::{Value, json};
use vestibule_testkit::{
    Echo, Handshake, Issuer, Key, KeyKind, Provider, Served, eventually, switching, with,
};

use crate::{
    admin::{ALL, ask, inside, open},
    rig::{No, Outcome, PAGE, Rig, binary, close, closed, converse, http, no},
};

/// Revokes what the body names.
fn revoke(rig: &Rig, body: &Value) -> anyhow::Result<Value> {
    let (status, made) = ask(rig, "POST /api/v1/revocations", body)?;
    anyhow::ensure!(status == 201, "{status} {made}");
    Ok(made)
}

#[test]
fn a_revoked_subject_is_cut_off_at_once_and_refused_until_it_is_lifted() -> Outcome {
    let rig = Rig::new(ALL)?;
    let token = rig.token()?;
    let handshake = Handshake::to("/ws").bearer(&token);
    let (mut alice, mut one) = rig.open(&handshake)?;
    let (mut again, _two) = rig.open_by_message(&token)?;
    let (mut bob, mut three) = open(&rig, "bob")?;
    inside(&rig, 3)?;
    let (status, made) = ask(
        &rig,
        "POST /api/v1/revocations",
        &json!({ "subject": "alice", "reason": "left the company" }),
    )?;
    assert_eq!(status, 201, "{made}");
    assert_eq!(closed(&mut alice)?, close(4410, "token_revoked"));
    assert_eq!(closed(&mut again)?, close(4410, "token_revoked"));
    assert!(one.rest()?.len() < 64, "nothing but a close for the upstream");
    converse(&mut bob, &mut three, "still here")?;
    let mut back = rig.send(&handshake)?;
    assert_eq!(no(&mut back)?, http(401, "token_revoked"));
    let (_, listed) = ask(&rig, "GET /api/v1/revocations", &Value::Null)?;
    assert_eq!(listed["revocations"], json!([made]));
    let id = made["id"].as_str().context("no id")?;
    let lift = format!("DELETE /api/v1/revocations/{id}");
    assert_eq!(ask(&rig, &lift, &Value::Null)?.0, 204);
    assert_eq!(ask(&rig, &lift, &Value::Null)?.0, 404);
    rig.open(&handshake)?;
    Ok(())
}

#[test]
fn one_token_is_revoked_and_the_others_of_its_subject_stay() -> Outcome {
    let rig = Rig::new(ALL)?;
    let claims = with(rig.issuer.claims("alice"), "jti", json!("stolen"));
    let stolen = Handshake::to("/ws").bearer(&rig.issuer.sign(&claims)?);
    let (mut thief, _one) = rig.open(&stolen)?;
    let (mut alice, mut two) = open(&rig, "alice")?;
    revoke(&rig, &json!({ "token": "stolen", "issuer": rig.issuer.url }))?;
    assert_eq!(closed(&mut thief)?, close(4410, "token_revoked"));
    converse(&mut alice, &mut two, "still here")?;
    assert_eq!(no(&mut rig.send(&stolen)?)?, http(401, "token_revoked"));
    Ok(())
}

#[test]
fn a_session_is_revoked_with_all_that_belongs_to_it() -> Outcome {
    let rig = Rig::new(ALL)?;
    let of =
        |session: &str| rig.issuer.sign(&with(rig.issuer.claims("alice"), "sid", json!(session)));
    let (first, second) = (of("one")?, of("two")?);
    let (mut ended, _one) = rig.open(&Handshake::to("/ws").bearer(&first))?;
    let (mut stays, mut two) = rig.open(&Handshake::to("/ws").bearer(&second))?;
    revoke(&rig, &json!({ "session": "one" }))?;
    assert_eq!(closed(&mut ended)?, close(4410, "token_revoked"));
    converse(&mut stays, &mut two, "still here")
}

#[test]
fn everything_before_a_time_is_revoked_and_what_is_issued_later_gets_in() -> Outcome {
    let rig = Rig::new(ALL)?;
    let issued = |seconds: f64| {
        let iat = json!(vestibule_testkit::now_secs() + seconds);
        rig.issuer.sign(&with(rig.issuer.claims("alice"), "iat", iat))
    };
    let (old, new) = (issued(-100.0)?, issued(-1.0)?);
    let (mut ended, _one) = rig.open(&Handshake::to("/ws").bearer(&old))?;
    let (mut stays, mut two) = rig.open(&Handshake::to("/ws").bearer(&new))?;
    #[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "whole seconds")]
    let before = vestibule_testkit::now_secs() as i64 - 50;
    revoke(&rig, &json!({ "everything": true, "issued_before": before }))?;
    assert_eq!(closed(&mut ended)?, close(4410, "token_revoked"));
    converse(&mut stays, &mut two, "still here")
}

#[test]
fn a_revocation_that_names_nothing_or_too_much_is_refused() -> Outcome {
    let rig = Rig::new(ALL)?;
    let (mut alice, mut upstream) = open(&rig, "alice")?;
    for bad in [
        json!({}),
        json!({ "everything": false }),
        json!({ "issuer": "https://id.example.com" }),
        json!({ "token": "a" }),
        json!({ "subject": "" }),
        json!({ "subject": "alice", "session": "one" }),
        json!({ "session": "one", "issuer": "https://id.example.com" }),
        json!({ "session": "one", "issued_before": 1 }),
        json!({ "subject": "alice", "issued_before": 99_999_999_999_i64 }),
        json!({ "subject": "alice", "until": 1 }),
        json!({ "subject": "alice", "unitl": 1 }),
    ] {
        let (status, body) = ask(&rig, "POST /api/v1/revocations", &bad)?;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "{bad}: {body}");
    }
    converse(&mut alice, &mut upstream, "nothing was revoked")
}

#[test]
fn a_revocation_outlives_a_process_that_is_killed() -> Outcome {
    let mut rig = Rig::with(ALL, |setup| setup.table("[store]\npath = \"kept.redb\"\n"))?;
    let handshake = rig.good()?;
    rig.open(&handshake)?;
    revoke(&rig, &json!({ "subject": "alice" }))?;
    rig.gateway.signal("-KILL")?;
    rig.gateway.wait()?;
    rig.gateway = rig.setup.start(binary())?;
    assert_eq!(no(&mut rig.send(&handshake)?)?, http(401, "token_revoked"));
    Ok(())
}

#[test]
fn a_handshake_that_is_overtaken_by_a_revocation_opens_nothing() -> Outcome {
    let rig = Rig::new(ALL)?;
    let (handshake, token) = (rig.good()?, rig.token()?);
    // One is answered by the gateway before the upstream, the other after it.
    let mut by_header = rig.send(&handshake)?;
    let (mut one, head_one) = rig.upstream.request()?;
    let mut by_message = rig.wait_at_the_door()?;
    by_message.authenticate(&token)?;
    let (mut two, head_two) = rig.upstream.request()?;
    revoke(&rig, &json!({ "subject": "alice" }))?;
    one.send(switching(&head_one, ""))?;
    two.send(switching(&head_two, ""))?;
    assert_eq!(no(&mut by_header)?, http(401, "token_revoked"));
    assert_eq!(closed(&mut by_message)?, close(4410, "token_revoked"));
    one.rest()?;
    two.rest()?;
    inside(&rig, 0)
}

#[test]
fn a_refresh_that_is_overtaken_by_a_revocation_renews_nothing() -> Outcome {
    let provider = Provider::start()?;
    let url = "https://far.example.com";
    let old = Issuer::with_key(url, Key::generate(KeyKind::Ed25519, "old")?)?;
    let new = Issuer::with_key(url, Key::generate(KeyKind::Ed25519, "new")?)?;
    provider.serve_keys(old.jwks());
    let mut rig = Rig::new(ALL)?;
    let lines = format!(
        "[[issuers]]\nname = \"far\"\nissuer = {url:?}\naudiences = [{:?}]\n\
         jwks_url = \"{}/jwks\"\n",
        old.audience,
        provider.url()
    );
    let route = format!("{ALL}issuers = [\"far\"]");
    rig.setup = rig.setup.table(&lines).route("/far", &rig.upstream.url(), &route);
    rig.gateway.terminate()?;
    rig.gateway.wait()?;
    rig.gateway = rig.setup.start(binary())?;
    eventually("the keys are there", || Ok(rig.gateway.ask("/readyz")?.0 == 200))?;
    let (mut client, mut upstream) =
        rig.open(&Handshake::to("/far").bearer(&old.token("alice")?))?;
    // The new key is awaited; meanwhile the new token is revoked, and the connection is not.
    provider.serve("/jwks", Served::Held);
    let claims = with(new.claims("alice"), "jti", json!("stolen"));
    let asked = provider.asked("/jwks");
    client.refresh(&new.sign(&claims)?)?;
    provider.wait_asked("/jwks", asked + 1)?;
    revoke(&rig, &json!({ "token": "stolen", "issuer": url }))?;
    converse(&mut client, &mut upstream, "still here")?;
    provider.serve_keys(json!({ "keys": [old.key.jwk(), new.key.jwk()] }));
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    Ok(())
}

#[test]
fn no_connection_slips_between_a_revocation_and_its_sweep() -> Outcome {
    let echo = Echo::start()?;
    let rig = Rig::with(ALL, |setup| {
        let page = format!("origins = [{PAGE:?}]\naccept = [\"header\"]");
        setup.server("workers = 3\npending_per_address = 1000").route("/echo", &echo.url(), &page)
    })?;
    let handshake = Handshake::to("/echo").bearer(&rig.token()?);
    let honest = Handshake::to("/echo").bearer(&rig.issuer.token("honest")?);
    let mut stays = rig.send(&honest)?;
    stays.expect_switch()?;
    // A crowd comes in while the revocation is made: whoever gets in is thrown out.
    let mut crowd = Vec::new();
    for round in 0..200 {
        crowd.push(rig.send(&handshake)?);
        if round == 100 {
            revoke(&rig, &json!({ "subject": "alice" }))?;
        }
    }
    for mut client in crowd {
        match no(&mut client)? {
            No::Close(code, reason) => assert_eq!((code, &*reason), (4410, "token_revoked")),
            No::Http(status, error) => assert_eq!((status, &*error), (401, "token_revoked")),
        }
    }
    inside(&rig, 1)?;
    stays.send_text("still here")?;
    stays.expect_text("still here")
}
