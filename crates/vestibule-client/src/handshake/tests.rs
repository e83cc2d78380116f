//! Handshakes over TLS.

use core::fmt;
use std::sync::{Arc, Mutex};

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::io::DuplexStream;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_async;

use super::*;

/// Gives out one stream.
struct One(Mutex<Option<DuplexStream>>);

impl fmt::Debug for One {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("One")
    }
}

impl Connector for One {
    fn connect<'a>(&'a self, _: &'a Address) -> Connecting<'a> {
        let stream = self.0.lock().unwrap().take();
        Box::pin(async move {
            let stream = stream.ok_or(io::ErrorKind::ConnectionRefused)?;
            let duplex: Box<dyn Duplex> = Box::new(stream);
            Ok(duplex)
        })
    }
}

/// An authority, and a server's configuration with a certificate of its own for `localhost`.
fn authority() -> (String, ServerConfig) {
    let root = CertifiedIssuer::self_signed(
        {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params
        },
        KeyPair::generate().unwrap(),
    )
    .unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &root).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(certificate.der().to_vec())],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    (root.pem(), config)
}

async fn shake(url: &str, tls: Tls, server: ServerConfig) -> Result<Socket, OpenError> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let handshake = Handshake::to(Address::parse(url).unwrap())
        .tls(tls)
        .connector(Arc::new(One(Mutex::new(Some(near)))));
    let serving = async {
        if let Ok(stream) = TlsAcceptor::from(Arc::new(server)).accept(far).await {
            drop(accept_async(stream).await);
        }
    };
    tokio::join!(handshake.open(None), serving).0
}

#[tokio::test]
async fn only_a_certificate_that_is_trusted_for_that_name_opens() {
    let (pem, server) = authority();
    let (other, _) = authority();
    let only = |pem: &str| Tls::only(pem.as_bytes()).unwrap();
    assert!(shake("wss://localhost/", only(&pem), server.clone()).await.is_ok());
    let both = Tls::system_and(pem.as_bytes()).unwrap();
    assert!(shake("wss://localhost/", both, server.clone()).await.is_ok());
    for (url, tls) in [
        ("wss://localhost/", only(&other)),
        ("wss://localhost/", Tls::system().unwrap()),
        ("wss://example.com/", only(&pem)),
        ("wss://127.0.0.1/", only(&pem)),
    ] {
        let refused = shake(url, tls, server.clone()).await;
        assert!(matches!(refused, Err(OpenError::Tls(_))), "{url}: {refused:?}");
    }
}

#[test]
fn what_is_no_certificate_is_not_trusted() {
    for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(Tls::only(pem.as_bytes()).is_err(), "{pem}");
        assert!(Tls::system_and(pem.as_bytes()).is_err(), "{pem}");
    }
}
