//! One message of the in-band protocol: what is taken for one is one to every other reader of JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_core::authn::{Mechanism, Response, message::ClientMessage};

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = ClientMessage::parse(bytes) else { return };
    let value: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
    let object = value.as_object().expect("an object");
    assert_eq!(object.len(), 1);
    let auth = object["auth"].as_object().expect("an object");
    let (kind, member, secret) = match &message {
        ClientMessage::Authenticate(credential) | ClientMessage::Refresh(credential) => {
            let kind = match &message {
                ClientMessage::Refresh(_) => "refresh",
                _ => "authenticate",
            };
            assert_eq!(auth["mechanism"], credential.mechanism.name());
            let member = match credential.mechanism {
                Mechanism::PublicKey => "key",
                Mechanism::Webauthn => "user",
                Mechanism::ScramSha256 | Mechanism::ScramSha256Plus | Mechanism::OauthBearer => {
                    "message"
                }
                _ => "token",
            };
            if auth.len() == 2 {
                assert_eq!(auth["type"], kind);
                assert!(credential.secret.expose().is_empty());
                assert!(matches!(
                    credential.mechanism,
                    Mechanism::Webauthn | Mechanism::External
                ));
                return;
            }
            assert_eq!(auth.len(), 3);
            assert_ne!(credential.mechanism, Mechanism::External);
            (kind, member, &credential.secret)
        }
        ClientMessage::Respond(response) => {
            assert_eq!(auth.len(), 2);
            match response {
                Response::Message(secret) => ("respond", "message", secret),
                Response::Signature(secret) => ("respond", "signature", secret),
                Response::SshSig(secret) => ("respond", "sshsig", secret),
                Response::Assertion(secret) => ("respond", "assertion", secret),
                Response::Proof(secret) => ("respond", "proof", secret),
            }
        }
        ClientMessage::Logout => {
            assert_eq!(auth["type"], "logout");
            return;
        }
    };
    assert_eq!(auth["type"], kind);
    let text = if member == "assertion" {
        let again: serde_json::Value = serde_json::from_slice(secret.expose()).expect("JSON");
        assert!(again.is_object() && again == auth[member]);
        core::str::from_utf8(secret.expose()).expect("text")
    } else {
        let text = auth[member].as_str().expect("a string");
        assert_eq!(text.as_bytes(), secret.expose());
        text
    };
    assert!(text.len() < 24 || !format!("{message:?}").contains(text));
});
