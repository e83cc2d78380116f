//! A WebSocket behind its handshake.

use core::{
    fmt,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll},
};
use std::error::Error;

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Utf8Bytes,
        error::ProtocolError,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use vestibule_verify::scram::TlsExporter;

use super::lent::Lent;

/// The text of a message. A clone shares it.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Text(Utf8Bytes);

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What travels on a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(Text),
    /// A binary message.
    Binary(Bytes),
    /// A ping. It is answered by itself.
    Ping(Bytes),
    /// A pong.
    Pong(Bytes),
    /// A Close: its code, 1005 where it has none, and its reason.
    Close(u16, String),
}

/// Why a socket cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// It ended without a Close.
    #[error("the connection is lost")]
    Lost(#[source] Option<std::io::Error>),
    /// A Close has been sent or received: nothing more can be sent.
    #[error("the connection is closed")]
    Closed,
    /// The other side broke RFC 6455, or sent more than is taken.
    #[error("the server broke the protocol")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
}

/// A WebSocket: a stream of frames and a sink for them. Pings and Closes are answered when it is
/// polled.
pub struct Socket {
    inner: WebSocketStream<Lent>,
    subprotocol: Option<String>,
    exporter: Option<TlsExporter>,
}

impl Socket {
    pub(super) fn new(
        inner: WebSocketStream<Lent>,
        subprotocol: Option<String>,
        exporter: Option<TlsExporter>,
    ) -> Self {
        Self { inner, subprotocol, exporter }
    }

    /// What binds an exchange to this connection: the exporter of its TLS 1.3 (RFC 9266). `None`
    /// without TLS, and by an older one.
    pub fn exporter(&self) -> Option<[u8; 32]> {
        self.exporter
    }

    /// The subprotocol that the server chose.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }
}

impl fmt::Debug for Socket {
    /// Its buffers may hold a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner: _, subprotocol, exporter: _ } = self;
        f.debug_struct("Socket").field("subprotocol", subprotocol).finish_non_exhaustive()
    }
}

impl Stream for Socket {
    type Item = Result<Frame, SocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let frame = match Pin::new(&mut self.inner).poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(failed(error)))),
                Poll::Ready(Some(Ok(message))) => frame(message),
            };
            if let Some(frame) = frame {
                return Poll::Ready(Some(Ok(frame)));
            }
        }
    }
}

impl Sink<Frame> for Socket {
    type Error = SocketError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Pin::new(&mut self.inner).poll_ready(cx).map_err(failed)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), SocketError> {
        Pin::new(&mut self.inner).start_send(message(frame)).map_err(failed)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Pin::new(&mut self.inner).poll_flush(cx).map_err(failed)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Pin::new(&mut self.inner).poll_close(cx).map_err(failed)
    }
}

fn frame(message: tungstenite::Message) -> Option<Frame> {
    use tungstenite::Message;
    match message {
        Message::Text(text) => Some(Frame::Text(Text(text))),
        Message::Binary(bytes) => Some(Frame::Binary(bytes)),
        Message::Ping(bytes) => Some(Frame::Ping(bytes)),
        Message::Pong(bytes) => Some(Frame::Pong(bytes)),
        Message::Close(None) => Some(Frame::Close(1005, String::new())),
        Message::Close(Some(close)) if is_replaced(&close) => {
            Some(Frame::Close(1014, String::new()))
        }
        Message::Close(Some(CloseFrame { code, reason })) => {
            Some(Frame::Close(code.into(), reason.as_str().to_owned()))
        }
        // Never read from a socket.
        Message::Frame(_) => None,
    }
}

fn message(frame: Frame) -> tungstenite::Message {
    use tungstenite::Message;
    match frame {
        Frame::Text(Text(text)) => Message::Text(text),
        Frame::Binary(bytes) => Message::Binary(bytes),
        Frame::Ping(bytes) => Message::Ping(bytes),
        Frame::Pong(bytes) => Message::Pong(bytes),
        Frame::Close(1005, _) => Message::Close(None),
        Frame::Close(code, reason) => {
            Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }))
        }
    }
}

/// Whether this is what the library puts in the place of a code that it does not take. Of all codes
/// that a server may send that is 1014 alone, and the reason is lost with it.
fn is_replaced(close: &CloseFrame) -> bool {
    close.code == CloseCode::Protocol && close.reason.as_str() == "Protocol violation"
}

fn failed(error: tungstenite::Error) -> SocketError {
    use tungstenite::Error;
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::SendAfterClosing) => SocketError::Closed,
        Error::Io(error) => SocketError::Lost(Some(error)),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => SocketError::Lost(None),
        // The text in it is the application's.
        Error::WriteBufferFull(_) => SocketError::Broken("the write buffer is full".into()),
        other @ (Error::Tls(_)
        | Error::Capacity(_)
        | Error::Protocol(_)
        | Error::Utf8(_)
        | Error::AttackAttempt
        | Error::Url(_)
        | Error::Http(_)
        | Error::HttpFormat(_)) => SocketError::Broken(Box::new(other)),
    }
}
