//! Connections by tokens that their issuer is asked about again and again: what becomes of those inside
//! when it says something else, or nothing.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;
use vestibule_testkit::{Handshake, Holder, KeyKind, Served, base64, eventually, now_secs, with};

use crate::{
    endpoint::Ask,
    introspection::{Asking, PATH, active, later},
    rig::{Outcome, close, closed, converse, http, no},
};

#[test]
fn a_token_withdrawn_at_the_issuer_ends_its_connections_within_the_configured_time() -> Outcome {
    let rig = Asking::new("recheck = \"500ms\"")?;
    rig.provider.issue("alices", active("alice"));
    rig.provider.issue("bobs", active("bob"));
    let (mut one, mut one_behind) = rig.open("alices")?;
    let (mut two, _two_behind) = rig.open("alices")?;
    let (mut bob, mut bob_behind) = rig.open("bobs")?;
    rig.provider.wait_asked_about("alices", 3)?;
    converse(&mut one, &mut one_behind, "still here")?;
    let withdrawn = Instant::now();
    rig.provider.withdraw("alices");
    assert_eq!(closed(&mut one)?, close(4410, "token_revoked"));
    assert_eq!(closed(&mut two)?, close(4410, "token_revoked"));
    let took = withdrawn.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(rig.refused("alices")?, http(401, "invalid_token"));
    converse(&mut bob, &mut bob_behind, "still here")?;
    eventually("nothing is kept of who is gone", || {
        let (_, text) = rig.gateway.ask("/metrics")?;
        Ok(text.contains("vestibule_introspection_tokens 1")
            && text.contains("vestibule_introspection_connections 1"))
    })?;
    Ok(())
}

#[test]
fn a_bound_token_withdrawn_at_the_issuer_ends_its_connections_however_it_was_proven() -> Outcome {
    let route = "accept = [\"header\", \"message\"]\nmechanisms = [\"dpop\"]\ndpop_nonce = \"off\"";
    let rig = Asking::with("recheck = \"300ms\"", |setup, upstream| {
        Ok(setup.route("/bound", &upstream.url(), route))
    })?;
    let holder = Holder::new(KeyKind::P256)?;
    let mut said = with(active("alice"), "cnf", json!({ "jkt": holder.thumbprint() }));
    said["token_type"] = json!("DPoP");
    rig.provider.issue("alices", said);
    assert_eq!(rig.refused("alices")?, http(401, "invalid_token"));
    let here = ("GET", "http://localhost/bound");
    let proof = holder.proof(here, "alices", &json!({}))?;
    let mut one = rig.gateway.connect()?;
    let handshake = Handshake::to("/bound").field("Authorization", "DPoP alices");
    one.send(handshake.field("DPoP", &proof).bytes())?;
    let (_one_behind, _) = rig.upstream.switch("")?;
    one.expect_switch()?;
    let mut two = rig.gateway.connect()?;
    two.send(Handshake::to("/bound").bytes())?;
    two.expect_switch()?;
    let begin = json!({"auth": {"type": "authenticate", "mechanism": "dpop", "token": "alices"}});
    two.send_text(&begin.to_string())?;
    let nonce = two.expect_auth("challenge")?["nonce"].clone();
    let proof = holder.proof(here, "alices", &json!({ "nonce": nonce }))?;
    two.send_text(&json!({"auth": {"type": "respond", "proof": proof}}).to_string())?;
    let (_two_behind, _) = rig.upstream.switch("")?;
    two.expect_auth("accepted")?;
    rig.provider.withdraw("alices");
    assert_eq!(closed(&mut one)?, close(4410, "token_revoked"));
    assert_eq!(closed(&mut two)?, close(4410, "token_revoked"));
    Ok(())
}

#[test]
fn one_question_is_put_for_a_token_however_many_connections_it_opened() -> Outcome {
    let rig = Asking::new("recheck = \"400ms\"\ncache = \"5m\"")?;
    rig.provider.issue("alices", active("alice"));
    let began = Instant::now();
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(rig.open("alices")?);
    }
    rig.provider.wait_asked_about("alices", 5)?;
    // One to let them in, then one in each nine tenths of the interval at the most.
    let most = 1 + began.elapsed().as_millis() / 360;
    let asked = rig.provider.asked_about("alices");
    assert!(u128::try_from(asked)? <= most, "{asked} questions in {:?}", began.elapsed());
    for (client, upstream) in &mut open {
        converse(client, upstream, "still here")?;
    }
    Ok(())
}

#[test]
fn nobody_is_asked_about_when_the_last_connection_has_gone() -> Outcome {
    let rig = Asking::new("recheck = \"200ms\"")?;
    rig.provider.issue("alices", active("alice"));
    let open = rig.open("alices")?;
    rig.provider.wait_asked_about("alices", 3)?;
    drop(open);
    eventually("nothing is kept", || {
        Ok(rig.gateway.ask("/metrics")?.1.contains("vestibule_introspection_tokens 0"))
    })
}

