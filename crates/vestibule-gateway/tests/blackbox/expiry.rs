//! An authenticated connection is as authenticated as its credential still is (invariant 2).

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use vestibule_testkit::{
    Frame, Handshake, Message, Opcode, Peer, Role, accept_of, either_way, eventually,
};

use crate::rig::{Outcome, Rig, close, closed, converse, http, no};

const AT_ONCE: &str = "accept = [\"header\", \"message\"]\nexpiry_grace = \"0s\"\n";

/// Long enough to connect on a busy machine, short enough to wait for.
const SHORT: f64 = 3.0;

/// Writes `before` again and again, and `after` once `over` is set, until the other side is gone.
fn flood(peer: &Peer, before: Vec<u8>, after: Vec<u8>, over: Arc<AtomicBool>) -> Outcome {
    let mut tcp = peer.tcp().try_clone()?;
    thread::spawn(move || {
        while !over.load(Ordering::SeqCst) && tcp.write_all(&before).is_ok() {}
        while tcp.write_all(&after).is_ok() {}
    });
    Ok(())
}

#[test]
fn after_expiry_not_a_byte_flows_in_either_direction() -> Outcome {
    let rig = Rig::new(AT_ONCE)?;
    let token = rig.issuer.token_for("alice", SHORT)?;
    let (mut client, mut upstream) = rig.open(&Handshake::to("/ws").bearer(&token))?;
    let (client_over, upstream_over) = (Arc::default(), Arc::default());
    let bytes = |payload: Vec<u8>, role| Frame::whole(Opcode::Binary, payload).bytes(role);
    flood(
        &client,
        bytes(vec![b'c'; 900], Role::Client),
        bytes(b"LATE".to_vec(), Role::Client),
        Arc::clone(&client_over),
    )?;
    flood(
        &upstream,
        bytes(vec![b'u'; 70_000], Role::Server),
        bytes(b"LATE".to_vec(), Role::Server),
        Arc::clone(&upstream_over),
    )?;
    let behind = thread::spawn(move || -> anyhow::Result<usize> {
        let mut count = 0;
        loop {
            match upstream.frame_or_end() {
                Ok(Some(frame)) if frame.opcode == Opcode::Close => break,
                Ok(Some(frame)) => {
                    assert_eq!(frame, Frame::whole(Opcode::Binary, vec![b'c'; 900]));
                }
                Ok(None) => break,
                // What the client had begun is not completed.
                Err(cut) if cut.to_string() == "the end inside a frame" => break,
                Err(error) => return Err(error),
            }
            count += 1;
        }
        upstream_over.store(true, Ordering::SeqCst);
        let rest = upstream.rest()?;
        assert!(!rest.windows(4).any(|four| four == b"LATE"));
        Ok(count)
    });
    let mut count = 0;
    loop {
        let frame = client.frame()?;
        if frame.opcode == Opcode::Close {
            assert_eq!(frame, Frame::close(4401, "token_expired"));
            break;
        }
        assert_eq!(frame, Frame::whole(Opcode::Binary, vec![b'u'; 70_000]));
        count += 1;
    }
    client_over.store(true, Ordering::SeqCst);
    client.end()?;
    assert!(count > 0);
    assert!(behind.join().unwrap()? > 0);
    Ok(())
}

#[test]
fn a_close_at_expiry_waits_for_the_end_of_a_begun_frame() -> Outcome {
    let rig = Rig::new(AT_ONCE)?;
    let (mut client, mut upstream) = open_until(&rig, "alice", SHORT)?;
    let (mut witness, _other) = open_until(&rig, "witness", SHORT)?;
    let frame = Frame::whole(Opcode::Binary, vec![b'u'; 1000]);
    let bytes = frame.bytes(Role::Server);
    upstream.send(&bytes[..500])?;
    assert_eq!(closed(&mut witness)?, close(4401, "token_expired"));
    either_way(upstream.send([&bytes[500..], &bytes].concat()));
    // Either the frame came to its end in the time it had, and a close stands behind it; or it did
    // not, and nothing does. In no case does a close stand inside it, or another frame behind it.
    match client.frame_or_end() {
        Ok(Some(seen)) if seen == frame => {
            assert_eq!(client.message()?, Message::Close(4401, "token_expired".to_owned()));
            client.end()?;
        }
        Ok(other) => panic!("{other:?}"),
        Err(cut) => assert!(cut.to_string().contains("the end inside a frame"), "{cut}"),
    }
    Ok(())
}

