//! A connection that authenticates, stays authenticated, and comes back.

mod builder;
mod chance;
mod clock;
mod driver;
mod link;
mod perform;
mod shared;

#[cfg(test)]
mod tests;

use core::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio::{sync::watch, task::JoinHandle};

pub use self::builder::{Builder, connect};
use self::shared::{Order, Shared};
use crate::{
    error::{Ended, Error},
    handshake::Text,
    limits,
    machine::{Auth, Cause, Opened, StopReason, is_control},
};

/// A message of the application. A clone shares its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// UTF-8.
    Text(Text),
    /// Any bytes.
    Binary(Bytes),
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<Text>) -> Self {
        Self::Text(text.into())
    }

    /// A binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it has no content.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text; `None` for a binary message.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::binary(bytes)
    }
}

/// What happens to what was sent while there was no connection, once there is one again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resend {
    /// It is sent.
    Unsent,
    /// It is dropped: the application starts anew on [`Event::Open`].
    Nothing,
}

/// How a connection that was lost is taken up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// With the session that the server handed out, where it did; the provider is asked if that is
    /// refused.
    BySession,
    /// By the provider, each time.
    ByProvider,
}

/// Whether messages flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not yet, or not at the moment.
    Connecting,
    /// They do.
    Open,
    /// Never again.
    Over,
}

/// Something about the connection, for logs and for people.
#[derive(Clone, Debug)]
pub enum Event {
    /// Something about its authentication.
    Auth(Auth),
    /// Messages flow.
    Open(Opened),
    /// A connection or an attempt ended, and another follows.
    Reconnecting {
        /// Why it ended.
        cause: Cause,
        /// Its close code; 1006 where there was no Close.
        code: u16,
        /// The server's error name, or nothing.
        error: String,
        /// Which attempt comes next.
        attempt: u32,
        /// In how long.
        delay: Duration,
    },
    /// There will be no further connection.
    Over(Ended),
}

type Observer = Box<dyn FnMut(&Event) + Send>;

/// A WebSocket that authenticates, is refreshed before its lease ends, and, unless it was made
/// plain, is replaced when it ends.
///
/// It is a stream of messages and a sink for them. What is sent while there is no connection waits,
/// and goes over the next one in order; [`Builder::queue_bytes`] bounds it. A WebSocket has no
/// acknowledgements: what was handed to a connection that then broke may have arrived or not. It is
/// not sent again, so that nothing arrives twice.
///
/// A task of the runtime keeps it alive, whether it is polled or not; when this value is dropped, the
/// task ends, and the connection with it. For a polite end, close the sink.
///
/// The stream ends with `None` where it was closed, by this side or by the server with nothing wrong
/// about it; and with one [`Error::Ended`] before that where something failed.
pub struct Connection {
    shared: Arc<Shared>,
    phase: watch::Receiver<Phase>,
    task: JoinHandle<()>,
    takes: Takes,
    failure: Failure,
}

/// What can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Anything,
    /// But what begins like a control message.
    NoControls,
    Json,
}

/// Whether the stream has told what failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Untold,
    Told,
}

impl Connection {
    /// Waits until messages flow, or never will.
    pub async fn opened(&mut self) -> Result<(), Ended> {
        let waited = self.phase.wait_for(|phase| *phase != Phase::Connecting).await;
        // Its sender is gone only when the end is known.
        drop(waited);
        match self.shared.ended() {
            Some(ended) => Err(ended),
            None => Ok(()),
        }
    }

    /// Whether messages flow.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// How it ended, once it has.
    pub fn ended(&self) -> Option<Ended> {
        self.shared.ended()
    }

    /// Something that closes it, refreshes it and so on while others send and receive.
    pub fn controller(&self) -> Controller {
        Controller { shared: Arc::clone(&self.shared) }
    }

    /// The name that the server gave to the connection, where it did: by it a lease can be renewed
    /// out of band.
    pub fn id(&self) -> Option<String> {
        self.shared.id()
    }

    /// The subprotocol that the server chose for the last connection.
    pub fn subprotocol(&self) -> Option<String> {
        self.shared.subprotocol()
    }

