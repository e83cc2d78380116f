//! The flow of messages that carry their own credentials: order, back-pressure, and every end.

use std::time::Duration;

use serde_json::json;
use vestibule_client::Carrier;
use vestibule_testkit::{Frame, Handshake, Message, Opcode, Role, Setup};

use crate::{
    accounts::{PASSWORD, add, key, log_in},
    admin::ask,
    client::{Client, URL},
    endpoint::Ask,
    introspection::{Asking, active},
    per_message::{EACH, envelope, open, rejected, still_good},
    rig::{No, Outcome, Rig, close, closed},
};

#[test]
fn a_client_that_says_nothing_good_is_closed_at_the_deadline() -> Outcome {
    let rig = Rig::new("accept = [\"per-message\"]\nauth_deadline = \"1s\"\n")?;
    let mut silent = rig.wait_at_the_door()?;
    let mut talking = rig.wait_at_the_door()?;
    talking.send_text(&envelope(&rig.issuer.forged("alice")?, "1"))?;
    talking.expect_text(&rejected("invalid_token"))?;
    assert_eq!(closed(&mut silent)?, close(4408, "auth_timeout"));
    assert_eq!(closed(&mut talking)?, close(4408, "auth_timeout"));
    // Who got in has no such deadline.
    let (mut client, mut upstream) = open(&rig, &rig.token()?)?;
    assert_eq!(closed(&mut rig.wait_at_the_door()?)?, close(4408, "auth_timeout"));
    still_good(&rig, &mut client, &mut upstream)
}

#[test]
fn silence_and_a_lifetime_end_a_connection_where_the_route_says_so() -> Outcome {
    let rig = Rig::new(&format!("{EACH}idle_timeout = \"1s\"\n"))?;
    let (mut client, _upstream) = open(&rig, &rig.token()?)?;
    assert_eq!(closed(&mut client)?, close(1001, "idle_timeout"));
    let rig = Rig::new(&format!("{EACH}max_lifetime = \"2s\"\n"))?;
    let (mut client, mut upstream) = open(&rig, &rig.token()?)?;
    still_good(&rig, &mut client, &mut upstream)?;
    assert_eq!(closed(&mut client)?, close(1001, "lifetime_reached"));
    Ok(())
}

#[test]
fn an_upstream_that_is_not_there_is_told_by_a_close() -> Outcome {
    let rig = Rig::new(EACH)?;
    let mut client = rig.wait_at_the_door()?;
    client.send_text(&envelope(&rig.token()?, "1"))?;
    let (mut upstream, _) = rig.upstream.request()?;
    upstream.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")?;
    assert_eq!(closed(&mut client)?, close(1014, "upstream_unavailable"));
    let (mut client, upstream) = open(&rig, &rig.token()?)?;
    drop(upstream);
    assert_eq!(closed(&mut client)?, close(1014, "upstream_unavailable"));
    Ok(())
}

#[test]
fn a_close_of_either_side_passes() -> Outcome {
    let rig = Rig::new(EACH)?;
    let (mut client, mut upstream) = open(&rig, &rig.token()?)?;
    client.send_frame(&Frame::close(3456, "bye"))?;
    assert_eq!(upstream.expect_close(3456)?, "bye");
    assert!(matches!(client.message()?, Message::Close(3456, _)));
    let (mut client, mut upstream) = open(&rig, &rig.token()?)?;
    upstream.send_frame(&Frame::close(4567, "done"))?;
    assert_eq!(client.expect_close(4567)?, "done");
    Ok(())
}

#[test]
fn the_subprotocol_is_chosen_by_the_gateway_and_asked_of_the_upstream() -> Outcome {
    let rig = Rig::new(&format!("{EACH}subprotocols = [\"chat.v1\"]\n"))?;
    let offer = Handshake::to("/ws")
        .subprotocols("chat.v2, chat.v1")
        .field("Sec-WebSocket-Extensions", "permessage-deflate");
    let mut client = rig.send(&offer)?;
    let head = client.expect_switch()?;
    assert_eq!(head.one("sec-websocket-protocol"), Some("chat.v1"));
    assert_eq!(head.one("sec-websocket-extensions"), None);
    client.send_text(&envelope(&rig.token()?, "1"))?;
    let (mut upstream, head) = rig.upstream.switch("Sec-WebSocket-Protocol: chat.v1\r\n")?;
    assert_eq!(head.one("sec-websocket-protocol"), Some("chat.v1"));
    assert_eq!(head.one("sec-websocket-extensions"), None);
    upstream.expect_text("1")
}

