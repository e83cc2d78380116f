//! One client and one server in memory, in the hands of one test.

use core::{fmt, fmt::Write as _, time::Duration};
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::mpsc,
    time::Instant,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        self,
        handshake::server::{Request as HandshakeRequest, Response},
        protocol::CloseFrame,
    },
};

use crate::{
    Builder, Connection, Ended, Error, Event, Message, Unavailable,
    auth::{Request, bearer},
    handshake::{Address, Connecting, Connector, Duplex},
};

/// The secret of every test: it must show up nowhere but on the wire.
pub(super) const TOKEN: &str = "s3cret-t0ken";

/// Connects to whoever holds the other end of the channel.
pub(super) struct Memory(mpsc::UnboundedSender<DuplexStream>);

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

impl Connector for Memory {
    fn connect<'a>(&'a self, _: &'a Address) -> Connecting<'a> {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let sent = self.0.send(far);
        Box::pin(async move {
            sent.map_err(|_| std::io::ErrorKind::ConnectionRefused)?;
            let duplex: Box<dyn Duplex> = Box::new(near);
            Ok(duplex)
        })
    }
}

/// Where the clients of a test arrive.
pub(super) struct Server(mpsc::UnboundedReceiver<DuplexStream>);

/// The server's end of a connection.
pub(super) struct Peer {
    socket: WebSocketStream<DuplexStream>,
    pub(super) fields: http::HeaderMap,
    pub(super) target: String,
}

/// What was told, in short.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn watch(&self) -> impl FnMut(&Event) + Send + 'static {
        let lines = Arc::clone(&self.0);
        move |event| {
            let line = format!("{event:?}");
            assert!(!line.contains(TOKEN), "{line}");
            lines.lock().unwrap().push(line);
        }
    }

    /// Which lines there are, by what they hold.
    pub(super) fn count(&self, part: &str) -> usize {
        self.lines().iter().filter(|line| line.contains(part)).count()
    }
}

/// What the provider was asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    pub(super) fn reasons(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn note(&self, request: Request) -> usize {
        let mut asked = self.0.lock().unwrap();
        asked.push(request.reason.name().to_owned());
        asked.len()
    }
}

/// A client with a new token each time, and its server.
pub(super) fn pair() -> (Builder, Server, Asked, Log) {
    let asked = Asked::default();
    let counted = asked.clone();
    let provider = bearer(move |request| {
        let count = counted.note(request);
        async move { Ok::<_, Unavailable>(format!("{TOKEN}-{count}")) }
    });
    let log = Log::default();
    let (sender, receiver) = mpsc::unbounded_channel();
    let builder = Builder::new("ws://localhost/chat?room=1", provider)
        .unwrap()
        .connector(Memory(sender))
        .on_event(log.watch());
    (builder, Server(receiver), asked, log)
}

/// The server's end for a builder of the test's own.
pub(super) fn memory() -> (Memory, Server) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Memory(sender), Server(receiver))
}

impl Server {
    /// The next connection, as it is.
    pub(super) async fn raw(&mut self) -> DuplexStream {
        self.0.recv().await.unwrap()
    }

    /// The next connection, if there will be one.
    pub(super) async fn raw_or_end(&mut self) -> Option<DuplexStream> {
        self.0.recv().await
    }

    /// Whether nobody has connected since.
    pub(super) fn is_untouched(&mut self) -> bool {
        self.0.try_recv().is_err()
    }

