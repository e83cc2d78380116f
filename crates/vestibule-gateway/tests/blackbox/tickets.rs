//! Tickets are good once, for seconds, on one route and one page (invariant 4).

use std::{
    sync::{Arc, Barrier},
    thread,
};

use serde_json::json;
use vestibule_testkit::{Handshake, Setup};

use crate::{
    endpoint::{Ask, refused, ticket},
    rig::{No, Outcome, PAGE, Rig, converse, http, no},
};

const ROUTE: &str = "accept = [\"query\", \"message\"]\nmechanisms = [\"ticket\"]\n";

fn auth(setup: Setup) -> Setup {
    let other = "accept = [\"query\", \"header\"]\nmechanisms = [\"ticket\", \"bearer\"]\n";
    setup.table("[auth]").route("/other", "ws://127.0.0.1:9", other)
}

fn rig() -> anyhow::Result<Rig> {
    Rig::with(ROUTE, auth)
}

fn with_ticket(target: &str, ticket: &str) -> Handshake {
    Handshake::to(&format!("{target}?a=1&ticket={ticket}&b=2"))
}

#[test]
fn a_ticket_opens_its_route_and_is_kept_from_the_upstream() -> Outcome {
    let rig = rig()?;
    let ticket = ticket(&rig.gateway, &rig.token()?)?;
    assert!(ticket.len() >= 40 && ticket.starts_with("vst_"), "{ticket}");
    let head = rig.asked(&with_ticket("/ws", &ticket))?;
    assert_eq!(head.target(), "/ws?a=1&b=2");
    assert_eq!(head.one("x-vestibule-subject"), Some("alice"));
    assert_eq!(head.one("x-vestibule-mechanism"), Some("ticket"));
    assert!(!rig.gateway.log().text().contains(&ticket));
    Ok(())
}

#[test]
fn a_ticket_is_taken_in_band() -> Outcome {
    let rig = rig()?;
    let ticket = ticket(&rig.gateway, &rig.token()?)?;
    let mut client = rig.wait_at_the_door()?;
    let message = json!({"auth": {"type": "authenticate", "mechanism": "ticket", "token": ticket}});
    client.send_text(&message.to_string())?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    let accepted = client.expect_auth("accepted")?;
    assert_eq!(accepted["mechanism"], "ticket");
    converse(&mut client, &mut upstream, "hello")
}

#[test]
fn a_ticket_is_good_once() -> Outcome {
    let rig = rig()?;
    let ticket = ticket(&rig.gateway, &rig.token()?)?;
    rig.open(&with_ticket("/ws", &ticket))?;
    let mut again = rig.send(&with_ticket("/ws", &ticket))?;
    assert_eq!(no(&mut again)?, http(401, "invalid_token"));
    rig.gateway.log().wait_for("ticket_replayed")?;
    Ok(())
}

#[test]
fn of_a_thousand_who_present_one_ticket_at_once_one_gets_in() -> Outcome {
    const CLIENTS: usize = 1000;
    const THREADS: usize = 20;
    let rig =
        Rig::with(ROUTE, |setup| auth(setup.server("workers = 4\npending_per_address = 2000\n")))?;
    let ticket = ticket(&rig.gateway, &rig.token()?)?;
    let handshake = Arc::new(with_ticket("/ws", &ticket).bytes());
    let barrier = Arc::new(Barrier::new(THREADS));
    let address = rig.gateway.address();
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (handshake, barrier) = (Arc::clone(&handshake), Arc::clone(&barrier));
            thread::spawn(move || -> anyhow::Result<Vec<vestibule_testkit::Peer>> {
                let mut peers = Vec::new();
                for _ in 0..CLIENTS / THREADS {
                    peers.push(vestibule_testkit::Peer::connect(address)?);
                }
                barrier.wait();
                for peer in &mut peers {
                    peer.send(&*handshake)?;
                }
                Ok(peers)
            })
        })
        .collect();
    let mut peers = Vec::new();
    for thread in threads {
        peers.extend(thread.join().unwrap()?);
    }
    // The one that got in waits for the upstream.
    let (_upstream, _) = rig.upstream.switch("")?;
    let mut inside = 0;
    for peer in &mut peers {
        match peer.head()?.status() {
            101 => inside += 1,
            401 => {}
            other => anyhow::bail!("status {other}"),
        }
    }
    assert_eq!((peers.len(), inside), (CLIENTS, 1));
    assert_eq!(rig.upstream.count(), 1);
    Ok(())
}

