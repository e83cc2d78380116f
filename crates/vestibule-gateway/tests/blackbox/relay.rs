//! After admission bytes pass as they are, in both directions.

use vestibule_testkit::{Echo, Frame, Handshake, Message, Opcode, Role, either_way};

use crate::rig::{Outcome, Rig, close, closed, converse};

const ALL: &str = r#"accept = ["header", "message"]"#;

fn every_frame() -> Vec<Frame> {
    let mut frames = Vec::new();
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
        frames.push(Frame::whole(Opcode::Binary, vec![0xa5; length]));
        frames.push(Frame::whole(Opcode::Text, vec![b'x'; length]));
    }
    frames.push(Frame::part(Opcode::Text, "one"));
    frames.push(Frame::whole(Opcode::Ping, "inside"));
    frames.push(Frame::part(Opcode::Continuation, ""));
    frames.push(Frame::whole(Opcode::Pong, ""));
    frames.push(Frame::whole(Opcode::Continuation, "two"));
    frames.push(Frame::whole(Opcode::Ping, vec![7; 125]));
    frames.push(Frame::whole(Opcode::Text, "sna\u{ef}ve \u{1f980}"));
    frames
}

#[test]
fn every_frame_passes_in_both_directions_as_it_is() -> Outcome {
    let rig = Rig::new(ALL)?;
    for (mut client, mut upstream) in [rig.open(&rig.good()?)?, rig.open_by_message(&rig.token()?)?]
    {
        for frame in every_frame() {
            client.send_frame(&frame)?;
            assert_eq!(upstream.frame()?, frame);
            upstream.send_frame(&frame)?;
            assert_eq!(client.frame()?, frame);
        }
    }
    Ok(())
}

