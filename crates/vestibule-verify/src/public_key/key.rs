//! One public key: its forms, its fingerprint, its signatures.

use core::fmt;

use aws_lc_rs::{
    digest,
    signature::{self, ParsedPublicKey},
};
use data_encoding::{BASE64, BASE64_NOPAD};
use serde_json::{Map, Value};

use super::wire::{Reader, push_string};
use crate::{encoding, limits, refused::shown};

/// The type of an Ed25519 key and of its signatures (RFC 8709).
pub(super) const ED25519: &str = "ssh-ed25519";
/// The type of an ECDSA key on P-256 and of its signatures (RFC 5656).
pub(super) const P256: &str = "ecdsa-sha2-nistp256";
const P256_CURVE: &str = "nistp256";

/// A public key that is known to be one.
pub(super) struct PublicKey {
    point: Point,
    verifier: ParsedPublicKey,
}

#[derive(Clone, Copy)]
enum Point {
    Ed25519([u8; 32]),
    /// Uncompressed (SEC 1 section 2.3.3).
    P256([u8; 65]),
}

impl PublicKey {
    fn new(point: Point) -> Result<Self, KeyFault> {
        let parsed = match &point {
            Point::Ed25519(key) => ParsedPublicKey::new(&signature::ED25519, key),
            // This is also where a point that is not on the curve fails.
            Point::P256(key) => ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, key),
        };
        let verifier = parsed.map_err(|_| KeyFault::new("not a point on the curve"))?;
        Ok(Self { point, verifier })
    }

    /// From the blob inside a line (RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709 section 4).
    pub(super) fn from_blob(blob: &[u8]) -> Result<Self, KeyFault> {
        let point = point(blob).ok_or_else(|| KeyFault::new("not a key of its type"))?;
        Self::new(point)
    }

    /// From a public JSON Web Key (RFC 7517, RFC 8037).
    pub(super) fn from_jwk(json: &[u8]) -> Result<Self, KeyFault> {
        if json.len() > limits::KEY_LINE_BYTES {
            return Err(KeyFault::new("too long"));
        }
        let members = encoding::object(json)
            .map_err(|error| KeyFault::new(format!("not a JSON object: {error}")))?;
        if members.contains_key("d") {
            return Err(KeyFault::new("it holds the private key, which nobody should have seen"));
        }
        if members.get("use").is_some_and(|purpose| *purpose != "sig") {
            return Err(KeyFault::new("use is not \"sig\""));
        }
        let verifies = |operations: &Value| {
            operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"))
        };
        if members.get("key_ops").is_some_and(|operations| !verifies(operations)) {
            return Err(KeyFault::new("key_ops does not have \"verify\""));
        }
        let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
        let (point, algorithms) = match (text("kty"), text("crv")) {
            ("OKP", "Ed25519") => {
                (Point::Ed25519(coordinate(&members, "x")?), ["EdDSA", "Ed25519"].as_slice())
            }
            ("EC", "P-256") => {
                let (x, y) = (coordinate(&members, "x")?, coordinate(&members, "y")?);
                (Point::P256(uncompressed(&x, &y)), ["ES256"].as_slice())
            }
            (kty, curve) => {
                let reason =
                    format!("kty {} with crv {} is not accepted", shown(kty), shown(curve));
                return Err(KeyFault::new(reason));
            }
        };
        if members.contains_key("alg") && !algorithms.contains(&text("alg")) {
            return Err(KeyFault::new("alg does not go with the curve"));
        }
        Self::new(point)
    }

    pub(super) fn name(&self) -> &'static str {
        match self.point {
            Point::Ed25519(_) => ED25519,
            Point::P256(_) => P256,
        }
    }

    pub(super) fn blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        push_string(&mut blob, self.name().as_bytes());
        match &self.point {
            Point::Ed25519(key) => push_string(&mut blob, key),
            Point::P256(key) => {
                push_string(&mut blob, P256_CURVE.as_bytes());
                push_string(&mut blob, key);
            }
        }
        blob
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut out = [0; 32];
        let hash = digest::digest(&digest::SHA256, &self.blob());
        out.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        Fingerprint(out)
    }

    /// Type and blob, as in a line.
    pub(super) fn to_text(&self) -> String {
        format!("{} {}", self.name(), BASE64.encode(&self.blob()))
    }

    /// Whether `signature` is this key's over `message`: 64 bytes, for P-256 r and s.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.verifier.verify_sig(message, signature).is_ok()
    }
}

fn point(blob: &[u8]) -> Option<Point> {
    let mut reader = Reader::new(blob);
    let kind = reader.string()?;
    let point = if kind == ED25519.as_bytes() {
        Point::Ed25519(reader.string()?.try_into().ok()?)
    } else if kind == P256.as_bytes() && reader.string()? == P256_CURVE.as_bytes() {
        let point: [u8; 65] = reader.string()?.try_into().ok()?;
        // One form of each key, so that a fingerprint is its only name.
        point.starts_with(&[4]).then_some(Point::P256(point))?
    } else {
        return None;
    };
    reader.end()?;
    Some(point)
}

fn uncompressed(x: &[u8; 32], y: &[u8; 32]) -> [u8; 65] {
    let mut out = [4; 65];
    out.iter_mut().skip(1).zip(x.iter().chain(y)).for_each(|(to, from)| *to = *from);
    out
}

fn coordinate(members: &Map<String, Value>, name: &str) -> Result<[u8; 32], KeyFault> {
    members
        .get(name)
        .and_then(Value::as_str)
        .and_then(|text| encoding::base64url(text.as_bytes()))
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| KeyFault::new(format!("{name} is not 32 bytes of base64url")))
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fingerprint())
    }
}

/// What names a key: the SHA-256 of its blob, as `ssh-keygen -l` shows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Reads `SHA256:` and 43 characters of Base64 without padding. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let hash = BASE64_NOPAD.decode(text.strip_prefix("SHA256:")?.as_bytes()).ok()?;
        Some(Self(hash.try_into().ok()?))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA256:{}", BASE64_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a key cannot be registered, for whoever registers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFault(String);

impl KeyFault {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for KeyFault {}
