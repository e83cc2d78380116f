//! The bytes beneath a WebSocket.

use core::{fmt, future::Future, pin::Pin};
use std::io;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::Address;

/// Bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// What a [`Connector`] promises.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Duplex>>> + Send + 'a>>;

/// Makes the connection beneath a WebSocket: by TCP, unless the application has another way, such as
/// a proxy or a Unix socket. TLS is spoken over what it gives.
///
/// A connector decides who hears a credential where the URL is `ws:`.
pub trait Connector: fmt::Debug + Send + Sync + 'static {
    /// Connects to the host and the port of the address. The future is dropped when it takes too
    /// long.
    fn connect<'a>(&'a self, address: &'a Address) -> Connecting<'a>;
}

/// TCP to the addresses that the resolver gives, one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Connector for Tcp {
    fn connect<'a>(&'a self, address: &'a Address) -> Connecting<'a> {
        Box::pin(async move {
            let socket = TcpStream::connect((address.host(), address.port())).await?;
            socket.set_nodelay(true)?;
            let duplex: Box<dyn Duplex> = Box::new(socket);
            Ok(duplex)
        })
    }
}

impl fmt::Debug for dyn Duplex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Duplex")
    }
}
