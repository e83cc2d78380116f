//! What is presented, where, and how often it is asked for.

use core::time::Duration;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::SinkExt;
use serde_json::json;

use super::rig::{Log, TOKEN, end, failure, memory, next, pair};
use crate::{
    Builder, Error, Resume, Unavailable,
    auth::{AskReason, Carrier, api_key, cookie, session, ticket},
    machine::StopReason,
};

#[tokio::test(start_paused = true)]
async fn a_session_takes_the_place_of_the_provider_until_it_is_refused() {
    for resume in [Resume::BySession, Resume::ByProvider] {
        let (builder, mut server, asked, _) = pair();
        let connection = builder.resume(resume).start().unwrap();
        let mut peer = server.accept().await;
        peer.hear_auth("authenticate").await;
        peer.say_auth(json!({
            "type": "accepted", "subject": "alice", "mechanism": "bearer", "expires_in": 600,
            "session": "s3ssion", "connection": "17"
        }))
        .await;
        peer.close(1001, "draining").await;
        assert_eq!(connection.id().as_deref(), Some("17"));
        let mut peer = server.accept().await;
        let auth = peer.hear_auth("authenticate").await;
        if resume == Resume::ByProvider {
            assert_eq!(auth["mechanism"], "bearer");
            assert_eq!(asked.reasons(), ["connect", "reconnect"]);
            continue;
        }
        assert_eq!((&auth["mechanism"], &auth["token"]), (&json!("session"), &json!("s3ssion")));
        assert_eq!(asked.reasons(), ["connect"]);
        peer.say_auth(json!({"type": "rejected", "error": "invalid_token", "retry": true})).await;
        assert_eq!(peer.hear_auth("authenticate").await["mechanism"], "bearer");
        peer.accepted(600).await;
        peer.close(1001, "draining").await;
        let auth = server.accept().await.hear_auth("authenticate").await;
        assert_eq!(auth["mechanism"], "bearer", "a refused session is forgotten");
        assert_eq!(asked.reasons(), ["connect", "refused", "reconnect"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_does_not_travel_where_nobody_said_that_it_may() {
    let (builder, mut server, asked, _) = pair();
    let _connection = builder.carrier(Carrier::Header).start().unwrap();
    let mut peer = server.accept().await;
    peer.say_auth(json!({
        "type": "accepted", "subject": "alice", "mechanism": "bearer", "expires_in": 600,
        "session": "s3ssion"
    }))
    .await;
    peer.close(1001, "draining").await;
    let peer = server.accept().await;
    assert_eq!(peer.fields["authorization"], format!("Bearer {TOKEN}-2").as_str());
    assert_eq!(asked.reasons(), ["connect", "reconnect"]);
}

#[tokio::test(start_paused = true)]
async fn a_ticket_is_presented_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let provider = ticket(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, Unavailable>("the-same-one") }
    });
    let (connector, mut server) = memory();
    let builder = Builder::new("ws://localhost/chat?a=b", provider).unwrap().connector(connector);
    let mut connection = builder.start().unwrap();
    let peer = server.accept().await;
    assert_eq!(peer.target, "/chat?a=b&ticket=the-same-one");
    connection.opened().await.unwrap();
    peer.close(1001, "draining").await;
    let ended = end(&mut connection).await;
    assert_eq!(ended.reason(), StopReason::CredentialRefused);
    assert_eq!(asked.load(Ordering::SeqCst), 3, "connect, reconnect, refused");
    assert!(server.is_untouched());
}

#[tokio::test(start_paused = true)]
async fn each_carrier_and_mechanism_says_what_the_protocol_has() {
    let (connector, mut server) = memory();
    let provider = api_key(async |_| Ok::<_, Unavailable>("k3y"));
    let _connection =
        Builder::new("ws://localhost/", provider).unwrap().connector(connector).start();
    let auth = server.accept().await.hear_auth("authenticate").await;
    assert_eq!((&auth["mechanism"], &auth["token"]), (&json!("api-key"), &json!("k3y")));

    let (connector, mut server) = memory();
    let provider = session(async |_| Ok::<_, Unavailable>("s3ssion"));
    let _connection =
        Builder::new("ws://localhost/", provider).unwrap().connector(connector).start();
    let auth = server.accept().await.hear_auth("authenticate").await;
    assert_eq!((&auth["mechanism"], &auth["token"]), (&json!("session"), &json!("s3ssion")));

    let (connector, mut server) = memory();
    let provider = cookie("sid", async |_| Ok::<_, Unavailable>("c00kie"));
    let builder = Builder::new("ws://localhost/", provider).unwrap().connector(connector);
    let _connection = builder.origin("https://app.example".parse().unwrap()).start();
    let peer = server.accept().await;
    assert_eq!(
        (&peer.fields["cookie"], &peer.fields["origin"]),
        (&"sid=c00kie".parse().unwrap(), &"https://app.example".parse().unwrap())
    );

    let (builder, mut server, ..) = pair();
    let host = "ws.example.com";
    let _connection = builder.field("host".parse().unwrap(), host.parse().unwrap()).start();
    let fields = server.accept().await.fields;
    assert_eq!(fields.get_all("host").iter().collect::<Vec<_>>(), [host]);

    for (carrier, field, value) in [
        (Carrier::Header, "authorization", format!("Bearer {TOKEN}-1")),
        (Carrier::Subprotocol, "sec-websocket-protocol", format!("bearer, {TOKEN}-1")),
    ] {
        let (builder, mut server, ..) = pair();
        let _connection = builder.carrier(carrier).start().unwrap();
        assert_eq!(server.accept().await.fields[field], value.as_str());
    }
}

#[tokio::test(start_paused = true)]
async fn each_message_can_carry_the_token_and_waits_where_it_is_known_to_be_useless() {
    // The second token takes its time.
    let provider = crate::auth::bearer(async |request| {
        if request.reason != AskReason::Refresh {
            return Ok::<_, Unavailable>("first");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok("second")
    });
    let log = Log::default();
    let (connector, mut server) = memory();
    let mut connection = Builder::new("ws://localhost/", provider)
        .unwrap()
        .connector(connector)
        .on_event(log.watch())
        .carrier(Carrier::PerMessage)
        .start()
        .unwrap();
    for wrong in ["hello", "{", "", "1 2"] {
        assert!(matches!(connection.try_send(wrong), Err(Error::NotJson)), "{wrong}");
    }
    assert!(matches!(connection.try_send(b"1".to_vec()), Err(Error::NotJson)));
    connection.feed(r#"{"first": [1, 2]}"#.into()).await.unwrap();
    let mut peer = server.accept().await;
    let sealed =
        |token: &str, data: &str| format!(r#"{{"auth":{{"token":"{token}"}},"data":{data}}}"#);
    assert_eq!(peer.hear().await, sealed("first", r#"{"first": [1, 2]}"#));
    peer.say_auth(json!({"type": "rejected", "error": "token_expired", "retry": true})).await;
    while log.count("Refreshing") == 0 {
        tokio::task::yield_now().await;
    }
    connection.feed("2".into()).await.unwrap();
    assert_eq!(peer.hear().await, sealed("second", "2"));
    peer.say("hello").await;
    assert_eq!(next(&mut connection).await, "hello");
    connection.controller().close_with(4000, "done").unwrap();
    assert_eq!(peer.rest().await, (Vec::new(), 4000));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_knows_that_there_will_be_none_is_not_asked_again() {
    let provider = crate::auth::bearer(async |_| Err::<String, _>(Unavailable::ForGood));
    let (connector, mut server) = memory();
    let builder = Builder::new("ws://localhost/", provider).unwrap().connector(connector);
    let (ended, millis) = failure(builder).await;
    assert_eq!((ended.reason(), millis), (StopReason::CredentialRefused, 0));
    assert!(server.is_untouched());
}

#[tokio::test(start_paused = true)]
async fn the_provider_is_never_asked_twice_at_once() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
    let provider = crate::auth::bearer(move |_| {
        let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
        async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(1)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, Unavailable>("token")
        }
    });
    let (connector, mut server) = memory();
    let builder = Builder::new("ws://localhost/", provider).unwrap().connector(connector);
    let connection = builder.start().unwrap();
    let mut peer = server.admit(600).await;
    // A refresh is wanted, and before it is there the connection is lost.
    peer.say_auth(json!({"type": "expiring", "expires_in": 5})).await;
    connection.controller().refresh();
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(peer);
    server.admit(600).await;
    assert_eq!(most.load(Ordering::SeqCst), 1);
}
