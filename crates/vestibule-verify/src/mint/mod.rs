//! Makes tokens.

use core::fmt;

use serde_json::Value;

use crate::algorithm::Algorithm;

/// A key or a token that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MintFault(&'static str);

impl fmt::Display for MintFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for MintFault {}

const LATER: MintFault = MintFault("not written yet");

/// Signs tokens with one key.
#[derive(Debug)]
pub struct Signer {}

impl Signer {
    /// A new key.
    pub fn generate(_algorithm: Algorithm) -> Result<Self, MintFault> {
        Err(LATER)
    }
    /// From a shared secret.
    pub fn from_secret(_algorithm: Algorithm, _secret: &[u8]) -> Result<Self, MintFault> {
        Err(LATER)
    }
    /// From a PKCS#8 document.
    pub fn from_pkcs8(_algorithm: Algorithm, _der: &[u8]) -> Result<Self, MintFault> {
        Err(LATER)
    }
    /// From a PKCS#8 document as PEM.
    pub fn from_pem(_algorithm: Algorithm, _pem: &str) -> Result<Self, MintFault> {
        Err(LATER)
    }
    /// From a private JSON Web Key; the algorithm is that of its `alg`, or the key's only one.
    pub fn from_jwk(_json: &[u8]) -> Result<Self, MintFault> {
        Err(LATER)
    }
    /// Signs claims; `typ` is the header's, if any.
    pub fn sign(&self, _typ: Option<&str>, _claims: &Value) -> Result<String, MintFault> {
        Err(LATER)
    }
    /// The key set that verifies.
    pub fn public_jwks(&self) -> Value {
        Value::Null
    }
    /// The key's name: its RFC 7638 thumbprint. `None` for a shared secret, whose thumbprint would tell about it.
    pub fn kid(&self) -> Option<&str> {
        None
    }
    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        Algorithm::EdDsa
    }
}
