//! Proofs of possession from strangers: no panic; what is accepted was signed by the key in it and is
//! for the request; and addresses have one normal form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_core::time::UnixTime;
use vestibule_verify::dpop::{Expectations, NonceIs, Nonces, Proof, Replay, Request, Target};

// The first byte chooses: a proof, or two addresses, each a line.
fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else { return };
    if choice % 2 == 0 {
        let Ok(proof) = Proof::parse(data) else { return };
        let target = Target::parse("https://resource.example.org/protectedresource").expect("one");
        let token = b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
        let request = Request { method: "GET", target: &target, token };
        let now = UnixTime::from_secs(1_562_262_620);
        let Ok(proof) = proof.check(&request, &Expectations::default(), now) else { return };
        // Nobody knows the secret of these nonces.
        let judged = Nonces::new([1; 32]).judge(proof.claimed(), now);
        assert_eq!(judged, NonceIs::MissingOrOld);
        let proof = proof.nonce(NonceIs::NotWanted).expect("not looked at");
        assert!(proof.replay_until() > now);
        proof.replay(Replay::FirstUse).expect("the first");
        return;
    }
    let Ok(text) = core::str::from_utf8(data) else { return };
    let (one, two) = text.split_once('\n').unwrap_or((text, ""));
    let (Some(one), two) = (Target::parse(one), Target::parse(two)) else { return };
    let again = Target::parse(&format!("{one:?}"));
    assert_eq!(again.as_ref(), Some(&one));
    assert_eq!(again == two, two.as_ref() == Some(&one));
});
