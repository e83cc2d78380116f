//! Where everything listens: on the loopback, at ports that are easy to type where they are free.

use core::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
};
use std::{io, net::TcpListener};

/// The usual port of the administration.
pub(super) const ADMIN_PORT: u16 = 9480;

/// An address on the loopback, written by its name, as in `localhost:8000`: a passkey belongs to a
/// name, and to a browser `127.0.0.1` is another site, with other cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(SocketAddr);

impl Place {
    /// The address itself.
    pub fn address(self) -> SocketAddr {
        self.0
    }

    /// The port.
    pub fn port(self) -> u16 {
        self.0.port()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "localhost:{}", self.0.port())
    }
}

/// The usual port of the gateway that ends TLS.
pub(super) const SECURE_PORT: u16 = 8443;

/// The addresses of the demonstration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The gateway.
    pub gateway: Place,
    /// The gateway that ends TLS.
    pub secure: Place,
    /// The page, which is the issuer too.
    pub page: Place,
    /// The page of somebody else.
    pub foreign: Place,
    /// The chat server behind the gateway.
    pub upstream: Place,
    /// Metrics and health.
    pub admin: Place,
    /// The same of the gateway that ends TLS.
    pub secure_admin: Place,
}

impl Places {
    /// What an example shows.
    pub fn usual() -> Self {
        Self {
            gateway: local(8080),
            secure: local(SECURE_PORT),
            page: local(8000),
            foreign: local(8001),
            upstream: local(9000),
            admin: local(ADMIN_PORT),
            secure_admin: local(ADMIN_PORT + 1),
        }
    }
}

/// A listener at the wanted port or, where that is taken, at a free one.
pub(super) fn listen(wanted: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(local(wanted).0).or_else(|_| TcpListener::bind(local(0).0))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// An address for somebody who binds it himself, soon.
pub(super) fn free(wanted: u16) -> io::Result<Place> {
    place(&listen(wanted)?)
}

/// Where somebody listens.
pub(super) fn place(listener: &TcpListener) -> io::Result<Place> {
    listener.local_addr().map(Place)
}

fn local(port: u16) -> Place {
    Place((Ipv4Addr::LOCALHOST, port).into())
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
