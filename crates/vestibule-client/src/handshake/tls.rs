//! Whom to believe who they are.

use core::fmt;
use std::{io, sync::Arc};

use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::{CertifiedKey, SingleCertAndKey},
};
use vestibule_verify::scram::TlsExporter;

/// The label of RFC 9266 section 4.2.
const EXPORTER: &[u8] = b"EXPORTER-Channel-Binding";

/// The certificates that count, the one that is shown, and TLS 1.2 and 1.3 by rustls and aws-lc-rs.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    shows: Shows,
}

/// Whether the client shows a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    Nothing,
    Certificate,
}

/// Certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the certificates")]
pub struct BadCertificates(#[source] io::Error);

impl Tls {
    /// The system's. Reads them, which blocks for some milliseconds.
    pub fn system() -> Result<Self, BadCertificates> {
        Self::with(system_roots())
    }

    /// The system's, and these, in PEM.
    pub fn system_and(pem: &[u8]) -> Result<Self, BadCertificates> {
        let mut roots = system_roots();
        add(&mut roots, pem)?;
        Self::with(roots)
    }

    /// These alone, in PEM.
    pub fn only(pem: &[u8]) -> Result<Self, BadCertificates> {
        let mut roots = RootCertStore::empty();
        add(&mut roots, pem)?;
        Self::with(roots)
    }

    /// A configuration of rustls, for what the others cannot do. Where it shows a certificate, the
    /// gateway wants an `Origin` with it, which is then for the application to name.
    pub fn configured(config: Arc<ClientConfig>) -> Self {
        Self { config, shows: Shows::Nothing }
    }

    /// The same, with a certificate of the client's own, chain and key in PEM, for servers that ask
    /// for one. A handshake that names no other `Origin` then names that of the server: the gateway
    /// takes no certificate without one.
    pub fn showing(self, chain: &[u8], key: &[u8]) -> Result<Self, BadCertificates> {
        let unusable = |error: rustls::Error| BadCertificates(io::Error::other(error));
        let unread = |error: pem::Error| BadCertificates(io::Error::other(error));
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(unread)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(unread)?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let own = CertifiedKey::from_der(chain, key, &provider).map_err(unusable)?;
        let mut config = ClientConfig::clone(&self.config);
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(own));
        Ok(Self { config: Arc::new(config), shows: Shows::Certificate })
    }

    fn with(roots: RootCertStore) -> Result<Self, BadCertificates> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| BadCertificates(io::Error::other(error)))?;
        let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
        Ok(Self { config, shows: Shows::Nothing })
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    pub(super) fn shows(&self) -> Shows {
        self.shows
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// What binds an exchange to a connection (RFC 9266); not before TLS 1.3, where the two sides may
/// disagree about it.
pub(super) fn exporter(connection: &ClientConnection) -> Option<TlsExporter> {
    match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => {
            connection.export_keying_material([0; 32], EXPORTER, Some(&[])).ok()
        }
        Some(_) | None => None,
    }
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // Some systems list a certificate or two that cannot be parsed: the others still count.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), BadCertificates> {
    let mut count = 0_usize;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| BadCertificates(io::Error::other(error)))?;
        roots.add(certificate).map_err(|error| BadCertificates(io::Error::other(error)))?;
        count = count.saturating_add(1);
    }
    if count == 0 {
        return Err(BadCertificates(io::Error::other("there is no certificate")));
    }
    Ok(())
}
