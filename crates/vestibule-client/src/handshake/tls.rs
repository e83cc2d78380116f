//! Whom to believe who they are.

use core::fmt;
use std::{io, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// The certificates that count, and TLS 1.2 and 1.3 by rustls and aws-lc-rs.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

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

    /// A configuration of rustls, for what the others cannot do, such as a client certificate.
    pub fn configured(config: Arc<ClientConfig>) -> Self {
        Self(config)
    }

    fn with(roots: RootCertStore) -> Result<Self, BadCertificates> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| BadCertificates(io::Error::other(error)))?;
        Ok(Self(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
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
