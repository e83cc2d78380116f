//! Where a connection stands, kept for as long as it may be asked back.

use std::{fmt, net::IpAddr};

use vestibule_authority::Scene;
use vestibule_core::policy::origin::Transport;
use vestibule_verify::scram::TlsExporter;

/// What of a handshake a client signs when it is asked for a response later.
pub struct Stage {
    transport: Transport,
    host: Box<str>,
    path: Box<str>,
    origin: Option<Box<str>>,
    exporter: Option<TlsExporter>,
}

impl Stage {
    /// Keeps what a scene shows.
    pub fn of(scene: Scene<'_>) -> Self {
        let Scene { transport, host, path, origin, peer: _, exporter } = scene;
        let (host, path, origin) = (host.into(), path.into(), origin.map(Into::into));
        Self { transport, host, path, origin, exporter }
    }

    /// The scene, of the client at this address.
    pub fn scene(&self, peer: IpAddr) -> Scene<'_> {
        let Self { transport, host, path, origin, exporter } = self;
        let (transport, origin, exporter) = (*transport, origin.as_deref(), *exporter);
        Scene { transport, host, path, origin, peer, exporter }
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transport, host, path, origin, exporter: _ } = self;
        f.debug_struct("Stage")
            .field("transport", transport)
            .field("host", host)
            .field("path", path)
            .field("origin", origin)
            .finish_non_exhaustive()
    }
}
