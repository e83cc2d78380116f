//! The watch of the admin listener, which the console lives on: who is told, what, and for how long.

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use vestibule_testkit::{Handshake, Message, Peer};

use crate::{
    admin::{ALL, ask, inside, open, token},
    rig::{Outcome, Rig, close, closed},
};

const WATCH: &str = "/api/v1/watch";

fn knock(rig: &Rig, handshake: &Handshake) -> anyhow::Result<Peer> {
    let mut peer = Peer::connect(rig.gateway.admin())?;
    peer.send(handshake.bytes())?;
    Ok(peer)
}

/// A connection that is open, and has said nothing.
fn waiting(rig: &Rig) -> anyhow::Result<Peer> {
    let mut peer = knock(rig, &Handshake::to(WATCH))?;
    peer.expect_switch()?;
    Ok(peer)
}

/// A watcher.
fn watch(rig: &Rig) -> anyhow::Result<Peer> {
    let mut peer = waiting(rig)?;
    peer.authenticate(&token(rig)?)?;
    let accepted = peer.expect_auth("accepted")?;
    anyhow::ensure!(
        accepted.get("subject").is_some_and(|subject| subject == "admin"),
        "{accepted}"
    );
    Ok(peer)
}

/// The next thing that is told.
fn told(peer: &mut Peer) -> anyhow::Result<Value> {
    match peer.message()? {
        Message::Text(text) => {
            let mut told: Value = serde_json::from_str(&text)?;
            told.get_mut("watch").map(Value::take).context("not of the watch")
        }
        other => bail!("{other:?}"),
    }
}

/// Waits until something is told that fits.
fn until(peer: &mut Peer, fits: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    loop {
        let told = told(peer)?;
        if fits(&told) {
            return Ok(told);
        }
    }
}

#[test]
fn nothing_is_told_before_the_token_was_shown_in_the_first_message() -> Outcome {
    let rig = Rig::new(ALL)?;
    let (client, upstream) = open(&rig, "alice")?;
    inside(&rig, 1)?;
    let right = token(&rig)?;
    let say = |auth: Value| json!({ "auth": auth }).to_string();
    for (first, code, reason) in [
        (
            say(json!({"type": "authenticate", "mechanism": "bearer", "token": "vsa_wrong"})),
            4401,
            "invalid_token",
        ),
        (
            say(json!({"type": "authenticate", "mechanism": "bearer", "token": ""})),
            4401,
            "invalid_token",
        ),
        (
            say(json!({"type": "authenticate", "mechanism": "bearer", "token": rig.token()?})),
            4401,
            "invalid_token",
        ),
        (
            say(json!({"type": "authenticate", "mechanism": "session", "token": right})),
            4403,
            "mechanism_not_allowed",
        ),
        (
            say(json!({"type": "refresh", "mechanism": "bearer", "token": right})),
            4400,
            "invalid_request",
        ),
        (say(json!({"type": "logout"})), 4400, "invalid_request"),
        (say(json!({"type": "authenticate", "mechanism": "bearer"})), 4400, "invalid_request"),
        (right.clone(), 4400, "invalid_request"),
        ("{".to_owned(), 4400, "invalid_request"),
    ] {
        let mut peer = waiting(&rig)?;
        peer.send_text(&first)?;
        assert_eq!(closed(&mut peer)?, close(code, reason), "{first}");
    }
    // A token in the handshake is none: it would be in logs.
    let mut peer = knock(&rig, &Handshake::to(&format!("{WATCH}?token={right}")).bearer(&right))?;
    peer.expect_switch()?;
    assert_eq!(closed(&mut peer)?, close(4408, "auth_timeout"));
    drop((client, upstream));
    Ok(())
}

