//! Which tokens open a route, and that two of them never do.

use serde_json::json;
use vestibule_testkit::{Handshake, Issuer, Key, KeyKind, base64url, now_secs, with};

use crate::rig::{Outcome, PAGE, Rig, close, http, no};

const HEADER: &str = r#"accept = ["header"]"#;

#[test]
fn a_good_token_opens_a_route() -> Outcome {
    let rig = Rig::new(HEADER)?;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let field = format!("{scheme} {}", rig.token()?);
        rig.asked(&Handshake::to("/ws").field("Authorization", &field))?;
    }
    let many = with(
        rig.issuer.claims("alice"),
        "aud",
        json!(["https://other.example", rig.issuer.audience]),
    );
    rig.asked(&Handshake::to("/ws").bearer(&rig.issuer.sign(&many)?))?;
    Ok(())
}

#[test]
fn a_bad_token_does_not() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let issuer = &rig.issuer;
    let claims = || issuer.claims("alice");
    let signed = |name: &str, value| issuer.sign(&with(claims(), name, value));
    let without = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        issuer.sign(&claims)
    };
    let header =
        |name: &str, value| issuer.key.token(&with(issuer.key.header(), name, value), &claims());
    let good = issuer.token("alice")?;
    let [head, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let none = base64url(json!({"alg": "none"}).to_string().as_bytes());
    let confused = Key::generate(KeyKind::Secret, &issuer.key.kid)?;
    let attacks = [
        ("another key", issuer.forged("alice")?),
        ("another audience", signed("aud", json!("https://elsewhere.example"))?),
        ("no audience", without("aud")?),
        ("another issuer", signed("iss", json!("https://elsewhere.example"))?),
        ("a list of issuers", signed("iss", json!([issuer.url]))?),
        ("no issuer", without("iss")?),
        ("no subject", without("sub")?),
        ("a number as subject", signed("sub", json!(7))?),
        ("no end", without("exp")?),
        ("text as end", signed("exp", json!("never"))?),
        ("not yet", signed("nbf", json!(now_secs() + 600.0))?),
        ("from the future", signed("iat", json!(now_secs() + 600.0))?),
        ("no algorithm", format!("{none}.{body}.")),
        ("no algorithm, signed", format!("{none}.{body}.{signature}")),
        ("no signature", format!("{head}.{body}.")),
        ("two parts", format!("{head}.{body}")),
        ("four parts", format!("{good}.x")),
        ("another body", format!("{head}.{}.{signature}", base64url(b"{\"sub\":\"root\"}"))),
        ("padding", format!("{head}.{body}.{signature}=")),
        ("HMAC", confused.token(&confused.header(), &claims())?),
        ("an unknown critical extension", header("crit", json!(["exp"]))?),
        ("another kind of token", header("typ", json!("dpop+jwt"))?),
        ("an algorithm that is not the key's", header("alg", json!("ES256"))?),
        ("a key of its own", header("jwk", issuer.key.jwk()).map(|token| format!("{token}x"))?),
        ("an unknown key", header("kid", json!("unknown"))?),
        ("nothing", String::new()),
        ("no token", "hello".to_owned()),
        ("two tokens", format!("{good} {good}")),
        ("a list of tokens", format!("{good}, {good}")),
    ];
    for (what, token) in attacks {
        let mut client = rig.send(&Handshake::to("/ws").bearer(&token))?;
        let said = no(&mut client)?;
        let fits = said == http(401, "invalid_token")
            || said == http(400, "invalid_request")
            || said == http(401, "credential_required") && token.is_empty();
        assert!(fits, "{what}: {said:?}");
    }
    let expired = issuer.token_for("alice", -5.0)?;
    let mut client = rig.send(&Handshake::to("/ws").bearer(&expired))?;
    assert_eq!(no(&mut client)?, http(401, "token_expired"));
    rig.expect_undialled()
}

