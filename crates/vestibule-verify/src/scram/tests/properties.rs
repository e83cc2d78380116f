//! Random exchanges, and random damage to them.

use proptest::prelude::*;

use super::*;

fn steps() -> impl Strategy<Value = Step> {
    prop::sample::select(vec![
        Step::ClientFirst,
        Step::ServerFirst,
        Step::ClientFinal,
        Step::ServerFinal,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whoever_changes_a_message_gets_nowhere(
        step in steps(),
        at: prop::sample::Index,
        bit in 0_u32..7,
    ) {
        let end = meddled(&|now, text| {
            if now != step { return text; }
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            String::from_utf8(bytes).unwrap()
        });
        prop_assert!(!matches!(end, End::Both(_)), "{end:?}");
    }

    #[test]
    fn a_message_that_was_cut_short_gets_nowhere(
        step in steps(),
        at: prop::sample::Index,
    ) {
        let end = meddled(&|now, text| {
            if now != step { return text; }
            let at = at.index(text.len());
            text.get(..at).unwrap().to_owned()
        });
        prop_assert!(!matches!(end, End::Both(_)), "{end:?}");
    }

    #[test]
    fn another_message_in_the_place_of_the_right_one_gets_nowhere(
        step in steps(),
        other in prop_oneof![
            Just(CLIENT_FIRST), Just(SERVER_FIRST), Just(CLIENT_FINAL), Just(SERVER_FINAL), Just(""), Just("n,,n=alice,r=abc")
        ],
    ) {
        let end = meddled(&|now, text| if now == step { other.to_owned() } else { text });
        prop_assert!(!matches!(end, End::Both(_)), "{end:?}");
    }

    #[test]
    fn every_name_and_password_that_can_be_prepared_works(name in "\\PC{1,12}", password in "\\PC{1,12}") {
        let Ok(keys) = StoredKeys::derive(&password, [1; 16], Iterations::MIN) else { return Ok(()) };
        let Ok((client, message)) = Client::begin(&name, &password, ClientBinding::Unsupported, &Nonce::new([1; 18])) else { return Ok(()) };
        let first = ClientFirst::parse(message.as_bytes(), Binding::Unavailable).unwrap();
        let prepared = prepared::prepared(&name).unwrap();
        prop_assert_eq!(first.user(), prepared.as_str());
        let (server, message) = first.challenge(Some(&keys), &DECOY, &Nonce::new([2; 18]));
        let (client, message) = client.respond(message.as_bytes()).unwrap();
        let authenticated = server.finish(message.as_bytes()).unwrap();
        prop_assert!(client.finish(authenticated.server_final().as_bytes()).is_ok());
    }
}
