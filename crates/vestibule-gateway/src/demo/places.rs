//! Where everything listens: on the loopback, at ports that are easy to type where they are free.

use core::net::{Ipv4Addr, SocketAddr};
use std::{io, net::TcpListener};

/// The usual port of the administration.
pub(super) const ADMIN_PORT: u16 = 9480;

/// The addresses of the demonstration. All are written `127.0.0.1`: to a browser `localhost` is
/// another site, with other cookies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The gateway.
    pub gateway: SocketAddr,
    /// The page, which is the issuer too.
    pub page: SocketAddr,
    /// The page of somebody else.
    pub foreign: SocketAddr,
    /// The chat server behind the gateway.
    pub upstream: SocketAddr,
    /// Metrics and health.
    pub admin: SocketAddr,
}

impl Places {
    /// What an example shows.
    pub fn usual() -> Self {
        Self {
            gateway: local(8080),
            page: local(8000),
            foreign: local(8001),
            upstream: local(9000),
            admin: local(ADMIN_PORT),
        }
    }
}

/// A listener at the wanted port or, where that is taken, at a free one.
pub(super) fn listen(wanted: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(local(wanted)).or_else(|_| TcpListener::bind(local(0)))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// An address for somebody who binds it himself, soon.
pub(super) fn free(wanted: u16) -> io::Result<SocketAddr> {
    listen(wanted)?.local_addr()
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_replaced() {
        let first = listen(0).unwrap();
        let taken = first.local_addr().unwrap().port();
        let second = free(taken).unwrap();
        assert_ne!(second.port(), taken);
        assert_ne!(second.port(), 0);
    }
}
