//! The vectors of Web Authentication Level 3, section 16: `tests/vectors/README.md`.

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
    use serde_json::{Value, json};
    use vestibule_verify::webauthn::{
        Assertion, Authenticated, Challenge, Credential, ExpectedUser, Framing, Registration,
        RelyingParty, UserVerification,
    };

    const HANDLE: &[u8] = b"a user";

    fn vectors() -> Vec<Value> {
        serde_json::from_str(include_str!("vectors/webauthn.json")).unwrap()
    }

    fn bytes(value: &Value) -> Vec<u8> {
        HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
    }

    /// Hexadecimal to base64url.
    fn base64url(value: &Value) -> String {
        BASE64URL_NOPAD.encode(&bytes(value))
    }

    fn challenge(value: &Value) -> Challenge {
        Challenge::new(bytes(value).try_into().unwrap())
    }

    fn party(vector: &Value, framing: Framing) -> RelyingParty {
        let text = |name: &str| vector[name].as_str().unwrap();
        RelyingParty::new(text("rp_id"), [text("origin")])
            .with_verification(UserVerification::Optional)
            .with_framing(framing)
    }

    fn register(vector: &Value, framing: Framing) -> Result<Credential, String> {
        let registration = &vector["registration"];
        let id = base64url(&registration["credential_id"]);
        let response = json!({
            "id": id, "rawId": id, "type": "public-key", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": base64url(&registration["client_data"]),
                "attestationObject": base64url(&registration["attestation_object"]),
            },
        });
        let response = Registration::parse(response.to_string().as_bytes()).unwrap();
        party(vector, framing)
            .register(challenge(&registration["challenge"]), &response, HANDLE)
            .map_err(|refused| refused.reason)
    }

    fn authenticate(
        vector: &Value,
        framing: Framing,
        credential: &Credential,
    ) -> Result<Authenticated, String> {
        let authentication = &vector["authentication"];
        let response = json!({
            "id": base64url(&vector["registration"]["credential_id"]), "type": "public-key",
            "response": {
                "clientDataJSON": base64url(&authentication["client_data"]),
                "authenticatorData": base64url(&authentication["authenticator_data"]),
                "signature": base64url(&authentication["signature"]),
                "userHandle": BASE64URL_NOPAD.encode(HANDLE),
            },
        });
        let response = Assertion::parse(response.to_string().as_bytes()).unwrap();
        let challenge = challenge(&authentication["challenge"]);
        party(vector, framing)
            .authenticate(challenge, &response, Some(credential), ExpectedUser::Discovered)
            .map_err(|refused| refused.reason)
    }

    #[test]
    fn every_vector_registers_and_authenticates() {
        for vector in vectors() {
            let name = vector["name"].as_str().unwrap();
            let credential = register(&vector, Framing::ByAnybody)
                .unwrap_or_else(|reason| panic!("{name}: {reason}"));
            assert_eq!(*credential.id, *bytes(&vector["registration"]["credential_id"]), "{name}");
            let authenticated = authenticate(&vector, Framing::ByAnybody, &credential)
                .unwrap_or_else(|reason| panic!("{name}: {reason}"));
            assert_eq!(authenticated.sign_count(), 0, "{name}");
        }
    }

    #[test]
    fn frames_of_other_pages_are_allowed_where_that_was_said() {
        let by = |origin: &str| Framing::By(Box::new([origin.into()]));
        for vector in vectors() {
            let name = vector["name"].as_str().unwrap();
            let outcome = |framing: Framing| register(&vector, framing).is_ok();
            let framed = name.ends_with("crossOrigin");
            let framed_by_known = name.ends_with("topOrigin");
            assert_eq!(outcome(Framing::Refused), !framed && !framed_by_known, "{name}");
            assert_eq!(outcome(by("https://example.com")), !framed, "{name}");
            assert_eq!(outcome(by("https://evil.example")), !framed && !framed_by_known, "{name}");
            assert!(outcome(Framing::ByAnybody), "{name}");
        }
    }

    #[test]
    fn the_key_of_another_vector_does_not_verify() {
        let vectors = vectors();
        for (vector, other) in vectors.iter().zip(vectors.iter().skip(1)) {
            let credential = register(vector, Framing::ByAnybody).unwrap();
            let other = register(other, Framing::ByAnybody).unwrap();
            let crossed = Credential { key: other.key, ..credential };
            assert!(authenticate(vector, Framing::ByAnybody, &crossed).is_err());
        }
    }
}
