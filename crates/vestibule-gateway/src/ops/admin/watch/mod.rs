//! `GET /api/v1/watch`: a WebSocket that tells the status and the live connections about once a second.
//! It speaks the gateway's own protocol: the token comes in the first message, and nothing is told
//! before that. The first message told has everything, each after it what has changed since. The
//! next is not made before the last one was taken, so that a slow watcher costs no memory.

mod view;

use std::net::IpAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use self::view::View;
use super::{Answer, Api, audit::Action, gate::Gate, problem::Problem, schema::Hidden};
use crate::limits;

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// What a watcher says: control messages of the protocol, and nothing else.
#[derive(Debug, serde::Deserialize)]
struct Said {
    auth: Auth,
}

#[derive(Debug, serde::Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Auth {
    Authenticate { mechanism: Box<str>, token: Hidden },
    Refresh { mechanism: Box<str>, token: Hidden },
    Logout,
}

/// How it ends: the close code and the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End(u16, &'static str);

const NONSENSE: End = End(4400, "invalid_request");
const OVER: End = End(4401, "token_expired");
const LATE: End = End(4408, "auth_timeout");
const LOGGED_OUT: End = End(4410, "logged_out");
const CROWDED: End = End(4429, "too_many_connections");
/// The watcher went, or took nothing any more.
const LEFT: End = End(1000, "");

/// The answer to a handshake, and what becomes of the connection after it.
pub(super) fn invite(
    api: &Api,
    request: &mut Request<Incoming>,
) -> Result<(Answer, OnUpgrade), Problem> {
    api.gate.check_host(request.headers())?;
    Gate::check_origin(request.headers())?;
    let key = handshake(request.headers()).ok_or_else(Problem::upgrade_required)?;
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
        .map_err(|_| Problem::upgrade_required())?;
    let mut answer = Response::new(http_body_util::Full::default());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok((answer, hyper::upgrade::on(request)))
}

/// The key of a handshake (RFC 6455 section 4.2.1).
fn handshake(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let (key, second) = (keys.next()?, keys.next());
    let is = |name, wanted: &str| {
        let mut words = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        words.any(|words| words.split(',').any(|word| word.trim().eq_ignore_ascii_case(wanted)))
    };
    let is_one = second.is_none()
        && is(header::UPGRADE, "websocket")
        && is(header::CONNECTION, "upgrade")
        && is(header::SEC_WEBSOCKET_VERSION, "13");
    is_one.then_some(key)
}

/// Tells a watcher everything until it leaves.
pub(super) async fn attend(upgrade: OnUpgrade, api: &Api, from: IpAddr) {
    let Ok(upgraded) = upgrade.await else { return };
    let config = WebSocketConfig::default()
        .max_message_size(Some(limits::WATCHER_SAYS))
        .max_frame_size(Some(limits::WATCHER_SAYS));
    let io = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let first = timeout(limits::WATCHER_AUTHENTICATES, admit(&mut socket, api)).await;
    let admitted = first.unwrap_or(Err(LATE));
    let (status, outcome) = match admitted {
        Ok(()) => (101, "done"),
        Err(End(code, reason)) => (code, reason),
    };
    let record = Action {
        name: "watch",
        target: None,
        user: None,
        from: &from.to_string(),
        details: Value::Null,
        status,
        outcome,
    };
    api.audit.record(&record, api.shared.clock.now().wall);
    let end = match admitted {
        Ok(()) => match api.watchers.try_acquire() {
            Ok(_place) => tell(&mut socket, api).await,
            Err(_) => CROWDED,
        },
        Err(end) => end,
    };
    let End(code, reason) = end;
    let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
    // A watcher that takes nothing has no use for the reason.
    drop(timeout(limits::WATCHER_TAKES, socket.close(Some(frame))).await);
    // Its answer, or its end: until then the close frame may not have left.
    drop(
        timeout(limits::WATCHER_TAKES, async { while let Some(Ok(_)) = socket.next().await {} })
            .await,
    );
}

/// Waits for the token.
async fn admit(socket: &mut Socket, api: &Api) -> Result<(), End> {
    match next(socket).await? {
        Auth::Authenticate { mechanism, token } => vouched(socket, api, (&mechanism, &token)).await,
        Auth::Refresh { .. } | Auth::Logout => Err(NONSENSE),
    }
}

async fn vouched(
    socket: &mut Socket,
    api: &Api,
    (mechanism, token): (&str, &Hidden),
) -> Result<(), End> {
    if mechanism != "bearer" {
        return Err(End(4403, "mechanism_not_allowed"));
    }
    let now = api.shared.clock.now().mono;
    api.gate.check(Some(token.0.as_bytes()), now).map_err(|problem| match problem.error {
        "too_many_attempts" => End(4429, "too_many_attempts; retry-after=1"),
        "temporarily_unavailable" => End(1013, "temporarily_unavailable"),
        _ => End(4401, "invalid_token"),
    })?;
    let accepted = json!({ "auth": {
        "type": "accepted",
        "subject": "admin",
        "mechanism": "bearer",
        "expires_in": limits::WATCH_LEASE.as_secs(),
    } });
    say(socket, accepted.to_string()).await
}

/// Tells, and listens in between.
async fn tell(socket: &mut Socket, api: &Api) -> End {
    let mut view = View::default();
    let mut lease = Instant::now() + limits::WATCH_LEASE;
    loop {
        let told = view.told(api).await;
        if let Err(end) = say(socket, told.to_string()).await {
            return end;
        }
        let due = Instant::now() + limits::WATCH_EVERY;
        loop {
            let said = tokio::select! {
                () = sleep_until(due) => break,
                () = sleep_until(lease) => return OVER,
                said = next(socket) => said,
            };
            let renewed = match said {
                Ok(
                    Auth::Refresh { mechanism, token } | Auth::Authenticate { mechanism, token },
                ) => vouched(socket, api, (&mechanism, &token)).await,
                Ok(Auth::Logout) => Err(LOGGED_OUT),
                Err(end) => Err(end),
            };
            match renewed {
                Ok(()) => lease = Instant::now() + limits::WATCH_LEASE,
                Err(end) => return end,
            }
        }
    }
}

/// The next control message. Pings are answered by the library. Loses nothing when it is dropped.
async fn next(socket: &mut Socket) -> Result<Auth, End> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                return serde_json::from_str::<Said>(&text)
                    .map(|said| said.auth)
                    .map_err(|_| NONSENSE);
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Binary(_))) => return Err(NONSENSE),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(LEFT),
        }
    }
}

async fn say(socket: &mut Socket, text: String) -> Result<(), End> {
    match timeout(limits::WATCHER_TAKES, socket.send(Message::text(text))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(LEFT),
    }
}
