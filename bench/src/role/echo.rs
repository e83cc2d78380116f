//! A WebSocket server that sends every message back: as little as can be, so that it does not hide
//! what stands before it. It is no example of how to write one.

use std::collections::HashMap;

use anyhow::Result;
use clap::Args;
use data_encoding::BASE64;
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use sha1_smol::Sha1;

use super::socket::{self, Got};

/// Where to listen.
#[derive(Debug, Args)]
pub struct Options {
    /// Port of 127.0.0.1.
    #[arg(long)]
    port: u16,
}

struct Client {
    socket: TcpStream,
    pending: Vec<u8>,
    /// Bytes of a head or of a frame header that is not complete.
    partial: Vec<u8>,
    /// Nothing before the handshake.
    stream: Option<Stream>,
}

#[derive(Clone, Copy, Default)]
struct Stream {
    left: u64,
    mask: [u8; 4],
    turn: usize,
    closes: bool,
}

const LISTENER: Token = Token(usize::MAX);

/// Serves until it is killed.
pub fn run(options: &Options) -> Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut listener = socket::listen(options.port)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut clients: HashMap<usize, Client> = HashMap::new();
    let mut next = 0;
    let mut buffer = vec![0; socket::BUFFER_BYTES];
    let mut out = Vec::with_capacity(socket::BUFFER_BYTES * 2);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut socket, _)) = listener.accept() {
                    let _nodelay = socket.set_nodelay(true);
                    let both = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut socket, Token(next), both)?;
                    let (pending, partial) = (Vec::new(), Vec::new());
                    clients.insert(next, Client { socket, pending, partial, stream: None });
                    next += 1;
                }
                continue;
            }
            let Some(client) = clients.get_mut(&event.token().0) else { continue };
            if !client.serve(&mut buffer, &mut out) {
                clients.remove(&event.token().0);
            }
        }
    }
}

impl Client {
    fn serve(&mut self, buffer: &mut [u8], out: &mut Vec<u8>) -> bool {
        if !self.pending.is_empty() && !socket::write(&mut self.socket, &mut self.pending, &[]) {
            return false;
        }
        loop {
            match socket::read(&mut self.socket, buffer) {
                Got::End => return false,
                Got::Nothing => return true,
                Got::Bytes(count) => {
                    out.clear();
                    let bytes = buffer.get_mut(..count).unwrap_or_default();
                    let goes_on = self.answer(bytes, out);
                    let alive = socket::write(&mut self.socket, &mut self.pending, out);
                    if !goes_on || !alive {
                        return false;
                    }
                }
            }
        }
    }

    fn answer(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) -> bool {
        if self.stream.is_none() {
            self.partial.extend_from_slice(bytes);
            let Some(end) = socket::head_end(&self.partial) else { return true };
            let head = String::from_utf8_lossy(self.partial.get(..end).unwrap_or_default());
            let key = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
            });
            let Some(key) = key else { return false };
            let joined = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
            let accept = BASE64.encode(&Sha1::from(joined).digest().bytes());
            out.extend_from_slice(
                format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                     Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
                )
                .as_bytes(),
            );
            let mut rest = self.partial.split_off(end);
            self.partial = Vec::new();
            self.stream = Some(Stream::default());
            return self.frames(&mut rest, out);
        }
        if self.partial.is_empty() {
            return self.frames(bytes, out);
        }
        let mut joined = std::mem::take(&mut self.partial);
        joined.extend_from_slice(bytes);
        self.frames(&mut joined, out)
    }

    fn frames(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) -> bool {
        let Some(mut stream) = self.stream else { return false };
        let mut rest = bytes;
        while !rest.is_empty() {
            if stream.left == 0 {
                let Some((size, length, mask)) = header(rest) else {
                    self.partial = rest.to_vec();
                    break;
                };
                let first = rest.first().copied().unwrap_or(0);
                out.push(if first & 0x0f == 9 { (first & 0xf0) | 10 } else { first });
                match (u8::try_from(length), u16::try_from(length)) {
                    (Ok(short @ 0..=125), _) => out.push(short),
                    (_, Ok(medium)) => {
                        out.push(126);
                        out.extend_from_slice(&medium.to_be_bytes());
                    }
                    (_, Err(_)) => {
                        out.push(127);
                        out.extend_from_slice(&length.to_be_bytes());
                    }
                }
                let closes = first & 0x0f == 8;
                stream = Stream { left: length, mask, turn: 0, closes };
                rest = rest.get_mut(size..).unwrap_or_default();
            }
            let take = usize::try_from(stream.left).unwrap_or(usize::MAX).min(rest.len());
            let (piece, behind) = rest.split_at_mut(take);
            unmask(piece, stream.mask, stream.turn);
            out.extend_from_slice(piece);
            stream.turn = (stream.turn + take) % 4;
            stream.left -= u64::try_from(take).unwrap_or(0);
            rest = behind;
            if stream.left == 0 && stream.closes {
                return false;
            }
        }
        self.stream = Some(stream);
        true
    }
}

/// Size of a client's frame header, length of its payload, mask.
fn header(bytes: &[u8]) -> Option<(usize, u64, [u8; 4])> {
    let second = bytes.get(1)? & 0x7f;
    let (length, at) = match second {
        126 => (u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)), 4),
        127 => (u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?), 10),
        short => (u64::from(short), 2),
    };
    let mask = *bytes.get(at..)?.first_chunk()?;
    Some((at + 4, length, mask))
}

fn unmask(bytes: &mut [u8], mut mask: [u8; 4], turn: usize) {
    mask.rotate_left(turn);
    let word = u32::from_ne_bytes(mask);
    let wide = (u64::from(word) << 32) | u64::from(word);
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        if let Ok(eight) = <[u8; 8]>::try_from(&*chunk) {
            chunk.copy_from_slice(&(u64::from_ne_bytes(eight) ^ wide).to_ne_bytes());
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}