#[test]
fn a_token_of_another_issuer_or_audience_is_refused() -> Outcome {
    let rig = Rig::new(HEADER)?;
    for (claim, value) in [("iss", "https://id.example.com/"), ("aud", "https://api.example.com/")]
    {
        let token = rig.issuer.sign(&with(rig.issuer.claims("alice"), claim, value.into()))?;
        let mut client = rig.send(&Handshake::to("/ws").bearer(&token))?;
        assert_eq!(no(&mut client)?, http(401, "invalid_token"), "{claim}");
    }
    rig.expect_undialled()
}

#[test]
fn the_clock_may_be_wrong_by_the_skew_and_no_more() -> Outcome {
    let tolerant = Issuer::new("https://tolerant.example")?;
    let rig = Rig::with(HEADER, |setup| {
        setup.issuer("tolerant", &tolerant, "clock_skew = \"60s\"").unwrap()
    })?;
    rig.asked(&Handshake::to("/ws").bearer(&tolerant.token_for("alice", -20.0)?))?;
    let mut client =
        rig.send(&Handshake::to("/ws").bearer(&tolerant.token_for("alice", -90.0)?))?;
    assert_eq!(no(&mut client)?, http(401, "token_expired"));
    Ok(())
}

#[test]
fn every_kind_of_key_verifies() -> Outcome {
    let curve = Issuer::with_key("https://p256.example", Key::generate(KeyKind::P256, "p")?)?;
    let secret = Issuer::with_key("https://hmac.example", Key::generate(KeyKind::Secret, "s")?)?;
    let rig = Rig::with(HEADER, |setup| {
        setup.issuer("curve", &curve, "").unwrap().issuer("secret", &secret, "").unwrap()
    })?;
    for issuer in [&rig.issuer, &curve, &secret] {
        rig.asked(&Handshake::to("/ws").bearer(&issuer.token("alice")?))?;
        let mut client = rig.send(&Handshake::to("/ws").bearer(&issuer.forged("alice")?))?;
        assert_eq!(no(&mut client)?, http(401, "invalid_token"));
    }
    Ok(())
}

#[test]
fn a_key_of_one_issuer_signs_nothing_for_another() -> Outcome {
    let other = Issuer::new("https://other.example")?;
    let rig = Rig::with(HEADER, |setup| setup.issuer("other", &other, "").unwrap())?;
    let crossed = other.key.token(&other.key.header(), &rig.issuer.claims("alice"))?;
    let mut client = rig.send(&Handshake::to("/ws").bearer(&crossed))?;
    assert_eq!(no(&mut client)?, http(401, "invalid_token"));
    rig.expect_undialled()
}

#[test]
fn a_route_takes_tokens_of_its_own_issuers_alone() -> Outcome {
    let other = Issuer::new("https://other.example")?;
    let rig = Rig::with(&format!("{HEADER}\nissuers = [\"idp\"]\n"), |setup| {
        setup.issuer("other", &other, "").unwrap()
    })?;
    rig.asked(&rig.good()?)?;
    let mut client = rig.send(&Handshake::to("/ws").bearer(&other.token("alice")?))?;
    assert_eq!(no(&mut client)?, http(401, "invalid_token"));
    Ok(())
}

#[test]
fn a_token_without_the_scope_is_refused() -> Outcome {
    let rig = Rig::new(&format!("{HEADER}\nscopes = [\"chat\", \"read\"]\n"))?;
    for (name, scopes) in [
        ("scope", json!("read chat more")),
        ("scp", json!(["chat", "read"])),
        ("scp", json!("chat read")),
    ] {
        let mut claims = rig.issuer.claims("alice");
        claims.as_object_mut().unwrap().remove("scope");
        rig.asked(&Handshake::to("/ws").bearer(&rig.issuer.sign(&with(claims, name, scopes))?))?;
    }
    for scopes in [json!("chat"), json!("chatread"), json!(""), json!("CHAT READ")] {
        let token = rig.issuer.sign(&with(rig.issuer.claims("alice"), "scope", scopes))?;
        let mut client = rig.send(&Handshake::to("/ws").bearer(&token))?;
        assert_eq!(no(&mut client)?, http(403, "insufficient_scope"));
    }
    Ok(())
}

