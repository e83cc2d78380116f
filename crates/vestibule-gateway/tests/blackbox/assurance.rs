//! How well somebody is known: what a credential says of it, what a route demands, and what the
//! upstream is told.

use anyhow::Context as _;
use serde_json::{Value, json};
use vestibule_testkit::{Handshake, Head, from_base64url, with};

use crate::{
    admin::{ask, inside},
    endpoint::{Ask, refused, ticket},
    exchanges,
    public_key::Pair,
    rig::{Outcome, PAGE, Rig, close, converse, http, no},
};

const GOLD: &str = "accept = [\"header\", \"message\"]\nacr = [\"gold\", \"urn:x:silver\"]\n";
const MULTIPLE: &str = "accept = [\"header\", \"message\"]\namr = [\"mfa\", \"hwk\"]\n";

/// A token of Alice's with these claims more.
fn token(rig: &Rig, claims: &[(&str, Value)]) -> anyhow::Result<String> {
    let all = claims
        .iter()
        .fold(rig.issuer.claims("alice"), |all, (name, value)| with(all, name, value.clone()));
    rig.issuer.sign(&all)
}

fn bearer(rig: &Rig, claims: &[(&str, Value)]) -> anyhow::Result<Handshake> {
    Ok(Handshake::to("/ws").bearer(&token(rig, claims)?))
}

/// The claims of the assertion.
fn asserted(head: &Head) -> anyhow::Result<Value> {
    let token = head.one("x-vestibule-assertion").context("no assertion")?;
    let claims = token.split('.').nth(1).context("no claims")?;
    Ok(serde_json::from_slice(&from_base64url(claims)?)?)
}

#[test]
fn the_upstream_and_the_operator_are_told_how_somebody_was_authenticated() -> Outcome {
    let rig = Rig::new("accept = [\"header\"]\n")?;
    let claims = [("amr", json!(["pwd", "otp", "a b"])), ("acr", json!("urn:x:silver"))];
    let mut client = rig.send(&bearer(&rig, &claims)?)?;
    let (_upstream, head) = rig.upstream.switch("")?;
    client.expect_switch()?;
    assert_eq!(head.one("x-vestibule-methods"), Some("pwd otp a%20b"));
    assert_eq!(head.one("x-vestibule-context"), Some("urn:x:silver"));
    let claims = asserted(&head)?;
    assert_eq!(claims["amr"], json!(["pwd", "otp", "a b"]));
    assert_eq!(claims["acr"], "urn:x:silver");
    inside(&rig, 1)?;
    let (_, body) = ask(&rig, "GET /api/v1/connections", &Value::Null)?;
    let shown = &body["connections"][0];
    assert_eq!(shown["methods"], json!(["pwd", "otp", "a b"]));
    assert_eq!(shown["context"], "urn:x:silver");
    // Of whom nothing is known nothing is said.
    let head = rig.asked(&rig.good()?)?;
    assert_eq!((head.one("x-vestibule-methods"), head.one("x-vestibule-context")), (None, None));
    let claims = asserted(&head)?;
    assert_eq!((&claims["amr"], claims.get("acr")), (&json!([]), None));
    Ok(())
}

#[test]
fn a_client_cannot_say_how_it_was_authenticated() -> Outcome {
    let rig = Rig::new("accept = [\"header\"]\n")?;
    let mut handshake = rig.good()?;
    for name in ["X-Vestibule-Methods", "x_vestibule_methods", "X-Vestibule-Context"] {
        handshake = handshake.field(name, "mfa");
    }
    let head = rig.asked(&handshake)?;
    assert!(!head.to_string().contains("mfa"), "{head}");
    Ok(())
}

#[test]
fn who_is_not_known_well_enough_is_told_so_by_rfc_9470() -> Outcome {
    let rig = Rig::new(GOLD)?;
    let error = "insufficient_user_authentication";
    let short: [&[(&str, Value)]; 5] = [
        &[],
        &[("acr", json!("bronze"))],
        &[("acr", json!("golden"))],
        &[("acr", json!("gold urn:x:silver"))],
        &[("acr", Value::Null), ("amr", json!(["gold"]))],
    ];
    for claims in short {
        let mut client = rig.send(&bearer(&rig, claims)?)?;
        assert_eq!(no(&mut client)?, http(401, error), "{claims:?}");
        let mut page = rig.send(&bearer(&rig, claims)?.origin(PAGE))?;
        assert_eq!(no(&mut page)?, close(4401, error), "{claims:?}");
    }
    let mut client = rig.send(&bearer(&rig, &[])?)?;
    let (head, _) = client.expect_answer(401)?;
    let challenge = head.one("www-authenticate").context("no challenge")?;
    assert!(challenge.starts_with("Bearer "), "{challenge}");
    assert!(challenge.contains(&format!("error=\"{error}\"")), "{challenge}");
    assert!(challenge.contains("acr_values=\"gold urn:x:silver\""), "{challenge}");
    rig.expect_undialled()?;
    rig.open(&bearer(&rig, &[("acr", json!("urn:x:silver"))])?)?;
    Ok(())
}

