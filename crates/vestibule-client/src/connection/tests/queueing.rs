//! What is sent while there is no connection, or more than the server takes.

use core::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite;

use super::rig::{TOKEN, end, next, pair};
use crate::{Error, Message, Resend, machine::StopReason};

#[tokio::test(start_paused = true)]
async fn what_waits_goes_over_the_next_connection_once_and_in_order() {
    let (builder, mut server, ..) = pair();
    let (connection, peer) = tokio::join!(builder.connect(), server.admit(600));
    let mut connection = connection.unwrap();
    let mut taken = Vec::new();
    connection.feed("0".into()).await.unwrap();
    let mut peer = peer;
    taken.push(peer.hear().await);
    peer.close(1001, "draining").await;
    for number in 1..50 {
        connection.feed(Message::text(format!("{number}"))).await.unwrap();
    }
    // A server that is there, but does not accept, gets none of them.
    let mut peer = server.accept().await;
    peer.hear_auth("authenticate").await;
    drop(peer);
    let mut peer = server.admit(600).await;
    connection.flush().await.unwrap();
    connection.controller().close();
    let (texts, code) = peer.rest().await;
    taken.extend(texts);
    let expected: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    assert_eq!((taken, code), (expected, 1000));
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_end_is_already_there_gets_nothing_more() {
    let (builder, mut server, ..) = pair();
    let (connection, mut peer) = tokio::join!(builder.connect(), server.admit(600));
    let connection = connection.unwrap();
    // The client has had no chance to read it when the message is sent.
    assert!(peer.send(tungstenite::Message::Close(None)).await);
    connection.try_send("not lost").unwrap();
    let mut next = server.admit(600).await;
    assert_eq!(next.hear().await, "not lost");
    assert!(peer.rest().await.0.is_empty());
}

#[tokio::test(start_paused = true)]
async fn flushed_is_what_the_system_has_taken_or_a_lost_connection_had() {
    let (builder, mut server, ..) = pair();
    let builder = builder.backoff(Duration::from_hours(9), Duration::from_hours(9));
    let (connection, peer) = tokio::join!(builder.connect(), server.admit(600));
    let mut connection = connection.unwrap();
    connection.feed("x".repeat(300_000).into()).await.unwrap();
    let flushed = tokio::time::timeout(Duration::from_secs(1), connection.flush()).await;
    assert!(flushed.is_err(), "more was flushed than fits");
    let start = Instant::now();
    drop(peer);
    connection.flush().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "it does not wait for another connection");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_reading_is_given_up_at_the_next_refresh() {
    let (builder, mut server, _, log) = pair();
    let builder = builder.backoff(Duration::from_hours(9), Duration::from_hours(9));
    let (connection, _peer) = tokio::join!(builder.connect(), server.admit(100));
    let mut connection = connection.unwrap();
    let start = Instant::now();
    connection.send("x".repeat(300_000).into()).await.unwrap();
    assert!((85..=101).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert_eq!(log.count("cause: AuthTimeout"), 1);
}

#[tokio::test(start_paused = true)]
async fn room_is_told_before_everything_is_flushed() {
    let (builder, mut server, ..) = pair();
    let (connection, mut peer) =
        tokio::join!(builder.queue_bytes(1_200_000).connect(), server.admit(600));
    let mut connection = connection.unwrap();
    let text = "x".repeat(400_000);
    let filling = async {
        loop {
            connection.feed(text.clone().into()).await.unwrap();
        }
    };
    drop(tokio::time::timeout(Duration::from_secs(1), filling).await);
    // In a task of its own: nothing else wakes the one that waits for room.
    let reading = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        peer.hear().await;
        peer
    });
    let start = Instant::now();
    let feeding = connection.feed(text.clone().into());
    let fed = tokio::time::timeout(Duration::from_secs(2), feeding).await;
    let _peer = reading.await.unwrap();
    fed.expect("there is room").unwrap();
    // The bound itself would have woken it, too.
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_one_message_goes_after_the_other() {
    let (builder, mut server, ..) = pair();
    let (connection, mut peer) = tokio::join!(builder.queue_bytes(0).connect(), server.admit(600));
    let mut connection = connection.unwrap();
    for number in 0..3 {
        connection.send(Message::text(format!("{number}"))).await.unwrap();
        assert_eq!(peer.hear().await, format!("{number}"));
    }
    connection.try_send("one").unwrap();
    assert!(matches!(connection.try_send("two"), Err(Error::QueueFull)));
}

#[tokio::test(start_paused = true)]
async fn an_application_that_starts_anew_has_an_empty_queue() {
    let (builder, mut server, ..) = pair();
    let mut connection = builder.resend(Resend::Nothing).start().unwrap();
    connection.feed("before the first".into()).await.unwrap();
    let mut peer = server.admit(600).await;
    assert_eq!(peer.hear().await, "before the first");
    peer.close(1001, "draining").await;
    connection.feed("while it was down".into()).await.unwrap();
    let mut peer = server.admit(600).await;
    connection.opened().await.unwrap();
    peer.say("opened again").await;
    assert_eq!(next(&mut connection).await, "opened again");
    connection.send("after".into()).await.unwrap();
    assert_eq!(peer.hear().await, "after");
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded_and_waited_for() {
    let (builder, mut server, ..) = pair();
    let mut connection = builder.queue_bytes(1000).start().unwrap();
    let text = "x".repeat(400);
    for _ in 0..3 {
        connection.feed(text.clone().into()).await.unwrap();
    }
    assert!(connection.queued_bytes() < 2000);
    assert!(matches!(connection.try_send(text.clone()), Err(Error::QueueFull)));
    assert!(connection.feed(text.clone().into()).now_or_never().is_none());
    let mut peer = server.admit(600).await;
    for _ in 0..100 {
        connection.send(text.clone().into()).await.unwrap();
    }
    let controller = connection.controller();
    controller.close();
    assert_eq!(peer.rest().await.0.len(), 103);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_read_is_waited_for_and_nothing_is_lost() {
    let (builder, mut server, ..) = pair();
    let (connection, mut peer) = tokio::join!(builder.connect(), server.admit(36_000));
    let mut connection = connection.unwrap();
    let text = "x".repeat(10_000);
    let mut sent = 0_usize;
    let sending = async {
        loop {
            connection.send(text.clone().into()).await.unwrap();
            sent += 1;
        }
    };
    drop(tokio::time::timeout(Duration::from_secs(1), sending).await);
    assert!(sent < 100, "{sent} were said to be sent");
    let queued = sent + 1;
    connection.controller().close();
    let (texts, code) = peer.rest().await;
    assert_eq!((texts.len(), code), (queued, 1000));
}

#[tokio::test(start_paused = true)]
async fn what_still_waits_at_the_end_is_dropped_and_counted() {
    let (builder, mut server, ..) = pair();
    let mut connection = builder.start().unwrap();
    for _ in 0..3 {
        connection.feed("unsent".into()).await.unwrap();
    }
    server.accept().await.close(4410, "logged_out").await;
    let ended = end(&mut connection).await;
    assert_eq!((ended.reason(), ended.unsent()), (StopReason::Revoked, 3));
    assert!(matches!(connection.feed("more".into()).await, Err(Error::Ended(_))));
    assert!(matches!(connection.flush().await, Err(Error::Ended(_))));
    assert!(connection.next().await.is_none(), "a failure is told once");
}

#[tokio::test(start_paused = true)]
async fn a_text_like_a_control_message_is_not_sent() {
    let (builder, ..) = pair();
    let mut connection = builder.start().unwrap();
    let text = format!(r#"{{"auth":{{"type":"authenticate","token":"{TOKEN}"}}}}"#);
    assert!(matches!(connection.try_send(text.clone()), Err(Error::Reserved)));
    assert!(matches!(connection.feed(text.into()).await, Err(Error::Reserved)));
    connection.try_send(r#"{ "auth": "the application's" }"#).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_application_that_reads_slowly_keeps_its_connection() {
    let (builder, mut server, _, log) = pair();
    let (connection, mut peer) = tokio::join!(builder.connect(), server.admit(100));
    let mut connection = connection.unwrap();
    // More than is kept for the application, and the answer to the refresh behind it.
    let flooding = tokio::spawn(async move {
        for _ in 0..400 {
            peer.say(&"x".repeat(10_000)).await;
        }
        peer.hear_auth("refresh").await;
        peer.accepted(100).await;
        peer.say("last").await;
        peer
    });
    tokio::time::sleep(Duration::from_secs(95)).await;
    assert_eq!(log.count("Refreshing"), 1);
    let mut count = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if next(&mut connection).await == "last" {
            break;
        }
        count += 1;
    }
    assert_eq!((count, log.count("Refreshed"), log.count("Reconnecting")), (400, 1, 0));
    drop(flooding.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn both_halves_can_be_used_by_two_tasks() {
    let (builder, mut server, ..) = pair();
    let (connection, mut peer) = tokio::join!(builder.connect(), server.admit(600));
    let (mut sink, mut stream) = connection.unwrap().split();
    let sending = tokio::spawn(async move {
        for number in 0..200 {
            sink.send(Message::text(format!("{number}"))).await.unwrap();
        }
        sink
    });
    let receiving = tokio::spawn(async move {
        let mut texts = Vec::new();
        while texts.len() < 200 {
            texts.push(stream.next().await.unwrap().unwrap().as_text().unwrap().to_owned());
        }
        texts
    });
    for number in 0..200 {
        let text = peer.hear().await;
        assert_eq!(text, number.to_string());
        peer.say(&text).await;
    }
    assert_eq!(receiving.await.unwrap().len(), 200);
    drop(sending.await.unwrap());
}
