//! Reading and writing a socket that does not block.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

/// What follows what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Perhaps more, perhaps nothing for long.
    Bytes,
    /// The end of the stream, at once.
    End,
}

pub(super) fn read_some(mut socket: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Like a write, but a full socket takes nothing instead of failing.
pub(super) fn write_some(socket: &TcpStream, bytes: &[u8], next: Next) -> io::Result<usize> {
    loop {
        let written = match next {
            Next::Bytes => (&*socket).write(bytes),
            Next::End => write_last(socket, bytes),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            other => return other,
        }
    }
}

/// Lets the bytes wait for the end of the stream, so that both go in one packet; for a fifth of a
/// second at the most (`tcp(7)`, `MSG_MORE`).
#[cfg(any(target_os = "android", target_os = "linux"))]
fn write_last(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    use rustix::net::{SendFlags, send};

    Ok(send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::MORE)?)
}

/// It costs a packet more.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn write_last(mut socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    socket.write(bytes)
}
