//! Section 4.2 of RFC 6455, line by line.

use super::*;
use crate::wire::head::tests::{changed, request};

/// A handshake that is in order, with one line changed (by its beginning) or added.
fn upgrade(line: &str) -> Result<Upgrade, Rejection> {
    let lines = [
        "GET /chat HTTP/1.1",
        "Host: server.example.com",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ];
    Upgrade::of(&request(&changed(&lines, line)))
}

fn check(line: &str, expected: Result<(), Rejection>) {
    assert_eq!(upgrade(line).map(|_| ()), expected, "{line}");
}

#[test]
fn a_handshake_may_say_it_in_its_own_words() {
    for good in [
        "Upgrade: WebSocket",
        "Upgrade: h2c, websocket",
        "Upgrade: h2c\nUpgrade: websocket",
        "Connection: keep-alive, Upgrade",
        "Connection: keep-alive\nConnection: upgrade",
        "Content-Length: 0",
        "Origin: https://a.example",
    ] {
        check(good, Ok(()));
    }
}

#[test]
fn what_asks_for_no_websocket_is_told_so() {
    for line in [
        "Upgrade: h2c",
        "Upgrade: websockets",
        "Upgrade: websocket/13",
        "Upgrade:",
        "Connection: keep-alive",
        "Connection: close",
        "Connection: upgraded",
        "Upgrade-",
        "Connection-",
    ] {
        check(line, Err(Rejection::UpgradeRequired));
    }
}

#[test]
fn the_version_is_13_and_said_once() {
    for line in [
        "Sec-WebSocket-Version: 8",
        "Sec-WebSocket-Version: 013",
        "Sec-WebSocket-Version: 13, 8",
        "Sec-WebSocket-Version: 13\nSec-WebSocket-Version: 13",
        "Sec-WebSocket-Version:",
        "Sec-WebSocket-Version-",
    ] {
        check(line, Err(Rejection::UnsupportedVersion));
    }
}

#[test]
fn a_key_is_16_bytes_in_base64() {
    for bad in [
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZR==",
        "dGhlIHNhbXBsZSBub25jZ===",
        "dGhlIHNhbXBsZSBub25jZSE=",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25j ZQ==",
        "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
        "________________________",
    ] {
        check(&format!("Sec-WebSocket-Key: {bad}"), Err(Rejection::MalformedHandshake));
    }
    let twice =
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==";
    check(twice, Err(Rejection::MalformedHandshake));
}

#[test]
fn a_handshake_smuggles_no_request() {
    for line in [
        "POST /chat HTTP/1.1",
        "Content-Length: 5",
        "Content-Length: 00",
        "Content-Length: +0",
        "Content-Length:",
        "Content-Length: 0\nContent-Length: 0",
        "Content-Length: 0\nContent-Length: 5",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding:",
        "Transfer-Encoding: chunked\nContent-Length: 0",
    ] {
        check(line, Err(Rejection::MalformedHandshake));
    }
}

#[test]
fn subprotocols_are_tokens_unique_and_bounded() {
    let offered = |line: &str| upgrade(line).map(|upgrade| upgrade.protocols.join(" "));
    assert_eq!(
        offered("Sec-WebSocket-Protocol: b, a ,,c\nSec-WebSocket-Protocol: d").as_deref(),
        Ok("b a c d")
    );
    let many = |count: usize| {
        let names: Vec<String> = (0..count).map(|number| format!("p{number}")).collect();
        format!("Sec-WebSocket-Protocol: {}", names.join(","))
    };
    assert!(offered(&many(limits::SUBPROTOCOLS)).is_ok());
    for bad in [
        "Sec-WebSocket-Protocol:",
        "Sec-WebSocket-Protocol: ,",
        "Sec-WebSocket-Protocol: a b",
        "Sec-WebSocket-Protocol: a/b",
        "Sec-WebSocket-Protocol: a=",
        "Sec-WebSocket-Protocol: \"a\"",
        "Sec-WebSocket-Protocol: é",
        "Sec-WebSocket-Protocol: a, b, a",
        "Sec-WebSocket-Protocol: a\nSec-WebSocket-Protocol: a",
        &many(limits::SUBPROTOCOLS + 1),
    ] {
        check(bad, Err(Rejection::MalformedHandshake));
    }
}

