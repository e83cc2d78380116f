//! Sockets as all three roles use them.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
};

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, Socket, Type};

/// The one buffer that a process reads into.
pub const BUFFER_BYTES: usize = 256 * 1024;

/// A listener with a backlog that a burst of handshakes fits into.
pub fn listen(port: u16) -> io::Result<TcpListener> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// What one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// So many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The end.
    End,
}

/// Reads once.
pub fn read(socket: &mut TcpStream, buffer: &mut [u8]) -> Got {
    loop {
        match socket.read(buffer) {
            Ok(0) => return Got::End,
            Ok(count) => return Got::Bytes(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Got::Nothing,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Got::End,
        }
    }
}

/// Writes what is waiting, then `bytes`; keeps what was not taken. `false`: the peer is gone.
pub fn write(socket: &mut TcpStream, pending: &mut Vec<u8>, mut bytes: &[u8]) -> bool {
    if !pending.is_empty() {
        pending.extend_from_slice(bytes);
        let waiting = std::mem::take(pending);
        let (left, alive) = push(socket, &waiting);
        *pending = waiting;
        pending.drain(..pending.len() - left);
        return alive;
    }
    let (left, alive) = push(socket, bytes);
    bytes = bytes.get(bytes.len() - left..).unwrap_or_default();
    pending.extend_from_slice(bytes);
    alive
}

fn push(socket: &mut TcpStream, mut bytes: &[u8]) -> (usize, bool) {
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return (bytes.len(), false),
        }
    }
    (bytes.len(), true)
}

/// The end of an HTTP head, if it is there.
pub fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}
