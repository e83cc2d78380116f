//! Tokens that are bound to a key, with proofs that were made by other code than checks them: by header.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use vestibule_testkit::{Handshake, Head, Holder, KeyKind, Setup};

use crate::rig::{Outcome, PAGE, Rig, converse};

pub(crate) const ROUTE: &str = "accept = [\"header\", \"subprotocol\", \"message\"]\n\
                     mechanisms = [\"dpop\", \"bearer\"]\n";
pub(crate) const HERE: (&str, &str) = ("GET", "http://localhost/ws");
pub(crate) const INVALID: &str = "invalid_dpop_proof";

pub(crate) fn rig() -> anyhow::Result<(Rig, Holder, String)> {
    with(ROUTE, |setup| setup)
}

/// A gateway, a client's key, and a token that is bound to it.
pub(crate) fn with(
    route: &str,
    change: impl FnOnce(Setup) -> Setup,
) -> anyhow::Result<(Rig, Holder, String)> {
    let rig = Rig::with(route, change)?;
    let holder = Holder::new(KeyKind::P256)?;
    let token = holder.token(&rig.issuer)?;
    Ok((rig, holder, token))
}

fn handshake(token: &str, proof: &str) -> Handshake {
    Handshake::to("/ws").field("Authorization", &format!("DPoP {token}")).field("DPoP", proof)
}

/// How a handshake is refused by HTTP: the error, and the head.
fn told(rig: &Rig, handshake: &Handshake) -> anyhow::Result<(u16, String, Head)> {
    let mut client = rig.send(handshake)?;
    let head = client.head()?;
    let body: Value = serde_json::from_str(&client.body(&head)?)?;
    client.end()?;
    let error = body["error"].as_str().context("no error")?.to_owned();
    Ok((head.status(), error, head))
}

/// The nonce that a proof must have.
pub(crate) fn nonce(rig: &Rig, holder: &Holder, token: &str) -> anyhow::Result<Value> {
    let proof = holder.proof(HERE, token, &json!({}))?;
    let (status, error, head) = told(rig, &handshake(token, &proof))?;
    ensure!((status, &*error) == (401, "use_dpop_nonce"), "{status} {error}");
    let challenges = head.all("www-authenticate");
    ensure!(
        challenges.iter().any(|challenge| {
            challenge.starts_with("DPoP ")
                && challenge.contains("error=\"use_dpop_nonce\"")
                && challenge.contains("algs=\"ES256 EdDSA")
        }),
        "{head}"
    );
    let nonce = head.one("dpop-nonce").context("no nonce")?;
    Ok(json!({ "nonce": nonce }))
}

