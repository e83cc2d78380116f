//! Makes tokens: for `vestibule token mint`, for assertions to the upstream, for the demo and tests.

mod document;
mod fault;
mod private_jwk;
mod public;

use core::fmt;

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RsaEncoding, RsaKeyPair,
    },
};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::{
    algorithm::Algorithm,
    encoding::{self, to_base64url},
    limits,
};

pub use fault::MintFault;
pub(crate) use public::thumbprint;

/// Signs tokens with one key.
pub struct Signer {
    algorithm: Algorithm,
    kid: Option<Box<str>>,
    key: Private,
}

enum Private {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Hmac(Box<hmac::Key>),
}

enum Kind {
    Rsa(&'static dyn RsaEncoding),
    Ecdsa(&'static EcdsaSigningAlgorithm),
    Ed25519,
    Hmac(hmac::Algorithm),
}

impl Signer {
    /// A new key pair. For a shared secret use [`Signer::from_secret`]: nobody could verify with one
    /// that never leaves this value.
    pub fn generate(algorithm: Algorithm) -> Result<Self, MintFault> {
        let key = match Kind::of(algorithm) {
            Kind::Rsa(padding) => {
                RsaKeyPair::generate(KeySize::Rsa2048).map(|pair| Private::Rsa(pair, padding))
            }
            Kind::Ecdsa(curve) => EcdsaKeyPair::generate(curve).map(Private::Ecdsa),
            Kind::Ed25519 => Ed25519KeyPair::generate().map(Private::Ed25519),
            Kind::Hmac(_) => return Err(MintFault::SecretNeeded),
        };
        Self::with(algorithm, key.map_err(|_| MintFault::Cryptography)?)
    }

    /// A shared secret, at least as long as the hash (RFC 7518 section 3.2).
    pub fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, MintFault> {
        let Kind::Hmac(hmac) = Kind::of(algorithm) else {
            return Err(MintFault::WrongKey);
        };
        if secret.len() < hmac.tag_len() || secret.len() > limits::SECRET_BYTES {
            return Err(MintFault::SecretLength);
        }
        Self::with(algorithm, Private::Hmac(Box::new(hmac::Key::new(hmac, secret))))
    }

    /// A key pair as a PKCS#8 document (RFC 5958) in DER.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, MintFault> {
        let key = match Kind::of(algorithm) {
            Kind::Rsa(padding) => {
                RsaKeyPair::from_pkcs8(der).map(|pair| Private::Rsa(pair, padding))
            }
            Kind::Ecdsa(curve) => EcdsaKeyPair::from_pkcs8(curve, der).map(Private::Ecdsa),
            Kind::Ed25519 => Ed25519KeyPair::from_pkcs8(der).map(Private::Ed25519),
            Kind::Hmac(_) => return Err(MintFault::WrongKey),
        };
        Self::with(algorithm, key.map_err(|_| MintFault::WrongKey)?)
    }

    /// A key pair as a PKCS#8 document in PEM (RFC 7468): `BEGIN PRIVATE KEY`.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, MintFault> {
        Self::from_pkcs8(algorithm, &document::from_pem(pem)?)
    }

    /// A private JSON Web Key (RFC 7517) with its `kid`, if it has one. The algorithm is its `alg`;
    /// without that, the only one that its curve has.
    pub fn from_jwk(json: &[u8]) -> Result<Self, MintFault> {
        let mut members = Value::Object(encoding::object(json).map_err(|_| MintFault::WrongKey)?);
        let signer = members.as_object().ok_or(MintFault::WrongKey).and_then(private_jwk::read);
        encoding::wipe(&mut members);
        signer
    }

