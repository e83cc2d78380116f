//! Key pairs as PKCS#8 documents (RFC 5958) in PEM (RFC 7468).

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::{MintFault, Private};

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
/// Longest line of base64 (RFC 7468 section 2).
const LINE: usize = 64;

/// The document in the first block of that name.
pub(super) fn from_pem(pem: &str) -> Result<Zeroizing<Vec<u8>>, MintFault> {
    let body = pem
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END))
        .map(|(body, _)| body)
        .ok_or(MintFault::NotPkcs8Pem)?;
    let body: Zeroizing<Vec<u8>> =
        Zeroizing::new(body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect());
    BASE64.decode(&body).map(Zeroizing::new).map_err(|_| MintFault::NotPkcs8Pem)
}

/// The key pair as PEM; a shared secret has no such form.
pub(super) fn to_pem(key: &Private) -> Result<Zeroizing<String>, MintFault> {
    let failed = |_| MintFault::Cryptography;
    let body = match key {
        Private::Rsa(pair, _) => {
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
            BASE64.encode(der.as_ref())
        }
        Private::Ecdsa(pair) => BASE64.encode(pair.to_pkcs8v1().map_err(failed)?.as_ref()),
        Private::Ed25519(pair) => BASE64.encode(pair.to_pkcs8v1().map_err(failed)?.as_ref()),
        Private::Hmac(_) => return Err(MintFault::WrongKey),
    };
    let body = Zeroizing::new(body);
    let mut pem = Zeroizing::new(String::with_capacity(body.len().saturating_mul(2)));
    pem.push_str(BEGIN);
    for (index, character) in body.chars().enumerate() {
        if index % LINE == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push('\n');
    pem.push_str(END);
    pem.push('\n');
    Ok(pem)
}
