//! Forged, bent and ambiguous tokens, each refused for its own reason. They go in by the front
//! door: the public API alone.

#[cfg(test)]
mod tests {
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

    const NOW: UnixTime = UnixTime::from_secs(1_000);
    const CLAIMS: &str = r#"{"iss":"https://idp","aud":"chat","sub":"alice","exp":2000}"#;

    static ED: LazyLock<Signer> =
        LazyLock::new(|| Signer::generate(Algorithm::EdDsa).unwrap().with_kid("ed"));
    static ES: LazyLock<Signer> =
        LazyLock::new(|| Signer::generate(Algorithm::Es256).unwrap().with_kid("es"));
    static RSA: LazyLock<Signer> =
        LazyLock::new(|| Signer::generate(Algorithm::Rs256).unwrap().with_kid("rsa"));

    fn jwk(signer: &Signer) -> Value {
        signer.public_jwks()["keys"][0].clone()
    }

    fn set(jwks: &Value) -> KeySet {
        KeySet::from_jwks(json!({"keys": jwks}).to_string().as_bytes(), Symmetric::Allowed).unwrap()
    }

    fn issuer() -> KeySet {
        set(&json!([jwk(&ED), jwk(&ES), jwk(&RSA)]))
    }

    fn expected() -> Expectations {
        Expectations::new("https://idp", ["chat"])
    }

    fn verify(token: &[u8], keys: &KeySet, expected: &Expectations) -> Result<String, Refused> {
        let token = Unverified::parse(token)?;
        jwt::verify(&token, keys, expected, NOW)
            .map(|verified| verified.principal().subject.to_string())
    }

    /// The issuer's keys refuse the token by that name and for that reason.
    fn refused(token: &str, rejection: Rejection, reason: &str) {
        let refused = verify(token.as_bytes(), &issuer(), &expected()).expect_err(token);
        assert_eq!(refused.rejection, rejection, "{token}: {refused}");
        assert!(refused.reason.contains(reason), "{token}: {refused}");
        assert!(refused.reason.chars().all(|character| !character.is_control()), "{refused:?}");
        if token.len() > 40 {
            let tail = &token[token.len() - 16..];
            assert!(!refused.reason.contains(tail), "the reason repeats the token: {refused}");
        }
    }

    fn accepted(token: &str) {
        assert_eq!(verify(token.as_bytes(), &issuer(), &expected()).unwrap(), "alice", "{token}");
    }

    fn encoded(bytes: impl AsRef<[u8]>) -> String {
        BASE64URL_NOPAD.encode(bytes.as_ref())
    }

    /// Signed by the issuer's Ed25519 key, whatever it says.
    fn signed(header: &str, claims: &str) -> String {
        ED.dangerous_sign(header.as_bytes(), claims.as_bytes()).unwrap()
    }

    fn good() -> String {
        signed(r#"{"alg":"EdDSA","kid":"ed"}"#, CLAIMS)
    }

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
        let token =
            forger.dangerous_sign(header.to_string().as_bytes(), CLAIMS.as_bytes()).unwrap();
        refused(&token, Rejection::TokenKeyUnknown, "the issuer has no key");
        // A genuine token may carry them; they are not looked at.
        accepted(&signed(
            r#"{"alg":"EdDSA","kid":"ed","jku":"https://evil/","jwk":{"kty":"oct"},"x5c":7}"#,
            CLAIMS,
        ));
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
            refused(
                &signed(r#"{"alg":"EdDSA"}"#, claims),
                Rejection::TokenMalformed,
                "occurs twice",
            );
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
            format!("{head}.{body}.+/{}", &signature[2..]),
            format!("{head}.{body}.é{}", &signature[2..]),
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
                refused(&format!("{head}.{body}.{}{last}", &signature[..85]), no, "not base64url");
            }
        }
        let bent = char::from(signature.as_bytes()[85] + 1);
        refused(&format!("{head}.{body}.{}{bent}", &signature[..85]), no, "not base64url");
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
    fn size_and_depth_are_bounded() {
        let pad =
            |bytes: usize| CLAIMS.replace('}', &format!(",\"p\":\"{}\"}}", "p".repeat(bytes)));
        accepted(&signed(r#"{"alg":"EdDSA"}"#, &pad(8_000)));
        refused(
            &signed(r#"{"alg":"EdDSA"}"#, &pad(10_000)),
            Rejection::TokenMalformed,
            "longer than",
        );
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

    #[test]
    fn the_named_key_signs_or_nobody() {
        let no = Rejection::TokenSignature;
        let other = Signer::generate(Algorithm::EdDsa).unwrap().with_kid("ed");
        refused(
            &other.sign(None, &serde_json::from_str(CLAIMS).unwrap()).unwrap(),
            no,
            "kid \"ed\"",
        );
        // A genuine signature of the issuer's Ed25519 key under the name of another key.
        let token = signed(r#"{"alg":"EdDSA","kid":"es"}"#, CLAIMS);
        refused(
            &token,
            Rejection::TokenAlgorithm,
            "key \"es\" is for \"ES256\", the token says EdDSA",
        );
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
        let refused = verify(signed(r#"{"alg":"EdDSA"}"#, CLAIMS).as_bytes(), &alone, &expected())
            .unwrap_err();
        assert_eq!(refused.rejection, Rejection::TokenKeyUnknown);
        assert!(refused.reason.contains("names no key"), "{refused}");
    }

    #[test]
    fn a_key_that_was_left_out_says_why() {
        let mut weak = jwk(&ED);
        weak["use"] = "enc".into();
        let refused = verify(good().as_bytes(), &set(&json!([weak])), &expected()).unwrap_err();
        assert_eq!(refused.rejection, Rejection::TokenKeyUnknown);
        assert_eq!(
            refused.reason,
            "key \"ed\" of the issuer was left out: use \"enc\" is not \"sig\""
        );
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
        let mut others: Vec<Value> = (0..7)
            .map(|_| jwk(&Signer::generate(Algorithm::EdDsa).unwrap().with_kid("ed")))
            .collect();
        others.push(jwk(&ED));
        assert!(verify(good().as_bytes(), &set(&json!(others)), &expected()).is_ok());
        others.insert(0, jwk(&old));
        let no = verify(good().as_bytes(), &set(&json!(others)), &expected()).unwrap_err();
        assert_eq!(no.rejection, Rejection::TokenSignature);
    }

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
        for claims in [
            old.as_str(),
            r#"{"exp":1}"#,
            r#"{"exp":"x"}"#,
            r#"{"aud":[1],"iss":"x","exp":1}"#,
            "{}",
        ] {
            let token = forger
                .dangerous_sign(br#"{"alg":"EdDSA","kid":"ed","typ":"x"}"#, claims.as_bytes());
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
}
