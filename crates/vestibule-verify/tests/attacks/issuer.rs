//! An issuer with three keys, and what it says to a token.

use std::sync::LazyLock;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use vestibule_core::{rejection::Rejection, time::UnixTime};
use vestibule_verify::{
    Refused,
    jwk::{KeySet, Symmetric},
    jwt::{self, Algorithm, Expectations, Unverified},
    mint::Signer,
};

pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_000);
pub(crate) const CLAIMS: &str = r#"{"iss":"https://idp","aud":"chat","sub":"alice","exp":2000}"#;

pub(crate) static ED: LazyLock<Signer> =
    LazyLock::new(|| Signer::generate(Algorithm::EdDsa).unwrap().with_kid("ed"));
pub(crate) static ES: LazyLock<Signer> =
    LazyLock::new(|| Signer::generate(Algorithm::Es256).unwrap().with_kid("es"));
pub(crate) static RSA: LazyLock<Signer> =
    LazyLock::new(|| Signer::generate(Algorithm::Rs256).unwrap().with_kid("rsa"));

pub(crate) fn jwk(signer: &Signer) -> Value {
    signer.public_jwks()["keys"][0].clone()
}

pub(crate) fn set(jwks: &Value) -> KeySet {
    KeySet::from_jwks(json!({"keys": jwks}).to_string().as_bytes(), Symmetric::Allowed).unwrap()
}

pub(crate) fn issuer() -> KeySet {
    set(&json!([jwk(&ED), jwk(&ES), jwk(&RSA)]))
}

pub(crate) fn expected() -> Expectations {
    Expectations::new("https://idp", ["chat"])
}

pub(crate) fn verify(
    token: &[u8],
    keys: &KeySet,
    expected: &Expectations,
) -> Result<String, Refused> {
    let token = Unverified::parse(token)?;
    jwt::verify(&token, keys, expected, NOW)
        .map(|verified| verified.principal().subject.to_string())
}

/// The issuer's keys refuse the token by that name and for that reason.
pub(crate) fn refused(token: &str, rejection: Rejection, reason: &str) {
    let refused = verify(token.as_bytes(), &issuer(), &expected()).expect_err(token);
    assert_eq!(refused.rejection, rejection, "{token}: {refused}");
    assert!(refused.reason.contains(reason), "{token}: {refused}");
    assert!(refused.reason.chars().all(|character| !character.is_control()), "{refused:?}");
    if token.len() > 40 {
        let tail = token.split_at(token.len() - 16).1;
        assert!(!refused.reason.contains(tail), "the reason repeats the token: {refused}");
    }
}

pub(crate) fn accepted(token: &str) {
    assert_eq!(verify(token.as_bytes(), &issuer(), &expected()).unwrap(), "alice", "{token}");
}

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL_NOPAD.encode(bytes.as_ref())
}

/// Signed by the issuer's Ed25519 key, whatever it says.
pub(crate) fn signed(header: &str, claims: &str) -> String {
    ED.dangerous_sign(header.as_bytes(), claims.as_bytes()).unwrap()
}

pub(crate) fn good() -> String {
    signed(r#"{"alg":"EdDSA","kid":"ed"}"#, CLAIMS)
}
