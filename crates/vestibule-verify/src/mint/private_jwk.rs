//! Private keys as JSON Web Keys (RFC 7518 section 6, RFC 8037 section 2).

use aws_lc_rs::{
    rsa::{KeyPairComponents, PublicKeyComponents},
    signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair},
};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{Kind, MintFault, Private, Signer};
use crate::{algorithm::Algorithm, encoding};

type Members = Map<String, Value>;
type Bytes = Zeroizing<Vec<u8>>;

pub(super) fn read(members: &Members) -> Result<Signer, MintFault> {
    let algorithm = match (members.get("alg"), text(members, "kty")?, text(members, "crv").ok()) {
        (Some(alg), _, _) => alg.as_str().and_then(Algorithm::from_name),
        (None, "EC", Some("P-256")) => Some(Algorithm::Es256),
        (None, "EC", Some("P-384")) => Some(Algorithm::Es384),
        (None, "OKP", Some("Ed25519")) => Some(Algorithm::EdDsa),
        (None, _, _) => None,
    }
    .ok_or(MintFault::WrongKey)?;
    let signer = match (Kind::of(algorithm), text(members, "kty")?) {
        (Kind::Hmac(_), "oct") => Signer::from_secret(algorithm, &bytes(members, "k")?)?,
        (Kind::Ed25519, "OKP") => {
            let pair = Ed25519KeyPair::from_seed_and_public_key(
                &bytes(members, "d")?,
                &bytes(members, "x")?,
            );
            Signer::with(algorithm, Private::Ed25519(pair.map_err(|_| MintFault::WrongKey)?))?
        }
        (Kind::Ecdsa(curve), "EC") => {
            let (x, y) = (bytes(members, "x")?, bytes(members, "y")?);
            let point = [&[4], x.as_slice(), y.as_slice()].concat();
            let pair =
                EcdsaKeyPair::from_private_key_and_public_key(curve, &bytes(members, "d")?, &point);
            Signer::with(algorithm, Private::Ecdsa(pair.map_err(|_| MintFault::WrongKey)?))?
        }
        (Kind::Rsa(padding), "RSA") => {
            Signer::with(algorithm, Private::Rsa(rsa(members)?, padding))?
        }
        (Kind::Hmac(_) | Kind::Ed25519 | Kind::Ecdsa(_) | Kind::Rsa(_), _) => {
            return Err(MintFault::WrongKey);
        }
    };
    match members.get("kid") {
        None => Ok(signer),
        Some(Value::String(kid)) => Ok(signer.with_kid(kid)),
        Some(_) => Err(MintFault::WrongKey),
    }
}

fn rsa(members: &Members) -> Result<RsaKeyPair, MintFault> {
    RsaKeyPair::from_components(&KeyPairComponents::<Bytes, Bytes> {
        public_key: PublicKeyComponents { n: bytes(members, "n")?, e: bytes(members, "e")? },
        d: bytes(members, "d")?,
        p: bytes(members, "p")?,
        q: bytes(members, "q")?,
        dP: bytes(members, "dp")?,
        dQ: bytes(members, "dq")?,
        qInv: bytes(members, "qi")?,
    })
    .map_err(|_| MintFault::WrongKey)
}

fn text<'a>(members: &'a Members, name: &str) -> Result<&'a str, MintFault> {
    members.get(name).and_then(Value::as_str).ok_or(MintFault::WrongKey)
}

fn bytes(members: &Members, name: &str) -> Result<Bytes, MintFault> {
    let text = text(members, name)?;
    encoding::base64url(text.as_bytes()).map(Zeroizing::new).ok_or(MintFault::WrongKey)
}
