//! A chat server that knows nothing of tokens: it believes the gateway about who is there.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast::{self, error::RecvError},
    task::JoinSet,
};
use tokio_tungstenite::{
    accept_hdr_async_with_config,
    tungstenite::{
        self, Message, Utf8Bytes,
        handshake::server::{ErrorResponse, Request, Response},
        protocol::WebSocketConfig,
    },
};

/// Most connections at once.
const GUESTS: usize = 256;
/// Longest message, in bytes.
const MESSAGE_BYTES: usize = 64 * 1024;
/// Messages that a slow guest may be behind.
const BACKLOG: usize = 64;
/// The subprotocol it speaks.
const SUBPROTOCOL: &str = "chat";

/// Serves for ever.
pub(super) async fn serve(listener: TcpListener) {
    let room = broadcast::Sender::new(BACKLOG);
    let mut guests = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if guests.len() < GUESTS => {
                if let Ok((stream, _)) = accepted {
                    guests.spawn(entertain(stream, room.clone()));
                }
            }
            Some(_) = guests.join_next(), if !guests.is_empty() => {}
        }
    }
}

/// One guest, until it leaves. How it ended makes no difference to the others.
async fn entertain(stream: TcpStream, room: broadcast::Sender<Arc<str>>) {
    let mut identity = Value::Null;
    #[expect(clippy::result_large_err, reason = "the library's type")]
    let admit = |request: &Request, mut response: Response| {
        let Some(found) = identity_of(request.headers()) else { return Err(stranger()) };
        identity = found;
        if offers(request.headers(), SUBPROTOCOL) {
            let chosen = http::HeaderValue::from_static(SUBPROTOCOL);
            response.headers_mut().insert(http::header::SEC_WEBSOCKET_PROTOCOL, chosen);
        }
        Ok(response)
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES))
        .max_frame_size(Some(MESSAGE_BYTES));
    let Ok(mut socket) = accept_hdr_async_with_config(stream, admit, Some(config)).await else {
        return;
    };
    let name = identity.get("subject").and_then(Value::as_str).unwrap_or_default();
    say(&room, "chat", &format!("{name} is here"));
    // Whoever comes does not need to hear that he came, but everything after his welcome.
    let mut heard = room.subscribe();
    let welcome = json!({ "welcome": identity }).to_string();
    let mut outcome = socket.send(Message::text(welcome)).await;
    while outcome.is_ok() {
        outcome = tokio::select! {
            received = socket.next() => match received {
                Some(Ok(Message::Text(text))) => {
                    say(&room, name, &text);
                    Ok(())
                }
                Some(Ok(message @ Message::Binary(_))) => socket.send(message).await,
                // Pings are answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => {
                    Err(tungstenite::Error::ConnectionClosed)
                }
            },
            said = heard.recv() => match said {
                Ok(text) => socket.send(Message::Text(Utf8Bytes::from(&*text))).await,
                Err(RecvError::Lagged(_)) => Ok(()),
                Err(RecvError::Closed) => Err(tungstenite::Error::ConnectionClosed),
            },
        };
    }
    drop(heard);
    say(&room, "chat", &format!("{name} is gone"));
    // The answer to a close that was received waits in the library; a second close is refused before
    // it is written.
    drop(socket.flush().await);
    drop(socket.close(None).await);
}

fn say(room: &broadcast::Sender<Arc<str>>, from: &str, text: &str) {
    let message = json!({"from": from, "text": text}).to_string();
    // An empty room is no fault.
    drop(room.send(message.into()));
}

