//! Waiting is the one thing that strangers may do, so it is bounded in time, bytes, messages and
//! places (invariant 9).

use std::io::Write as _;

use vestibule_testkit::{Frame, Handshake, Message, Opcode, Peer, Role, either_way, eventually};

use crate::rig::{Outcome, Rig, close, closed, http, no};

const QUICK: &str = "accept = [\"header\", \"message\"]\nauth_deadline = \"1s\"\n";

#[test]
fn a_client_that_says_nothing_is_closed_at_the_deadline() -> Outcome {
    let rig = Rig::new(QUICK)?;
    let mut client = rig.wait_at_the_door()?;
    assert_eq!(closed(&mut client)?, close(4408, "auth_timeout"));
    rig.expect_undialled()
}

#[test]
fn pings_and_attempts_do_not_move_the_deadline() -> Outcome {
    let rig = Rig::new(QUICK)?;
    let mut client = rig.wait_at_the_door()?;
    client.authenticate(&rig.issuer.forged("alice")?)?;
    client.expect_auth("rejected")?;
    loop {
        client.send_frame(&Frame::whole(Opcode::Ping, "?"))?;
        match client.message()? {
            Message::Pong(payload) => assert_eq!(payload, b"?"),
            Message::Close(code, reason) => {
                assert_eq!((code, reason.as_str()), (4408, "auth_timeout"));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    rig.expect_undialled()
}

#[test]
fn a_message_that_never_ends_is_closed_at_the_deadline() -> Outcome {
    let rig = Rig::new(QUICK)?;
    let mut client = rig.wait_at_the_door()?;
    client.send_frame(&Frame::part(Opcode::Text, r#"{"auth":"#))?;
    assert_eq!(closed(&mut client)?, close(4408, "auth_timeout"));
    Ok(())
}

#[test]
fn a_flood_of_empty_fragments_ends() -> Outcome {
    let rig = Rig::new(QUICK)?;
    let before = rig.gateway.memory()?;
    let mut client = rig.wait_at_the_door()?;
    client.send_frame(&Frame::part(Opcode::Text, ""))?;
    let empty = Frame::part(Opcode::Continuation, "").bytes(Role::Client).repeat(1000);
    flood_until_closed(&client, &empty)?;
    assert!(rig.gateway.memory()? < before + 16 * 1024);
    rig.expect_undialled()
}

#[test]
fn a_flood_of_pings_that_reads_no_answer_ends() -> Outcome {
    let rig = Rig::new(QUICK)?;
    let before = rig.gateway.memory()?;
    let client = rig.wait_at_the_door()?;
    let pings = Frame::whole(Opcode::Ping, vec![b'p'; 125]).bytes(Role::Client).repeat(1000);
    flood_until_closed(&client, &pings)?;
    assert!(rig.gateway.memory()? < before + 16 * 1024);
    rig.expect_undialled()
}

#[test]
fn a_message_over_the_limit_ends_the_connection() -> Outcome {
    let rig = Rig::new(QUICK)?;
    let long = vec![b' '; 16 * 1024 + 1];
    let whole = Frame::whole(Opcode::Text, long.clone()).bytes(Role::Client);
    // The length alone is enough: the payload does not have to come.
    let announced = whole[..8].to_vec();
    let huge = [0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0].to_vec();
    let in_pieces = [
        Frame::part(Opcode::Text, long[..16 * 1024].to_vec()).bytes(Role::Client),
        Frame::part(Opcode::Continuation, " ").bytes(Role::Client),
    ];
    for attack in [whole, announced, huge, in_pieces.concat()] {
        let mut client = rig.wait_at_the_door()?;
        client.send(&attack)?;
        assert_eq!(closed(&mut client)?, close(4400, "invalid_request"));
    }
    rig.expect_undialled()
}

#[test]
fn random_bytes_do_not_end_the_process() -> Outcome {
    let mut rig = Rig::new(QUICK)?;
    let mut state = 0x2545_f491_u32;
    let mut noise = |length: usize| -> Vec<u8> {
        let next = |_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_be_bytes()[0]
        };
        (0..length).map(next).collect()
    };
    let (mut honest, mut upstream) = rig.open(&rig.good()?)?;
    for round in 0..60 {
        // As a head, as the first frames, and as the frames of both sides of an open connection.
        let bytes = noise(1 + round * 7);
        let mut head = rig.gateway.connect()?;
        head.send(&bytes)?;
        let mut first = rig.wait_at_the_door()?;
        first.send(&bytes)?;
        let (mut client, mut behind) = rig.open(&rig.good()?)?;
        match round % 2 {
            0 => client.send(&bytes)?,
            _ => behind.send(&bytes)?,
        }
        for peer in [&mut head, &mut first, &mut client, &mut behind] {
            either_way(peer.finish());
            peer.rest()?;
        }
    }
    crate::rig::converse(&mut honest, &mut upstream, "still here")?;
    drop((honest, upstream));
    rig.gateway.terminate()?;
    assert!(rig.gateway.wait()?.success());
    assert!(!rig.gateway.log().text().contains("panick"));
    Ok(())
}

#[test]
fn a_head_that_does_not_end_is_cut() -> Outcome {
    let rig = Rig::new(QUICK)?;
    let mut client = rig.gateway.connect()?;
    client.send("GET /ws HTTP/1.1\r\nHost: localhost\r\n")?;
    let head = client.head()?;
    assert_eq!(head.status(), 408);
    client.body(&head)?;
    client.end()?;
    rig.expect_undialled()
}

#[test]
fn a_head_over_the_limit_is_refused_at_once() -> Outcome {
    let rig = Rig::new(QUICK)?;
    let long_field = format!("GET /ws HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(17_000));
    let many_fields = format!("GET /ws HTTP/1.1\r\n{}", "X: y\r\n".repeat(100));
    let endless_line = "x".repeat(17_000);
    for attack in [long_field, many_fields, endless_line] {
        let mut client = rig.gateway.connect()?;
        client.send(&attack)?;
        let head = client.head()?;
        assert!(matches!(head.status(), 400 | 431), "{head}");
    }
    rig.expect_undialled()
}

#[test]
fn an_address_has_so_many_places_and_gets_them_back() -> Outcome {
    let rig = Rig::with("accept = [\"header\", \"message\"]\nauth_deadline = \"1m\"\n", |setup| {
        setup.server("workers = 1\npending_per_address = 3")
    })?;
    let mut waiting = (0..3).map(|_| rig.wait_at_the_door()).collect::<anyhow::Result<Vec<_>>>()?;
    let mut fourth = rig.send(&Handshake::to("/ws"))?;
    assert_eq!(no(&mut fourth)?, http(429, "too_many_connections"));
    // One that is let in waits no longer, and holds no place.
    let mut admitted = waiting.pop().unwrap();
    admitted.authenticate(&rig.token()?)?;
    let (_upstream, _) = rig.upstream.switch("")?;
    admitted.expect_auth("accepted")?;
    waiting.push(rig.wait_at_the_door()?);
    // One that leaves gives its place back.
    drop(waiting.pop());
    eventually("a place is free again", || Ok(rig.wait_at_the_door().is_ok()))
}

#[test]
fn all_addresses_together_have_so_many_places() -> Outcome {
    let rig = Rig::with("accept = [\"message\"]\nauth_deadline = \"1m\"\n", |setup| {
        setup.server("workers = 1\npending = 2")
    })?;
    let _waiting = [rig.wait_at_the_door()?, rig.wait_at_the_door()?];
    let mut third = rig.send(&Handshake::to("/ws"))?;
    assert_eq!(no(&mut third)?, http(429, "too_many_connections"));
    Ok(())
}

#[test]
fn clients_behind_a_trusted_proxy_are_counted_by_their_own_address() -> Outcome {
    let rig = Rig::with("accept = [\"message\"]\nauth_deadline = \"1m\"\n", |setup| {
        setup.server("workers = 1\npending_per_address = 1\ntrusted_proxies = [\"127.0.0.0/8\"]")
    })?;
    let from = |address: &str| Handshake::to("/ws").field("X-Forwarded-For", address);
    let mut first = rig.send(&from("203.0.113.1"))?;
    first.expect_switch()?;
    let mut other = rig.send(&from("203.0.113.2"))?;
    other.expect_switch()?;
    let mut again = rig.send(&from("203.0.113.1"))?;
    assert_eq!(no(&mut again)?, http(429, "too_many_connections"));
    Ok(())
}

#[test]
fn an_address_cannot_make_itself_another_one() -> Outcome {
    let rig = Rig::with("accept = [\"message\"]\nauth_deadline = \"1m\"\n", |setup| {
        setup.server("workers = 1\npending_per_address = 1")
    })?;
    let from = |address: &str| Handshake::to("/ws").field("X-Forwarded-For", address);
    let mut first = rig.send(&from("203.0.113.1"))?;
    first.expect_switch()?;
    let mut again = rig.send(&from("203.0.113.2"))?;
    assert_eq!(no(&mut again)?, http(429, "too_many_connections"));
    Ok(())
}

#[test]
fn a_waiting_client_costs_almost_no_memory() -> Outcome {
    const MANY: u64 = 300;
    let rig = Rig::with("accept = [\"message\"]\nauth_deadline = \"1m\"\n", |setup| {
        setup
            .server("workers = 1\npending_per_address = 1000")
            .level("warn,vestibule_gateway::serve=info")
    })?;
    let _first = (0..MANY).map(|_| rig.wait_at_the_door()).collect::<anyhow::Result<Vec<_>>>()?;
    let before = rig.gateway.memory()?;
    let _second = (0..MANY).map(|_| rig.wait_at_the_door()).collect::<anyhow::Result<Vec<_>>>()?;
    let each = (rig.gateway.memory()?.saturating_sub(before)) / MANY;
    assert!(each <= 16, "{each} KiB for each");
    Ok(())
}

/// Writes until the gateway has closed the connection.
fn flood_until_closed(client: &Peer, bytes: &[u8]) -> Outcome {
    let mut tcp = client.tcp();
    loop {
        match tcp.write_all(bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                anyhow::bail!("neither read nor closed")
            }
            Err(_) => return Ok(()),
        }
    }
}
