//! What holds for any input.

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use serde_json::json;
    use vestibule_core::time::UnixTime;
    use vestibule_verify::{
        jwk::{KeySet, Symmetric},
        jwt::{self, Algorithm, Expectations, Unverified},
        mint::Signer,
    };

    struct Party {
        keys: KeySet,
        expected: Expectations,
        token: String,
    }

    /// One token of each family of algorithms, with the keys that accept it.
    static PARTIES: LazyLock<Vec<Party>> = LazyLock::new(|| {
        let claims = json!({"iss": "https://idp", "aud": "chat", "sub": "alice", "exp": 2_000});
        let secret = [7; 32];
        [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256, Algorithm::Ps256, Algorithm::Hs256]
            .into_iter()
            .map(|algorithm| {
                let (signer, keys) = if algorithm.is_symmetric() {
                    let signer = Signer::from_secret(algorithm, &secret).unwrap();
                    (signer, KeySet::from_secret(&secret).unwrap())
                } else {
                    let signer = Signer::generate(algorithm).unwrap();
                    let jwks = signer.public_jwks().to_string();
                    (signer, KeySet::from_jwks(jwks.as_bytes(), Symmetric::Refused).unwrap())
                };
                let mut expected = Expectations::new("https://idp", ["chat"]);
                expected.algorithms = Algorithm::ALL.into();
                Party { keys, expected, token: signer.sign(Some("at+jwt"), &claims).unwrap() }
            })
            .collect()
    });

    fn accepts(party: &Party, token: &[u8]) -> bool {
        Unverified::parse(token).is_ok_and(|token| {
            let now = UnixTime::from_secs(1_000);
            jwt::verify(&token, &party.keys, &party.expected, now).is_ok()
        })
    }

    #[test]
    fn every_change_of_one_bit_is_refused() {
        for party in PARTIES.iter() {
            assert!(accepts(party, party.token.as_bytes()));
            for bit in 0..party.token.len() * 8 {
                let mut bent = party.token.clone().into_bytes();
                bent[bit / 8] ^= 1 << (bit % 8);
                assert!(!accepts(party, &bent), "bit {bit} of {}", party.token);
            }
        }
    }

    #[test]
    fn every_cut_and_every_swap_is_refused() {
        for party in PARTIES.iter() {
            for end in 0..party.token.len() {
                assert!(!accepts(party, &party.token.as_bytes()[..end]));
                assert!(!accepts(party, &party.token.as_bytes()[party.token.len() - end..]));
            }
            for other in PARTIES.iter().filter(|other| other.token != party.token) {
                assert!(!accepts(party, other.token.as_bytes()));
            }
        }
    }

    proptest! {
        #[test]
        fn noise_is_refused_without_panic(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Unverified::parse(&noise).is_err());
            prop_assert!(jwt::inspect(&noise).is_err());
            prop_assert!(KeySet::from_jwks(&noise, Symmetric::Allowed).is_err());
            prop_assert!(Signer::from_jwk(&noise).is_err());
            prop_assert!(Signer::from_pkcs8(Algorithm::Rs256, &noise).is_err());
        }

        #[test]
        fn three_parts_of_noise_are_refused(text in "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,90}") {
            for party in PARTIES.iter() {
                prop_assert!(!accepts(party, text.as_bytes()));
            }
        }

        #[test]
        fn another_text_is_not_the_signed_one(
            which in 0..5usize, at in any::<prop::sample::Index>(), put in "[A-Za-z0-9_.=-]{0,3}", drop in 0..3usize,
        ) {
            let party = &PARTIES[which];
            let at = at.index(party.token.len());
            let end = (at + drop).min(party.token.len());
            let bent = format!("{}{put}{}", party.token.split_at(at).0, party.token.split_at(end).1);
            prop_assert_eq!(accepts(party, bent.as_bytes()), bent == party.token);
        }

        #[test]
        fn any_claims_are_judged_without_panic(
            name in "iss|aud|sub|exp|nbf|iat|jti|scope|scp|groups|email|typ|cnf|events",
            text in "\\PC{0,20}", number in any::<f64>(), shape in 0..6u8,
        ) {
            let value = match shape {
                0 => json!(text), 1 => json!(number), 2 => json!([text, number]),
                3 => json!({text: number}), 4 => json!(null), _ => json!([[text]]),
            };
            let mut claims = json!({"iss": "https://idp", "aud": "chat", "sub": "alice", "exp": 2_000});
            claims[name] = value;
            let signer = Signer::from_secret(Algorithm::Hs256, &[7; 32]).unwrap();
            let token = signer.sign(None, &claims).unwrap();
            let hmac = PARTIES.last().unwrap();
            let _ = accepts(hmac, token.as_bytes());
        }

        #[test]
        fn odd_key_sets_are_read_without_panic(
            kty in "RSA|EC|OKP|oct|x", crv in "P-256|P-384|Ed25519|x", first in "[A-Za-z0-9_-]{0,400}",
            second in "[A-Za-z0-9_-]{0,90}", alg in prop::option::of("RS256|ES256|EdDSA|HS256|x"),
        ) {
            let jwks = json!({"keys": [{"kty": kty, "crv": crv, "n": first, "e": second, "x": first,
                "y": second, "k": first, "alg": alg.unwrap_or_default()}, {"kty": kty, "crv": crv,
                "n": first, "e": "AQAB", "x": second, "y": second, "k": second}]});
            let set = KeySet::from_jwks(jwks.to_string().as_bytes(), Symmetric::Allowed);
            if let Ok(set) = set {
                prop_assert_eq!(set.len() + set.ignored().len(), 2);
                for party in PARTIES.iter() {
                    let token = Unverified::parse(party.token.as_bytes()).unwrap();
                    let now = UnixTime::from_secs(1_000);
                    prop_assert!(jwt::verify(&token, &set, &party.expected, now).is_err());
                }
            }
        }
    }
}
