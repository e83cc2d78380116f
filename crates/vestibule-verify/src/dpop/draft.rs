//! Proofs as clients make them: what is to be signed, by a key that may be anywhere.

use aws_lc_rs::digest;
use serde_json::{Map, Value, json};
use vestibule_core::time::UnixTime;

use crate::{algorithm::Algorithm, encoding, jwk::Key};

/// The public half of a key that signs proofs: Ed25519 or P-256.
#[derive(Clone, Debug)]
pub struct ProofKey {
    jwk: Value,
    algorithm: Algorithm,
}

impl ProofKey {
    /// Reads a JSON Web Key. What does not belong to the public half is left out: it would be shown to
    /// every server.
    pub fn from_jwk(json: &[u8]) -> Option<Self> {
        let members = encoding::object(json).ok()?;
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let (algorithm, names) = match (text("kty")?, text("crv")?) {
            ("EC", "P-256") => (Algorithm::Es256, &["crv", "kty", "x", "y"][..]),
            ("OKP", "Ed25519") => (Algorithm::EdDsa, &["crv", "kty", "x"][..]),
            _ => return None,
        };
        let mut public = Map::new();
        for name in names {
            public.insert((*name).to_owned(), text(name)?.into());
        }
        let jwk = Value::Object(public);
        Key::from_jwk(&jwk).ok()?;
        Some(Self { jwk, algorithm })
    }
}

/// What a proof says.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// Its address, without query.
    pub address: &'a str,
    /// The SHA-256 of the token that comes with it: see [`Statement::of`].
    token: [u8; 32],
    /// What the server wants in it.
    pub nonce: Option<&'a str>,
    /// Random bytes, which are not used again.
    pub id: [u8; 16],
    /// When.
    pub now: UnixTime,
}

impl<'a> Statement<'a> {
    /// About a request, and the token that comes with it, as it is sent.
    pub fn of(
        (method, address): (&'a str, &'a str),
        token: &[u8],
        nonce: Option<&'a str>,
        id: [u8; 16],
        now: UnixTime,
    ) -> Self {
        let mut hash = [0; 32];
        let digest = digest::digest(&digest::SHA256, token);
        hash.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Self { method, address, token: hash, nonce, id, now }
    }
}

/// A proof that nobody has signed.
#[derive(Clone, Debug)]
pub struct Draft(String);

impl Draft {
    /// That this key says this.
    pub fn new(key: &ProofKey, statement: &Statement<'_>) -> Self {
        let Statement { method, address, token, nonce, id, now } = statement;
        let header = json!({ "typ": "dpop+jwt", "alg": key.algorithm.name(), "jwk": key.jwk });
        let mut claims = json!({
            "jti": encoding::to_base64url(id), "htm": method, "htu": address, "iat": now.as_secs(),
            "ath": encoding::to_base64url(token),
        });
        if let (Some(nonce), Some(members)) = (nonce, claims.as_object_mut()) {
            members.insert("nonce".to_owned(), (*nonce).into());
        }
        let [header, claims] =
            [header, claims].map(|part| encoding::to_base64url(part.to_string().as_bytes()));
        Self(format!("{header}.{claims}"))
    }

    /// What is to be signed: by Ed25519, or by ECDSA on P-256 with SHA-256.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The proof, with its signature: for ECDSA r and s, 32 bytes each.
    pub fn signed(self, signature: &[u8; 64]) -> String {
        let Self(draft) = self;
        format!("{draft}.{}", encoding::to_base64url(signature))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Expectations, NonceIs, Proof, Replay, Request, Target},
        *,
    };
    use crate::mint::Signer;

    const NOW: UnixTime = UnixTime::from_secs(1_000_000);

    #[test]
    fn what_is_drafted_and_signed_is_a_proof() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let signer = Signer::generate(algorithm).unwrap();
            let jwk = signer.public_jwks()["keys"][0].to_string();
            let key = ProofKey::from_jwk(jwk.as_bytes()).unwrap();
            let address = "https://ws.example.com/chat";
            let statement = Statement::of(("GET", address), b"a.b.c", Some("n"), [7; 16], NOW);
            let draft = Draft::new(&key, &statement);
            // By the signer's own words: a token of these two parts.
            let parts: Vec<_> = draft
                .0
                .split('.')
                .map(|part| encoding::base64url(part.as_bytes()).unwrap())
                .collect();
            let signed = signer.dangerous_sign(&parts[0], &parts[1]).unwrap();
            let signature = encoding::base64url(signed.rsplit('.').next().unwrap().as_bytes());
            let proof = draft.signed(&signature.unwrap().try_into().unwrap());
            let target = Target::parse(address).unwrap();
            let request = Request { method: "GET", target: &target, token: b"a.b.c" };
            let checked = Proof::parse(proof.as_bytes()).unwrap();
            let checked = checked.check(&request, &Expectations::default(), NOW).unwrap();
            let nonce = NonceIs::compared(checked.claimed(), "n");
            let possession = checked.nonce(nonce).unwrap().replay(Replay::FirstUse).unwrap();
            assert_eq!(signer.kid(), Some(possession.thumbprint().to_string().as_str()));
        }
    }

    #[test]
    fn a_private_half_is_not_shown() {
        let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"s3cret","kid":"k"}"#;
        let key = ProofKey::from_jwk(jwk.as_bytes()).unwrap();
        assert!(!format!("{key:?}").contains("s3cret"));
        for jwk in
            ["", "{}", r#"{"kty":"oct","k":"AAAA"}"#, r#"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#]
        {
            assert!(ProofKey::from_jwk(jwk.as_bytes()).is_none(), "{jwk}");
        }
    }
}
