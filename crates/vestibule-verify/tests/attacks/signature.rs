//! What a signature is, and what a forged one is told.

use data_encoding::BASE64URL_NOPAD;
use serde_json::json;
use vestibule_core::rejection::Rejection;
use vestibule_verify::{jwt::Algorithm, mint::Signer};

use super::issuer::{
    CLAIMS, ES, accepted, encoded, expected, issuer, jwk, refused, set, signed, verify,
};

#[test]
fn an_ecdsa_signature_is_two_numbers_in_range_and_not_der() {
    let token = ES.sign(None, &serde_json::from_str(CLAIMS).unwrap()).unwrap();
    accepted(&token);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let raw = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let (r, s) = raw.split_at(32);
    let integer = |number: &[u8]| {
        let mut out = vec![2];
        let sign = usize::from(number[0] >> 7);
        out.push(u8::try_from(number.len() + sign).unwrap());
        out.extend(vec![0; sign]);
        out.extend(number);
        out
    };
    let body = [integer(r), integer(s)].concat();
    let der = [vec![0x30, u8::try_from(body.len()).unwrap()], body].concat();
    let zero = [0; 32];
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order = data_encoding::HEXLOWER.decode(order.as_bytes()).unwrap();
    for forged in [
        der,
        [&zero, s].concat(),
        [r, &zero].concat(),
        [&zero[..], &zero].concat(),
        [&order[..], s].concat(),
        [r, &order].concat(),
        [&order[..], &order].concat(),
        [s, r].concat(),
        [&[0][..], r, s].concat(),
        [r, s, &[0]].concat(),
        raw[..63].to_vec(),
        Vec::new(),
    ] {
        refused(&format!("{signed}.{}", encoded(&forged)), Rejection::TokenSignature, "");
    }
}

#[test]
fn a_pss_salt_is_as_long_as_the_hash() {
    use aws_lc_rs::signature::{
        RSA_PSS_SHA256, RsaKeyPair, RsaPssSaltLength, RsaSignatureEncoding,
    };
    static SALTS: [(RsaSignatureEncoding, bool); 4] = [
        (RSA_PSS_SHA256.with_pss_salt_length(RsaPssSaltLength::Digest), true),
        (RSA_PSS_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(32)), true),
        (RSA_PSS_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(0)), false),
        (RSA_PSS_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(20)), false),
    ];
    let signer = Signer::generate(Algorithm::Ps256).unwrap();
    let pem = signer.to_pem().unwrap();
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let pair =
        RsaKeyPair::from_pkcs8(&data_encoding::BASE64.decode(der.as_bytes()).unwrap()).unwrap();
    let signed = format!("{}.{}", encoded(r#"{"alg":"PS256"}"#), encoded(CLAIMS));
    let keys = set(&json!([jwk(&signer)]));
    for (padding, fits) in &SALTS {
        let mut signature = vec![0; pair.public_modulus_len()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        pair.sign(padding, &random, signed.as_bytes(), &mut signature).unwrap();
        let token = format!("{signed}.{}", encoded(&signature));
        assert_eq!(verify(token.as_bytes(), &keys, &expected()).is_ok(), *fits, "{padding:?}");
    }
}

#[test]
fn a_forged_token_is_never_called_expired() {
    let old = CLAIMS.replace("2000", "1");
    refused(
        &signed(r#"{"alg":"EdDSA","kid":"ed"}"#, &old),
        Rejection::TokenExpired,
        "expired 999 s ago",
    );
    let forger = Signer::generate(Algorithm::EdDsa).unwrap().with_kid("ed");
    for claims in
        [old.as_str(), r#"{"exp":1}"#, r#"{"exp":"x"}"#, r#"{"aud":[1],"iss":"x","exp":1}"#, "{}"]
    {
        let token =
            forger.dangerous_sign(br#"{"alg":"EdDSA","kid":"ed","typ":"x"}"#, claims.as_bytes());
        refused(&token.unwrap(), Rejection::TokenSignature, "");
    }
}

#[test]
fn no_reason_holds_what_the_token_says_of_a_person() {
    let claims = r#"{"iss":"https://idp","aud":"else","sub":"s3cret-sub","email":"s3cret@example","jti":"s3cret-jti","exp":2000}"#;
    let no = verify(signed(r#"{"alg":"EdDSA"}"#, claims).as_bytes(), &issuer(), &expected());
    let no = no.unwrap_err();
    assert_eq!(no.reason, "issued for audience \"else\", wanted: \"chat\"");
    assert!(!format!("{no:?}").contains("s3cret"));
}
