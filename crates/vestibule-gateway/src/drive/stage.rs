//! Where a connection stands, kept for as long as it may be asked back.

use std::net::IpAddr;

use vestibule_authority::Scene;

/// What of a handshake a client signs when it is asked for a response later.
#[derive(Debug)]
pub struct Stage {
    host: Box<str>,
    path: Box<str>,
    origin: Option<Box<str>>,
}

impl Stage {
    /// Keeps what a scene shows.
    pub fn of(scene: Scene<'_>) -> Self {
        let Scene { host, path, origin, peer: _ } = scene;
        Self { host: host.into(), path: path.into(), origin: origin.map(Into::into) }
    }

    /// The scene, of the client at this address.
    pub fn scene(&self, peer: IpAddr) -> Scene<'_> {
        let Self { host, path, origin } = self;
        Scene { host, path, origin: origin.as_deref(), peer }
    }
}
