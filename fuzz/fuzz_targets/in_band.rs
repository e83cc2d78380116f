//! One message of the in-band protocol: what is taken for one is one to every other reader of JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_core::authn::message::ClientMessage;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = ClientMessage::parse(bytes) else { return };
    let value: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
    let object = value.as_object().expect("an object");
    assert_eq!(object.len(), 1);
    let auth = object["auth"].as_object().expect("an object");
    let (kind, credential) = match &message {
        ClientMessage::Authenticate(credential) => ("authenticate", Some(credential)),
        ClientMessage::Refresh(credential) => ("refresh", Some(credential)),
        ClientMessage::Logout => ("logout", None),
    };
    assert_eq!(auth["type"], kind);
    let Some(credential) = credential else { return };
    assert_eq!(auth.len(), 3);
    assert_eq!(auth["mechanism"], credential.mechanism.name());
    let token = auth["token"].as_str().expect("a string");
    assert_eq!(token.as_bytes(), credential.secret.expose());
    assert!(token.len() < 24 || !format!("{message:?}").contains(token));
});
