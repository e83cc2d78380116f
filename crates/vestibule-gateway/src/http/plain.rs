//! Ordinary HTTP on the public listener: the keys that verify assertions, and a helpful no.

use vestibule_core::wire::head::RequestHead;

use super::Link;
use crate::serve::Worker;

/// Where the keys are (RFC 8615).
const JWKS: &str = "/.well-known/jwks.json";

/// Whether the gateway itself serves this.
pub(super) fn is_for_us(head: &RequestHead) -> bool {
    head.path().is_ok_and(|path| path == JWKS)
}

/// Answers a request for the gateway itself.
pub(super) async fn answer(link: Link, head: &RequestHead, worker: &Worker) {
    let body = match head.method() {
        "GET" => worker.shared.signer.public_jwks().to_string(),
        _ => String::new(),
    };
    let (status, allow) = match head.method() {
        "GET" | "HEAD" => ("200 OK", ""),
        _ => ("405 Method Not Allowed", "Allow: GET, HEAD\r\n"),
    };
    let text = format!(
        "HTTP/1.1 {status}\r\n{allow}Content-Type: application/jwk-set+json\r\n\
         Cache-Control: max-age=300\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    link.finish(text.as_bytes()).await;
}
