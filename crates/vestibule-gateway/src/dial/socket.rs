//! Sockets to upstreams, plain or TLS.

use std::{collections::HashMap, io, net::IpAddr, path::PathBuf, sync::Arc};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{
    config::{Route, Upstream, UpstreamTls},
    http::Socket,
    listen::{self, certificates},
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
    pub async fn connect(&self, upstream: &Upstream) -> io::Result<Socket> {
        let stream = match upstream.host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => TcpStream::connect((address, upstream.port)).await?,
            Err(_) => TcpStream::connect((&*upstream.host, upstream.port)).await?,
        };
        listen::prepare(&stream)?;
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
