//! Tokens that are bound to a key, in band and at the endpoints.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use vestibule_client::{Request, Signature, Unavailable, auth::dpop};
use vestibule_testkit::{Handshake, Holder, KeyKind, Peer, Setup};

use crate::{
    dpop::{HERE, INVALID, ROUTE, nonce, rig, with},
    endpoint::{Ask, Said, refused},
    keyring::enters_as_alice,
    rig::{No, Outcome, PAGE, Rig, close, closed, converse},
};

/// What is made of a nonce.
type Answer<'a> = &'a dyn Fn(&Value) -> anyhow::Result<String>;

fn begin(client: &mut Peer, token: &str) -> anyhow::Result<Value> {
    let message = json!({"auth": {"type": "authenticate", "mechanism": "dpop", "token": token}});
    client.send_text(&message.to_string())?;
    let challenge = client.expect_auth("challenge")?;
    ensure!(challenge["expires_in"].as_u64().is_some_and(|left| left <= 5), "{challenge}");
    let nonce = challenge["nonce"].as_str().context("no nonce")?;
    Ok(json!({ "nonce": nonce }))
}

fn respond(client: &mut Peer, proof: &str) -> Outcome {
    let message = json!({"auth": {"type": "respond", "proof": proof}});
    Ok(client.send_text(&message.to_string())?)
}

fn rejected(client: &mut Peer, error: &str) -> Outcome {
    let rejected = client.expect_auth("rejected")?;
    ensure!(rejected["error"] == *error && rejected["retry"] == true, "{rejected}");
    Ok(())
}

#[test]
fn in_band_the_challenge_is_the_nonce() -> Outcome {
    let (rig, holder, token) = rig()?;
    let mut client = rig.wait_at_the_door()?;
    let nonce = begin(&mut client, &token)?;
    respond(&mut client, &holder.proof(HERE, &token, &nonce)?)?;
    let (mut upstream, head) = rig.upstream.switch("")?;
    let accepted = client.expect_auth("accepted")?;
    assert_eq!((&accepted["subject"], &accepted["mechanism"]), (&json!("alice"), &json!("dpop")));
    assert_eq!(head.one("x-vestibule-mechanism"), Some("dpop"));
    converse(&mut client, &mut upstream, "hello")?;
    // A newer token renews it, over a challenge of its own.
    let newer = holder.token(&rig.issuer)?;
    let again = json!({"auth": {"type": "refresh", "mechanism": "dpop", "token": newer}});
    for right in [false, true] {
        client.send_text(&again.to_string())?;
        let challenge = client.expect_auth("challenge")?;
        let fresh = json!({ "nonce": challenge["nonce"] });
        let nonce = if right { &fresh } else { &nonce };
        respond(&mut client, &holder.proof(HERE, &newer, nonce)?)?;
        if right {
            assert_eq!(client.expect_auth("accepted")?["mechanism"], "dpop");
        } else {
            rejected(&mut client, INVALID)?;
        }
        converse(&mut client, &mut upstream, "still here")?;
    }
    Ok(())
}

