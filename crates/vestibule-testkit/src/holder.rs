//! Clients whose tokens are bound to a key (RFC 9449), made without the code that will check them.

use anyhow::{Result, anyhow};
use aws_lc_rs::{digest, rand};
use serde_json::{Value, json};

use crate::{Issuer, Key, KeyKind, base64url, now_secs, with};

/// A client's key.
#[derive(Debug)]
pub struct Holder(Key);

impl Holder {
    /// With a new key.
    pub fn new(kind: KeyKind) -> Result<Self> {
        Ok(Self(Key::generate(kind, "client")?))
    }

    /// The key itself.
    pub fn key(&self) -> &Key {
        &self.0
    }

    /// What a token that is bound to it has in `cnf.jkt` (RFC 7638).
    pub fn thumbprint(&self) -> String {
        let jwk = self.0.jwk();
        let members: Vec<String> = ["crv", "kty", "x", "y"]
            .into_iter()
            .filter_map(|name| Some(format!("\"{name}\":{}", jwk.get(name)?)))
            .collect();
        sha256(format!("{{{}}}", members.join(",")).as_bytes())
    }

    /// A good token of Alice's that is bound to it, another one each time.
    pub fn token(&self, issuer: &Issuer) -> Result<String> {
        let claims = with(issuer.claims("alice"), "cnf", json!({ "jkt": self.thumbprint() }));
        issuer.sign(&with(claims, "jti", name()?.into()))
    }

    /// A proof for this request and this token, made now; with claims replaced, or removed by `null`.
    pub fn proof(&self, request: (&str, &str), token: &str, claims: &Value) -> Result<String> {
        let (method, address) = request;
        let mut all = json!({
            "jti": name()?, "htm": method, "htu": address, "iat": now_secs(),
            "ath": sha256(token.as_bytes()),
        });
        for (name, value) in claims.as_object().into_iter().flatten() {
            let members = all.as_object_mut().ok_or_else(|| anyhow!("no object"))?;
            members.remove(name);
            if !value.is_null() {
                members.insert(name.clone(), value.clone());
            }
        }
        let header = json!({ "typ": "dpop+jwt", "alg": self.0.algorithm(), "jwk": self.0.jwk() });
        self.0.token(&header, &all)
    }
}

/// One that nothing else has.
fn name() -> Result<String> {
    let mut id = [0; 16];
    rand::fill(&mut id).map_err(|_| anyhow!("no randomness"))?;
    Ok(base64url(&id))
}

/// The hash of a text, in base64url.
fn sha256(bytes: &[u8]) -> String {
    base64url(digest::digest(&digest::SHA256, bytes).as_ref())
}