    /// Bytes that wait to be sent, with what each message costs beside them.
    pub fn queued_bytes(&self) -> usize {
        self.shared.queued_bytes()
    }

    /// Sends without waiting: [`Error::QueueFull`] where there is no room.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), Error> {
        let message = message.into();
        self.check(&message)?;
        self.shared.try_push(message)
    }

    fn check(&self, message: &Message) -> Result<(), Error> {
        match (self.takes, message.as_text()) {
            (Takes::NoControls, Some(text)) if is_control(text) => Err(Error::Reserved),
            (Takes::Json, None) => Err(Error::NotJson),
            (Takes::Json, Some(text)) => match serde_json::from_str::<serde_json::Value>(text) {
                Ok(_) => Ok(()),
                Err(_) => Err(Error::NotJson),
            },
            (Takes::NoControls | Takes::Anything, _) => Ok(()),
        }
    }
}

impl Stream for Connection {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.shared.poll_incoming(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(message)) => Poll::Ready(Some(Ok(message))),
            Poll::Ready(Err(ended)) => match (ended.cause, self.failure) {
                (Some(_), Failure::Untold) => {
                    self.failure = Failure::Told;
                    Poll::Ready(Some(Err(Error::Ended(ended))))
                }
                (Some(_), Failure::Told) | (None, _) => Poll::Ready(None),
            },
        }
    }
}

/// Ready while less waits than may. Flushed when everything has been handed to the system, which a
/// connection that is down keeps waiting: use `feed` to queue without that. Closing flushes, then
/// closes with 1000.
impl Sink<Message> for Connection {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.shared.poll_room(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.check(&message)?;
        self.shared.push(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.shared.poll_flushed(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.shared.ended().is_none() {
            match self.shared.poll_flushed(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => self.shared.order(Order::Close(1000, String::new())),
            }
        }
        match self.shared.poll_over(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(ended) => Poll::Ready(match ended.reason {
                StopReason::Closed | StopReason::Completed => Ok(()),
                StopReason::Aborted
                | StopReason::Ended
                | StopReason::CredentialRefused
                | StopReason::Refused
                | StopReason::Revoked
                | StopReason::ChallengeFailed
                | StopReason::Protocol
                | StopReason::AttemptsExhausted => Err(Error::Ended(ended)),
            }),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shared, phase, task: _, takes: _, failure: _ } = self;
        f.debug_struct("Connection")
            .field("phase", &*phase.borrow())
            .field("ended", &shared.ended())
            .finish_non_exhaustive()
    }
}

/// Acts on a connection from elsewhere. It does not keep it alive, and does nothing once it is over.
#[derive(Clone)]
pub struct Controller {
    shared: Arc<Shared>,
}

impl Controller {
    /// Closes normally, behind what waits to be sent where there is a connection.
    pub fn close(&self) {
        self.shared.order(Order::Close(1000, String::new()));
    }

    /// The same with a code of the application's (1000, or 3000 to 4999) and a reason, which travel
    /// to the server.
    pub fn close_with(&self, code: u16, reason: impl Into<String>) -> Result<(), Error> {
        let reason = reason.into();
        let legal = matches!(code, 1000 | 3000..=4999);
        if !legal || reason.len() > limits::CLOSE_REASON_BYTES {
            return Err(Error::BadClose);
        }
        self.shared.order(Order::Close(code, reason));
        Ok(())
    }

    /// Ends it at once.
    pub fn abort(&self) {
        self.shared.order(Order::Abort);
    }

    /// Has the gateway end the connection (4410), where it is known to hear that; else closes.
    pub fn logout(&self) {
        self.shared.order(Order::Logout);
    }

    /// Presents a newer credential now, where the connection can carry one.
    pub fn refresh(&self) {
        self.shared.order(Order::Refresh);
    }

    /// The network is back: an attempt that waits is made now, unless the server wants nobody yet.
    pub fn online(&self) {
        self.shared.order(Order::Online);
    }
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller").field("ended", &self.shared.ended()).finish_non_exhaustive()
    }
}
