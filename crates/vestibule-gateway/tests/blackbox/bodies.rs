//! Bodies and connections of the endpoints: what is broken is told so, and the server lives.

use serde_json::json;
use vestibule_testkit::{Gateway, Handshake, Peer, Setup};

use crate::{
    endpoint::{Ask, ticket},
    rig::{Outcome, Rig},
};

const ROUTE: &str = "accept = [\"header\", \"query\"]\nmechanisms = [\"bearer\", \"ticket\"]\n";

fn rig() -> anyhow::Result<Rig> {
    Rig::with(ROUTE, |setup: Setup| setup.table("[auth]"))
}

/// Sends these bytes; status, error and the rest of the connection.
fn said(gateway: &Gateway, bytes: &[u8]) -> anyhow::Result<(u16, String, Vec<u8>)> {
    let mut peer = gateway.connect()?;
    peer.send(bytes)?;
    let head = peer.head()?;
    let body = peer.body(&head)?;
    let body: serde_json::Value = serde_json::from_str(&body)?;
    let members: Vec<_> = body.as_object().map(|o| o.keys().cloned().collect()).unwrap_or_default();
    anyhow::ensure!(members == ["error", "error_description"], "{head} {body}");
    let error = body["error"].as_str().unwrap_or_default().to_owned();
    Ok((head.status(), error, peer.rest()?))
}

fn post(target: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: ws.example.com\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn a_body_that_is_not_what_was_asked_for_is_a_clear_error_and_the_server_lives() -> Outcome {
    let rig = rig()?;
    let deep = format!("{{\"username\":{}", "[".repeat(15_000));
    for target in ["/auth/login", "/auth/refresh", "/auth/logout"] {
        for body in [
            &b"{\"username\":\"a\",\"password\":\"b\",\"passwrd\":\"c\"}"[..],
            b"{\"refresh_token\":\"a\",\"refresh_token\":\"b\"}",
            b"{\"username\":\"a\",\"username\":\"b\",\"password\":\"c\"}",
            b"{\"username\":7,\"password\":[]}",
            b"{\"refresh_token\":7}",
            b"{\"refresh_token\":{\"$ne\":null}}",
            b"[]",
            b"null x",
            b"\"text\"",
            b"{",
            b"\x00\x00\x00\x00",
            b"{\"username\":\"\xff\xfe\",\"password\":\"b\"}",
            b"{\"refresh_token\":\"\xc3\x28\"}",
            b"\xef\xbb\xbf{}",
            deep.as_bytes(),
        ] {
            let (status, error, rest) = said(&rig.gateway, &post(target, body))?;
            assert_eq!((status, &*error), (400, "invalid_request"), "{target} {body:?}");
            assert_eq!(rest, b"");
        }
    }
    let megabyte = vec![b' '; 1024 * 1024];
    let mut peer = rig.gateway.connect()?;
    // It may be cut off while it still sends.
    vestibule_testkit::either_way(peer.send(post("/auth/login", &megabyte)));
    if let Ok(head) = peer.head() {
        assert_eq!(head.status(), 413);
    }
    ticket(&rig.gateway, &rig.token()?)?;
    Ok(())
}

#[test]
fn a_name_with_a_nul_or_a_line_end_is_nobody_s() -> Outcome {
    let rig = rig()?;
    for name in ["al\0ice", "alice\r\nX: y", "", &"a".repeat(10_000)] {
        let ask = Ask::post("/auth/login").json(&json!({ "username": name, "password": "\0" }));
        let (status, _) = ask.of(&rig.gateway)?.no()?;
        assert!(matches!(status, 400 | 401), "{status}");
    }
    Ok(())
}

#[test]
fn a_request_that_two_readers_could_cut_differently_is_refused_and_nothing_behind_it_is_read()
-> Outcome {
    let rig = rig()?;
    let behind = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: ws.example.com\r\n\r\n";
    for fields in [
        "Content-Length: 0\r\nContent-Length: 0\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 0, 0\r\n",
        "Content-Length: +0\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x0\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
        "Content-Length\r\n",
        " Content-Length: 0\r\n",
    ] {
        for target in ["POST /auth/logout", "GET /auth/verify", "GET /.well-known/jwks.json"] {
            let bytes =
                format!("{target} HTTP/1.1\r\nHost: ws.example.com\r\n{fields}\r\n{behind}");
            let (status, _, rest) = said(&rig.gateway, bytes.as_bytes())?;
            assert!(matches!(status, 400 | 411 | 413), "{target} {fields:?}: {status}");
            assert_eq!(rest, b"", "{target} {fields:?}");
        }
    }
    Ok(())
}

#[test]
fn a_body_that_does_not_come_is_waited_for_with_an_end() -> Outcome {
    let rig = rig()?;
    let mut peer = rig.gateway.connect()?;
    let bytes = post("/auth/login", b"{\"username\":\"alice\",\"password\":\"secret\"}");
    peer.send(&bytes[..bytes.len() - 5])?;
    let head = peer.head()?;
    assert_eq!(head.status(), 408, "{head}");
    peer.body(&head)?;
    peer.end()
}

fn fetch(peer: &mut Peer) -> Outcome {
    peer.send("GET /.well-known/jwks.json HTTP/1.1\r\nHost: ws.example.com\r\n\r\n")?;
    let head = peer.head()?;
    assert_eq!((head.status(), head.one("connection")), (200, Some("keep-alive")));
    assert!(peer.body(&head)?.contains("keys"));
    Ok(())
}

#[test]
fn requests_and_then_a_handshake_come_by_one_connection() -> Outcome {
    let rig = rig()?;
    let token = rig.token()?;
    let mut peer = rig.gateway.connect()?;
    fetch(&mut peer)?;
    let body = "{\"path\":\"/ws\"}";
    let asked = format!(
        "POST /auth/ticket HTTP/1.1\r\nHost: ws.example.com\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // Two at once: each is answered, in their order.
    peer.send(format!("{asked}{asked}"))?;
    let mut tickets = Vec::new();
    for _ in 0..2 {
        let head = peer.head()?;
        assert_eq!(head.status(), 200);
        let body: serde_json::Value = serde_json::from_str(&peer.body(&head)?)?;
        tickets.push(body["ticket"].as_str().unwrap_or_default().to_owned());
    }
    assert_ne!(tickets[0], tickets[1]);
    // A credential of an earlier request is none of a later one.
    peer.send("POST /auth/ticket HTTP/1.1\r\nHost: ws.example.com\r\n\r\n")?;
    let head = peer.head()?;
    assert_eq!(head.status(), 401);
    peer.body(&head)?;
    peer.send(Handshake::to(&format!("/ws?ticket={}", tickets[0])).bytes())?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    peer.expect_switch()?;
    crate::rig::converse(&mut peer, &mut upstream, "hello")
}