    /// The key pair as a PKCS#8 document in PEM, to be kept; OpenSSL reads it too.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, MintFault> {
        document::to_pem(&self.key)
    }

    /// Another name for the key than its thumbprint.
    #[must_use]
    pub fn with_kid(self, kid: &str) -> Self {
        Self { kid: Some(kid.into()), ..self }
    }

    /// Signs claims, which must be an object; `typ` becomes the header's.
    pub fn sign(&self, typ: Option<&str>, claims: &Value) -> Result<String, MintFault> {
        if !claims.is_object() {
            return Err(MintFault::ClaimsNotObject);
        }
        let mut header = Map::new();
        header.insert("alg".to_owned(), self.algorithm.name().into());
        if let Some(kid) = self.kid() {
            header.insert("kid".to_owned(), kid.into());
        }
        if let Some(typ) = typ {
            header.insert("typ".to_owned(), typ.into());
        }
        let header = Value::Object(header).to_string();
        self.dangerous_sign(header.as_bytes(), claims.to_string().as_bytes())
    }

    /// Signs whatever header and payload, valid or not: for tests that attack a verifier.
    pub fn dangerous_sign(&self, header: &[u8], payload: &[u8]) -> Result<String, MintFault> {
        let mut token = format!("{}.{}", to_base64url(header), to_base64url(payload));
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        token.push_str(&to_base64url(&signature));
        Ok(token)
    }

    /// The JSON Web Key Set (RFC 7517) that verifies. Empty for a shared secret.
    pub fn public_jwks(&self) -> Value {
        let keys: Vec<Value> = self.public_jwk().into_iter().collect();
        json!({ "keys": keys })
    }

    /// The key's name: its thumbprint (RFC 7638), or the one given. `None` for a shared secret: its
    /// thumbprint would help to guess it (section 7).
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Names the key. A pair whose public half the other side would not take is refused here.
    fn with(algorithm: Algorithm, key: Private) -> Result<Self, MintFault> {
        if let Private::Rsa(pair, _) = &key
            && pair.public_modulus_len().saturating_mul(8) < limits::RSA_BITS_MIN
        {
            return Err(MintFault::WrongKey);
        }
        let kid = public::required_members(&key)?.map(|members| thumbprint(&members).into());
        Ok(Self { algorithm, kid, key })
    }

    fn public_jwk(&self) -> Option<Value> {
        let mut members = public::required_members(&self.key).ok()??;
        members.insert("alg".to_owned(), self.algorithm.name().into());
        members.insert("use".to_owned(), "sig".into());
        members.extend(self.kid().map(|kid| ("kid".to_owned(), kid.into())));
        Some(Value::Object(members))
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, MintFault> {
        let random = SystemRandom::new();
        let signature = match &self.key {
            Private::Rsa(pair, padding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*padding, &random, message, &mut signature).map(|()| signature)
            }
            Private::Ecdsa(pair) => pair.sign(&random, message).map(|made| made.as_ref().to_vec()),
            Private::Ed25519(pair) => pair.try_sign(message).map(|made| made.as_ref().to_vec()),
            Private::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        };
        signature.map_err(|_| MintFault::Cryptography)
    }
}

impl Kind {
    fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rs256 => Self::Rsa(&signature::RSA_PKCS1_SHA256),
            Algorithm::Rs384 => Self::Rsa(&signature::RSA_PKCS1_SHA384),
            Algorithm::Rs512 => Self::Rsa(&signature::RSA_PKCS1_SHA512),
            Algorithm::Ps256 => Self::Rsa(&signature::RSA_PSS_SHA256),
            Algorithm::Ps384 => Self::Rsa(&signature::RSA_PSS_SHA384),
            Algorithm::Ps512 => Self::Rsa(&signature::RSA_PSS_SHA512),
            Algorithm::Es256 => Self::Ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => Self::Ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EdDsa => Self::Ed25519,
            Algorithm::Hs256 => Self::Hmac(hmac::HMAC_SHA256),
            Algorithm::Hs384 => Self::Hmac(hmac::HMAC_SHA384),
            Algorithm::Hs512 => Self::Hmac(hmac::HMAC_SHA512),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { algorithm, kid, key: _ } = self;
        f.debug_struct("Signer")
            .field("algorithm", algorithm)
            .field("kid", kid)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
