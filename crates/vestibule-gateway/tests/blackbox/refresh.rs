//! A live connection can be given a newer credential of the same principal, and of nobody else
//! (invariant 5).

use vestibule_testkit::{Frame, Handshake, Issuer, Opcode, Peer, Role};

use crate::rig::{Outcome, Rig, close, closed, converse};

const AT_ONCE: &str = "accept = [\"header\", \"message\"]\nexpiry_grace = \"0s\"\n";
const SHORT: f64 = 3.0;

#[test]
fn a_refresh_carries_a_connection_over_the_end_of_its_first_credential() -> Outcome {
    let rig = Rig::new(&format!("{AT_ONCE}expiry_warning = \"0s\"\n"))?;
    let token = rig.issuer.token_for("alice", SHORT)?;
    let (mut client, mut upstream) = rig.open_by_message(&token)?;
    client.refresh(&rig.token()?)?;
    let accepted = client.expect_auth("accepted")?;
    assert!(accepted["expires_in"].as_u64().unwrap() > 3000, "{accepted}");
    // Another connection with the same token shows when it has expired.
    let (mut witness, _other) = rig.open(&Handshake::to("/ws").bearer(&token))?;
    assert_eq!(closed(&mut witness)?, close(4401, "token_expired"));
    converse(&mut client, &mut upstream, "still here")?;
    assert_eq!(rig.upstream.count(), 2);
    Ok(())
}

#[test]
fn a_refresh_is_heard_within_the_grace() -> Outcome {
    let rig = Rig::new("accept = [\"header\", \"message\"]\nexpiry_grace = \"1m\"\n")?;
    let strict = Rig::new(AT_ONCE)?;
    let (mut client, mut upstream) = rig.open_by_message(&rig.issuer.token_for("alice", SHORT)?)?;
    let later = strict.issuer.token_for("witness", SHORT)?;
    let (mut witness, _other) = strict.open(&Handshake::to("/ws").bearer(&later))?;
    assert_eq!(closed(&mut witness)?, close(4401, "token_expired"));
    client.refresh(&rig.token()?)?;
    client.expect_auth("accepted")?;
    converse(&mut client, &mut upstream, "still here")
}

#[test]
fn no_refresh_prolongs_the_lifetime() -> Outcome {
    let rig = Rig::new("accept = [\"message\"]\nmax_lifetime = \"2s\"\n")?;
    let (mut client, _upstream) = rig.open_by_message(&rig.token()?)?;
    client.refresh(&rig.token()?)?;
    client.expect_auth("accepted")?;
    assert_eq!(closed(&mut client)?, close(1001, "lifetime_reached"));
    Ok(())
}

#[test]
fn a_refresh_can_shorten_a_lease() -> Outcome {
    let rig = Rig::new(AT_ONCE)?;
    let (mut client, _upstream) = rig.open_by_message(&rig.token()?)?;
    client.refresh(&rig.issuer.token_for("alice", SHORT)?)?;
    client.expect_auth("accepted")?;
    // The default warning is longer than what is left.
    client.expect_auth("expiring")?;
    assert_eq!(closed(&mut client)?, close(4401, "token_expired"));
    Ok(())
}

#[test]
fn a_client_that_came_by_header_can_refresh_in_band() -> Outcome {
    let rig = Rig::new(AT_ONCE)?;
    let (mut client, mut upstream) = rig.open(&rig.good()?)?;
    client.refresh(&rig.token()?)?;
    client.expect_auth("accepted")?;
    client.authenticate(&rig.token()?)?;
    client.expect_auth("accepted")?;
    converse(&mut client, &mut upstream, "the first thing that the upstream hears")
}

#[test]
fn a_refresh_for_another_subject_ends_the_connection() -> Outcome {
    let rig = Rig::new(AT_ONCE)?;
    let (mut client, mut upstream) = rig.open_by_message(&rig.token()?)?;
    client.refresh(&rig.issuer.token("bob")?)?;
    client.send_text("as bob")?;
    let rejected = client.expect_auth("rejected")?;
    assert_eq!(
        (&rejected["error"], &rejected["retry"]),
        (&"identity_changed".into(), &false.into())
    );
    assert_eq!(closed(&mut client)?, close(4403, "identity_changed"));
    while let Some(frame) = upstream.frame_or_end()? {
        assert_eq!(frame.opcode, Opcode::Close, "{frame:?}");
    }
    Ok(())
}

#[test]
fn a_refresh_by_another_issuer_ends_the_connection() -> Outcome {
    let other = Issuer::new("https://other.example.com")?;
    let rig = Rig::with(AT_ONCE, |setup| setup.issuer("other", &other, "").unwrap())?;
    let (mut client, _upstream) = rig.open_by_message(&rig.token()?)?;
    client.refresh(&other.token("alice")?)?;
    client.expect_auth("rejected")?;
    assert_eq!(closed(&mut client)?, close(4403, "identity_changed"));
    Ok(())
}

