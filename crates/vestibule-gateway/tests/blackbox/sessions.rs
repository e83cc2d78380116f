//! Session tokens: handed out on `accepted`, good for a reconnect to the same route, ended by logout.

use serde_json::json;
use vestibule_testkit::{Echo, Handshake, Issuer, Peer, Setup, with};

use crate::{
    endpoint::Ask,
    rig::{No, Outcome, Rig, close, closed, converse, http, no},
};

const ROUTE: &str = "accept = [\"message\", \"header\"]\nmechanisms = [\"bearer\", \"session\"]\n";

fn auth(setup: Setup) -> Setup {
    let other = format!("{ROUTE}sessions = \"issue\"\n");
    setup.table("[auth]").route("/other", "ws://127.0.0.1:9", &other)
}

fn rig(sessions: &str) -> anyhow::Result<Rig> {
    Rig::with(&format!("{ROUTE}sessions = {sessions:?}\n"), auth)
}

/// Says who it is by a token of that mechanism; what `accepted` says.
fn enter(
    rig: &Rig,
    mechanism: &str,
    token: &str,
) -> anyhow::Result<(Peer, Peer, serde_json::Value)> {
    let mut client = rig.wait_at_the_door()?;
    let auth = json!({ "type": "authenticate", "mechanism": mechanism, "token": token });
    client.send_text(&json!({ "auth": auth }).to_string())?;
    let (upstream, _) = rig.upstream.switch("")?;
    let accepted = client.expect_auth("accepted")?;
    Ok((client, upstream, accepted))
}

fn session_of(accepted: &serde_json::Value) -> String {
    accepted["session"].as_str().unwrap_or_default().to_owned()
}

/// How a client that presents a session token in band is told no.
fn refused(rig: &Rig, token: &str) -> anyhow::Result<No> {
    let mut client = rig.wait_at_the_door()?;
    for _ in 0..3 {
        let auth = json!({ "type": "authenticate", "mechanism": "session", "token": token });
        client.send_text(&json!({ "auth": auth }).to_string())?;
        let said = client.expect_auth("rejected")?;
        if said["retry"] == false {
            break;
        }
    }
    closed(&mut client)
}

#[test]
fn a_session_token_brings_its_client_back() -> Outcome {
    let rig = rig("issue")?;
    let (client, upstream, accepted) = enter(&rig, "bearer", &rig.token()?)?;
    let session = session_of(&accepted);
    assert!(session.starts_with("vss_") && session.len() > 60, "{accepted}");
    assert!(accepted["connection"].as_str().is_some_and(|name| name.starts_with("c-")));
    drop((client, upstream));
    let (mut client, mut upstream, accepted) = enter(&rig, "session", &session)?;
    assert_eq!(
        (accepted["subject"].as_str(), &accepted["mechanism"]),
        (Some("alice"), &json!("session"))
    );
    assert_eq!(accepted.get("session"), None);
    converse(&mut client, &mut upstream, "hello")?;
    // By header, too; twice is fine.
    let head = rig.asked(&Handshake::to("/ws").bearer(&session))?;
    assert_eq!(head.one("x-vestibule-mechanism"), Some("session"));
    assert!(!rig.gateway.log().text().contains(&session));
    Ok(())
}

#[test]
fn no_session_token_where_the_route_does_not_say_so_nor_to_those_who_would_not_hear() -> Outcome {
    let off = rig("off")?;
    let (_client, _upstream, accepted) = enter(&off, "bearer", &off.token()?)?;
    assert_eq!(accepted.get("session"), None);
    let issue = rig("issue")?;
    let (mut client, mut upstream) = issue.open(&issue.good()?)?;
    converse(&mut client, &mut upstream, "nothing was said before")
}

