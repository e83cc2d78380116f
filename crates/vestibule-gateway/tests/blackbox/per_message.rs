//! A credential in each message: what it carries goes on byte for byte, what it does not is rejected
//! alone, and the connection is nobody's until the first good one.

use serde_json::json;
use vestibule_testkit::{Frame, Handshake, Message, Opcode, Peer, Role, eventually, with};

use crate::{
    admin::{ask, inside},
    rig::{Outcome, PAGE, Rig, close, closed, http, no},
};

pub(crate) const EACH: &str = "accept = [\"per-message\"]\nauth_deadline = \"1m\"\n";

pub(crate) fn envelope(token: &str, data: &str) -> String {
    format!(r#"{{"auth":{{"token":"{token}"}},"data":{data}}}"#)
}

pub(crate) fn rejected(error: &str) -> String {
    format!(r#"{{"auth":{{"type":"rejected","error":"{error}","retry":true}}}}"#)
}

/// Both ends of a connection whose first message said `"first"`.
pub(crate) fn open(rig: &Rig, token: &str) -> anyhow::Result<(Peer, Peer)> {
    let mut client = rig.wait_at_the_door()?;
    client.send_text(&envelope(token, r#""first""#))?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    upstream.expect_text(r#""first""#)?;
    Ok((client, upstream))
}

/// A client at the door, or one that is inside, with the upstream's end.
fn begin(rig: &Rig, place: Place) -> anyhow::Result<(Peer, Option<Peer>)> {
    Ok(match place {
        Place::Door => (rig.wait_at_the_door()?, None),
        Place::Inside => {
            let (client, upstream) = open(rig, &rig.token()?)?;
            (client, Some(upstream))
        }
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Door,
    Inside,
}

/// What is rejected is rejected alone: a good message passes behind it.
pub(crate) fn still_good(rig: &Rig, client: &mut Peer, upstream: &mut Peer) -> Outcome {
    client.send_text(&envelope(&rig.token()?, r#""still good""#))?;
    upstream.expect_text(r#""still good""#)
}

#[test]
fn the_first_good_message_opens_the_upstream_in_its_name_and_is_its_first() -> Outcome {
    let rig = Rig::new(EACH)?;
    let mut client = rig.send(&Handshake::to("/ws/room?lang=en").origin(PAGE))?;
    client.expect_switch()?;
    client.send_text(&envelope(&rig.token()?, r#"{"hello":"world"}"#))?;
    let (mut upstream, head) = rig.upstream.switch("")?;
    assert_eq!(head.target(), "/ws/room?lang=en");
    assert_eq!(head.one("x-vestibule-subject"), Some("alice"));
    assert!(head.one("x-vestibule-assertion").is_some() && head.one("authorization").is_none());
    upstream.expect_text(r#"{"hello":"world"}"#)?;
    // Nobody says `accepted`: the first thing that is heard is the upstream's.
    upstream.send_text("what you like")?;
    client.expect_text("what you like")?;
    upstream.send_frame(&Frame::whole(Opcode::Binary, vec![0, 255]))?;
    assert_eq!(client.message()?, Message::Binary(vec![0, 255]));
    still_good(&rig, &mut client, &mut upstream)
}

#[test]
fn data_passes_byte_for_byte() -> Outcome {
    let rig = Rig::new(EACH)?;
    let token = rig.token()?;
    let (mut client, mut upstream) = open(&rig, &token)?;
    for data in [
        "null",
        "-0.0E+00",
        "\"\\u0061\\/\\ud800 \u{1f980}\u{2028}\"",
        "{\"b\":1,\t\"a\" : [ ],\r\n\"b\":2}",
        "12345678901234567890123456789012345678901234567890",
        r#"{"auth":{"token":"other"},"data":1}"#,
    ] {
        client.send_text(&envelope(&token, data))?;
        upstream.expect_text(data)?;
        client.send_text(&format!(
            " {{ \"data\" :\n{data}\t, \"auth\": {{\"token\":\"{token}\"}} }} "
        ))?;
        upstream.expect_text(data)?;
    }
    // Each under a mask of its own, in one frame: the peer has checked both.
    let long = format!("\"{}\"", "é".repeat(20_000));
    client.send_text(&envelope(&token, &long))?;
    assert_eq!(upstream.frame()?, Frame::whole(Opcode::Text, long));
    Ok(())
}

#[test]
fn nothing_of_a_client_without_a_good_message_reaches_the_upstream() -> Outcome {
    let rig = Rig::new(EACH)?;
    let mut client = rig.wait_at_the_door()?;
    let claims = rig.issuer.claims("alice");
    for (token, error) in [
        (rig.issuer.forged("alice")?, "invalid_token"),
        (rig.issuer.token_for("alice", -60.0)?, "token_expired"),
        (rig.issuer.sign(&with(claims, "aud", json!("somebody else")))?, "invalid_token"),
        (String::new(), "invalid_token"),
        ("vst_ticket".to_owned(), "mechanism_not_allowed"),
        ("x".repeat(12_289), "invalid_token"),
    ] {
        client.send_text(&envelope(&token, "1"))?;
        client.expect_text(&rejected(error))?;
    }
    client.send_frame(&Frame::whole(Opcode::Ping, "still there?"))?;
    assert_eq!(client.message()?, Message::Pong(b"still there?".to_vec()));
    rig.expect_undialled()?;
    // And then a good one, on the same connection.
    client.send_text(&envelope(&rig.token()?, "2"))?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    upstream.expect_text("2")
}

#[test]
fn a_bad_token_in_the_middle_is_rejected_alone() -> Outcome {
    let rig = Rig::new(&format!("{EACH}scopes = [\"chat\"]\n"))?;
    let (mut client, mut upstream) = open(&rig, &rig.token()?)?;
    let without = with(rig.issuer.claims("alice"), "scope", json!("other"));
    for (token, error) in [
        (rig.issuer.forged("alice")?, "invalid_token"),
        (rig.issuer.token_for("alice", -60.0)?, "token_expired"),
        (rig.issuer.token("bob")?, "identity_changed"),
        (rig.issuer.sign(&without)?, "insufficient_scope"),
        ("vst_ticket".to_owned(), "mechanism_not_allowed"),
        ("x".repeat(12_289), "invalid_token"),
    ] {
        client.send_text(&envelope(&token, "\"bad\""))?;
        client.expect_text(&rejected(error))?;
        still_good(&rig, &mut client, &mut upstream)?;
    }
    Ok(())
}

#[test]
fn a_token_that_ends_meanwhile_is_rejected_and_a_newer_one_goes_on() -> Outcome {
    let rig = Rig::new(EACH)?;
    let short = rig.issuer.token_for("alice", 4.0)?;
    let (mut client, mut upstream) = open(&rig, &short)?;
    let mut passed = 0;
    eventually("the token ends", || {
        client.send_text(&envelope(&short, "1"))?;
        // What is behind it shows whether it went on.
        client.send_frame(&Frame::whole(Opcode::Ping, "?"))?;
        let seen = upstream.message()?;
        if let Message::Text(text) = &seen {
            assert_eq!(text, "1");
            passed += 1;
            assert_eq!(upstream.message()?, Message::Ping(b"?".to_vec()));
        }
        Ok(seen == Message::Ping(b"?".to_vec()))
    })?;
    client.expect_text(&rejected("token_expired"))?;
    assert!(passed > 0, "it was good once");
    still_good(&rig, &mut client, &mut upstream)
}

#[test]
fn without_a_newer_token_the_connection_ends_with_the_last() -> Outcome {
    let rig = Rig::new(&format!("{EACH}expiry_grace = \"0s\"\n"))?;
    let (mut client, mut upstream) = open(&rig, &rig.issuer.token_for("alice", 3.0)?)?;
    assert_eq!(closed(&mut client)?, close(4401, "token_expired"));
    while upstream.frame_or_end()?.is_some() {}
    Ok(())
}

#[test]
fn a_revocation_closes_the_connections_of_its_subject_and_no_other() -> Outcome {
    let rig = Rig::new(EACH)?;
    let mut waiting = rig.wait_at_the_door()?;
    let (mut alice, _one) = open(&rig, &rig.token()?)?;
    let mut bob = rig.wait_at_the_door()?;
    bob.send_text(&envelope(&rig.issuer.token("bob")?, "1"))?;
    let (mut two, _) = rig.upstream.switch("")?;
    two.expect_text("1")?;
    inside(&rig, 2)?;
    assert_eq!(ask(&rig, "POST /api/v1/revocations", &json!({ "subject": "alice" }))?.0, 201);
    assert_eq!(closed(&mut alice)?, close(4410, "token_revoked"));
    bob.send_text(&envelope(&rig.issuer.token("bob")?, "2"))?;
    two.expect_text("2")?;
    // Who is at the door has no name yet, and does not get one by what was revoked.
    waiting.send_text(&envelope(&rig.token()?, "1"))?;
    waiting.expect_text(&rejected("token_revoked"))
}

#[test]
fn one_token_is_revoked_and_the_messages_of_another_pass() -> Outcome {
    let rig = Rig::new(EACH)?;
    let stolen = rig.issuer.sign(&with(rig.issuer.claims("alice"), "jti", json!("stolen")))?;
    let (mut client, mut upstream) = open(&rig, &stolen)?;
    still_good(&rig, &mut client, &mut upstream)?;
    let body = json!({ "token": "stolen", "issuer": rig.issuer.url });
    assert_eq!(ask(&rig, "POST /api/v1/revocations", &body)?.0, 201);
    client.send_text(&envelope(&stolen, "1"))?;
    client.expect_text(&rejected("token_revoked"))?;
    still_good(&rig, &mut client, &mut upstream)
}

#[test]
fn what_is_no_envelope_ends_the_connection() -> Outcome {
    let rig = Rig::new(EACH)?;
    let token = rig.token()?;
    let deep =
        |depth: usize| envelope(&token, &format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
    let texts = [
        "hello".to_owned(),
        r#"{"data":1}"#.to_owned(),
        format!(r#"{{"auth":{{"token":"{token}"}}}}"#),
        format!(r#"{{"auth":{{"type":"authenticate","mechanism":"bearer","token":"{token}"}}}}"#),
        r#"{"auth":{"type":"logout"}}"#.to_owned(),
        format!(r#"{{"\u0061uth":{{"token":"{token}"}},"data":1}}"#),
        format!(r#"{{"auth":{{"token":"{token}"}},"auth":{{"token":"{token}"}},"data":1}}"#),
        format!(r#"{{"auth":{{"token":"x","token":"{token}"}},"data":1}}"#),
        format!(r#"{{"auth":{{"token":"{token}"}},"data":1,"data":2}}"#),
        format!(r#"{{"auth":{{"token":"{token}"}},"data":1,"more":2}}"#),
        envelope(&token, "1") + "x",
        envelope(&token, "01"),
        envelope(&token, "[1,]"),
        deep(65),
        deep(20_000),
    ];
    for place in [Place::Door, Place::Inside] {
        for text in &texts {
            let (mut client, _upstream) = begin(&rig, place)?;
            client.send_text(text)?;
            assert_eq!(closed(&mut client)?, close(4400, "invalid_request"), "{text}");
        }
        for frame in [
            Frame::whole(Opcode::Binary, envelope(&token, "1")),
            Frame::whole(Opcode::Text, [envelope(&token, "\"").as_bytes(), b"\xff\"}"].concat()),
            Frame::whole(Opcode::Text, envelope(&token, &format!("\"{}\"", "x".repeat(65_536)))),
        ] {
            let (mut client, _upstream) = begin(&rig, place)?;
            client.send_frame(&frame)?;
            assert_eq!(closed(&mut client)?, close(4400, "invalid_request"));
        }
    }
    Ok(())
}

#[test]
fn no_credential_comes_in_another_way() -> Outcome {
    let rig = Rig::new(EACH)?;
    let token = rig.token()?;
    for handshake in [
        Handshake::to("/ws").bearer(&token),
        Handshake::to("/ws").subprotocols(&format!("chat, vestibule.bearer.{token}")),
        Handshake::to(&format!("/ws?access_token={token}")),
    ] {
        assert_eq!(no(&mut rig.send(&handshake)?)?, http(403, "mechanism_not_allowed"));
    }
    rig.expect_undialled()
}

#[test]
fn a_message_may_be_as_long_as_the_route_says() -> Outcome {
    let rig = Rig::new(&format!("{EACH}max_message = 4000000\n"))?;
    let token = rig.token()?;
    let data = format!("\"{}\"", "x".repeat(3_900_000));
    let mut client = rig.wait_at_the_door()?;
    client.send_text(&envelope(&token, &data))?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    upstream.expect_text(&data)?;
    client.send_text(&envelope(&token, &data))?;
    upstream.expect_text(&data)?;
    let longer = envelope(&token, &format!("\"{}\"", "x".repeat(4_000_000)));
    // Refused by its header: how much of it was sent does not matter.
    client.send(&Frame::whole(Opcode::Text, longer).bytes(Role::Client)[..14])?;
    assert_eq!(closed(&mut client)?, close(4400, "invalid_request"));
    Ok(())
}

#[test]
fn fragments_pings_and_single_bytes_change_nothing() -> Outcome {
    let rig = Rig::new(EACH)?;
    let text = envelope(&rig.token()?, "[1, 2]");
    let (head, tail) = text.split_at(20);
    let frames = [
        Frame::part(Opcode::Text, head),
        Frame::whole(Opcode::Ping, "one"),
        Frame::part(Opcode::Continuation, ""),
        Frame::whole(Opcode::Pong, "two"),
        Frame::whole(Opcode::Continuation, tail),
    ];
    let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.bytes(Role::Client)).collect();
    let mut client = rig.wait_at_the_door()?;
    for byte in &bytes {
        client.send([*byte])?;
    }
    let (mut upstream, _) = rig.upstream.switch("")?;
    // At the door the gateway answers.
    assert_eq!(client.message()?, Message::Pong(b"one".to_vec()));
    upstream.expect_text("[1, 2]")?;
    // Behind it the upstream does: what stands between the fragments goes on.
    for byte in &bytes {
        client.send([*byte])?;
    }
    assert_eq!(upstream.message()?, Message::Ping(b"one".to_vec()));
    assert_eq!(upstream.message()?, Message::Pong(b"two".to_vec()));
    upstream.expect_text("[1, 2]")?;
    upstream.send_frame(&Frame::whole(Opcode::Pong, "one"))?;
    assert_eq!(client.message()?, Message::Pong(b"one".to_vec()));
    Ok(())
}

#[test]
fn tokens_can_be_tried_a_bounded_number_of_times_a_minute() -> Outcome {
    let rig = Rig::new(EACH)?;
    let forged = envelope(&rig.issuer.forged("alice")?, "1");
    for place in [Place::Door, Place::Inside] {
        let (mut client, _upstream) = begin(&rig, place)?;
        for _ in 0..100 {
            client.send_text(&forged)?;
        }
        let mut told = 0;
        let end = loop {
            match client.message()? {
                Message::Text(text) => {
                    assert_eq!(text, rejected("invalid_token"));
                    told += 1;
                }
                Message::Close(code, reason) => break close(code, &reason),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(end, close(4429, "too_many_attempts"));
        assert_eq!(told, if place == Place::Door { 29 } else { 30 });
    }
    Ok(())
}

#[test]
fn no_token_is_written_down_or_passed_on() -> Outcome {
    let rig = Rig::with(EACH, |setup| setup.level("trace"))?;
    let (good, bad) = (rig.token()?, rig.issuer.forged("alice")?);
    let (mut client, mut upstream) = open(&rig, &good)?;
    client.send_text(&envelope(&bad, "1"))?;
    client.expect_text(&rejected("invalid_token"))?;
    client.send_text(&envelope(&good, "2"))?;
    upstream.expect_text("2")?;
    drop(client);
    rig.gateway.log().wait_for("disconnected")?;
    let log = rig.gateway.log().text();
    for token in [&good, &bad] {
        let tail = token.rsplit('.').next().unwrap_or_default();
        assert!(tail.len() > 40 && !log.contains(tail));
    }
    assert!(log.contains("\"carrier\":\"per-message\""));
    Ok(())
}
