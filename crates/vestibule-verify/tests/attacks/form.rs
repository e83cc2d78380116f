//! How a token is written: one spelling, nothing twice, bounded.

use serde_json::json;
use vestibule_core::rejection::Rejection;

use super::issuer::{CLAIMS, ED, ES, RSA, accepted, good, refused, signed};

#[test]
fn the_honest_token_passes() {
    accepted(&good());
    accepted(&signed(r#"{"alg":"Ed25519","kid":"ed"}"#, CLAIMS));
    accepted(&signed(r#"{"alg":"EdDSA"}"#, CLAIMS));
    accepted(&signed(" {\"alg\" : \"EdDSA\" }\r\n", CLAIMS));
    for signer in [&*ED, &*ES, &*RSA] {
        accepted(&signer.sign(Some("at+jwt"), &serde_json::from_str(CLAIMS).unwrap()).unwrap());
    }
}

#[test]
fn one_spelling_alone() {
    let good = good();
    let (head, tail) = good.split_once('.').unwrap();
    let (body, signature) = tail.split_once('.').unwrap();
    let no = Rejection::TokenMalformed;
    for token in [
        format!("{good}="),
        format!("{good}=="),
        format!("{head}=.{body}.{signature}"),
        format!("{head}.{body}=.{signature}"),
        format!(" {good}"),
        format!("{good} "),
        format!("{good}\n"),
        format!("{head}\n.{body}.{signature}"),
        format!("{head}. {body}.{signature}"),
        format!("Bearer {good}"),
        format!("{good}."),
        format!(".{good}"),
        format!("{head}..{body}.{signature}"),
        format!("{good}.{signature}"),
        format!("{head}.{body}"),
        format!("{head}.{body}.{signature}\0"),
        format!(".{body}.{signature}"),
        format!("{head}.{body}.+/{}", signature.split_at(2).1),
        format!("{head}.{body}.é{}", signature.split_at(2).1),
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "opaque-token".to_owned(),
        json!({"payload": body, "protected": head, "signature": signature}).to_string(),
    ] {
        refused(&token, no, "");
    }
    refused(&format!("{head}..{signature}"), no, "the claims are not a JSON object");
    refused("a.b.c.d.e", no, "encrypted");
    refused("opaque-token", no, "opaque token perhaps");
    // 64 bytes end in two characters of which the last has four spare bits.
    for last in "BCDEFGHIJKLMNOP".chars() {
        let bits = signature.chars().last().unwrap();
        let base = "AQgw".contains(bits);
        assert!(base, "a signature ends in A, Q, g or w");
        if bits == 'A' {
            refused(
                &format!("{head}.{body}.{}{last}", signature.split_at(85).0),
                no,
                "not base64url",
            );
        }
    }
    let bent = char::from(signature.as_bytes()[85] + 1);
    refused(&format!("{head}.{body}.{}{bent}", signature.split_at(85).0), no, "not base64url");
}

#[test]
fn nothing_is_said_twice() {
    for header in [
        r#"{"alg":"none","alg":"EdDSA"}"#,
        r#"{"alg":"EdDSA","alg":"EdDSA"}"#,
        r#"{"alg":"EdDSA","a\u006cg":"none"}"#,
        r#"{"\u0061lg":"EdDSA","alg":"none"}"#,
        r#"{"alg":"EdDSA","jwk":{"kty":"OKP","kty":"oct"}}"#,
        r#"{"alg":"EdDSA","x":[{"y":1,"y":2}]}"#,
        r#"{"alg":"EdDSA","kid":"ed","kid":"es"}"#,
    ] {
        refused(&signed(header, CLAIMS), Rejection::TokenMalformed, "occurs twice");
    }
    for claims in [
        r#"{"iss":"https://idp","aud":"chat","sub":"alice","sub":"root","exp":2000}"#,
        r#"{"iss":"https://idp","aud":"chat","sub":"alice","s\u0075b":"root","exp":2000}"#,
        r#"{"iss":"https://idp","aud":"chat","sub":"alice","exp":2000,"exp":9000}"#,
        r#"{"iss":"https://idp","aud":"chat","sub":"alice","exp":2000,"a":{"b":1,"b":2}}"#,
    ] {
        refused(&signed(r#"{"alg":"EdDSA"}"#, claims), Rejection::TokenMalformed, "occurs twice");
    }
}

#[test]
fn claims_and_header_are_objects() {
    for text in ["", "null", "[]", "\"a\"", "1", "{", "{}{}", "\u{feff}{}", "{\"exp\":2000,}"] {
        refused(
            &signed(r#"{"alg":"EdDSA"}"#, text),
            Rejection::TokenMalformed,
            "not a JSON object",
        );
        refused(&signed(text, CLAIMS), Rejection::TokenMalformed, "not a JSON object");
    }
    let token = ED.dangerous_sign(br#"{"alg":"EdDSA"}"#, b"{\"sub\":\"\xff\"}").unwrap();
    refused(&token, Rejection::TokenMalformed, "not a JSON object");
    for header in [
        r#"{"alg":"EdDSA","typ":1}"#,
        r#"{"alg":"EdDSA","kid":1}"#,
        r#"{"alg":"EdDSA","kid":null}"#,
    ] {
        refused(&signed(header, CLAIMS), Rejection::TokenMalformed, "is not a string");
    }
}

#[test]
fn what_is_critical_is_never_understood() {
    for crit in [
        r#"["urn:x"]"#,
        r#"["b64"]"#,
        r#"["exp"]"#,
        "[]",
        "null",
        r#""exp""#,
        "{}",
        "[1]",
        r#"["alg"]"#,
    ] {
        let token =
            signed(&format!(r#"{{"alg":"EdDSA","crit":{crit},"b64":true,"urn:x":1}}"#), CLAIMS);
        refused(&token, Rejection::TokenCritical, "crit");
    }
    let token = signed(r#"{"alg":"EdDSA","cr\u0069t":["x"]}"#, CLAIMS);
    refused(&token, Rejection::TokenCritical, "crit demands what is not understood: \"x\"");
    for b64 in ["false", "null", "0", "\"true\""] {
        let token = signed(&format!(r#"{{"alg":"EdDSA","b64":{b64}}}"#), CLAIMS);
        refused(&token, Rejection::TokenCritical, "b64");
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let pad = |bytes: usize| CLAIMS.replace('}', &format!(",\"p\":\"{}\"}}", "p".repeat(bytes)));
    accepted(&signed(r#"{"alg":"EdDSA"}"#, &pad(8_000)));
    refused(&signed(r#"{"alg":"EdDSA"}"#, &pad(10_000)), Rejection::TokenMalformed, "longer than");
    refused(&".".repeat(10_000_000), Rejection::TokenMalformed, "longer than");
    refused(&".".repeat(12_000), Rejection::TokenMalformed, "12001 parts");
    let deep = |depth: usize| {
        CLAIMS.replace('}', &format!(",\"p\":{}{}}}", "[".repeat(depth), "]".repeat(depth)))
    };
    accepted(&signed(r#"{"alg":"EdDSA"}"#, &deep(20)));
    for depth in [32, 127, 128, 4_000] {
        refused(
            &signed(r#"{"alg":"EdDSA"}"#, &deep(depth)),
            Rejection::TokenMalformed,
            "not a JSON object",
        );
    }
    let deep_object = format!("{}{}", "{\"a\":".repeat(1_000), "}".repeat(1_000));
    refused(&signed(&deep_object, CLAIMS), Rejection::TokenMalformed, "");
}