#[test]
fn a_session_token_is_for_its_route_to_the_letter() -> Outcome {
    let rig = rig("issue")?;
    let (_client, _upstream, accepted) = enter(&rig, "bearer", &rig.token()?)?;
    let session = session_of(&accepted);
    let mut elsewhere = rig.send(&Handshake::to("/other").bearer(&session))?;
    assert_eq!(no(&mut elsewhere)?, http(401, "invalid_token"));
    let mut wrong = session.clone();
    let last = if wrong.pop() == Some('A') { 'B' } else { 'A' };
    wrong.insert(20, last);
    for bad in [wrong.as_str(), "vss_", "vss_AAAA", &session[..session.len() - 1]] {
        let mut client = rig.send(&Handshake::to("/ws").bearer(bad))?;
        assert_eq!(no(&mut client)?, http(401, "invalid_token"), "{bad}");
    }
    assert_eq!(refused(&rig, &wrong)?, close(4401, "invalid_token"));
    // It is no access token, and no access token is one.
    let mut client = rig.wait_at_the_door()?;
    client.authenticate(&session)?;
    assert_eq!(client.expect_auth("rejected")?["error"], "invalid_token");
    Ok(())
}

#[test]
fn logging_out_ends_the_session_and_every_connection_of_it() -> Outcome {
    let rig = rig("issue")?;
    let (mut first, _u1, accepted) = enter(&rig, "bearer", &rig.token()?)?;
    let session = session_of(&accepted);
    let (mut second, _u2, _) = enter(&rig, "session", &session)?;
    let (mut third, _u3) = rig.open(&Handshake::to("/ws").bearer(&session))?;
    let (mut other, mut u4, _) = enter(&rig, "bearer", &rig.issuer.token("bob")?)?;
    second.send_text("{\"auth\":{\"type\":\"logout\"}}")?;
    assert_eq!(second.expect_close(4410)?, "logged_out");
    assert_eq!(first.expect_close(4410)?, "token_revoked");
    assert_eq!(third.expect_close(4410)?, "token_revoked");
    converse(&mut other, &mut u4, "not me")?;
    let mut again = rig.send(&Handshake::to("/ws").bearer(&session))?;
    assert_eq!(no(&mut again)?.error(), "invalid_token");
    Ok(())
}

#[test]
fn an_endpoint_ends_a_session_too() -> Outcome {
    let rig = rig("issue")?;
    let (mut client, _upstream, accepted) = enter(&rig, "bearer", &rig.token()?)?;
    let session = session_of(&accepted);
    Ask::post("/auth/logout").bearer(&session).of(&rig.gateway)?.fine()?;
    assert_eq!(client.expect_close(4410)?, "token_revoked");
    let ask = Ask::post("/auth/logout").bearer(&session);
    assert_eq!(ask.of(&rig.gateway)?.no()?.0, 401);
    Ok(())
}

#[test]
fn a_token_of_another_issuer_is_ended_by_its_name_and_one_without_is_told_so() -> Outcome {
    let rig = rig("off")?;
    let named = with(rig.issuer.claims("alice"), "jti", json!("one"));
    let named = rig.issuer.sign(&named)?;
    let nameless = rig.issuer.claims("alice");
    assert_eq!((&nameless["jti"], &nameless["sid"]), (&json!(null), &json!(null)));
    let nameless = rig.issuer.sign(&nameless)?;
    let (mut first, _one) = rig.open(&Handshake::to("/ws").bearer(&named))?;
    let (mut second, mut two) = rig.open(&Handshake::to("/ws").bearer(&nameless))?;
    let log_out = |token: &str| Ask::post("/auth/logout").bearer(token).of(&rig.gateway);
    assert_eq!(log_out(&nameless)?.no()?, (400, "invalid_request".to_owned()));
    assert_eq!(log_out(&rig.issuer.forged("alice")?)?.no()?, (401, "invalid_token".to_owned()));
    log_out(&named)?.fine()?;
    assert_eq!(first.expect_close(4410)?, "token_revoked");
    converse(&mut second, &mut two, "another token")?;
    let mut again = rig.send(&Handshake::to("/ws").bearer(&named))?;
    assert_eq!(no(&mut again)?, http(401, "token_revoked"));
    Ok(())
}

#[test]
fn a_session_that_rotates_is_good_once() -> Outcome {
    let rig = rig("rotate")?;
    let (_client, _upstream, accepted) = enter(&rig, "bearer", &rig.token()?)?;
    let one = session_of(&accepted);
    let (_client, _upstream, accepted) = enter(&rig, "session", &one)?;
    let two = session_of(&accepted);
    assert!(two.starts_with("vss_") && one != two);
    assert_eq!(refused(&rig, &one)?, close(4401, "invalid_token"));
    enter(&rig, "session", &two)?;
    Ok(())
}