/// Who is there, as the gateway says. `None`: nobody said.
fn identity_of(fields: &HeaderMap) -> Option<Value> {
    let field = |name: &str| fields.get(name).and_then(|value| value.to_str().ok()).map(decoded);
    let scopes = field("x-vestibule-scopes").unwrap_or_default();
    Some(json!({
        "subject": field("x-vestibule-subject")?,
        "issuer": field("x-vestibule-issuer"),
        "scopes": scopes.split_ascii_whitespace().collect::<Vec<_>>(),
        "mechanism": field("x-vestibule-mechanism"),
        "expires": field("x-vestibule-expires").and_then(|digits| digits.parse::<u64>().ok()),
        "connection": field("x-vestibule-connection"),
    }))
}

fn stranger() -> ErrorResponse {
    let mut answer = ErrorResponse::new(Some("come through the gateway\n".to_owned()));
    *answer.status_mut() = StatusCode::FORBIDDEN;
    answer
}

fn offers(fields: &HeaderMap, name: &str) -> bool {
    fields
        .get_all(http::header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .any(|offer| offer.trim() == name)
}

/// Undoes percent-encoding (RFC 3986 section 2.1); what is not one stays as it is.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        let pair = match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                let byte = digit(high).zip(digit(low)).map(|(high, low)| high * 16 + low);
                byte.and_then(|byte| u8::try_from(byte).ok()).map(|byte| (byte, after))
            }
            _ => None,
        };
        let (byte, after) = pair.unwrap_or((*first, tail));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::{
        MaybeTlsStream, WebSocketStream, connect_async, tungstenite::client::IntoClientRequest,
    };

    use super::*;

    type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

    async fn join(address: core::net::SocketAddr, name: &'static str) -> Client {
        let mut request = format!("ws://{address}/chat").into_client_request().unwrap();
        for (field, value) in [
            ("x-vestibule-subject", name),
            ("x-vestibule-issuer", "http://127.0.0.1:8000"),
            ("x-vestibule-scopes", "chat read"),
            ("x-vestibule-mechanism", "bearer"),
            ("x-vestibule-expires", "4102444800"),
            ("x-vestibule-connection", "7"),
            ("sec-websocket-protocol", "other, chat"),
        ] {
            request.headers_mut().insert(field, value.parse().unwrap());
        }
        let (client, response) = connect_async(request).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
        client
    }

    async fn hear(client: &mut Client) -> Value {
        let message = client.next().await.unwrap().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_guest_is_greeted_by_its_identity_and_hears_everybody() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(serve(listener));
        let mut alice = join(address, "alice").await;
        assert_eq!(
            hear(&mut alice).await,
            json!({"welcome": {
                "subject": "alice", "issuer": "http://127.0.0.1:8000", "scopes": ["chat", "read"],
                "mechanism": "bearer", "expires": 4_102_444_800_u64, "connection": "7",
            }})
        );
        let mut zoe = join(address, "zo%C3%AB").await;
        assert_eq!(hear(&mut zoe).await["welcome"]["subject"], "zoë");
        assert_eq!(hear(&mut alice).await, json!({"from": "chat", "text": "zoë is here"}));
        zoe.send(Message::text("hello")).await.unwrap();
        let expected = json!({"from": "zoë", "text": "hello"});
        assert_eq!(hear(&mut zoe).await, expected);
        assert_eq!(hear(&mut alice).await, expected);
        zoe.close(None).await.unwrap();
        assert!(matches!(zoe.next().await, Some(Ok(Message::Close(_)))), "a close is answered");
        assert_eq!(hear(&mut alice).await, json!({"from": "chat", "text": "zoë is gone"}));
    }

    #[tokio::test]
    async fn nobody_comes_in_past_the_gateway() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(serve(listener));
        let refused = connect_async(format!("ws://{address}/chat")).await;
        assert!(matches!(refused, Err(tungstenite::Error::Http(answer)) if answer.status() == 403));
    }

    #[test]
    fn what_is_not_percent_encoded_stays() {
        for (value, expected) in
            [("a%20b", "a b"), ("100%", "100%"), ("%4", "%4"), ("%zz", "%zz"), ("%25", "%")]
        {
            assert_eq!(decoded(value), expected);
        }
    }
}
