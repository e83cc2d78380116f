//! Thieves first: with the token alone, with proofs for something else, with copies.

use aws_lc_rs::digest;
use serde_json::{Value, json};
use vestibule_core::authn::Credential;
use vestibule_verify::{
    jwt::{Algorithm, Binding},
    mint::Signer,
};

use super::*;
use crate::{
    Authority,
    store::Embedded,
    tests::{
        provider::{Answer, Provider},
        rig::{EXP, ISSUER, NOW, at, jwks, patient, signer, token_with},
        shelf::Shelf,
    },
};

const HTU: &str = "https://ws.example.com/chat";
const SITE: Site<'_> =
    Site { method: "GET", transport: Transport::Tls, host: "ws.example.com", path: "/chat" };

struct Rig {
    _provider: Provider,
    authority: Arc<Authority>,
    proofs: Proofs,
    issuer: Signer,
}

/// A client's key.
struct Client(Signer);

impl Client {
    fn new() -> Self {
        Self(Signer::generate(Algorithm::Es256).unwrap())
    }

    fn proof(&self, token: &Secret, claims: &Value) -> Secret {
        let jwk = &self.0.public_jwks()["keys"][0];
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk });
        let hash = digest::digest(&digest::SHA256, token.expose());
        let mut good = json!({
            "jti": opaque::encode(opaque::random::<16>().unwrap().as_slice()), "htm": "GET", "htu": HTU,
            "iat": NOW.as_secs(), "ath": opaque::encode(hash.as_ref()),
        });
        for (name, value) in claims.as_object().unwrap() {
            good[name] = value.clone();
        }
        let [header, claims] = [header, good].map(|part| part.to_string());
        Secret::new(self.0.dangerous_sign(header.as_bytes(), claims.as_bytes()).unwrap())
    }
}

impl Rig {
    async fn start() -> Self {
        let (provider, issuer) = (Provider::start(), signer());
        provider.at("/keys", Answer::json(&jwks(&[&issuer])));
        let authority = at(&provider, patient());
        let proofs = Proofs::open(Embedded::in_memory().unwrap(), NOW).await.unwrap();
        Self { _provider: provider, authority, proofs, issuer }
    }

    fn token(&self, cnf: Option<Value>) -> Credential {
        let mut claims = json!({ "iss": ISSUER, "aud": "chat", "sub": "alice", "exp": EXP });
        if let Some(cnf) = cnf {
            claims["cnf"] = cnf;
        }
        token_with(&self.issuer, &claims)
    }

    fn bound(&self, client: &Client) -> Secret {
        self.token(Some(json!({ "jkt": client.0.kid().unwrap() }))).secret
    }

    /// A nonce of ours, as a claim.
    fn nonce(&self) -> Value {
        json!({ "nonce": self.proofs.nonce(NOW) })
    }

    async fn open(
        &self,
        shown: Result<Shown, Refused>,
        now: UnixTime,
    ) -> Result<Mechanism, Rejection> {
        let opened = async {
            let shown = shown?;
            let checked = self.authority.examine(shown.token(), &[0], || now).await?;
            self.proofs.open_with(shown, checked, now).await
        };
        let opened: Result<Verified, Refused> = opened.await;
        opened.map(|it| it.principal().mechanism).map_err(|refused| refused.rejection)
    }

    async fn header(&self, token: &Secret, proof: &Secret) -> Result<Mechanism, Rejection> {
        self.header_at(token, proof, &SITE, NOW).await
    }

    async fn header_at(
        &self,
        token: &Secret,
        proof: &Secret,
        site: &Site<'_>,
        now: UnixTime,
    ) -> Result<Mechanism, Rejection> {
        let shown = self.proofs.read(token, proof, site, DpopNonce::Required, now);
        self.open(shown, now).await
    }
}

const YES: Result<Mechanism, Rejection> = Ok(Mechanism::Dpop);

