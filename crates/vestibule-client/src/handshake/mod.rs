//! One opening handshake: connect, TLS where asked, the upgrade, and the answer.
//!
//! This is the plain layer: a [`Handshake`] opens one [`Socket`], and nothing happens by itself on
//! it. It is for those who want to see what a server does. [`Connection`](crate::Connection) is
//! built on it.

mod address;
mod connector;
mod lent;
mod refusal;
mod request;
mod socket;
mod tls;

#[cfg(test)]
mod tests;

use core::fmt;
use std::{error::Error, io, sync::Arc};

use http::{HeaderName, HeaderValue};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{self, protocol::WebSocketConfig},
};

pub use self::{
    address::{Address, BadAddress, Security},
    connector::{Connecting, Connector, Duplex, Tcp},
    refusal::Refusal,
    socket::{Frame, Socket, SocketError, Text},
    tls::{BadCertificates, Tls},
};
use vestibule_verify::scram::TlsExporter;

use crate::{
    auth::{Carrier, Credential},
    limits,
};

/// What an opening handshake is made of.
#[derive(Clone)]
pub struct Handshake {
    address: Address,
    origin: Option<HeaderValue>,
    subprotocols: Vec<String>,
    fields: Vec<(HeaderName, HeaderValue)>,
    tls: Option<Tls>,
    connector: Arc<dyn Connector>,
    message_bytes: usize,
}

/// Why a handshake did not make a WebSocket.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No connection.
    #[error("cannot reach {host} at port {port}")]
    Unreachable {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
    /// No TLS.
    #[error("TLS failed")]
    Tls(#[source] io::Error),
    /// The system's certificates cannot be used.
    #[error(transparent)]
    Certificates(#[from] BadCertificates),
    /// An HTTP answer other than 101.
    #[error("refused by HTTP {}", .0.status().as_u16())]
    Refused(Box<Refusal>),
    /// Something else than the answer to a handshake.
    #[error("the answer is not a WebSocket's")]
    Answer(#[source] Box<dyn Error + Send + Sync>),
    /// The server chose a subprotocol that is none: the entry that holds the token.
    #[error("the server chose the entry that holds the token")]
    Echoed,
    /// The credential cannot travel there.
    #[error("the credential cannot travel there: {0}")]
    Uncarried(&'static str),
    /// The handshake cannot be written so.
    #[error("{0}")]
    Unaskable(&'static str),
}

impl Handshake {
    /// To this address, by TCP, with nothing that is not needed.
    pub fn to(address: Address) -> Self {
        Self {
            address,
            origin: None,
            subprotocols: Vec::new(),
            fields: Vec::new(),
            tls: None,
            connector: Arc::new(Tcp),
            message_bytes: limits::MESSAGE_BYTES,
        }
    }

    /// With an `Origin`, as a browser would send it for a page of that origin.
    #[must_use]
    pub fn origin(mut self, origin: HeaderValue) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Offers one more subprotocol.
    #[must_use]
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocols.push(name.into());
        self
    }

    /// With one more field. `Host` replaces what would be sent.
    #[must_use]
    pub fn field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.push((name, value));
        self
    }

    /// Which certificates count. Default: the system's.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Another way than TCP.
    #[must_use]
    pub fn connector(mut self, connector: Arc<dyn Connector>) -> Self {
        self.connector = connector;
        self
    }

    /// Longest message that is taken, in bytes. Default: [`limits::MESSAGE_BYTES`].
    #[must_use]
    pub fn message_bytes(mut self, most: usize) -> Self {
        self.message_bytes = most;
        self
    }

    /// Where to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Opens a WebSocket, with the credential where its carrier is part of the handshake; one that
    /// travels in a message is left to the caller. Has no time limit of its own: it can be dropped
    /// at any time.
    pub async fn open(
        &self,
        credential: Option<(&Carrier, &Credential)>,
    ) -> Result<Socket, OpenError> {
        let request = request::request(self, credential)?;
        let (stream, exporter) = self.connect().await?;
        let (stream, slot) = lent::lend(stream);
        let config = WebSocketConfig::default()
            .read_buffer_size(limits::SOCKET_BUFFER)
            .write_buffer_size(limits::SOCKET_BUFFER)
            .max_message_size(Some(self.message_bytes))
            .max_frame_size(Some(self.message_bytes));
        match client_async_with_config(request, stream, Some(config)).await {
            Ok((inner, answer)) => {
                let subprotocol = request::chosen(self, &answer)?;
                Ok(Socket::new(inner, subprotocol, exporter))
            }
            Err(tungstenite::Error::Http(answer)) => {
                let refusal = Refusal::read(*answer, slot.take()).await;
                Err(OpenError::Refused(Box::new(refusal)))
            }
            Err(error) => Err(OpenError::Answer(Box::new(error))),
        }
    }

    /// The bytes to sign for a challenge on a connection of this handshake (`docs/protocol.md`,
    /// section 6.5); `None` where there can be no such handshake. The nonce is a stranger's: what is
    /// no nonce is not signed.
    pub fn signed(&self, nonce: &str) -> Option<Vec<u8>> {
        request::signed(self, nonce)
    }

    /// The address that a proof of possession is for (RFC 9449 section 4.2): that of the request which
    /// opens the socket. `None` where the server's nonce is none.
    pub fn proven(&self, nonce: &str) -> Option<String> {
        let address = self.address.to_string();
        let rest = address.strip_prefix("ws")?;
        request::is_nonce(nonce).then(|| format!("http{rest}"))
    }

    /// The bytes beneath, and what binds an exchange to them.
    async fn connect(&self) -> Result<(Box<dyn Duplex>, Option<TlsExporter>), OpenError> {
        let stream = self.connector.connect(&self.address).await.map_err(|source| {
            let (host, port) = (self.address.host().to_owned(), self.address.port());
            OpenError::Unreachable { host, port, source }
        })?;
        match self.address.security() {
            Security::Plain => Ok((stream, None)),
            Security::Tls => {
                let name = ServerName::try_from(self.address.host().to_owned())
                    .map_err(|_| OpenError::Unaskable("the URL's host has no valid name"))?;
                let tls = match &self.tls {
                    Some(tls) => tls.clone(),
                    None => Tls::system()?,
                };
                let connector = TlsConnector::from(tls.config());
                let stream = connector.connect(name, stream).await.map_err(OpenError::Tls)?;
                let exporter = tls::exporter(stream.get_ref().1);
                Ok((Box::new(stream), exporter))
            }
        }
    }
}

impl fmt::Debug for Handshake {
    /// Fields may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, origin, subprotocols, fields, tls: _, connector, message_bytes } = self;
        f.debug_struct("Handshake")
            .field("address", address)
            .field("origin", origin)
            .field("subprotocols", subprotocols)
            .field("fields", &fields.len())
            .field("connector", connector)
            .field("message_bytes", message_bytes)
            .finish_non_exhaustive()
    }
}
