//! A cookie counts only with an allowed origin (invariant 7).

use vestibule_testkit::Handshake;

use crate::rig::{No, OWN_HOST, Outcome, PAGE, Rig, close, http, no};

const COOKIE: &str = "accept = [\"cookie\"]\ncookie = \"session\"\n";

#[test]
fn a_cookie_opens_a_route_for_an_allowed_page() -> Outcome {
    let rig = Rig::new(COOKIE)?;
    let cookie = format!("session={}", rig.token()?);
    let head = rig.asked(&Handshake::to("/ws").origin(PAGE).field("Cookie", &cookie))?;
    assert_eq!(head.one("x-vestibule-subject"), Some("alice"));
    Ok(())
}

#[test]
fn a_cookie_with_a_foreign_missing_or_null_origin_is_refused() -> Outcome {
    for route in [COOKIE, "accept = [\"cookie\", \"message\"]\ncookie = \"session\"\n"] {
        let rig = Rig::new(route)?;
        let with_cookie =
            Handshake::to("/ws").field("Cookie", &format!("session={}", rig.token()?));
        for handshake in [
            with_cookie.clone(),
            with_cookie.clone().origin("https://evil.example"),
            with_cookie.clone().origin("null"),
            with_cookie.clone().origin(""),
            with_cookie.clone().origin("http://app.example.com"),
            with_cookie.clone().origin("https://app.example.com:8443"),
            with_cookie.clone().origin("https://app.example.com.evil.example"),
            with_cookie.clone().origin("https://evil.example/https://app.example.com"),
            with_cookie.clone().origin("https://app.example.com/"),
            with_cookie.clone().origin("https://app.example.com "),
            with_cookie.clone().origin("https://app.example.com https://evil.example"),
            with_cookie.clone().origin("app.example.com"),
            with_cookie.clone().origin("https://user@app.example.com"),
            with_cookie.clone().origin(PAGE).origin(PAGE),
            with_cookie.clone().origin(PAGE).origin("https://evil.example"),
            with_cookie.clone().origin(PAGE).field("Sec-Fetch-Mode", "no-cors"),
        ] {
            let text = String::from_utf8(handshake.bytes())?;
            // White space around a value is no part of it (RFC 9110 section 5.5).
            if text.contains("example.com \r\n") {
                continue;
            }
            let mut client = rig.send(&handshake)?;
            assert_eq!(no(&mut client)?, http(403, "origin_not_allowed"), "{text}");
        }
        rig.expect_undialled()?;
    }
    Ok(())
}

#[test]
fn by_default_only_the_own_host_is_allowed() -> Outcome {
    let rig = Rig::new(&format!("{COOKIE}{OWN_HOST}"))?;
    let with_cookie = Handshake::to("/ws")
        .with("Host", "ws.example.com:8080")
        .field("Cookie", &format!("session={}", rig.token()?));
    for origin in ["http://ws.example.com:8080", "https://ws.example.com:8080"] {
        rig.asked(&with_cookie.clone().origin(origin))?;
    }
    for origin in ["http://ws.example.com", "http://example.com:8080", PAGE, "null"] {
        let mut client = rig.send(&with_cookie.clone().origin(origin))?;
        assert_eq!(no(&mut client)?, http(403, "origin_not_allowed"), "{origin}");
    }
    let cross =
        with_cookie.origin("http://ws.example.com:8080").field("Sec-Fetch-Site", "cross-site");
    let mut client = rig.send(&cross)?;
    assert_eq!(no(&mut client)?, http(403, "origin_not_allowed"));
    Ok(())
}

#[test]
fn subdomains_are_allowed_by_a_rule_and_the_domain_itself_is_not() -> Outcome {
    let rig = Rig::new(&format!("{COOKIE}origins = [\"https://*.example.com\"]\n"))?;
    let with_cookie = Handshake::to("/ws").field("Cookie", &format!("session={}", rig.token()?));
    for origin in ["https://a.example.com", "https://a.b.example.com"] {
        rig.asked(&with_cookie.clone().origin(origin))?;
    }
    for origin in ["https://example.com", "https://evilexample.com", "http://a.example.com"] {
        let mut client = rig.send(&with_cookie.clone().origin(origin))?;
        assert_eq!(no(&mut client)?, http(403, "origin_not_allowed"), "{origin}");
    }
    Ok(())
}

