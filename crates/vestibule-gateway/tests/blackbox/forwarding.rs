//! Who the upstream is told the client is, with and without proxies that are trusted.

use vestibule_testkit::{Handshake, Head};

use crate::rig::{OWN_HOST, Outcome, PAGE, Rig, http, no};

const HEADER: &str = r#"accept = ["header", "cookie"]
cookie = "session"
"#;

fn behind_a_proxy(route: &str) -> anyhow::Result<Rig> {
    Rig::with(route, |setup| {
        setup.server("workers = 1\ntrusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]")
    })
}

fn forged(rig: &Rig) -> anyhow::Result<Handshake> {
    Ok(rig
        .good()?
        .field("X-Forwarded-For", "6.6.6.6")
        .field("X-Forwarded-Proto", "https")
        .field("X-Forwarded-Host", "forged.example")
        .field("Forwarded", "for=6.6.6.6;host=forged.example;proto=https")
        .field("X-Real-IP", "6.6.6.6"))
}

fn all(head: &Head, name: &str) -> String {
    head.all(name).join(", ")
}

#[test]
fn forwarded_fields_of_a_stranger_are_replaced() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let head = rig.asked(&forged(&rig)?)?;
    assert!(!head.mentions("6.6.6.6") && !head.mentions("forged.example"), "{head}");
    assert_eq!(all(&head, "x-forwarded-for"), "127.0.0.1");
    assert_eq!(all(&head, "x-forwarded-proto"), "http");
    assert_eq!(all(&head, "x-forwarded-host"), "localhost");
    Ok(())
}

#[test]
fn a_trusted_proxy_is_believed() -> Outcome {
    let rig = behind_a_proxy(HEADER)?;
    let handshake = rig
        .good()?
        .field("X-Forwarded-For", "203.0.113.9")
        .field("X-Forwarded-Proto", "https")
        .field("X-Forwarded-Host", "ws.example.com");
    let head = rig.asked(&handshake)?;
    let chain = all(&head, "x-forwarded-for");
    assert!(chain.starts_with("203.0.113.9"), "{chain}");
    assert_eq!(all(&head, "x-forwarded-proto"), "https");
    assert_eq!(all(&head, "x-forwarded-host"), "ws.example.com");
    assert!(rig.gateway.log().wait_for("203.0.113.9").is_ok());
    Ok(())
}

#[test]
fn only_the_last_address_that_no_trusted_proxy_wrote_counts() -> Outcome {
    let rig = behind_a_proxy(HEADER)?;
    for (fields, client) in [
        (vec!["6.6.6.6, 203.0.113.9, 10.0.0.7"], "203.0.113.9"),
        (vec!["6.6.6.6", "203.0.113.8"], "203.0.113.8"),
        (vec!["6.6.6.6, nonsense, 203.0.113.7"], "203.0.113.7"),
    ] {
        let mut handshake = rig.good()?;
        for field in fields {
            handshake = handshake.field("X-Forwarded-For", field);
        }
        rig.asked(&handshake)?;
        let line = rig.gateway.log().wait_for(client)?;
        assert!(!line.contains("6.6.6.6"), "{line}");
    }
    Ok(())
}

#[test]
fn the_own_host_is_the_one_that_the_trusted_proxy_was_asked_for() -> Outcome {
    let rig = behind_a_proxy(&format!("{HEADER}{OWN_HOST}"))?;
    let with_cookie = Handshake::to("/ws")
        .field("Cookie", &format!("session={}", rig.token()?))
        .field("X-Forwarded-Host", "ws.example.com")
        .field("X-Forwarded-Proto", "https");
    rig.asked(&with_cookie.clone().origin("https://ws.example.com"))?;
    // The page came without TLS, and the socket with it: that page is foreign.
    let mut client = rig.send(&with_cookie.origin("http://ws.example.com"))?;
    assert_eq!(no(&mut client)?, http(403, "origin_not_allowed"));
    Ok(())
}

#[test]
fn a_stranger_cannot_make_its_page_the_own_host() -> Outcome {
    let rig = Rig::new(&format!("{HEADER}{OWN_HOST}"))?;
    let handshake = Handshake::to("/ws")
        .field("Cookie", &format!("session={}", rig.token()?))
        .field("X-Forwarded-Host", "evil.example")
        .field("Forwarded", "host=evil.example")
        .origin("https://evil.example");
    let mut client = rig.send(&handshake)?;
    assert_eq!(no(&mut client)?, http(403, "origin_not_allowed"));
    rig.expect_undialled()
}

#[test]
fn the_upstream_is_asked_by_its_own_name() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let head = rig.asked(&rig.good()?.origin(PAGE))?;
    let address = rig.upstream.url();
    assert_eq!(head.one("host"), address.strip_prefix("ws://"));
    assert_ne!(head.one("sec-websocket-key"), Some(Handshake::KEY));
    assert_eq!(head.one("sec-websocket-version"), Some("13"));
    assert_eq!(head.one("origin"), Some(PAGE));
    Ok(())
}

#[test]
fn what_is_the_application_s_passes_through() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let handshake = rig
        .good()?
        .field("User-Agent", "test/1")
        .field("Accept-Language", "de, en;q=0.5")
        .field("X-Request-Id", "7")
        .field("X-Many", "one")
        .field("X-Many", "two")
        .field("Cookie", "theme=dark");
    let head = rig.asked(&handshake)?;
    assert_eq!(head.one("user-agent"), Some("test/1"));
    assert_eq!(head.one("accept-language"), Some("de, en;q=0.5"));
    assert_eq!(head.one("x-request-id"), Some("7"));
    assert_eq!(all(&head, "x-many"), "one, two");
    assert_eq!(head.one("cookie"), Some("theme=dark"));
    Ok(())
}

#[test]
fn what_is_between_two_hops_stays_there() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let handshake = rig
        .good()?
        .with("Connection", "Upgrade, X-Hop")
        .field("X-Hop", "secret-of-the-hop")
        .field("Keep-Alive", "timeout=7")
        .field("Proxy-Authorization", "Basic c2VjcmV0")
        .field("Proxy-Connection", "keep-alive")
        .field("TE", "trailers")
        .field("Trailer", "X");
    let head = rig.asked(&handshake)?;
    for name in ["x-hop", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer"]
    {
        assert_eq!(head.all(name), Vec::<&str>::new(), "{head}");
    }
    assert_eq!(head.one("connection").map(str::to_ascii_lowercase).as_deref(), Some("upgrade"));
    Ok(())
}
