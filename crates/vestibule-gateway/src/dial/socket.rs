//! Sockets to upstreams, plain or TLS.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::net::lookup_host;
use tokio_rustls::TlsConnector;

use crate::{
    config::{Route, Upstream, UpstreamTls},
    http::Socket,
    listen::{self, certificates},
    relay::{Seat, Watched},
    serve::ServeError,
};

/// Connects to upstreams; holds the trust roots.
#[derive(Clone)]
pub struct Dialler {
    connectors: HashMap<Option<PathBuf>, TlsConnector>,
}

impl std::fmt::Debug for Dialler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialler").field("roots", &self.connectors.len()).finish()
    }
}

impl Dialler {
    /// Loads the trust roots that the routes name, and the system's where one needs them.
    pub fn new(routes: &[Arc<Route>]) -> Result<Self, ServeError> {
        let mut connectors = HashMap::new();
        for upstream in routes.iter().flat_map(|route| &route.upstreams) {
            let Some(UpstreamTls { ca }) = &upstream.tls else { continue };
            if !connectors.contains_key(ca) {
                connectors.insert(ca.clone(), connector(ca.as_ref())?);
            }
        }
        Ok(Self { connectors })
    }

    /// Connects, and completes TLS where the upstream wants it.
    pub async fn connect(&self, upstream: &Upstream, seat: &Seat) -> io::Result<Socket> {
        let stream = match upstream.host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => reach_one((address, upstream.port).into(), seat).await?,
            Err(_) => reach(&upstream.host, upstream.port, seat).await?,
        };
        let Some(UpstreamTls { ca }) = &upstream.tls else { return Ok(Socket::Plain(stream)) };
        let connector = self
            .connectors
            .get(ca)
            .ok_or_else(|| io::Error::other("no trust roots for this upstream"))?;
        let name = upstream.host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(name).map_err(io::Error::other)?;
        let stream = connector.connect(name, stream).await?;
        Ok(Socket::Tls(Box::new(stream.into())))
    }
}

/// Tries the addresses of a name in turn.
async fn reach(host: &str, port: u16, seat: &Seat) -> io::Result<Watched> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host((host, port)).await? {
        match reach_one(address, seat).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn reach_one(address: SocketAddr, seat: &Seat) -> io::Result<Watched> {
    let stream = seat.connect(address).await?;
    listen::prepare(stream.socket())?;
    Ok(stream)
}

fn connector(ca: Option<&PathBuf>) -> Result<TlsConnector, ServeError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| ServeError::Tls(error.into()))?;
            }
        }
        None => {
            for certificate in rustls_native_certs::load_native_certs().certs {
                if roots.add(certificate).is_err() {
                    tracing::debug!("a trust root of the system cannot be used");
                }
            }
        }
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