#[test]
fn a_node_that_goes_away_closes_with_1001() -> Outcome {
    let mut rig = Rig::with(EACH, |setup| setup.server("workers = 2\ndrain = \"100ms\""))?;
    let mut waiting = rig.wait_at_the_door()?;
    let (mut client, mut upstream) = open(&rig, &rig.token()?)?;
    rig.gateway.terminate()?;
    for client in [&mut waiting, &mut client] {
        assert_eq!(closed(client)?, close(1001, "draining"));
    }
    while let Some(frame) = upstream.frame_or_end()? {
        assert_eq!(frame.opcode, Opcode::Close, "{frame:?}");
    }
    assert_eq!(rig.gateway.wait()?.code(), Some(0));
    Ok(())
}

#[test]
fn an_upstream_that_does_not_read_stops_the_client_and_nothing_is_lost() -> Outcome {
    let rig = Rig::new(EACH)?;
    let token = rig.token()?;
    let (mut client, mut upstream) = open(&rig, &token)?;
    let before = rig.gateway.memory()?;
    let data = format!("\"{}\"", "x".repeat(50_000));
    let bytes = Frame::whole(Opcode::Text, envelope(&token, &data)).bytes(Role::Client);
    let limit = 64 << 20;
    let sent = client.send_until_stalled(&bytes, limit, Duration::from_secs(1))?;
    assert!(sent > 0 && sent < limit, "the sender was never made to wait");
    let growth = rig.gateway.memory()?.saturating_sub(before);
    assert!(growth < 8 * 1024, "{growth} KiB more");
    for _ in 0..sent / bytes.len() {
        upstream.expect_text(&data)?;
    }
    client.send(&bytes[sent % bytes.len()..])?;
    upstream.expect_text(&data)
}

#[test]
fn a_client_that_does_not_read_stops_the_upstream() -> Outcome {
    let rig = Rig::new(EACH)?;
    let (mut client, mut upstream) = open(&rig, &rig.token()?)?;
    let frame = Frame::whole(Opcode::Binary, vec![0x5a; 50_000]);
    let bytes = frame.bytes(Role::Server);
    let limit = 64 << 20;
    let sent = upstream.send_until_stalled(&bytes, limit, Duration::from_secs(1))?;
    assert!(sent > 0 && sent < limit, "the sender was never made to wait");
    still_good(&rig, &mut client, &mut upstream)?;
    for _ in 0..sent / bytes.len() {
        assert!(client.frame()? == frame);
    }
    Ok(())
}

fn own(setup: Setup) -> Setup {
    setup.table("[auth]").table("[store]\npath = \"kept.redb\"")
}

#[test]
fn messages_that_have_to_be_looked_up_keep_their_order() -> Outcome {
    let rig = Rig::with(&format!("{EACH}mechanisms = [\"api-key\", \"session\"]\n"), own)?;
    let secret = key(&rig, &["--machine", "robot", "--label", "the robot"])?;
    let mut client = rig.wait_at_the_door()?;
    let mut bytes = Vec::new();
    for number in 0..200 {
        bytes.extend(
            Frame::whole(Opcode::Text, envelope(&secret, &number.to_string())).bytes(Role::Client),
        );
        if number % 50 == 7 {
            bytes.extend(Frame::whole(Opcode::Ping, number.to_string()).bytes(Role::Client));
            let bad = envelope("vsk_AAAA", "\"bad\"");
            bytes.extend(Frame::whole(Opcode::Text, bad).bytes(Role::Client));
        }
    }
    bytes.extend(Frame::close(1000, "").bytes(Role::Client));
    client.send(&bytes)?;
    let (mut upstream, head) = rig.upstream.switch("")?;
    assert_eq!(head.one("x-vestibule-mechanism"), Some("api-key"));
    for number in 0..200 {
        upstream.expect_text(&number.to_string())?;
        if number % 50 == 7 {
            assert_eq!(upstream.message()?, Message::Ping(number.to_string().into_bytes()));
        }
    }
    upstream.expect_close(1000)?;
    for _ in 0..4 {
        client.expect_text(&rejected("invalid_token"))?;
    }
    assert!(matches!(client.message()?, Message::Close(1000, _)));
    Ok(())
}