#[test]
fn a_ticket_that_was_tried_elsewhere_is_burnt() -> Outcome {
    let rig = rig()?;
    let ticket = ticket(&rig.gateway, &rig.token()?)?;
    let mut elsewhere = rig.send(&with_ticket("/other", &ticket))?;
    assert_eq!(no(&mut elsewhere)?, http(401, "invalid_token"));
    rig.gateway.log().wait_for("ticket_misplaced")?;
    let mut right = rig.send(&with_ticket("/ws", &ticket))?;
    assert_eq!(no(&mut right)?, http(401, "invalid_token"));
    Ok(())
}

#[test]
fn a_ticket_of_one_page_is_not_good_for_another_nor_for_none() -> Outcome {
    let origins = format!("origins = [{PAGE:?}, \"https://other.example.com\"]\n{ROUTE}");
    let rig = Rig::with(&origins, auth)?;
    let token = rig.token()?;
    for wrong in [Some("https://other.example.com"), None] {
        let ask = Ask::post("/auth/ticket").bearer(&token).json(&json!({ "path": "/ws" }));
        let ticket = ask.field("Origin", PAGE).of(&rig.gateway)?.text("ticket")?;
        let mut handshake = with_ticket("/ws", &ticket);
        if let Some(origin) = wrong {
            handshake = handshake.origin(origin);
        }
        let mut client = rig.send(&handshake)?;
        let said = no(&mut client)?;
        assert!(matches!(said, No::Http(401, _) | No::Close(4401, _)), "{said:?}");
        rig.gateway.log().wait_for("ticket_misplaced")?;
    }
    let ask = Ask::post("/auth/ticket").bearer(&token).json(&json!({ "path": "/ws" }));
    let ticket = ask.field("Origin", PAGE).of(&rig.gateway)?.text("ticket")?;
    rig.open(&with_ticket("/ws", &ticket).origin(PAGE))?;
    Ok(())
}

#[test]
fn a_ticket_does_not_survive_a_restart() -> Outcome {
    let rig = rig()?;
    let ticket = ticket(&rig.gateway, &rig.token()?)?;
    let Rig { gateway, upstream, issuer: _, setup } = rig;
    drop(gateway);
    let gateway = setup.start(crate::rig::binary())?;
    let mut client = gateway.connect()?;
    client.send(with_ticket("/ws", &ticket).bytes())?;
    assert_eq!(no(&mut client)?, http(401, "invalid_token"));
    assert_eq!(upstream.count(), 0);
    Ok(())
}

#[test]
fn the_lease_is_that_of_the_credential_that_bought_the_ticket() -> Outcome {
    let rig = Rig::with(&format!("{ROUTE}expiry_grace = \"0s\"\n"), auth)?;
    let token = rig.issuer.token_for("alice", 2.0)?;
    let ticket = ticket(&rig.gateway, &token)?;
    let (mut client, _upstream) = rig.open(&with_ticket("/ws", &ticket))?;
    client.expect_close(4401)?;
    Ok(())
}

#[test]
fn a_ticket_that_comes_too_late_is_refused_and_counted_as_expired() -> Outcome {
    let short = |setup: Setup| setup.table("[auth]\nticket = \"1s\"");
    let rig = Rig::with(&format!("{ROUTE}expiry_grace = \"0s\"\n"), short)?;
    let ticket = ticket(&rig.gateway, &rig.token()?)?;
    // The connection of another credential ends when the ticket has.
    let brief = rig.issuer.token_for("bob", 1.5)?;
    let ask = Ask::post("/auth/ticket").bearer(&brief).json(&json!({ "path": "/ws" }));
    let bobs = ask.of(&rig.gateway)?.text("ticket")?;
    let (mut clock, _upstream) = rig.open(&with_ticket("/ws", &bobs))?;
    clock.expect_close(4401)?;
    let mut client = rig.send(&with_ticket("/ws", &ticket))?;
    assert_eq!(no(&mut client)?, http(401, "invalid_token"));
    rig.gateway.log().wait_for("ticket_expired")?;
    assert_eq!(rig.gateway.metric("vestibule_tickets_total{event=\"expired\"}")?, 1);
    Ok(())
}