#[test]
fn a_frame_that_never_ends_does_not_outlive_the_credential() -> Outcome {
    let rig = Rig::new(AT_ONCE)?;
    let (mut client, mut upstream) = open_until(&rig, "alice", SHORT)?;
    upstream.send([0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0, b'u', b'u'])?;
    // The header and two bytes, and then the end: no close can be written inside of a frame.
    assert_eq!(client.rest()?, [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0, b'u', b'u']);
    either_way(upstream.rest());
    Ok(())
}

#[test]
fn a_message_in_fragments_is_cut_between_them() -> Outcome {
    let rig = Rig::new(AT_ONCE)?;
    let (mut client, mut upstream) = open_until(&rig, "alice", SHORT)?;
    upstream.send_frame(&Frame::part(Opcode::Text, "the first half"))?;
    assert_eq!(client.frame()?, Frame::part(Opcode::Text, "the first half"));
    assert_eq!(client.frame()?, Frame::close(4401, "token_expired"));
    Ok(())
}

#[test]
fn a_client_that_does_not_answer_the_close_is_cut_off() -> Outcome {
    let rig = Rig::new(AT_ONCE)?;
    let (mut client, mut upstream) = open_until(&rig, "alice", SHORT)?;
    assert_eq!(client.frame()?, Frame::close(4401, "token_expired"));
    client.end()?;
    while upstream.frame_or_end()?.is_some() {}
    Ok(())
}

#[test]
fn a_connection_outlives_its_credential_by_the_grace_and_no_longer() -> Outcome {
    let rig = Rig::with(AT_ONCE, |setup| setup)?;
    let graced = Rig::new("accept = [\"header\"]\nexpiry_grace = \"1m\"\n")?;
    let token = graced.issuer.token_for("alice", SHORT)?;
    let (mut client, mut upstream) = graced.open(&Handshake::to("/ws").bearer(&token))?;
    let (mut witness, _other) = open_until(&rig, "witness", SHORT)?;
    assert_eq!(closed(&mut witness)?, close(4401, "token_expired"));
    converse(&mut client, &mut upstream, "still here")?;
    // Nobody new gets in by it.
    let mut late = graced.send(&Handshake::to("/ws").bearer(&token))?;
    assert_eq!(no(&mut late)?, http(401, "token_expired"));
    Ok(())
}

