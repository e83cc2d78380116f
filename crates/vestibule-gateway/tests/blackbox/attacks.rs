//! Ways to get more out of the gateway than one has a right to, each of which worked once.

use std::{
    io::Write as _,
    net::{IpAddr, SocketAddr, TcpStream},
};

use serde_json::json;
use vestibule_testkit::{Frame, Handshake, Message, Opcode, Role, eventually, with};

use crate::rig::{Outcome, Rig, close, closed, http, no};

#[test]
fn a_ping_for_every_few_bytes_is_not_an_answer_for_every_few_bytes() -> Outcome {
    let rig = Rig::new("accept = [\"message\"]\n")?;
    let mut client = rig.wait_at_the_door()?;
    let pings = Frame::whole(Opcode::Ping, "").bytes(Role::Client).repeat(5000);
    let last = Frame::whole(Opcode::Ping, "last").bytes(Role::Client);
    client.send([pings, last].concat())?;
    let mut answers = 0;
    loop {
        let Message::Pong(payload) = client.message()? else { anyhow::bail!("not a pong") };
        if payload == b"last" {
            break;
        }
        answers += 1;
    }
    assert!(answers < 500, "{answers} answers");
    Ok(())
}

#[test]
fn what_says_nothing_before_admission_has_a_budget_too() -> Outcome {
    const BUDGET: usize = 1024 * 1024;
    let rig = Rig::new("accept = [\"message\"]\nauth_deadline = \"20s\"\n")?;
    let mut client = rig.wait_at_the_door()?;
    client.send_frame(&Frame::part(Opcode::Text, ""))?;
    let empty = Frame::part(Opcode::Continuation, "").bytes(Role::Client);
    client.send(empty.repeat(BUDGET / empty.len() + 1))?;
    assert_eq!(closed(&mut client)?, close(4429, "too_many_attempts"));
    rig.expect_undialled()
}

#[test]
fn those_who_are_too_many_do_not_take_a_socket_each() -> Outcome {
    const MANY: usize = 1200;
    let rig = Rig::with("accept = [\"message\"]\nauth_deadline = \"1m\"\n", |setup| {
        setup.server("workers = 1\npending_per_address = 1")
    })?;
    let _waiting = rig.wait_at_the_door()?;
    let before = rig.gateway.descriptors()?;
    let silent = (0..MANY)
        .map(|_| TcpStream::connect(rig.gateway.address()))
        .collect::<Result<Vec<_>, _>>()?;
    let series = "vestibule_decisions_total{route=\"\",outcome=\"too_many_connections\"}";
    let mut most = 0;
    eventually("all were refused", || {
        most = most.max(rig.gateway.descriptors()?);
        Ok(rig.gateway.metric(series)? >= 1200)
    })?;
    assert!(most < before + 400, "{most} descriptors");
    drop(silent);
    // Whoever reads is told why.
    let mut late = rig.send(&Handshake::to("/ws"))?;
    assert_eq!(no(&mut late)?, http(429, "too_many_connections"));
    Ok(())
}

#[test]
fn a_trusted_proxy_has_no_more_connections_without_a_head_than_there_are_places() -> Outcome {
    let rig = Rig::with("accept = [\"message\"]\n", |setup| {
        setup.server("workers = 1\npending = 2\ntrusted_proxies = [\"127.0.0.0/8\"]")
    })?;
    let unfinished = b"GET /ws HTTP/1.1\r\n";
    let mut silent = [rig.gateway.connect()?, rig.gateway.connect()?];
    for peer in &mut silent {
        peer.tcp().write_all(unfinished)?;
    }
    eventually("both wait", || Ok(rig.gateway.metric("vestibule_pending")? >= 2))?;
    let from = |address: &str| Handshake::to("/ws").field("X-Forwarded-For", address);
    let mut third = rig.send(&from("203.0.113.3"))?;
    assert_eq!(no(&mut third)?, http(429, "too_many_connections"));
    // A place among all is exchanged for one of the client's own.
    drop(silent);
    eventually("the places are free", || Ok(rig.gateway.metric("vestibule_pending")? < 1))?;
    let mut waiting = [rig.send(&from("203.0.113.1"))?, rig.send(&from("203.0.113.2"))?];
    for client in &mut waiting {
        client.expect_switch()?;
    }
    Ok(())
}