#[test]
fn bytes_pass_one_by_one() -> Outcome {
    let rig = Rig::new(ALL)?;
    let (mut client, mut upstream) = rig.open_by_message(&rig.token()?)?;
    let groups = [
        vec![Frame::whole(Opcode::Text, r#"{"au"#)],
        vec![Frame::whole(Opcode::Text, r#"{"auth"}"#)],
        // It is not known yet whose message begins with these.
        vec![
            Frame::part(Opcode::Text, "{"),
            Frame::part(Opcode::Continuation, ""),
            Frame::part(Opcode::Continuation, r#""aut"#),
            Frame::whole(Opcode::Ping, "?"),
            Frame::whole(Opcode::Continuation, r#"h"}"#),
        ],
        vec![Frame::whole(Opcode::Binary, vec![1; 126])],
    ];
    for frames in groups {
        for byte in frames.iter().flat_map(|frame| frame.bytes(Role::Client)) {
            client.send([byte])?;
        }
        for byte in frames.iter().flat_map(|frame| frame.bytes(Role::Server)) {
            upstream.send([byte])?;
        }
        for peer in [&mut upstream, &mut client] {
            let mut seen = Vec::new();
            for _ in &frames {
                seen.push(peer.frame()?);
            }
            // A control frame may overtake what is held back.
            let data = |frames: &[Frame]| {
                frames.iter().filter(|f| !f.opcode.is_control()).cloned().collect::<Vec<_>>()
            };
            assert_eq!(data(&seen), data(&frames));
            assert_eq!(seen.len(), frames.len());
        }
    }
    Ok(())
}

#[test]
fn a_frame_is_not_held_back_until_it_is_whole() -> Outcome {
    let rig = Rig::new(ALL)?;
    let (mut client, mut upstream) = rig.open(&rig.good()?)?;
    let frame = Frame::whole(Opcode::Binary, vec![9; 5000]);
    let bytes = frame.bytes(Role::Client);
    client.send(&bytes[..2000])?;
    upstream.exactly(2000)?;
    let bytes = frame.bytes(Role::Server);
    upstream.send(&bytes[..2000])?;
    client.exactly(2000)?;
    Ok(())
}

#[test]
fn large_messages_pass_intact_in_both_directions() -> Outcome {
    let echo = Echo::start()?;
    let rig = Rig::with(ALL, |setup| setup.route("/echo", &echo.url(), "accept = [\"header\"]"))?;
    let mut client = rig.send(&Handshake::to("/echo").bearer(&rig.token()?))?;
    client.expect_switch()?;
    let mut state = 1_u32;
    let mut noise = |length: usize| -> Vec<u8> {
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..length).map(next).collect()
    };
    for length in [1 << 16, 1 << 20, 16 << 20] {
        let payload = noise(length);
        client.send_frame(&Frame::whole(Opcode::Binary, payload.clone()))?;
        assert!(client.message()? == Message::Binary(payload), "{length} bytes came back changed");
    }
    Ok(())
}

#[test]
fn close_codes_pass_through_from_both_sides() -> Outcome {
    let rig = Rig::new(ALL)?;
    for code in [1000, 1001, 1011, 3000, 4000, 4999] {
        let (mut client, mut upstream) = rig.open(&rig.good()?)?;
        client.send_frame(&Frame::close(code, "from the client"))?;
        assert_eq!(upstream.message()?, Message::Close(code, "from the client".to_owned()));
        upstream.send_frame(&Frame::close(code, "goodbye"))?;
        upstream.finish()?;
        assert_eq!(client.message()?, Message::Close(code, "goodbye".to_owned()));
        client.end()?;

        let (mut client, mut upstream) = rig.open(&rig.good()?)?;
        upstream.send_frame(&Frame::close(code, "from the upstream"))?;
        assert_eq!(client.message()?, Message::Close(code, "from the upstream".to_owned()));
        client.send_frame(&Frame::close(code, "goodbye"))?;
        assert_eq!(upstream.message()?, Message::Close(code, "goodbye".to_owned()));
        upstream.finish()?;
        client.end()?;
    }
    let (mut client, mut upstream) = rig.open(&rig.good()?)?;
    client.send_frame(&Frame::whole(Opcode::Close, ""))?;
    assert_eq!(upstream.message()?, Message::Close(1005, String::new()));
    Ok(())
}

#[test]
fn the_end_of_one_side_is_the_end_of_the_other() -> Outcome {
    let rig = Rig::new(ALL)?;
    let (client, mut upstream) = rig.open(&rig.good()?)?;
    drop(client);
    while upstream.frame_or_end()?.is_some() {}
    let (mut client, upstream) = rig.open(&rig.good()?)?;
    drop(upstream);
    // What a browser would see as 1006, or a code of the gateway's that says why.
    if let Some(frame) = client.frame_or_end()? {
        assert_eq!(frame.opcode, Opcode::Close, "{frame:?}");
        client.end()?;
    }
    Ok(())
}

#[test]
fn compression_is_agreed_end_to_end_where_the_credential_is_in_the_handshake() -> Outcome {
    let rig = Rig::new(r#"accept = ["header"]"#)?;
    let offer = "permessage-deflate; client_max_window_bits";
    let mut client = rig.send(&rig.good()?.field("Sec-WebSocket-Extensions", offer))?;
    let answer = "permessage-deflate; server_no_context_takeover";
    let (mut upstream, asked) =
        rig.upstream.switch(&format!("Sec-WebSocket-Extensions: {answer}\r\n"))?;
    assert_eq!(asked.one("sec-websocket-extensions"), Some(offer));
    let head = client.expect_switch()?;
    assert_eq!(head.one("sec-websocket-extensions"), Some(answer));
    // "Hello" of RFC 7692 section 7.2.3.1.
    let hello = Frame {
        flags: Frame::FIN | Frame::RSV1,
        opcode: Opcode::Text,
        payload: vec![0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
    };
    client.send_frame(&hello)?;
    assert_eq!(upstream.frame()?, hello);
    upstream.send_frame(&hello)?;
    assert_eq!(client.frame()?, hello);
    Ok(())
}

#[test]
fn compression_is_not_agreed_where_the_route_turns_it_off() -> Outcome {
    let rig = Rig::new("accept = [\"header\"]\ncompression = \"off\"\n")?;
    let offer = rig.good()?.field("Sec-WebSocket-Extensions", "permessage-deflate");
    let mut client = rig.send(&offer)?;
    let (_upstream, asked) = rig.upstream.switch("")?;
    assert_eq!(asked.all("sec-websocket-extensions"), Vec::<&str>::new());
    let head = client.expect_switch()?;
    assert_eq!(head.all("sec-websocket-extensions"), Vec::<&str>::new());
    Ok(())
}

#[test]
fn a_client_that_breaks_the_framing_is_closed() -> Outcome {
    let rig = Rig::new(ALL)?;
    for bad in [
        Frame::whole(Opcode::Text, "x").bytes(Role::Server),
        vec![0x83, 0x80, 0, 0, 0, 0],
        // Compressed, which nobody agreed to: a control message could hide in it.
        vec![0xc1, 0x80, 0, 0, 0, 0],
        vec![0x89, 0xfe, 0x00, 0x7e, 0, 0, 0, 0],
        vec![0x09, 0x80, 0, 0, 0, 0],
    ] {
        let (mut client, mut upstream) = rig.open(&rig.good()?)?;
        client.send_text("good")?;
        upstream.expect_text("good")?;
        client.send(&bad)?;
        assert_eq!(closed(&mut client)?, close(1002, "protocol_error"), "{bad:02x?}");
        while let Some(frame) = upstream.frame_or_end()? {
            assert_eq!(frame.opcode, Opcode::Close);
        }
    }
    Ok(())
}

#[test]
fn nothing_goes_on_behind_a_close() -> Outcome {
    let rig = Rig::new(ALL)?;
    let late = |role| {
        let close = Frame::close(1000, "").bytes(role);
        let text = Frame::whole(Opcode::Text, "late").bytes(role);
        [close, text].concat()
    };
    let (mut client, mut upstream) = rig.open(&rig.good()?)?;
    client.send(late(Role::Client))?;
    assert_eq!(upstream.message()?, Message::Close(1000, String::new()));
    upstream.send_frame(&Frame::close(1000, ""))?;
    upstream.end()?;
    let (mut client, mut upstream) = rig.open(&rig.good()?)?;
    upstream.send(late(Role::Server))?;
    assert_eq!(client.message()?, Message::Close(1000, String::new()));
    client.send_frame(&Frame::close(1000, ""))?;
    client.end()
}

#[test]
fn an_upstream_that_breaks_the_framing_is_cut_off() -> Outcome {
    let rig = Rig::new(ALL)?;
    for bad in [
        Frame::whole(Opcode::Text, "masked").bytes(Role::Client),
        vec![0x83, 0x00],
        vec![0x89, 0x7e, 0x00, 0x7e],
        vec![0x81, 0x7e, 0x00, 0x01, b'x'],
        vec![0xf1, 0x00],
    ] {
        let (mut client, mut upstream) = rig.open_by_message(&rig.token()?)?;
        upstream.send_text("good")?;
        client.expect_text("good")?;
        upstream.send(&bad)?;
        match client.frame_or_end()? {
            None => {}
            Some(frame) => {
                assert_eq!(frame.opcode, Opcode::Close, "{bad:02x?}: {frame:?}");
                either_way(client.send_frame(&frame));
                client.end()?;
            }
        }
        while upstream.frame_or_end()?.is_some() {}
    }
    Ok(())
}

#[test]
fn what_the_upstream_says_is_nobody_else_s() -> Outcome {
    let rig = Rig::new(ALL)?;
    let (mut client, mut upstream) = rig.open_by_message(&rig.token()?)?;
    for text in [r#"{"auth":{"type":"logout"}}"#, r#"{"auth":"#, r#"{"auth":{"type":"accepted"}}"#]
    {
        upstream.send_text(text)?;
        client.expect_text(text)?;
    }
    converse(&mut client, &mut upstream, "still here")
}

#[test]
fn a_message_of_the_gateway_waits_for_the_end_of_the_upstream_s() -> Outcome {
    let rig = Rig::new(ALL)?;
    let (mut client, mut upstream) = rig.open_by_message(&rig.token()?)?;
    let first = Frame::part(Opcode::Text, "the first half, ");
    let last = Frame::whole(Opcode::Continuation, "the second half");
    upstream.send_frame(&first)?;
    assert_eq!(client.frame()?, first);
    client.refresh(&rig.token()?)?;
    client.send_text("the refresh was read")?;
    upstream.expect_text("the refresh was read")?;
    upstream.send_frame(&last)?;
    assert_eq!(client.frame()?, last);
    client.expect_auth("accepted")?;
    Ok(())
}

#[test]
fn many_connections_do_not_mix() -> Outcome {
    let rig = Rig::with(ALL, |setup| setup.server("workers = 2"))?;
    let mut pairs = Vec::new();
    for number in 0..40 {
        let pair = match number % 2 {
            0 => rig.open(&rig.good()?)?,
            _ => rig.open_by_message(&rig.token()?)?,
        };
        pairs.push(pair);
    }
    for round in 0..5 {
        for (number, (client, _)) in pairs.iter_mut().enumerate() {
            client.send_text(&format!("{number} in round {round}"))?;
        }
        for (number, (client, upstream)) in pairs.iter_mut().enumerate().rev() {
            let text = format!("{number} in round {round}");
            upstream.expect_text(&text)?;
            converse(client, upstream, &text)?;
        }
    }
    Ok(())
}