fn and(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

#[test]
fn who_proves_the_key_of_the_token_is_let_in() -> Outcome {
    let (rig, _, _) = rig()?;
    for kind in [KeyKind::P256, KeyKind::Ed25519] {
        let holder = Holder::new(kind)?;
        let token = holder.token(&rig.issuer)?;
        let nonce = nonce(&rig, &holder, &token)?;
        let proof = holder.proof(HERE, &token, &nonce)?;
        let mut client = rig.send(&handshake(&token, &proof))?;
        let (mut upstream, head) = rig.upstream.switch("")?;
        client.expect_switch()?;
        assert_eq!(head.one("x-vestibule-subject"), Some("alice"));
        assert_eq!(head.one("x-vestibule-mechanism"), Some("dpop"));
        assert!(!head.mentions(&token) && !head.mentions(&proof), "{head}");
        assert_eq!((head.one("authorization"), head.one("dpop")), (None, None));
        converse(&mut client, &mut upstream, "hello")?;
        let log = rig.gateway.log().text();
        assert!(!log.contains(&token) && !log.contains(&proof));
    }
    Ok(())
}

#[test]
fn a_bound_token_is_no_bearer_token() -> Outcome {
    let (rig, holder, token) = rig()?;
    // Once it was seen with its proof it is remembered, and still none.
    let right = holder.proof(HERE, &token, &nonce(&rig, &holder, &token)?)?;
    let (_client, _upstream) = rig.open(&handshake(&token, &right))?;
    let proof = holder.proof(HERE, &token, &nonce(&rig, &holder, &token)?)?;
    for bearer in [
        Handshake::to("/ws").bearer(&token),
        // A proof beside a bearer token proves nothing.
        Handshake::to("/ws").bearer(&token).field("DPoP", &proof),
        Handshake::to("/ws").subprotocols(&format!("bearer, {token}")),
    ] {
        let (status, error, head) = told(&rig, &bearer)?;
        assert_eq!((status, &*error), (401, "invalid_token"));
        let challenges = head.all("www-authenticate");
        assert!(challenges[0].starts_with("Bearer ") && challenges[0].contains("invalid_token"));
        assert!(challenges[1].starts_with("DPoP ") && !challenges[1].contains("error"), "{head}");
    }
    let mut client = rig.wait_at_the_door()?;
    client.authenticate(&token)?;
    assert_eq!(client.expect_auth("rejected")?["error"], "invalid_token");
    rig.gateway.log().wait_for("token_claims")?;
    ensure!(rig.upstream.count() == 1, "{}", rig.upstream.count());
    Ok(())
}

#[test]
fn a_token_that_is_not_bound_to_the_key_of_the_proof_is_refused() -> Outcome {
    let (rig, holder, token) = rig()?;
    let nonce = nonce(&rig, &holder, &token)?;
    let thief = Holder::new(KeyKind::P256)?;
    let unbound = rig.token()?;
    let jkt = holder.thumbprint();
    let bound = |cnf: Value| -> anyhow::Result<String> {
        rig.issuer.sign(&vestibule_testkit::with(rig.issuer.claims("alice"), "cnf", cnf))
    };
    for (holder, token) in [
        (&thief, &token),
        (&holder, &unbound),
        (&holder, &bound(json!({ "jkt": thief.thumbprint() }))?),
        (&holder, &bound(json!({ "x5t#S256": jkt }))?),
        (&holder, &bound(json!({ "jkt": jkt, "x5t#S256": jkt }))?),
        (&holder, &bound(json!({}))?),
        (&holder, &rig.issuer.forged("alice")?),
    ] {
        let proof = holder.proof(HERE, token, &nonce)?;
        let (status, error, head) = told(&rig, &handshake(token, &proof))?;
        assert_eq!((status, &*error), (401, "invalid_token"), "{head}");
        assert!(head.all("www-authenticate")[0].starts_with("DPoP "), "{head}");
    }
    rig.expect_undialled()
}

#[test]
fn a_proof_for_something_else_is_refused() -> Outcome {
    let (rig, holder, token) = rig()?;
    let nonce = nonce(&rig, &holder, &token)?;
    let other = holder.token(&rig.issuer)?;
    let now = vestibule_testkit::now_secs();
    let elsewhere = [
        ("POST", HERE.1),
        ("get", HERE.1),
        ("GET", "https://localhost/ws"),
        ("GET", "http://localhost/honest"),
        ("GET", "http://localhost/ws/below"),
        ("GET", "http://evil.example.com/ws"),
        ("GET", "http://localhost:8080/ws"),
    ];
    let mut proofs = Vec::new();
    for request in elsewhere {
        proofs.push(holder.proof(request, &token, &nonce)?);
    }
    for (name, value) in [
        ("iat", json!(now - 70.0)),
        ("iat", json!(now + 30.0)),
        ("iat", Value::Null),
        ("jti", Value::Null),
        ("ath", Value::Null),
        ("htm", Value::Null),
        ("htu", json!("/ws")),
    ] {
        proofs.push(holder.proof(HERE, &token, &and(&nonce, name, value))?);
    }
    proofs.push(holder.proof(HERE, &other, &nonce)?);
    proofs.extend([token.clone(), String::from("x"), String::from("a.b.c"), "p".repeat(13_000)]);
    for proof in proofs {
        let (status, error, head) = told(&rig, &handshake(&token, &proof))?;
        assert_eq!((status, &*error), (401, INVALID), "{proof}");
        assert!(head.one("dpop-nonce").is_some(), "{head}");
    }
    // A socket's own address is as good as that of the request that opens it.
    let proof = holder.proof(("GET", "ws://localhost:80/ws?x=y"), &token, &nonce)?;
    rig.open(&handshake(&token, &proof))?;
    Ok(())
}

#[test]
fn there_is_one_proof_or_it_is_none() -> Outcome {
    let (rig, holder, token) = rig()?;
    let nonce = nonce(&rig, &holder, &token)?;
    let proof = || holder.proof(HERE, &token, &nonce);
    let (one, two) = (proof()?, proof()?);
    let alone = Handshake::to("/ws").field("Authorization", &format!("DPoP {token}"));
    for handshake in [
        alone.clone(),
        alone.clone().field("DPoP", ""),
        alone.clone().field("DPoP", &one).field("DPoP", &two),
        alone.clone().field("DPoP", &one).field("dpop", &one),
        alone.clone().field("DPoP", &format!("{one}, {two}")),
    ] {
        let (status, error, _) = told(&rig, &handshake)?;
        assert_eq!((status, &*error), (401, INVALID));
    }
    let twice = alone.field("DPoP", &one).field("Authorization", &format!("DPoP {token}"));
    let (status, error, _) = told(&rig, &twice)?;
    assert_eq!((status, &*error), (400, "ambiguous_credential"));
    // None of them was used up.
    rig.open(&handshake(&token, &one))?;
    Ok(())
}

#[test]
fn a_proof_counts_once() -> Outcome {
    let (rig, holder, token) = rig()?;
    let nonce = nonce(&rig, &holder, &token)?;
    let claims = and(&nonce, "jti", json!("one"));
    let proof = holder.proof(HERE, &token, &claims)?;
    rig.open(&handshake(&token, &proof))?;
    // The same one, and another one of the same name.
    for copy in [proof, holder.proof(HERE, &token, &claims)?] {
        let (status, error, _) = told(&rig, &handshake(&token, &copy))?;
        assert_eq!((status, &*error), (401, INVALID));
    }
    // Another client's may have that name.
    let other = Holder::new(KeyKind::P256)?;
    let token = other.token(&rig.issuer)?;
    rig.open(&handshake(&token, &other.proof(HERE, &token, &claims)?))?;
    Ok(())
}

#[test]
fn a_proof_of_before_the_nonce_is_refused_unless_the_route_says_otherwise() -> Outcome {
    let (rig, holder, token) = rig()?;
    let other = Rig::new(ROUTE)?;
    let foreign = nonce(&other, &holder, &holder.token(&other.issuer)?)?;
    for claims in [json!({}), json!({ "nonce": "x" }), foreign] {
        let proof = holder.proof(HERE, &token, &claims)?;
        let (status, error, head) = told(&rig, &handshake(&token, &proof))?;
        assert_eq!((status, &*error), (401, "use_dpop_nonce"), "{claims}");
        assert!(head.one("dpop-nonce").is_some(), "{head}");
    }
    let (rig, holder, token) = with(&format!("{ROUTE}dpop_nonce = \"off\"\n"), |setup| setup)?;
    let proof = holder.proof(HERE, &token, &json!({}))?;
    rig.open(&handshake(&token, &proof))?;
    let (status, error, head) = told(&rig, &handshake(&token, &proof))?;
    assert_eq!((status, &*error), (401, INVALID));
    assert_eq!(head.one("dpop-nonce"), None);
    Ok(())
}

#[test]
fn a_refusal_of_a_proof_is_said_by_http_whatever_the_route_says() -> Outcome {
    let (rig, holder, token) = with(&format!("{ROUTE}reject = \"close\"\n"), |setup| setup)?;
    nonce(&rig, &holder, &token)?;
    let (status, error, _) = told(&rig, &handshake(&token, "x").origin(PAGE))?;
    assert_eq!((status, &*error), (401, INVALID));
    Ok(())
}

#[test]
fn who_brings_nothing_is_told_of_both_schemes() -> Outcome {
    let route = "accept = [\"header\"]\nmechanisms = [\"dpop\", \"bearer\"]\n";
    let (rig, _, _) = with(route, |setup| setup)?;
    let (status, error, head) = told(&rig, &Handshake::to("/ws"))?;
    assert_eq!((status, &*error), (401, "credential_required"));
    let schemes: Vec<_> =
        head.all("www-authenticate").iter().filter_map(|it| it.split(' ').next()).collect();
    assert_eq!(schemes, ["Bearer", "DPoP"]);
    // And of none that is not taken.
    let (_, _, head) = told(&rig, &Handshake::to("/honest"))?;
    assert_eq!(head.all("www-authenticate").len(), 1);
    Ok(())
}

#[test]
fn where_the_mechanism_is_not_listed_a_proof_is_no_way_in() -> Outcome {
    let (rig, holder, token) = rig()?;
    let nonce = nonce(&rig, &holder, &token)?;
    let proof = holder.proof(("GET", "http://localhost/honest"), &token, &nonce)?;
    let handshake = Handshake::to("/honest")
        .field("Authorization", &format!("DPoP {token}"))
        .field("DPoP", &proof);
    let (status, error, _) = told(&rig, &handshake)?;
    assert_eq!((status, &*error), (403, "mechanism_not_allowed"));
    rig.expect_undialled()
}

#[test]
fn where_the_header_is_the_applications_the_proof_is_too() -> Outcome {
    let route = "accept = [\"message\"]\nmechanisms = [\"bearer\"]\n";
    let (rig, holder, token) = with(route, |setup| setup)?;
    let proof = holder.proof(HERE, &token, &json!({}))?;
    let mut client = rig.send(&handshake(&token, &proof))?;
    client.expect_switch()?;
    client.authenticate(&rig.token()?)?;
    let (_upstream, head) = rig.upstream.switch("")?;
    assert_eq!(head.one("dpop"), Some(&*proof));
    // Where the gateway takes proofs, in band, it does not pass one on.
    let route = "accept = [\"message\"]\nmechanisms = [\"dpop\"]\n";
    let (rig, holder, token) = with(route, |setup| setup)?;
    let proof = holder.proof(HERE, &token, &json!({}))?;
    let (status, error, _) = told(&rig, &handshake(&token, &proof))?;
    assert_eq!((status, &*error), (403, "mechanism_not_allowed"));
    rig.expect_undialled()
}

#[test]
fn behind_a_trusted_proxy_the_address_is_the_one_that_it_says() -> Outcome {
    let behind = |setup: Setup| setup.server("trusted_proxies = [\"127.0.0.1\"]\n");
    let (rig, holder, token) = with(ROUTE, behind)?;
    let nonce = nonce(&rig, &holder, &token)?;
    let forwarded = |proof: &str| {
        handshake(&token, proof)
            .field("X-Forwarded-For", "192.0.2.7")
            .field("X-Forwarded-Proto", "https")
            .field("X-Forwarded-Host", "ws.example.com")
    };
    let proof = holder.proof(HERE, &token, &nonce)?;
    let (status, error, _) = told(&rig, &forwarded(&proof))?;
    assert_eq!((status, &*error), (401, INVALID));
    let proof = holder.proof(("GET", "https://ws.example.com/ws"), &token, &nonce)?;
    rig.open(&forwarded(&proof))?;
    // A stranger's word about it is nothing.
    let (rig, holder, token) = self::rig()?;
    let nonce = self::nonce(&rig, &holder, &token)?;
    let proof = holder.proof(("GET", "https://ws.example.com/ws"), &token, &nonce)?;
    let handshake = handshake(&token, &proof)
        .field("X-Forwarded-Proto", "https")
        .field("X-Forwarded-Host", "ws.example.com");
    let (status, error, _) = told(&rig, &handshake)?;
    assert_eq!((status, &*error), (401, INVALID));
    Ok(())
}

#[test]
fn a_proof_that_is_refused_is_counted_by_its_own_name() -> Outcome {
    let (rig, holder, token) = rig()?;
    nonce(&rig, &holder, &token)?;
    told(&rig, &handshake(&token, "x"))?;
    for outcome in ["use_dpop_nonce", INVALID] {
        let series =
            format!("vestibule_authentications_total{{mechanism=\"dpop\",outcome=\"{outcome}\"}}");
        assert_eq!(rig.gateway.metric(&series)?, 1, "{series}");
    }
    Ok(())
}
