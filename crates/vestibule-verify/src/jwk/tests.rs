use serde_json::{Value, json};

use super::*;
use crate::{limits, mint::Signer};

const P256: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;
const ED: &str = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
const RSA: &str = r#""kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ""#;

fn read(entries: &str, symmetric: Symmetric) -> Result<KeySet, KeyFault> {
    KeySet::from_jwks(format!("{{\"keys\":[{entries}]}}").as_bytes(), symmetric)
}

/// What a set of one entry does, or why the entry was left out.
fn check(members: &str, expected: Result<&str, &str>) {
    let set = read(&format!("{{{members}}}"), Symmetric::Allowed).unwrap();
    let does: Vec<_> = set.keys().iter().flat_map(Key::algorithms).map(Algorithm::name).collect();
    match expected {
        Ok(algorithms) => assert_eq!(does.join(" "), algorithms, "{members} {:?}", set.ignored()),
        Err(reason) => {
            assert!(does.is_empty(), "{members}");
            let said = set.ignored()[0].to_string();
            assert!(said.contains(reason), "{members}: {said}");
        }
    }
}

fn secret(bytes: usize) -> String {
    format!(r#""kty":"oct","k":"{}""#, crate::encoding::to_base64url(&vec![7; bytes]))
}

#[test]
fn a_key_does_what_its_type_and_length_allow() {
    check(P256, Ok("ES256"));
    check(ED, Ok("EdDSA"));
    check(RSA, Ok("RS256 RS384 RS512 PS256 PS384 PS512"));
    check(&secret(32), Ok("HS256"));
    check(&secret(48), Ok("HS256 HS384"));
    check(&secret(64), Ok("HS256 HS384 HS512"));
    check(&secret(31), Err("shorter than 32"));
    check(r#""kty":"oct","k":"""#, Err("shorter than 32"));
}

#[test]
fn its_own_alg_narrows_a_key_to_one() {
    check(&format!(r#"{RSA},"alg":"PS384""#), Ok("PS384"));
    check(&format!(r#"{ED},"alg":"Ed25519""#), Ok("EdDSA"));
    check(&format!(r#"{ED},"alg":"EdDSA""#), Ok("EdDSA"));
    check(&format!(r#"{},"alg":"HS512""#, secret(64)), Ok("HS512"));
    check(&format!(r#"{},"alg":"HS512""#, secret(63)), Err("shorter than the hash of HS512"));
    check(&format!(r#"{P256},"alg":"ES384""#), Err("does not go with"));
    check(&format!(r#"{P256},"alg":"RS256""#), Err("does not go with"));
    check(&format!(r#"{RSA},"alg":"HS256""#), Err("does not go with"));
    check(&format!(r#"{RSA},"alg":"RSA-OAEP""#), Err("verifies no token"));
    check(&format!(r#"{RSA},"alg":"none""#), Err("verifies no token"));
    check(&format!(r#"{RSA},"alg":["RS256"]"#), Err("alg is not a string"));
}

#[test]
fn use_and_key_ops_are_honoured() {
    check(&format!(r#"{ED},"use":"sig","key_ops":["verify"]"#), Ok("EdDSA"));
    check(&format!(r#"{ED},"key_ops":["sign","verify"]"#), Ok("EdDSA"));
    check(&format!(r#"{ED},"use":"enc""#), Err("use \"enc\""));
    check(&format!(r#"{ED},"use":"Sig""#), Err("use \"Sig\""));
    check(&format!(r#"{ED},"use":1"#), Err("use is not a string"));
    check(&format!(r#"{ED},"key_ops":[]"#), Err("key_ops"));
    check(&format!(r#"{ED},"key_ops":["sign"]"#), Err("key_ops"));
    check(&format!(r#"{ED},"key_ops":"verify""#), Err("key_ops is not an array"));
    check(&format!(r#"{ED},"use":"sig","key_ops":["encrypt"]"#), Err("key_ops"));
}

#[test]
fn what_is_not_for_us_is_left_out_with_its_reason() {
    check(r#""kid":"a""#, Err("no kty"));
    check(r#""kty":"AKP","alg":"EdDSA""#, Err("kty \"AKP\""));
    check(r#""kty":"rsa""#, Err("kty \"rsa\""));
    check(r#""kty":"EC","crv":"P-521","x":"AA","y":"AA""#, Err("curve \"P-521\""));
    check(r#""kty":"EC","crv":"secp256k1","x":"AA","y":"AA""#, Err("curve \"secp256k1\""));
    check(r#""kty":"OKP","crv":"X25519","x":"AA""#, Err("curve \"X25519\""));
    check(r#""kty":"OKP","crv":"Ed448","x":"AA""#, Err("curve \"Ed448\""));
    check(r#""kty":"OKP","crv":"Ed25519","x":"AA""#, Err("32 bytes"));
    check(r#""kty":"OKP","crv":"Ed25519""#, Err("no x"));
    check(&ED.replace("RHo", "RH").replace("URo", "URo="), Err("not base64url"));
    check(&P256.replace("VEU", "VEV"), Err("not base64url"));
    check(&P256.replace("f83", "g83"), Err("not a point"));
    check(r#""kty":"EC","crv":"P-256","x":"AA","y":"AA""#, Err("the curve's length"));
    check(&format!(r#"{ED},"kid":7"#), Err("kid is not a string"));
    let set = read(&format!("1,null,\"x\",[],{{{ED}}}"), Symmetric::Refused).unwrap();
    assert_eq!((set.len(), set.ignored().len()), (1, 4));
}

#[test]
fn rsa_keys_have_a_sane_length_and_exponent() {
    let n = |bytes: usize, first: u8, last: u8| {
        let mut n = vec![0xa5; bytes];
        (n[0], n[bytes - 1]) = (first, last);
        n
    };
    let rsa = |n: &[u8], e: &[u8]| {
        let (n, e) = (crate::encoding::to_base64url(n), crate::encoding::to_base64url(e));
        format!(r#""kty":"RSA","alg":"RS256","n":"{n}","e":"{e}""#)
    };
    let f4 = &[1, 0, 1];
    check(&rsa(&n(256, 0x80, 1), f4), Ok("RS256"));
    check(&rsa(&n(1024, 0xff, 1), f4), Ok("RS256"));
    check(&rsa(&[&[0][..], &n(256, 0x80, 1)].concat(), f4), Ok("RS256"));
    check(&rsa(&[&[0, 0][..], &n(256, 0x80, 1)].concat(), f4), Err("leading zeros"));
    check(&rsa(&n(256, 0x7f, 1), f4), Err("2047 bits"));
    check(&rsa(&n(128, 0x80, 1), f4), Err("1024 bits"));
    check(&rsa(&n(1025, 1, 1), f4), Err("8193 bits"));
    check(&rsa(&[], f4), Err("n is empty"));
    check(&rsa(&n(256, 0x80, 2), f4), Err("n is even"));
    check(&rsa(&n(256, 0x80, 1), &[3]), Ok("RS256"));
    check(&rsa(&n(256, 0x80, 1), &[1]), Err("e is 1"));
    check(&rsa(&n(256, 0x80, 1), &[]), Err("e is empty"));
    check(&rsa(&n(256, 0x80, 1), &[0]), Err("e is empty or"));
    check(&rsa(&n(256, 0x80, 1), &[0, 1, 0, 1]), Err("leading zeros"));
    check(&rsa(&n(256, 0x80, 1), &[1, 0, 0]), Err("e is even"));
    check(&rsa(&n(256, 0x80, 1), &[1, 0, 0, 0, 1]), Err("e is too long"));
}

#[test]
fn no_secret_comes_over_a_network() {
    let set =
        read(&format!("{{{},\"kid\":\"s\"}},{{{ED}}}", secret(64)), Symmetric::Refused).unwrap();
    assert_eq!(set.len(), 1);
    assert!(set.ignored()[0].to_string().contains("(\"s\"): a shared secret"));
    assert!(set.candidates(None, Algorithm::Hs256).next().is_none());
}

#[test]
fn a_set_has_secrets_or_public_keys() {
    let mixed = format!("{{{}}},{{{ED}}}", secret(64));
    assert_eq!(read(&mixed, Symmetric::Allowed).unwrap_err(), KeyFault::Mixed);
}

#[test]
fn a_published_private_part_is_noted_and_not_used() {
    let set = read(
        &format!(r#"{{{ED},"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}}"#),
        Symmetric::Refused,
    )
    .unwrap();
    assert_eq!(set.len(), 1);
    assert!(set.notes()[0].reason.contains("private part"));
}

#[test]
fn a_set_that_is_none_is_a_fault() {
    for (json, reason) in [
        ("", "EOF"),
        ("[]", "not a JSON object"),
        ("{}", "no member `keys`"),
        (r#"{"keys":{}}"#, "not an array"),
        (r#"{"kty":"OKP"}"#, "a single key"),
        (r#"{"keys":[],"keys":[]}"#, "occurs twice"),
        (r#"{"keys":[{"kty":"oct","k":"AAAA","k":"AAAA"}]}"#, "member \"k\" occurs twice"),
    ] {
        let fault = KeySet::from_jwks(json.as_bytes(), Symmetric::Allowed).unwrap_err();
        assert!(fault.to_string().contains(reason), "{json}: {fault}");
    }
    let huge = format!("{{\"keys\":[],\"a\":\"{}\"}}", "a".repeat(limits::KEY_SET_BYTES));
    assert_eq!(
        KeySet::from_jwks(huge.as_bytes(), Symmetric::Refused).unwrap_err(),
        KeyFault::TooLarge
    );
    assert_eq!(KeySet::from_secret(&[7; 31]).unwrap_err(), KeyFault::SecretTooShort);
    assert_eq!(
        KeySet::from_secret(&vec![7; limits::SECRET_BYTES + 1]).unwrap_err(),
        KeyFault::TooLarge
    );
    assert!(read("", Symmetric::Refused).unwrap().is_empty());
}

#[test]
fn candidates_are_the_named_keys_else_the_unnamed_and_few() {
    let named = |kid: &str| format!("{{{ED},\"kid\":\"{kid}\"}}");
    let set = read(
        &[
            named("a"),
            named("b"),
            named("b"),
            format!("{{{ED}}}"),
            format!("{{{P256},\"kid\":\"a\"}}"),
        ]
        .join(","),
        Symmetric::Refused,
    )
    .unwrap();
    let kids = |kid: Option<&str>| -> Vec<_> {
        set.candidates(kid, Algorithm::EdDsa).map(|key| key.kid().unwrap_or("-")).collect()
    };
    assert_eq!(kids(Some("a")), ["a"]);
    assert_eq!(kids(Some("b")), ["b", "b"]);
    assert_eq!(kids(Some("c")), ["-"]);
    assert_eq!(kids(Some("")), ["-"]);
    assert_eq!(kids(None), ["a", "b", "b", "-"]);
    assert!(set.has_kid("b") && !set.has_kid("c"));
    assert_eq!(set.notes().len(), 2, "{:?}", set.notes());

    let many = vec![format!("{{{ED}}}"); limits::KEYS + 9].join(",");
    let set = read(&many, Symmetric::Refused).unwrap();
    assert_eq!((set.len(), set.ignored().len()), (limits::KEYS, 1));
    assert_eq!(set.candidates(None, Algorithm::EdDsa).count(), limits::CANDIDATES);
}

#[test]
fn a_key_verifies_only_by_an_algorithm_it_does() {
    let signer = Signer::generate(Algorithm::Es256).unwrap();
    let set =
        KeySet::from_jwks(signer.public_jwks().to_string().as_bytes(), Symmetric::Refused).unwrap();
    let token = signer.sign(None, &json!({})).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = crate::encoding::base64url(signature.as_bytes()).unwrap();
    for algorithm in Algorithm::ALL {
        let verifies = set.keys()[0].verifies(*algorithm, signed.as_bytes(), &signature);
        assert_eq!(verifies, *algorithm == Algorithm::Es256, "{algorithm:?}");
    }
}

#[test]
fn nothing_prints_a_secret() {
    let text = crate::encoding::to_base64url(&[7; 64]);
    let set = read(&format!("{{{}}}", secret(64)), Symmetric::Allowed).unwrap();
    for printed in [format!("{set:?}"), format!("{:?}", KeySet::from_secret(&[7; 64]))] {
        assert!(!printed.contains(&text) && !printed.contains("7, 7"), "{printed}");
    }
    let mut value: Value = json!({"k": text, "a": [text.clone()], "n": 1});
    crate::encoding::wipe(&mut value);
    assert_eq!(value, json!({"k": "", "a": [""], "n": 1}));
}
