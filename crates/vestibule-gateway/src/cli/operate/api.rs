//! A small client of the admin API.

use std::{error::Error as _, fmt, io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use zeroize::Zeroizing;

use crate::cli::{CommandError, Exit, start};

/// The longest that a command waits for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// The admin API of one gateway.
pub(super) struct Api {
    address: SocketAddr,
    token: Zeroizing<String>,
    user: Option<String>,
    runtime: tokio::runtime::Runtime,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Why there is no answer that can be used.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody listens there.
    NotRunning,
    /// Something on the way.
    Transport(String),
    /// The gateway said no: the status, and what it said.
    Refused(u16, String),
}

impl Api {
    /// Whoever listens everywhere listens here.
    pub(super) fn new(
        mut address: SocketAddr,
        token: Zeroizing<String>,
        user: Option<String>,
    ) -> Result<Self, CommandError> {
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        Ok(Self { address, token, user, runtime: start::runtime()? })
    }

    /// Asks, and waits for the answer; null where it has no body.
    pub(super) fn ask(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let asked = async {
            match timeout(PATIENCE, self.exchange(method, path, body)).await {
                Ok(answered) => answered,
                Err(_) => Err(Failure::Transport("no answer".to_owned())),
            }
        };
        self.runtime.block_on(asked)
    }

    async fn exchange(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let socket = TcpStream::connect(self.address).await.map_err(|error| {
            if error.kind() == io::ErrorKind::ConnectionRefused {
                return Failure::NotRunning;
            }
            Failure::Transport(error.to_string())
        })?;
        let broken = |error: hyper::Error| {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            Failure::Transport(format!("{error}{cause}"))
        };
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(socket)).await.map_err(broken)?;
        let body = Zeroizing::new(body.map_or_else(String::new, ToString::to_string));
        let bearer = Zeroizing::new(format!("Bearer {}", *self.token));
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::AUTHORIZATION, bearer.as_str())
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(user) = &self.user {
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

    /// What a failure means for the command.
    pub(super) fn failed(&self, failure: Failure) -> CommandError {
        let address = self.address;
        match failure {
            Failure::NotRunning => {
                CommandError::Other(format!("no gateway runs at http://{address}"))
            }
            Failure::Transport(text) => CommandError::Other(format!("http://{address}: {text}")),
            Failure::Refused(400..=499, text) => CommandError::Refused(text),
            Failure::Refused(_, text) => CommandError::Other(text),
        }
    }
}

/// Percent-encodes (RFC 3986 section 2.1) all but what needs no encoding anywhere.
pub(super) fn encode(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    });
    encoded.collect::<Vec<_>>().concat()
}

/// The exit of a command that the gateway has carried out.
pub(super) const DONE: Exit = Exit::Fine;