#[test]
fn a_token_that_is_somebody_else_s_or_allows_less_ends_its_connections() -> Outcome {
    let rig = Asking::new("recheck = \"200ms\"")?;
    for (token, change) in [
        ("a", with(active("mallory"), "x", json!(0))),
        ("b", with(active("alice"), "scope", json!("chat"))),
        ("c", with(active("alice"), "aud", json!("mail"))),
        ("d", with(active("alice"), "exp", json!(1))),
        ("e", with(active("alice"), "cnf", json!({ "jkt": "x" }))),
    ] {
        rig.provider.issue(token, active("alice"));
        let (mut client, _upstream) = rig.open(token)?;
        rig.provider.issue(token, change);
        assert_eq!(closed(&mut client)?, close(4410, "token_revoked"), "{token}");
    }
    Ok(())
}

#[test]
fn an_issuer_that_is_down_neither_ends_those_inside_nor_lets_in_others() -> Outcome {
    let rig = Asking::new("recheck = \"200ms\"")?;
    rig.provider.issue("alices", active("alice"));
    rig.provider.issue("bobs", active("bob"));
    let (mut client, mut upstream) = rig.open("alices")?;
    for served in [Served::Status(500), Served::Nothing, Served::Json(json!({ "active": "no" }))] {
        let before = rig.provider.asked(PATH);
        rig.provider.serve(PATH, served);
        rig.provider.wait_asked(PATH, before + 2)?;
        assert_eq!(rig.refused("bobs")?, later());
        converse(&mut client, &mut upstream, "still here")?;
    }
    rig.provider.serve(PATH, Served::Tokens);
    rig.ready()?;
    rig.open("bobs")?;
    rig.provider.withdraw("alices");
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    Ok(())
}

#[test]
fn an_issuer_that_is_down_for_longer_than_max_stale_ends_those_inside_for_now() -> Outcome {
    let rig = Asking::new("recheck = \"200ms\"\nmax_stale = \"1s\"")?;
    rig.provider.issue("alices", active("alice"));
    let (mut client, mut upstream) = rig.open("alices")?;
    rig.provider.wait_asked_about("alices", 2)?;
    let down = Instant::now();
    rig.provider.serve(PATH, Served::Status(500));
    converse(&mut client, &mut upstream, "still here")?;
    assert_eq!(closed(&mut client)?, close(1013, "temporarily_unavailable"));
    let took = down.elapsed();
    assert!(took >= Duration::from_millis(700), "{took:?}");
    Ok(())
}

#[test]
fn a_token_without_an_end_gets_the_configured_one() -> Outcome {
    let rig = Asking::new("max_lifetime = \"3s\"\nrecheck = \"200ms\"")?;
    let endless = with(active("alice"), "exp", json!(null));
    rig.provider.issue("endless", endless);
    let (mut client, mut upstream) = rig.open("endless")?;
    converse(&mut client, &mut upstream, "for a while")?;
    assert_eq!(closed(&mut client)?, close(4401, "token_expired"));
    Ok(())
}

#[test]
fn a_token_that_ends_by_itself_was_not_withdrawn_and_may_be_replaced_for_a_while() -> Outcome {
    let rig = Asking::with("recheck = \"100ms\"", |setup, upstream| {
        let lines = "accept = [\"header\", \"message\"]\nexpiry_grace = \"3s\"";
        Ok(setup.route("/grace", &upstream.url(), lines))
    })?;
    let end = now_secs().floor() + 2.0;
    rig.provider.issue("short", with(active("alice"), "exp", json!(end)));
    rig.provider.issue("next", active("alice"));
    let open = || {
        let mut client = rig.gateway.connect()?;
        client.send(Handshake::to("/grace").bearer("short").bytes())?;
        let (upstream, _) = rig.upstream.switch("")?;
        client.expect_switch()?;
        anyhow::Ok((client, upstream))
    };
    let (mut ended, _one) = open()?;
    let (mut replaced, mut behind) = open()?;
    eventually("its issuer says no", || {
        if now_secs() >= end {
            rig.provider.withdraw("short");
        }
        Ok(now_secs() >= end + 1.0)
    })?;
    replaced.refresh("next")?;
    replaced.expect_auth("accepted")?;
    assert_eq!(closed(&mut ended)?, close(4401, "token_expired"));
    converse(&mut replaced, &mut behind, "still here")
}