#[test]
fn in_band_a_proof_for_something_else_lets_nobody_in() -> Outcome {
    let (rig, holder, token) = rig()?;
    let thief = Holder::new(KeyKind::P256)?;
    let mut elsewhere = rig.wait_at_the_door()?;
    let other = begin(&mut elsewhere, &token)?;
    let by_header = nonce(&rig, &holder, &token)?;
    let answers: [(Answer<'_>, &str); 8] = [
        (&|_| holder.proof(HERE, &token, &other), INVALID),
        (&|_| holder.proof(HERE, &token, &by_header), INVALID),
        (&|_| holder.proof(HERE, &token, &json!({})), INVALID),
        (&|nonce| holder.proof(("POST", HERE.1), &token, nonce), INVALID),
        (&|nonce| holder.proof(("GET", "ws://localhost/honest"), &token, nonce), INVALID),
        (&|nonce| holder.proof(HERE, "another token", nonce), INVALID),
        (&|nonce| thief.proof(HERE, &token, nonce), "invalid_token"),
        (&|_| Ok("x".to_owned()), INVALID),
    ];
    for (answer, error) in answers {
        let mut client = rig.wait_at_the_door()?;
        let nonce = begin(&mut client, &token)?;
        respond(&mut client, &answer(&nonce)?)?;
        rejected(&mut client, error)?;
    }
    // The proof of one connection on another one.
    let mut client = rig.wait_at_the_door()?;
    let nonce = begin(&mut client, &token)?;
    respond(&mut elsewhere, &holder.proof(HERE, &token, &nonce)?)?;
    rejected(&mut elsewhere, INVALID)?;
    // A token that is bound to nothing is asked for a proof like any other, and refused.
    let unbound = rig.token()?;
    let mut client = rig.wait_at_the_door()?;
    let nonce = begin(&mut client, &unbound)?;
    respond(&mut client, &holder.proof(HERE, &unbound, &nonce)?)?;
    rejected(&mut client, "invalid_token")?;
    rig.expect_undialled()
}

#[test]
fn in_band_a_challenge_is_spent_by_what_answers_it() -> Outcome {
    let (rig, holder, token) = rig()?;
    let mut client = rig.wait_at_the_door()?;
    let nonce = begin(&mut client, &token)?;
    let right = holder.proof(HERE, &token, &nonce)?;
    begin(&mut client, &token)?;
    respond(&mut client, &right)?;
    rejected(&mut client, INVALID)?;
    respond(&mut client, &right)?;
    assert_eq!(closed(&mut client)?, close(4400, "invalid_request"));
    for response in [
        json!({"type": "respond", "signature": "AAAA"}),
        json!({"type": "respond", "message": "x"}),
        json!({"type": "respond", "proof": 7}),
    ] {
        let mut client = rig.wait_at_the_door()?;
        begin(&mut client, &token)?;
        client.send_text(&json!({ "auth": response }).to_string())?;
        let said = match client.message()? {
            vestibule_testkit::Message::Text(_) => closed(&mut client)?,
            vestibule_testkit::Message::Close(code, reason) => No::Close(code, reason),
            other => anyhow::bail!("{other:?}"),
        };
        assert_eq!(said, close(4400, "invalid_request"));
    }
    rig.expect_undialled()
}

#[test]
fn a_program_enters_with_a_token_that_is_bound_to_its_key() -> Outcome {
    let (rig, _, _) = rig()?;
    for kind in [KeyKind::Ed25519, KeyKind::P256] {
        let holder = Arc::new(Holder::new(kind)?);
        let (token, jwk) = (holder.token(&rig.issuer)?, holder.key().jwk().to_string());
        let sign = move |bytes: Vec<u8>| {
            let signature = holder.key().sign(&bytes).map_err(|_| Unavailable::ForGood);
            async move {
                let raw = signature?.try_into().map_err(|_| Unavailable::ForGood)?;
                Ok(Signature::Raw(raw))
            }
        };
        let token = move |_: Request| {
            let token = token.clone();
            async move { Ok::<_, Unavailable>(token) }
        };
        enters_as_alice(&rig, dpop(token, jwk, sign))?;
    }
    Ok(())
}

const TICKETS: &str = "accept = [\"query\"]\nmechanisms = [\"ticket\"]\n";
const SHOP: (&str, &str) = ("POST", "http://ws.example.com/auth/ticket");

/// Buys a ticket.
fn buy(rig: &Rig, token: &str, proof: &str) -> anyhow::Result<Said> {
    Ask::post("/auth/ticket")
        .field("Authorization", &format!("DPoP {token}"))
        .field("DPoP", proof)
        .field("Origin", PAGE)
        .json(&json!({ "path": "/ws" }))
        .of(&rig.gateway)
}

fn wanted(said: &Said) -> anyhow::Result<Value> {
    let nonce = said.head.one("dpop-nonce").context("no nonce")?;
    Ok(json!({ "nonce": nonce }))
}

#[test]
fn a_page_buys_a_ticket_with_a_proof() -> Outcome {
    let (rig, holder, token) = with(TICKETS, |setup| setup.table("[auth]"))?;
    let said = buy(&rig, &token, &holder.proof(SHOP, &token, &json!({}))?)?;
    let nonce = wanted(&said)?;
    let exposed = said.head.one("access-control-expose-headers").context("nothing exposed")?;
    assert!(exposed.contains("DPoP-Nonce") && exposed.contains("WWW-Authenticate"), "{exposed}");
    assert_eq!(said.no()?, refused(401, "use_dpop_nonce"));
    let proof = holder.proof(SHOP, &token, &nonce)?;
    let sold = buy(&rig, &token, &proof)?;
    // The next one needs no detour.
    wanted(&sold)?;
    let ticket = sold.text("ticket")?;
    let handshake = Handshake::to(&format!("/ws?ticket={ticket}")).origin(PAGE);
    let head = rig.asked(&handshake)?;
    assert_eq!(head.one("x-vestibule-subject"), Some("alice"));
    // A copy of the request buys nothing.
    let copy = buy(&rig, &token, &proof)?.no()?;
    assert_eq!(copy, refused(401, INVALID));
    Ok(())
}

#[test]
fn a_bound_token_buys_nothing_without_its_proof() -> Outcome {
    let (rig, holder, token) = with(TICKETS, |setup| setup.table("[auth]"))?;
    let nonce = wanted(&buy(&rig, &token, &holder.proof(SHOP, &token, &json!({}))?)?)?;
    let bearer = Ask::post("/auth/ticket").bearer(&token).json(&json!({ "path": "/ws" }));
    assert_eq!(bearer.of(&rig.gateway)?.no()?, refused(401, "invalid_token"));
    let thief = Holder::new(KeyKind::P256)?;
    for (holder, request, error) in [
        (&thief, SHOP, "invalid_token"),
        (&holder, ("GET", SHOP.1), INVALID),
        (&holder, ("POST", "http://ws.example.com/auth/refresh"), INVALID),
        (&holder, ("POST", "http://evil.example.com/auth/ticket"), INVALID),
        (&holder, ("POST", "http://ws.example.com/ws"), INVALID),
    ] {
        let said = buy(&rig, &token, &holder.proof(request, &token, &nonce)?)?;
        assert_eq!(said.no()?, refused(401, error), "{request:?}");
    }
    // What was made for the endpoint opens no socket, and the other way.
    let unbound = rig.token()?;
    let said = buy(&rig, &unbound, &holder.proof(SHOP, &unbound, &nonce)?)?;
    assert_eq!(said.no()?, refused(401, "invalid_token"));
    Ok(())
}

#[test]
fn who_takes_tokens_with_a_proof_alone_sells_no_ticket_for_one_without() -> Outcome {
    let route = "accept = [\"header\", \"query\"]\nmechanisms = [\"dpop\", \"ticket\"]\n";
    let (rig, holder, token) = with(route, |setup| setup.table("[auth]"))?;
    let bare = Ask::post("/auth/ticket").bearer(&rig.token()?).json(&json!({ "path": "/ws" }));
    assert_eq!(bare.of(&rig.gateway)?.no()?, refused(403, "mechanism_not_allowed"));
    let nonce = wanted(&buy(&rig, &token, &holder.proof(SHOP, &token, &json!({}))?)?)?;
    buy(&rig, &token, &holder.proof(SHOP, &token, &nonce)?)?.fine()?;
    Ok(())
}

#[test]
fn logging_out_and_a_longer_lease_take_a_proof_too() -> Outcome {
    let (rig, holder, token) = with(ROUTE, |setup| setup.table("[auth]"))?;
    let mut client = rig.wait_at_the_door()?;
    let nonce = begin(&mut client, &token)?;
    respond(&mut client, &holder.proof(HERE, &token, &nonce)?)?;
    let (_upstream, _) = rig.upstream.switch("")?;
    let accepted = client.expect_auth("accepted")?;
    let ask = |name: &str, body: &Value, token: &str| -> anyhow::Result<Said> {
        let address = format!("http://ws.example.com/auth/{name}");
        let once = |claims: &Value| {
            Ask::post(&format!("/auth/{name}"))
                .field("Authorization", &format!("DPoP {token}"))
                .field("DPoP", &holder.proof(("POST", &address), token, claims)?)
                .json(body)
                .of(&rig.gateway)
        };
        once(&wanted(&once(&json!({}))?)?)
    };
    let newer = holder.token(&rig.issuer)?;
    let said = ask("refresh", &json!({ "connection": accepted["connection"] }), &newer)?;
    assert!(said.fine()?["expires_in"].as_u64().is_some());
    client.expect_auth("accepted")?;
    assert_eq!(ask("logout", &json!({}), &newer)?.head.status(), 204);
    assert_eq!(closed(&mut client)?.error(), "token_revoked");
    Ok(())
}

#[test]
fn a_proxy_asks_about_the_proof_of_its_client() -> Outcome {
    let change = |setup: Setup| setup.server("trusted_proxies = [\"127.0.0.1\"]\n").table("[auth]");
    let (rig, holder, token) = with(ROUTE, change)?;
    let about = |proof: &str| {
        Ask::get("/auth/verify")
            .field("X-Forwarded-Uri", "/ws?x=1")
            .field("X-Forwarded-Host", "ws.example.com")
            .field("X-Forwarded-Proto", "https")
            .field("Authorization", &format!("DPoP {token}"))
            .field("DPoP", proof)
    };
    let there = "https://ws.example.com/ws";
    let said = about(&holder.proof(("GET", there), &token, &json!({}))?).of(&rig.gateway)?;
    let nonce = wanted(&said)?;
    assert_eq!(said.no()?, refused(401, "use_dpop_nonce"));
    let right = holder.proof(("GET", there), &token, &nonce)?;
    assert_eq!(about(&right).of(&rig.gateway)?.head.status(), 204);
    assert_eq!(about(&right).of(&rig.gateway)?.no()?, refused(401, INVALID));
    // For the question itself, which the client did not ask; and for another method.
    for request in [("GET", "https://ws.example.com/auth/verify"), ("POST", there)] {
        let said = about(&holder.proof(request, &token, &nonce)?).of(&rig.gateway)?;
        assert_eq!(said.no()?, refused(401, INVALID), "{request:?}");
    }
    let posted = || holder.proof(("POST", there), &token, &nonce);
    let said = about(&posted()?).field("X-Forwarded-Method", "POST").of(&rig.gateway)?;
    assert_eq!(said.head.status(), 204);
    let two = about(&posted()?).field("X-Forwarded-Method", "POST");
    let said = two.field("X-Original-Method", "GET").of(&rig.gateway)?;
    assert_eq!(said.no()?, refused(400, "invalid_request"));
    Ok(())
}
