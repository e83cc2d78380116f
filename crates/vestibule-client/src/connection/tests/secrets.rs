//! No credential is printed, and none travels in the clear.

use core::{error::Error as _, fmt::Write as _};

use super::rig::{TOKEN, pair};
use crate::{
    Builder, Credential, Error, Unavailable,
    auth::{Carrier, bearer},
    handshake::{Address, Handshake, OpenError},
};

fn token() -> impl crate::Provider {
    bearer(async |_| Ok::<_, Unavailable>(TOKEN))
}

#[tokio::test]
async fn a_credential_does_not_travel_in_the_clear_to_another_machine() {
    for url in ["ws://ws.example.com/", "ws://127.0.0.1.example.com/", "http://10.0.0.1/"] {
        let refused = Builder::new(url, token()).unwrap().start();
        assert!(matches!(refused, Err(Error::Insecure)), "{url}");
    }
    for url in ["ws://localhost/", "ws://[::1]/", "wss://ws.example.com/"] {
        assert!(Builder::new(url, token()).unwrap().start().is_ok(), "{url}");
    }
    let builder = Builder::new("ws://192.0.2.1/", token()).unwrap();
    assert!(builder.dangerously_allow_insecure().start().is_ok());
}

#[tokio::test]
async fn what_cannot_be_offered_is_told_at_once() {
    for names in [&["a b"][..], &[""], &["a", "a"], &["a,b"]] {
        let mut builder = Builder::new("ws://localhost/", token()).unwrap();
        for name in names {
            builder = builder.subprotocol(*name);
        }
        assert!(matches!(builder.start(), Err(Error::Subprotocol)), "{names:?}");
    }
    assert!(matches!(Builder::new("localhost", token()), Err(Error::Address(_))));
}

#[tokio::test]
async fn nothing_that_can_be_printed_holds_a_credential() {
    let (builder, mut server, ..) = pair();
    let url = format!("ws://localhost/?access_token={TOKEN}");
    let builder = builder.field("x-key".parse().unwrap(), TOKEN.parse().unwrap());
    let mut shown = format!("{builder:?} {:?}", Builder::new(&url, token()).unwrap());
    let connection = builder.start().unwrap();
    write!(shown, "{connection:?} {:?}", connection.controller()).unwrap();
    let body = format!(r#"{{"error":"{TOKEN}"}}"#);
    let handshake = Handshake::to(Address::parse("ws://localhost/").unwrap());
    write!(shown, "{handshake:?}").unwrap();
    server.answer(&format!("403 {TOKEN}\r\nX-Echo: {TOKEN}"), &body).await;
    let mut connection = connection;
    let ended = connection.opened().await.unwrap_err();
    write!(shown, "{ended:?} {ended} {:?} {connection:?}", ended.source()).unwrap();
    write!(shown, "{:?}", ended.refusal()).unwrap();
    assert!(!shown.contains(TOKEN), "{shown}");
}

#[tokio::test]
async fn a_close_that_repeats_the_token_is_not_printed() {
    let (builder, mut server, _, log) = pair();
    let mut connection = builder.start().unwrap();
    let mut peer = server.accept().await;
    let auth = peer.hear_auth("authenticate").await;
    let echoed = auth["token"].as_str().unwrap().to_owned();
    peer.close(4403, &echoed).await;
    let ended = connection.opened().await.unwrap_err();
    assert_eq!((ended.error(), ended.close_reason()), ("", echoed.as_str()));
    // The log's observer checks every event, too.
    assert!(!format!("{ended:?} {ended} {:?}", log.lines()).contains(TOKEN));
}

#[tokio::test]
async fn a_credential_that_cannot_travel_there_is_not_half_sent() {
    let handshake = Handshake::to(Address::parse("ws://localhost/").unwrap());
    let credential = Credential::bearer("a/b=").unwrap();
    for carrier in [Carrier::Subprotocol] {
        let refused = handshake.open(Some((&carrier, &credential))).await;
        assert!(matches!(refused, Err(OpenError::Uncarried(_))), "{refused:?}");
    }
}
