//! The floor: what a relay costs that knows nothing of WebSockets. One epoll loop, edge-triggered,
//! one shared buffer, nothing kept but what the other side would not take.

use std::{collections::VecDeque, net::SocketAddr};

use anyhow::Result;
use clap::Args;
use mio::{Events, Interest, Poll, Token, net::TcpStream};

use super::socket::{self, Got};

/// Where to listen and where to go.
#[derive(Debug, Args)]
pub struct Options {
    /// Port of 127.0.0.1 to listen on.
    #[arg(long)]
    port: u16,
    /// Port of 127.0.0.1 to connect to.
    #[arg(long)]
    upstream: u16,
    /// Bytes of the shared buffer.
    #[arg(long, default_value_t = 64 * 1024)]
    buffer: usize,
}

struct Side {
    socket: TcpStream,
    pending: Vec<u8>,
    gone: Gone,
}

/// Whether the peer's end is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    No,
    /// It ends behind what it has sent, and no edge will tell again.
    Sending,
    /// It takes nothing any more.
    Yes,
}

const LISTENER: Token = Token(usize::MAX);

/// Relays until it is killed.
pub fn run(options: &Options) -> Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut listener = socket::listen(options.port)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let upstream = SocketAddr::from(([127, 0, 0, 1], options.upstream));
    let mut sides: Vec<Option<Side>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut again: VecDeque<usize> = VecDeque::new();
    let mut buffer = vec![0; options.buffer];
    loop {
        let wait = (!again.is_empty()).then_some(std::time::Duration::ZERO);
        poll.poll(&mut events, wait)?;
        let mut ready: Vec<usize> = again.drain(..).collect();
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((socket, _)) = listener.accept() {
                    let (Ok(()), Ok(other)) =
                        (socket.set_nodelay(true), TcpStream::connect(upstream))
                    else {
                        continue;
                    };
                    let _nodelay = other.set_nodelay(true);
                    let at = free.pop().unwrap_or(sides.len());
                    if at == sides.len() {
                        sides.extend([None, None]);
                    }
                    for (at, mut socket) in [(at, socket), (at + 1, other)] {
                        let both = Interest::READABLE | Interest::WRITABLE;
                        poll.registry().register(&mut socket, Token(at), both)?;
                        let side = Side { socket, pending: Vec::new(), gone: Gone::No };
                        if let Some(place) = sides.get_mut(at) {
                            *place = Some(side);
                        }
                    }
                }
                continue;
            }
            let at = event.token().0;
            if event.is_writable() && pending(&sides, at) {
                flush(&mut sides, at);
                ready.push(at ^ 1);
            }
            if (event.is_read_closed() || event.is_error())
                && let Some(Some(side)) = sides.get_mut(at)
            {
                side.gone = Gone::Sending;
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                ready.push(at);
            }
        }
        for at in ready {
            match pump(&mut sides, at, &mut buffer) {
                Pumped::More => again.push_back(at),
                Pumped::Done => {}
                Pumped::Ended => {
                    for at in [at, at ^ 1] {
                        if let Some(place) = sides.get_mut(at) {
                            *place = None;
                        }
                    }
                    free.push(at & !1);
                }
            }
        }
    }
}

enum Pumped {
    More,
    Done,
    Ended,
}

fn pending(sides: &[Option<Side>], at: usize) -> bool {
    sides.get(at).and_then(Option::as_ref).is_some_and(|side| !side.pending.is_empty())
}

fn flush(sides: &mut [Option<Side>], at: usize) {
    if let Some(Some(side)) = sides.get_mut(at)
        && !socket::write(&mut side.socket, &mut side.pending, &[])
    {
        side.gone = Gone::Yes;
    }
}

fn pump(sides: &mut [Option<Side>], at: usize, buffer: &mut [u8]) -> Pumped {
    if pending(sides, at ^ 1) {
        return Pumped::Done;
    }
    let Some(Some(from)) = sides.get_mut(at) else { return Pumped::Done };
    let got = socket::read(&mut from.socket, buffer);
    let ends = from.gone == Gone::Sending;
    let Some(Some(to)) = sides.get_mut(at ^ 1) else { return Pumped::Ended };
    match got {
        Got::Nothing => Pumped::Done,
        Got::End => Pumped::Ended,
        Got::Bytes(_) if to.gone == Gone::Yes => Pumped::Ended,
        Got::Bytes(count) => {
            let bytes = buffer.get(..count).unwrap_or_default();
            if !socket::write(&mut to.socket, &mut to.pending, bytes) {
                return Pumped::Ended;
            }
            // A short read means that there is no more, and an edge will tell when there is; but
            // not of an end that was told already.
            if count == buffer.len() || ends { Pumped::More } else { Pumped::Done }
        }
    }
}