#[test]
fn a_refresh_moves_the_connection_to_the_new_token() -> Outcome {
    let rig = Asking::new("recheck = \"300ms\"")?;
    rig.provider.issue("old", active("alice"));
    rig.provider.issue("new", active("alice"));
    rig.provider.issue("bobs", active("bob"));
    let (mut client, mut upstream) = rig.open("old")?;
    client.refresh("nobody-s")?;
    assert_eq!(client.expect_auth("rejected")?["error"], "invalid_token");
    client.refresh("new")?;
    client.expect_auth("accepted")?;
    // The old one is rotated out, as issuers do on a refresh.
    rig.provider.withdraw("old");
    let before = rig.provider.asked_about("new");
    rig.provider.wait_asked_about("new", before + 3)?;
    converse(&mut client, &mut upstream, "still here")?;
    rig.provider.withdraw("new");
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    let (mut client, _upstream) = {
        rig.provider.issue("again", active("alice"));
        rig.open("again")?
    };
    client.refresh("bobs")?;
    assert_eq!(client.expect_auth("rejected")?["error"], "identity_changed");
    assert_eq!(closed(&mut client)?, close(4403, "identity_changed"));
    Ok(())
}

#[test]
fn what_was_made_of_a_token_ends_with_it() -> Outcome {
    let rig = Asking::with("recheck = \"300ms\"", |setup, upstream| {
        let lines =
            "accept = [\"message\"]\nmechanisms = [\"bearer\", \"session\"]\nsessions = \"issue\"";
        Ok(setup.table("[auth]").route("/sessions", &upstream.url(), lines))
    })?;
    // Both of one session at their issuer, which names it and not the tokens.
    rig.provider.issue("alices", with(active("alice"), "sid", json!("s-1")));
    rig.provider.issue("alices-too", with(active("alice"), "sid", json!("s-1")));
    let (mut stays, mut behind) = rig.open("alices-too")?;
    let come = |mechanism: &str, token: &str| {
        let mut client = rig.gateway.connect()?;
        client.send(Handshake::to("/sessions").bytes())?;
        client.expect_switch()?;
        let message =
            json!({"auth": {"type": "authenticate", "mechanism": mechanism, "token": token}});
        client.send_text(&message.to_string())?;
        anyhow::Ok(client)
    };
    let mut first = come("bearer", "alices")?;
    let _one = rig.upstream.switch("")?;
    let accepted = first.expect_auth("accepted")?;
    let session = accepted["session"].as_str().context("no session")?;
    let mut second = come("session", session)?;
    let _two = rig.upstream.switch("")?;
    second.expect_auth("accepted")?;
    rig.provider.withdraw("alices");
    assert_eq!(closed(&mut first)?, close(4410, "token_revoked"));
    assert_eq!(closed(&mut second)?, close(4410, "token_revoked"));
    eventually("the session token is refused", || {
        let mut third = come("session", session)?;
        Ok(third.expect_auth("rejected")?["error"] == "token_revoked")
    })?;
    converse(&mut stays, &mut behind, "by another token")
}

#[test]
fn who_came_by_a_ticket_is_asked_about_by_the_token_that_bought_it() -> Outcome {
    let rig = Asking::with("recheck = \"300ms\"", |setup, upstream| {
        let lines = "accept = [\"query\"]\nmechanisms = [\"ticket\"]";
        Ok(setup.table("[auth]").route("/tickets", &upstream.url(), lines))
    })?;
    rig.provider.issue("alices", active("alice"));
    let buy = || {
        let ask = Ask::post("/auth/ticket").bearer("alices").json(&json!({ "path": "/tickets" }));
        ask.of(&rig.gateway)?.text("ticket")
    };
    let come = |ticket: &str| {
        let mut client = rig.gateway.connect()?;
        client.send(Handshake::to(&format!("/tickets?ticket={ticket}")).bytes())?;
        anyhow::Ok(client)
    };
    let mut client = come(&buy()?)?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    client.expect_switch()?;
    let unused = buy()?;
    rig.provider.wait_asked_about("alices", 3)?;
    converse(&mut client, &mut upstream, "still here")?;
    rig.provider.withdraw("alices");
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    eventually("what was bought is revoked", || {
        Ok(rig.gateway.metric("vestibule_revocations")? == 1)
    })?;
    assert_eq!(no(&mut come(&unused)?)?, http(401, "token_revoked"));
    Ok(())
}

#[test]
fn neither_token_nor_secret_is_in_any_output() -> Outcome {
    let rig = Asking::new("recheck = \"200ms\"\ncache = \"0s\"")?;
    rig.provider.issue("t0p-s3cret-token", active("alice"));
    let (_client, _upstream) = rig.open("t0p-s3cret-token")?;
    rig.provider.wait_asked_about("t0p-s3cret-token", 3)?;
    rig.provider.serve(PATH, Served::Status(500));
    assert_eq!(rig.refused("an0ther-s3cret-token")?, later());
    let said =
        [rig.gateway.log().text(), rig.gateway.ask("/readyz")?.1, rig.gateway.ask("/metrics")?.1];
    for text in said {
        assert!(!text.contains("s3cret"), "{text}");
        assert!(!text.contains(&base64(b"gate:s3cret+of+the+gateway")), "{text}");
    }
    Ok(())
}
