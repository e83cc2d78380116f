//! The admin listener: health, readiness and metrics for everybody who reaches it; and, for whoever
//! has the token, the API. Loopback by default.

mod accounts;
mod audit;
mod call;
mod client;
mod connections;
mod console;
mod find;
mod gate;
mod model;
mod objects;
mod openapi;
mod passkeys;
mod percent;
mod problem;
mod public_keys;
mod ready;
mod revocations;
mod schema;
mod status;
mod table;
mod watch;

use std::{
    convert::Infallible,
    net::{IpAddr, TcpListener as StdListener},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn, upgrade::OnUpgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tracing::{debug, error, warn};

pub use self::{
    audit::Audit,
    call::answer_here,
    client::{Failure, encode, exchange},
    gate::{AdminToken, TokenError, read as read_token},
    openapi::document,
};
use self::{gate::Gate, problem::Problem};
use crate::{
    config::Admin,
    limits,
    serve::{Phase, Shared},
};

/// Longest request head, in bytes.
const HEAD_BYTES: usize = 16 * 1024;
/// How long the listener rests when the process is out of descriptors or memory.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

type Answer = Response<Full<Bytes>>;
/// The connection after a handshake.
type Invited = Mutex<Option<OnUpgrade>>;
/// Where the process is in its life.
type Watched = tokio::sync::watch::Receiver<Phase>;

/// What the API needs.
#[derive(Debug)]
pub struct Api {
    shared: Arc<Shared>,
    gate: Gate,
    audit: Audit,
    phase: Watched,
    watchers: Semaphore,
}

/// Serves until the task is dropped.
pub async fn serve(listener: StdListener, api: Arc<Api>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            warn!(%error, "no admin listener");
            return;
        }
    };
    let mut connections = JoinSet::new();
    loop {
        let has_room = connections.len() < limits::ADMIN_CONNECTIONS;
        tokio::select! {
            accepted = listener.accept(), if has_room => match accepted {
                Ok((socket, peer)) => {
                    connections.spawn(attend(socket, peer.ip(), Arc::clone(&api)));
                }
                Err(error) => {
                    warn!(%error, "cannot accept on the admin listener");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// One connection: HTTP and, where it was asked for, a watch after it.
async fn attend(socket: TcpStream, from: IpAddr, api: Arc<Api>) {
    let invited = Arc::new(Mutex::new(None));
    let answer = {
        let (api, invited) = (Arc::clone(&api), Arc::clone(&invited));
        service_fn(move |request| {
            let (api, invited) = (Arc::clone(&api), Arc::clone(&invited));
            async move { Ok::<_, Infallible>(api.dispatch(request, from, &invited).await) }
        })
    };
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::ADMIN_REQUEST_TIME)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(socket), answer)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        debug!(%error, "admin connection");
        return;
    }
    let upgrade = invited.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(upgrade) = upgrade {
        watch::attend(upgrade, &api, from).await;
    }
}

impl Api {
    /// Reads the token, or makes it. Where there is none, the rest is served all the same: an
    /// operator must see that the process lives.
    pub fn new(admin: Admin, shared: Arc<Shared>, phase: Watched) -> Arc<Self> {
        let Admin { listen, token_file, audit_log } = admin;
        let token = match AdminToken::open(&token_file) {
            Ok(token) => Some(token),
            Err(cause) => {
                let path = token_file.display();
                let reason = std::error::Error::source(&cause).map(ToString::to_string);
                error!(%path, %cause, reason, "no token for the admin API: it lets nobody in");
                None
            }
        };
        Arc::new(Self {
            shared,
            gate: Gate::new(token, listen),
            audit: Audit::new(audit_log),
            phase,
            watchers: Semaphore::new(limits::WATCHERS),
        })
    }

    async fn dispatch(
        &self,
        mut request: Request<Incoming>,
        from: IpAddr,
        invited: &Invited,
    ) -> Answer {
        let path = request.uri().path();
        if !path.starts_with("/api/") {
            return self.open(request.method(), path).await;
        }
        if path == table::WATCH && request.headers().contains_key(header::UPGRADE) {
            return match watch::invite(self, &mut request) {
                Ok((answer, upgrade)) => {
                    *invited.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgrade);
                    answer
                }
                Err(problem) => {
                    let Problem { status, error, description, retry_after } = problem;
                    let body = json!({ "error": error, "error_description": description });
                    let mut answer = told(status, Some(&body), retry_after);
                    let close = header::HeaderValue::from_static("close");
                    answer.headers_mut().insert(header::CONNECTION, close);
                    answer
                }
            };
        }
        let (status, body, retry_after) = self.answer(request, from).await;
        told(status, body.as_ref(), retry_after)
    }

    /// What needs no token.
    async fn open(&self, method: &Method, path: &str) -> Answer {
        if let Some(answer) = console::answer(method, path) {
            return answer;
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            let words = "only GET and HEAD\n".to_owned();
            return reply(StatusCode::METHOD_NOT_ALLOWED, "text/plain", words);
        }
        match path {
            "/healthz" | "/livez" => reply(StatusCode::OK, "text/plain", "ok\n".to_owned()),
            "/readyz" => {
                let phase = *self.phase.borrow();
                ready::answer(&self.shared, phase).await
            }
            "/metrics" => {
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                reply(StatusCode::OK, kind, status::metrics(&self.shared))
            }
            _ => {
                let help = "here are /console/, /healthz, /readyz, /metrics and \
                            /api/v1/openapi.json\n";
                reply(StatusCode::NOT_FOUND, "text/plain", help.to_owned())
            }
        }
    }
}

/// An answer of the API.
fn told(status: StatusCode, body: Option<&Value>, retry_after: Option<u64>) -> Answer {
    let body = body.map_or_else(String::new, |body| format!("{body}\n"));
    let mut answer = reply(status, "application/json", body);
    let headers = answer.headers_mut();
    let fixed = header::HeaderValue::from_static;
    headers.insert(header::CACHE_CONTROL, fixed("no-store"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, fixed("Bearer realm=\"vestibule admin\""));
    }
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    answer
}

fn reply(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer
}
