//! Tokens, right and wrong, made without the code that will check them.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use aws_lc_rs::{
    hmac, rand,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};

/// What kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// `EdDSA` with Ed25519.
    Ed25519,
    /// `ES256`.
    P256,
    /// `HS256`, with a secret of 32 printable bytes.
    Secret,
}

/// A key that signs.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub kid: String,
    signer: Signer,
}

#[derive(Debug)]
enum Signer {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Secret(String),
}

impl Key {
    /// A new key.
    pub fn generate(kind: KeyKind, kid: &str) -> Result<Self> {
        let failed = |_| anyhow!("no key could be made");
        let signer = match kind {
            KeyKind::Ed25519 => Signer::Ed25519(Ed25519KeyPair::generate().map_err(failed)?),
            KeyKind::P256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
                Signer::P256(pair.map_err(failed)?)
            }
            KeyKind::Secret => {
                let mut bytes = [0; 24];
                rand::fill(&mut bytes).map_err(failed)?;
                Signer::Secret(BASE64URL_NOPAD.encode(&bytes))
            }
        };
        Ok(Self { kid: kid.to_owned(), signer })
    }

    /// The algorithm's name.
    pub fn algorithm(&self) -> &'static str {
        match self.signer {
            Signer::Ed25519(_) => "EdDSA",
            Signer::P256(_) => "ES256",
            Signer::Secret(_) => "HS256",
        }
    }

    /// The public half as a JWK (RFC 7517); `null` for a secret.
    pub fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        match &self.signer {
            Signer::Ed25519(pair) => {
                let x = encode(pair.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.kid, "use": "sig", "alg": "EdDSA"})
            }
            Signer::P256(pair) => {
                let point = pair.public_key().as_ref();
                let x = encode(point.get(1..33).unwrap_or_default());
                let y = encode(point.get(33..65).unwrap_or_default());
                json!({
                "kty": "EC", "crv": "P-256", "x": x, "y": y,
                "kid": self.kid, "use": "sig", "alg": "ES256",
                })
            }
            Signer::Secret(_) => Value::Null,
        }
    }

    /// The secret; empty where there is none that is shared.
    pub fn secret(&self) -> &str {
        match &self.signer {
            Signer::Ed25519(_) | Signer::P256(_) => "",
            Signer::Secret(secret) => secret,
        }
    }

    /// A token with this header and these claims, whatever they say.
    pub fn token(&self, header: &Value, claims: &Value) -> Result<String> {
        let header = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
        let claims = BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
        let text = format!("{header}.{claims}");
        let signature = self.sign(text.as_bytes())?;
        Ok(format!("{text}.{}", BASE64URL_NOPAD.encode(&signature)))
    }

    /// A signature of these bytes, as JWS has it.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        Ok(match &self.signer {
            Signer::Ed25519(pair) => pair.sign(bytes).as_ref().to_vec(),
            Signer::P256(pair) => {
                let signed = pair.sign(&rand::SystemRandom::new(), bytes);
                signed.map_err(|_| anyhow!("cannot sign"))?.as_ref().to_vec()
            }
            Signer::Secret(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
                hmac::sign(&key, bytes).as_ref().to_vec()
            }
        })
    }

    /// The header that belongs to this key.
    pub fn header(&self) -> Value {
        json!({"alg": self.algorithm(), "typ": "JWT", "kid": self.kid})
    }
}

/// Base64url without padding (RFC 4648 section 5).
pub fn base64url(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// The bytes behind base64url without padding.
pub fn from_base64url(text: &str) -> Result<Vec<u8>> {
    Ok(BASE64URL_NOPAD.decode(text.as_bytes())?)
}

/// Base64 with padding (RFC 4648 section 4).
pub fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// Seconds since 1970, with their fraction.
pub fn now_secs() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The claims (or the header), with one member set.
#[must_use]
pub fn with(claims: Value, name: &str, value: Value) -> Value {
    let Value::Object(mut members) = claims else { return claims };
    members.insert(name.to_owned(), value);
    Value::Object(members)
}

/// Somebody who issues tokens.
#[derive(Debug)]
pub struct Issuer {
    /// The `iss` of its tokens.
    pub url: String,
    /// The `aud` of its tokens.
    pub audience: String,
    /// What it signs with.
    pub key: Key,
}

impl Issuer {
    /// An issuer with a new Ed25519 key.
    pub fn new(url: &str) -> Result<Self> {
        Self::with_key(url, Key::generate(KeyKind::Ed25519, "first")?)
    }

    /// An issuer with this key.
    pub fn with_key(url: &str, key: Key) -> Result<Self> {
        Ok(Self { url: url.to_owned(), audience: "https://api.example.com".to_owned(), key })
    }

    /// Its key set.
    pub fn jwks(&self) -> Value {
        json!({"keys": [self.key.jwk()]})
    }

    /// The claims of a token that is good for an hour.
    pub fn claims(&self, subject: &str) -> Value {
        let now = now_secs().floor();
        json!({
            "iss": self.url,
            "aud": self.audience,
            "sub": subject,
            "iat": now,
            "exp": now + 3600.0,
            "scope": "chat read",
        })
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Value) -> Result<String> {
        self.key.token(&self.key.header(), claims)
    }

    /// A token that is good for an hour.
    pub fn token(&self, subject: &str) -> Result<String> {
        self.sign(&self.claims(subject))
    }

    /// A token that ends so many seconds from now.
    pub fn token_for(&self, subject: &str, seconds: f64) -> Result<String> {
        let claims = with(self.claims(subject), "exp", json!(now_secs() + seconds));
        let issued = now_secs().floor() + seconds.min(0.0).floor() - 60.0;
        self.sign(&with(claims, "iat", json!(issued)))
    }

    /// A token that this issuer did not sign, and that says it did.
    pub fn forged(&self, subject: &str) -> Result<String> {
        let key = Key::generate(KeyKind::Ed25519, &self.key.kid)?;
        key.token(&self.key.header(), &self.claims(subject))
    }
}
