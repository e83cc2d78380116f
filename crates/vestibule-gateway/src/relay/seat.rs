//! Before admission: both sockets of a connection are watched where they will be relayed. When it is
//! admitted, nothing about them changes in the kernel: the epoll set knows them by the same names,
//! and what its edges said goes over.

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::poll_fn,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    os::fd::AsRawFd,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker, ready},
};

use mio::{Interest, Registry, event::Event, unix::SourceFd};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::coop::poll_proceed,
};

use super::{
    turn::{Which, token},
    wire::{Readiness, Room},
};

/// A place in the relay that is kept for a connection. Given back when the last copy, and the last
/// socket, is gone without [`Relay::open`](super::Relay::open).
#[derive(Clone)]
pub struct Seat(Rc<Inner>);

struct Inner {
    index: u32,
    registry: Rc<Registry>,
    client: Eye,
    upstream: Eye,
    state: Cell<State>,
    vacated: Rc<RefCell<Vec<u32>>>,
}

/// Whose a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Kept,
    /// The relay's: it gives it back itself.
    Taken,
}

/// What is known of a socket, and who waits for more.
struct Eye {
    watch: Cell<Watch>,
    readiness: Cell<Readiness>,
    room: Cell<Room>,
    reader: Cell<Option<Waker>>,
    writer: Cell<Option<Waker>>,
}

/// Whether a socket is in the epoll set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    NotYet,
    Yes,
}

/// The seats that are kept, by place. They lie beside the slab, whose places are empty meanwhile.
#[derive(Default)]
pub(super) struct Seats {
    by_place: RefCell<Vec<Weak<Inner>>>,
    vacated: Rc<RefCell<Vec<u32>>>,
}

impl Seats {
    /// Keeps a place.
    pub(super) fn keep(&self, index: u32, registry: &Rc<Registry>) -> Seat {
        let inner = Rc::new(Inner {
            index,
            registry: Rc::clone(registry),
            client: Eye::new(),
            upstream: Eye::new(),
            state: Cell::new(State::Kept),
            vacated: Rc::clone(&self.vacated),
        });
        let mut by_place = self.by_place.borrow_mut();
        if let Ok(place) = usize::try_from(index) {
            if place >= by_place.len() {
                by_place.resize_with(place + 1, Weak::new);
            }
            if let Some(seat) = by_place.get_mut(place) {
                *seat = Rc::downgrade(&inner);
            }
        }
        Seat(inner)
    }

    /// An edge came from a socket whose connection is not admitted.
    pub(super) fn note(&self, index: u32, which: Which, event: &Event) {
        let seat = usize::try_from(index)
            .ok()
            .and_then(|place| self.by_place.borrow().get(place).and_then(Weak::upgrade));
        if let Some(seat) = seat {
            seat.eye(which).note(event);
        }
    }

    /// The places that were given back since the last time.
    pub(super) fn vacated(&self) -> Vec<u32> {
        self.vacated.take()
    }
}

impl Seat {
    /// Connects a socket of its, which is awaited until it is connected; the options are the
    /// caller's business.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Watched> {
        let socket = TcpStream::from(mio::net::TcpStream::connect(address)?);
        let eye = self.0.eye(Which::Upstream);
        // There may have been another one, to an address that did not answer.
        eye.watch.set(Watch::NotYet);
        eye.readiness.set(Readiness::Drained);
        eye.room.set(Room::Free);
        let watched = Watched { seat: self.clone(), which: Which::Upstream, socket };
        // Within a machine this is so at once.
        while let Err(error) = watched.socket.peer_addr() {
            if error.kind() != io::ErrorKind::NotConnected {
                return Err(error);
            }
            eye.room.set(Room::Full);
            poll_fn(|cx| watched.poll_room(cx)).await?;
            if let Some(error) = watched.socket.take_error()? {
                return Err(error);
            }
        }
        Ok(watched)
    }

    pub(super) fn index(&self) -> u32 {
        self.0.index
    }

    /// The relay has it.
    pub(super) fn take(self) {
        self.0.state.set(State::Taken);
    }

    /// What is known of a socket.
    pub(super) fn known(&self, which: Which) -> (Watch, Readiness, Room) {
        let eye = self.0.eye(which);
        (eye.watch.get(), eye.readiness.get(), eye.room.get())
    }
}

