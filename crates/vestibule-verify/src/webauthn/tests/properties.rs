//! Random damage, and random bytes.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn an_assertion_that_was_changed_or_cut_is_none(
        name in prop::sample::select(vec!["clientDataJSON", "authenticatorData", "signature"]),
        at: prop::sample::Index,
        bit in prop::option::of(0_u32..8),
    ) {
        let liar = Liar::new();
        let mut assertion = liar.assertion();
        let text = assertion["response"][name].as_str().unwrap();
        let mut bytes = crate::encoding::base64url(text.as_bytes()).unwrap();
        let at = at.index(bytes.len());
        match bit {
            Some(bit) => bytes[at] ^= 1 << bit,
            None => bytes.truncate(at),
        }
        assertion["response"][name] = to_base64url(&bytes).into();
        let response = Assertion::parse(assertion.to_string().as_bytes()).unwrap();
        let credential = liar.credential();
        let result = party().authenticate(Challenge::new(CHALLENGE), &response, Some(&credential), ExpectedUser::Discovered);
        prop_assert!(result.is_err());
    }

    #[test]
    fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(Liar::new().register_as(&party(), &bytes));
        drop(CredentialKey::from_cose(&bytes));
        drop(authenticator_data::AuthenticatorData::parse(&bytes));
        drop(Assertion::parse(&bytes));
    }
}