#[tokio::test]
async fn who_has_the_key_of_the_token_is_let_in_once_a_proof() {
    let (rig, client) = (Rig::start().await, Client::new());
    let token = rig.bound(&client);
    let proof = client.proof(&token, &rig.nonce());
    assert_eq!(rig.header(&token, &proof).await, YES);
    assert_eq!(rig.header(&token, &proof).await, Err(Rejection::DpopProofInvalid));
    // The token is as good as it was.
    assert_eq!(rig.header(&token, &client.proof(&token, &rig.nonce())).await, YES);
}

#[tokio::test]
async fn a_copy_is_refused_for_as_long_as_the_proof_could_be_used() {
    let (rig, client) = (Rig::start().await, Client::new());
    let token = rig.bound(&client);
    let proof = client.proof(&token, &json!({}));
    let again = async |seconds: i64| {
        let now = UnixTime::from_secs(NOW.as_secs() + seconds);
        let shown = rig.proofs.read(&token, &proof, &SITE, DpopNonce::Off, now);
        rig.open(shown, now).await
    };
    assert_eq!(again(0).await, YES);
    for seconds in [0, 1, 30, 60, 64, 65, 66, 1000] {
        assert_eq!(again(seconds).await, Err(Rejection::DpopProofInvalid), "{seconds}");
    }
}

#[tokio::test]
async fn a_proof_that_grew_too_old_meanwhile_is_not_taken_for_a_first_use() {
    let (rig, client) = (Rig::start().await, Client::new());
    let token = rig.bound(&client);
    let proof = client.proof(&token, &json!({}));
    let shown = || rig.proofs.read(&token, &proof, &SITE, DpopNonce::Off, NOW);
    let later = UnixTime::from_secs(NOW.as_secs() + 65);
    for _ in 0..2 {
        assert_eq!(rig.open(shown(), later).await, Err(Rejection::DpopProofInvalid));
    }
}

#[tokio::test]
async fn a_proof_for_something_else_opens_nothing() {
    let (rig, client) = (Rig::start().await, Client::new());
    let token = rig.bound(&client);
    let invalid = Err(Rejection::DpopProofInvalid);
    for claims in [
        json!({ "htm": "POST" }),
        json!({ "htu": "https://ws.example.com/other" }),
        json!({ "htu": "https://evil.example.com/chat" }),
        json!({ "htu": "http://ws.example.com/chat" }),
        json!({ "htu": "https://ws.example.com:8443/chat" }),
        json!({ "iat": NOW.as_secs() - 65 }),
        json!({ "iat": NOW.as_secs() + 6 }),
        json!({ "ath": opaque::encode(&[0; 32]) }),
    ] {
        let mut claims = claims;
        claims["nonce"] = rig.proofs.nonce(NOW).into();
        let proof = client.proof(&token, &claims);
        assert_eq!(rig.header(&token, &proof).await, invalid, "{claims}");
    }
    // The same proof at another place.
    let proof = client.proof(&token, &rig.nonce());
    for site in [
        Site { method: "POST", ..SITE },
        Site { transport: Transport::Plain, ..SITE },
        Site { path: "/chat/", ..SITE },
        Site { host: "other.example.com", ..SITE },
    ] {
        assert_eq!(rig.header_at(&token, &proof, &site, NOW).await, invalid, "{site:?}");
    }
    for garbage in ["", "x", "a.b.c", "eyJ.eyJ.sig"] {
        assert_eq!(rig.header(&token, &Secret::new(garbage)).await, invalid, "{garbage}");
    }
    assert_eq!(rig.header(&token, &token).await, invalid);
}

#[tokio::test]
async fn a_proof_by_another_key_opens_nothing_and_uses_nothing_up() {
    let (rig, client, thief) = (Rig::start().await, Client::new(), Client::new());
    let token = rig.bound(&client);
    let claims = json!({ "nonce": rig.proofs.nonce(NOW), "jti": "one" });
    let stolen = thief.proof(&token, &claims);
    assert_eq!(rig.header(&token, &stolen).await, Err(Rejection::TokenClaims));
    assert_eq!(rig.header(&token, &client.proof(&token, &claims)).await, YES);
}

