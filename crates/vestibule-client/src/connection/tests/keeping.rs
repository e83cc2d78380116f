//! Staying authenticated: refreshing, resuming, coming back, stopping.

use core::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::time::Instant;

use super::rig::{TOKEN, end, failure, next, pair};
use crate::{
    Error, Message, Phase,
    auth::Carrier,
    machine::{Cause, StopReason, Verdict},
};

#[tokio::test(start_paused = true)]
async fn messages_flow_once_the_server_has_accepted_and_not_before() {
    let (builder, mut server, asked, log) = pair();
    let mut connection = builder.subprotocol("chat.v1").start().unwrap();
    connection.feed("early".into()).await.unwrap();
    let mut peer = server.accept().await;
    let auth = peer.hear_auth("authenticate").await;
    assert_eq!(auth["mechanism"], "bearer");
    assert_eq!(auth["token"], format!("{TOKEN}-1"));
    assert!(peer.is_quiet().await, "a message came before the credential was accepted");
    peer.accepted(600).await;
    assert_eq!(peer.hear().await, "early");
    peer.say("hello").await;
    assert_eq!(next(&mut connection).await, "hello");
    assert_eq!(connection.subprotocol().as_deref(), Some("chat.v1"));
    let (closed, rest) = tokio::join!(connection.close(), peer.rest());
    closed.unwrap();
    assert_eq!(rest, (Vec::new(), 1000));
    assert_eq!(end(&mut connection).await.reason(), StopReason::Closed);
    assert_eq!(asked.reasons(), ["connect"]);
    assert_eq!(log.count("Open(First)"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_refreshed_before_it_ends_over_the_same_connection() {
    let (builder, mut server, asked, log) = pair();
    let (connection, mut peer) = tokio::join!(builder.connect(), server.admit(100));
    let mut connection = connection.unwrap();
    for count in 2..5 {
        let start = Instant::now();
        let auth = peer.hear_auth("refresh").await;
        assert_eq!(auth["token"], format!("{TOKEN}-{count}"));
        let waited = start.elapsed().as_secs();
        assert!((75..90).contains(&waited), "{waited}");
        peer.accepted(100).await;
        peer.say("still here").await;
        assert_eq!(next(&mut connection).await, "still here");
    }
    assert_eq!(asked.reasons(), ["connect", "refresh", "refresh", "refresh"]);
    assert_eq!(log.count("Refreshed"), 3);
    connection.controller().refresh();
    peer.hear_auth("refresh").await;
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_is_refused_leaves_the_connection_and_is_tried_again() {
    let (builder, mut server, _, log) = pair();
    let (connection, mut peer) = tokio::join!(builder.connect(), server.admit(100));
    let mut connection = connection.unwrap();
    for error in ["invalid_token", "insufficient_scope"] {
        peer.hear_auth("refresh").await;
        peer.say_auth(json!({"type": "rejected", "error": error, "retry": true})).await;
    }
    peer.hear_auth("refresh").await;
    peer.accepted(100).await;
    peer.say("still here").await;
    assert_eq!(next(&mut connection).await, "still here");
    assert_eq!((log.count("Rejected"), log.count("Reconnecting")), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_credential_is_replaced_on_the_same_connection() {
    let (builder, mut server, asked, _) = pair();
    let serving = async {
        let mut peer = server.accept().await;
        peer.hear_auth("authenticate").await;
        peer.say_auth(json!({"type": "rejected", "error": "token_expired", "retry": true})).await;
        assert_eq!(peer.hear_auth("authenticate").await["token"], format!("{TOKEN}-2"));
        peer.accepted(600).await;
        peer
    };
    let (connection, _peer) = tokio::join!(builder.connect(), serving);
    assert_eq!(connection.unwrap().phase(), Phase::Open);
    assert_eq!(asked.reasons(), ["connect", "refused"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_drains_is_come_back_to_and_4410_and_4403_are_not() {
    let (builder, mut server, asked, log) = pair();
    let (connection, peer) = tokio::join!(builder.connect(), server.admit(600));
    let mut connection = connection.unwrap();
    peer.close(1001, "draining").await;
    let peer = server.admit(600).await;
    assert_eq!(asked.reasons(), ["connect", "reconnect"]);
    assert_eq!(log.count("Reconnecting { cause: ConnectionLost, code: 1001"), 1);
    peer.close(4410, "token_revoked").await;
    let ended = end(&mut connection).await;
    assert_eq!((ended.reason(), ended.error()), (StopReason::Revoked, "token_revoked"));
    assert!(server.is_untouched());

    let (builder, mut server, ..) = pair();
    let serving = async { server.accept().await.close(4403, "insufficient_scope").await };
    let ((ended, _), ()) = tokio::join!(failure(builder), serving);
    assert_eq!(ended.reason(), StopReason::Refused);
}

#[tokio::test(start_paused = true)]
async fn nobody_comes_back_before_the_server_wants_it() {
    let (builder, mut server, ..) = pair();
    let start = Instant::now();
    let mut connection = builder.start().unwrap();
    server.accept().await.close(1013, "temporarily_unavailable; retry-after=77").await;
    connection.controller().online();
    server
        .answer("429 Too Many Requests\r\nRetry-After: 55", r#"{"error":"too_many_attempts"}"#)
        .await;
    assert!(start.elapsed() >= Duration::from_secs(77));
    let _peer = server.admit(600).await;
    assert!(start.elapsed() >= Duration::from_secs(77 + 55));
    connection.opened().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_network_that_is_back_ends_the_wait() {
    let (builder, mut server, _, log) = pair();
    let builder = builder.backoff(Duration::from_hours(10), Duration::from_hours(10));
    let connection = builder.start().unwrap();
    drop(server.raw().await);
    while log.count("Reconnecting") == 0 {
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    connection.controller().online();
    server.admit(600).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_end_is_explained_by_the_last_attempt_alone() {
    let (builder, mut server, ..) = pair();
    let mut connection = builder.start().unwrap();
    drop(server.raw().await);
    server.admit(600).await.close(4410, "logged_out").await;
    let ended = end(&mut connection).await;
    assert!(std::error::Error::source(&ended).is_none(), "{ended:?}");

    let (builder, mut server, ..) = pair();
    let serving = async {
        server.answer("503 Service Unavailable", "").await;
        server.accept().await
    };
    let ((ended, _), _peer) = tokio::join!(failure(builder.attempts(2)), serving);
    assert_eq!(ended.cause(), Some(Cause::AttemptsExhausted));
    assert!(ended.refusal().is_none(), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_code_that_the_library_beneath_does_not_know_is_known() {
    let (builder, mut server, _, log) = pair();
    let _connection = builder.start().unwrap();
    server.admit(600).await.close(1014, "upstream_unavailable").await;
    let _peer = server.admit(600).await;
    assert_eq!(log.count("code: 1014"), 1, "{:?}", log.lines());
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_closed_with_what_a_client_may_say() {
    let (builder, ..) = pair();
    let controller = builder.start().unwrap().controller();
    for code in [0, 999, 1001, 1005, 1006, 1015, 2999, 5000] {
        assert!(matches!(controller.close_with(code, ""), Err(Error::BadClose)), "{code}");
    }
    assert!(matches!(controller.close_with(1000, "x".repeat(124)), Err(Error::BadClose)));
    assert!(controller.close_with(1000, "x".repeat(123)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_http_means_what_its_close_code_would() {
    let (builder, mut server, asked, _) = pair();
    let serving = async {
        server.answer("401 Unauthorized", r#"{"error":"token_expired"}"#).await;
        let peer = server.accept().await;
        assert_eq!(peer.fields["authorization"], format!("Bearer {TOKEN}-2").as_str());
        peer
    };
    let builder = builder.carrier(Carrier::Header);
    let (connection, mut peer) = tokio::join!(builder.connect(), serving);
    let mut connection = connection.unwrap();
    assert_eq!(asked.reasons(), ["connect", "refused"]);
    // Where the gateway announces itself, the header's lease is refreshed in band too.
    peer.accepted(100).await;
    peer.hear_auth("refresh").await;
    peer.say("hello").await;
    assert_eq!(next(&mut connection).await, "hello");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_behind_the_handshake_comes_before_anything_is_sent() {
    let (builder, mut server, asked, _) = pair();
    let mut connection = builder.carrier(Carrier::Header).start().unwrap();
    connection.feed("once".into()).await.unwrap();
    let peer = server.accept().await;
    peer.close(4401, "invalid_token").await;
    let mut peer = server.accept().await;
    assert_eq!(peer.hear().await, "once");
    assert_eq!(asked.reasons(), ["connect", "refused"]);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_maps_its_codes_is_understood() {
    let (builder, mut server, asked, _) = pair();
    let builder = builder.code(3000, Verdict::Stop).code(3000, Verdict::Fresh);
    let serving = async {
        for _ in 0..2 {
            server.accept().await.close(3000, "token_expired").await;
        }
    };
    let ((ended, _), ()) = tokio::join!(failure(builder), serving);
    assert_eq!((ended.code(), ended.cause()), (3000, Some(Cause::CredentialRefused)));
    assert_eq!(asked.reasons(), ["connect", "refused"]);
}

#[tokio::test(start_paused = true)]
async fn logging_out_is_said_behind_what_was_sent() {
    let (builder, mut server, ..) = pair();
    let (connection, mut peer) = tokio::join!(builder.connect(), server.admit(600));
    let mut connection = connection.unwrap();
    for number in 0..100 {
        connection.feed(Message::text(format!("{number}"))).await.unwrap();
    }
    connection.controller().logout();
    for number in 0..100 {
        assert_eq!(peer.hear().await, format!("{number}"));
    }
    peer.hear_auth("logout").await;
    assert!(connection.try_send("too late").is_err());
    peer.close(4410, "logged_out").await;
    let ended = end(&mut connection).await;
    assert_eq!((ended.reason(), ended.code()), (StopReason::Closed, 4410));
    assert!(connection.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_plain_connection_that_ends_has_ended() {
    let (builder, mut server, ..) = pair();
    let (connection, peer) = tokio::join!(builder.plain().connect(), server.admit(600));
    let mut connection = connection.unwrap();
    drop(peer);
    let ended = end(&mut connection).await;
    assert_eq!((ended.reason(), ended.cause()), (StopReason::Ended, Some(Cause::ConnectionLost)));
    assert!(server.is_untouched());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_dropped_is_gone() {
    let (builder, mut server, ..) = pair();
    let (connection, mut peer) = tokio::join!(builder.connect(), server.admit(600));
    let connection = connection.unwrap();
    let controller = connection.controller();
    drop(connection);
    assert_eq!(peer.rest().await, (Vec::new(), 1006));
    controller.close();
    assert!(format!("{controller:?}").contains("Aborted"));
}
