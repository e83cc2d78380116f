//! A relay between peers that the test plays, and a control that does as it is told.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    io,
    process::abort,
    rc::Rc,
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot},
    time::timeout,
};
use vestibule_core::{
    relay::{Extensions, Reserved},
    time::{Mono, Now},
    wire::{
        close::Close,
        frame::{self, Fin, Header, Opcode, Sender},
    },
};

use super::super::{Control, Ended, Key, Order, Pair, Relay, Report, Watched, Wire};
use crate::drive::Clock;

/// Longer than anything takes; only a hanging test gets there.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

pub(super) struct Rig {
    pub(super) relay: Rc<Relay<Probe>>,
    pub(super) clock: Clock,
}

/// What the test sees of a control, and tells it.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) reports: RefCell<Vec<String>>,
    pub(super) signals: Cell<usize>,
    pub(super) ended: Cell<Option<Ended>>,
    pub(super) deadline: Cell<Option<Mono>>,
    /// Whether a message keeps the control busy until there is a signal, and whether one does.
    pub(super) holds: Cell<bool>,
    pub(super) busy: Cell<bool>,
    /// What to order on the next report that is not a signal.
    pub(super) orders: RefCell<Vec<Order>>,
    /// To be sent, from within the control, to other connections.
    pub(super) pass_on: RefCell<Vec<PassOn>>,
    pub(super) changed: Notify,
}

type PassOn = (Rc<Relay<Probe>>, Key, Order);

pub(super) struct Probe(pub(super) Rc<Notes>);

impl Control for Probe {
    type Signal = Order;

    fn report(&mut self, report: Report<'_, Order>, _: Now, orders: &mut Vec<Order>) {
        let Self(notes) = self;
        notes.deadline.set(None);
        let said = match report {
            Report::Message(text) => {
                notes.busy.set(notes.holds.get());
                String::from_utf8_lossy(text).into_owned()
            }
            Report::Fault(rejection) => rejection.label().to_owned(),
            Report::Signal(order) => {
                notes.signals.set(notes.signals.get() + 1);
                notes.busy.set(false);
                orders.push(order);
                return;
            }
            Report::Deadline => "deadline".to_owned(),
            Report::Idle => "idle".to_owned(),
            Report::Gone => "gone".to_owned(),
        };
        notes.reports.borrow_mut().push(said);
        orders.append(&mut notes.orders.borrow_mut());
        for (relay, key, order) in notes.pass_on.borrow_mut().drain(..) {
            relay.signal(key, order);
        }
        notes.changed.notify_one();
    }

    fn is_busy(&self) -> bool {
        self.0.busy.get()
    }

    fn deadline(&self) -> Option<Mono> {
        self.0.deadline.get()
    }

    fn ended(&mut self, ended: &Ended, _: Now) {
        assert_eq!(self.0.ended.replace(Some(*ended)), None, "ended twice");
        self.0.changed.notify_one();
    }
}

/// One connection, with the test at both ends.
pub(super) struct Both {
    pub(super) client: TcpStream,
    pub(super) upstream: TcpStream,
    pub(super) key: Key,
    pub(super) notes: Rc<Notes>,
}

/// Runs a test as a task beside a relay. What the test plays is a runtime's, on another thread.
pub(super) fn run<F: Future<Output = ()>>(test: impl FnOnce(Rig) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    let (over, ended) = oneshot::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            // Where nothing wakes the relay's thread, no timer of its own tasks does.
            if runtime.block_on(async { timeout(2 * PATIENCE, ended).await }).is_err() {
                abort();
            }
        });
        let _over = over;
        let _entered = handle.enter();
        let clock = Clock::start();
        let relay = Relay::new(clock).unwrap();
        let rig = Rig { relay: Rc::clone(&relay), clock };
        let tested = relay.block_on(async { timeout(PATIENCE, test(rig)).await });
        tested.unwrap().expect("the test hangs");
    });
}

/// Two ends of a connection over loopback.
pub(super) async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (near, (far, _)) = (near.unwrap(), far.unwrap());
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    (near, far)
}

impl Rig {
    pub(super) async fn open(&self) -> Both {
        self.open_with(|_, _| {}).await
    }

    pub(super) async fn open_with(&self, change: impl FnOnce(&mut Pair, &Notes)) -> Both {
        let (client, near) = connected().await;
        let (upstream, far) = connected().await;
        let mut pair = Pair {
            client: Wire::Plain(near.into_std().unwrap()),
            upstream: Wire::Plain(far.into_std().unwrap()),
            client_read: Vec::new(),
            upstream_read: Vec::new(),
            upstream_first: Vec::new(),
            reserved: Reserved::Yes,
            extensions: Extensions::None,
            idle: None,
        };
        let notes = Rc::new(Notes::default());
        change(&mut pair, &notes);
        let key =
            self.relay.open(self.relay.seat(), pair, Probe(Rc::clone(&notes)), self.clock.now());
        Both { client, upstream, key, notes }
    }

