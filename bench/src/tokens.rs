//! Keys and tokens that every proxy of a run agrees on. Made anew for each run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::json;
use vestibule_verify::{jwt, mint::Signer};

/// Who issues them.
pub const ISSUER: &str = "https://issuer.example/";
/// Whom they are for.
pub const AUDIENCE: &str = "bench";
/// The secret of HS256.
pub const SECRET: &str = "a-secret-of-the-benchmark-that-is-long-enough";

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Algorithm {
    /// HMAC.
    Hs256,
    /// RSA.
    Rs256,
    /// ECDSA.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa];

    /// As in a token's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// What a proxy has to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Check {
    /// Nothing.
    Nothing,
    /// Signature, issuer, audience, expiry.
    Token(Algorithm),
}

/// The private key of a run.
fn private_pem(algorithm: Algorithm, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(format!("{}.pem", algorithm.name()));
    if !path.exists() {
        let kind: &[&str] = match algorithm {
            Algorithm::Rs256 => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            Algorithm::Es256 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            Algorithm::EdDsa | Algorithm::Hs256 => &["-algorithm", "ED25519"],
        };
        let made =
            Command::new("openssl").arg("genpkey").args(kind).arg("-out").arg(&path).output()?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    Ok(path)
}

/// The public key, as a PEM file.
pub fn public_pem(algorithm: Algorithm, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(format!("{}.pub.pem", algorithm.name()));
    let private = private_pem(algorithm, folder)?;
    let made = Command::new("openssl")
        .args(["pkey", "-pubout", "-in"])
        .arg(private)
        .arg("-out")
        .arg(&path)
        .output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Ok(path)
}

/// The secret, or the key set, as a file.
pub fn key_file(algorithm: Algorithm, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(format!("{}.keys", algorithm.name()));
    match algorithm {
        Algorithm::Hs256 => fs::write(&path, SECRET)?,
        Algorithm::Rs256 | Algorithm::Es256 | Algorithm::EdDsa => {
            fs::write(&path, signer(algorithm, folder)?.public_jwks().to_string())?;
        }
    }
    Ok(path)
}

/// A certificate for `localhost` that vouches for itself, and its key.
pub fn certificate(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let (certificate, key) = (folder.join("localhost.pem"), folder.join("localhost.key"));
    if !certificate.exists() {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    Ok((certificate, key))
}

/// A file with so many different tokens, one a line.
pub fn file(algorithm: Algorithm, count: u64, life: i64, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(format!("{}-{count}-{life}.tokens", algorithm.name()));
    let signer = signer(algorithm, folder)?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let expires = i64::try_from(now)? + life;
    let mut lines = String::new();
    for number in 0..count {
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": format!("user-{number}"),
            "iat": now, "exp": expires,
        });
        lines.push_str(&signer.sign(Some("at+jwt"), &claims)?);
        lines.push('\n');
    }
    fs::write(&path, lines)?;
    Ok(path)
}

fn signer(algorithm: Algorithm, folder: &Path) -> Result<Signer> {
    let signer = match algorithm {
        Algorithm::Hs256 => Signer::from_secret(jwt::Algorithm::Hs256, SECRET.as_bytes()),
        Algorithm::Rs256 => Signer::from_pem(jwt::Algorithm::Rs256, &pem(algorithm, folder)?),
        Algorithm::Es256 => Signer::from_pem(jwt::Algorithm::Es256, &pem(algorithm, folder)?),
        Algorithm::EdDsa => Signer::from_pem(jwt::Algorithm::EdDsa, &pem(algorithm, folder)?),
    };
    signer.context("a signing key")
}

fn pem(algorithm: Algorithm, folder: &Path) -> Result<String> {
    Ok(fs::read_to_string(private_pem(algorithm, folder)?)?)
}