#[test]
fn a_credential_that_ends_while_the_upstream_thinks_opens_nothing() -> Outcome {
    let rig = Rig::new(AT_ONCE)?;
    let token = rig.issuer.token_for("alice", SHORT)?;
    let mut by_header = rig.send(&Handshake::to("/ws").bearer(&token))?;
    let (mut first, first_head) = rig.upstream.request()?;
    let mut by_message = rig.wait_at_the_door()?;
    by_message.authenticate(&token)?;
    by_message.send_text("early")?;
    let (mut second, second_head) = rig.upstream.request()?;
    let (mut witness, _other) = rig.open(&Handshake::to("/ws").bearer(&token))?;
    assert_eq!(closed(&mut witness)?, close(4401, "token_expired"));
    for (upstream, head) in [(&mut first, first_head), (&mut second, second_head)] {
        let accept = accept_of(head.one("sec-websocket-key").unwrap());
        let text = Frame::whole(Opcode::Text, "too late").bytes(Role::Server);
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        either_way(upstream.send([answer.as_bytes(), &text].concat()));
    }
    let said = no(&mut by_header)?;
    assert!(said == http(401, "token_expired") || said == close(4401, "token_expired"), "{said:?}");
    let mut message = by_message.message()?;
    // It may have been `accepted` for no time at all.
    while matches!(&message, Message::Text(text) if text.starts_with(r#"{"auth":"#)) {
        message = by_message.message()?;
    }
    assert_eq!(message, Message::Close(4401, "token_expired".to_owned()));
    for upstream in [&mut first, &mut second] {
        while let Some(frame) = upstream.frame_or_end()? {
            assert_eq!(frame.opcode, Opcode::Close, "{frame:?}");
        }
    }
    Ok(())
}

#[test]
fn the_end_is_announced_to_those_who_speak_in_band() -> Outcome {
    let rig = Rig::new(&format!("{AT_ONCE}expiry_warning = \"2s\"\n"))?;
    let token = rig.issuer.token_for("alice", SHORT)?;
    let (mut client, _upstream) = rig.open_by_message(&token)?;
    let expiring = client.expect_auth("expiring")?;
    assert!(expiring["expires_in"].as_u64().unwrap() <= 2, "{expiring}");
    assert_eq!(closed(&mut client)?, close(4401, "token_expired"));
    Ok(())
}

#[test]
fn the_end_is_announced_where_the_route_announces() -> Outcome {
    let rig = Rig::new(&format!("{AT_ONCE}expiry_warning = \"2s\"\nannounce = true\n"))?;
    let (mut client, _upstream) = open_until(&rig, "alice", SHORT)?;
    let accepted = client.expect_auth("accepted")?;
    assert_eq!(accepted["subject"], "alice");
    client.expect_auth("expiring")?;
    assert_eq!(closed(&mut client)?, close(4401, "token_expired"));
    Ok(())
}

#[test]
fn nothing_is_announced_to_those_who_would_not_understand_it() -> Outcome {
    let rig = Rig::new(&format!("{AT_ONCE}expiry_warning = \"2s\"\n"))?;
    let (mut client, _upstream) = open_until(&rig, "alice", SHORT)?;
    assert_eq!(closed(&mut client)?, close(4401, "token_expired"));
    Ok(())
}

#[test]
fn a_connection_has_the_lifetime_that_the_route_gives_it() -> Outcome {
    let rig = Rig::new("accept = [\"header\"]\nmax_lifetime = \"1s\"\n")?;
    let (mut client, mut upstream) = rig.open(&rig.good()?)?;
    assert_eq!(closed(&mut client)?, close(1001, "lifetime_reached"));
    while upstream.frame_or_end()?.is_some() {}
    Ok(())
}

#[test]
fn silence_ends_a_connection_where_the_route_says_so() -> Outcome {
    let rig = Rig::new("accept = [\"header\"]\nidle_timeout = \"1s\"\n")?;
    let (mut client, mut upstream) = rig.open(&rig.good()?)?;
    converse(&mut client, &mut upstream, "hello")?;
    assert_eq!(closed(&mut client)?, close(1001, "idle_timeout"));
    while upstream.frame_or_end()?.is_some() {}
    Ok(())
}

#[test]
fn one_direction_alone_keeps_a_connection_from_being_idle() -> Outcome {
    let rig = Rig::new("accept = [\"header\"]\nidle_timeout = \"2s\"\n")?;
    let (mut talking, mut hearing) = rig.open(&rig.good()?)?;
    let (mut silent, _other) = rig.open(&rig.good()?)?;
    silent.tcp().set_nonblocking(true)?;
    // The one that says something outlives the one that does not.
    eventually("the silent one is closed", || {
        talking.send_text("tick")?;
        hearing.expect_text("tick")?;
        Ok(silent.frame_or_end().is_ok())
    })?;
    converse(&mut talking, &mut hearing, "still here")
}

#[test]
fn a_close_code_can_be_mapped_to_a_registered_one() -> Outcome {
    let rig = Rig::new(&format!("{AT_ONCE}close_codes = {{ 4401 = 3000 }}\n"))?;
    let (mut client, _upstream) = open_until(&rig, "alice", SHORT)?;
    assert_eq!(closed(&mut client)?, close(3000, "token_expired"));
    Ok(())
}

/// Both ends of a connection by header whose token ends so many seconds from now.
fn open_until(rig: &Rig, subject: &str, seconds: f64) -> anyhow::Result<(Peer, Peer)> {
    let token = rig.issuer.token_for(subject, seconds)?;
    rig.open(&Handshake::to("/ws").bearer(&token))
}