#[test]
fn extensions_are_read_and_not_understood() {
    let offered = |line: &str| upgrade(line).map(|upgrade| upgrade.extensions);
    let line = "Sec-WebSocket-Extensions: a; b=1\nSec-WebSocket-Extensions: c";
    assert_eq!(offered(line), Ok(Some(b"a; b=1, c".to_vec())));
    assert_eq!(offered("X: y"), Ok(None));
    check("Sec-WebSocket-Extensions: ;", Err(Rejection::MalformedHandshake));
    check("Sec-WebSocket-Extensions:", Err(Rejection::MalformedHandshake));
}

#[test]
fn a_token_among_the_subprotocols_is_not_printed() {
    let shown = format!("{:?}", upgrade("Sec-WebSocket-Protocol: bearer, s3cret").unwrap());
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn the_answer_is_that_of_rfc_6455_section_1_3() {
    let key = upgrade("X: y").unwrap().key;
    let bytes = switching(&key, Some("chat"), Some(b"permessage-deflate"));
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    );
}

#[test]
fn no_value_ends_its_field() {
    let bytes = switching(&[0; 16], Some("a\r\nSet-Cookie: x"), Some(b"b\nc"));
    let text = String::from_utf8(bytes).unwrap();
    assert!(!text.contains("Set-Cookie") && !text.contains("Extensions"), "{text}");
}

fn refused(rejection: Rejection, retry_after: Option<u64>) -> (String, serde_json::Value) {
    let span = retry_after.map(core::time::Duration::from_secs);
    let bytes = refusal(rejection, span, &Challenges::BEARER);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let length = format!("\r\nContent-Length: {}", body.len());
    assert!(head.contains(&length), "{head}");
    (head.to_owned(), serde_json::from_str(body).unwrap())
}

#[test]
fn every_refusal_is_one_whole_answer_that_closes() {
    for &rejection in Rejection::ALL {
        let (head, body) = refused(rejection, None);
        let answer = rejection.answer();
        assert!(head.starts_with(&format!("HTTP/1.1 {} ", answer.status)), "{head}");
        assert!(!head.contains(" Refused\r\n"), "{head}");
        assert!(head.contains("close\r\n"), "{head}");
        assert_eq!(body["error"], answer.error);
        let text = body["error_description"].as_str().unwrap();
        assert!(!text.is_empty() && !text.contains(['"', '\\', '\r', '\n']), "{text}");
        assert!(text.is_ascii());
        assert_eq!(
            head.contains("WWW-Authenticate"),
            answer.status == 401 || answer.error == "insufficient_scope"
        );
    }
}

#[test]
fn a_challenge_is_that_of_rfc_6750() {
    let challenge = |rejection| {
        let (head, _) = refused(rejection, None);
        let line = head.lines().find(|line| line.starts_with("WWW-Authenticate: ")).unwrap();
        line.split(", error_description").next().unwrap().to_owned()
    };
    let bare = "WWW-Authenticate: Bearer realm=\"vestibule\"";
    assert_eq!(challenge(Rejection::CredentialRequired), bare);
    let invalid = format!("{bare}, error=\"invalid_token\"");
    assert_eq!(challenge(Rejection::TokenSignature), invalid);
    assert_eq!(challenge(Rejection::TokenExpired), invalid);
    assert_eq!(challenge(Rejection::TokenRevoked), invalid);
    let scope = format!("{bare}, error=\"insufficient_scope\"");
    assert_eq!(challenge(Rejection::InsufficientScope), scope);
}

#[test]
fn rejections_that_keep_a_secret_say_the_same() {
    let refusal = |rejection| refusal(rejection, None, &Challenges::BEARER);
    let said = refusal(Rejection::TokenSignature);
    for &rejection in Rejection::ALL {
        if rejection.answer() == Rejection::TokenSignature.answer() {
            assert_eq!(refusal(rejection), said, "{rejection}");
        }
    }
}

#[test]
fn who_must_upgrade_is_told_how_and_who_must_wait_how_long() {
    for rejection in [Rejection::UpgradeRequired, Rejection::UnsupportedVersion] {
        let (head, _) = refused(rejection, None);
        for line in
            ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Connection: Upgrade, close"]
        {
            assert!(head.lines().any(|other| other == line), "{head}");
        }
    }
    let (head, _) = refused(Rejection::TooManyConnections, Some(7));
    assert!(head.lines().any(|line| line == "Retry-After: 7"), "{head}");
    let (head, _) = refused(Rejection::Unavailable, Some(0));
    assert!(head.lines().any(|line| line == "Retry-After: 1"), "{head}");
}
