//! Listeners: one a worker and address, shared through `SO_REUSEPORT`, so that the kernel spreads
//! new connections and nothing is handed from thread to thread.

mod tls;

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use vestibule_core::limits;

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

/// A worker's own listener, non-blocking. What it accepts is as it is ([`prepare`]): options of a
/// listener are those of its connections (`tcp(7)`), which saves asking for them each time.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound(address)?;
    prepare(&socket)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// How every connection is, in front and behind: what is written goes at once, and a peer that has
/// vanished without a word is noticed, long before its credential ends, whether it has to be asked
/// or does not acknowledge what it was sent.
pub fn prepare<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<()> {
    let socket = socket.into();
    socket.set_tcp_nodelay(true)?;
    let keepalive =
        TcpKeepalive::new().with_time(limits::KEEPALIVE).with_interval(limits::KEEPALIVE_PAUSE);
    // Where there is a time for both, it counts instead of the number of questions (`tcp(7)`).
    #[cfg(any(target_os = "android", target_os = "linux"))]
    socket.set_tcp_user_timeout(Some(limits::UNACKNOWLEDGED))?;
    #[cfg(not(any(target_os = "android", target_os = "linux")))]
    let keepalive = keepalive.with_retries(limits::KEEPALIVE_ASKED);
    socket.set_tcp_keepalive(&keepalive)
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(all(test, any(target_os = "android", target_os = "linux")))]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_acknowledges_nothing_is_given_up_on_each_connection_that_is_accepted() {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.set_nonblocking(false).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let accepted = SockRef::from(&accepted);
        assert_eq!(accepted.tcp_user_timeout().unwrap(), Some(limits::UNACKNOWLEDGED));
        assert_eq!(accepted.tcp_keepalive_time().unwrap(), limits::KEEPALIVE);
        assert!(accepted.tcp_nodelay().unwrap() && accepted.keepalive().unwrap());
        drop(peer);
    }
}
