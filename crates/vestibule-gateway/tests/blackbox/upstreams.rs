//! Upstreams that are down, slow, wrong or of another opinion.

use std::net::TcpListener;

use vestibule_testkit::{Handshake, Message, Upstream, accept_of};

use crate::{
    rig::{No, Outcome, PAGE, Rig, close, converse, http, no},
    tls,
};

const HEADER: &str = r#"accept = ["header"]"#;

/// What stands behind the first fields of an answer, given the right `Sec-WebSocket-Accept`.
type Write = fn(&str) -> String;

/// An address at which nobody listens.
fn nobody() -> anyhow::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    Ok(format!("ws://{}", listener.local_addr()?))
}

#[test]
fn an_upstream_that_is_down_is_a_bad_gateway() -> Outcome {
    let url = nobody()?;
    let rig = Rig::with(HEADER, |setup| {
        setup.route(
            "/down",
            &url,
            "accept = [\"header\", \"message\"]\norigins = [\"https://app.example.com\"]",
        )
    })?;
    let handshake = Handshake::to("/down").bearer(&rig.token()?);
    let mut client = rig.send(&handshake)?;
    assert_eq!(no(&mut client)?, http(502, "upstream_unavailable"));
    let mut page = rig.send(&handshake.origin(PAGE))?;
    assert_eq!(no(&mut page)?, close(1014, "upstream_unavailable"));
    let mut client = rig.send(&Handshake::to("/down"))?;
    client.expect_switch()?;
    client.authenticate(&rig.token()?)?;
    let mut said = client.message()?;
    if matches!(said, Message::Text(_)) {
        said = client.message()?;
    }
    assert_eq!(said, Message::Close(1014, "upstream_unavailable".to_owned()));
    Ok(())
}

#[test]
fn the_next_upstream_is_tried_where_one_is_down() -> Outcome {
    let (down, up) = (nobody()?, Upstream::start()?);
    let lines = format!(
        "[[routes]]\npath = \"/two\"\nupstream = [{down:?}, \"{}/up\"]\naccept = [\"header\"]\n",
        up.url()
    );
    let rig = Rig::with(HEADER, |setup| setup.table(&lines))?;
    let mut client = rig.send(&Handshake::to("/two").bearer(&rig.token()?))?;
    let (mut upstream, head) = up.switch("")?;
    assert_eq!(head.target(), "/up");
    client.expect_switch()?;
    converse(&mut client, &mut upstream, "hello")
}

#[test]
fn an_http_answer_of_the_upstream_is_passed_on() -> Outcome {
    let rig = Rig::new(HEADER)?;
    for (answer, status, body) in [
        (
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\nX-Why: because\r\n\r\nnot you",
            403,
            "not you",
        ),
        (
            "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\nX-Why: because\r\n\r\n\
             3\r\nnot\r\n4\r\n now\r\n0\r\n\r\n",
            503,
            "not now",
        ),
        ("HTTP/1.1 404 Not Found\r\nX-Why: because\r\n\r\nuntil the end", 404, "until the end"),
        ("HTTP/1.1 200 OK\r\nX-Why: because\r\nContent-Length: 0\r\n\r\n", 200, ""),
        (
            "HTTP/1.1 302 Found\r\nLocation: /login\r\nX-Why: because\r\nContent-Length: 0\r\n\r\n",
            302,
            "",
        ),
        (
            "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nX-Why: because\r\nContent-Length: 0\r\n\r\n",
            401,
            "",
        ),
    ] {
        let mut client = rig.send(&rig.good()?)?;
        let (mut upstream, _) = rig.upstream.request()?;
        upstream.send(answer)?;
        upstream.finish()?;
        let (head, seen) = client.expect_answer(status)?;
        assert_eq!(seen, body, "{head}");
        assert_eq!(head.one("x-why"), Some("because"), "{head}");
        assert_eq!(head.one("connection"), Some("close"), "{head}");
    }
    Ok(())
}

#[test]
fn interim_answers_are_passed_over() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let mut client = rig.send(&rig.good()?)?;
    let (mut upstream, head) = rig.upstream.request()?;
    upstream.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")?;
    let accept = accept_of(head.one("sec-websocket-key").unwrap());
    upstream.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ))?;
    client.expect_switch()?;
    converse(&mut client, &mut upstream, "hello")
}

#[test]
fn an_answer_cannot_smuggle_a_second_one() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let second = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled";
    for first in [
        "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
        "HTTP/1.1 204 No\r\n\r\n",
        "HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n",
    ] {
        let mut client = rig.send(&rig.good()?)?;
        let (mut upstream, _) = rig.upstream.request()?;
        upstream.send(format!("{first}{second}"))?;
        upstream.finish()?;
        let answer = String::from_utf8(client.rest()?)?;
        assert!(answer.starts_with("HTTP/1.1 ") && !answer.contains("smuggled"), "{answer}");
    }
    Ok(())
}

