//! Public vectors: `tests/vectors/README.md` says where they come from.

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use vestibule_verify::{
        jwk::{KeySet, Symmetric},
        jws::Jws,
        jwt::Algorithm,
        mint::Signer,
    };

    fn read(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn payload(jwks: &Value, token: &str) -> Result<Vec<u8>, String> {
        let keys = KeySet::from_jwks(jwks.to_string().as_bytes(), Symmetric::Allowed)
            .map_err(|fault| fault.to_string())?;
        let jws = Jws::parse(token.as_bytes()).map_err(|refused| refused.rejection.to_string())?;
        jws.verified(&keys, Algorithm::ALL).map_err(|refused| refused.rejection.to_string())?;
        Ok(jws.payload().to_vec())
    }

    fn check(text: &str, tokens: usize) {
        let vectors = read(text);
        let vectors = vectors["tokens"].as_array().unwrap();
        assert_eq!(vectors.len(), tokens);
        for vector in vectors {
            let result = payload(&vector["jwks"], vector["token"].as_str().unwrap());
            let expected = match vector["expect"].as_str().unwrap() {
                "accept" => Ok(vector["payload"].as_str().unwrap().as_bytes().to_vec()),
                label => Err(label.to_owned()),
            };
            assert_eq!(result, expected, "{}", vector["source"]);
        }
    }

    #[test]
    fn the_examples_of_the_rfcs() {
        check(include_str!("vectors/rfc.json"), 10);
    }

    #[test]
    fn another_implementation_signs_with_each_algorithm() {
        check(include_str!("vectors/foreign.json"), 13);
    }

    #[test]
    fn the_private_keys_of_the_rfcs_sign_and_have_their_thumbprints() {
        let vectors = read(include_str!("vectors/rfc.json"));
        for key in vectors["private_keys"].as_array().unwrap() {
            let signer = Signer::from_jwk(key["jwk"].to_string().as_bytes()).unwrap();
            if let Some(thumbprint) = key["thumbprint"].as_str() {
                assert_eq!(signer.kid(), Some(thumbprint));
            }
            let token = signer.sign(None, &read("{}")).unwrap();
            assert_eq!(payload(&signer.public_jwks(), &token).unwrap(), b"{}");
        }
        // RFC 8037 A.4: Ed25519 signatures are deterministic.
        let key = &vectors["private_keys"][1]["jwk"];
        let signer = Signer::from_jwk(key.to_string().as_bytes()).unwrap();
        let token = signer.dangerous_sign(br#"{"alg":"EdDSA"}"#, b"Example of Ed25519 signing");
        assert_eq!(token.unwrap(), vectors["tokens"][5]["token"].as_str().unwrap());
    }

    #[test]
    fn wycheproof() {
        let vectors = read(include_str!("vectors/wycheproof.json"));
        let (mut accepted, mut refused) = (0, 0);
        for group in vectors["groups"].as_array().unwrap() {
            for test in group["tests"].as_array().unwrap() {
                let result = payload(&group["jwks"], test["token"].as_str().unwrap());
                let name = format!("{} {}: {result:?}", test["id"], test["comment"]);
                match test["expect"].as_str().unwrap() {
                    "accept" => accepted += usize::from(result.is_ok()),
                    _ => refused += usize::from(result.is_err()),
                }
                assert_eq!(result.is_ok(), test["expect"] == "accept", "{name}");
            }
        }
        assert_eq!((accepted, refused), (44, 380));
    }

    /// What is refused must be refused for the reason it was made for, or the test shows nothing.
    #[test]
    fn wycheproofs_bad_keys_are_left_out_when_the_set_is_read() {
        let vectors = read(include_str!("vectors/wycheproof.json"));
        let set_of = |id: &str| {
            let groups = vectors["groups"].as_array().unwrap();
            let has =
                |group: &&Value| group["tests"].as_array().unwrap().iter().any(|t| t["id"] == id);
            let jwks = groups.iter().find(has).unwrap()["jwks"].to_string();
            KeySet::from_jwks(jwks.as_bytes(), Symmetric::Allowed)
        };
        assert!(set_of("key-1").is_err(), "secrets beside public keys");
        for (id, reason) in [
            ("key-7", "ROCA"),
            ("key-8", "an RSA key of 1024 bits"),
            ("key-9", "e is 1"),
            ("key-10", "shorter than 32"),
            ("key-11", "shorter than"),
            ("key-16", "shorter than 32"),
            ("key-19", "alg \"ES521\""),
            ("key-20", "alg \"ES224\""),
            ("key-21", "use \"enc\""),
            ("key-22", "not a point on the curve"),
            ("key-23", "the curve's length"),
            ("key-24", "no n"),
            ("key-25", "verifies no token"),
            ("signature-353", "use \"enc\""),
            ("signature-355", "key_ops"),
        ] {
            let set = set_of(id).unwrap();
            assert!(set.is_empty(), "{id}");
            let said = set.ignored()[0].to_string();
            assert!(said.contains(reason), "{id}: {said}");
        }
    }
}