#[test]
fn a_machine_that_is_revoked_is_out_and_the_messages_with_its_key_are_rejected() -> Outcome {
    let rig = Rig::with(&format!("{EACH}mechanisms = [\"api-key\"]\n"), own)?;
    let secret = key(&rig, &["--machine", "robot", "--label", "the robot"])?;
    let (mut client, _upstream) = open(&rig, &secret)?;
    assert_eq!(
        ask(&rig, "POST /api/v1/revocations", &json!({ "subject": "machine:robot" }))?.0,
        201
    );
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    let mut again = rig.wait_at_the_door()?;
    again.send_text(&envelope(&secret, "1"))?;
    again.expect_auth("rejected")?;
    Ok(())
}

#[test]
fn a_login_made_over_http_authenticates_messages_and_its_logout_ends_them() -> Outcome {
    let lines = format!("{EACH}issuers = [\"local\"]\n");
    let rig = Rig::with(&lines, own)?;
    add(&rig, "alice")?;
    let (_, said) = log_in(&rig, "alice", PASSWORD)?;
    let access = said["access_token"].as_str().unwrap_or_default().to_owned();
    let (mut client, _upstream) = open(&rig, &access)?;
    let logout = Ask::post("/auth/logout").bearer(&access);
    logout.of(&rig.gateway)?.fine()?;
    assert!(matches!(closed(&mut client)?, No::Close(4410, _)));
    Ok(())
}

#[test]
fn the_rust_client_speaks_it_and_replaces_a_bad_token() -> Outcome {
    let rig = Rig::new(EACH)?;
    let (good, bad) = (rig.token()?, rig.issuer.forged("alice")?);
    let give = move |request: vestibule_client::Request| {
        Ok(if request.reason.name() == "connect" { bad.clone() } else { good.clone() })
    };
    let mut client =
        Client::start(&rig, URL, give, |builder| builder.carrier(Carrier::PerMessage))?;
    client.send("\"lost\"")?;
    client.told("invalid_token")?;
    client.send(r#"{ "n":1.0 }"#)?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    upstream.expect_text(r#"{ "n":1.0 }"#)?;
    client.converse(&mut upstream, "[]")?;
    assert_eq!(client.asked(), ["connect", "refresh"]);
    client.finish(&mut upstream)
}

#[test]
fn tokens_that_their_issuer_is_asked_about_come_in_each_message_and_end_it_when_withdrawn()
-> Outcome {
    let rig = Asking::with("recheck = \"300ms\"", |setup, upstream| {
        Ok(setup.route("/each", &upstream.url(), EACH))
    })?;
    rig.provider.issue("opaque-1", active("alice"));
    rig.provider.issue("opaque-2", active("bob"));
    let mut client = rig.gateway.connect()?;
    client.send(Handshake::to("/each").bytes())?;
    client.expect_switch()?;
    let texts = [("opaque-1", "1"), ("opaque-2", "2"), ("nobody-knows-it", "3"), ("opaque-1", "4")];
    let bytes = texts
        .map(|(token, data)| Frame::whole(Opcode::Text, envelope(token, data)).bytes(Role::Client));
    client.send(bytes.concat())?;
    let (mut upstream, head) = rig.upstream.switch("")?;
    assert_eq!(head.one("x-vestibule-subject"), Some("alice"));
    upstream.expect_text("1")?;
    upstream.expect_text("4")?;
    client.expect_text(&rejected("identity_changed"))?;
    client.expect_text(&rejected("invalid_token"))?;
    rig.provider.withdraw("opaque-1");
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    Ok(())
}
