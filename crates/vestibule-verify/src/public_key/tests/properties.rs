//! Random damage, and random text.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_signature_with_one_bit_changed_is_none(
        fixture in prop::sample::select(vec![(ED25519, ED25519_SHA512), (ECDSA, ECDSA_SHA256)]),
        at: prop::sample::Index,
        bit in 0_u32..8,
    ) {
        let text: String = fixture.1.lines().filter(|line| !line.starts_with('-')).collect();
        let mut blob = BASE64.decode(text.as_bytes()).unwrap();
        let at = at.index(blob.len());
        blob[at] ^= 1 << bit;
        prop_assert!(answer(&key(fixture.0), challenge(), &BASE64.encode(&blob)).is_err());
    }

    #[test]
    fn a_signature_that_was_cut_short_is_none(at: prop::sample::Index) {
        let text = ED25519_SHA512.trim();
        let at = at.index(text.len());
        prop_assert!(Signature::ssh(text.get(..at).unwrap()).is_err());
    }

    #[test]
    fn no_text_is_too_odd(text in "\\PC{0,200}", quoted in "[a-z=,\" \\\\-]{0,40}") {
        drop(Signature::ssh(&text));
        drop(Signature::raw(&text));
        prop_assert_eq!(Fingerprint::parse(&text), None);
        drop(AuthorizedKey::from_line(&text));
        drop(AuthorizedKey::from_jwk(text.as_bytes()));
        let line = format!("{quoted} {ED25519}");
        if let Ok(key) = AuthorizedKey::from_line(&line) {
            prop_assert_eq!(key.expires(), None);
            prop_assert!(key.limits(PEER.parse().unwrap(), NOW).is_ok());
        }
    }

    #[test]
    fn a_line_that_is_kept_means_the_same_when_it_is_read_again(
        days in 0_i64..20_000,
        from in prop::option::of("(!?10\\.[0-9]{1,2}\\.[*?0-9]{1,2}\\.1,?){1,3}"),
        comment in "\\PC{0,20}",
    ) {
        let date = UnixTime::from_secs(days * 86_400);
        let text = expiry::format(date);
        let from = from.map(|from| format!(",from=\"{}\"", from.trim_end_matches(','))).unwrap_or_default();
        let line = format!("expiry-time=\"{text}\"{from} {} {comment}", ED25519.trim());
        if let Ok(key) = AuthorizedKey::from_line(&line) {
            let again = AuthorizedKey::from_line(&key.to_line()).unwrap();
            prop_assert_eq!(again.to_line(), key.to_line());
            prop_assert_eq!(again.expires(), Some(date));
            let peer = "10.1.1.1".parse().unwrap();
            prop_assert_eq!(again.limits(peer, NOW), key.limits(peer, NOW));
        }
    }
}
