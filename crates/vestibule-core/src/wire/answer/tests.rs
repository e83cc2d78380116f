//! Answers of upstreams, honest and otherwise.

use super::*;
use crate::wire::{
    head::tests::{changed, response},
    upgrade::accept,
};

const KEY: [u8; 16] = [7; 16];

/// A 101 that is in order, with one line changed (by its beginning), removed or added.
fn answer(line: &str) -> Result<Answer, Rejection> {
    let accept = format!("Sec-WebSocket-Accept: {}", accept(&KEY));
    let lines =
        ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", &accept];
    let lines = changed(&lines, line);
    let offered = ["chat".into(), "superchat".into()];
    Answer::of(&response(&lines), &KEY, &offered, Some(b"permessage-deflate; x, other"))
}

fn other(lines: &[&str]) -> Result<(String, Body), Rejection> {
    match Answer::of(&response(lines), &KEY, &[], None)? {
        Answer::Other { head, body } => Ok((String::from_utf8(head).unwrap(), body)),
        Answer::Switching { .. } => panic!("{lines:?}"),
    }
}

#[test]
fn only_a_valid_101_makes_a_tunnel() {
    let switching = |subprotocol: Option<&str>, extensions: Option<&str>| {
        Ok(Answer::Switching {
            subprotocol: subprotocol.map(Into::into),
            extensions: extensions.map(|text| text.as_bytes().to_vec()),
            fields: Vec::new(),
        })
    };
    assert_eq!(answer("Upgrade: WebSocket"), switching(None, None));
    assert_eq!(answer("Content-Length: 0"), switching(None, None));
    assert_eq!(answer("Sec-WebSocket-Protocol: superchat"), switching(Some("superchat"), None));
    let extension = "permessage-deflate; server_no_context_takeover";
    let line = format!("Sec-WebSocket-Extensions: {extension}");
    assert_eq!(answer(&line), switching(None, Some(extension)));
    for bad in [
        "HTTP/1.0 101 Switching Protocols",
        "Upgrade-",
        "Upgrade: h2c",
        "Upgrade: websocket, h2c",
        "Upgrade: websocket\nUpgrade: websocket",
        "Connection-",
        "Connection: keep-alive",
        "Sec-WebSocket-Accept-",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "Sec-WebSocket-Protocol: other",
        "Sec-WebSocket-Protocol: Chat",
        "Sec-WebSocket-Protocol: chat, superchat",
        "Sec-WebSocket-Protocol: chat\nSec-WebSocket-Protocol: chat",
        "Sec-WebSocket-Protocol:",
        "Sec-WebSocket-Extensions: unknown",
        "Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate",
        "Sec-WebSocket-Extensions: permessage-deflate\nSec-WebSocket-Extensions: unknown",
        "Sec-WebSocket-Extensions:",
    ] {
        assert_eq!(answer(bad), Err(Rejection::UpstreamInvalid), "{bad}");
    }
}

#[test]
fn what_was_not_offered_is_not_agreed_to() {
    let accept = format!("Sec-WebSocket-Accept: {}", accept(&KEY));
    let agreed = |line: &str| {
        let lines = ["HTTP/1.1 101 x", "Upgrade: websocket", "Connection: upgrade", &accept, line];
        Answer::of(&response(&lines), &KEY, &[], None)
    };
    assert!(agreed("X: y").is_ok());
    assert_eq!(agreed("Sec-WebSocket-Protocol: chat"), Err(Rejection::UpstreamInvalid));
    assert_eq!(agreed("Sec-WebSocket-Extensions: a"), Err(Rejection::UpstreamInvalid));
}

#[test]
fn what_the_upstream_says_to_the_client_goes_on_with_a_101() {
    let Ok(Answer::Switching { fields, .. }) = answer("Set-Cookie: a=b\nX: y\nKeep-Alive: 5")
    else {
        panic!();
    };
    assert_eq!(String::from_utf8(fields).unwrap(), "Set-Cookie: a=b\r\nX: y\r\n");
}

#[test]
fn another_answer_goes_on_without_what_is_about_the_connection() {
    let (head, body) = other(&[
        "HTTP/1.1 401 Unauthorized",
        "Content-Type: text/plain",
        "content-length: 12",
        "Connection: keep-alive, X-Hop",
        "Keep-Alive: timeout=5",
        "X-Hop: 1",
        "x-hop: 2",
        "Proxy-Authenticate: Basic",
        "Upgrade: h2c",
        "Trailer: X",
        "WWW-Authenticate: Basic",
        "Sec-WebSocket-Accept: x",
    ])
    .unwrap();
    assert_eq!(
        head,
        "HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\nWWW-Authenticate: Basic\r\n\
         Content-Length: 12\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(body, Body::Length(12));
}

#[test]
fn the_end_of_a_body_is_that_of_rfc_9112_section_6_3() {
    let ok = "HTTP/1.1 200 OK";
    let body = |lines: &[&str]| other(lines).map(|(_, body)| body);
    assert_eq!(body(&[ok]), Ok(Body::UntilClose));
    assert_eq!(body(&["HTTP/1.0 200 OK"]), Ok(Body::UntilClose));
    assert_eq!(body(&[ok, "Content-Length: 0"]), Ok(Body::Length(0)));
    assert_eq!(body(&[ok, "Transfer-Encoding: Chunked"]), Ok(Body::Chunked));
    assert_eq!(body(&["HTTP/1.1 204 No Content", "Content-Length: 5"]), Ok(Body::None));
    assert_eq!(body(&["HTTP/1.1 304 Not Modified", "Content-Length: 5"]), Ok(Body::None));
    for bad in [
        "Content-Length: -1",
        "Content-Length: +1",
        "Content-Length:",
        "Content-Length: 1 ,1",
        "Content-Length: 1x",
        "Content-Length: 99999999999999999999",
        "Content-Length: 1\nContent-Length: 2",
        "Content-Length: 1\nContent-Length: 1",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\nTransfer-Encoding: chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\nContent-Length: 5",
    ] {
        let lines: Vec<&str> = [ok].into_iter().chain(bad.split('\n')).collect();
        assert_eq!(body(&lines), Err(Rejection::UpstreamInvalid), "{bad}");
    }
    let old = ["HTTP/1.0 200 OK", "Transfer-Encoding: chunked"];
    assert_eq!(body(&old), Err(Rejection::UpstreamInvalid));
}
