//! The public half of a key pair as JSON Web Key members, and their thumbprint.

use aws_lc_rs::{
    digest,
    signature::{self, EcdsaKeyPair, KeyPair, RsaKeyPair},
};
use serde_json::{Map, Value};

use super::{MintFault, Private};
use crate::encoding::to_base64url;

/// The members that RFC 7638 section 3.2 (RFC 8037 section 2 for OKP) hashes; none for a secret.
pub(super) fn required_members(key: &Private) -> Result<Option<Map<String, Value>>, MintFault> {
    let members = match key {
        Private::Rsa(pair, _) => rsa(pair)?,
        Private::Ecdsa(pair) => ec(pair)?,
        Private::Ed25519(pair) => {
            let x = to_base64url(pair.public_key().as_ref());
            vec![("kty", "OKP".to_owned()), ("crv", "Ed25519".to_owned()), ("x", x)]
        }
        Private::Hmac(_) => return Ok(None),
    };
    Ok(Some(members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()))
}

/// RFC 7638 section 3: SHA-256 over the members in the order of their names, without white space.
/// Names and values here need no escapes.
pub(crate) fn thumbprint(members: &Map<String, Value>) -> String {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    let members: Vec<String> =
        sorted.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    let json = format!("{{{}}}", members.join(","));
    to_base64url(digest::digest(&digest::SHA256, json.as_bytes()).as_ref())
}

fn ec(pair: &EcdsaKeyPair) -> Result<Vec<(&'static str, String)>, MintFault> {
    let p256 = *pair.algorithm() == signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let curve = if p256 { "P-256" } else { "P-384" };
    // Uncompressed (SEC 1 section 2.3.3): 4, x, y.
    let Some((4, point)) = pair.public_key().as_ref().split_first() else {
        return Err(MintFault::Cryptography);
    };
    let (x, y) = point.split_at_checked(point.len() / 2).ok_or(MintFault::Cryptography)?;
    Ok(vec![
        ("kty", "EC".to_owned()),
        ("crv", curve.to_owned()),
        ("x", to_base64url(x)),
        ("y", to_base64url(y)),
    ])
}

fn rsa(pair: &RsaKeyPair) -> Result<Vec<(&'static str, String)>, MintFault> {
    let (n, e) = modulus_and_exponent(pair.public_key().as_ref()).ok_or(MintFault::Cryptography)?;
    Ok(vec![("kty", "RSA".to_owned()), ("n", to_base64url(n)), ("e", to_base64url(e))])
}

/// Reads `RSAPublicKey` (RFC 8017 appendix A.1.1) as aws-lc writes it: a sequence of two integers.
fn modulus_and_exponent(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, rest) = element(der, 0x30)?;
    let (n, sequence) = element(sequence, 0x02)?;
    let (e, end) = element(sequence, 0x02)?;
    (rest.is_empty() && end.is_empty()).then_some((without_sign(n), without_sign(e)))
}

/// One DER element of that tag with a definite length of at most two bytes: contents, and the rest.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match *der.strip_prefix(&[tag])? {
        [length @ 0..=0x7f, ref rest @ ..] => (usize::from(length), rest),
        [0x81, length, ref rest @ ..] => (usize::from(length), rest),
        [0x82, high, low, ref rest @ ..] => (usize::from(u16::from_be_bytes([high, low])), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn without_sign(integer: &[u8]) -> &[u8] {
    integer.strip_prefix(&[0]).unwrap_or(integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_of_rfc_7638_section_3_1() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_B\
                 JECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_F\
                 DW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4\
                 vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let members = serde_json::json!({"kty": "RSA", "n": n, "e": "AQAB"});
        let thumbprint = thumbprint(members.as_object().unwrap());
        assert_eq!(thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn an_rsa_public_key_is_a_sequence_of_two_integers() {
        let ok = [0x30, 7, 2, 2, 0, 0xff, 2, 1, 3];
        assert_eq!(modulus_and_exponent(&ok), Some((&[0xff][..], &[3][..])));
        for cut in 0..ok.len() {
            assert_eq!(modulus_and_exponent(&ok[..cut]), None);
        }
        assert_eq!(modulus_and_exponent(&[&ok[..], &[0]].concat()), None);
        assert_eq!(element(&[0x30, 0x80, 0, 0], 0x30), None);
        assert_eq!(
            element(&[&[0x30, 0x82, 1, 0][..], &[0; 256]].concat(), 0x30).unwrap().0.len(),
            256
        );
        assert_eq!(
            element(&[&[0x30, 0x81, 200][..], &[0; 200]].concat(), 0x30).unwrap().0.len(),
            200
        );
    }
}