#[test]
fn a_session_outlives_a_restart_and_its_end_does_too() -> Outcome {
    let rig = rig("issue")?;
    let (_c, _u, accepted) = enter(&rig, "bearer", &rig.token()?)?;
    let kept = session_of(&accepted);
    let (_c, _u, accepted) = enter(&rig, "bearer", &rig.issuer.token("bob")?)?;
    let ended = session_of(&accepted);
    Ask::post("/auth/logout").bearer(&ended).of(&rig.gateway)?.fine()?;
    let Rig { gateway, upstream, issuer, setup } = rig;
    drop(gateway);
    let gateway = setup.start(crate::rig::binary())?;
    let rig = Rig { gateway, upstream, issuer, setup };
    enter(&rig, "session", &kept)?;
    assert_eq!(refused(&rig, &ended)?, close(4401, "invalid_token"));
    Ok(())
}

#[test]
fn a_refresh_beside_the_connection_lengthens_its_lease_for_the_same_identity_alone() -> Outcome {
    let rig = Rig::with(
        &format!("{ROUTE}sessions = \"issue\"\nexpiry_grace = \"0s\"\nexpiry_warning = \"0s\"\n"),
        auth,
    )?;
    let (mut client, mut upstream, accepted) =
        enter(&rig, "bearer", &rig.issuer.token_for("alice", 3.0)?)?;
    let name = accepted["connection"].as_str().unwrap_or_default().to_owned();
    let body = json!({ "connection": name });
    let ask = |token: &str| Ask::post("/auth/refresh").bearer(token).json(&body);
    // Somebody else's token, a forged one, and none.
    let mallory = ask(&rig.issuer.token("mallory")?).of(&rig.gateway)?.no()?;
    assert_eq!(mallory, (404, "not_found".to_owned()));
    assert_eq!(ask(&rig.issuer.forged("alice")?).of(&rig.gateway)?.no()?.0, 401);
    let nobody = Ask::post("/auth/refresh").json(&body).of(&rig.gateway)?.no()?;
    assert_eq!(nobody, (401, "credential_required".to_owned()));
    let unknown = json!({ "connection": "c-0000000000000000-1" });
    let unknown = Ask::post("/auth/refresh").bearer(&rig.token()?).json(&unknown);
    assert_eq!(unknown.of(&rig.gateway)?.no()?, (404, "not_found".to_owned()));
    // None of that has harmed the connection.
    converse(&mut client, &mut upstream, "still here")?;
    let said = ask(&rig.issuer.token_for("alice", 600.0)?).of(&rig.gateway)?.fine()?;
    assert!(said["expires_in"].as_u64().is_some_and(|seconds| seconds > 500), "{said}");
    assert!(client.expect_auth("accepted")?["expires_in"].as_u64().is_some_and(|s| s > 500));
    Ok(())
}

#[test]
fn nobody_learns_from_a_refresh_whether_the_connection_of_another_is_there() -> Outcome {
    let (echo, far) = (Echo::start()?, Issuer::new("https://far.example.com")?);
    let rig = Rig::with("issuers = [\"idp\"]\n", |setup| {
        let setup = auth(setup).issuer("far", &far, "").unwrap();
        setup.route("/far", &echo.url(), "issuers = [\"far\"]\naccept = [\"header\"]\n")
    })?;
    let own = far.token("alice")?;
    let mut client = rig.send(&Handshake::to("/far").bearer(&own))?;
    client.expect_switch()?;
    let heads = echo.heads();
    let name = heads[0].one("x-vestibule-connection").unwrap_or_default();
    let ask = |name: &str, token: &str| {
        Ask::post("/auth/refresh").bearer(token).json(&json!({ "connection": name }))
    };
    let mallory = rig.issuer.token("mallory")?;
    let forged = rig.issuer.forged("mallory")?;
    let absent = format!("{name}7");
    for token in [&mallory, &forged, &far.token("bob")?] {
        let there = ask(name, token).of(&rig.gateway)?;
        let not_there = ask(&absent, token).of(&rig.gateway)?;
        assert_eq!(there.head.to_string(), not_there.head.to_string());
        assert_eq!(there.body, not_there.body);
        assert!(matches!(there.no()?.0, 401 | 404));
    }
    ask(name, &own).of(&rig.gateway)?.fine()?;
    client.send_text("still here")?;
    client.expect_text("still here")
}
