//! One entry of a key set (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2).

use aws_lc_rs::{
    hmac,
    signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents},
};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{Key, Symmetric, Verifier, rsa};
use crate::{algorithm::Algorithm, encoding, limits, refused::shown};

type Members = Map<String, Value>;
type Verifiers = Box<[(Algorithm, Verifier)]>;

/// Reads an entry: the key and what is odd about it, or why it is left out.
pub(super) fn read(value: &Value, symmetric: Symmetric) -> Result<(Key, Option<String>), String> {
    let Value::Object(members) = value else {
        return Err("not a JSON object".to_owned());
    };
    let kid = text(members, "kid")?.map(Box::from);
    is_for_signatures(members)?;
    let only = match text(members, "alg")? {
        None => None,
        Some(name) => Some(
            Algorithm::from_name(name)
                .ok_or_else(|| format!("alg {} verifies no token here", shown(name)))?,
        ),
    };
    let kty = text(members, "kty")?.ok_or("no kty")?;
    let mut verifiers = match (kty, symmetric) {
        ("RSA", _) => rsa_verifiers(members, only)?,
        ("EC", _) => ec_verifiers(members)?,
        ("OKP", _) => okp_verifiers(members)?,
        ("oct", Symmetric::Allowed) => oct_verifiers(members)?,
        ("oct", Symmetric::Refused) => {
            return Err("a shared secret, which a published set must not hold".to_owned());
        }
        (kty, _) => return Err(format!("kty {} is not known", shown(kty))),
    };
    if let Some(only) = only {
        verifiers = verifiers.into_iter().filter(|(does, _)| *does == only).collect();
        if verifiers.is_empty() {
            return Err(if only.is_symmetric() && kty == "oct" {
                format!("the secret is shorter than the hash of {}", only.name())
            } else {
                format!("alg {} does not go with the key's type", only.name())
            });
        }
    }
    let private = kty != "oct" && members.contains_key("d");
    let note = private.then(|| "its private part is published: replace the key".to_owned());
    Ok((Key { kid, verifiers }, note))
}

/// HMAC in every length that the secret is long enough for (RFC 7518 section 3.2).
pub(super) fn secret_verifiers(secret: &[u8]) -> Verifiers {
    [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512]
        .into_iter()
        .filter_map(|algorithm| Some((algorithm, algorithm.hmac()?)))
        .filter(|(_, hmac)| secret.len() >= hmac.tag_len())
        .map(|(algorithm, hmac)| {
            (algorithm, Verifier::Secret(Box::new(hmac::Key::new(hmac, secret))))
        })
        .collect()
}

/// `use` and `key_ops` (RFC 7517 sections 4.2, 4.3): absent, or for verifying.
fn is_for_signatures(members: &Members) -> Result<(), String> {
    match text(members, "use")? {
        None | Some("sig") => {}
        Some(other) => return Err(format!("use {} is not \"sig\"", shown(other))),
    }
    match members.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|o| o == "verify") => Ok(()),
        Some(Value::Array(_)) => Err("key_ops does not have \"verify\"".to_owned()),
        Some(_) => Err("key_ops is not an array".to_owned()),
    }
}

fn rsa_verifiers(members: &Members, only: Option<Algorithm>) -> Result<Verifiers, String> {
    let (n, e) = (bytes(members, "n")?, bytes(members, "e")?);
    // RFC 7518 section 6.3.1.1 forbids the sign octet that some libraries write. The number is the
    // same without it.
    let n = n.strip_prefix(&[0]).unwrap_or(&n);
    rsa::check(n, &e)?;
    let parameters: [(Algorithm, &'static RsaParameters); 6] = [
        (Algorithm::Rs256, &signature::RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::Rs384, &signature::RSA_PKCS1_2048_8192_SHA384),
        (Algorithm::Rs512, &signature::RSA_PKCS1_2048_8192_SHA512),
        (Algorithm::Ps256, &signature::RSA_PSS_2048_8192_SHA256),
        (Algorithm::Ps384, &signature::RSA_PSS_2048_8192_SHA384),
        (Algorithm::Ps512, &signature::RSA_PSS_2048_8192_SHA512),
    ];
    parameters
        .into_iter()
        .filter(|(algorithm, _)| only.is_none_or(|only| only == *algorithm))
        .map(|(algorithm, parameters)| {
            RsaPublicKeyComponents { n, e: e.as_slice() }
                .to_parsed_public_key(parameters)
                .map(|key| (algorithm, Verifier::Public(key)))
                .map_err(|_| "not an RSA public key".to_owned())
        })
        .collect()
}

fn ec_verifiers(members: &Members) -> Result<Verifiers, String> {
    let (algorithm, parameters, length) = match text(members, "crv")?.ok_or("no crv")? {
        "P-256" => (Algorithm::Es256, &signature::ECDSA_P256_SHA256_FIXED, 32),
        "P-384" => (Algorithm::Es384, &signature::ECDSA_P384_SHA384_FIXED, 48),
        other => return Err(format!("curve {} is not known", shown(other))),
    };
    let (x, y) = (bytes(members, "x")?, bytes(members, "y")?);
    // RFC 7518 section 6.2.1.2: full length, with the leading zeros.
    if x.len() != length || y.len() != length {
        return Err("the coordinates do not have the curve's length".to_owned());
    }
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    // This is also where a point that is not on the curve fails.
    let key = ParsedPublicKey::new(parameters, point)
        .map_err(|_| "not a point on the curve".to_owned())?;
    Ok(Box::new([(algorithm, Verifier::Public(key))]))
}

fn okp_verifiers(members: &Members) -> Result<Verifiers, String> {
    match text(members, "crv")?.ok_or("no crv")? {
        "Ed25519" => {}
        other => return Err(format!("curve {} is not known", shown(other))),
    }
    let x = bytes(members, "x")?;
    // aws-lc-rs would read an X.509 structure where the length differs.
    if x.len() != signature::ED25519_PUBLIC_KEY_LEN {
        return Err("an Ed25519 public key has 32 bytes".to_owned());
    }
    let key = ParsedPublicKey::new(&signature::ED25519, x)
        .map_err(|_| "not an Ed25519 public key".to_owned())?;
    Ok(Box::new([(Algorithm::EdDsa, Verifier::Public(key))]))
}

fn oct_verifiers(members: &Members) -> Result<Verifiers, String> {
    let secret = Zeroizing::new(bytes(members, "k")?);
    if secret.len() > limits::SECRET_BYTES {
        return Err("the secret is too long".to_owned());
    }
    let verifiers = secret_verifiers(&secret);
    if verifiers.is_empty() {
        return Err("the secret is shorter than 32 bytes".to_owned());
    }
    Ok(verifiers)
}

fn text<'a>(members: &'a Members, name: &str) -> Result<Option<&'a str>, String> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name} is not a string")),
    }
}

fn bytes(members: &Members, name: &str) -> Result<Vec<u8>, String> {
    let text = text(members, name)?.ok_or_else(|| format!("no {name}"))?;
    encoding::base64url(text.as_bytes()).ok_or_else(|| format!("{name} is not base64url"))
}