#[test]
fn in_band_another_credential_may_be_tried() -> Outcome {
    let rig = Rig::new(MULTIPLE)?;
    let mut client = rig.wait_at_the_door()?;
    client.authenticate(&token(&rig, &[("amr", json!(["pwd"]))])?)?;
    let rejected = client.expect_auth("rejected")?;
    assert_eq!(rejected["error"], "insufficient_user_authentication");
    assert_eq!(rejected["retry"], true);
    client.authenticate(&token(&rig, &[("amr", json!(["pwd", "mfa"]))])?)?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    converse(&mut client, &mut upstream, "hello")?;
    // A refresh by less is refused, and costs nothing else.
    client.refresh(&token(&rig, &[("amr", json!(["pwd"]))])?)?;
    let rejected = client.expect_auth("rejected")?;
    assert_eq!(rejected["error"], "insufficient_user_authentication");
    converse(&mut client, &mut upstream, "still here")
}

#[test]
fn claims_that_are_none_let_nobody_in() -> Outcome {
    let rig = Rig::new("accept = [\"header\"]\n")?;
    let many: Vec<_> = (0..17).map(|number| number.to_string()).collect();
    for (name, value) in [
        ("amr", json!(7)),
        ("amr", json!(["pwd", 7])),
        ("amr", json!({ "mfa": true })),
        ("amr", json!(many)),
        ("amr", json!(["x".repeat(65)])),
        ("acr", json!(7)),
        ("acr", json!(["gold"])),
        ("acr", json!("x".repeat(257))),
    ] {
        let mut client = rig.send(&bearer(&rig, &[(name, value.clone())])?)?;
        assert_eq!(no(&mut client)?, http(401, "invalid_token"), "{name} {value}");
    }
    Ok(())
}

#[test]
fn what_was_bought_with_a_credential_shows_how_that_was_proven() -> Outcome {
    let route = "accept = [\"header\", \"query\", \"message\"]\n\
                 mechanisms = [\"bearer\", \"ticket\", \"session\", \"public-key\", \"api-key\"]\n\
                 sessions = \"issue\"\n";
    let rig = Rig::with(route, |setup| setup.table("[auth]"))?;
    let user = json!({ "name": "alice", "password": "a long password" });
    assert_eq!(ask(&rig, "POST /api/v1/users", &user)?.0, 201);
    // A password, the access token of the login, a ticket that was bought with it, the session that
    // began with that.
    let login = json!({ "username": "alice", "password": "a long password" });
    let token = Ask::post("/auth/login").json(&login).of(&rig.gateway)?.text("access_token")?;
    let methods = |head: &Head| head.one("x-vestibule-methods").map(str::to_owned);
    let known = Some("pwd".to_owned());
    assert_eq!(methods(&rig.asked(&Handshake::to("/ws").bearer(&token))?), known);
    let bought = ticket(&rig.gateway, &token)?;
    let mut client = rig.wait_at_the_door()?;
    client.send_text(&present("ticket", &bought))?;
    let (_upstream, head) = rig.upstream.switch("")?;
    assert_eq!(methods(&head), known);
    let session = client.expect_auth("accepted")?["session"].as_str().context("none")?.to_owned();
    assert_eq!(methods(&rig.asked(&Handshake::to("/ws").bearer(&session))?), known);
    // The same for a token of somebody else.
    let foreign = self::token(&rig, &[("amr", json!(["otp"])), ("acr", json!("gold"))])?;
    let bought = ticket(&rig.gateway, &foreign)?;
    let head = rig.asked(&Handshake::to(&format!("/ws?ticket={bought}")))?;
    assert_eq!(methods(&head), Some("otp".to_owned()));
    assert_eq!(head.one("x-vestibule-context"), Some("gold"));
    // A key signs; an API key is nobody's authentication.
    let (pair, _) = Pair::registered(&rig, "key", "ed25519")?;
    let (_client, _upstream, head) = exchanges::enter(&rig, &pair)?;
    assert_eq!(methods(&head), Some("pop swk".to_owned()));
    let key = json!({ "user": "alice", "label": "machine" });
    let (_, made) = ask(&rig, "POST /api/v1/keys", &key)?;
    let key = made["key"].as_str().context("no key")?;
    assert_eq!(methods(&rig.asked(&Handshake::to("/ws").bearer(key))?), None);
    Ok(())
}

fn present(mechanism: &str, token: &str) -> String {
    json!({"auth": {"type": "authenticate", "mechanism": mechanism, "token": token}}).to_string()
}

#[test]
fn no_ticket_and_no_yes_for_who_is_not_known_well_enough() -> Outcome {
    let route = "accept = [\"header\", \"query\"]\nmechanisms = [\"bearer\", \"ticket\"]\n\
                 amr = [\"mfa\"]\n";
    let rig = Rig::with(route, |setup| setup.table("[auth]"))?;
    let weak = token(&rig, &[("amr", json!(["pwd"]))])?;
    let ask = Ask::post("/auth/ticket").json(&json!({ "path": "/ws" }));
    let said = ask.clone().bearer(&weak).of(&rig.gateway)?.no()?;
    assert_eq!(said, refused(401, "insufficient_user_authentication"));
    let strong = token(&rig, &[("amr", json!(["mfa"]))])?;
    ask.bearer(&strong).of(&rig.gateway)?.fine()?;
    Ok(())
}
