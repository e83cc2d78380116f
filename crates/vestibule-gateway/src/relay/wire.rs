//! One side of a connection: a socket, plain or TLS, and what is known of its readiness.
//!
//! The epoll set is edge-triggered and each socket is registered once, for both directions. What an
//! edge said is remembered until a system call says otherwise:
//! - A read that fills less than was offered has emptied the socket: whatever comes later makes a new
//!   edge, so that the second read that would say `EWOULDBLOCK` is not made. The end of the stream
//!   is no exception: if it was there before the edge, the edge says so, and reading goes on until
//!   the read that returns nothing; if it comes later, it makes an edge.
//! - A write that takes less than was offered has filled the socket, and room makes an edge.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    os::fd::AsRawFd,
};

use mio::{Interest, Registry, Token, event::Event, unix::SourceFd};

use super::{
    Wire,
    seat::Watch,
    socket::{Next, read_some, write_some},
};

/// Most bytes of one read. A large message is mostly there as a whole, and costs less when it goes on
/// as a whole. What a reader does not take waits in memory, so that this is also what a connection may
/// cost that does not read.
pub(super) const BUFFER_BYTES: usize = 256 * 1024;
/// Most encrypted bytes of one read: what is decrypted goes on record by record all the same.
const CIPHER_BYTES: usize = 64 * 1024;
/// Most encrypted bytes that a TLS side holds back for a socket that is full.
const TLS_BUFFER_BYTES: usize = 64 * 1024;

/// The buffers of a thread.
#[derive(Debug)]
pub(super) struct Scratch {
    /// What was read, decrypted.
    pub(super) plain: Box<[u8]>,
    cipher: Cipher,
}

/// Encrypted bytes of the TLS side that is being read. Empty whenever another side is.
#[derive(Debug, Default)]
struct Cipher {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self { plain: vec![0; BUFFER_BYTES].into(), cipher: Cipher::default() }
    }

    /// Whether the side that is being read must be read on: its bytes are in here.
    pub(super) fn is_held(&self) -> bool {
        self.cipher.start < self.cipher.end
    }

    /// Forgets what a side left that has failed.
    fn release(&mut self) {
        self.cipher.start = 0;
        self.cipher.end = 0;
    }
}

impl Cipher {
    fn fill(&mut self, socket: &TcpStream) -> io::Result<usize> {
        if self.bytes.is_empty() {
            self.bytes = vec![0; CIPHER_BYTES].into();
        }
        self.start = 0;
        self.end = 0;
        self.end = read_some(socket, &mut self.bytes)?;
        Ok(self.end)
    }
}

impl Read for Cipher {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let held = self.bytes.get(self.start..self.end).unwrap_or_default();
        let count = held.len().min(into.len());
        if let (Some(into), Some(held)) = (into.get_mut(..count), held.get(..count)) {
            into.copy_from_slice(held);
        }
        self.start += count;
        Ok(count)
    }
}

/// Whether reading a side may give something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// Not before the next edge.
    Drained,
    /// Perhaps.
    Ready,
    /// The peer has ended the stream: bytes, perhaps, then its end.
    Ended,
    /// Nothing passes in either direction any more; bytes that came before may still be read.
    Broken,
}

impl Readiness {
    /// What it is after an edge.
    pub(super) fn after(self, event: &Event) -> Self {
        if event.is_error() || event.is_write_closed() {
            Self::Broken
        } else if event.is_read_closed() {
            Self::Ended
        } else if event.is_readable() && self == Self::Drained {
            Self::Ready
        } else {
            self
        }
    }
}

/// Whether writing to a side may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Free,
    /// Not before the next edge.
    Full,
}

impl Room {
    /// What it is after an edge.
    pub(super) fn after(self, event: &Event) -> Self {
        if event.is_writable() || event.is_error() { Self::Free } else { self }
    }
}

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Got {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// Nothing that is to be passed on yet; there may be more.
    Later,
    /// Nothing ever: the peer's end, or an error.
    End,
}