#[tokio::test]
async fn only_a_token_that_is_bound_to_the_key_is_opened_by_it() {
    let (rig, client) = (Rig::start().await, Client::new());
    let jkt = client.0.kid().unwrap();
    for cnf in [
        None,
        Some(json!({ "x5t#S256": jkt })),
        Some(json!({ "jkt": jkt, "x5t#S256": jkt })),
        Some(json!({})),
    ] {
        let token = rig.token(cnf.clone()).secret;
        let proof = client.proof(&token, &rig.nonce());
        assert_eq!(rig.header(&token, &proof).await, Err(Rejection::TokenClaims), "{cnf:?}");
    }
    // Bound, and remembered: it is still no bearer token.
    let bound = rig.token(Some(json!({ "jkt": jkt })));
    let proof = client.proof(&bound.secret, &rig.nonce());
    assert_eq!(rig.header(&bound.secret, &proof).await, YES);
    // With those two of above that are genuine.
    assert_eq!(rig.authority.remembered(), 3);
    let plain = rig.authority.check_now(&bound, &[0], NOW).unwrap();
    assert_eq!(plain.unwrap_err().rejection, Rejection::TokenClaims);
}

#[tokio::test]
async fn a_forged_token_uses_up_nothing_that_is_remembered() {
    let (rig, client) = (Rig::start().await, Client::new());
    let claims = json!({
        "iss": ISSUER, "aud": "chat", "sub": "alice", "exp": EXP,
        "cnf": { "jkt": client.0.kid().unwrap() }
    });
    let forged = token_with(&signer(), &claims).secret;
    let proof = client.proof(&forged, &rig.nonce());
    for _ in 0..2 {
        let said = rig.header(&forged, &proof).await;
        assert_ne!(said, Err(Rejection::DpopProofInvalid));
        assert!(said.is_err());
    }
}

#[tokio::test]
async fn a_proof_without_a_nonce_of_ours_gets_one_and_is_not_used_up() {
    let (rig, client) = (Rig::start().await, Client::new());
    let token = rig.bound(&client);
    let other = Proofs::open(Embedded::in_memory().unwrap(), NOW).await.unwrap();
    let old = rig.proofs.nonce(UnixTime::from_secs(NOW.as_secs() - 120));
    for nonce in [None, Some(old), Some(other.nonce(NOW)), Some("x".to_owned())] {
        let claims = nonce.map_or_else(|| json!({}), |nonce| json!({ "nonce": nonce }));
        let proof = client.proof(&token, &claims);
        let wanted = Err(Rejection::DpopNonceWanted);
        assert_eq!(rig.header(&token, &proof).await, wanted, "{claims}");
        let off = || rig.proofs.read(&token, &proof, &SITE, DpopNonce::Off, NOW);
        assert_eq!(rig.open(off(), NOW).await, YES, "{claims}");
    }
}

#[tokio::test]
async fn nodes_of_one_store_know_each_others_nonces_and_proofs() {
    let (provider, issuer) = (Provider::start(), signer());
    provider.at("/keys", Answer::json(&jwks(&[&issuer])));
    let store: Arc<dyn Store> = Embedded::in_memory().unwrap();
    let one = Proofs::open(Arc::clone(&store), NOW).await.unwrap();
    let two = Proofs::open(store, NOW).await.unwrap();
    assert_eq!(one.nonce(NOW), two.nonce(NOW));
    let node = |proofs| Rig {
        authority: at(&provider, patient()),
        _provider: Provider::start(),
        proofs,
        issuer: signer(),
    };
    let (one, two, client) = (node(one), node(two), Client::new());
    let claims = json!({
        "iss": ISSUER, "aud": "chat", "sub": "alice", "exp": EXP,
        "cnf": { "jkt": client.0.kid().unwrap() }
    });
    let token = token_with(&issuer, &claims).secret;
    let proof = client.proof(&token, &one.nonce());
    assert_eq!(one.header(&token, &proof).await, YES);
    assert_eq!(two.header(&token, &proof).await, Err(Rejection::DpopProofInvalid));
}

