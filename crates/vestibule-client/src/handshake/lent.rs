//! A stream that comes back when the one it was lent to fails: the library drops it with a refused
//! handshake, and the body of the refusal is still to be read.

use core::{
    pin::Pin,
    task::{Context, Poll},
};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Duplex;

type Place = Mutex<Option<Box<dyn Duplex>>>;

/// The stream, in use.
#[derive(Debug)]
pub(super) struct Lent {
    stream: Option<Box<dyn Duplex>>,
    /// Where it goes when this is dropped, if anybody still waits for it.
    back: Weak<Place>,
}

/// Where the stream comes back.
#[derive(Debug)]
pub(super) struct Slot(Arc<Place>);

pub(super) fn lend(stream: Box<dyn Duplex>) -> (Lent, Slot) {
    let place = Arc::new(Mutex::new(None));
    (Lent { stream: Some(stream), back: Arc::downgrade(&place) }, Slot(place))
}

impl Slot {
    /// The stream, if it has come back.
    pub(super) fn take(self) -> Option<Box<dyn Duplex>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(place) = self.back.upgrade() {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = self.stream.take();
        }
    }
}

impl Lent {
    /// Always there until the drop.
    fn stream(&mut self) -> io::Result<Pin<&mut Box<dyn Duplex>>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsyncRead for Lent {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for Lent {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}