/// A side.
#[derive(Debug)]
pub(super) struct Side {
    wire: Option<Wire>,
    pub(super) readiness: Readiness,
    pub(super) room: Room,
}

impl Side {
    /// A socket that has not been looked at. What a TLS connection holds makes no edge.
    pub(super) fn new(mut wire: Wire) -> Self {
        let readiness = match &mut wire {
            Wire::Plain(_) => Readiness::Drained,
            Wire::Tls(_, connection) => {
                connection.set_buffer_limit(Some(TLS_BUFFER_BYTES));
                Readiness::Ready
            }
        };
        Self { wire: Some(wire), readiness, room: Room::Free }
    }

    /// Puts the socket into an epoll set, once and for both directions, unless it is there and its
    /// edges were heard by others until now. The set forgets it when it is closed.
    pub(super) fn watch(
        &mut self,
        known: (Watch, Readiness, Room),
        registry: &Registry,
        token: Token,
    ) -> io::Result<()> {
        let (watch, readiness, room) = known;
        match watch {
            Watch::Yes => {
                // What a TLS connection holds makes no edge: it stays to be looked at.
                if readiness != Readiness::Drained {
                    self.readiness = readiness;
                }
                self.room = room;
                return Ok(());
            }
            Watch::NotYet => {}
        }
        let Some(Wire::Plain(socket) | Wire::Tls(socket, _)) = &self.wire else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut SourceFd(&socket.as_raw_fd()), token, interest)
    }

    /// Whether the socket was given up.
    pub(super) fn is_gone(&self) -> bool {
        self.wire.is_none()
    }

    /// Remembers what an edge said.
    pub(super) fn note(&mut self, event: &Event) {
        self.readiness = self.readiness.after(event);
        self.room = self.room.after(event);
    }

    /// Reads once: into `scratch.plain`.
    pub(super) fn read(&mut self, scratch: &mut Scratch) -> Got {
        let read = match &mut self.wire {
            None => {
                scratch.release();
                Ok(Got::Nothing)
            }
            Some(Wire::Plain(socket)) => read_plain(socket, &mut self.readiness, scratch),
            Some(Wire::Tls(socket, connection)) => {
                read_tls(socket, connection, &mut self.readiness, scratch)
            }
        };
        match read {
            Ok(Got::Nothing) => {
                self.readiness = Readiness::Drained;
                Got::Nothing
            }
            Ok(got) => got,
            Err(_) => {
                scratch.release();
                Got::End
            }
        }
    }

    /// Writes; how many bytes were taken, and will not be given back. What is missing then waits for
    /// room. The last bytes go with the end of the stream in one packet, which is not sent before.
    pub(super) fn write(&mut self, bytes: &[u8], next: Next) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let taken = match &mut self.wire {
            None => return Err(io::ErrorKind::NotConnected.into()),
            Some(Wire::Plain(socket)) => write_some(socket, bytes, next)?,
            Some(Wire::Tls(socket, connection)) => {
                let taken = write_tls(socket, connection, bytes)?;
                if connection.wants_write() {
                    self.room = Room::Full;
                }
                taken
            }
        };
        if taken < bytes.len() {
            self.room = Room::Full;
        }
        Ok(taken)
    }

    /// Sends what a TLS connection holds, where there is room.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if let Some(Wire::Tls(socket, connection)) = &mut self.wire
            && self.room == Room::Free
            && connection.wants_write()
            && flush_tls(socket, connection)? == Room::Full
        {
            self.room = Room::Full;
        }
        Ok(())
    }

    /// Whether all that was written has left this process.
    pub(super) fn is_flushed(&self) -> bool {
        match &self.wire {
            None | Some(Wire::Plain(_)) => true,
            Some(Wire::Tls(_, connection)) => !connection.wants_write(),
        }
    }

    /// Whether all that came without TLS was read, and nothing has come since.
    pub(super) fn is_silent(&self) -> bool {
        match &self.wire {
            None | Some(Wire::Plain(_)) => self.readiness == Readiness::Drained,
            Some(Wire::Tls(..)) => false,
        }
    }

    /// Ends the stream towards the peer, after what was written.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        match &mut self.wire {
            None => Ok(()),
            Some(Wire::Plain(socket)) => socket.shutdown(Shutdown::Write),
            Some(Wire::Tls(socket, connection)) => {
                connection.send_close_notify();
                // A peer that is not reading finds TCP ended instead, which says no less.
                flush_tls(socket, connection)?;
                socket.shutdown(Shutdown::Write)
            }
        }
    }

    /// Writing failed. What the peer sent before may still be read.
    pub(super) fn note_broken(&mut self) {
        if self.wire.is_some() {
            self.readiness = Readiness::Broken;
        }
    }

    /// Gives the socket up.
    pub(super) fn abandon(&mut self) {
        self.wire = None;
        self.readiness = Readiness::Drained;
    }
}

