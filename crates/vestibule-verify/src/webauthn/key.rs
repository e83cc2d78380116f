//! The public key of a credential (RFC 9052 section 7, RFC 9053, RFC 8230; Web Authentication section
//! 5.8.5). Unlike in JOSE, ECDSA signatures are in DER here.

use core::fmt;

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};

use super::cbor::{Item, Reader};
use crate::{jwk, limits};

/// Algorithms by their number in the COSE registry; those of RFC 9864 name their curve.
const ES256: i64 = -7;
const ESP256: i64 = -9;
const EDDSA: i64 = -8;
const ED25519: i64 = -19;
const RS256: i64 = -257;

/// A key that an authenticator made for one account of one party.
#[derive(Clone)]
pub struct CredentialKey {
    cose: Box<[u8]>,
    verifier: ParsedPublicKey,
}

impl CredentialKey {
    /// What to ask a browser for (`pubKeyCredParams`), the best first: Ed25519, ES256, RS256.
    pub const ALGORITHMS: [i64; 3] = [EDDSA, ES256, RS256];

    /// Reads a COSE key, as [`CredentialKey::as_cose`] gave it.
    pub fn from_cose(cose: &[u8]) -> Result<Self, KeyFault> {
        let mut reader = Reader::new(cose);
        let key = Self::read(&mut reader)?;
        reader.end().ok_or(KeyFault::Malformed)?;
        Ok(key)
    }

    /// The COSE key, for a store.
    pub fn as_cose(&self) -> &[u8] {
        &self.cose
    }

    /// Reads the key at the beginning of what is left.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, KeyFault> {
        let before = reader.rest();
        let members = Members::read(reader).ok_or(KeyFault::Malformed)?;
        let length = before.len().saturating_sub(reader.rest().len());
        let cose = before.get(..length).ok_or(KeyFault::Malformed)?;
        Ok(Self { cose: cose.into(), verifier: members.verifier()? })
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for CredentialKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cose: _, verifier: _ } = self;
        f.debug_struct("CredentialKey").finish_non_exhaustive()
    }
}

/// Why a key is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// No COSE key, or one with members that it must not have.
    Malformed,
    /// Of an algorithm that was not asked for.
    Algorithm,
    /// Not a key of its algorithm.
    Invalid,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a COSE key",
            Self::Algorithm => "a key of an algorithm that was not asked for",
            Self::Invalid => "not a key of its algorithm",
        })
    }
}

impl core::error::Error for KeyFault {}

/// The members of a COSE key by their labels.
#[derive(Default)]
struct Members<'b> {
    kind: Option<i64>,
    algorithm: Option<i64>,
    /// Curve, or modulus.
    minus_1: Option<Item<'b>>,
    /// x, or exponent.
    minus_2: Option<&'b [u8]>,
    /// y.
    minus_3: Option<&'b [u8]>,
}

impl<'b> Members<'b> {
    fn read(reader: &mut Reader<'b>) -> Option<Self> {
        let mut members = Self::default();
        for _ in 0..reader.map()? {
            match reader.integer()? {
                1 if members.kind.is_none() => members.kind = Some(reader.integer()?),
                3 if members.algorithm.is_none() => members.algorithm = Some(reader.integer()?),
                -1 if members.minus_1.is_none() => members.minus_1 = Some(reader.item()?),
                -2 if members.minus_2.is_none() => members.minus_2 = Some(reader.bytes()?),
                // A compressed point has a boolean here, and is not allowed.
                -3 if members.minus_3.is_none() => members.minus_3 = Some(reader.bytes()?),
                // Section 6.5.1: no optional parameters. And no label twice.
                _ => return None,
            }
        }
        Some(members)
    }

    fn verifier(self) -> Result<ParsedPublicKey, KeyFault> {
        let Self { kind, algorithm, minus_1, minus_2, minus_3 } = self;
        let (Some(kind), Some(algorithm), Some(first), Some(second)) =
            (kind, algorithm, minus_1, minus_2)
        else {
            return Err(KeyFault::Malformed);
        };
        match (algorithm, kind, first, minus_3) {
            (ES256 | ESP256, 2, Item::Integer(1), Some(y))
                if second.len() == 32 && y.len() == 32 =>
            {
                let point = [&[4], second, y].concat();
                ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point)
                    .map_err(|_| KeyFault::Invalid)
            }
            (EDDSA | ED25519, 1, Item::Integer(6), None) if second.len() == 32 => {
                ParsedPublicKey::new(&signature::ED25519, second).map_err(|_| KeyFault::Invalid)
            }
            (RS256, 3, Item::Bytes(n), None) if n.len() <= limits::RSA_BITS_MAX / 8 => {
                jwk::check_rsa(n, second).map_err(|_| KeyFault::Invalid)?;
                RsaPublicKeyComponents { n, e: second }
                    .to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256)
                    .map_err(|_| KeyFault::Invalid)
            }
            (ES256 | ESP256 | EDDSA | ED25519 | RS256, ..) => Err(KeyFault::Invalid),
            _ => Err(KeyFault::Algorithm),
        }
    }
}
