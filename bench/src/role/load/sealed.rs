//! Connections under TLS that stay open and say nothing. They are opened one after the other: what is
//! measured is what they hold, not how fast they came.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use super::fleet::Fleet;

/// An open connection.
pub(super) type Sealed = StreamOwned<ClientConnection, TcpStream>;

impl Fleet {
    /// Opens so many.
    pub(super) fn seal(&self, wanted: usize) -> Result<Vec<Sealed>> {
        let path = self.options.certificate.as_ref().context("no certificate is trusted")?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(path)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let config = Arc::new(config);
        (0..wanted).map(|number| self.seal_one(number, Arc::clone(&config))).collect()
    }

    fn seal_one(&self, number: usize, config: Arc<ClientConfig>) -> Result<Sealed> {
        let socket = TcpStream::connect(("127.0.0.1", self.options.port))?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let mut stream = StreamOwned::new(ClientConnection::new(config, name)?, socket);
        let token = self.tokens.get(number.checked_rem(self.tokens.len()).unwrap_or(0));
        stream.write_all(self.head_with(token.map(String::as_str)).as_bytes())?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            ensure!(stream.read(&mut byte)? == 1, "refused: {answer:?}");
            answer.extend_from_slice(&byte);
        }
        ensure!(answer.get(9..12) == Some(b"101"), "{}", String::from_utf8_lossy(&answer));
        Ok(stream)
    }
}
