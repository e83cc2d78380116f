//! After admission: bytes pass between two sockets as fast as a relay that knows nothing of
//! WebSockets, and may still be cut off at any moment, in words that the client can read.
//!
//! One [`Relay`] per thread. It keeps all connections of the thread as small records in a slab, on
//! one epoll set, and runs the thread's tasks beside them ([`Relay::block_on`]). An idle connection
//! costs its record: no task, no timer, no buffer. A message costs one read into the thread's buffer
//! and one write out of it.
//!
//! What a connection may and may not do is not decided here: the relay reports to a [`Control`],
//! and carries out its [`Order`]s.
//!
//! How connections end, towards the client:
//! - A close frame of either side passes like everything else; the other side has
//!   [`CLOSE_TIMEOUT`](vestibule_core::limits::CLOSE_TIMEOUT) to answer it. Then TCP ends.
//! - An ordered close is cut in as soon as the frame that is under way is complete, which may take
//!   [`CUT_WINDOW`](vestibule_core::limits::CUT_WINDOW); if that is not enough the client sees TCP end without a close frame.
//! - An upstream that breaks the protocol or ends without a close frame: 1014, cut in likewise.
//! - The client's end of TCP ends everything at once.
//!
//! Towards the upstream an ordered close is a close frame with code 1001 (the client goes away; why
//! it must is not the upstream's business) where the stream is between two frames, else the end of
//! TCP.

mod closing;
mod doors;
mod pump;
mod queue;
mod record;
mod seat;
mod slab;
mod socket;
mod thread;
mod turn;
mod wheel;
mod wire;

use std::{cell::RefCell, collections::VecDeque, fmt, io, net::TcpStream, rc::Rc, time::Duration};

use mio::{Poll, Registry};
use vestibule_core::{
    rejection::Rejection,
    relay::{Extensions, Reserved},
    time::{Mono, Now},
    wire::close::Close,
};

use self::{doors::Doors, record::Record, seat::Seats, slab::Slab, turn::Which, wheel::Wheel};
pub use self::{
    doors::Listener,
    pump::masked,
    seat::{Seat, Watched},
    slab::Key,
};
use crate::drive::Clock;

/// Decides about one connection. It is asked on the relay's thread, and must not block.
pub trait Control {
    /// What reaches a connection from outside of it.
    type Signal;

    /// Something happened. Orders are carried out in turn; those after a [`Order::Close`] are not
    /// carried out at all. May call [`Relay::signal`].
    ///
    /// An implementation that lets a connection live on when it should end gives its client more
    /// time than its credential: the relay itself ends nothing but what is broken.
    fn report(&mut self, report: Report<'_, Self::Signal>, now: Now, orders: &mut Vec<Order>);

    /// Whether what the client sends must wait, because a message of its that was reported is not done
    /// with. Asked after such a report, and then each time something else happened.
    fn is_busy(&self) -> bool {
        false
    }

    /// When [`Report::Deadline`] is due; `None` is never. Asked when the connection opens and after
    /// each report. No byte passes after this moment before the deadline was reported.
    fn deadline(&self) -> Option<Mono>;

    /// The connection is over. Called once, last.
    fn ended(&mut self, ended: &Ended, now: Now);
}

/// What happened to a connection.
pub enum Report<'a, S> {
    /// The client sent a message of the in-band protocol. It may hold a credential.
    Message(&'a [u8]),
    /// A side broke RFC 6455. If no [`Order::Close`] follows, the relay closes with its answer.
    Fault(Rejection),
    /// A signal came.
    Signal(S),
    /// The deadline passed.
    Deadline,
    /// Nothing was said for longer than [`Pair::idle`].
    Idle,
    /// The connection ends by itself: a peer went away, or both closed. Orders change nothing.
    Gone,
}

/// What the relay has to do.
#[derive(PartialEq, Eq)]
pub enum Order {
    /// Send the client this text message between two of the upstream's. A client that does not read
    /// loses it, when too much waits already.
    Tell(String),
    /// Send the upstream this text message. Of use where every message is reported
    /// ([`Reserved::Every`]): elsewhere one of the client's may be under way.
    Forward(Box<[u8]>),
    /// Let no application byte pass any more, and close.
    Close(Close),
}

/// A socket, plain or TLS, after all handshakes. Delays (`TCP_NODELAY`) are the caller's business.
pub enum Wire {
    /// As it is.
    Plain(TcpStream),
    /// Under TLS. What the connection holds already is used.
    Tls(TcpStream, Box<rustls::Connection>),
}

/// Two sides of a connection that was admitted, and whose upstream has answered 101.
pub struct Pair {
    /// The client's socket.
    pub client: Wire,
    /// The upstream's socket.
    pub upstream: Wire,
    /// What the client sent behind its handshake, decrypted.
    pub client_read: Vec<u8>,
    /// What the upstream sent behind its handshake, decrypted.
    pub upstream_read: Vec<u8>,
    /// Whole frames that the upstream gets before anything of the client's.
    pub upstream_first: Vec<u8>,
    /// Whether in-band messages are the gateway's.
    pub reserved: Reserved,
    /// Whether reserved bits have a meaning.
    pub extensions: Extensions,
    /// Longest silence of both sides; `None` is for ever.
    pub idle: Option<Duration>,
}

/// What has passed so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes written to the client.
    pub to_client: u64,
    /// Bytes written to the upstream.
    pub to_upstream: u64,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Bytes written to the client: payloads, framing, and what the gateway put in.
    pub to_client: u64,
    /// Bytes written to the upstream.
    pub to_upstream: u64,
    /// The first close code that was seen or sent; 1005 for a close frame without a code, 1006 where
    /// there was no close frame.
    pub code: u16,
    /// Who began the end.
    pub by: EndedBy,
}

