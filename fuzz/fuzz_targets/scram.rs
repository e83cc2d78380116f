//! Messages of SCRAM from strangers, on both sides, and stored keys: no panic, nobody gets in, and
//! no server passes for the right one.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vestibule_verify::scram::{
    Binding, Client, ClientBinding, ClientFirst, Decoy, Iterations, Nonce, StoredKeys,
};

static KEYS: LazyLock<StoredKeys> = LazyLock::new(|| {
    StoredKeys::derive("a password that no input has", [1; 16], Iterations::MIN).expect("keys")
});
static DECOY: LazyLock<Decoy> = LazyLock::new(|| Decoy::new([2; 32], Iterations::MIN));

// The first byte chooses the side; messages end with a line.
fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else { return };
    let mut messages = data.split(|byte| *byte == b'\n');
    let (one, two) = (messages.next().unwrap_or_default(), messages.next().unwrap_or_default());
    match choice % 4 {
        0 | 1 => {
            let binding =
                if choice % 4 == 0 { Binding::Unavailable } else { Binding::TlsExporter([3; 32]) };
            let Ok(first) = ClientFirst::parse(one, binding) else { return };
            assert!(!first.user().is_empty());
            let keys = (first.user().len() % 2 == 0).then_some(&*KEYS);
            let (server, challenge) = first.challenge(keys, &DECOY, &Nonce::new([4; 18]));
            assert!(challenge.contains(",s=") && challenge.ends_with(",i=15000"));
            assert!(server.finish(two).is_err());
        }
        2 => {
            // A million iterations are right, and keep the fuzzer waiting.
            if one
                .windows(8)
                .any(|w| w.starts_with(b"i=") && w.iter().skip(2).all(u8::is_ascii_digit))
            {
                return;
            }
            let begun =
                Client::begin("alice", "pencil", ClientBinding::Unsupported, &Nonce::new([4; 18]));
            let (client, _) = begun.expect("a name and a password");
            if let Ok((client, _)) = client.respond(one) {
                assert!(client.finish(two).is_err());
            }
        }
        _ => {
            let Ok(text) = core::str::from_utf8(data) else { return };
            if let Ok(keys) = StoredKeys::from_text(text) {
                assert_eq!(*keys.to_text(), text);
            }
        }
    }
});
