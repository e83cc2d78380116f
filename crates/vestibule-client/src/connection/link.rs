//! The socket of the moment: what is written to it, in which order, and what is read.

use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};
use std::collections::VecDeque;

use futures_util::{Sink, Stream};
use zeroize::Zeroizing;

use super::{Message, shared::Shared};
use crate::{
    auth::Credential,
    handshake::{Frame, OpenError, Socket, SocketError},
};

type Dialling = Pin<Box<dyn Future<Output = Result<Socket, OpenError>> + Send>>;

/// What became of it.
#[derive(Debug)]
pub(super) enum Heard {
    Dialled(Result<Option<String>, OpenError>),
    Frame(Frame),
    Failed(SocketError),
    Over,
}

/// Whether messages of the application may be written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Traffic<'a> {
    Held,
    Flows,
    /// Each with this token around it.
    Sealed(&'a Credential),
}

/// Whether the application takes more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Goes,
    Paused,
}

/// What is said last.
#[derive(Debug)]
enum Farewell {
    Text(Zeroizing<String>),
    Close(u16, String),
}

/// Whose turn it is: so that neither a server that floods nor an application that does keeps the
/// other direction waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Read,
    Write,
}

/// How far writing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Goes,
    /// The farewell is out, or a write failed: the read says the rest.
    Ended,
}

/// None, one that is being made, or one that is there.
pub(super) enum Link {
    None,
    Dialling(Dialling),
    Up(Box<Up>),
}

/// A socket, and what waits to be written to it beside the messages of the application.
pub(super) struct Up {
    socket: Socket,
    controls: VecDeque<Zeroizing<String>>,
    farewell: Option<Farewell>,
    writing: Writing,
    turn: Turn,
}

impl Link {
    pub(super) fn up(socket: Socket) -> Self {
        Self::Up(Box::new(Up {
            socket,
            controls: VecDeque::new(),
            farewell: None,
            writing: Writing::Goes,
            turn: Turn::Read,
        }))
    }

    /// What binds an exchange to it.
    pub(super) fn exporter(&self) -> Option<[u8; 32]> {
        match self {
            Self::Up(up) => up.socket.exporter(),
            Self::None | Self::Dialling(_) => None,
        }
    }

    /// Sends a control message, ahead of what the application has waiting.
    pub(super) fn say(&mut self, text: Zeroizing<String>) {
        if let Self::Up(up) = self {
            up.controls.push_back(text);
        }
    }

    /// Sends a text behind everything else, and nothing after it.
    pub(super) fn say_last(&mut self, text: Zeroizing<String>) {
        if let Self::Up(up) = self {
            up.farewell = Some(Farewell::Text(text));
        }
    }

    /// Sends a Close behind everything else.
    pub(super) fn close(&mut self, code: u16, reason: String) {
        if let Self::Up(up) = self {
            up.farewell = Some(Farewell::Close(code, reason));
        }
    }

    /// Lets go of it. What the system takes at once of a Close is sent; nobody waits for more.
    pub(super) fn drop_with(&mut self, code: u16) {
        if let Self::Up(mut up) = core::mem::replace(self, Self::None) {
            let mut cx = Context::from_waker(Waker::noop());
            let mut socket = Pin::new(&mut up.socket);
            if socket.as_mut().poll_ready(&mut cx).is_ready() {
                // It may be broken already, which is why it is let go of.
                drop(socket.as_mut().start_send(Frame::Close(code, String::new())));
            }
        }
    }

    /// Lets go of it once its end is known; a Close is answered as far as the system takes it.
    pub(super) fn forget(&mut self) {
        if let Self::Up(mut up) = core::mem::replace(self, Self::None) {
            let mut cx = Context::from_waker(Waker::noop());
            drop(Pin::new(&mut up.socket).poll_flush(&mut cx));
        }
    }

    /// Writes what waits and reads what comes. Loses nothing when it is pending.
    pub(super) fn poll(
        &mut self,
        shared: &Shared,
        traffic: Traffic<'_>,
        reading: Reading,
        cx: &mut Context<'_>,
    ) -> Poll<Heard> {
        let up = match self {
            Self::None => return Poll::Pending,
            Self::Dialling(dialling) => match dialling.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => {
                    *self = Self::None;
                    return Poll::Ready(Heard::Dialled(Err(error)));
                }
                Poll::Ready(Ok(socket)) => {
                    let subprotocol = socket.subprotocol().map(str::to_owned);
                    *self = Self::up(socket);
                    return Poll::Ready(Heard::Dialled(Ok(subprotocol)));
                }
            },
            Self::Up(up) => up,
        };
        // First what was said: a connection whose end is already there gets no further message.
        if up.turn == Turn::Write {
            up.write(shared, traffic, cx);
        }
        if reading == Reading::Goes
            && let Poll::Ready(heard) = up.read(cx)
        {
            up.turn = Turn::Write;
            return Poll::Ready(heard);
        }
        up.write(shared, traffic, cx);
        up.turn = Turn::Read;
        Poll::Pending
    }
}

impl Up {
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        Pin::new(&mut self.socket).poll_next(cx).map(|frame| match frame {
            None => Heard::Over,
            Some(Ok(frame)) => Heard::Frame(frame),
            Some(Err(error)) => Heard::Failed(error),
        })
    }

    fn write(&mut self, shared: &Shared, traffic: Traffic<'_>, cx: &mut Context<'_>) {
        while self.writing == Writing::Goes && self.has_more(shared, traffic) {
            match Pin::new(&mut self.socket).poll_ready(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) => self.write_one(shared, traffic),
                Poll::Ready(Err(_)) => self.writing = Writing::Ended,
            }
        }
        // A write that failed is told by the read that follows, with the Close that explains it.
        if let Poll::Ready(Ok(())) = Pin::new(&mut self.socket).poll_flush(cx) {
            shared.flushed();
        }
    }

    fn has_more(&self, shared: &Shared, traffic: Traffic<'_>) -> bool {
        !self.controls.is_empty()
            || self.farewell.is_some()
            || (!matches!(traffic, Traffic::Held) && shared.has_outgoing())
    }

    fn write_one(&mut self, shared: &Shared, traffic: Traffic<'_>) {
        if let Some(text) = self.controls.pop_front() {
            return self.send(Frame::Text(text.as_str().into()));
        }
        let message = match traffic {
            Traffic::Flows | Traffic::Sealed(_) => shared.pop(),
            Traffic::Held => None,
        };
        if let Some(message) = message {
            return self.send(frame(message, traffic));
        }
        match self.farewell.take() {
            None => {}
            Some(Farewell::Text(text)) => {
                self.send(Frame::Text(text.as_str().into()));
                self.writing = Writing::Ended;
            }
            Some(Farewell::Close(code, reason)) => {
                self.send(Frame::Close(code, reason));
                self.writing = Writing::Ended;
            }
        }
    }

    fn send(&mut self, frame: Frame) {
        // What failed is told by the read that follows; nothing more is to be lost by it.
        if Pin::new(&mut self.socket).start_send(frame).is_err() {
            self.writing = Writing::Ended;
        }
    }
}

fn frame(message: Message, traffic: Traffic<'_>) -> Frame {
    match (message, traffic) {
        (Message::Text(text), Traffic::Sealed(credential)) => {
            Frame::Text(credential.around(&text).as_str().into())
        }
        (Message::Text(text), Traffic::Flows | Traffic::Held) => Frame::Text(text),
        (Message::Binary(bytes), _) => Frame::Binary(bytes),
    }
}
