//! Why a key or a token cannot be made.

use core::fmt;

/// Why a key or a token cannot be made; never a part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MintFault {
    /// A shared secret has to be given, not generated.
    SecretNeeded,
    /// Shorter than the hash, or longer than 16 KiB.
    SecretLength,
    /// Not a private key of the kind that the algorithm wants, or too weak.
    WrongKey,
    /// Not a PKCS#8 document in PEM.
    NotPkcs8Pem,
    /// The claims are not a JSON object.
    ClaimsNotObject,
    /// The cryptographic library failed: no randomness perhaps.
    Cryptography,
}

impl fmt::Display for MintFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecretNeeded => "a shared secret has to be given",
            Self::SecretLength => "the secret is shorter than the algorithm's hash, or too long",
            Self::WrongKey => "not a private key that the algorithm can use",
            Self::NotPkcs8Pem => {
                "not a PKCS#8 key in PEM (BEGIN PRIVATE KEY); convert it with `openssl pkcs8 -topk8 -nocrypt`"
            }
            Self::ClaimsNotObject => "the claims are not a JSON object",
            Self::Cryptography => "the cryptographic library failed",
        })
    }
}

impl core::error::Error for MintFault {}
