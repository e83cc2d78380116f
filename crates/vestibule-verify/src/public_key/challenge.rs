//! What is signed, and the judgement of a signature.

use core::{fmt, net::IpAddr};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use vestibule_core::{rejection::Rejection, time::UnixTime};

use super::{authorized::AuthorizedKey, key::Fingerprint, sshsig::SshSig};
use crate::{Refused, encoding};

/// What makes these bytes unlike any others that a key may sign.
const DOMAIN: &str = "vestibule-public-key-v1";
/// The key of test 1 in RFC 8032 section 7.1. Nobody is let in by it: it is what time is spent on
/// where there is no key.
const NOBODY: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];

/// A challenge of one connection, spent by [`Challenge::answer`].
///
/// Its nonce must come from the system's generator, be sent on this connection only, and be forgotten
/// after a few seconds. One that is used twice lets a signature be used twice.
#[derive(Clone)]
pub struct Challenge {
    nonce: String,
    signed: Vec<u8>,
}

impl Challenge {
    /// A challenge for a handshake with that host and path (as in its head, without query), and that
    /// origin, where it had one. `None` where one of them has a NUL, which separates them: no
    /// handshake that was accepted has.
    pub fn new(nonce: [u8; 32], host: &str, path: &str, origin: Option<&str>) -> Option<Self> {
        let nonce = encoding::to_base64url(&nonce);
        let parts = [DOMAIN, nonce.as_str(), host, path, origin.unwrap_or_default()];
        if parts.iter().any(|part| part.contains('\0')) {
            return None;
        }
        let signed = parts.join("\0").into_bytes();
        Some(Self { nonce, signed })
    }

    /// The nonce as it is sent: base64url, 43 characters.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The bytes to sign: `vestibule-public-key-v1`, the nonce as it is sent, host, path, and origin
    /// or nothing, with a NUL between each.
    pub fn signed_bytes(&self) -> &[u8] {
        &self.signed
    }

    /// Judges the answer. Where the store has no such key for the user, pass none: an unknown key, a
    /// wrong signature and a key that must not be used now or from there are all
    /// `credentials_invalid`, and take the time of one verification.
    /// `peer` is the client's own address, not that of a proxy in between.
    pub fn answer(
        self,
        key: Option<&AuthorizedKey>,
        signature: &Signature,
        peer: IpAddr,
        now: UnixTime,
    ) -> Result<Possession, Refused> {
        let Some(key) = key else {
            let nobody = UnparsedPublicKey::new(&ED25519, NOBODY);
            core::hint::black_box(nobody.verify(&self.signed, &[0; 64]).is_ok());
            return Err(invalid("no such key is registered"));
        };
        let is_its_own = match &signature.0 {
            Kind::Raw(signature) => key.key().verifies(&self.signed, signature),
            Kind::Ssh(signature) => signature.is_by(key.key(), &self.signed),
        };
        if !is_its_own {
            return Err(invalid("the signature is not that of the key over this challenge"));
        }
        key.limits(peer, now).map_err(invalid)?;
        Ok(Possession { fingerprint: key.fingerprint(), expires: key.expires() })
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nonce: _, signed: _ } = self;
        f.debug_struct("Challenge").finish_non_exhaustive()
    }
}

/// A signature that was read, and not checked.
pub struct Signature(Kind);

enum Kind {
    Raw([u8; 64]),
    Ssh(Box<SshSig>),
}

impl Signature {
    /// A raw signature in base64url: 64 bytes, for P-256 r and s (IEEE P1363, what `WebCrypto` makes,
    /// and not the DER of most others), with SHA-256.
    pub fn raw(text: &str) -> Result<Self, Refused> {
        encoding::base64url(text.as_bytes())
            .and_then(|bytes| bytes.try_into().ok())
            .map(|signature| Self(Kind::Raw(signature)))
            .ok_or_else(|| malformed("the signature is not 64 bytes of base64url"))
    }

    /// An SSH signature (PROTOCOL.sshsig) in namespace `vestibule`, over SHA-256 or SHA-512, with its
    /// armor or without.
    pub fn ssh(text: &str) -> Result<Self, Refused> {
        SshSig::parse(text).map(|signature| Self(Kind::Ssh(Box::new(signature)))).map_err(malformed)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Raw(_) => "Signature::raw",
            Kind::Ssh(_) => "Signature::ssh",
        })
    }
}

/// Proof that the client has the private key of a registered one. Only [`Challenge::answer`] makes
/// it.
#[derive(Debug)]
pub struct Possession {
    fingerprint: Fingerprint,
    expires: Option<UnixTime>,
}

impl Possession {
    /// Which key it is.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// When the key ends; the connection must not outlive it.
    pub fn expires(&self) -> Option<UnixTime> {
        self.expires
    }
}

fn malformed(reason: &str) -> Refused {
    Refused::new(Rejection::MalformedMessage, reason)
}

fn invalid(reason: &str) -> Refused {
    Refused::new(Rejection::CredentialsInvalid, reason)
}
