//! One message that carries its own credential: what is taken for an envelope is one to another
//! reader of JSON, which finds the same token and the same bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::value::RawValue;
use vestibule_core::authn::{Envelope, Mechanism};

const MOST: usize = 64 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Other<'a> {
    auth: Auth,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Auth {
    token: String,
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(envelope) = Envelope::parse(bytes, MOST) else { return };
    let Envelope { credential, data } = &envelope;
    let other: Other<'_> = serde_json::from_slice(bytes).expect("an envelope");
    assert_eq!(other.auth.token.as_bytes(), credential.secret.expose());
    assert_eq!(other.data.get().as_bytes(), *data);
    assert_eq!(credential.mechanism, Mechanism::of_token(other.auth.token.as_bytes()));
    assert!(bytes.len() <= MOST);
    let token = &other.auth.token;
    assert!(token.len() < 24 || !format!("{:?}", credential).contains(token.as_str()));
    // What is in there is one by itself, and again when it is carried anew.
    let again = [b"{\"data\":".as_slice(), data, b",\"auth\":{\"token\":\"t\"}}"].concat();
    if let Ok(again) = Envelope::parse(&again, usize::MAX) {
        assert_eq!(again.data, *data);
    } else {
        panic!("data is no value by itself");
    }
});
