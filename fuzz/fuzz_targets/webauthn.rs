//! What strangers say about passkeys: no panic, what is registered is read again as the same, and no
//! signature is right.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_verify::webauthn::{
    Assertion, Backup, Challenge, Credential, CredentialKey, ExpectedUser, Framing, Registration,
    RelyingParty, UserVerification,
};

// Encoded here, so that the fuzzer need not learn Base64.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let sum = chunk.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        let sum = sum << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let digit = usize::try_from(sum >> (18 - 6 * place) & 63).expect("small");
            out.push(char::from(ALPHABET[digit]));
        }
    }
    out
}

// The first byte chooses: JSON of a browser, an attestation object, authenticator data, a key.
fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else { return };
    let party = RelyingParty::new("example.org", ["https://example.org"])
        .with_framing(Framing::ByAnybody)
        .with_verification(UserVerification::Optional);
    let challenge = || Challenge::new([0; 32]);
    let page = |kind: &str| {
        let text = format!(
            r#"{{"type":"{kind}","challenge":"{}","origin":"https://example.org"}}"#,
            challenge()
        );
        base64url(text.as_bytes())
    };
    match choice % 4 {
        0 => {
            if let Ok(response) = Registration::parse(data) {
                drop(party.register(challenge(), &response, b"user"));
            }
            if let Ok(response) = Assertion::parse(data) {
                assert!(
                    party
                        .authenticate(challenge(), &response, None, ExpectedUser::Discovered)
                        .is_err()
                );
            }
        }
        1 => {
            let json = format!(
                r#"{{"id":"{}","type":"public-key","response":{{"clientDataJSON":"{}","attestationObject":"{}"}}}}"#,
                base64url(b"0123456789abcdef"),
                page("webauthn.create"),
                base64url(data)
            );
            let Ok(response) = Registration::parse(json.as_bytes()) else { return };
            let Ok(credential) = party.register(challenge(), &response, b"user") else { return };
            let cose = credential.key.as_cose();
            assert_eq!(CredentialKey::from_cose(cose).expect("read again").as_cose(), cose);
        }
        2 => {
            // The key of test 1 in RFC 8032 section 7.1.
            const KEY: &[u8] = b"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20\xd7\x5a\x98\x01\x82\xb1\x0a\
                \xb7\xd5\x4b\xfe\xd3\xc9\x64\x07\x3a\x0e\xe1\x72\xf3\xda\xa6\x23\x25\xaf\x02\x1a\x68\xf7\
                \x07\x51\x1a";
            let credential = Credential {
                id: (*b"0123456789abcdef").into(),
                key: CredentialKey::from_cose(KEY).expect("a key"),
                sign_count: 0,
                backup: Backup::OneDevice,
                user_handle: (*b"user").into(),
            };
            let (signature, data) = data.split_at(data.len().min(64));
            let json = format!(
                r#"{{"id":"{}","type":"public-key","response":{{"clientDataJSON":"{}","authenticatorData":"{}","signature":"{}"}}}}"#,
                base64url(&credential.id),
                page("webauthn.get"),
                base64url(data),
                base64url(signature)
            );
            let Ok(response) = Assertion::parse(json.as_bytes()) else { return };
            let user = ExpectedUser::Named(b"user");
            assert!(party.authenticate(challenge(), &response, Some(&credential), user).is_err());
        }
        _ => {
            if let Ok(key) = CredentialKey::from_cose(data) {
                assert_eq!(key.as_cose(), data);
            }
        }
    }
});
