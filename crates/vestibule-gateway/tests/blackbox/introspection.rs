//! Tokens that say nothing themselves: what their issuer says when it is asked (RFC 7662), and what is
//! when it says nothing.

use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Value, json};
use vestibule_testkit::{
    Gateway, Handshake, Issuer, Peer, Provider, Served, Setup, Upstream, base64, eventually,
    now_secs, with,
};

use crate::rig::{No, Outcome, PAGE, binary, close, closed, converse, http, no};

pub(crate) const PATH: &str = "/introspect";
const LATER: u16 = 503;

/// A gateway whose issuer is asked.
pub(crate) struct Asking {
    pub(crate) gateway: Gateway,
    pub(crate) upstream: Upstream,
    pub(crate) provider: Provider,
    setup: Setup,
}

impl Asking {
    /// With these lines for the issuer; ready.
    pub(crate) fn new(lines: &str) -> anyhow::Result<Self> {
        Self::with(lines, |setup, _| Ok(setup))
    }

    pub(crate) fn with(
        lines: &str,
        change: impl FnOnce(Setup, &Upstream) -> anyhow::Result<Setup>,
    ) -> anyhow::Result<Self> {
        let provider = Provider::start()?;
        provider.serve(PATH, Served::Tokens);
        let asking = Self::at(provider, lines, change)?;
        asking.ready()?;
        Ok(asking)
    }

    fn at(
        provider: Provider,
        lines: &str,
        change: impl FnOnce(Setup, &Upstream) -> anyhow::Result<Setup>,
    ) -> anyhow::Result<Self> {
        let upstream = Upstream::start()?;
        let setup = Setup::new()?;
        let secret = setup.file("client.secret", "s3cret of the gateway\n")?;
        let url = format!("{}{PATH}", provider.url());
        let table = format!(
            "[[issuers]]\nname = \"asked\"\nissuer = \"https://id.example.com\"\n\
             audiences = [\"chat\"]\nclock_skew = \"0s\"\nintrospection_url = {url:?}\n\
             client_id = \"gate\"\nclient_secret_file = {secret:?}\n{lines}\n"
        );
        let route = format!(
            "accept = [\"header\", \"message\"]\norigins = [{PAGE:?}]\nexpiry_grace = \"0s\""
        );
        let setup = change(setup.table(&table), &upstream)?;
        let setup = setup.route("/ws", &upstream.url(), &route);
        let gateway = setup.start(binary())?;
        Ok(Self { gateway, upstream, provider, setup })
    }

    pub(crate) fn ready(&self) -> Outcome {
        eventually("the issuer answers", || Ok(self.gateway.ask("/readyz")?.0 == 200))
    }

    pub(crate) fn send(&self, token: &str) -> anyhow::Result<Peer> {
        let mut client = self.gateway.connect()?;
        client.send(Handshake::to("/ws").bearer(token).bytes())?;
        Ok(client)
    }

    pub(crate) fn open(&self, token: &str) -> anyhow::Result<(Peer, Peer)> {
        let mut client = self.send(token)?;
        let (upstream, _) = self.upstream.switch("")?;
        client.expect_switch()?;
        Ok((client, upstream))
    }

    pub(crate) fn refused(&self, token: &str) -> anyhow::Result<No> {
        no(&mut self.send(token)?)
    }

    /// What is said once about a token that nobody has asked about yet.
    fn told(&self, token: &str, said: Value) -> anyhow::Result<No> {
        self.provider.issue(token, said);
        self.refused(token)
    }
}

pub(crate) fn active(subject: &str) -> Value {
    json!({
        "active": true, "token_type": "Bearer", "sub": subject, "aud": "chat",
        "iss": "https://id.example.com", "exp": now_secs().floor() + 3600.0, "scope": "chat read",
        "client_id": "app",
    })
}

pub(crate) fn later() -> No {
    http(LATER, "temporarily_unavailable")
}

