//! TLS on a listener: TLS 1.2 and 1.3 as rustls offers them, HTTP/1.1 by ALPN (RFC 7301), and clients'
//! certificates where they are asked for.
//!
//! A client's certificate that is not good ends TLS, whether one is required or not: its chain, its
//! dates, what it may be used for, and, where there are lists of what was withdrawn, that each of the
//! chain is on none and that none of the lists is over. Nothing of that is remembered: with
//! certificates no session of TLS is resumed, so that each connection is judged by the lists of the
//! moment.

use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::SystemTime,
};

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    config::{ClientAuth, ClientTls, Tls, revocation_lists},
    relay::Watched,
    serve::ServeError,
};

/// Completes TLS handshakes.
pub struct Acceptor {
    current: RwLock<TlsAcceptor>,
    own: Arc<SingleCertAndKey>,
    clients: Option<ClientTls>,
    /// The lists of withdrawn certificates as they were when they were read last.
    lists: Mutex<Vec<Option<Stamp>>>,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}

impl Acceptor {
    /// Loads the certificate chain and its key, and what clients' certificates are judged by; all PEM.
    pub fn new(tls: &Tls) -> Result<Self, ServeError> {
        let Tls { cert, key, clients } = tls;
        let chain = certificates(cert)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(unusable)?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let own = CertifiedKey::from_der(chain, key, &provider).map_err(unusable)?;
        let own = Arc::new(SingleCertAndKey::from(own));
        // Before they are read, so that no change is missed.
        let lists = Mutex::new(stamps(clients.as_ref()));
        let current = RwLock::new(acceptor(&own, clients.as_ref())?);
        Ok(Self { current, own, clients: clients.clone(), lists })
    }

    /// Completes one handshake.
    pub async fn accept(&self, socket: Watched) -> io::Result<TlsStream<Watched>> {
        let acceptor = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        acceptor.accept(socket).await
    }

    /// Whether there are lists of withdrawn certificates.
    pub fn has_lists(&self) -> bool {
        self.clients.as_ref().is_some_and(|clients| !clients.crls.is_empty())
    }

    /// Reads the lists of withdrawn certificates anew where they have changed; `None` where they have
    /// not. Where that fails the old ones go on, until they are over.
    pub fn look(&self) -> Option<Result<(), ServeError>> {
        // Before they are read, so that no change is missed; and kept only behind it, so that what
        // could not be read is tried again: that it can be read now does not change the stamp.
        let now = stamps(self.clients.as_ref());
        if *self.lists() == now {
            return None;
        }
        Some(acceptor(&self.own, self.clients.as_ref()).map(|renewed| {
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = renewed;
            *self.lists() = now;
        }))
    }

    fn lists(&self) -> MutexGuard<'_, Vec<Option<Stamp>>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a file looks from outside, to see when it changes.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    /// Another one where the file was replaced.
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let modified = metadata.modified().ok();
        Some(Self { modified, length: metadata.len(), inode: metadata.ino() })
    }
}

fn stamps(clients: Option<&ClientTls>) -> Vec<Option<Stamp>> {
    let paths = clients.map(|clients| clients.crls.as_slice()).unwrap_or_default();
    paths.iter().map(|path| Stamp::of(path)).collect()
}

fn acceptor(
    own: &Arc<SingleCertAndKey>,
    clients: Option<&ClientTls>,
) -> Result<TlsAcceptor, ServeError> {
    let builder = ServerConfig::builder();
    let own = Arc::clone(own);
    let mut config = match clients {
        None => builder.with_no_client_auth().with_cert_resolver(own),
        Some(clients) => {
            let verifier = verifier(clients)?;
            let mut config = builder.with_client_cert_verifier(verifier).with_cert_resolver(own);
            // What is resumed is not verified.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            config
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn verifier(clients: &ClientTls) -> Result<Arc<dyn ClientCertVerifier>, ServeError> {
    let ClientTls { ca, crls, auth } = clients;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(unusable)?;
    }
    let mut lists = Vec::new();
    for path in crls {
        lists.extend(read_lists(path)?);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .with_crls(lists)
        .enforce_revocation_expiration();
    let builder = match auth {
        ClientAuth::Optional => builder.allow_unauthenticated(),
        ClientAuth::Required => builder,
    };
    builder.build().map_err(unusable)
}

fn read_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, ServeError> {
    let pem = fs::read(path).map_err(unusable)?;
    revocation_lists(&pem).map_err(|words| ServeError::Tls(words.into()))
}

/// Every certificate of a PEM file.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ServeError> {
    CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(unusable)
}

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> ServeError {
    ServeError::Tls(error.into())
}
