//! A small client of the admin API, for the commands of an operator and for the demonstration.

use std::{error::Error as _, io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use zeroize::Zeroizing;

/// The longest that a client waits for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Why there is no answer that can be used.
#[derive(Debug)]
pub enum Failure {
    /// Nobody listens there.
    NotRunning,
    /// Something on the way.
    Transport(String),
    /// The gateway said no: the status, and what it said.
    Refused(u16, String),
}

/// Asks with the token, in the name of a user, and waits for the answer; null where it has no body.
pub async fn exchange(
    address: SocketAddr,
    who: (&str, Option<&str>),
    what: (&Method, &str, Option<&Value>),
) -> Result<Value, Failure> {
    match timeout(PATIENCE, talk(address, who, what)).await {
        Ok(answered) => answered,
        Err(_) => Err(Failure::Transport("no answer".to_owned())),
    }
}

async fn talk(
    address: SocketAddr,
    (token, user): (&str, Option<&str>),
    (method, path, body): (&Method, &str, Option<&Value>),
) -> Result<Value, Failure> {
    let socket = TcpStream::connect(address).await.map_err(|error| {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            return Failure::NotRunning;
        }
        Failure::Transport(error.to_string())
    })?;
    let broken = |error: hyper::Error| {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Failure::Transport(format!("{error}{cause}"))
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(broken)?;
    let body = Zeroizing::new(body.map_or_else(String::new, ToString::to_string));
    let bearer = Zeroizing::new(format!("Bearer {token}"));
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, address.to_string())
        .header(header::AUTHORIZATION, bearer.as_str())
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(user) = user {
        request = request.header("x-vestibule-operator", user);
    }
    let request = request
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .map_err(|error| Failure::Transport(error.to_string()))?;
    let answered = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| Failure::Transport(error.to_string()))?.to_bytes();
        Ok((status, body))
    };
    let (status, body) = tokio::select! {
        answered = answered => answered?,
        ended = connection => {
            return Err(ended.err().map_or_else(
                || Failure::Transport("the connection ended".to_owned()),
                broken,
            ));
        }
    };
    let value = match &*body {
        [] => Value::Null,
        bytes => serde_json::from_slice(bytes)
            .map_err(|_| Failure::Transport("the answer is not JSON".to_owned()))?,
    };
    if status.is_success() {
        return Ok(value);
    }
    let said = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let text = format!("{} ({})", said("error_description"), said("error"));
    Err(Failure::Refused(status.as_u16(), text))
}

/// Percent-encodes (RFC 3986 section 2.1) all but what needs no encoding anywhere.
pub fn encode(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    });
    encoded.collect::<Vec<_>>().concat()
}