#[test]
fn a_handshake_from_the_page_of_somebody_else_is_refused() -> Outcome {
    let rig = Rig::new(ALL)?;
    let own = format!("http://{}", rig.gateway.admin());
    let to = |host: &str| Handshake::to(WATCH).with("Host", host);
    for (handshake, status, error) in [
        (to("localhost").origin("http://evil.example"), 403, "origin_not_allowed"),
        (to("localhost").origin("null"), 403, "origin_not_allowed"),
        // The console, but under another name: another page, too.
        (to("localhost").origin(&own), 403, "origin_not_allowed"),
        (to("evil.example").origin("http://evil.example"), 421, "host_not_allowed"),
        (to("localhost").without("Sec-WebSocket-Key"), 426, "upgrade_required"),
        (to("localhost").with("Sec-WebSocket-Version", "8"), 426, "upgrade_required"),
        (to("localhost").with("Upgrade", "h2c"), 426, "upgrade_required"),
    ] {
        let (_, body) = knock(&rig, &handshake)?.expect_answer(status)?;
        assert!(body.contains(error), "{body}");
    }
    let mut peer = knock(&rig, &to(&rig.gateway.admin().to_string()).origin(&own))?;
    peer.expect_switch()?;
    let (status, _) = ask(&rig, &format!("GET {WATCH}"), &Value::Null)?;
    assert_eq!(status, 426);
    Ok(())
}

#[test]
fn a_watcher_is_told_everything_once_and_then_what_has_changed() -> Outcome {
    let rig = Rig::new(ALL)?;
    let (_alice, _upstream) = open(&rig, "alice")?;
    inside(&rig, 1)?;
    let mut peer = watch(&rig)?;
    let first = told(&mut peer)?;
    assert_eq!(first["status"]["state"], "ready");
    assert_eq!(first["status"]["issuers"][0]["name"], "idp");
    assert_eq!(first["more"], false);
    let (status, listed) = ask(&rig, "GET /api/v1/connections", &Value::Null)?;
    let [told, listed] = [&first["put"], &listed["connections"]].map(|all| all[0].clone());
    for member in ["id", "subject", "issuer", "route", "expires", "since", "address"] {
        assert!(told[member] == listed[member] && !told[member].is_null(), "{member} of {told}");
    }
    assert_eq!(status, 200);
    let id = first["put"][0]["id"].clone();

    let (bob, _upstream) = open(&rig, "bob")?;
    let next = until(&mut peer, |told| told["put"][0]["subject"] == "bob")?;
    assert_eq!(next["put"].as_array().context("no list")?.len(), 1, "{next}");
    drop(bob);
    let gone = until(&mut peer, |told| told["gone"][0].is_string())?;
    assert_ne!(gone["gone"][0], id);
    Ok(())
}

#[test]
fn a_watcher_stays_by_showing_the_token_again_and_leaves_by_logout() -> Outcome {
    let rig = Rig::new(ALL)?;
    let mut peer = watch(&rig)?;
    told(&mut peer)?;
    peer.refresh(&token(&rig)?)?;
    while !matches!(peer.message()?, Message::Text(text) if text.starts_with("{\"auth\":")) {}
    peer.refresh("vsa_wrong")?;
    let end = loop {
        if let Message::Close(code, reason) = peer.message()? {
            break (code, reason);
        }
    };
    assert_eq!(end, (4401, "invalid_token".to_owned()));
    let mut peer = watch(&rig)?;
    told(&mut peer)?;
    peer.send_text("{\"auth\":{\"type\":\"logout\"}}")?;
    let end = loop {
        if let Message::Close(code, reason) = peer.message()? {
            break (code, reason);
        }
    };
    assert_eq!(end, (4410, "logged_out".to_owned()));
    Ok(())
}

#[test]
fn there_is_room_for_a_few_watchers_and_those_who_do_not_know_the_token_take_none() -> Outcome {
    let rig = Rig::new(ALL)?;
    let _strangers: Vec<_> = (0..12).map(|_| waiting(&rig)).collect::<Result<_, _>>()?;
    let mut inside: Vec<_> = (0..8).map(|_| watch(&rig)).collect::<Result<_, _>>()?;
    for peer in &mut inside {
        told(peer)?;
    }
    assert_eq!(closed(&mut watch(&rig)?)?, close(4429, "too_many_connections"));
    Ok(())
}

#[test]
fn the_status_has_every_metric_and_no_secret() -> Outcome {
    let rig = Rig::new(ALL)?;
    let (_alice, _upstream) = open(&rig, "alice")?;
    inside(&rig, 1)?;
    let (status, body) = ask(&rig, "GET /api/v1/status", &Value::Null)?;
    assert_eq!(status, 200);
    let samples = body["metrics"].as_array().context("no metrics")?;
    let live = samples.iter().find(|sample| sample["name"] == "vestibule_connections");
    assert_eq!(live.context("no such metric")?["value"], 1.0);
    let text = body.to_string();
    assert!(!text.contains(&token(&rig)?) && !text.contains("alice"), "{text}");
    Ok(())
}
