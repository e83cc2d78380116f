//! What is a WebSocket handshake (RFC 6455 section 4.2.1, RFC 9112), and what becomes of the rest.

use vestibule_testkit::{Handshake, Peer};

use crate::rig::{Outcome, Rig, close, closed, converse, http, no};

const HEADER: &str = r#"accept = ["header"]"#;

#[test]
fn the_forms_that_the_rfc_allows_are_understood() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let good = rig.good()?;
    for handshake in [
        good.clone().with("Connection", "keep-alive, Upgrade"),
        good.clone().with("Connection", "upgrade"),
        good.clone().with("Connection", "keep-alive").field("Connection", "UPGRADE"),
        good.clone().with("Connection", ",, Upgrade ,"),
        good.clone().with("Upgrade", "WebSocket"),
        good.clone().with("Upgrade", "h2c, websocket"),
        good.clone().with("Host", "LOCALHOST:8080"),
        good.clone().with("Host", "[::1]:80"),
        good.clone().field("Content-Length", "0"),
        good.clone().field("User-Agent", ""),
        good.clone().field("X-Anything", "caf\u{e9}"),
    ] {
        let (mut client, mut upstream) = rig.open(&handshake)?;
        converse(&mut client, &mut upstream, "hello")?;
    }
    Ok(())
}

#[test]
fn what_is_no_handshake_is_refused() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let good = rig.good()?;
    let key = "Sec-WebSocket-Key";
    for (handshake, status) in [
        (good.clone().with("Sec-WebSocket-Version", "12"), 426),
        (good.clone().with("Sec-WebSocket-Version", "14"), 426),
        (good.clone().field("Sec-WebSocket-Version", "8"), 426),
        (good.clone().without("Sec-WebSocket-Version"), 426),
        (good.clone().without(key), 400),
        (good.clone().with(key, ""), 400),
        (good.clone().with(key, "c2hvcnQ="), 400),
        (good.clone().with(key, "dGhlIHNhbXBsZSBub25jZQ"), 400),
        (good.clone().with(key, "dGhlIHNhbXBsZSBub25jZR=="), 400),
        (good.clone().with(key, "!!!!!!!!!!!!!!!!!!!!!!=="), 400),
        (good.clone().field(key, Handshake::KEY), 400),
        (good.clone().with("Connection", "close"), 426),
        (good.clone().with("Connection", "Upgraded"), 426),
        (good.clone().without("Connection"), 426),
        (good.clone().with("Upgrade", "h2c"), 426),
        (good.clone().with("Upgrade", "websockets"), 426),
        (good.clone().without("Upgrade"), 426),
        (good.clone().without("Host"), 400),
        (good.clone().field("Host", "localhost"), 400),
        (good.clone().with("Host", "local host"), 400),
        (good.clone().with("Host", "user@localhost"), 400),
        (good.clone().with("Host", "localhost:port"), 400),
        (good.clone().start("POST /ws HTTP/1.1"), 400),
        (good.clone().start("get /ws HTTP/1.1"), 400),
        (good.clone().start("HEAD /ws HTTP/1.1"), 400),
        (good.clone().start("GET /ws HTTP/1.0"), 426),
        (good.clone().start("GET /ws HTTP/2.0"), 400),
        (good.clone().start("GET /ws"), 400),
        (good.clone().start("GET  /ws HTTP/1.1"), 400),
        (good.clone().start("GET ws HTTP/1.1"), 400),
        (good.clone().start("GET * HTTP/1.1"), 400),
        (good.clone().field("Content-Length", "5"), 400),
        (good.clone().field("Transfer-Encoding", "chunked"), 400),
        (good.clone().field("X-Folded", "a\r\n b"), 400),
        (good.clone().field("X-Space ", "b"), 400),
        (good.clone().field("X-Bare", "a\nX-Smuggled: b"), 400),
        (good.clone().field("X-Nul", "a\0b"), 400),
        (good.clone().field("", "b"), 400),
    ] {
        let mut client = rig.send(&handshake)?;
        let head = client.head()?;
        let sent = String::from_utf8(handshake.bytes())?;
        assert_eq!(head.status(), status, "{sent}");
        assert!(head.one("connection").unwrap().ends_with("close"), "{head}");
        client.body(&head)?;
        client.end()?;
    }
    rig.expect_undialled()
}

#[test]
fn a_wrong_version_is_told_the_right_one() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let mut client = rig.send(&rig.good()?.with("Sec-WebSocket-Version", "8"))?;
    let (head, body) = client.expect_answer(426)?;
    assert_eq!(head.one("sec-websocket-version"), Some("13"));
    assert!(body.contains("upgrade_required"), "{body}");
    Ok(())
}

