//! The admin listener: health, readiness, metrics. Loopback by default; it takes no credential, and
//! says nothing about who is connected.

use std::{convert::Infallible, net::TcpListener as StdListener, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tracing::{debug, warn};
use vestibule_authority::Readiness;

use crate::serve::{Phase, Shared};

/// Longest request head, in bytes.
const HEAD_BYTES: usize = 16 * 1024;

type Answer = Response<Full<Bytes>>;

/// Serves until the task is dropped.
pub async fn serve(listener: StdListener, shared: Arc<Shared>, phase: watch::Receiver<Phase>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            warn!(%error, "no admin listener");
            return;
        }
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    let (shared, phase) = (Arc::clone(&shared), phase.clone());
                    connections.spawn(async move {
                        let answer = service_fn(move |request| {
                            let answer = answer(&request, &shared, *phase.borrow());
                            async move { Ok::<_, Infallible>(answer) }
                        });
                        let served = http1::Builder::new()
                            .timer(TokioTimer::new())
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
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

fn answer(request: &Request<Incoming>, shared: &Shared, phase: Phase) -> Answer {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return reply(
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain",
            "only GET and HEAD\n".to_owned(),
        );
    }
    match request.uri().path() {
        "/healthz" | "/livez" => reply(StatusCode::OK, "text/plain", "ok\n".to_owned()),
        "/readyz" => ready(shared, phase),
        "/metrics" => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            reply(StatusCode::OK, kind, shared.metrics.render())
        }
        _ => {
            let help = "here are /healthz, /readyz and /metrics\n".to_owned();
            reply(StatusCode::NOT_FOUND, "text/plain", help)
        }
    }
}

/// Ready is: serving, and every issuer has keys. A node without keys would refuse everybody.
fn ready(shared: &Shared, phase: Phase) -> Answer {
    let issuers = shared.authority.readiness();
    let all = issuers.iter().all(Readiness::is_ready);
    let (status, word) = match (phase, all) {
        (Phase::Draining, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (Phase::Open, false) => (StatusCode::SERVICE_UNAVAILABLE, "waiting for keys"),
        (Phase::Open, true) => (StatusCode::OK, "ready"),
    };
    let issuers: Vec<_> = issuers
        .iter()
        .map(|issuer| {
            serde_json::json!({
                "name": &*issuer.name,
                "kind": issuer.kind,
                "state": issuer.state.to_string(),
                "keys": issuer.keys,
                "age": issuer.age.map(|age| age.as_secs()),
                "last_success": issuer.last_success.map(|age| age.as_secs()),
                "last_error": issuer.last_error,
            })
        })
        .collect();
    let body = serde_json::json!({ "status": word, "issuers": issuers });
    reply(status, "application/json", format!("{body}\n"))
}

fn reply(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer
}
