//! The credential as a message of its own, after the upgrade.

use vestibule_testkit::{Frame, Handshake, Message, Opcode};

use crate::rig::{Outcome, PAGE, Rig, close, closed, converse, http, no};

const MESSAGE: &str = r#"accept = ["message"]"#;

#[test]
fn a_first_message_authenticates() -> Outcome {
    let rig = Rig::new(MESSAGE)?;
    let mut client = rig.wait_at_the_door()?;
    client.authenticate(&rig.token()?)?;
    let (mut upstream, head) = rig.upstream.switch("")?;
    assert_eq!(head.one("x-vestibule-subject"), Some("alice"));
    let accepted = client.expect_auth("accepted")?;
    assert_eq!((&accepted["subject"], &accepted["mechanism"]), (&"alice".into(), &"bearer".into()));
    let left = accepted["expires_in"].as_u64().unwrap();
    assert!((3500..=3600).contains(&left), "{accepted}");
    converse(&mut client, &mut upstream, "hello")
}

#[test]
fn a_page_can_authenticate_by_a_first_message() -> Outcome {
    let rig = Rig::new(MESSAGE)?;
    let mut client = rig.send(&Handshake::to("/ws").origin(PAGE))?;
    client.expect_switch()?;
    client.authenticate(&rig.token()?)?;
    rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    Ok(())
}

#[test]
fn required_is_said_only_where_the_route_announces() -> Outcome {
    let rig = Rig::new(&format!("{MESSAGE}\nannounce = true\nauth_deadline = \"7s\"\n"))?;
    let mut client = rig.wait_at_the_door()?;
    client.expect_text(r#"{"auth":{"type":"required","mechanisms":["bearer"],"timeout":7}}"#)?;
    let rig = Rig::new(MESSAGE)?;
    let mut client = rig.wait_at_the_door()?;
    client.send_frame(&Frame::whole(Opcode::Ping, ""))?;
    assert_eq!(client.message()?, Message::Pong(Vec::new()));
    Ok(())
}

#[test]
fn a_bad_token_may_be_followed_by_a_good_one() -> Outcome {
    let rig = Rig::new(MESSAGE)?;
    let mut client = rig.wait_at_the_door()?;
    for (token, error) in [
        (rig.issuer.forged("alice")?, "invalid_token"),
        (rig.issuer.token_for("alice", -60.0)?, "token_expired"),
    ] {
        client.authenticate(&token)?;
        let said = format!(r#"{{"auth":{{"type":"rejected","error":"{error}","retry":true}}}}"#);
        client.expect_text(&said)?;
    }
    client.authenticate(&rig.token()?)?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    converse(&mut client, &mut upstream, "hello")
}

#[test]
fn a_connection_has_three_attempts() -> Outcome {
    let rig = Rig::new(r#"accept = ["header", "message"]"#)?;
    let mut client = rig.wait_at_the_door()?;
    for retry in [true, true, false] {
        client.authenticate(&rig.issuer.forged("alice")?)?;
        assert_eq!(client.expect_auth("rejected")?["retry"], retry);
    }
    // A fourth, good one is not heard.
    client.authenticate(&rig.token()?)?;
    assert_eq!(closed(&mut client)?, close(4401, "invalid_token"));
    rig.expect_undialled()
}

#[test]
fn a_token_without_the_scopes_of_the_route_is_refused_for_good() -> Outcome {
    let rig = Rig::new(&format!("{MESSAGE}\nscopes = [\"chat\", \"admin\"]\n"))?;
    let mut client = rig.wait_at_the_door()?;
    client.authenticate(&rig.token()?)?;
    let rejected = client.expect_auth("rejected")?;
    assert_eq!(
        (&rejected["error"], &rejected["retry"]),
        (&"insufficient_scope".into(), &false.into())
    );
    assert_eq!(closed(&mut client)?, close(4403, "insufficient_scope"));
    rig.expect_undialled()
}

#[test]
fn other_messages_than_authenticate_come_too_early() -> Outcome {
    let rig = Rig::new(r#"accept = ["header", "message"]"#)?;
    let token = rig.token()?;
    let with = |kind: &str, mechanism: &str| {
        format!(r#"{{"auth":{{"type":"{kind}","mechanism":"{mechanism}","token":"{token}"}}}}"#)
    };
    for (text, expected) in [
        (with("refresh", "bearer"), close(4400, "invalid_request")),
        (with("authenticate", "hope"), close(4403, "mechanism_not_allowed")),
        (with("Authenticate", "bearer"), close(4400, "invalid_request")),
        (r#"{"auth":{"type":"logout"}}"#.to_owned(), close(4410, "logged_out")),
        (
            with("authenticate", "bearer").replace("}}", "},\"data\":1}"),
            close(4400, "invalid_request"),
        ),
    ] {
        let mut client = rig.wait_at_the_door()?;
        client.send_text(&text)?;
        let mut said = client.message()?;
        // A client that spoke in band may be told in band, too.
        if matches!(said, Message::Text(_)) {
            said = client.message()?;
        }
        let Message::Close(code, reason) = said else { panic!("{said:?} after {text}") };
        assert_eq!(close(code, &reason), expected, "{text}");
    }
    rig.expect_undialled()
}

#[test]
fn a_token_may_be_as_long_as_the_limit_and_no_longer() -> Outcome {
    let rig = Rig::new(MESSAGE)?;
    let padded = |bytes: usize| {
        let claims = vestibule_testkit::with(
            rig.issuer.claims("alice"),
            "padding",
            "x".repeat(bytes).into(),
        );
        rig.issuer.sign(&claims)
    };
    let long = padded(8000)?;
    assert!((10_000..12_288).contains(&long.len()));
    let (mut client, mut upstream) = rig.open_by_message(&long)?;
    converse(&mut client, &mut upstream, "hello")?;
    let too_long = padded(9500)?;
    assert!(too_long.len() > 12_288);
    let mut client = rig.wait_at_the_door()?;
    client.authenticate(&too_long)?;
    match client.message()? {
        Message::Text(text) => assert!(text.contains("invalid_token"), "{text}"),
        Message::Close(code, _) => assert!(matches!(code, 4400 | 4401), "{code}"),
        other => panic!("{other:?}"),
    }
    Ok(())
}

#[test]
fn a_client_that_leaves_at_the_door_gets_its_goodbye() -> Outcome {
    let rig = Rig::new(MESSAGE)?;
    let mut client = rig.wait_at_the_door()?;
    client.send_frame(&Frame::close(1000, "changed my mind"))?;
    assert!(matches!(client.message()?, Message::Close(1000, _)));
    client.end()
}

#[test]
fn an_upstream_that_fails_after_a_first_message_is_told_by_a_close() -> Outcome {
    let rig = Rig::new(MESSAGE)?;
    let mut client = rig.wait_at_the_door()?;
    client.authenticate(&rig.token()?)?;
    let (mut upstream, _) = rig.upstream.request()?;
    upstream.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")?;
    let mut said = client.message()?;
    if matches!(said, Message::Text(_)) {
        said = client.message()?;
    }
    assert!(matches!(said, Message::Close(1014, _)), "{said:?}");
    Ok(())
}

#[test]
fn a_route_without_first_messages_lets_nobody_wait() -> Outcome {
    let rig = Rig::new(r#"accept = ["header"]"#)?;
    let mut client = rig.send(&Handshake::to("/ws"))?;
    assert_eq!(no(&mut client)?, http(401, "credential_required"));
    Ok(())
}