#[test]
fn who_brings_nothing_or_nonsense_buys_nothing() -> Outcome {
    let rig = rig()?;
    let token = rig.token()?;
    let ask = || Ask::post("/auth/ticket");
    let path = json!({ "path": "/ws" });
    let bought = ticket(&rig.gateway, &token)?;
    for (ask, expected) in [
        (ask().json(&path), refused(401, "credential_required")),
        (ask().bearer("x.y.z").json(&path), refused(401, "invalid_token")),
        (ask().bearer(&rig.issuer.forged("alice")?).json(&path), refused(401, "invalid_token")),
        // A ticket that buys another would live for ever.
        (ask().bearer(&bought).json(&path), refused(403, "mechanism_not_allowed")),
        (ask().bearer(&token), refused(400, "invalid_request")),
        (ask().bearer(&token).json(&json!({ "path": "/none" })), refused(404, "route_not_found")),
        (ask().bearer(&token).json(&json!({ "path": "/honest" })), refused(400, "invalid_request")),
        (ask().bearer(&token).json(&json!({ "pth": "/ws" })), refused(400, "invalid_request")),
        (ask().bearer(&token).json(&json!({ "path": 1 })), refused(400, "invalid_request")),
        (ask().bearer(&token).json(&json!([])), refused(400, "invalid_request")),
        (
            ask().bearer(&token).text("text/plain", "{\"path\":\"/ws\"}"),
            refused(415, "invalid_request"),
        ),
        (
            ask().bearer(&token).text("application/json", &" ".repeat(20_000)),
            refused(413, "invalid_request"),
        ),
        (ask().method("GET"), refused(405, "invalid_request")),
        (
            ask().bearer(&token).json(&path).field("Origin", "https://evil.example"),
            refused(403, "origin_not_allowed"),
        ),
        (Ask::post("/auth/tickets"), refused(404, "not_found")),
    ] {
        let said = ask.of(&rig.gateway)?;
        assert_eq!(said.no()?, expected, "{}", ask.bytes());
    }
    Ok(())
}

#[test]
fn tickets_of_one_principal_are_bounded() -> Outcome {
    let rig = Rig::with(ROUTE, |setup| setup.table("[auth]\ntickets_per_principal = 3"))?;
    let token = rig.token()?;
    let mut last = String::new();
    for _ in 0..3 {
        last = ticket(&rig.gateway, &token)?;
    }
    let ask = Ask::post("/auth/ticket").bearer(&token).json(&json!({ "path": "/ws" }));
    assert_eq!(ask.of(&rig.gateway)?.no()?, refused(429, "too_many_attempts"));
    let bob = rig.issuer.token("bob")?;
    ticket(&rig.gateway, &bob)?;
    // One that is used makes room.
    rig.open(&with_ticket("/ws", &last))?;
    ticket(&rig.gateway, &token)?;
    Ok(())
}

#[test]
fn tickets_in_all_are_bounded() -> Outcome {
    let rig = Rig::with(ROUTE, |setup| setup.table("[auth]\ntickets = 2"))?;
    for name in ["alice", "bob"] {
        ticket(&rig.gateway, &rig.issuer.token(name)?)?;
    }
    let carol = Ask::post("/auth/ticket").bearer(&rig.issuer.token("carol")?);
    let said = carol.json(&json!({ "path": "/ws" })).of(&rig.gateway)?;
    assert_eq!(said.no()?, refused(503, "temporarily_unavailable"));
    Ok(())
}

#[test]
fn pages_of_the_route_may_buy_and_read_and_others_may_not() -> Outcome {
    let rig = rig()?;
    let preflight = |origin: &str| {
        let ask = Ask::get("/auth/ticket").method("OPTIONS").field("Origin", origin);
        ask.field("Access-Control-Request-Method", "POST").of(&rig.gateway)
    };
    let said = preflight(PAGE)?;
    assert_eq!(said.head.status(), 204);
    assert_eq!(said.head.one("access-control-allow-origin"), Some(PAGE));
    assert_eq!(said.head.one("access-control-allow-credentials"), Some("true"));
    assert!(
        said.head.one("access-control-allow-headers").is_some_and(|h| h.contains("Content-Type"))
    );
    let said = preflight("https://evil.example")?;
    assert_eq!(said.head.one("access-control-allow-origin"), None);
    Ok(())
}