    /// Refuses the next handshake with this head and body.
    pub(super) async fn answer(&mut self, head: &str, body: &str) {
        let mut stream = self.raw().await;
        head_of(&mut stream).await;
        let length = body.len();
        let text = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next connection, its handshake accepted with the first subprotocol that was offered.
    pub(super) async fn accept(&mut self) -> Peer {
        self.accept_choosing(|offer| offer.split(", ").next().map(str::to_owned)).await
    }

    pub(super) async fn accept_choosing(
        &mut self,
        choose: impl Fn(&str) -> Option<String> + Unpin,
    ) -> Peer {
        let stream = self.raw().await;
        let (mut fields, mut target) = (http::HeaderMap::new(), String::new());
        #[expect(clippy::result_large_err, reason = "the library's type")]
        let look = |request: &HandshakeRequest, mut response: Response| {
            fields = request.headers().clone();
            target = request.uri().to_string();
            if let Some(offer) = fields.get("sec-websocket-protocol")
                && let Some(chosen) = choose(offer.to_str().unwrap())
            {
                response.headers_mut().insert("sec-websocket-protocol", chosen.parse().unwrap());
            }
            Ok(response)
        };
        let socket = accept_hdr_async(stream, look).await.unwrap();
        Peer { socket, fields, target }
    }

    /// The next connection, authenticated by a message and accepted.
    pub(super) async fn admit(&mut self, expires_in: u64) -> Peer {
        let mut peer = self.accept().await;
        peer.hear_auth("authenticate").await;
        peer.accepted(expires_in).await;
        peer
    }
}

/// Reads a whole head.
pub(super) async fn head_of(stream: &mut DuplexStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

impl Peer {
    /// The next text; panics on anything else.
    pub(super) async fn hear(&mut self) -> String {
        self.socket.next().await.unwrap().unwrap().into_text().unwrap().as_str().to_owned()
    }

    /// Whether nothing has come, once everybody else waits too.
    pub(super) async fn is_quiet(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(1), self.socket.next()).await.is_err()
    }

    /// The next text, which is a control message of this type.
    pub(super) async fn hear_auth(&mut self, kind: &str) -> Value {
        let text = self.hear().await;
        let mut message: Value = serde_json::from_str(&text).unwrap();
        let auth = message["auth"].take();
        assert_eq!(auth["type"], kind, "{text}");
        auth
    }

    /// Whatever comes before the end, as texts; then the close code, 1006 where there is none.
    pub(super) async fn rest(&mut self) -> (Vec<String>, u16) {
        let mut texts = Vec::new();
        while let Some(Ok(message)) = self.socket.next().await {
            match message {
                tungstenite::Message::Text(text) => texts.push(text.as_str().to_owned()),
                tungstenite::Message::Close(frame) => {
                    return (texts, frame.map_or(1005, |frame| frame.code.into()));
                }
                other @ (tungstenite::Message::Binary(_)
                | tungstenite::Message::Ping(_)
                | tungstenite::Message::Pong(_)
                | tungstenite::Message::Frame(_)) => panic!("{other:?}"),
            }
        }
        (texts, 1006)
    }

    /// Sends a text; `false` once the client has gone.
    pub(super) async fn try_say(&mut self, text: &str) -> bool {
        self.socket.send(tungstenite::Message::text(text)).await.is_ok()
    }

    pub(super) async fn say(&mut self, text: &str) {
        assert!(self.try_say(text).await, "the client has gone");
    }

    pub(super) async fn say_auth(&mut self, auth: Value) {
        self.say(&json!({ "auth": auth }).to_string()).await;
    }

    pub(super) async fn accepted(&mut self, expires_in: u64) {
        self.say_auth(json!({
            "type": "accepted", "subject": "alice", "mechanism": "bearer", "expires_in": expires_in
        }))
        .await;
    }

    pub(super) async fn send(&mut self, message: tungstenite::Message) -> bool {
        self.socket.send(message).await.is_ok()
    }

    /// Closes, and reads to the end.
    pub(super) async fn close(mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code: code.into(), reason: reason.to_owned().into() };
        self.socket.close(Some(frame)).await.unwrap();
        while let Some(message) = self.socket.next().await {
            message.expect("the client answers a Close");
        }
    }
}

/// The next message; panics on the end.
pub(super) async fn next(connection: &mut Connection) -> String {
    match connection.next().await {
        Some(Ok(Message::Text(text))) => text.as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}

/// How it ended.
pub(super) async fn end(connection: &mut Connection) -> Ended {
    while let Some(Ok(_)) = connection.next().await {}
    let ended = connection.ended().unwrap();
    let mut shown = format!("{ended:?} {ended} {connection:?}");
    let mut source = std::error::Error::source(&ended);
    while let Some(cause) = source {
        write!(shown, "{cause:?} {cause}").unwrap();
        source = cause.source();
    }
    assert!(!shown.contains(TOKEN), "{shown}");
    ended
}

/// How it ended, where it never opened, and in how many milliseconds.
pub(super) async fn failure(builder: Builder) -> (Ended, u128) {
    let start = Instant::now();
    match builder.connect().await {
        Err(Error::Ended(ended)) => (ended, start.elapsed().as_millis()),
        other => panic!("{other:?}"),
    }
}