#[test]
fn two_explicit_credentials_are_refused() -> Outcome {
    let route = "accept = [\"header\", \"query\", \"subprotocol\", \"cookie\", \"message\"]\n\
                 cookie = \"session\"\ndangerous_token_in_query = true\n";
    let rig = Rig::new(route)?;
    let token = rig.token()?;
    let bare = Handshake::to("/ws");
    let query = Handshake::to(&format!("/ws?access_token={token}"));
    let protocol = format!("chat, vestibule.bearer.{token}");
    for handshake in [
        bare.clone().bearer(&token).bearer(&token),
        bare.clone().bearer(&token).subprotocols(&protocol),
        query.clone().bearer(&token),
        query.subprotocols(&protocol),
        Handshake::to(&format!("/ws?access_token={token}&access_token={token}")),
        bare.clone().subprotocols(&format!("{protocol}, vestibule.bearer.{token}")),
        bare.subprotocols(&format!("{protocol}, bearer, {token}")),
    ] {
        let mut client = rig.send(&handshake)?;
        let said = no(&mut client)?;
        let fits =
            said == http(400, "ambiguous_credential") || said == http(400, "invalid_request");
        assert!(fits, "{said:?} to {}", String::from_utf8_lossy(&handshake.bytes()));
        let mut client = rig.send(&handshake.origin(PAGE))?;
        let said = no(&mut client)?;
        let fits = said == close(4400, "ambiguous_credential")
            || said == close(4400, "invalid_request")
            || said == http(400, "invalid_request");
        assert!(fits, "{said:?}");
    }
    rig.expect_undialled()
}

#[test]
fn an_explicit_credential_goes_before_an_ambient_one() -> Outcome {
    let rig = Rig::new("accept = [\"header\", \"cookie\"]\ncookie = \"session\"\n")?;
    let cookie = format!("session={}", rig.issuer.token("from-cookie")?);
    let both = rig.good()?.origin(PAGE).field("Cookie", &cookie);
    assert_eq!(rig.asked(&both)?.one("x-vestibule-subject"), Some("alice"));
    // A bad explicit one is not made up for by a good ambient one.
    let bad = Handshake::to("/ws")
        .bearer(&rig.issuer.forged("alice")?)
        .origin(PAGE)
        .field("Cookie", &cookie);
    let mut client = rig.send(&bad)?;
    assert_eq!(no(&mut client)?, close(4401, "invalid_token"));
    Ok(())
}

#[test]
fn a_carrier_that_the_route_does_not_take_is_refused() -> Outcome {
    let rig = Rig::new(r#"accept = ["message"]"#)?;
    let token = rig.token()?;
    let bare = Handshake::to("/ws");
    for handshake in [
        bare.clone().bearer(&token),
        bare.subprotocols(&format!("chat, vestibule.bearer.{token}")),
        Handshake::to(&format!("/ws?access_token={token}")),
    ] {
        let mut client = rig.send(&handshake)?;
        let said = no(&mut client)?;
        assert_eq!(
            said,
            http(403, "mechanism_not_allowed"),
            "{}",
            String::from_utf8_lossy(&handshake.bytes())
        );
    }
    rig.expect_undialled()
}

#[test]
fn an_authorization_that_is_no_bearer_token_is_nobody_s() -> Outcome {
    let rig = Rig::new(HEADER)?;
    for value in ["Basic YWxpY2U6c2VjcmV0", "Bearer", "Digest x=1", "Negotiate abc", ""] {
        let mut client = rig.send(&Handshake::to("/ws").field("Authorization", value))?;
        let said = no(&mut client)?;
        assert!(matches!(said, crate::rig::No::Http(400..=403, _)), "{value}: {said:?}");
    }
    rig.expect_undialled()
}
