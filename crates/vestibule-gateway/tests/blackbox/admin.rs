//! The admin API: who may use it, what it shows, and what it ends.

use anyhow::Context as _;
use serde_json::{Value, json};
use vestibule_testkit::{Handshake, Peer, eventually};

use crate::rig::{Outcome, Rig, close, closed, converse};

pub(crate) const ALL: &str = "accept = [\"header\", \"message\"]\nauth_deadline = \"1m\"\n";

/// The token of the admin API.
pub(crate) fn token(rig: &Rig) -> anyhow::Result<String> {
    let path = rig.setup.folder().join("admin.token");
    Ok(std::fs::read_to_string(path)?.trim_end().to_owned())
}

/// One request, with these fields more: the status, and the body.
fn raw(rig: &Rig, request: &str, fields: &str, body: &str) -> anyhow::Result<(u16, Value)> {
    let mut peer = Peer::connect(rig.gateway.admin())?;
    let length = body.len();
    peer.send(format!(
        "{request} HTTP/1.1\r\n{fields}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    ))?;
    let head = peer.head()?;
    let body = if head.status() == 204 { String::new() } else { peer.body(&head)? };
    let body = if body.is_empty() { Value::Null } else { serde_json::from_str(&body)? };
    Ok((head.status(), body))
}

/// A request of the operator's.
pub(crate) fn ask(rig: &Rig, request: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
    let fields = format!("Host: localhost\r\nAuthorization: Bearer {}\r\n", token(rig)?);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    raw(rig, request, &fields, &body)
}

/// The connections that a query finds.
fn found(rig: &Rig, query: &str) -> anyhow::Result<Vec<Value>> {
    let (status, body) = ask(rig, &format!("GET /api/v1/connections{query}"), &Value::Null)?;
    anyhow::ensure!(status == 200, "{status} {body}");
    Ok(body["connections"].as_array().context("no list")?.clone())
}

fn subjects(rig: &Rig, query: &str) -> anyhow::Result<Vec<String>> {
    let all = found(rig, query)?;
    Ok(all.iter().filter_map(|one| Some(one["subject"].as_str()?.to_owned())).collect())
}

pub(crate) fn open(rig: &Rig, subject: &str) -> anyhow::Result<(Peer, Peer)> {
    let token = rig.issuer.token(subject)?;
    rig.open(&Handshake::to("/ws").bearer(&token))
}

/// Waits until so many are inside.
pub(crate) fn inside(rig: &Rig, count: u64) -> Outcome {
    eventually("they are inside", || Ok(rig.gateway.metric("vestibule_connections")? == count))
}

#[test]
fn without_the_token_the_api_says_nothing_and_does_nothing() -> Outcome {
    let rig = Rig::new(ALL)?;
    let (mut client, mut upstream) = open(&rig, "alice")?;
    let token = token(&rig)?;
    assert!(token.starts_with("vsa_") && token.len() >= 47, "{} characters", token.len());
    let close = "POST /api/v1/connections/close";
    for (fields, wanted) in [
        ("Host: localhost\r\n".to_owned(), 401),
        ("Host: localhost\r\nAuthorization: Bearer vsa_wrong\r\n".to_owned(), 401),
        (format!("Host: localhost\r\nAuthorization: Basic {token}\r\n"), 401),
        (format!("Host: localhost\r\nX-Token: {token}\r\n"), 401),
        (format!("Host: localhost\r\nAuthorization: Bearer {}\r\n", rig.token()?), 401),
        // Another page of the operator's browser, whose name leads here now.
        (format!("Host: evil.example\r\nAuthorization: Bearer {token}\r\n"), 421),
        (format!("Authorization: Bearer {token}\r\n"), 421),
    ] {
        for request in ["GET /api/v1/connections", "GET /api/v1/openapi.json", close] {
            let (status, body) = raw(&rig, request, &fields, "{\"all\":true}")?;
            assert_eq!(status, wanted, "{request} {fields}: {body}");
            let members: Vec<_> = body.as_object().context("an object")?.keys().collect();
            assert_eq!(members, ["error", "error_description"], "{body}");
        }
    }
    converse(&mut client, &mut upstream, "still here")
}

#[test]
fn guessing_the_token_is_slowed_and_does_not_lock_the_operator_out() -> Outcome {
    let rig = Rig::new(ALL)?;
    let guess = "Host: localhost\r\nAuthorization: Bearer vsa_guess\r\n";
    let mut slowed = false;
    for _ in 0..40 {
        let (status, body) = raw(&rig, "GET /api/v1/connections", guess, "")?;
        slowed |= status == 429;
        assert!(status == 401 || status == 429, "{status} {body}");
    }
    assert!(slowed);
    assert!(found(&rig, "")?.is_empty());
    Ok(())
}

#[test]
fn connections_are_listed_with_filters_and_shown_alone() -> Outcome {
    let rig = Rig::new(ALL)?;
    let (mut client, mut upstream) = open(&rig, "alice")?;
    let _bob = open(&rig, "bob")?;
    let _carol = rig.open_by_message(&rig.issuer.token("carol")?)?;
    inside(&rig, 3)?;
    assert_eq!(subjects(&rig, "")?, ["alice", "bob", "carol"]);
    for (query, wanted) in [
        ("?subject=alice", &["alice"][..]),
        ("?subject=ali%63e", &["alice"]),
        ("?subject=nobody", &[]),
        ("?issuer=https://id.example.com", &["alice", "bob", "carol"]),
        ("?issuer=other", &[]),
        ("?route=/ws&subject=bob", &["bob"]),
        ("?route=/honest", &[]),
        ("?mechanism=bearer", &["alice", "bob", "carol"]),
        ("?mechanism=ticket", &[]),
        ("?address=127.0.0.1", &["alice", "bob", "carol"]),
        ("?address=127.0.0.0/8", &["alice", "bob", "carol"]),
        ("?address=10.0.0.0/8", &[]),
        ("?older_than=1000", &[]),
        ("?younger_than=1000", &["alice", "bob", "carol"]),
    ] {
        assert_eq!(subjects(&rig, query)?, wanted, "{query}");
    }
    converse(&mut client, &mut upstream, "hello")?;
    let alice = found(&rig, "?subject=alice")?.remove(0);
    let id = alice["id"].as_str().context("no id")?;
    let (status, shown) = ask(&rig, &format!("GET /api/v1/connections/{id}"), &Value::Null)?;
    assert_eq!(status, 200, "{shown}");
    assert_eq!(
        (&shown["carrier"], &shown["route"], &shown["address"]),
        (&json!("header"), &json!("/ws"), &json!("127.0.0.1"))
    );
    assert!(shown["to_client"].as_u64() > Some(0) && shown["since"].as_i64() > Some(0), "{shown}");
    assert!(shown["lease_ends"].as_i64() >= shown["expires"].as_i64(), "{shown}");
    let carol = found(&rig, "?subject=carol")?.remove(0);
    assert_eq!(carol["carrier"], "message");
    Ok(())
}

#[test]
fn a_long_list_comes_in_pages_that_miss_nobody() -> Outcome {
    let rig = Rig::with(ALL, |setup| setup.server("workers = 3"))?;
    let mut open_ends = Vec::new();
    for number in 0..23 {
        open_ends.push(open(&rig, &format!("user-{number:02}"))?);
    }
    inside(&rig, 23)?;
    let (mut seen, mut query) = (Vec::new(), "?limit=5".to_owned());
    for _ in 0..5 {
        let (_, page) = ask(&rig, &format!("GET /api/v1/connections{query}"), &Value::Null)?;
        let connections = page["connections"].as_array().context("no list")?;
        seen.extend(connections.iter().map(|one| one["subject"].as_str().map(str::to_owned)));
        match page["next"].as_str() {
            Some(next) => query = format!("?limit=5&after={next}"),
            None => break,
        }
    }
    let wanted: Vec<_> = (0..23).map(|number| Some(format!("user-{number:02}"))).collect();
    assert_eq!(seen, wanted);
    Ok(())
}

#[test]
fn a_connection_has_one_name_everywhere() -> Outcome {
    let rig = Rig::with(ALL, |setup| setup.level("info"))?;
    let mut client = rig.wait_at_the_door()?;
    client.authenticate(&rig.token()?)?;
    let (_upstream, head) = rig.upstream.switch("")?;
    let accepted = client.expect_auth("accepted")?;
    let name = accepted["connection"].as_str().context("no name")?;
    assert!(name.starts_with("c-") && name.matches('-').count() == 2, "{name}");
    assert_eq!(head.one("x-vestibule-connection"), Some(name));
    rig.gateway.log().wait_for(&format!("\"connection\":\"{name}\""))?;
    inside(&rig, 1)?;
    assert_eq!(found(&rig, "")?.remove(0)["id"], name);
    Ok(())
}

#[test]
fn the_operator_closes_one_and_the_others_stay() -> Outcome {
    let rig = Rig::new(ALL)?;
    let (mut alice, _one) = open(&rig, "alice")?;
    let (mut bob, mut two) = open(&rig, "bob")?;
    inside(&rig, 2)?;
    let id = found(&rig, "?subject=alice")?.remove(0)["id"].as_str().context("id")?.to_owned();
    let request = format!("DELETE /api/v1/connections/{id}");
    assert_eq!(ask(&rig, &request, &Value::Null)?, (200, json!({ "closed": 1 })));
    assert_eq!(closed(&mut alice)?, close(1001, "closed_by_operator"));
    converse(&mut bob, &mut two, "still here")?;
    inside(&rig, 1)?;
    assert_eq!(ask(&rig, &request, &Value::Null)?.0, 404);
    let elsewhere = "DELETE /api/v1/connections/c-0000000000000000-1";
    assert_eq!(ask(&rig, elsewhere, &Value::Null)?.0, 404);
    Ok(())
}

#[test]
fn closing_many_must_say_whom() -> Outcome {
    let rig = Rig::new(ALL)?;
    let (mut alice, mut one) = open(&rig, "alice")?;
    let (mut bob, mut two) = open(&rig, "bob")?;
    inside(&rig, 2)?;
    let close_them = |body: &Value| ask(&rig, "POST /api/v1/connections/close", body);
    for bad in [
        json!({}),
        json!({ "reason": "tidying" }),
        json!({ "all": false }),
        json!({ "all": true, "subject": "alice" }),
        json!({ "subjct": "alice" }),
        json!({ "subject": 7 }),
        json!({ "mechanism": "magic" }),
        json!({ "address": "everywhere" }),
        json!({ "all": true, "reason": "a\nb" }),
        json!([]),
    ] {
        let (status, body) = close_them(&bad)?;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "{bad}: {body}");
    }
    converse(&mut alice, &mut one, "nobody was closed")?;
    converse(&mut bob, &mut two, "nobody was closed")?;
    let (status, body) = close_them(&json!({ "subject": "alice", "reason": "tidying" }))?;
    assert_eq!((status, body), (200, json!({ "closed": 1 })));
    assert_eq!(closed(&mut alice)?, close(1001, "closed_by_operator"));
    converse(&mut bob, &mut two, "still here")?;
    assert_eq!(close_them(&json!({ "all": true }))?, (200, json!({ "closed": 1 })));
    assert_eq!(closed(&mut bob)?, close(1001, "closed_by_operator"));
    Ok(())
}

#[test]
fn requests_that_make_no_sense_are_told_so_in_one_shape() -> Outcome {
    let rig = Rig::new(ALL)?;
    for (request, wanted) in [
        ("GET /api/v1/connections?subjct=a", 400),
        ("GET /api/v1/connections?subject=a&subject=b", 400),
        ("GET /api/v1/connections?subject=%ff", 400),
        ("GET /api/v1/connections?limit=0", 400),
        ("GET /api/v1/connections?limit=1001", 400),
        ("GET /api/v1/connections?older_than=soon", 400),
        ("GET /api/v1/connections?after=c-0000000000000000-1", 400),
        ("GET /api/v1/connections?after=7", 400),
        ("GET /api/v1/connections/7", 404),
        ("GET /api/v1/nothing", 404),
        ("GET /api/", 404),
        ("PUT /api/v1/connections", 405),
    ] {
        let (status, body) = ask(&rig, request, &Value::Null)?;
        assert_eq!(status, wanted, "{request}: {body}");
        let members: Vec<_> = body.as_object().context("an object")?.keys().collect();
        assert_eq!(members, ["error", "error_description"], "{request}: {body}");
    }
    let long = json!({ "subject": "a".repeat(70_000) });
    assert_eq!(ask(&rig, "POST /api/v1/connections/close", &long)?.0, 413);
    Ok(())
}

#[test]
fn every_action_is_in_the_audit_log_and_no_secret_is() -> Outcome {
    let rig = Rig::with(ALL, |setup| setup.admin("audit_log = \"audit.log\""))?;
    let (mut alice, _upstream) = open(&rig, "alice")?;
    inside(&rig, 1)?;
    let token = token(&rig)?;
    raw(&rig, "GET /api/v1/connections", "Host: localhost\r\n", "")?;
    let fields = format!(
        "Host: localhost\r\nX-Vestibule-Operator: ops-olga\r\nAuthorization: Bearer {token}\r\n"
    );
    let body = r#"{"subject":"alice","reason":"asked to"}"#;
    raw(&rig, "POST /api/v1/connections/close", &fields, body)?;
    closed(&mut alice)?;
    ask(&rig, "POST /api/v1/revocations", &json!({ "subject": "bob", "pasword": "hunter2" }))?;
    let text = std::fs::read_to_string(rig.setup.folder().join("audit.log"))?;
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let told = |line: &Value| {
        let [action, outcome] = ["action", "outcome"].map(|name| line[name].as_str().unwrap_or(""));
        format!("{action} {} {outcome}", line["status"])
    };
    assert_eq!(
        lines.iter().map(told).collect::<Vec<_>>(),
        [
            "connections.list 401 credential_required",
            "connections.close 200 done",
            "revocation.make 400 invalid_request",
        ]
    );
    let done = &lines[1];
    assert_eq!((&done["user"], &done["from"]), (&json!("ops-olga"), &json!("127.0.0.1")));
    assert_eq!(done["details"]["subject"], "alice");
    assert_eq!(
        (&done["details"]["closed"], &done["details"]["reason"]),
        (&json!(1), &json!("asked to"))
    );
    assert!(done["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{done}");
    for secret in [&*token, "hunter2", &rig.token()?] {
        assert!(!text.contains(secret), "{secret} in {text}");
        assert!(!rig.gateway.log().text().contains(secret), "{secret}");
    }
    Ok(())
}

#[test]
fn the_document_that_is_served_is_the_one_that_is_checked_in() -> Outcome {
    let rig = Rig::new(ALL)?;
    let (status, served) = ask(&rig, "GET /api/v1/openapi.json", &Value::Null)?;
    assert_eq!(status, 200);
    let written: Value =
        serde_json::from_str(include_str!("../../../../docs/operate/openapi.json"))?;
    assert_eq!(served, written);
    Ok(())
}
