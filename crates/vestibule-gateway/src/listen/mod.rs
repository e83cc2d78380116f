//! Listeners: one a worker and address, shared through `SO_REUSEPORT`, so that the kernel spreads
//! new connections and nothing is handed from thread to thread.

mod tls;

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

pub use self::tls::{Acceptor, certificates};

const BACKLOG: i32 = 1024;

/// Finds the port that port 0 stands for, so that every worker can bind the same one. The socket
/// is kept until the workers have theirs.
pub fn reserve(address: SocketAddr) -> io::Result<(Socket, SocketAddr)> {
    let socket = bound(address)?;
    let actual = socket
        .local_addr()?
        .as_socket()
        .ok_or_else(|| io::Error::other("not an internet address"))?;
    Ok((socket, actual))
}

/// A worker's own listener, non-blocking.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound(address)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
