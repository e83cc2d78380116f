use proptest::prelude::*;
use serde_json::{Value, json};
use vestibule_core::{rejection::Rejection, time::UnixTime};

use super::*;
use crate::{
    Refused,
    encoding::to_base64url,
    jwk::{KeySet, Symmetric},
    jwt::{self, Algorithm, Unverified},
    mint::Signer,
};

const NOW: UnixTime = UnixTime::from_secs(1_562_262_620);
const TOKEN: &[u8] = b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const HEADER: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgt\
                      MzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VO\
                      SmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19";
/// RFC 9449 section 7.1.
const FOR_RESOURCE: &str = "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0\
     ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9\
     .2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
/// RFC 9449 section 4.1: for the token endpoint, where there is no token yet.
const FOR_TOKEN: &str = "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwi\
     aWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3L\
     g";

struct Client(Signer);

impl Client {
    fn new() -> Self {
        Self(Signer::generate(Algorithm::Es256).unwrap())
    }

    fn jwk(&self) -> Value {
        self.0.public_jwks()["keys"][0].clone()
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        let [header, claims] = [header, claims].map(ToString::to_string);
        self.0.dangerous_sign(header.as_bytes(), claims.as_bytes()).unwrap()
    }

    /// A good proof, with members of its header and claims replaced, or removed by `null`.
    fn proof(&self, header: &Value, claims: &Value) -> String {
        let mut good_header =
            json!({"typ": "dpop+jwt", "alg": self.0.algorithm().name(), "jwk": self.jwk()});
        let mut good_claims = json!({
            "jti": "one", "htm": "GET", "htu": "https://ws.example.com/chat", "iat": NOW.as_secs(),
            "ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo",
        });
        for (good, edits) in [(&mut good_header, header), (&mut good_claims, claims)] {
            for (name, value) in edits.as_object().unwrap() {
                let members = good.as_object_mut().unwrap();
                members.remove(name);
                if !value.is_null() {
                    members.insert(name.clone(), value.clone());
                }
            }
        }
        self.signed(&good_header, &good_claims)
    }
}

fn check_at(proof: &str, now: UnixTime) -> Result<AwaitingNonce, Refused> {
    let target = Target::parse("https://ws.example.com/chat").unwrap();
    let request = Request { method: "GET", target: &target, token: TOKEN };
    Proof::parse(proof.as_bytes())?.check(&request, &Expectations::default(), now)
}

fn check(proof: &str) -> Result<AwaitingNonce, Refused> {
    check_at(proof, NOW)
}

fn held(proof: &str) -> Possession {
    check(proof).unwrap().nonce(NonceIs::NotWanted).unwrap().replay(Replay::FirstUse).unwrap()
}

fn refuses(proof: &str, reason: &str) {
    let refused = check(proof).map(drop).expect_err(reason);
    assert_eq!(refused.rejection, Rejection::DpopProofInvalid, "{refused}");
    assert!(refused.reason.contains(reason), "{refused} is not: {reason}");
}