#[test]
fn an_upstream_with_a_wrong_accept_gets_no_tunnel() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let head = "HTTP/1.1 101 Switching Protocols\r\n";
    let good = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    let cases: [(&str, Write); 14] = [
        ("another key's accept", |_| format!("Sec-WebSocket-Accept: {}\r\n", accept_of("x"))),
        ("the client's key's accept", |_| {
            format!("Sec-WebSocket-Accept: {}\r\n", accept_of(Handshake::KEY))
        }),
        ("no accept", |_| String::new()),
        ("two accepts", |accept| {
            format!("Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Accept: {accept}\r\n")
        }),
        ("an unasked subprotocol", |accept| {
            format!("Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: chat\r\n")
        }),
        ("an unasked extension", |accept| {
            format!("Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Extensions: x-foo\r\n")
        }),
        ("unasked compression", |accept| {
            format!(
                "Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
            )
        }),
        ("another upgrade", |accept| format!("Sec-WebSocket-Accept: {accept}\r\nUpgrade: h2c\r\n")),
        ("lower-case accept", |accept| {
            format!("Sec-WebSocket-Accept: {}\r\n", accept.to_ascii_lowercase())
        }),
        ("no head", |_| "\0\0\0\0".to_owned()),
        ("a folded field", |accept| format!("Sec-WebSocket-Accept:\r\n {accept}\r\n")),
        ("a bare line feed", |accept| format!("Sec-WebSocket-Accept: {accept}\nX: y\r\n")),
        ("a field name with a space", |accept| format!("Sec-WebSocket-Accept : {accept}\r\n")),
        ("a field without a colon", |accept| {
            format!("Sec-WebSocket-Accept: {accept}\r\nnonsense\r\n")
        }),
    ];
    for (what, write) in cases {
        let mut client = rig.send(&rig.good()?)?;
        let (mut upstream, asked) = rig.upstream.request()?;
        let accept = accept_of(asked.one("sec-websocket-key").unwrap());
        upstream.send(format!("{head}{good}{}\r\n", write(&accept)))?;
        let said = no(&mut client)?;
        assert_eq!(said, http(502, "upstream_unavailable"), "{what}");
    }
    Ok(())
}

#[test]
fn a_switch_without_its_fields_is_a_bad_gateway() -> Outcome {
    let rig = Rig::new(HEADER)?;
    for fields in [
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\n",
        "Upgrade: h2c\r\nConnection: Upgrade\r\n",
    ] {
        let mut client = rig.send(&rig.good()?)?;
        let (mut upstream, asked) = rig.upstream.request()?;
        let accept = accept_of(asked.one("sec-websocket-key").unwrap());
        upstream.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\n{fields}Sec-WebSocket-Accept: {accept}\r\n\r\n"
        ))?;
        assert_eq!(no(&mut client)?, http(502, "upstream_unavailable"), "{fields}");
    }
    Ok(())
}

#[test]
fn a_subprotocol_that_was_not_offered_is_a_bad_gateway() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let mut client = rig.send(&rig.good()?.subprotocols("v1.chat, v2.chat"))?;
    rig.upstream.switch("Sec-WebSocket-Protocol: v3.chat\r\n")?;
    assert_eq!(no(&mut client)?, http(502, "upstream_unavailable"));
    Ok(())
}

#[test]
fn an_upstream_that_hangs_up_is_a_bad_gateway() -> Outcome {
    let rig = Rig::new(HEADER)?;
    for partial in
        ["", "HTTP/1.1 101 Swi", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"]
    {
        let mut client = rig.send(&rig.good()?)?;
        let (mut upstream, _) = rig.upstream.request()?;
        upstream.send(partial)?;
        drop(upstream);
        assert_eq!(no(&mut client)?, http(502, "upstream_unavailable"), "{partial}");
    }
    Ok(())
}

#[test]
fn an_upstream_that_never_answers_is_a_gateway_timeout() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let mut client = rig.send(&rig.good()?)?;
    let (_silent, _) = rig.upstream.request()?;
    assert_eq!(no(&mut client)?, http(504, "upstream_unavailable"));
    Ok(())
}

#[test]
fn an_upstream_with_an_unknown_certificate_is_refused() -> Outcome {
    let (trusted, other) = (tls::certificate()?, tls::certificate()?);
    let rig = tls::to_secure_upstream(&trusted.cert)?;
    let mut client = rig.send(&Handshake::to("/secure").bearer(&rig.token()?))?;
    let mut upstream = tls::serve(rig.upstream.accept_tcp()?, &other)?;
    // It hears nothing of the request.
    assert!(upstream.head().is_err());
    assert_eq!(no(&mut client)?, http(502, "upstream_unavailable"));
    Ok(())
}

#[test]
fn an_upstream_that_answers_without_end_is_cut_off() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let mut client = rig.send(&rig.good()?)?;
    let (mut upstream, _) = rig.upstream.request()?;
    vestibule_testkit::either_way(
        upstream.send(format!("HTTP/1.1 101 Switching Protocols\r\nX: {}", "x".repeat(100_000))),
    );
    assert_eq!(no(&mut client)?, http(502, "upstream_unavailable"));
    Ok(())
}

#[test]
fn a_client_that_leaves_while_the_upstream_thinks_takes_its_connection_with_it() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let client = rig.send(&rig.good()?)?;
    let (mut upstream, _) = rig.upstream.request()?;
    drop(client);
    // At once, or at the latest when the answer has nobody to go to.
    vestibule_testkit::either_way(upstream.send("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"));
    upstream.end()?;
    let said: anyhow::Result<No> = {
        let mut other = rig.send(&Handshake::to("/nowhere"))?;
        no(&mut other)
    };
    assert_eq!(said?, http(404, "route_not_found"));
    Ok(())
}