#[tokio::test]
async fn a_challenge_is_answered_by_a_proof_with_its_nonce() {
    let (rig, client) = (Rig::start().await, Client::new());
    let token = rig.bound(&client);
    let challenge = || {
        let Challenge { demand, exchange } = Proofs::challenge(&token).unwrap();
        let Demand::Nonce(nonce) = demand else { panic!("{demand:?}") };
        (nonce, exchange.into_state::<Pending>().unwrap())
    };
    let answer = async |pending: Pending, proof: Secret| {
        let response = Response::Proof(proof);
        let shown = rig.proofs.answered(pending, &response, &SITE, NOW);
        rig.open(shown, NOW).await
    };
    let (nonce, pending) = challenge();
    let right = client.proof(&token, &json!({ "nonce": nonce }));
    assert_eq!(answer(pending, right.clone()).await, YES);
    // Another connection's challenge, and the nonce that headers have.
    let invalid = Err(Rejection::DpopProofInvalid);
    assert_eq!(answer(challenge().1, right).await, invalid);
    assert_eq!(answer(challenge().1, client.proof(&token, &rig.nonce())).await, invalid);
    assert_eq!(answer(challenge().1, client.proof(&token, &json!({}))).await, invalid);
    // And the other way.
    let (nonce, _) = challenge();
    let proof = client.proof(&token, &json!({ "nonce": nonce }));
    assert_eq!(rig.header(&token, &proof).await, Err(Rejection::DpopNonceWanted));
    let response = Response::Signature(Secret::new("AAAA"));
    let refused = rig.proofs.answered(challenge().1, &response, &SITE, NOW).unwrap_err();
    assert_eq!(refused.rejection, Rejection::MalformedMessage);
}

#[tokio::test]
async fn a_store_that_cannot_answer_lets_nobody_in() {
    let (rig, client) = (Rig::start().await, Client::new());
    let shelf = Arc::new(Shelf::default());
    let store: Arc<dyn Store> = Arc::<Shelf>::clone(&shelf);
    let proofs = Proofs::open(store, NOW).await.unwrap();
    let rig = Rig { proofs, ..rig };
    let token = rig.bound(&client);
    let proof = client.proof(&token, &rig.nonce());
    shelf.fail();
    assert_eq!(rig.header(&token, &proof).await, Err(Rejection::Unavailable));
    shelf.mend();
    assert_eq!(rig.header(&token, &proof).await, YES);
}

#[tokio::test]
async fn one_key_cannot_fill_what_is_remembered_for_all() {
    let (rig, client) = (Rig::start().await, Client::new());
    let token = rig.bound(&client);
    let checked = rig.authority.examine(&token, &[0], || NOW).await.unwrap();
    assert!(matches!(checked.binding(), Binding::Key(_)));
    let proof = |client: &Client, token: &Secret| {
        let proof = client.proof(token, &rig.nonce());
        rig.proofs.read(token, &proof, &SITE, DpopNonce::Required, NOW).unwrap()
    };
    for _ in 0..limits::PROOFS_EACH {
        rig.proofs.open_with(proof(&client, &token), checked.clone(), NOW).await.unwrap();
    }
    let full = rig.proofs.open_with(proof(&client, &token), checked, NOW).await.unwrap_err();
    assert_eq!(full.rejection, Rejection::TooManyAttempts);
    let other = Client::new();
    let token = rig.bound(&other);
    assert_eq!(rig.open(Ok(proof(&other, &token)), NOW).await, YES);
}

#[test]
fn what_is_secret_is_not_printed() {
    let pending = Pending { token: Secret::new("s3cret"), nonce: "n0nce".into() };
    let printed = format!("{pending:?}");
    assert!(!printed.contains("s3cret") && !printed.contains("n0nce"), "{printed}");
}
