//! What a client presents. Never printable, wiped when dropped.

use core::fmt;

use zeroize::Zeroizing;

/// How identity is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    /// An access token (RFC 6750).
    Bearer,
    /// A ticket: opaque, bought with another credential, good once and for seconds.
    Ticket,
    /// A session token: opaque, handed out after another credential was checked.
    Session,
    /// An API key: opaque, made for a machine.
    ApiKey,
    /// A key that never leaves its owner, who signs a challenge with it.
    PublicKey,
    /// A password that never travels: both sides show the other that they know it (RFC 7677).
    ScramSha256,
    /// The same, bound to the TLS connection that it is done on (RFC 5802 section 6, RFC 9266).
    ScramSha256Plus,
    /// A passkey: an authenticator signs a challenge for this site (Web Authentication).
    Webauthn,
    /// A client certificate, which TLS has checked.
    External,
    /// An access token that counts only with a proof of its key (RFC 9449).
    Dpop,
    /// An access token in the message of a SASL client (RFC 7628).
    OauthBearer,
}

/// Who can tell whether what a mechanism presents is genuine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// An issuer, by its keys or by its word.
    Issuer,
    /// The gateway, by what it keeps.
    Store,
    /// The transport, which has checked it already.
    Transport,
}

/// What a client proves itself by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By a token that it sends: whoever copies it is in.
    Token,
    /// By the response to a challenge, over messages alone.
    Response,
    /// By the connection that it is on.
    Connection,
}

impl Mechanism {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Bearer,
        Self::Ticket,
        Self::Session,
        Self::ApiKey,
        Self::PublicKey,
        Self::ScramSha256,
        Self::ScramSha256Plus,
        Self::Webauthn,
        Self::External,
        Self::Dpop,
        Self::OauthBearer,
    ];

    /// The name on the wire, in configuration and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Ticket => "ticket",
            Self::Session => "session",
            Self::ApiKey => "api-key",
            Self::PublicKey => "public-key",
            Self::ScramSha256 => "scram-sha-256",
            Self::ScramSha256Plus => "scram-sha-256-plus",
            Self::Webauthn => "webauthn",
            Self::External => "external",
            Self::Dpop => "dpop",
            Self::OauthBearer => "oauthbearer",
        }
    }

    /// What a client proves itself by.
    pub const fn proof(self) -> Proof {
        match self {
            Self::Bearer | Self::Ticket | Self::Session | Self::ApiKey | Self::OauthBearer => {
                Proof::Token
            }
            Self::PublicKey
            | Self::ScramSha256
            | Self::ScramSha256Plus
            | Self::Webauthn
            | Self::Dpop => Proof::Response,
            Self::External => Proof::Connection,
        }
    }

    /// Who can tell whether what it presents is genuine.
    pub const fn judge(self) -> Judge {
        match self {
            Self::Bearer | Self::Dpop | Self::OauthBearer => Judge::Issuer,
            Self::Ticket
            | Self::Session
            | Self::ApiKey
            | Self::PublicKey
            | Self::ScramSha256
            | Self::ScramSha256Plus
            | Self::Webauthn => Judge::Store,
            Self::External => Judge::Transport,
        }
    }

    /// What an opaque token of the gateway's own begins with: people and secret scanners see what it
    /// is, and a header says which mechanism it is for. `None` where the issuer chooses the form.
    pub const fn prefix(self) -> Option<&'static str> {
        match self {
            Self::Bearer
            | Self::PublicKey
            | Self::ScramSha256
            | Self::ScramSha256Plus
            | Self::Webauthn
            | Self::External
            | Self::Dpop
            | Self::OauthBearer => None,
            Self::Ticket => Some("vst_"),
            Self::Session => Some("vss_"),
            Self::ApiKey => Some("vsk_"),
        }
    }

    /// The mechanism that a token is for, by its beginning. No JWT begins so: the first part of one
    /// is the base64url of `{`.
    pub fn of_token(token: &[u8]) -> Self {
        let own = |mechanism: &Self| {
            mechanism.prefix().is_some_and(|prefix| token.starts_with(prefix.as_bytes()))
        };
        Self::ALL.iter().copied().find(own).unwrap_or(Self::Bearer)
    }

    /// The mechanism of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mechanism| mechanism.name() == name)
    }
}

/// Bytes that must not be seen.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes a copy; the caller wipes the original.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes, for those who check them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A secret and the mechanism it is meant for; where the mechanism asks back, what the exchange
/// begins with.
#[derive(Clone, Debug)]
pub struct Credential {
    /// How it is to be checked.
    pub mechanism: Mechanism,
    /// What is to be checked.
    pub secret: Secret,
    /// What proves that its sender has the key of it, where that came with it: in a message it is asked
    /// for.
    pub proof: Option<Secret>,
}

impl Credential {
    /// An access token.
    pub fn bearer(token: impl Into<Vec<u8>>) -> Self {
        Self { mechanism: Mechanism::Bearer, secret: Secret::new(token), proof: None }
    }

    /// A ticket, or what somebody takes for one.
    pub fn ticket(token: impl Into<Vec<u8>>) -> Self {
        Self { mechanism: Mechanism::Ticket, secret: Secret::new(token), proof: None }
    }

    /// An access token and the proof that came with it (RFC 9449).
    pub fn proven(token: impl Into<Vec<u8>>, proof: impl Into<Vec<u8>>) -> Self {
        let proof = Some(Secret::new(proof));
        Self { mechanism: Mechanism::Dpop, secret: Secret::new(token), proof }
    }

    /// The certificate of the connection that it comes on, which holds all there is of it.
    pub fn certificate() -> Self {
        Self { mechanism: Mechanism::External, secret: Secret::new([]), proof: None }
    }

    /// A token that came where tokens of several mechanisms may come: a header, a cookie.
    pub fn of_token(token: impl Into<Vec<u8>>) -> Self {
        let secret = Secret::new(token);
        Self { mechanism: Mechanism::of_token(secret.expose()), secret, proof: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_our_own_is_known_by_its_beginning() {
        let cases: &[(&[u8], Mechanism)] = &[
            (b"eyJhbGciOiJFUzI1NiJ9.e30.c2ln", Mechanism::Bearer),
            (b"vst_x", Mechanism::Ticket),
            (b"vss_x", Mechanism::Session),
            (b"vsk_x", Mechanism::ApiKey),
            (b"VST_x", Mechanism::Bearer),
            (b"vs", Mechanism::Bearer),
            (b"", Mechanism::Bearer),
        ];
        for (token, mechanism) in cases {
            assert_eq!(Credential::of_token(*token).mechanism, *mechanism);
        }
    }
}