#[test]
fn an_active_token_opens_and_the_issuer_is_asked_as_the_rfc_says() -> Outcome {
    let rig = Asking::new("")?;
    rig.provider.issue("opaque-1", active("alice"));
    let (mut client, mut upstream) = rig.open("opaque-1")?;
    converse(&mut client, &mut upstream, "hello")?;
    let (head, body) = rig.provider.last(PATH).context("never asked")?;
    assert_eq!(body, "token=opaque-1&token_type_hint=access_token");
    assert_eq!(head.one("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(head.one("accept"), Some("application/json"));
    let basic = base64(b"gate:s3cret+of+the+gateway");
    assert_eq!(head.one("authorization"), Some(&*format!("Basic {basic}")));
    Ok(())
}

#[test]
fn a_token_of_the_gateway_s_own_is_shown_where_that_is_configured() -> Outcome {
    let provider = Provider::start()?;
    provider.serve(PATH, Served::Tokens);
    let setup = Setup::new()?;
    let token = setup.file("introspection.token", "tok3n\n")?;
    let upstream = Upstream::start()?;
    let url = format!("{}{PATH}", provider.url());
    let setup = setup
        .table(&format!(
            "[[issuers]]\nname = \"asked\"\naudiences = [\"chat\"]\nintrospection_url = {url:?}\n\
             token_file = {token:?}\n"
        ))
        .route("/ws", &upstream.url(), "accept = [\"header\"]");
    let gateway = setup.start(binary())?;
    eventually("the issuer answers", || Ok(gateway.ask("/readyz")?.0 == 200))?;
    let (head, body) = provider.last(PATH).context("never asked")?;
    assert_eq!(head.one("authorization"), Some("Bearer tok3n"));
    assert!(body.starts_with("token=vestibule-probe-"), "{body}");
    Ok(())
}

#[test]
fn a_no_is_a_no_and_looks_like_a_forgery() -> Outcome {
    let rig = Asking::new("")?;
    let invalid = http(401, "invalid_token");
    assert_eq!(rig.refused("nobody-knows-it")?, invalid);
    let hour_ago = now_secs().floor() - 3600.0;
    let ahead = now_secs().floor() + 3600.0;
    for (number, (said, expected)) in [
        (json!({ "active": false }), &invalid),
        (json!({ "active": false, "sub": "alice", "aud": "chat" }), &invalid),
        (with(active("alice"), "aud", json!("mail")), &invalid),
        (with(active("alice"), "aud", json!([])), &invalid),
        (with(active("alice"), "iss", json!("https://evil.example")), &invalid),
        (with(active("alice"), "exp", json!(hour_ago)), &http(401, "token_expired")),
        (with(active("alice"), "nbf", json!(ahead)), &invalid),
        (with(active("alice"), "iat", json!(ahead)), &invalid),
        (with(active("alice"), "sub", json!(null)), &invalid),
        (with(active("alice"), "sub", json!("")), &invalid),
        (with(active("alice"), "cnf", json!({ "jkt": "x" })), &invalid),
        (with(active("alice"), "cnf", json!({ "x5t#S256": "x" })), &invalid),
        (with(active("alice"), "token_type", json!("DPoP")), &invalid),
        (with(active("alice"), "token_type", json!(null)), &invalid),
        (with(active("alice"), "typ", json!("Refresh")), &invalid),
    ]
    .into_iter()
    .enumerate()
    {
        let token = format!("t-{number}");
        assert_eq!(&rig.told(&token, said.clone())?, expected, "{said}");
    }
    Ok(())
}

#[test]
fn what_is_no_answer_is_neither_yes_nor_no() -> Outcome {
    let rig = Asking::new("timeout = \"1s\"")?;
    for (number, said) in [
        json!({}),
        json!([{ "active": true }]),
        json!({ "active": "true", "sub": "alice" }),
        json!({ "active": 1, "sub": "alice" }),
        json!({ "active": null }),
        json!({ "sub": "alice", "aud": "chat" }),
        with(active("alice"), "exp", json!("9999999999")),
        with(active("alice"), "aud", json!({ "chat": true })),
        with(active("alice"), "scope", json!(["chat"])),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(rig.told(&format!("t-{number}"), said.clone())?, later(), "{said}");
    }
    let answer = |fields: &str, body: &str| {
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{fields}\r\n\r\n");
        Served::Raw([head.as_bytes(), body.as_bytes()].concat())
    };
    let json = "Content-Type: application/json";
    let good = active("alice").to_string();
    let huge = format!("{{\"active\":true,\"x\":\"{}\"}}", "x".repeat(100_000));
    for (number, served) in [
        answer(json, "{\"active\":false,\"active\":true}"),
        answer(json, "{\"active\":true,\"sub\":\"a\",\"sub\":\"b\"}"),
        answer(json, "garbage"),
        answer(json, &huge),
        answer("Content-Type: text/html", &good),
        answer("Content-Type: application/token-introspection+jwt", &good),
        answer("X-No: type", &good),
        answer(&format!("{json}\r\nContent-Encoding: gzip"), &good),
        Served::Raw(b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n".into()),
        Served::Raw(b"HTTP/1.1 200 OK\r\nContent-Le".into()),
        Served::Status(400),
        Served::Status(401),
        Served::Status(404),
        Served::Status(500),
        Served::Nothing,
        Served::Silence,
    ]
    .into_iter()
    .enumerate()
    {
        rig.provider.serve(PATH, served.clone());
        assert_eq!(rig.refused(&format!("u-{number}"))?, later(), "{served:?}");
        // So that no failure is the last of a row.
        rig.provider.serve(PATH, Served::Tokens);
        rig.ready()?;
        assert_eq!(rig.refused(&format!("v-{number}"))?, http(401, "invalid_token"));
    }
    assert_eq!(rig.provider.asked("/other"), 0, "a redirect was followed");
    Ok(())
}

#[test]
fn in_band_the_client_is_told_to_come_again() -> Outcome {
    let rig = Asking::new("")?;
    rig.provider.serve(PATH, Served::Status(500));
    let mut client = rig.gateway.connect()?;
    client.send(Handshake::to("/ws").bytes())?;
    client.expect_switch()?;
    client.authenticate("opaque-1")?;
    let rejected = client.expect_auth("rejected")?;
    assert_eq!(rejected["error"], "temporarily_unavailable");
    assert_eq!(closed(&mut client)?, close(1013, "temporarily_unavailable"));
    Ok(())
}

#[test]
fn an_answer_counts_for_its_time_and_not_beyond_the_token_s_end() -> Outcome {
    let rig = Asking::new("cache = \"5m\"")?;
    rig.provider.issue("long", active("alice"));
    for _ in 0..3 {
        rig.open("long")?;
    }
    assert_eq!(rig.provider.asked_about("long"), 1);
    let end = now_secs().ceil() + 2.0;
    rig.provider.issue("short", with(active("bob"), "exp", json!(end)));
    rig.open("short")?;
    rig.provider.issue("short", with(active("bob"), "exp", json!(end + 3600.0)));
    eventually("the issuer is asked anew when the token ended", || {
        drop(rig.open("short")?);
        Ok(rig.provider.asked_about("short") > 1)
    })?;
    assert!(now_secs() >= end, "asked before the end");
    Ok(())
}

#[test]
fn without_a_cache_everybody_is_asked_about() -> Outcome {
    let rig = Asking::new("cache = \"0s\"")?;
    rig.provider.issue("opaque", active("alice"));
    rig.open("opaque")?;
    rig.provider.withdraw("opaque");
    assert_eq!(rig.refused("opaque")?, http(401, "invalid_token"));
    rig.provider.issue("opaque", active("alice"));
    rig.open("opaque")?;
    Ok(())
}

#[test]
fn those_who_come_together_with_one_token_cost_one_question() -> Outcome {
    let rig = Asking::new("cache = \"0s\"")?;
    rig.provider.issue("opaque", active("alice"));
    rig.provider.serve(PATH, Served::Held);
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(rig.send("opaque")?);
    }
    rig.provider.wait_asked_about("opaque", 1)?;
    // All of them have been read, and wait.
    eventually("all wait", || Ok(rig.gateway.metric("vestibule_pending")? == 20))?;
    rig.provider.serve(PATH, Served::Tokens);
    let mut upstreams = Vec::new();
    for _ in 0..20 {
        upstreams.push(rig.upstream.switch("")?);
    }
    for client in &mut clients {
        client.expect_switch()?;
    }
    assert_eq!(rig.provider.asked_about("opaque"), 1);
    Ok(())
}

#[test]
fn a_flood_of_invented_tokens_costs_the_issuer_its_rate_and_keeps_out_nobody_known() -> Outcome {
    let rig = Asking::new("rate = 5\ncache = \"0s\"")?;
    rig.provider.issue("known", active("alice"));
    rig.open("known")?;
    let began = Instant::now();
    let before = rig.provider.asked(PATH);
    let mut limited = 0;
    for number in 0..60 {
        match rig.refused(&format!("invented-{number}"))? {
            No::Http(401, _) => {}
            No::Http(LATER, _) => limited += 1,
            other => anyhow::bail!("{other:?}"),
        }
    }
    let allowed = 5 * (usize::try_from(began.elapsed().as_secs())? + 2);
    let asked = rig.provider.asked(PATH) - before;
    assert!(asked <= allowed, "{asked} questions, {allowed} allowed");
    assert!(limited > 0, "nobody was sent away");
    // Who was in before is asked about beside them.
    rig.open("known")?;
    Ok(())
}

#[test]
fn an_issuer_that_fails_is_left_alone_and_found_again() -> Outcome {
    let rig = Asking::new("cache = \"0s\"")?;
    let breaker = "vestibule_introspection_breaker{issuer=\"asked\"}";
    assert_eq!(rig.gateway.metric(breaker)?, 0);
    rig.provider.serve(PATH, Served::Status(500));
    for number in 0..5 {
        assert_eq!(rig.refused(&format!("t-{number}"))?, later());
    }
    rig.gateway.log().wait_for("tokens cannot be asked about")?;
    let (status, body) = rig.gateway.ask("/readyz")?;
    let body: Value = serde_json::from_str(&body)?;
    assert_eq!((status, &body["status"]), (503, &json!("issuer not answering")), "{body}");
    assert_eq!(body["issuers"][0]["state"], "failing", "{body}");
    assert_eq!(rig.refused("t-left-alone")?, later());
    assert_eq!(rig.provider.asked_about("t-left-alone"), 0);
    rig.provider.serve(PATH, Served::Tokens);
    // It is found by a question of the gateway's own: no client has to be sent away for it.
    rig.ready()?;
    assert_eq!(rig.gateway.metric(breaker)?, 0);
    rig.provider.issue("opaque", active("alice"));
    rig.open("opaque")?;
    Ok(())
}

#[test]
fn a_jwt_is_for_the_keys_of_its_issuer_and_never_has_a_second_chance() -> Outcome {
    let issuer = Issuer::new("https://keys.example.com")?;
    let rig = Asking::with("", |setup, _| setup.issuer("keys", &issuer, ""))?;
    rig.open(&issuer.token("alice")?)?;
    // What its keys refuse is not asked about, whatever the one that is asked would say.
    let forged = issuer.forged("mallory")?;
    rig.provider.issue(&forged, active("mallory"));
    assert_eq!(rig.refused(&forged)?, http(401, "invalid_token"));
    let expired = issuer.token_for("alice", -100.0)?;
    rig.provider.issue(&expired, active("alice"));
    assert_eq!(rig.refused(&expired)?, http(401, "token_expired"));
    assert_eq!(rig.provider.asked_about(&forged) + rig.provider.asked_about(&expired), 0);
    // A JWT of the issuer that is asked is.
    let own = Issuer::new("https://id.example.com")?.token("bob")?;
    rig.provider.issue(&own, active("bob"));
    rig.open(&own)?;
    // One of somebody else is shown to nobody.
    let foreign = Issuer::new("https://elsewhere.example.com")?.token("eve")?;
    rig.provider.issue(&foreign, active("eve"));
    assert_eq!(rig.refused(&foreign)?, http(401, "invalid_token"));
    assert_eq!(rig.provider.asked_about(&foreign), 0);
    Ok(())
}

#[test]
fn a_route_without_an_issuer_that_is_asked_takes_jwts_alone() -> Outcome {
    let issuer = Issuer::new("https://keys.example.com")?;
    let rig = Asking::with("", |setup, upstream| {
        let setup = setup.issuer("keys", &issuer, "")?;
        let lines = "accept = [\"header\"]\nissuers = [\"keys\"]";
        Ok(setup.route("/keys", &upstream.url(), lines))
    })?;
    rig.provider.issue("opaque", active("alice"));
    let mut client = rig.gateway.connect()?;
    client.send(Handshake::to("/keys").bearer("opaque").bytes())?;
    assert_eq!(no(&mut client)?, http(401, "invalid_token"));
    assert_eq!(rig.provider.asked_about("opaque"), 0);
    Ok(())
}

#[test]
fn two_issuers_are_asked_in_the_order_of_the_route() -> Outcome {
    let second = Provider::start()?;
    second.serve(PATH, Served::Tokens);
    let url = format!("{}{PATH}", second.url());
    let rig = Asking::with("", |setup, _| {
        let secret = setup.file("second.secret", "x")?;
        Ok(setup.table(&format!(
            "[[issuers]]\nname = \"second\"\naudiences = [\"chat\"]\nintrospection_url = {url:?}\n\
             client_id = \"gate\"\nclient_secret_file = {secret:?}\n"
        )))
    })?;
    second.issue("of-the-second", active("bob"));
    rig.open("of-the-second")?;
    assert_eq!(rig.provider.asked_about("of-the-second"), 1);
    rig.provider.issue("of-the-first", active("alice"));
    rig.open("of-the-first")?;
    assert_eq!(second.asked_about("of-the-first"), 0);
    // While one of them cannot be asked, a no of the other is not the last word.
    rig.provider.serve(PATH, Served::Status(500));
    assert_eq!(rig.refused("of-whom")?, later());
    Ok(())
}

#[test]
fn a_secret_that_was_replaced_is_read_again() -> Outcome {
    let rig = Asking::new("cache = \"0s\"")?;
    rig.setup.file("client.secret", "new secret")?;
    rig.provider.serve(PATH, Served::Status(401));
    assert_eq!(rig.refused("t-1")?, later());
    rig.provider.serve(PATH, Served::Tokens);
    assert_eq!(rig.refused("t-2")?, http(401, "invalid_token"));
    let (head, _) = rig.provider.last(PATH).context("never asked")?;
    let basic = base64(b"gate:new+secret");
    assert_eq!(head.one("authorization"), Some(&*format!("Basic {basic}")));
    Ok(())
}

#[test]
fn a_gateway_that_may_not_ask_is_not_ready_and_says_why() -> Outcome {
    let provider = Provider::start()?;
    provider.serve(PATH, Served::Status(401));
    let rig = Asking::at(provider, "", |setup, _| Ok(setup))?;
    eventually("it has asked", || {
        Ok(rig.gateway.ask("/readyz")?.1.contains("does not take our credentials"))
    })?;
    let (status, body) = rig.gateway.ask("/readyz")?;
    let body: Value = serde_json::from_str(&body)?;
    assert_eq!((status, &body["status"]), (503, &json!("issuer not answering")), "{body}");
    assert_eq!(body["issuers"][0]["kind"], "introspection");
    assert_eq!(body["issuers"][0]["state"], "never answered");
    rig.provider.serve(PATH, Served::Tokens);
    rig.ready()
}
