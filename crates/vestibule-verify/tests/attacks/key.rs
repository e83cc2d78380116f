//! Which key and which algorithm: never the token's choice.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use vestibule_core::rejection::Rejection;
use vestibule_verify::{
    jwk::KeySet,
    jwt::{Algorithm, Expectations},
    mint::Signer,
};

use super::issuer::{
    CLAIMS, ED, ES, RSA, accepted, encoded, expected, good, issuer, jwk, refused, set, signed,
    verify,
};

#[test]
fn none_in_every_spelling() {
    for alg in ["none", "None", "NONE", "nOnE"] {
        let header = format!(r#"{{"alg":"{alg}","kid":"ed"}}"#);
        refused(&signed(&header, CLAIMS), Rejection::TokenAlgorithm, "unsigned");
        let bare = format!("{}.{}.", encoded(&header), encoded(CLAIMS));
        refused(&bare, Rejection::TokenAlgorithm, "unsigned");
    }
    for alg in
        ["", "none ", "\\u0000none", "eddsa", "EDDSA", "HS1", "RS1", "ES256K", "dir", "A128GCM"]
    {
        let token = signed(&format!(r#"{{"alg":"{alg}"}}"#), CLAIMS);
        refused(&token, Rejection::TokenAlgorithm, "is not known");
    }
    for header in [r"{}", r#"{"alg":null}"#, r#"{"alg":["EdDSA"]}"#, r#"{"alg":1}"#] {
        refused(&signed(header, CLAIMS), Rejection::TokenMalformed, "alg");
    }
    let unsigned = format!("{}.{}.", encoded(r#"{"alg":"EdDSA"}"#), encoded(CLAIMS));
    refused(&unsigned, Rejection::TokenSignature, "");
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let public = jwk(&RSA);
    let n = BASE64URL_NOPAD.decode(public["n"].as_str().unwrap().as_bytes()).unwrap();
    let wide = Expectations { algorithms: Algorithm::ALL.into(), ..expected() };
    for secret in [n, public.to_string().into_bytes(), public["n"].as_str().unwrap().into()] {
        for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
            let forger = Signer::from_secret(algorithm, &secret).unwrap().with_kid("rsa");
            let token = forger.sign(None, &serde_json::from_str(CLAIMS).unwrap()).unwrap();
            refused(&token, Rejection::TokenAlgorithm, "shared secret");
            // Even where the operator lists everything, the key decides.
            let refused = verify(token.as_bytes(), &issuer(), &wide).unwrap_err();
            assert_eq!(refused.rejection, Rejection::TokenAlgorithm);
            assert!(refused.reason.contains("key \"rsa\" is for \"RS256\""), "{refused}");
        }
    }
}

#[test]
fn the_token_cannot_choose_another_algorithm_of_the_same_key() {
    // The key is for RS256, and this is a genuine PS256 signature of it.
    let pem = RSA.to_pem().unwrap();
    for algorithm in [Algorithm::Ps256, Algorithm::Rs384, Algorithm::Rs512] {
        let other = Signer::from_pem(algorithm, &pem).unwrap().with_kid("rsa");
        let token = other.sign(None, &serde_json::from_str(CLAIMS).unwrap()).unwrap();
        refused(&token, Rejection::TokenAlgorithm, "is for \"RS256\"");
    }
    // Nor one that the issuer's list does not have.
    let narrow = Expectations { algorithms: Box::new([Algorithm::Es256]), ..expected() };
    let no = verify(good().as_bytes(), &issuer(), &narrow).unwrap_err();
    assert_eq!(no.rejection, Rejection::TokenAlgorithm);
    assert_eq!(no.reason, "signed with EdDSA, the issuer's list has \"ES256\"");
}

#[test]
fn a_shared_secret_signs_only_where_it_is_listed() {
    let secret = [7; 64];
    let keys = KeySet::from_secret(&secret).unwrap();
    let token = Signer::from_secret(Algorithm::Hs384, &secret).unwrap();
    let token = token.sign(None, &serde_json::from_str(CLAIMS).unwrap()).unwrap();
    let listed = |algorithms: &[Algorithm]| {
        let expected = Expectations { algorithms: algorithms.into(), ..expected() };
        verify(token.as_bytes(), &keys, &expected).map_err(|refused| refused.rejection)
    };
    assert_eq!(listed(&[]), Err(Rejection::TokenAlgorithm));
    assert_eq!(listed(&[Algorithm::Hs256]), Err(Rejection::TokenAlgorithm));
    assert_eq!(listed(&[Algorithm::Hs384]), Ok("alice".to_owned()));
}

#[test]
fn a_token_does_not_bring_its_own_key() {
    let forger = Signer::generate(Algorithm::EdDsa).unwrap();
    let own = jwk(&forger);
    for header in [
        json!({"alg": "EdDSA", "jwk": own}),
        json!({"alg": "EdDSA", "kid": "ed", "jwk": own, "jku": "https://evil/jwks.json"}),
        json!({"alg": "EdDSA", "kid": "ed", "x5u": "https://evil/cert.pem", "x5c": ["AAAA"], "x5t": "AA"}),
    ] {
        let token =
            forger.dangerous_sign(header.to_string().as_bytes(), CLAIMS.as_bytes()).unwrap();
        refused(&token, Rejection::TokenSignature, "");
    }
    let header = json!({"alg": "EdDSA", "kid": own["kid"], "jwk": own});
    let token = forger.dangerous_sign(header.to_string().as_bytes(), CLAIMS.as_bytes()).unwrap();
    refused(&token, Rejection::TokenKeyUnknown, "the issuer has no key");
    // A genuine token may carry them; they are not looked at.
    accepted(&signed(
        r#"{"alg":"EdDSA","kid":"ed","jku":"https://evil/","jwk":{"kty":"oct"},"x5c":7}"#,
        CLAIMS,
    ));
}

#[test]
fn the_named_key_signs_or_nobody() {
    let no = Rejection::TokenSignature;
    let other = Signer::generate(Algorithm::EdDsa).unwrap().with_kid("ed");
    refused(&other.sign(None, &serde_json::from_str(CLAIMS).unwrap()).unwrap(), no, "kid \"ed\"");
    // A genuine signature of the issuer's Ed25519 key under the name of another key.
    let token = signed(r#"{"alg":"EdDSA","kid":"es"}"#, CLAIMS);
    refused(&token, Rejection::TokenAlgorithm, "key \"es\" is for \"ES256\", the token says EdDSA");
    let second = Signer::generate(Algorithm::EdDsa).unwrap().with_kid("second");
    let keys = set(&json!([jwk(&ED), jwk(&second)]));
    let token = signed(r#"{"alg":"EdDSA","kid":"second"}"#, CLAIMS);
    assert_eq!(verify(token.as_bytes(), &keys, &expected()).unwrap_err().rejection, no);
    let token = signed(r#"{"alg":"EdDSA","kid":"gone"}"#, CLAIMS);
    refused(
        &token,
        Rejection::TokenKeyUnknown,
        "the issuer has no key \"gone\"; its keys: \"ed\", \"es\", \"rsa\"",
    );
    let alone = set(&json!([jwk(&ES)]));
    let refused =
        verify(signed(r#"{"alg":"EdDSA"}"#, CLAIMS).as_bytes(), &alone, &expected()).unwrap_err();
    assert_eq!(refused.rejection, Rejection::TokenKeyUnknown);
    assert!(refused.reason.contains("names no key"), "{refused}");
}

#[test]
fn a_key_that_was_left_out_says_why() {
    let mut weak = jwk(&ED);
    weak["use"] = "enc".into();
    let refused = verify(good().as_bytes(), &set(&json!([weak])), &expected()).unwrap_err();
    assert_eq!(refused.rejection, Rejection::TokenKeyUnknown);
    assert_eq!(refused.reason, "key \"ed\" of the issuer was left out: use \"enc\" is not \"sig\"");
}

#[test]
fn keys_of_one_name_and_keys_without_are_all_tried() {
    let old = Signer::generate(Algorithm::EdDsa).unwrap().with_kid("ed");
    let twice = set(&json!([jwk(&old), jwk(&ED)]));
    assert!(verify(good().as_bytes(), &twice, &expected()).is_ok());
    let mut nameless = jwk(&ED);
    nameless.as_object_mut().unwrap().remove("kid");
    assert!(verify(good().as_bytes(), &set(&json!([nameless])), &expected()).is_ok());
    // But not without end: eight at the most.
    let mut others: Vec<Value> =
        (0..7).map(|_| jwk(&Signer::generate(Algorithm::EdDsa).unwrap().with_kid("ed"))).collect();
    others.push(jwk(&ED));
    assert!(verify(good().as_bytes(), &set(&json!(others)), &expected()).is_ok());
    others.insert(0, jwk(&old));
    let no = verify(good().as_bytes(), &set(&json!(others)), &expected()).unwrap_err();
    assert_eq!(no.rejection, Rejection::TokenSignature);
}