#[test]
fn an_ordinary_request_is_told_what_this_is() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let mut client = rig.gateway.connect()?;
    client.send("GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let (head, body) = client.expect_answer(426)?;
    assert_eq!(head.one("upgrade"), Some("websocket"));
    assert!(head.one("connection").unwrap().to_ascii_lowercase().contains("close"), "{head}");
    assert!(body.contains("WebSocket"), "{body}");
    rig.expect_undialled()
}

#[test]
fn a_route_is_its_path_and_everything_below_it() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let token = rig.token()?;
    for (target, seen) in [
        ("/ws", "/ws"),
        ("/ws/", "/ws/"),
        ("/ws/room/7", "/ws/room/7"),
        ("/ws?a=1&b=2", "/ws?a=1&b=2"),
        ("/ws/room?a=%20", "/ws/room?a=%20"),
        ("/ws?", "/ws?"),
        ("/ws/caf%C3%A9", "/ws/caf%C3%A9"),
    ] {
        let head = rig.asked(&Handshake::to(target).bearer(&token))?;
        let without_mark = seen.trim_end_matches('?');
        assert_eq!(head.target().trim_end_matches('?'), without_mark, "{target}");
    }
    Ok(())
}

#[test]
fn a_path_of_no_route_is_not_found() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let token = rig.token()?;
    for target in ["/", "/w", "/wss", "/ws2/x", "/WS", "/other"] {
        let mut client = rig.send(&Handshake::to(target).bearer(&token))?;
        assert_eq!(no(&mut client)?, http(404, "route_not_found"), "{target}");
    }
    rig.expect_undialled()
}

#[test]
fn a_path_that_is_not_canonical_is_refused() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let token = rig.token()?;
    for target in [
        "/other/../ws",
        "/ws/..",
        "/ws/../honest",
        "/ws/./x",
        "//ws",
        "/ws//x",
        "/ws/%2e%2e/honest",
        "/ws/%2E",
        "/ws%2fx",
        "/ws/x%5cy",
        "/ws\\x",
        "/ws/%zz",
        "/ws/%00",
        "/ws#fragment",
        "/ws;a=1",
        "/%77s",
        "/ws/%c3%28",
        "/ws/%0d%0aX-Admin:1",
    ] {
        let mut client = rig.send(&Handshake::to(target).bearer(&token))?;
        assert_eq!(no(&mut client)?, http(400, "invalid_request"), "{target}");
    }
    rig.expect_undialled()
}

#[test]
fn the_longest_path_wins() -> Outcome {
    let rig = Rig::with(HEADER, |setup| {
        setup.route("/ws/private", "ws://127.0.0.1:1", "accept = [\"header\"]\nscopes = [\"x\"]")
    })?;
    let mut client = rig.send(&Handshake::to("/ws/private/room").bearer(&rig.token()?))?;
    assert_eq!(no(&mut client)?, http(403, "insufficient_scope"));
    let head = rig.asked(&Handshake::to("/ws/privateer").bearer(&rig.token()?))?;
    assert_eq!(head.target(), "/ws/privateer");
    Ok(())
}

#[test]
fn only_the_hosts_of_a_route_are_served() -> Outcome {
    let rig = Rig::new(&format!("{HEADER}\nhosts = [\"ws.example.com\"]\n"))?;
    for host in ["ws.example.com", "WS.EXAMPLE.COM:8080", "ws.example.com."] {
        rig.asked(&rig.good()?.with("Host", host))?;
    }
    for host in ["localhost", "evil.example", "ws.example.com.evil.example", "127.0.0.1"] {
        let mut client = rig.send(&rig.good()?.with("Host", host))?;
        assert_eq!(no(&mut client)?, http(421, "host_not_allowed"), "{host}");
    }
    Ok(())
}

#[test]
fn a_request_behind_a_refused_one_is_never_answered() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let good = rig.good()?.bytes();
    let plain = b"GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    let with_body = rig.good()?.field("Content-Length", &good.len().to_string()).bytes();
    let chunked = rig.good()?.field("Transfer-Encoding", "chunked").bytes();
    let both = rig
        .good()?
        .field("Content-Length", "4")
        .field("Transfer-Encoding", "chunked")
        .start("POST /ws HTTP/1.1")
        .bytes();
    let bad_version = rig.good()?.with("Sec-WebSocket-Version", "9").bytes();
    let no_credential = Handshake::to("/ws").bytes();
    let not_found = Handshake::to("/nowhere").bytes();
    for first in [plain, with_body, chunked, both, bad_version, no_credential, not_found] {
        let mut client = rig.gateway.connect()?;
        client.send([first.clone(), good.clone()].concat())?;
        let head = client.head()?;
        assert!(head.status() >= 400, "{head}");
        client.body(&head)?;
        client.end()?;
    }
    rig.expect_undialled()
}

