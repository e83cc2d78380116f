//! TLS on a listener: TLS 1.2 and 1.3 as rustls offers them, HTTP/1.1 by ALPN (RFC 7301).

use std::{fmt, io, path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{config::Tls, relay::Watched, serve::ServeError};

/// Completes TLS handshakes.
#[derive(Clone)]
pub struct Acceptor(TlsAcceptor);

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}

impl Acceptor {
    /// Loads the certificate chain and its key, both PEM.
    pub fn new(tls: &Tls) -> Result<Self, ServeError> {
        let chain = certificates(&tls.cert)?;
        let key = PrivateKeyDer::from_pem_file(&tls.key)
            .map_err(|error| ServeError::Tls(error.into()))?;
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| ServeError::Tls(error.into()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Completes one handshake.
    pub async fn accept(&self, socket: Watched) -> io::Result<TlsStream<Watched>> {
        self.0.accept(socket).await
    }
}

/// Every certificate of a PEM file.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ServeError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| ServeError::Tls(error.into()))
}
