//! What an operator sees: health, readiness, metrics, logs.

use serde_json::Value;
use vestibule_testkit::{Frame, Handshake, Peer, eventually};

use crate::rig::{Outcome, Rig, closed, converse, no};

const ALL: &str = "accept = [\"header\", \"message\"]\nauth_deadline = \"1m\"\n";

#[test]
fn a_node_with_keys_is_healthy_and_ready() -> Outcome {
    let rig = Rig::new(ALL)?;
    assert_eq!(rig.gateway.ask("/healthz")?.0, 200);
    let (status, body) = rig.gateway.ask("/readyz")?;
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body)?;
    assert_eq!(body["issuers"][0]["name"], "idp");
    assert_eq!(body["store"]["state"], "ready");
    assert_eq!(body["revocations"]["state"], "following");
    assert_eq!(rig.gateway.ask("/anything")?.0, 404);
    Ok(())
}

#[test]
fn metrics_count_what_happens() -> Outcome {
    let rig = Rig::new(ALL)?;
    let gateway = &rig.gateway;
    let accepted = r#"vestibule_decisions_total{route="/ws",outcome="accepted"}"#;
    let forged = r#"vestibule_decisions_total{route="/ws",outcome="token_signature"}"#;
    let (mut client, mut upstream) = rig.open(&rig.good()?)?;
    eventually("one is inside", || Ok(gateway.metric("vestibule_connections")? == 1))?;
    assert_eq!(gateway.metric(accepted)?, 1);
    let mut bad = rig.send(&Handshake::to("/ws").bearer(&rig.issuer.forged("alice")?))?;
    no(&mut bad)?;
    eventually("the forgery is counted", || Ok(gateway.metric(forged)? == 1))?;
    let waiting = rig.wait_at_the_door()?;
    eventually("one waits", || Ok(gateway.metric("vestibule_pending")? == 1))?;
    drop(waiting);
    eventually("none waits", || Ok(gateway.metric("vestibule_pending")? == 0))?;
    converse(&mut client, &mut upstream, "hello")?;
    client.send_frame(&Frame::close(1000, ""))?;
    upstream.message()?;
    upstream.send_frame(&Frame::close(1000, ""))?;
    drop(upstream);
    client.rest()?;
    eventually("nobody is inside", || Ok(gateway.metric("vestibule_connections")? == 0))?;
    let (_, text) = gateway.ask("/metrics")?;
    assert!(text.contains("vestibule_relayed_bytes_total"), "{text}");
    assert!(text.trim_end().ends_with("# EOF"), "{text}");
    Ok(())
}

#[test]
fn metrics_name_no_subject() -> Outcome {
    let rig = Rig::new(ALL)?;
    let token = rig.issuer.token("mallory-the-subject")?;
    let (mut client, mut upstream) =
        rig.open(&Handshake::to("/ws/secret-path?secret=query").bearer(&token))?;
    converse(&mut client, &mut upstream, "hello")?;
    let mut nowhere = rig.send(&Handshake::to("/nowhere-at-all"))?;
    no(&mut nowhere)?;
    drop((client, upstream));
    eventually("it is over", || Ok(rig.gateway.metric("vestibule_connections")? == 0))?;
    let (_, text) = rig.gateway.ask("/metrics")?;
    for word in ["mallory", "127.0.0.1", "secret", "nowhere", &token] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    Ok(())
}

#[test]
fn the_log_tells_who_came_and_how_it_ended() -> Outcome {
    let rig = Rig::with(ALL, |setup| setup.level("info"))?;
    let (mut client, _upstream) = rig.open_by_message(&rig.token()?)?;
    client.send_text(r#"{"auth":{"type":"logout"}}"#)?;
    closed(&mut client)?;
    let line = |message: &'static str| {
        rig.gateway.log().wait(message, move |line| {
            let value: Value = serde_json::from_str(line).ok()?;
            (value["message"] == message).then_some(value)
        })
    };
    let connected = line("connected")?;
    assert_eq!(connected["subject"], "alice");
    assert_eq!(connected["carrier"], "message");
    assert_eq!(connected["mechanism"], "bearer");
    assert_eq!(connected["route"], "/ws");
    assert_eq!(connected["peer"], "127.0.0.1");
    let disconnected = line("disconnected")?;
    assert_eq!(disconnected["reason"], "logged_out");
    assert_eq!(disconnected["code"], 4410);
    assert_eq!(disconnected["connection"], connected["connection"]);
    Ok(())
}

#[test]
fn every_line_of_the_log_is_json_whatever_a_client_says() -> Outcome {
    let rig = Rig::with(ALL, |setup| setup.level("trace"))?;
    for subject in ["a\nb", "a\"b", "a\u{1b}[31mb", "a\u{2028}b"] {
        let token = rig.issuer.token(subject)?;
        let (_client, _upstream) = rig.open(&Handshake::to("/ws").bearer(&token))?;
    }
    let mut bad = rig.send(&Handshake::to("/ws\"\\x"))?;
    bad.rest()?;
    rig.gateway.log().wait_for("disconnected")?;
    for line in rig.gateway.log().text().lines() {
        let parsed: Result<Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok(), "{line}");
    }
    assert_eq!(rig.gateway.output().text(), "");
    Ok(())
}

#[test]
fn the_admin_listener_is_not_the_public_one() -> Outcome {
    let rig = Rig::new(ALL)?;
    for path in ["/metrics", "/healthz", "/readyz"] {
        let mut client: Peer = rig.gateway.connect()?;
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
        let head = client.head()?;
        assert_eq!(head.status(), 404, "{path}");
    }
    // And it takes no WebSockets.
    let mut admin = Peer::connect(rig.gateway.admin())?;
    admin.send(rig.good()?.bytes())?;
    assert_eq!(admin.head()?.status(), 404);
    Ok(())
}

#[test]
fn the_admin_listener_only_tells() -> Outcome {
    let rig = Rig::new(ALL)?;
    for method in ["POST", "PUT", "DELETE"] {
        let mut admin = Peer::connect(rig.gateway.admin())?;
        admin
            .send(format!("{method} /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"))?;
        assert_eq!(admin.head()?.status(), 405, "{method}");
    }
    Ok(())
}
