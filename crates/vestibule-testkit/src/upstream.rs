//! What stands behind the gateway.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use anyhow::{Context, Result};
use tokio_tungstenite::tungstenite;

use crate::{
    GUARD, either_way,
    frame::Role,
    head::{Head, accept_of},
    peer::Peer,
};

/// A listener whose connections the test takes one by one, in the order in which they came.
#[derive(Debug)]
pub struct Upstream {
    door: Door,
    arrived: mpsc::Receiver<TcpStream>,
}

impl Upstream {
    /// On a free port of the loopback address.
    pub fn start() -> Result<Self> {
        let (sender, arrived) = mpsc::channel();
        let door = Door::open(move |tcp| {
            // The test may be over.
            either_way(sender.send(tcp));
        })?;
        Ok(Self { door, arrived })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.door.address
    }

    /// As an upstream of a route.
    pub fn url(&self) -> String {
        format!("ws://{}", self.door.address)
    }

    /// How many connections have come.
    pub fn count(&self) -> usize {
        self.door.count.load(Ordering::SeqCst)
    }

    /// The next connection, as it is.
    pub fn accept_tcp(&self) -> Result<TcpStream> {
        self.arrived.recv_timeout(GUARD).context("nobody connected to the upstream")
    }

    /// The next connection.
    pub fn accept(&self) -> Result<Peer> {
        Peer::plain(self.accept_tcp()?, Role::Server)
    }

    /// The next connection and its request.
    pub fn request(&self) -> Result<(Peer, Head)> {
        let mut peer = self.accept()?;
        let head = peer.head()?;
        Ok((peer, head))
    }

    /// The next connection, its request answered with a 101 that has these fields more (each with
    /// its end of line).
    pub fn switch(&self, fields: &str) -> Result<(Peer, Head)> {
        let (mut peer, head) = self.request()?;
        peer.send(switching(&head, fields))?;
        Ok((peer, head))
    }
}

/// A 101 to this request, with these fields more.
pub fn switching(request: &Head, fields: &str) -> String {
    let accept = accept_of(request.one("sec-websocket-key").unwrap_or_default());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{fields}\r\n"
    )
}

/// An echo server of another make (tungstenite), which remembers what it was asked.
#[derive(Debug)]
pub struct Echo {
    door: Door,
    heads: Arc<Mutex<Vec<Head>>>,
}

impl Echo {
    /// On a free port of the loopback address.
    pub fn start() -> Result<Self> {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let door = Door::open(move |tcp| {
            let seen = Arc::clone(&seen);
            thread::spawn(move || echo(tcp, &seen));
        })?;
        Ok(Self { door, heads })
    }

    /// As an upstream of a route.
    pub fn url(&self) -> String {
        format!("ws://{}", self.door.address)
    }

    /// How many connections have come.
    pub fn count(&self) -> usize {
        self.door.count.load(Ordering::SeqCst)
    }

    /// The requests so far.
    pub fn heads(&self) -> Vec<Head> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Echoes until the other side has had enough; errors are the ends that tests make.
fn echo(tcp: TcpStream, heads: &Mutex<Vec<Head>>) {
    use tungstenite::{
        Message,
        handshake::server::{Request, Response},
        protocol::WebSocketConfig,
    };
    #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let look = |request: &Request, mut response: Response| {
        let fields = request.headers().iter().map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let head = Head {
            start: format!("{} {} HTTP/1.1", request.method(), request.uri()),
            fields: fields.collect(),
        };
        if let Some(first) = request.headers().get("sec-websocket-protocol") {
            let first = first.to_str().unwrap_or_default().split(',').next().unwrap_or_default();
            if let Ok(value) = first.trim().parse() {
                response.headers_mut().insert("sec-websocket-protocol", value);
            }
        }
        heads.lock().unwrap_or_else(PoisonError::into_inner).push(head);
        Ok(response)
    };
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let Ok(mut socket) = tungstenite::accept_hdr_with_config(tcp, look, Some(config)) else {
        return;
    };
    while let Ok(message) = socket.read() {
        let answer = match message {
            Message::Text(_) | Message::Binary(_) => socket.send(message),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {
                socket.flush()
            }
        };
        if answer.is_err() {
            break;
        }
    }
}

/// A listener and its thread.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) count: Arc<AtomicUsize>,
    closed: Arc<AtomicBool>,
}

impl Door {
    pub(crate) fn open(mut arrived: impl FnMut(TcpStream) + Send + 'static) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let count = Arc::new(AtomicUsize::new(0));
        let closed = Arc::new(AtomicBool::new(false));
        let (counter, over) = (Arc::clone(&count), Arc::clone(&closed));
        thread::spawn(move || {
            while let Ok((tcp, _)) = listener.accept() {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                counter.fetch_add(1, Ordering::SeqCst);
                arrived(tcp);
            }
        });
        Ok(Self { address, count, closed })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes the thread, so that it sees the end.
        either_way(TcpStream::connect_timeout(&self.address, GUARD));
    }
}