/// Who began the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The client closed, went away, or broke the protocol.
    Client,
    /// The upstream closed, went away, or broke the protocol.
    Upstream,
    /// The control ordered it.
    Gateway,
}

/// The connections of one thread.
pub struct Relay<C: Control> {
    clock: Clock,
    poll: RefCell<Poll>,
    registry: Rc<Registry>,
    records: RefCell<Slab<Record<C>>>,
    seats: Seats,
    wheel: RefCell<Wheel>,
    signals: RefCell<VecDeque<(Key, C::Signal)>>,
    /// Connections that have more to do, by place.
    ready: RefCell<VecDeque<u32>>,
    doors: Doors,
}

impl<C: Control> Relay<C> {
    /// An empty one. Fails where the system has no epoll set left.
    pub fn new(clock: Clock) -> io::Result<Rc<Self>> {
        let poll = Poll::new()?;
        let registry = Rc::new(poll.registry().try_clone()?);
        Ok(Rc::new(Self {
            clock,
            poll: RefCell::new(poll),
            registry,
            records: RefCell::default(),
            seats: Seats::default(),
            wheel: RefCell::new(Wheel::new()),
            signals: RefCell::default(),
            ready: RefCell::default(),
            doors: Doors::default(),
        }))
    }

    /// Keeps a place for somebody who is being let in.
    pub fn seat(&self) -> Seat {
        let index = self.records.borrow_mut().keep();
        self.seats.keep(index, &self.registry)
    }

    /// Takes over both sockets of a seat, or any other two, which must be non-blocking: a read that
    /// waits stalls the thread. What was read already goes first. A socket that cannot be watched
    /// ends the connection at once; [`Control::ended`] tells.
    pub fn open(&self, seat: Seat, pair: Pair, control: C, now: Now) -> Key {
        let index = seat.index();
        let mut record = Record::new(pair, control, now);
        let name = |which| turn::token(index, which);
        let (client, upstream) = (seat.known(Which::Client), seat.known(Which::Upstream));
        let watched = record.client.watch(client, &self.registry, name(Which::Client));
        let watched = watched
            .and_then(|()| record.upstream.watch(upstream, &self.registry, name(Which::Upstream)));
        if watched.is_err() {
            record.fail();
        }
        seat.take();
        let key = self.records.borrow_mut().fill(index, record);
        self.ready.borrow_mut().push_back(index);
        key
    }

    /// Reports a signal to a connection, soon. A key whose connection is over hits nobody.
    pub fn signal(&self, key: Key, signal: C::Signal) {
        self.signals.borrow_mut().push_back((key, signal));
    }

    /// Whether signals wait for their turn.
    pub fn has_signals(&self) -> bool {
        !self.signals.borrow().is_empty()
    }

    /// Shows every connection that is open. Called from within a [`Control`], it leaves out the one
    /// that is being asked. `show` must not open connections.
    pub fn each(&self, show: &mut dyn FnMut(Key, &C)) {
        self.records.borrow().each(&mut |key, record| show(key, &record.control));
    }

    /// Shows connections piece by piece: those in `most` places of the slab from `from` on, which is
    /// 0 at first; then from what was returned, until that is `None`. One that opens meanwhile may
    /// be missed; one that stays open is not, and none is shown twice. For whoever has to look at
    /// all of them, and must not keep bytes waiting meanwhile.
    pub fn some(
        &self,
        from: u32,
        most: u32,
        show: &mut dyn FnMut(Key, &C, Traffic),
    ) -> Option<u32> {
        let records = self.records.borrow();
        records.some(from, most, &mut |key, record| show(key, &record.control, record.traffic()))
    }

    /// Looks at one connection; `None` where the key's is over.
    pub fn with<T>(&self, key: Key, look: impl FnOnce(&C, Traffic) -> T) -> Option<T> {
        self.records.borrow().with(key, |record| look(&record.control, record.traffic()))
    }

    /// How many connections there are, closing ones included.
    pub fn len(&self) -> usize {
        self.records.borrow().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<C: Control> fmt::Debug for Relay<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("connections", &self.len()).finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for Report<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(text) => write!(f, "Message({} bytes)", text.len()),
            Self::Fault(rejection) => f.debug_tuple("Fault").field(rejection).finish(),
            Self::Signal(_) => f.write_str("Signal"),
            Self::Deadline => f.write_str("Deadline"),
            Self::Idle => f.write_str("Idle"),
            Self::Gone => f.write_str("Gone"),
        }
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tell(text) => write!(f, "Tell({} bytes)", text.len()),
            Self::Forward(text) => write!(f, "Forward({} bytes)", text.len()),
            Self::Close(close) => f.debug_tuple("Close").field(close).finish(),
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(socket) => f.debug_tuple("Plain").field(socket).finish(),
            Self::Tls(socket, _) => f.debug_tuple("Tls").field(socket).finish(),
        }
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            client,
            upstream,
            client_read,
            upstream_read,
            upstream_first,
            reserved,
            extensions,
            idle,
        } = self;
        f.debug_struct("Pair")
            .field("client", client)
            .field("upstream", upstream)
            .field("client_read", &client_read.len())
            .field("upstream_read", &upstream_read.len())
            .field("upstream_first", &upstream_first.len())
            .field("reserved", reserved)
            .field("extensions", extensions)
            .field("idle", idle)
            .finish()
    }
}

#[cfg(test)]
mod tests;