#[test]
fn the_proof_of_rfc_9449_section_7_1() {
    let proof = format!("{HEADER}.{FOR_RESOURCE}");
    let target = Target::parse("https://resource.example.org/protectedresource").unwrap();
    let run = |method: &str, target: &Target, token: &[u8]| {
        let request = Request { method, target, token };
        Proof::parse(proof.as_bytes()).unwrap().check(&request, &Expectations::default(), NOW)
    };
    let awaiting = run("GET", &target, TOKEN).unwrap();
    assert_eq!(awaiting.claimed(), None);
    let awaiting = awaiting.nonce(NonceIs::NotWanted).unwrap();
    assert_eq!(awaiting.replay_until(), UnixTime::from_secs(1_562_262_618 + 65));
    let possession = awaiting.replay(Replay::FirstUse).unwrap();
    // Section 6.1.
    assert_eq!(possession.thumbprint().to_string(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    assert!(run("get", &target, TOKEN).is_err());
    assert!(run("POST", &target, TOKEN).is_err());
    assert!(run("GET", &target, b"another token").is_err());
    assert!(run("GET", &Target::parse("https://evil.example/").unwrap(), TOKEN).is_err());
}

#[test]
fn a_proof_without_a_token_is_none_for_a_resource() {
    let proof = format!("{HEADER}.{FOR_TOKEN}");
    let refused = Proof::parse(proof.as_bytes()).unwrap_err();
    assert!(refused.reason.contains("there is no ath"), "{refused}");
}

#[test]
fn a_proof_is_for_one_request_one_token_and_a_short_time() {
    let client = Client::new();
    let with = |claims: Value| client.proof(&json!({}), &claims);
    assert!(check(&with(json!({}))).is_ok());
    assert!(check(&with(json!({"htu": "wss://WS.example.com:443/chat?x=y#z"}))).is_ok());
    refuses(&with(json!({"htm": "POST"})), "htm");
    refuses(&with(json!({"htm": "get"})), "htm");
    for target in
        ["http://ws.example.com/chat", "https://ws.example.com/other", "https://evil.example/chat"]
    {
        refuses(&with(json!({"htu": target})), "htu");
    }
    refuses(&with(json!({"ath": to_base64url(&[0; 32])})), "ath");
    refuses(&with(json!({"ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo="})), "ath");
    let at = |seconds: i64| with(json!({"iat": NOW.as_secs() + seconds}));
    for (seconds, reason) in [(6, "ahead"), (1_000_000, "ahead"), (-65, "ago"), (-1_000_000, "ago")]
    {
        refuses(&at(seconds), reason);
    }
    for seconds in [5, 0, -64] {
        assert!(check(&at(seconds)).is_ok(), "{seconds}");
    }
}

#[test]
fn a_claim_that_is_missing_or_of_the_wrong_type_is_a_fault() {
    let client = Client::new();
    for name in ["jti", "htm", "htu", "iat", "ath"] {
        for value in [Value::Null, json!(""), json!([]), json!({}), json!(true), json!(-1)] {
            assert!(
                check(&client.proof(&json!({}), &json!({name: value}))).is_err(),
                "{name} {value}"
            );
        }
    }
    for value in [json!(""), json!(1), json!([]), json!(false)] {
        assert!(check(&client.proof(&json!({}), &json!({"nonce": value}))).is_err(), "{value}");
    }
    for value in [json!(1e300), json!("1562262620"), json!(u64::MAX), json!(i64::MIN)] {
        assert!(check(&client.proof(&json!({}), &json!({"iat": value}))).is_err(), "{value}");
    }
    assert!(check(&client.proof(&json!({}), &json!({"iat": 1_562_262_620.5, "extra": 1}))).is_ok());
}

#[test]
fn a_header_says_what_it_is_and_brings_a_public_key() {
    let client = Client::new();
    let with = |header: Value| client.proof(&header, &json!({}));
    for typ in [json!(null), json!("JWT"), json!("at+jwt"), json!("DPOP+JWT"), json!("")] {
        refuses(&with(json!({"typ": typ})), "typ");
    }
    for alg in ["none", "HS256", "RS384", "ES256K"] {
        refuses(&with(json!({"alg": alg})), "alg");
    }
    // Another algorithm than the key's.
    refuses(&with(json!({"alg": "EdDSA"})), "signature");
    refuses(&with(json!({"crit": ["exp"]})), "crit");
    refuses(&with(json!({"jwk": null})), "no jwk");
    refuses(&with(json!({"jwk": "x"})), "not a JSON object");
    refuses(&with(json!({"jwk": [client.jwk()]})), "not a JSON object");
    refuses(&with(json!({"jwk": Client::new().jwk()})), "signature");
    let key = |name: &str, value: Value| {
        let mut jwk = client.jwk();
        jwk[name] = value;
        with(json!({"jwk": jwk}))
    };
    for name in PRIVATE_MEMBERS {
        refuses(&key(name, json!("AAAA")), "private key");
    }
    for (name, value) in [
        ("kty", json!("oct")),
        ("kty", json!("RSA")),
        ("crv", json!("secp256k1")),
        ("x", json!("AAAA")),
        ("y", json!(to_base64url(&[1; 32]))),
        ("use", json!("enc")),
        ("key_ops", json!(["sign"])),
        ("alg", json!("ES384")),
    ] {
        refuses(&key(name, value), "jwk");
    }
    // What does not belong to the key does not belong to its thumbprint.
    let named = held(&key("kid", json!("a name")));
    assert_eq!(named.thumbprint(), held(&with(json!({}))).thumbprint());
    let symmetric = json!({"kty": "oct", "k": to_base64url(&[1; 32])});
    refuses(&with(json!({"jwk": symmetric, "alg": "HS256"})), "alg");
}

const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

#[test]
fn every_algorithm_of_the_list_proves() {
    for algorithm in
        [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256, Algorithm::Ps256]
    {
        let client = Client(Signer::generate(algorithm).unwrap());
        let possession = held(&client.proof(&json!({}), &json!({})));
        assert_eq!(client.0.kid(), Some(possession.thumbprint().to_string().as_str()));
    }
    let client = Client(Signer::generate(Algorithm::Rs512).unwrap());
    refuses(&client.proof(&json!({}), &json!({})), "alg");
}

#[test]
fn the_algorithms_are_those_that_a_refusal_names() {
    let names: Vec<_> = proof::ALGORITHMS.iter().map(|algorithm| algorithm.name()).collect();
    assert_eq!(names.join(" "), vestibule_core::wire::upgrade::DPOP_ALGORITHMS);
}

#[test]
fn a_proof_counts_once() {
    let client = Client::new();
    let proof = client.proof(&json!({}), &json!({"jti": "one"}));
    let awaiting = |proof: &str| check(proof).unwrap().nonce(NonceIs::NotWanted).unwrap();
    let refused = awaiting(&proof).replay(Replay::UsedBefore).unwrap_err();
    assert_eq!(refused.rejection, Rejection::DpopProofInvalid);
    let key = awaiting(&proof).replay_key();
    assert_eq!(key, awaiting(&client.proof(&json!({}), &json!({"jti": "one"}))).replay_key());
    assert_ne!(key, awaiting(&client.proof(&json!({}), &json!({"jti": "two"}))).replay_key());
    let of_both = [Thumbprint::parse(client.0.kid().unwrap()).unwrap().as_bytes(), b"one"].concat();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &of_both);
    assert_eq!(key.as_bytes(), hash.as_ref());
    // Nobody can use up the name of another's proof.
    let other = Client::new().proof(&json!({}), &json!({"jti": "one"}));
    assert_ne!(key, awaiting(&other).replay_key());
    // It is remembered for as long as it could be used.
    let until = awaiting(&proof).replay_until();
    assert!(check_at(&proof, UnixTime::from_millis(until.as_millis() - 1)).is_ok());
    assert!(check_at(&proof, until).is_err());
}

#[test]
fn an_old_nonce_is_answered_with_a_new_one() {
    let nonces = Nonces::new([1; 32]);
    let client = Client::new();
    let with = |nonce: Value| check(&client.proof(&json!({}), &json!({"nonce": nonce}))).unwrap();
    let awaiting = with(json!(nonces.current(NOW)));
    let judged = nonces.judge(awaiting.claimed(), NOW);
    assert!(awaiting.nonce(judged).is_ok());
    for nonce in [Value::Null, json!("x"), json!(nonces.current(UnixTime::from_secs(0)))] {
        let awaiting = with(nonce);
        let judged = nonces.judge(awaiting.claimed(), NOW);
        assert_eq!(awaiting.nonce(judged).map(drop), Err(UseNonce));
    }
    let awaiting = with(json!("the challenge of this connection"));
    let judged = NonceIs::compared(awaiting.claimed(), "the challenge of another");
    assert_eq!(awaiting.nonce(judged).map(drop), Err(UseNonce));
}

#[test]
fn a_bound_token_opens_for_its_key_alone() {
    let client = Client::new();
    let signer = Signer::generate(Algorithm::EdDsa).unwrap();
    let jwks = signer.public_jwks().to_string();
    let keys = KeySet::from_jwks(jwks.as_bytes(), Symmetric::Refused).unwrap();
    let expected = jwt::Expectations::new("https://idp", ["chat"]);
    let token = |cnf: &Value| {
        let exp = NOW.as_secs() + 60;
        let mut claims = json!({"iss": "https://idp", "aud": "chat", "sub": "alice", "exp": exp});
        if !cnf.is_null() {
            claims["cnf"] = cnf.clone();
        }
        signer.sign(Some("at+jwt"), &claims).unwrap()
    };
    let held = |client: &Client, token: &str| {
        let ath = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
        let proof = client.proof(&json!({}), &json!({"ath": to_base64url(ath.as_ref())}));
        let target = Target::parse("https://ws.example.com/chat").unwrap();
        let request = Request { method: "GET", target: &target, token: token.as_bytes() };
        let proof = Proof::parse(proof.as_bytes()).unwrap();
        let checked = proof.check(&request, &Expectations::default(), NOW).unwrap();
        checked.nonce(NonceIs::NotWanted).unwrap().replay(Replay::FirstUse).unwrap()
    };
    let verify = |token: &str, possession: &Possession| {
        let read = Unverified::parse(token.as_bytes()).unwrap();
        jwt::check(&read, &keys, &expected, NOW)
            .and_then(|checked| {
                checked.held_by(&jwt::Holder::with_key(possession, token.as_bytes())?, NOW)
            })
            .map_err(|refused| refused.reason)
    };
    let jkt = client.0.kid().unwrap();
    let bound = token(&json!({"jkt": jkt}));
    assert!(verify(&bound, &held(&client, &bound)).is_ok());
    // Sent as a plain bearer token.
    let plain = Unverified::parse(bound.as_bytes()).unwrap();
    let refused = jwt::verify(&plain, &keys, &expected, NOW).unwrap_err();
    assert_eq!(refused.rejection, Rejection::TokenClaims);
    for cnf in [
        Value::Null,
        json!({}),
        json!("x"),
        json!({"jkt": to_base64url(&[0; 32])}),
        json!({"jkt": [jkt]}),
        json!({"x5t#S256": jkt}),
        json!({"jkt": jkt, "x5t#S256": to_base64url(&[0; 32])}),
    ] {
        let token = token(&cnf);
        assert!(verify(&token, &held(&client, &token)).unwrap_err().contains("bound"), "{cnf}");
    }
    let thief = Client::new();
    assert!(verify(&bound, &held(&thief, &bound)).unwrap_err().contains("another key"));
    // A proof for another token of the same key.
    let other = token(&json!({"jkt": jkt, "x": 1}));
    assert!(verify(&bound, &held(&client, &other)).unwrap_err().contains("another token"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_proof_that_was_changed_or_cut_is_none(at: prop::sample::Index, change in prop::option::of("[A-Za-z0-9_.-]")) {
        let proof = format!("{HEADER}.{FOR_RESOURCE}");
        let at = at.index(proof.len());
        let (before, after) = proof.split_at(at);
        let changed = match change {
            Some(character) => format!("{before}{character}{}", after.get(1..).unwrap()),
            None => before.to_owned(),
        };
        prop_assume!(changed != proof);
        let target = Target::parse("https://resource.example.org/protectedresource").unwrap();
        let request = Request { method: "GET", target: &target, token: TOKEN };
        let result = Proof::parse(changed.as_bytes())
            .and_then(|proof| proof.check(&request, &Expectations::default(), NOW));
        prop_assert!(result.is_err());
    }

    #[test]
    fn the_normal_form_of_an_address_is_its_own(text in "(https?|wss)://[a-z.]{1,9}(:[0-9]{1,4})?(/[a-zA-Z0-9.%/~]{0,20})?") {
        if let Some(target) = Target::parse(&text) {
            prop_assert_eq!(Target::parse(&format!("{target:?}")), Some(target));
        }
    }
}