impl Inner {
    fn eye(&self, which: Which) -> &Eye {
        match which {
            Which::Client => &self.client,
            Which::Upstream => &self.upstream,
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        match self.state.get() {
            State::Kept => self.vacated.borrow_mut().push(self.index),
            State::Taken => {}
        }
    }
}

impl Eye {
    fn new() -> Self {
        Self {
            watch: Cell::new(Watch::NotYet),
            readiness: Cell::new(Readiness::Ready),
            room: Cell::new(Room::Free),
            reader: Cell::new(None),
            writer: Cell::new(None),
        }
    }

    fn note(&self, event: &Event) {
        let (readiness, room) = (self.readiness.get().after(event), self.room.get().after(event));
        self.readiness.set(readiness);
        self.room.set(room);
        if readiness != Readiness::Drained
            && let Some(waker) = self.reader.take()
        {
            waker.wake();
        }
        if room == Room::Free
            && let Some(waker) = self.writer.take()
        {
            waker.wake();
        }
    }
}

/// A socket of a [`Seat`], non-blocking. It is put into the epoll set when it is first waited for:
/// what is there at once, as a request mostly is, needs no waiting.
pub struct Watched {
    seat: Seat,
    which: Which,
    socket: TcpStream,
}

impl Watched {
    /// The client's socket, which must be non-blocking.
    pub fn client(seat: Seat, socket: TcpStream) -> Self {
        Self { seat, which: Which::Client, socket }
    }

    /// The seat that it shares with the other side.
    pub fn seat(&self) -> &Seat {
        &self.seat
    }

    /// The socket.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// The socket, for the relay.
    pub fn into_socket(self) -> TcpStream {
        self.socket
    }

    /// Waits until reading may give something.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| {
            let coop = ready!(poll_proceed(cx));
            let ready = self.poll_readable(cx);
            if ready.is_ready() {
                coop.made_progress();
            }
            ready
        })
        .await
    }

    /// Reads what is there. [`io::ErrorKind::WouldBlock`] where there is nothing.
    pub fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        let eye = self.eye();
        loop {
            match (&self.socket).read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    eye.readiness.set(Readiness::Drained);
                    return Err(error);
                }
                Ok(count) if count < into.len() && eye.readiness.get() == Readiness::Ready => {
                    // Whatever comes later makes an edge, as it does for the relay.
                    eye.readiness.set(if count == 0 {
                        Readiness::Ended
                    } else {
                        Readiness::Drained
                    });
                    return Ok(count);
                }
                other => return other,
            }
        }
    }

    fn eye(&self) -> &Eye {
        self.seat.0.eye(self.which)
    }

    fn poll_readable(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let eye = self.eye();
        if eye.readiness.get() != Readiness::Drained {
            return Poll::Ready(Ok(()));
        }
        self.watch()?;
        eye.reader.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    fn poll_room(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let eye = self.eye();
        if eye.room.get() == Room::Free {
            return Poll::Ready(Ok(()));
        }
        self.watch()?;
        eye.writer.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// Puts it into the epoll set, where it is not there. What is ready already makes an edge.
    fn watch(&self) -> io::Result<()> {
        let eye = self.eye();
        match eye.watch.get() {
            Watch::Yes => Ok(()),
            Watch::NotYet => {
                let Inner { index, registry, .. } = &*self.seat.0;
                let interest = Interest::READABLE | Interest::WRITABLE;
                let name = token(*index, self.which);
                registry.register(&mut SourceFd(&self.socket.as_raw_fd()), name, interest)?;
                eye.watch.set(Watch::Yes);
                Ok(())
            }
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let coop = ready!(poll_proceed(cx));
        loop {
            ready!(self.poll_readable(cx))?;
            match self.try_read(into.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(count) => {
                    coop.made_progress();
                    into.advance(count);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let coop = ready!(poll_proceed(cx));
        loop {
            ready!(self.poll_room(cx))?;
            match (&self.socket).write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.eye().room.set(Room::Full);
                }
                Err(error) => return Poll::Ready(Err(error)),
                Ok(count) => {
                    coop.made_progress();
                    if count < bytes.len() {
                        self.eye().room.set(Room::Full);
                    }
                    return Poll::Ready(Ok(count));
                }
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.shutdown(Shutdown::Write))
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seat").field(&self.0.index).finish()
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seat, which, socket } = self;
        f.debug_struct("Watched")
            .field("seat", seat)
            .field("which", which)
            .field("socket", socket)
            .finish()
    }
}