    /// How many bytes wait for the client and for the upstream of a connection.
    /// The same socket, watched by the relay's thread.
    pub(super) fn watched(&self, socket: TcpStream) -> Watched {
        Watched::client(self.relay.seat(), socket.into_std().unwrap())
    }

    pub(super) fn waiting(&self, wanted: Key) -> (usize, usize) {
        let mut waiting = (0, 0);
        self.relay.records.borrow().each(&mut |key, record| {
            if let Some(rare) = &record.rare
                && key == wanted
            {
                waiting = (rare.to_client.len(), rare.to_upstream.len());
            }
        });
        waiting
    }

    /// How many bytes a connection's client was sent.
    pub(super) fn sent(&self, wanted: Key) -> u64 {
        let mut sent = 0;
        self.relay.records.borrow().each(&mut |key, record| {
            if key == wanted {
                sent = record.to_client;
            }
        });
        sent
    }

    pub(super) fn close(&self, key: Key, code: u16) {
        self.relay.signal(key, Order::Close(Close::with_code(code).unwrap()));
    }
}

impl Notes {
    /// Answers the next report with a close.
    pub(super) fn close_on_report(&self, code: u16) {
        self.orders.borrow_mut().push(Order::Close(Close::with_code(code).unwrap()));
    }

    /// Waits for the end of the connection.
    pub(super) async fn over(&self) -> Ended {
        loop {
            if let Some(ended) = self.ended.get() {
                return ended;
            }
            self.changed.notified().await;
        }
    }

    /// Waits for so many reports.
    pub(super) async fn heard(&self, count: usize) -> Vec<String> {
        loop {
            let reports = self.reports.borrow().clone();
            if reports.len() >= count {
                return reports;
            }
            self.changed.notified().await;
        }
    }
}

/// A client's frame with this first byte.
pub(super) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode_client(Opcode::Text, payload, [0x5a, 0x0f, 0x33, 0x81], &mut bytes);
    bytes[0] = first;
    bytes
}

/// A server's frame with this first byte.
pub(super) fn bare(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode_server(Opcode::Text, payload, &mut bytes);
    bytes[0] = first;
    bytes
}

/// Reads exactly what is expected, and tells the difference.
pub(super) async fn expect(socket: &mut (impl AsyncRead + Unpin), expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    socket.read_exact(&mut bytes).await.unwrap();
    assert!(bytes == expected, "not the bytes that were sent");
}

/// Reads one close frame of the gateway.
pub(super) async fn expect_close(client: &mut TcpStream) -> u16 {
    let mut head = [0; 2];
    client.read_exact(&mut head).await.unwrap();
    assert_eq!(head[0], 0x88);
    let mut payload = vec![0; usize::from(head[1])];
    client.read_exact(&mut payload).await.unwrap();
    Close::parse(&payload).unwrap().unwrap().code()
}

/// Everything up to the end of the stream, whether it is clean or not.
pub(super) async fn rest(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        match socket.read_buf(&mut bytes).await {
            Ok(0) => return bytes,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return bytes,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Writes one piece after the other until the socket takes no more and `is_stuck`: how much.
pub(super) async fn fill(
    socket: &mut TcpStream,
    piece: &[u8],
    mut is_stuck: impl FnMut() -> bool,
) -> usize {
    let mut written = 0;
    loop {
        match socket.try_write(&piece[written % piece.len()..]) {
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if is_stuck() {
                    return written;
                }
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// One frame of a server, as a client reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) opcode: Opcode,
    pub(super) fin: Fin,
    pub(super) payload: Vec<u8>,
}

/// Parses a stream of whole frames; fails on anything else.
pub(super) fn frames(mut bytes: &[u8], sender: Sender) -> Vec<Seen> {
    let mut seen = Vec::new();
    while !bytes.is_empty() {
        let header = Header::parse(bytes, sender).unwrap().expect("a whole header");
        let end = header.size + usize::try_from(header.length).unwrap();
        let mut payload = bytes.get(header.size..end).expect("a whole frame").to_vec();
        frame::unmask(&mut payload, header.mask, 0);
        seen.push(Seen { opcode: header.opcode, fin: header.fin, payload });
        bytes = &bytes[end..];
    }
    seen
}

/// The code of a close frame.
pub(super) fn code(seen: &Seen) -> u16 {
    assert_eq!(seen.opcode, Opcode::Close);
    Close::parse(&seen.payload).unwrap().map_or(1005, |close| close.code())
}
