//! Keys, their limits and signatures of strangers: no panic, a line that is kept is read again as the
//! same, and no signature is right.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vestibule_core::time::UnixTime;
use vestibule_verify::public_key::{AuthorizedKey, Challenge, Fingerprint, Signature};

static KEY: LazyLock<AuthorizedKey> = LazyLock::new(|| {
    AuthorizedKey::from_line(
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOJKMuIwHoFcg7F/oa3X2eIe9kfVedUo8cdLIqZrJlAU",
    )
    .expect("our own key")
});

// The first byte chooses the parser.
fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else { return };
    let Ok(text) = core::str::from_utf8(data) else { return };
    let (peer, now) = (core::net::IpAddr::from([10, 0, 0, 1]), UnixTime::from_secs(1_000_000));
    match choice % 4 {
        0 | 1 => {
            let read = if choice % 4 == 0 { Signature::ssh(text) } else { Signature::raw(text) };
            let Ok(signature) = read else { return };
            let challenge = Challenge::new([1; 32], "host", "/", None).expect("no NUL");
            assert!(challenge.answer(Some(&KEY), &signature, peer, now).is_err());
        }
        2 => {
            let Ok(key) = AuthorizedKey::from_line(text) else { return };
            let kept = key.to_line();
            let again = AuthorizedKey::from_line(&kept).expect("what was kept is read again");
            assert_eq!((again.to_line(), again.fingerprint()), (kept, key.fingerprint()));
            assert_eq!(again.expires(), key.expires());
            assert_eq!(Fingerprint::parse(&key.fingerprint().to_string()), Some(key.fingerprint()));
            let challenge = Challenge::new([1; 32], "host", "/", None).expect("no NUL");
            let nothing = Signature::raw(&"A".repeat(86)).expect("64 bytes");
            drop(challenge.answer(Some(&key), &nothing, peer, now));
        }
        _ => {
            let Ok(key) = AuthorizedKey::from_jwk(data) else { return };
            AuthorizedKey::from_line(&key.to_line()).expect("a key of either form has both");
        }
    }
});
