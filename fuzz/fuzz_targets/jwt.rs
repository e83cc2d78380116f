//! Tokens and key sets of strangers: no panic, and nobody gets in without a signature.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vestibule_core::time::UnixTime;
use vestibule_verify::{
    jwk::{KeySet, Symmetric},
    jwt::{self, Algorithm, Expectations, Unverified},
    mint::Signer,
};

static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let signer = Signer::generate(Algorithm::EdDsa).expect("a new key");
    KeySet::from_jwks(signer.public_jwks().to_string().as_bytes(), Symmetric::Refused)
        .expect("our own set")
});

static EXPECTED: LazyLock<Expectations> = LazyLock::new(|| Expectations {
    issuer: None,
    algorithms: Algorithm::ALL.into(),
    ..Expectations::new("fuzz", [])
});

// The first byte chooses: a token, or a key set with a token after the first line end.
fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else { return };
    let now = UnixTime::from_secs(1_000_000);
    if choice % 2 == 0 {
        if let Ok(token) = Unverified::parse(data) {
            jwt::inspect(data).expect("what parses can be looked at");
            assert!(jwt::verify(&token, &KEYS, &EXPECTED, now).is_err());
        }
        return;
    }
    let (set, token) = match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => data.split_at(end),
        None => (data, &[][..]),
    };
    for symmetric in [Symmetric::Refused, Symmetric::Allowed] {
        if let (Ok(keys), Ok(token)) = (
            KeySet::from_jwks(set, symmetric),
            Unverified::parse(token.get(1..).unwrap_or_default()),
        ) {
            // Here a signature may be right: the input can bring the key.
            drop(jwt::verify(&token, &keys, &EXPECTED, now));
        }
    }
});
