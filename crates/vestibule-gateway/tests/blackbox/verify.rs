//! `GET /auth/verify`: who may ask, about what, and what a client can put into the question.

use serde_json::json;
use vestibule_testkit::Setup;

use crate::{
    endpoint::{Ask, Said, refused, ticket},
    rig::{Outcome, PAGE, Rig},
};

const ROUTE: &str = "accept = [\"header\", \"query\", \"cookie\"]\ncookie = \"session\"\n\
                     mechanisms = [\"bearer\", \"ticket\"]\nscopes = [\"special\"]\n";

/// Whether the address of the tests is a proxy's.
fn rig(trusted: &str) -> anyhow::Result<Rig> {
    let server = format!("workers = 1\ntrusted_proxies = [{trusted:?}]\n");
    Rig::with(ROUTE, |setup: Setup| setup.server(&server).table("[auth]"))
}

fn scoped(rig: &Rig) -> anyhow::Result<String> {
    rig.issuer.sign(&vestibule_testkit::with(rig.issuer.claims("alice"), "scope", json!("special")))
}

fn about(rig: &Rig, uri: &str, token: &str) -> anyhow::Result<Said> {
    Ask::get("/auth/verify").field("X-Forwarded-Uri", uri).bearer(token).of(&rig.gateway)
}

#[test]
fn a_good_token_is_told_to_the_proxy_with_its_identity() -> Outcome {
    let rig = rig("127.0.0.1")?;
    let said = about(&rig, "/ws?x=1", &scoped(&rig)?)?;
    assert_eq!(said.head.status(), 204);
    assert_eq!(said.head.one("x-vestibule-subject"), Some("alice"));
    assert!(said.head.one("x-vestibule-assertion").is_some());
    assert_eq!(about(&rig, "/ws", &rig.token()?)?.no()?, refused(403, "insufficient_scope"));
    let said = about(&rig, "/ws", &rig.issuer.forged("alice")?)?;
    assert_eq!(said.head.one("x-vestibule-subject"), None);
    assert_eq!(said.no()?, refused(401, "invalid_token"));
    Ok(())
}

#[test]
fn nobody_but_a_trusted_proxy_may_ask() -> Outcome {
    let rig = rig("192.0.2.1")?;
    let ask = Ask::get("/auth/verify").field("X-Forwarded-Uri", "/ws").bearer(&scoped(&rig)?);
    for ask in [ask.clone(), ask.field("X-Forwarded-For", "192.0.2.1")] {
        let said = ask.of(&rig.gateway)?;
        assert_eq!(said.head.one("x-vestibule-subject"), None);
        assert_eq!(said.no()?, refused(403, "access_denied"));
    }
    Ok(())
}

#[test]
fn a_client_cannot_choose_the_route_that_judges_it() -> Outcome {
    let rig = rig("127.0.0.1")?;
    // Good for /honest, and not for /ws.
    let token = rig.token()?;
    assert_eq!(about(&rig, "/honest", &token)?.head.status(), 204);
    // Whichever of the two the proxy has said, the other one may be the client's.
    for (named, name, value) in [
        ("/ws", "X-Forwarded-Uri", "/honest"),
        ("/ws", "X-Original-Uri", "/honest?x"),
        ("/honest", "X-Forwarded-Uri", "/ws"),
    ] {
        let asked = Ask::get(&format!("/auth/verify?path={named}")).bearer(&token);
        let said = asked.field(name, value).of(&rig.gateway)?;
        assert_eq!(said.no()?, refused(400, "invalid_request"), "{named} {name}");
    }
    let agreed = Ask::get("/auth/verify?path=/honest").bearer(&token);
    let said = agreed.field("X-Forwarded-Uri", "/honest?path=/ws").of(&rig.gateway)?;
    assert_eq!(said.head.status(), 204);
    let two = Ask::get("/auth/verify").bearer(&token).field("X-Original-Uri", "/ws");
    let said = two.field("X-Forwarded-Uri", "/honest").of(&rig.gateway)?;
    assert_eq!(said.no()?, refused(400, "invalid_request"));
    let twice = Ask::get("/auth/verify").bearer(&token).field("X-Forwarded-Uri", "/ws");
    let said = twice.field("X-Forwarded-Uri", "/honest").of(&rig.gateway)?;
    assert_eq!(said.no()?.0, 400);
    for uri in ["/honest/../ws", "/honest/%2e%2e/ws", "//ws", "ws", "", "http://x/ws", "/ws\\"] {
        assert!(matches!(about(&rig, uri, &token)?.no()?.0, 400 | 404), "{uri}");
    }
    Ok(())
}

#[test]
fn a_ticket_in_what_was_asked_for_is_good_once() -> Outcome {
    let rig = rig("127.0.0.1")?;
    let ticket = ticket(&rig.gateway, &scoped(&rig)?)?;
    let uri = format!("/ws?ticket={ticket}");
    let ask = || Ask::get("/auth/verify").field("X-Forwarded-Uri", &uri);
    assert_eq!(ask().of(&rig.gateway)?.head.status(), 204);
    assert_eq!(ask().of(&rig.gateway)?.no()?, refused(401, "invalid_token"));
    Ok(())
}

#[test]
fn a_cookie_counts_with_an_allowed_page_alone() -> Outcome {
    let rig = rig("127.0.0.1")?;
    let cookie = format!("session={}", scoped(&rig)?);
    let ask = || Ask::get("/auth/verify?path=/ws").field("Cookie", &cookie);
    assert_eq!(ask().field("Origin", PAGE).of(&rig.gateway)?.head.status(), 204);
    let none = ask().of(&rig.gateway)?.no()?;
    let evil = ask().field("Origin", "https://evil.example").of(&rig.gateway)?.no()?;
    assert_eq!(
        (none, evil),
        (refused(403, "origin_not_allowed"), refused(403, "origin_not_allowed"))
    );
    Ok(())
}

#[test]
fn a_proxy_that_speaks_http_1_0_is_answered() -> Outcome {
    let rig = rig("127.0.0.1")?;
    let mut proxy = rig.gateway.connect()?;
    let token = scoped(&rig)?;
    proxy.send(format!(
        "GET /auth/verify HTTP/1.0\r\nHost: vestibule\r\nX-Forwarded-Uri: /ws\r\n\
         Authorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    ))?;
    let head = proxy.head()?;
    assert_eq!((head.status(), head.one("x-vestibule-subject")), (204, Some("alice")));
    proxy.end()
}