#[test]
fn a_request_inside_of_a_connection_is_no_request() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let (mut client, mut upstream) = rig.open(&rig.good()?)?;
    client.send("GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    // 'G' is 0x47: a reserved opcode. The gateway ends it, and forwards nothing of it.
    while let Some(frame) = client.frame_or_end()? {
        assert_eq!(frame.payload.get(..2), Some(&1002_u16.to_be_bytes()[..]), "{frame:?}");
    }
    while let Some(frame) = upstream.frame_or_end()? {
        assert_eq!(frame.opcode, vestibule_testkit::Opcode::Close, "{frame:?}");
    }
    Ok(())
}

#[test]
fn where_messages_are_accepted_each_one_is_compressed_by_itself() -> Outcome {
    let rig = Rig::new(r#"accept = ["header", "message"]"#)?;
    let offer = "x-other; a=1, permessage-deflate; client_max_window_bits, permessage-deflate; x";
    let offer = |handshake: Handshake| handshake.field("Sec-WebSocket-Extensions", offer);
    let mut by_header = rig.send(&offer(rig.good()?))?;
    let agreed = "permessage-deflate; client_max_window_bits=12";
    let (_upstream, asked) =
        rig.upstream.switch(&format!("Sec-WebSocket-Extensions: {agreed}\r\n"))?;
    let asked = asked.one("sec-websocket-extensions");
    assert_eq!(asked, Some("permessage-deflate; client_max_window_bits"));
    let told = format!("{agreed}; client_no_context_takeover");
    assert_eq!(by_header.expect_switch()?.one("sec-websocket-extensions"), Some(&*told));
    // An upstream that agrees to nothing.
    let mut declined = rig.send(&offer(rig.good()?))?;
    let (_upstream, _asked) = rig.upstream.switch("")?;
    let none = Vec::<&str>::new();
    assert_eq!(declined.expect_switch()?.all("sec-websocket-extensions"), none);
    // A client that waits is answered before the upstream is asked.
    let mut by_message = rig.send(&offer(Handshake::to("/ws")))?;
    assert_eq!(by_message.expect_switch()?.all("sec-websocket-extensions"), none);
    by_message.authenticate(&rig.token()?)?;
    let (_upstream, asked) = rig.upstream.switch("")?;
    assert_eq!(asked.all("sec-websocket-extensions"), none);
    Ok(())
}

#[test]
fn compression_that_was_not_agreed_on_ends_the_connection() -> Outcome {
    let rig = Rig::new(r#"accept = ["header", "message"]"#)?;
    let offer = rig.good()?.field("Sec-WebSocket-Extensions", "permessage-deflate");
    let mut client = rig.send(&offer)?;
    let answer = "Sec-WebSocket-Extensions: permessage-deflate; x-unknown\r\n";
    let (_upstream, _asked) = rig.upstream.switch(answer)?;
    assert_eq!(no(&mut client)?, http(502, "upstream_unavailable"));
    let (mut client, _upstream) = rig.open(&rig.good()?)?;
    client.send_frame(&vestibule_testkit::Frame {
        flags: vestibule_testkit::Frame::FIN | vestibule_testkit::Frame::RSV1,
        opcode: vestibule_testkit::Opcode::Text,
        payload: vec![0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
    })?;
    assert_eq!(closed(&mut client)?, close(1002, "protocol_error"));
    Ok(())
}

#[test]
fn noise_is_answered_or_dropped_and_harms_nobody() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let tls_hello = [0x16, 0x03, 0x01, 0x00, 0xa5, 0x01, 0x00, 0x00, 0xa1, 0x03, 0x03];
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let proxy = b"PROXY TCP4 203.0.113.1 127.0.0.1 1 2\r\n";
    for noise in
        [&tls_hello[..], http2, proxy, b"\r\n\r\n\r\n\r\n", b"\0\0\0\0", b"\xff\xfe\r\n\r\n"]
    {
        let mut client = rig.gateway.connect()?;
        client.send([noise, &rig.good()?.bytes()].concat())?;
        let answer = client.rest()?;
        let text = String::from_utf8_lossy(&answer);
        assert!(
            text.is_empty() || text.starts_with("HTTP/1.1 4") || text.starts_with("HTTP/1.1 5"),
            "{text}"
        );
    }
    let mut nothing: Peer = rig.gateway.connect()?;
    nothing.finish()?;
    nothing.rest()?;
    rig.expect_undialled()
}
