//! Where a connection stands, kept for as long as it may be asked back.

use std::{fmt, net::IpAddr};

use vestibule_authority::Scene;
use vestibule_verify::scram::TlsExporter;

/// What of a handshake a client signs when it is asked for a response later.
pub struct Stage {
    host: Box<str>,
    path: Box<str>,
    origin: Option<Box<str>>,
    exporter: Option<TlsExporter>,
}

impl Stage {
    /// Keeps what a scene shows.
    pub fn of(scene: Scene<'_>) -> Self {
        let Scene { host, path, origin, peer: _, exporter } = scene;
        Self { host: host.into(), path: path.into(), origin: origin.map(Into::into), exporter }
    }

    /// The scene, of the client at this address.
    pub fn scene(&self, peer: IpAddr) -> Scene<'_> {
        let Self { host, path, origin, exporter } = self;
        Scene { host, path, origin: origin.as_deref(), peer, exporter: *exporter }
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, path, origin, exporter: _ } = self;
        f.debug_struct("Stage")
            .field("host", host)
            .field("path", path)
            .field("origin", origin)
            .finish_non_exhaustive()
    }
}
