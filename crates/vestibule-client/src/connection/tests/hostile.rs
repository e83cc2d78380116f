//! Servers that do the wrong thing: a defined state, a typed error, within a bound.

use core::time::Duration;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::{io::AsyncWriteExt, time::Instant};
use tokio_tungstenite::tungstenite;

use super::rig::{end, failure, head_of, memory, next, pair};
use crate::{
    Builder, Phase, Unavailable,
    auth::{Carrier, Credential, Provider, Request, bearer},
    machine::{Cause, StopReason},
};

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_the_handshake() {
    let (builder, mut server, ..) = pair();
    let (seen, _stream) = tokio::join!(failure(builder.plain()), server.raw());
    let (ended, millis) = seen;
    assert_eq!((ended.cause(), millis), (Some(Cause::ConnectTimeout), 10_000));
    assert_eq!((ended.reason(), ended.code()), (StopReason::Ended, 1006));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_nonsense() {
    let checks = [
        ("", Cause::ConnectFailed),
        ("220 mail.example.com ESMTP\r\n", Cause::ConnectFailed),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Cause::Refused),
        ("HTTP/1.1 302 Found\r\nLocation: wss://evil.example/\r\n\r\n", Cause::Refused),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", Cause::Refused),
        (
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 26\r\n\r\n{\"error\":\"token_revoked\"}.",
            Cause::CredentialRefused,
        ),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", Cause::Protocol),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: AAAA\r\n\r\n",
            Cause::ConnectFailed,
        ),
    ];
    for (answer, cause) in checks {
        let (builder, mut server, ..) = pair();
        let serving = async {
            while let Some(mut stream) = server.raw_or_end().await {
                head_of(&mut stream).await;
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        };
        let ((ended, _), ()) = tokio::join!(failure(builder.plain()), serving);
        assert_eq!(ended.cause(), Some(cause), "{answer}: {ended}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_whose_body_never_comes_ends_all_the_same() {
    let (builder, mut server, ..) = pair();
    let serving = async {
        let mut stream = server.raw().await;
        head_of(&mut stream).await;
        let head = "HTTP/1.1 403 Forbidden\r\nContent-Length: 99999999999\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    let ((ended, millis), _stream) = tokio::join!(failure(builder), serving);
    assert_eq!((ended.reason(), millis), (StopReason::Refused, 3_000));
    assert_eq!(ended.refusal().unwrap().status(), 403);
}

#[tokio::test(start_paused = true)]
async fn of_a_refusal_without_end_the_beginning_is_read() {
    let (builder, mut server, ..) = pair();
    let serving = async {
        let mut stream = server.raw().await;
        head_of(&mut stream).await;
        let head = "HTTP/1.1 403 Forbidden\r\nContent-Length: 99999999999\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b' '; 20_000]).await.unwrap();
        stream
    };
    let ((ended, millis), _stream) = tokio::join!(failure(builder), serving);
    assert_eq!((ended.refusal().unwrap().body().len(), millis), (16 * 1024, 0));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_chooses_the_entry_with_the_token() {
    let (builder, mut server, ..) = pair();
    let builder = builder.carrier(Carrier::Subprotocol).subprotocol("chat.v1");
    let serving = server.accept_choosing(|offer| offer.split(", ").last().map(str::to_owned));
    let ((ended, _), _peer) = tokio::join!(failure(builder), serving);
    assert_eq!(ended.cause(), Some(Cause::Protocol));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_the_credential_or_answers_something_else() {
    for word in [None, Some(r#"{"auth":{"type":"dance"}}"#)] {
        let (builder, mut server, ..) = pair();
        let serving = async {
            let mut peer = server.accept().await;
            peer.hear_auth("authenticate").await;
            if let Some(word) = word {
                peer.say(word).await;
            }
            peer.rest().await
        };
        let ((ended, millis), rest) = tokio::join!(failure(builder.plain()), serving);
        assert_eq!((ended.cause(), millis), (Some(Cause::AuthTimeout), 10_000), "{word:?}");
        assert_eq!(rest, (Vec::new(), 4408));
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_for_a_control_message_ends_it_whenever_it_comes() {
    for garbage in [
        r#"{"auth":"#,
        r#"{"auth":1}"#,
        r#"{"auth":{"type":7}}"#,
        r#"{"auth":{"type":"accepted"}}"#,
        r#"{"auth":{"type":"accepted","subject":"alice","expires_in":-1}}"#,
        r#"{"auth":{"type":"expiring","expires_in":1.5}}"#,
        r#"{"auth":{"type":"rejected","error":"x"}}"#,
        // A token has no answer.
        r#"{"auth":{"type":"challenge","nonce":"AAAA","expires_in":5}}"#,
        "hello, before anything was accepted",
    ] {
        let (builder, mut server, ..) = pair();
        let serving = async {
            let mut peer = server.accept().await;
            peer.hear_auth("authenticate").await;
            peer.say(garbage).await;
            peer.rest().await
        };
        let ((ended, millis), rest) = tokio::join!(failure(builder), serving);
        assert_eq!((ended.cause(), millis), (Some(Cause::Protocol), 0), "{garbage}");
        assert_eq!(rest.1, 4400);
    }
    let (builder, mut server, ..) = pair();
    let (connection, mut peer) = tokio::join!(builder.connect(), server.admit(600));
    let mut connection = connection.unwrap();
    peer.say(r#"{"auth":{}}"#).await;
    assert_eq!(end(&mut connection).await.reason(), StopReason::Protocol);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_control_messages_ends_it() {
    let (builder, mut server, ..) = pair();
    let (connection, mut peer) = tokio::join!(builder.connect(), server.admit(600));
    let mut connection = connection.unwrap();
    let flooding =
        async { while peer.try_say(r#"{"auth":{"type":"expiring","expires_in":9}}"#).await {} };
    let (ended, ()) = tokio::join!(end(&mut connection), flooding);
    assert_eq!(ended.reason(), StopReason::Protocol);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pings_does_not_keep_a_deadline_from_passing() {
    let (builder, mut server, ..) = pair();
    let flooding = async {
        let mut peer = server.accept().await;
        while peer.send(tungstenite::Message::Ping(Vec::new().into())).await {
            tokio::time::advance(Duration::from_millis(1)).await;
        }
    };
    let ((ended, millis), ()) = tokio::join!(failure(builder.plain()), flooding);
    assert_eq!(ended.cause(), Some(Cause::AuthTimeout));
    assert!(millis < 11_000, "{millis}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_messages_that_nobody_reads_is_not_kept() {
    let (builder, mut server, ..) = pair();
    let (connection, mut peer) = tokio::join!(builder.connect(), server.admit(600));
    let connection = connection.unwrap();
    let text = "x".repeat(10_000);
    let mut sent = 0_usize;
    let flooding = async {
        loop {
            peer.say(&text).await;
            sent += text.len();
        }
    };
    // The clock moves only when nothing else does: the flood is stuck by then.
    drop(tokio::time::timeout(Duration::from_secs(1), flooding).await);
    assert!((1_000_000..1_500_000).contains(&sent), "{sent} bytes were taken");
    // And it can still be ended.
    let start = Instant::now();
    connection.controller().close();
    let mut connection = connection;
    let taken = end(&mut connection);
    let (ended, ()) = tokio::join!(taken, async { drop(peer.rest().await) });
    assert_eq!(ended.reason(), StopReason::Closed);
    assert!(start.elapsed() <= Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_long_ends_it() {
    let (builder, mut server, ..) = pair();
    let builder = builder.message_bytes(1000);
    let (connection, mut peer) = tokio::join!(builder.connect(), server.admit(600));
    let mut connection = connection.unwrap();
    assert!(peer.try_say(&"x".repeat(1000)).await);
    assert!(peer.try_say(&"x".repeat(1001)).await);
    assert_eq!(next(&mut connection).await.len(), 1000);
    let ended = end(&mut connection).await;
    assert_eq!(ended.cause(), Some(Cause::Protocol));
    assert!(std::error::Error::source(&ended).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_the_close() {
    let (builder, mut server, ..) = pair();
    let (connection, _peer) = tokio::join!(builder.connect(), server.admit(600));
    let mut connection = connection.unwrap();
    let start = Instant::now();
    connection.close().await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    assert_eq!((connection.phase(), connection.ended().unwrap().code()), (Phase::Over, 1006));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_every_credential_is_given_two() {
    let (builder, mut server, asked, _) = pair();
    let serving = async {
        for _ in 0..2 {
            let mut peer = server.accept().await;
            peer.hear_auth("authenticate").await;
            peer.close(4401, "invalid_token").await;
        }
    };
    let ((ended, _), ()) = tokio::join!(failure(builder), serving);
    assert_eq!(ended.reason(), StopReason::CredentialRefused);
    assert_eq!((ended.code(), ended.error()), (4401, "invalid_token"));
    assert_eq!(asked.reasons(), ["connect", "refused"]);
    assert!(server.is_untouched());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_every_connection_is_left_alone_for_longer_each_time() {
    let (builder, mut server, _, log) = pair();
    let builder = builder.attempts(8);
    let serving = async {
        for _ in 0..8 {
            drop(server.raw().await);
        }
    };
    let ((ended, millis), ()) = tokio::join!(failure(builder), serving);
    assert_eq!(ended.cause(), Some(Cause::AttemptsExhausted));
    assert_eq!(log.count("Reconnecting"), 7);
    // Ceilings of 0.5, 1, 2, 4, 8, 16 and 30 s.
    assert!(millis < 61_500, "{millis}");
}

struct Panics;

impl Provider for Panics {
    async fn provide(&self, _: Request) -> Result<Credential, Unavailable> {
        panic!("a mistake of the application's");
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_never_answers_or_fails_or_panics() {
    let never = bearer(|_| core::future::pending::<Result<String, Unavailable>>());
    let (connector, _server) = memory();
    let builder = Builder::new("ws://localhost/", never).unwrap().connector(connector).plain();
    let (ended, millis) = failure(builder).await;
    assert_eq!((ended.cause(), millis), (Some(Cause::CredentialUnavailable), 10_000));

    let fails = bearer(async |_| Err::<String, _>(std::io::Error::other("s3cret-t0ken")));
    let (connector, _server) = memory();
    let builder = Builder::new("ws://localhost/", fails).unwrap().connector(connector).plain();
    let (ended, millis) = failure(builder).await;
    assert_eq!((ended.cause(), millis), (Some(Cause::CredentialUnavailable), 0));

    let (connector, _server) = memory();
    let builder = Builder::new("ws://localhost/", Panics).unwrap().connector(connector);
    assert_eq!(failure(builder).await.0.reason(), StopReason::Aborted);

    // A question without an answer is given up, and asked anew.
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let second = bearer(move |_| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if first {
                core::future::pending::<()>().await;
            }
            Ok::<_, Unavailable>("token")
        }
    });
    let (connector, mut server) = memory();
    let builder = Builder::new("ws://localhost/", second).unwrap().connector(connector);
    let (connection, _peer) = tokio::join!(builder.connect(), server.admit(600));
    assert!(connection.is_ok());
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_close_is_not_heard() {
    let (builder, mut server, ..) = pair();
    let (connection, mut peer) = tokio::join!(builder.plain().connect(), server.admit(600));
    let mut connection = connection.unwrap();
    peer.say("last").await;
    peer.close(1001, "draining").await;
    assert_eq!(next(&mut connection).await, "last");
    assert!(connection.next().now_or_never().is_none_or(|end| end.is_none()));
    let ended = end(&mut connection).await;
    assert_eq!((ended.reason(), ended.cause()), (StopReason::Ended, None));
    assert_eq!((ended.code(), ended.error()), (1001, "draining"));
}
