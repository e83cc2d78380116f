use serde_json::json;

use super::*;
use crate::{
    jwk::{KeySet, Symmetric},
    jws::Jws,
};

fn keys(signer: &Signer) -> KeySet {
    KeySet::from_jwks(signer.public_jwks().to_string().as_bytes(), Symmetric::Refused).unwrap()
}

fn verifies(token: &str, keys: &KeySet) -> bool {
    Jws::parse(token.as_bytes()).unwrap().verified(keys, Algorithm::ALL).is_ok()
}

#[test]
fn what_any_algorithm_signs_verifies_and_survives_being_kept() {
    for algorithm in Algorithm::ALL.iter().copied().filter(|algorithm| !algorithm.is_symmetric()) {
        let signer = Signer::generate(algorithm).unwrap();
        let token = signer.sign(Some("at+jwt"), &json!({"sub": "alice"})).unwrap();
        assert!(verifies(&token, &keys(&signer)), "{algorithm:?}");
        assert!(!verifies(
            &token,
            &keys(&Signer::generate(Algorithm::Es256).unwrap().with_kid(signer.kid().unwrap()))
        ));

        let pem = signer.to_pem().unwrap();
        let again = Signer::from_pem(algorithm, &format!("# a comment\n{}", &*pem)).unwrap();
        assert_eq!(again.public_jwks(), signer.public_jwks());
        assert!(verifies(&again.sign(None, &json!({})).unwrap(), &keys(&signer)));

        let printed = format!("{signer:?}");
        assert!(!printed.contains("PRIVATE") && printed.contains(signer.kid().unwrap()));
    }
}

#[test]
fn a_shared_secret_signs_and_is_not_published() {
    for (algorithm, length) in
        [(Algorithm::Hs256, 32), (Algorithm::Hs384, 48), (Algorithm::Hs512, 64)]
    {
        let secret = vec![7; length];
        let signer = Signer::from_secret(algorithm, &secret).unwrap();
        let token = signer.sign(None, &json!({})).unwrap();
        assert!(verifies(&token, &KeySet::from_secret(&secret).unwrap()));
        assert_eq!((signer.kid(), signer.public_jwks()), (None, json!({"keys": []})));
        assert_eq!(signer.to_pem().unwrap_err(), MintFault::WrongKey);
        assert_eq!(
            Signer::from_secret(algorithm, &secret[1..]).unwrap_err(),
            MintFault::SecretLength
        );
        assert_eq!(Signer::generate(algorithm).unwrap_err(), MintFault::SecretNeeded);
    }
}

#[test]
fn the_published_key_has_no_private_member() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es384, Algorithm::Ps256] {
        let jwks = Signer::generate(algorithm).unwrap().public_jwks();
        let mut names: Vec<_> =
            jwks["keys"][0].as_object().unwrap().keys().map(String::as_str).collect();
        names
            .retain(|name| !["kty", "crv", "x", "y", "n", "e", "kid", "use", "alg"].contains(name));
        assert!(names.is_empty(), "{names:?}");
    }
}

#[test]
fn a_key_of_another_kind_is_refused() {
    let ed = Signer::generate(Algorithm::EdDsa).unwrap().to_pem().unwrap();
    for algorithm in
        Algorithm::ALL.iter().copied().filter(|algorithm| *algorithm != Algorithm::EdDsa)
    {
        assert_eq!(
            Signer::from_pem(algorithm, &ed).unwrap_err(),
            MintFault::WrongKey,
            "{algorithm:?}"
        );
    }
    let p256 = Signer::generate(Algorithm::Es256).unwrap().to_pem().unwrap();
    assert_eq!(Signer::from_pem(Algorithm::Es384, &p256).unwrap_err(), MintFault::WrongKey);
    for pem in [
        "",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----",
    ] {
        assert_eq!(Signer::from_pem(Algorithm::EdDsa, pem).unwrap_err(), MintFault::NotPkcs8Pem);
    }
    let broken = ed.replace("MC4", "M=4");
    assert_eq!(Signer::from_pem(Algorithm::EdDsa, &broken).unwrap_err(), MintFault::NotPkcs8Pem);
}

#[test]
fn a_private_json_web_key_keeps_its_name() {
    let jwk = |members: &str| Signer::from_jwk(format!("{{{members}}}").as_bytes());
    let ed = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A""#;
    assert_eq!(jwk(&format!(r#"{ed},"kid":"mine""#)).unwrap().kid(), Some("mine"));
    let secret = format!(r#""kty":"oct","k":"{}""#, to_base64url(&[7; 32]));
    assert_eq!(jwk(&format!(r#"{secret},"alg":"HS256""#)).unwrap().algorithm(), Algorithm::Hs256);
    for members in [
        secret.as_str(),
        &format!(r#"{secret},"alg":"HS384""#),
        &format!(r#"{ed},"alg":"ES256""#),
        &format!(r#"{ed},"kid":1"#),
        &ed.replace("11q", "12q"),
        r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#,
        "",
    ] {
        assert!(jwk(members).is_err(), "{members}");
    }
}

#[test]
fn claims_are_an_object() {
    let signer = Signer::generate(Algorithm::EdDsa).unwrap();
    assert_eq!(signer.sign(None, &json!([])).unwrap_err(), MintFault::ClaimsNotObject);
}

#[test]
fn the_key_pair_of_rfc_8410_section_10() {
    let pem = "-----BEGIN PRIVATE KEY-----\r\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\r\n\
               -----END PRIVATE KEY-----\r\n";
    let signer = Signer::from_pem(Algorithm::EdDsa, pem).unwrap();
    let spki = data_encoding::BASE64
        .decode(b"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=")
        .unwrap();
    let x = signer.public_jwks()["keys"][0]["x"].clone();
    assert_eq!(x, to_base64url(&spki[spki.len() - 32..]));
}
