//! What is revoked or removed opens nothing by any carrier; API keys by header and in band.

use serde_json::json;
use vestibule_testkit::{Handshake, Setup};

use crate::{
    accounts::{PASSWORD, add, key, log_in},
    admin::ask,
    endpoint::{Ask, refused, ticket},
    rig::{No, Outcome, PAGE, Rig, close, closed, converse, no},
};

const EVERY: &str = "accept = [\"header\", \"cookie\", \"query\", \"subprotocol\", \"message\"]\n\
                     mechanisms = [\"bearer\", \"ticket\", \"session\", \"api-key\"]\n\
                     cookie = \"token\"\ndangerous_token_in_query = true\nsessions = \"issue\"\n\
                     issuers = [\"local\"]\nauth_deadline = \"1m\"\n";

fn rig() -> anyhow::Result<Rig> {
    let store = |setup: Setup| setup.table("[auth]").table("[store]\npath = \"kept.redb\"");
    let rig = Rig::with(EVERY, store)?;
    add(&rig, "alice")?;
    Ok(rig)
}

/// Says in band who it is, until it is told no for good.
fn in_band(rig: &Rig, mechanism: &str, token: &str) -> anyhow::Result<No> {
    let mut client = rig.wait_at_the_door()?;
    let auth = json!({ "type": "authenticate", "mechanism": mechanism, "token": token });
    loop {
        client.send_text(&json!({ "auth": auth }).to_string())?;
        if client.expect_auth("rejected")?["retry"] == false {
            return closed(&mut client);
        }
    }
}

#[test]
fn a_revoked_login_opens_nothing_by_any_carrier_nor_by_what_was_bought_with_it() -> Outcome {
    let rig = rig()?;
    let (_, said) = log_in(&rig, "alice", PASSWORD)?;
    let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
    let (access, refresh) = (text("access_token"), text("refresh_token"));
    let mut client = rig.wait_at_the_door()?;
    client.authenticate(&access)?;
    let (_upstream, _) = rig.upstream.switch("")?;
    let session =
        client.expect_auth("accepted")?["session"].as_str().unwrap_or_default().to_owned();
    let tickets = [ticket(&rig.gateway, &access)?, ticket(&rig.gateway, &access)?];
    assert_eq!(ask(&rig, "POST /api/v1/revocations", &json!({ "subject": "alice" }))?.0, 201);
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    let to = || Handshake::to("/ws");
    for (name, handshake) in [
        ("header", to().bearer(&access)),
        ("query", Handshake::to(&format!("/ws?access_token={access}"))),
        ("subprotocol", to().subprotocols(&format!("chat, vestibule.bearer.{access}"))),
        ("ticket", Handshake::to(&format!("/ws?ticket={}", tickets[0]))),
        ("session", to().bearer(&session)),
    ] {
        let said = no(&mut rig.send(&handshake)?)?;
        assert!(matches!(said, No::Http(401, _)), "{name}: {said:?}");
    }
    // A cookie that fails counts as none: the client is asked, and nothing is opened.
    let cookie = to().origin(PAGE).field("Cookie", &format!("token={access}"));
    let mut asked = rig.send(&cookie)?;
    asked.expect_switch()?;
    asked.authenticate(&access)?;
    let rejected = asked.expect_auth("rejected")?;
    assert_eq!(rejected["error"], "token_revoked");
    for (mechanism, token) in [("bearer", &access), ("ticket", &tickets[1]), ("session", &session)]
    {
        let said = in_band(&rig, mechanism, token)?;
        assert!(matches!(said, No::Close(4401 | 4410, _)), "{mechanism}: {said:?}");
    }
    let path = json!({ "path": "/ws" });
    for token in [&access, &session] {
        let asked = Ask::post("/auth/ticket").bearer(token).json(&path);
        assert_eq!(asked.of(&rig.gateway)?.no()?.0, 401);
        assert_eq!(Ask::post("/auth/logout").bearer(token).of(&rig.gateway)?.no()?.0, 401);
    }
    let again = Ask::post("/auth/refresh").json(&json!({ "refresh_token": refresh }));
    assert_eq!(again.of(&rig.gateway)?.no()?, refused(400, "invalid_grant"));
    assert_eq!(rig.upstream.count(), 1);
    Ok(())
}

#[test]
fn an_api_key_is_taken_in_a_field_and_in_band_and_a_slip_of_it_is_not() -> Outcome {
    let rig = rig()?;
    let secret = key(&rig, &["--machine", "robot", "--label", "the robot"])?;
    let head = rig.asked(&Handshake::to("/ws").bearer(&secret))?;
    assert_eq!(head.one("x-vestibule-mechanism"), Some("api-key"));
    assert!(!head.mentions(&secret));
    let mut client = rig.wait_at_the_door()?;
    let auth = json!({ "type": "authenticate", "mechanism": "api-key", "token": secret });
    client.send_text(&json!({ "auth": auth }).to_string())?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    assert_eq!(client.expect_auth("accepted")?["mechanism"], "api-key");
    converse(&mut client, &mut upstream, "hello")?;
    let mut slip = secret.clone();
    let last = if slip.pop() == Some('A') { 'B' } else { 'A' };
    slip.push(last);
    for bad in [&*slip, "vsk_", "vsk_AAAA", &secret[..secret.len() - 1]] {
        let said = no(&mut rig.send(&Handshake::to("/ws").bearer(bad))?)?;
        assert_eq!(said, No::Http(401, "invalid_token".to_owned()));
    }
    // Its form tells: nothing was looked up.
    rig.gateway.log().wait_for("the checksum of the API key is wrong")?;
    Ok(())
}
