//! The admin listener: health, readiness and metrics for everybody who reaches it; and, for whoever
//! has the token, the API. Loopback by default.

mod accounts;
mod audit;
mod call;
mod connections;
mod gate;
mod model;
mod openapi;
mod problem;
mod ready;
mod revocations;
mod schema;
mod table;

use std::{
    convert::Infallible,
    net::{IpAddr, TcpListener as StdListener},
    sync::Arc,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tracing::{debug, error, warn};

use self::gate::Gate;
pub use self::{
    audit::Audit,
    call::answer_here,
    gate::{AdminToken, TokenError, read as read_token},
    openapi::document,
};
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

/// What the API needs.
#[derive(Debug)]
pub struct Api {
    shared: Arc<Shared>,
    gate: Gate,
    audit: Audit,
}

/// Serves until the task is dropped.
pub async fn serve(listener: StdListener, api: Arc<Api>, phase: watch::Receiver<Phase>) {
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
                    let (api, phase) = (Arc::clone(&api), phase.clone());
                    connections.spawn(async move {
                        let answer = service_fn(move |request| {
                            let (api, phase) = (Arc::clone(&api), *phase.borrow());
                            async move {
                                Ok::<_, Infallible>(api.dispatch(request, peer.ip(), phase).await)
                            }
                        });
                        let served = http1::Builder::new()
                            .timer(TokioTimer::new())
                            .header_read_timeout(limits::ADMIN_REQUEST_TIME)
                            .max_buf_size(HEAD_BYTES)
                            .serve_connection(TokioIo::new(socket), answer)
                            .await;
                        if let Err(error) = served {
                            debug!(%error, "admin connection");
                        }
                    });
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

impl Api {
    /// Reads the token, or makes it. Where there is none, the rest is served all the same: an
    /// operator must see that the process lives.
    pub fn new(admin: Admin, shared: Arc<Shared>) -> Arc<Self> {
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
        Arc::new(Self { shared, gate: Gate::new(token, listen), audit: Audit::new(audit_log) })
    }

    async fn dispatch(&self, request: Request<Incoming>, from: IpAddr, phase: Phase) -> Answer {
        if !request.uri().path().starts_with("/api/") {
            return open(&request, &self.shared, phase).await;
        }
        let (status, body, retry_after) = self.answer(request, from).await;
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
}

/// What needs no token.
async fn open(request: &Request<Incoming>, shared: &Shared, phase: Phase) -> Answer {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return reply(
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain",
            "only GET and HEAD\n".to_owned(),
        );
    }
    match request.uri().path() {
        "/healthz" | "/livez" => reply(StatusCode::OK, "text/plain", "ok\n".to_owned()),
        "/readyz" => ready::answer(shared, phase).await,
        "/metrics" => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            shared.metrics.look(&shared.authority.readiness(), shared.kept.revocations.len());
            reply(StatusCode::OK, kind, shared.metrics.render())
        }
        _ => {
            let help = "here are /healthz, /readyz, /metrics and /api/v1/openapi.json\n".to_owned();
            reply(StatusCode::NOT_FOUND, "text/plain", help)
        }
    }
}

fn reply(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer
}
