//! What the connection beneath a handshake can prove. Only the TLS that the gateway itself ends with
//! the client is such a connection: behind a proxy, certificate and key are those of the proxy.

use crate::authn::Mechanism;

/// What a connection can prove. A wrong value lets a proxy in as somebody, or binds a client to
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Whether the client has shown a certificate.
    pub certificate: Certificate,
    /// Whether an exchange can be bound to it.
    pub binding: ChannelBinding,
}

/// Whether a client has shown a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// None, or it is not the client's own.
    Absent,
    /// One that TLS has verified.
    Verified,
}

/// What an exchange can be bound by (RFC 5056).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Nothing: no TLS, an older one than 1.3, or one that somebody else ends.
    None,
    /// The exporter of TLS 1.3 (RFC 9266).
    TlsExporter,
}

impl Channel {
    /// One that proves nothing.
    pub const BARE: Self = Self { certificate: Certificate::Absent, binding: ChannelBinding::None };

    /// Whether a mechanism can be used on it, where a route takes it.
    pub const fn offers(self, mechanism: Mechanism) -> bool {
        match mechanism {
            Mechanism::External => match self.certificate {
                Certificate::Verified => true,
                Certificate::Absent => false,
            },
            Mechanism::ScramSha256Plus => match self.binding {
                ChannelBinding::TlsExporter => true,
                ChannelBinding::None => false,
            },
            Mechanism::Bearer
            | Mechanism::Ticket
            | Mechanism::Session
            | Mechanism::ApiKey
            | Mechanism::PublicKey
            | Mechanism::ScramSha256
            | Mechanism::Webauthn
            | Mechanism::Dpop
            | Mechanism::OauthBearer => true,
        }
    }
}