#[test]
fn the_same_cookie_twice_opens_nothing() -> Outcome {
    let rig = Rig::new(COOKIE)?;
    let (good, other) = (rig.token()?, rig.issuer.token("bob")?);
    let page = Handshake::to("/ws").origin(PAGE);
    for handshake in [
        page.clone().field("Cookie", &format!("session={good}; session={other}")),
        page.clone().field("Cookie", &format!("session={good}; session={good}")),
        page.clone().field("Cookie", &format!("session={good}; session=")),
        page.field("Cookie", &format!("session={good}"))
            .field("Cookie", &format!("session={other}")),
    ] {
        let mut client = rig.send(&handshake)?;
        let said = no(&mut client)?;
        let error = match &said {
            No::Http(400, error) | No::Close(4400, error) => error.clone(),
            other => panic!("{other:?}"),
        };
        assert!(["ambiguous_credential", "invalid_request"].contains(&&*error), "{said:?}");
    }
    rig.expect_undialled()
}

#[test]
fn a_cookie_of_another_name_is_no_credential() -> Outcome {
    let rig = Rig::new(COOKIE)?;
    let token = rig.token()?;
    for cookie in [
        format!("Session={token}"),
        format!("xsession={token}"),
        format!("a=session={token}"),
        format!("session2={token}"),
        "session".to_owned(),
    ] {
        let mut client = rig.send(&Handshake::to("/ws").origin(PAGE).field("Cookie", &cookie))?;
        let said = no(&mut client)?;
        assert!(matches!(said, No::Close(4401, _)), "{cookie}: {said:?}");
    }
    rig.expect_undialled()
}

#[test]
fn a_cookie_that_does_not_verify_is_refused_or_counts_as_none() -> Outcome {
    let rig = Rig::new(COOKIE)?;
    let bad = format!("session={}", rig.issuer.forged("alice")?);
    let handshake = Handshake::to("/ws").origin(PAGE).field("Cookie", &bad);
    let mut client = rig.send(&handshake)?;
    assert_eq!(no(&mut client)?, close(4401, "invalid_token"));
    // Where a message may follow, the old cookie of a browser is no obstacle.
    let rig = Rig::new("accept = [\"cookie\", \"message\"]\ncookie = \"session\"\n")?;
    let mut client = rig.send(&handshake)?;
    client.expect_switch()?;
    client.authenticate(&rig.token()?)?;
    rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    Ok(())
}

#[test]
fn the_cookie_is_taken_out_and_the_others_stay() -> Outcome {
    let rig = Rig::new(COOKIE)?;
    let token = rig.token()?;
    for (cookie, left) in [
        (format!("session={token}"), None),
        (format!("a=1; session={token}; b=2"), Some("a=1; b=2")),
        (format!("session={token}; b=2"), Some("b=2")),
        (format!("a=1; session={token}"), Some("a=1")),
    ] {
        let head = rig.asked(&Handshake::to("/ws").origin(PAGE).field("Cookie", &cookie))?;
        assert_eq!(head.one("cookie"), left, "{head}");
        assert!(!head.mentions(&token), "{head}");
    }
    Ok(())
}

#[test]
fn the_cookie_is_taken_out_even_where_another_credential_was_used() -> Outcome {
    let rig = Rig::new("accept = [\"header\", \"cookie\"]\ncookie = \"session\"\n")?;
    let other = rig.issuer.token("bob")?;
    let handshake = rig.good()?.origin(PAGE).field("Cookie", &format!("session={other}; b=2"));
    let head = rig.asked(&handshake)?;
    assert_eq!(head.one("cookie"), Some("b=2"), "{head}");
    Ok(())
}