#[test]
fn nobody_is_let_in_whose_credential_ended_while_the_upstream_thought() -> Outcome {
    let rig = Rig::new("accept = [\"header\", \"message\"]\nexpiry_grace = \"0s\"\n")?;
    let mut client =
        rig.send(&Handshake::to("/ws").bearer(&rig.issuer.token_for("alice", 1.0)?))?;
    let (mut thinking, _) = rig.upstream.request()?;
    assert_eq!(no(&mut client)?, http(401, "token_expired"));
    thinking.end()?;
    let mut client = rig.wait_at_the_door()?;
    client.authenticate(&rig.issuer.token_for("alice", 1.0)?)?;
    let (mut thinking, _) = rig.upstream.request()?;
    assert_eq!(closed(&mut client)?, close(4401, "token_expired"));
    thinking.end()
}

#[test]
fn a_claim_is_read_as_one_value_by_whoever_splits_or_trims_its_field() -> Outcome {
    let rig = Rig::new("accept = [\"header\"]\nidentity = \"oauth2-proxy\"\n")?;
    let claims = with(rig.issuer.claims(" alice "), "groups", json!(["a,admin", "b c"]));
    let head = rig.asked(&Handshake::to("/ws").bearer(&rig.issuer.sign(&claims)?))?;
    assert_eq!(head.one("x-forwarded-user"), Some("%20alice%20"));
    assert_eq!(head.one("x-forwarded-groups"), Some("a%2Cadmin,b c"));
    let rig = Rig::new("accept = [\"header\"]\n")?;
    let claims = with(rig.issuer.claims("alice"), "scope", json!(["chat", "read admin"]));
    let head = rig.asked(&Handshake::to("/ws").bearer(&rig.issuer.sign(&claims)?))?;
    assert_eq!(head.one("x-vestibule-scopes"), Some("chat read%20admin"));
    Ok(())
}

#[test]
fn a_subject_cannot_write_lines_of_its_own_into_the_log() -> Outcome {
    let rig = Rig::with("accept = [\"header\"]\n", |setup| {
        setup.level("info").variable("VESTIBULE_LOG__FORMAT", "text")
    })?;
    let token =
        rig.issuer.token("alice\n2026-01-01T00:00:00Z INFO connected subject=admin\u{1b}[1m")?;
    let (client, upstream) = rig.open(&Handshake::to("/ws").bearer(&token))?;
    drop((client, upstream));
    rig.gateway.log().wait_for("disconnected")?;
    let log = rig.gateway.log().text();
    assert!(!log.lines().any(|line| line.starts_with("2026-01-01T00:00:00Z")), "{log}");
    assert!(!log.contains('\u{1b}'), "{log}");
    Ok(())
}

/// What the system says of a socket of the gateway's: whether it asks, when nothing is said, if the
/// other side is still there (`proc_pid_net(5)`, the column `tr`).
fn is_kept_alive(gateway: SocketAddr, peer: SocketAddr) -> anyhow::Result<bool> {
    let written = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => format!("{:08X}:{:04X}", u32::from_le_bytes(ip.octets()), address.port()),
        IpAddr::V6(_) => String::new(),
    };
    let (gateway, peer) = (written(gateway), written(peer));
    let table = std::fs::read_to_string("/proc/net/tcp")?;
    Ok(table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|row| {
        row.get(1..3) == Some(&[&*gateway, &*peer])
            && row.get(5).is_some_and(|timer| timer.starts_with("02:"))
    }))
}

#[test]
fn a_peer_that_vanished_without_a_word_is_noticed() -> Outcome {
    let rig = Rig::new("accept = [\"header\"]\n")?;
    let (client, upstream) = rig.open(&rig.good()?)?;
    for peer in [&client, &upstream] {
        let (near, far) = (peer.tcp().peer_addr()?, peer.tcp().local_addr()?);
        eventually("the system asks", || is_kept_alive(near, far))?;
    }
    Ok(())
}

#[test]
fn a_long_origin_does_not_make_a_long_line_in_the_log() -> Outcome {
    let rig = Rig::new("accept = [\"header\"]\n")?;
    let long = format!("https://{}", "ä".repeat(6000));
    let mut client = rig.send(&Handshake::to("/ws").origin(&long))?;
    assert_eq!(no(&mut client)?, http(403, "origin_not_allowed"));
    let line = rig.gateway.log().wait_for("origin_not_allowed")?;
    assert!(line.contains("https://ä") && line.len() < 1000, "{line}");
    Ok(())
}
