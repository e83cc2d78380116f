//! One side of a connection before admission: a socket, and what was read from it.

use std::io;

use rustls::{ProtocolVersion, ServerConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_rustls::TlsStream;
use vestibule_core::limits;
use vestibule_verify::scram::TlsExporter;

use crate::relay::{Seat, Watched};

/// A socket, plain or TLS.
#[derive(Debug)]
pub enum Socket {
    /// As it is.
    Plain(Watched),
    /// Under TLS, ended or begun by us.
    Tls(Box<TlsStream<Watched>>),
}

impl Socket {
    /// Where it will be relayed.
    fn seat(&self) -> &Seat {
        match self {
            Self::Plain(socket) => socket.seat(),
            Self::Tls(stream) => stream.get_ref().0.seat(),
        }
    }
}

/// A socket and the bytes that were read from it and not used yet. Its buffer is freed when empty,
/// so that a client that waits costs no more than its socket.
#[derive(Debug)]
pub struct Link {
    socket: Socket,
    /// Read, and not used.
    pub buffer: Vec<u8>,
}

const CHUNK: usize = 4096;

/// The label of RFC 9266 section 4.2.
const EXPORTER: &[u8] = b"EXPORTER-Channel-Binding";

impl Link {
    /// Nothing read yet.
    pub fn new(socket: Socket) -> Self {
        Self { socket, buffer: Vec::new() }
    }

    /// Waits for more bytes; 0 is the end. Cancel-safe: nothing is lost when dropped.
    pub async fn fill(&mut self) -> io::Result<usize> {
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
        match &mut self.socket {
            Socket::Plain(socket) => loop {
                socket.readable().await?;
                match take(socket, &mut self.buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    other => return other,
                }
            },
            Socket::Tls(socket) => {
                self.buffer.reserve(CHUNK);
                socket.read_buf(&mut self.buffer).await
            }
        }
    }

    /// Where it will be relayed.
    pub fn seat(&self) -> &Seat {
        self.socket.seat()
    }

    /// The certificate that the other side has shown, and TLS has verified.
    pub fn certificate(&self) -> Option<&[u8]> {
        let certificates = self.ended()?.peer_certificates()?;
        certificates.first().map(AsRef::as_ref)
    }

    /// What an exchange is bound to this connection by (RFC 9266). Not before TLS 1.3, where peers
    /// disagree about it, and it does not name the connection without RFC 7627.
    pub fn exporter(&self) -> Option<TlsExporter> {
        let connection = self.ended()?;
        match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => {
                connection.export_keying_material([0; 32], EXPORTER, Some(&[])).ok()
            }
            Some(_) | None => None,
        }
    }

    /// TLS that we have ended.
    fn ended(&self) -> Option<&ServerConnection> {
        match &self.socket {
            Socket::Tls(stream) => match &**stream {
                TlsStream::Server(stream) => Some(stream.get_ref().1),
                TlsStream::Client(_) => None,
            },
            Socket::Plain(_) => None,
        }
    }

    /// Forgets the first bytes.
    pub fn consume(&mut self, count: usize) {
        self.buffer.drain(..count.min(self.buffer.len()));
    }

    /// Writes everything, or fails within the time that a closing handshake has.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = async {
            match &mut self.socket {
                Socket::Plain(socket) => socket.write_all(bytes).await,
                Socket::Tls(socket) => {
                    socket.write_all(bytes).await?;
                    socket.flush().await
                }
            }
        };
        timeout(limits::CLOSE_TIMEOUT, written)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Says the last word: writes, ends the stream, and reads until the peer has seen it, so that a
    /// reset does not overtake what was written (RFC 6455 section 7.1.1, RFC 9112 section 9.6).
    pub async fn finish(mut self, bytes: &[u8]) {
        let goodbye = async {
            self.write(bytes).await?;
            match &mut self.socket {
                Socket::Plain(socket) => socket.shutdown().await?,
                Socket::Tls(socket) => socket.shutdown().await?,
            }
            let mut left: u32 = 64;
            loop {
                self.buffer.clear();
                left = left.saturating_sub(1);
                if left == 0 || self.fill().await? == 0 {
                    return io::Result::Ok(());
                }
            }
        };
        if timeout(limits::CLOSE_TIMEOUT, goodbye).await.is_err() {
            tracing::trace!("the peer did not end its side in time");
        }
    }

    /// The socket, and what was read and not used.
    pub fn into_parts(self) -> (Socket, Vec<u8>) {
        (self.socket, self.buffer)
    }
}

/// Reads what is there by way of the stack, so that nothing is kept for what has not come.
fn take(socket: &Watched, into: &mut Vec<u8>) -> io::Result<usize> {
    let mut chunk = [0; CHUNK];
    let count = socket.try_read(&mut chunk)?;
    into.extend_from_slice(chunk.get(..count).unwrap_or_default());
    Ok(count)
}
