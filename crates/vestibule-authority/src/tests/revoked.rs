use std::sync::Arc;

use serde_json::json;
use vestibule_core::{authn::Credential, rejection::Rejection};
use vestibule_verify::mint::Signer;

use super::{
    provider::{Answer, Provider},
    rig::{EXP, ISSUER, NOW, ask, issuer, jwks, now, patient, signer, token_with, yes},
    shelf::Shelf,
};
use crate::{
    Authority, KeySource,
    revocation::{Named, NewRevocation, Revocations},
};

struct Rig {
    _provider: Provider,
    key: Signer,
    revocations: Arc<Revocations>,
    authority: Arc<Authority>,
}

impl Rig {
    async fn start() -> Self {
        let (provider, key) = (Provider::start(), signer());
        provider.at("/keys", Answer::json(&jwks(&[&key])));
        let revocations = Revocations::open(Arc::new(Shelf::default()), NOW).await.unwrap();
        let source = KeySource::JwksUrl { url: provider.url("/keys").into(), fetch: patient() };
        let members = vec![issuer("idp", source)];
        let authority = Authority::with_revocations(members, Arc::clone(&revocations)).unwrap();
        Self { _provider: provider, key, revocations, authority }
    }

    fn token(&self, subject: &str, id: &str) -> Credential {
        let iat = NOW.as_secs();
        token_with(
            &self.key,
            &json!({ "iss": ISSUER, "aud": "chat", "sub": subject, "exp": EXP, "iat": iat,
                "jti": id, "sid": "s" }),
        )
    }

    async fn revoke(&self, named: Named) -> Box<str> {
        let made = self.revocations.revoke(NewRevocation::of(named, "admin"), NOW).await;
        made.unwrap().id
    }
}

#[tokio::test]
async fn a_remembered_token_that_is_revoked_is_refused_at_once() {
    let rig = Rig::start().await;
    let alice = rig.token("alice", "t");
    let names = [
        Named::Token { issuer: ISSUER.into(), id: "t".into() },
        Named::Session("s".into()),
        Named::Subject { issuer: Some(ISSUER.into()), subject: "alice".into() },
        Named::Everything { issuer: None },
    ];
    for named in names {
        assert_eq!(ask(&rig.authority, &alice).await, yes("alice"));
        assert_eq!(rig.authority.remembered(), 1);
        let id = rig.revoke(named.clone()).await;
        assert_eq!(now(&rig.authority, &alice), Some(Err(Rejection::TokenRevoked)), "{named:?}");
        assert_eq!(ask(&rig.authority, &alice).await, Err(Rejection::TokenRevoked));
        rig.revocations.lift(&id, NOW).await.unwrap();
    }
}

#[tokio::test]
async fn a_token_that_was_never_seen_is_refused_when_it_is_revoked_and_the_others_are_not() {
    let rig = Rig::start().await;
    rig.revoke(Named::Token { issuer: ISSUER.into(), id: "t".into() }).await;
    assert_eq!(ask(&rig.authority, &rig.token("alice", "t")).await, Err(Rejection::TokenRevoked));
    assert_eq!(ask(&rig.authority, &rig.token("alice", "u")).await, yes("alice"));
}

#[tokio::test]
async fn that_a_token_is_revoked_is_said_only_when_it_is_genuine() {
    let rig = Rig::start().await;
    rig.revoke(Named::Everything { issuer: None }).await;
    let forger = signer();
    let claims = json!({ "iss": ISSUER, "aud": "chat", "sub": "alice", "exp": EXP, "jti": "t" });
    let forged = ask(&rig.authority, &token_with(&forger, &claims)).await;
    assert_ne!(forged, Err(Rejection::TokenRevoked));
    assert!(forged.is_err());
    let over = json!({ "iss": ISSUER, "aud": "chat", "sub": "alice", "exp": 1, "jti": "t" });
    let said = ask(&rig.authority, &token_with(&rig.key, &over)).await;
    assert_eq!(said, Err(Rejection::TokenExpired));
}
