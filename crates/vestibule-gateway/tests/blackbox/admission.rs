//! Before authentication nothing is dialled, and not a byte of the client's reaches anybody
//! (invariant 1).

use vestibule_testkit::{Frame, Handshake, Opcode, Role};

use crate::rig::{Outcome, Rig, close, closed, http, no};

const ALL: &str = r#"accept = ["header", "message"]"#;

fn text(text: &str) -> Vec<u8> {
    Frame::whole(Opcode::Text, text).bytes(Role::Client)
}

#[test]
fn nobody_is_dialled_for_a_client_without_a_credential() -> Outcome {
    let rig = Rig::new(r#"accept = ["header"]"#)?;
    let mut client = rig.send(&Handshake::to("/ws"))?;
    assert_eq!(no(&mut client)?, http(401, "credential_required"));
    rig.expect_undialled()
}

#[test]
fn nobody_is_dialled_for_a_client_with_a_bad_token() -> Outcome {
    let rig = Rig::new(ALL)?;
    let mut client = rig.send(&Handshake::to("/ws").bearer(&rig.issuer.forged("alice")?))?;
    assert_eq!(no(&mut client)?, http(401, "invalid_token"));
    rig.expect_undialled()
}

#[test]
fn nobody_is_dialled_while_a_first_message_is_awaited() -> Outcome {
    let rig = Rig::new(ALL)?;
    let mut silent = rig.wait_at_the_door()?;
    let mut half = rig.wait_at_the_door()?;
    half.send(&text(&format!(r#"{{"auth":{{"token":"{}"#, rig.token()?))[..40])?;
    let mut pinging = rig.wait_at_the_door()?;
    pinging.send_frame(&Frame::whole(Opcode::Ping, "anybody?"))?;
    assert_eq!(pinging.frame()?, Frame::whole(Opcode::Pong, "anybody?"));
    let mut refused = rig.wait_at_the_door()?;
    refused.authenticate(&rig.issuer.forged("alice")?)?;
    refused.expect_auth("rejected")?;
    rig.expect_undialled()?;
    silent.send_frame(&Frame::close(1000, ""))?;
    silent.expect_close(1000)?;
    Ok(())
}

#[test]
fn nobody_is_dialled_for_a_head_that_is_not_complete() -> Outcome {
    let rig = Rig::new(ALL)?;
    let bytes = rig.good()?.bytes();
    let mut client = rig.gateway.connect()?;
    client.send(&bytes[..bytes.len() - 2])?;
    rig.expect_undialled()?;
    client.send(&bytes[bytes.len() - 2..])?;
    let (_upstream, head) = rig.upstream.switch("")?;
    assert_eq!(head.target(), "/ws");
    client.expect_switch()?;
    Ok(())
}

#[test]
fn bytes_behind_a_refused_handshake_reach_nobody() -> Outcome {
    for route in [r#"accept = ["header"]"#, ALL] {
        let rig = Rig::new(route)?;
        let forged = rig.issuer.forged("alice")?;
        let second = rig.good()?.bytes();
        let bytes = [Handshake::to("/ws").bearer(&forged).bytes(), text("secret"), second].concat();
        let mut client = rig.gateway.connect()?;
        client.send(bytes)?;
        assert_eq!(no(&mut client)?, http(401, "invalid_token"));
        rig.expect_undialled()?;
    }
    Ok(())
}

#[test]
fn data_before_the_first_message_ends_the_connection() -> Outcome {
    let rig = Rig::new(ALL)?;
    let good = format!(
        r#"{{"auth":{{"type":"authenticate","mechanism":"bearer","token":"{}"}}}}"#,
        rig.token()?
    );
    let binary = |payload: &str| Frame::whole(Opcode::Binary, payload).bytes(Role::Client);
    let part = |opcode, payload: &str| Frame::part(opcode, payload).bytes(Role::Client);
    let attacks: [Vec<u8>; 7] = [
        text("hello"),
        text(""),
        text(&format!("{good}{{}}")),
        binary("hello"),
        binary(&good),
        part(Opcode::Binary, "hel"),
        [part(Opcode::Text, "he"), Frame::whole(Opcode::Continuation, "llo").bytes(Role::Client)]
            .concat(),
    ];
    for attack in attacks {
        // A good authentication right behind comes too late.
        let bytes = [Handshake::to("/ws").bytes(), attack.clone(), text(&good), text("secret")];
        let mut client = rig.gateway.connect()?;
        client.send(bytes.concat())?;
        client.expect_switch()?;
        assert_eq!(closed(&mut client)?, close(4400, "invalid_request"), "{attack:02x?}");
    }
    rig.expect_undialled()
}

#[test]
fn broken_frames_before_the_first_message_end_the_connection() -> Outcome {
    let rig = Rig::new(ALL)?;
    let unmasked = Frame::whole(Opcode::Text, "x").bytes(Role::Server);
    let reserved = [0xf1, 0x80, 0, 0, 0, 0].to_vec();
    let opcode = [0x83, 0x80, 0, 0, 0, 0].to_vec();
    let continuation = Frame::whole(Opcode::Continuation, "x").bytes(Role::Client);
    let long_ping = [0x89, 0xfe, 0x00, 0x7e, 0, 0, 0, 0].to_vec();
    let half_close = Frame::whole(Opcode::Close, [3]).bytes(Role::Client);
    for attack in [unmasked, reserved, opcode, continuation, long_ping, half_close] {
        let mut client = rig.wait_at_the_door()?;
        client.send(&attack)?;
        assert_eq!(closed(&mut client)?, close(1002, "protocol_error"), "{attack:02x?}");
    }
    rig.expect_undialled()
}

#[test]
fn data_right_behind_a_good_authenticate_arrives_whole_and_in_order() -> Outcome {
    let rig = Rig::new(ALL)?;
    let mut frames = Vec::new();
    for number in 0..50 {
        frames.push(Frame::whole(Opcode::Text, format!("message {number}")));
    }
    frames.push(Frame::part(Opcode::Binary, vec![7; 300]));
    frames.push(Frame::whole(Opcode::Ping, "between"));
    frames.push(Frame::whole(Opcode::Continuation, vec![8; 70_000]));
    let token = rig.token()?;
    let authenticate = text(&format!(
        r#"{{"auth":{{"type":"authenticate","mechanism":"bearer","token":"{token}"}}}}"#
    ));
    let behind: Vec<u8> = frames.iter().flat_map(|frame| frame.bytes(Role::Client)).collect();
    let mut client = rig.gateway.connect()?;
    client.send([Handshake::to("/ws").bytes(), authenticate, behind].concat())?;
    client.expect_switch()?;
    let (mut upstream, head) = rig.upstream.switch("")?;
    assert!(!head.mentions(&token), "{head}");
    client.expect_auth("accepted")?;
    for frame in frames {
        assert_eq!(upstream.frame()?, frame);
    }
    Ok(())
}

#[test]
fn data_behind_a_refused_authenticate_is_not_forgiven_by_a_good_one() -> Outcome {
    let rig = Rig::new(ALL)?;
    let mut client = rig.wait_at_the_door()?;
    client.authenticate(&rig.issuer.forged("alice")?)?;
    client.send_text("secret")?;
    client.expect_auth("rejected")?;
    assert_eq!(closed(&mut client)?, close(4400, "invalid_request"));
    rig.expect_undialled()
}

#[test]
fn everything_may_come_byte_by_byte() -> Outcome {
    let rig = Rig::new(ALL)?;
    let token = rig.token()?;
    let authenticate =
        format!(r#"{{"auth":{{"type":"authenticate","mechanism":"bearer","token":"{token}"}}}}"#);
    let bytes = [Handshake::to("/ws").bytes(), text(&authenticate), text("hello")].concat();
    let mut client = rig.gateway.connect()?;
    for byte in bytes {
        client.send([byte])?;
    }
    client.expect_switch()?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    upstream.expect_text("hello")?;
    for byte in Frame::whole(Opcode::Text, vec![b'x'; 200]).bytes(Role::Server) {
        upstream.send([byte])?;
    }
    client.expect_text(&"x".repeat(200))
}

#[test]
fn what_the_upstream_sends_with_its_answer_comes_after_the_answer_to_the_client() -> Outcome {
    let rig = Rig::new(ALL)?;
    let early: Vec<u8> = ["one", "two"]
        .iter()
        .flat_map(|text| Frame::whole(Opcode::Text, *text).bytes(Role::Server))
        .collect();
    let answer = |key: &str| {
        let accept = vestibule_testkit::accept_of(key);
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        [head.into_bytes(), early.clone()].concat()
    };

    let mut by_header = rig.send(&rig.good()?)?;
    let (mut upstream, head) = rig.upstream.request()?;
    upstream.send(answer(head.one("sec-websocket-key").unwrap()))?;
    by_header.expect_switch()?;
    by_header.expect_text("one")?;
    by_header.expect_text("two")?;

    let mut by_message = rig.wait_at_the_door()?;
    by_message.authenticate(&rig.token()?)?;
    let (mut upstream, head) = rig.upstream.request()?;
    upstream.send(answer(head.one("sec-websocket-key").unwrap()))?;
    by_message.expect_auth("accepted")?;
    by_message.expect_text("one")?;
    by_message.expect_text("two")
}