#[test]
fn a_refresh_that_fails_leaves_the_lease_as_it_was() -> Outcome {
    let rig = Rig::new(AT_ONCE)?;
    let token = rig.issuer.token_for("alice", SHORT)?;
    let (mut client, mut upstream) = rig.open_by_message(&token)?;
    for (bad, error) in [
        (rig.issuer.forged("alice")?, "invalid_token"),
        (rig.issuer.token_for("alice", -60.0)?, "token_expired"),
        ("nonsense".to_owned(), "invalid_token"),
    ] {
        client.refresh(&bad)?;
        let mut rejected = client.message()?;
        // `expiring` may come at any time now.
        while matches!(&rejected, vestibule_testkit::Message::Text(text) if text.contains("expiring"))
        {
            rejected = client.message()?;
        }
        let expected =
            format!(r#"{{"auth":{{"type":"rejected","error":"{error}","retry":true}}}}"#);
        assert_eq!(rejected, vestibule_testkit::Message::Text(expected));
    }
    client.send_text("still here")?;
    upstream.expect_text("still here")?;
    expect_expiry(&mut client)
}

#[test]
fn a_refresh_without_the_scopes_of_the_route_is_refused() -> Outcome {
    let rig = Rig::new(&format!("{AT_ONCE}scopes = [\"chat\"]\n"))?;
    let (mut client, mut upstream) = rig.open_by_message(&rig.token()?)?;
    let claims = vestibule_testkit::with(rig.issuer.claims("alice"), "scope", "read".into());
    client.refresh(&rig.issuer.sign(&claims)?)?;
    assert_eq!(client.expect_auth("rejected")?["error"], "insufficient_scope");
    converse(&mut client, &mut upstream, "still here")
}

#[test]
fn a_logout_ends_the_connection() -> Outcome {
    let rig = Rig::new(AT_ONCE)?;
    let (mut client, mut upstream) = rig.open_by_message(&rig.token()?)?;
    client.send_text(r#"{"auth":{"type":"logout"}}"#)?;
    client.send_text("after")?;
    assert_eq!(closed(&mut client)?, close(4410, "logged_out"));
    while let Some(frame) = upstream.frame_or_end()? {
        assert_eq!(frame.opcode, Opcode::Close, "{frame:?}");
    }
    Ok(())
}

#[test]
fn a_control_message_never_reaches_the_upstream_however_it_is_cut() -> Outcome {
    let rig = Rig::new(AT_ONCE)?;
    let (mut client, mut upstream) = rig.open_by_message(&rig.token()?)?;
    let text = format!(
        r#"{{"auth":{{"type":"refresh","mechanism":"bearer","token":"{}"}}}}"#,
        rig.token()?
    );
    for step in [1, 3, 7, 8, 9, 100] {
        let pieces: Vec<_> = text.as_bytes().chunks(step).collect();
        for (number, piece) in pieces.iter().enumerate() {
            let opcode = if number == 0 { Opcode::Text } else { Opcode::Continuation };
            let frame = if number + 1 == pieces.len() {
                Frame::whole(opcode, *piece)
            } else {
                Frame::part(opcode, *piece)
            };
            client.send_frame(&frame)?;
            client.send_frame(&Frame::whole(Opcode::Ping, [7]))?;
        }
        client.expect_auth("accepted")?;
    }
    client.send_text("the first message that the upstream hears")?;
    loop {
        let frame = upstream.frame()?;
        if frame.opcode != Opcode::Ping {
            assert_eq!(
                frame,
                Frame::whole(Opcode::Text, "the first message that the upstream hears")
            );
            return Ok(());
        }
    }
}

/// A text in a block that is stored (RFC 7692 section 7.2.3.3).
fn stored(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    let [low, high] = length.to_le_bytes();
    [&[0, low, high, !low, !high], text.as_bytes(), &[0]].concat()
}

#[test]
fn a_compressed_control_message_is_heard_and_never_reaches_the_upstream() -> Outcome {
    let rig = Rig::new(AT_ONCE)?;
    let offer = rig.good()?.field("Sec-WebSocket-Extensions", "permessage-deflate");
    let mut client = rig.send(&offer)?;
    let answer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let (mut upstream, _asked) = rig.upstream.switch(answer)?;
    client.expect_switch()?;
    let refresh = stored(&format!(
        r#"{{"auth":{{"type":"refresh","mechanism":"bearer","token":"{}"}}}}"#,
        rig.token()?
    ));
    // "Hello" of RFC 7692 section 7.2.3.2, which is the application's, and as it is.
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    for step in [1, 3, 13, 100, 4000] {
        for message in [&refresh[..], &hello] {
            let count = message.len().div_ceil(step);
            for (number, piece) in message.chunks(step).enumerate() {
                client.send_frame(&Frame {
                    flags: if number + 1 == count { Frame::FIN } else { 0 }
                        | if number == 0 { Frame::RSV1 } else { 0 },
                    opcode: if number == 0 { Opcode::Text } else { Opcode::Continuation },
                    payload: piece.to_vec(),
                })?;
            }
        }
        client.expect_auth("accepted")?;
        let mut heard = upstream.frame()?;
        assert_eq!(heard.flags & Frame::RSV1, Frame::RSV1);
        while !heard.is_last() {
            let more = upstream.frame()?;
            heard.flags |= more.flags;
            heard.payload.extend(more.payload);
        }
        assert_eq!((heard.opcode, &heard.payload[..]), (Opcode::Text, &hello[..]));
    }
    Ok(())
}

#[test]
fn only_the_exact_beginning_makes_a_control_message() -> Outcome {
    let rig = Rig::new(AT_ONCE)?;
    let (mut client, mut upstream) = rig.open_by_message(&rig.token()?)?;
    for text in [
        r#"{"auth" :{"type":"logout"}}"#,
        r#"{ "auth":{"type":"logout"}}"#,
        r#" {"auth":{"type":"logout"}}"#,
        r#"{"Auth":{"type":"logout"}}"#,
        r#"{"author":{"type":"logout"}}"#,
        r#"{"auth""#,
        "{",
        "",
    ] {
        converse(&mut client, &mut upstream, text)?;
    }
    let binary = Frame::whole(Opcode::Binary, r#"{"auth":{"type":"logout"}}"#);
    client.send_frame(&binary)?;
    assert_eq!(upstream.frame()?, binary);
    Ok(())
}

#[test]
fn a_malformed_control_message_ends_the_connection() -> Outcome {
    let rig = Rig::new(AT_ONCE)?;
    for text in [
        r#"{"auth":"#,
        r#"{"auth":{}}"#,
        r#"{"auth":{"type":"respond"}}"#,
        r#"{"auth":{"type":"refresh","mechanism":"bearer","token":"a","more":1}}"#,
    ] {
        let (mut client, _upstream) = rig.open_by_message(&rig.token()?)?;
        client.send_text(text)?;
        assert_eq!(closed(&mut client)?, close(4400, "invalid_request"), "{text}");
    }
    Ok(())
}

#[test]
fn an_endless_control_message_ends_the_connection() -> Outcome {
    let rig = Rig::new(AT_ONCE)?;
    let (mut client, mut upstream) = rig.open_by_message(&rig.token()?)?;
    let start = Frame::part(Opcode::Text, r#"{"auth":{"type":"refresh","token":""#);
    let more = Frame::part(Opcode::Continuation, vec![b'x'; 1000]).bytes(Role::Client);
    client.send_frame(&start)?;
    for _ in 0..17 {
        client.send(&more)?;
    }
    assert_eq!(closed(&mut client)?, close(4400, "invalid_request"));
    while let Some(frame) = upstream.frame_or_end()? {
        assert_eq!(frame.opcode, Opcode::Close, "{frame:?}");
    }
    Ok(())
}

#[test]
fn control_messages_have_a_budget() -> Outcome {
    let rig = Rig::new(AT_ONCE)?;
    let (mut client, _upstream) = rig.open_by_message(&rig.token()?)?;
    let forged = rig.issuer.forged("alice")?;
    for _ in 0..30 {
        client.refresh(&forged)?;
        client.expect_auth("rejected")?;
    }
    client.refresh(&forged)?;
    assert_eq!(closed(&mut client)?, close(4429, "too_many_attempts"));
    Ok(())
}

#[test]
fn a_route_without_first_messages_reserves_nothing() -> Outcome {
    let rig = Rig::new(r#"accept = ["header"]"#)?;
    let (mut client, mut upstream) = rig.open(&rig.good()?)?;
    converse(&mut client, &mut upstream, r#"{"auth":{"type":"logout"}}"#)
}

/// Reads up to the close at the end of the lease.
fn expect_expiry(client: &mut Peer) -> Outcome {
    loop {
        match client.message()? {
            vestibule_testkit::Message::Text(text) if text.contains("expiring") => {}
            vestibule_testkit::Message::Close(code, reason) => {
                assert_eq!((code, reason.as_str()), (4401, "token_expired"));
                return Ok(());
            }
            other => panic!("{other:?}"),
        }
    }
}