fn read_plain(
    socket: &TcpStream,
    readiness: &mut Readiness,
    scratch: &mut Scratch,
) -> io::Result<Got> {
    match read_some(socket, &mut scratch.plain) {
        Ok(0) => Ok(Got::End),
        Ok(count) => {
            if count < scratch.plain.len() && *readiness == Readiness::Ready {
                *readiness = Readiness::Drained;
            }
            Ok(Got::Bytes(count))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Got::Nothing),
        Err(error) => Err(error),
    }
}

/// Decrypts what it holds, then what the socket has: whole records only come out. Reads the socket
/// once: a peer may send records without end that hold nothing for the other side (tickets, updates
/// of keys), and others have their turn.
fn read_tls(
    socket: &TcpStream,
    connection: &mut rustls::Connection,
    readiness: &mut Readiness,
    scratch: &mut Scratch,
) -> io::Result<Got> {
    let mut filled = Filled::No;
    loop {
        match connection.reader().read(&mut scratch.plain) {
            Ok(0) => {
                scratch.release();
                return Ok(Got::End);
            }
            Ok(count) => return Ok(Got::Bytes(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if !scratch.is_held() {
            match (*readiness, filled) {
                (Readiness::Drained, _) => return Ok(Got::Nothing),
                (_, Filled::Yes) => return Ok(Got::Later),
                (Readiness::Ready | Readiness::Ended | Readiness::Broken, Filled::No) => {}
            }
            filled = Filled::Yes;
            match scratch.cipher.fill(socket) {
                Ok(0) => return Ok(Got::End),
                Ok(count) if count < CIPHER_BYTES && *readiness == Readiness::Ready => {
                    *readiness = Readiness::Drained;
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Got::Nothing),
                Err(error) => return Err(error),
            }
        }
        connection.read_tls(&mut scratch.cipher)?;
        let state = connection.process_new_packets();
        if connection.wants_write() {
            // An alert, or the answer to a change of keys; what does not go out now goes with the
            // next write.
            flush_tls(socket, connection)?;
        }
        if state.map_err(io::Error::other)?.peer_has_closed() {
            *readiness = Readiness::Ended;
        }
    }
}

/// Whether the socket was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filled {
    No,
    Yes,
}

fn write_tls(
    socket: &TcpStream,
    connection: &mut rustls::Connection,
    bytes: &[u8],
) -> io::Result<usize> {
    let mut taken = 0;
    loop {
        let rest = bytes.get(taken..).unwrap_or_default();
        let count = connection.writer().write(rest)?;
        taken += count;
        if flush_tls(socket, connection)? == Room::Full || count >= rest.len() {
            return Ok(taken);
        }
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
}

fn flush_tls(socket: &TcpStream, connection: &mut rustls::Connection) -> io::Result<Room> {
    let mut socket = socket;
    while connection.wants_write() {
        match connection.write_tls(&mut socket) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Room::Full),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Room::Free)
}
