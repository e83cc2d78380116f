//! The credential as a subprotocol, and the subprotocols that are meant.

use vestibule_testkit::{Handshake, Head, base64url};

use crate::rig::{No, Outcome, PAGE, Rig, converse, no};

const CARRIER: &str = r#"accept = ["subprotocol"]"#;

/// Opens a connection whose upstream chooses this subprotocol; what the upstream was asked, and
/// what the client was answered.
fn open(rig: &Rig, offered: &str, chosen: Option<&str>) -> anyhow::Result<(Head, Head)> {
    let handshake = Handshake::to("/ws").origin(PAGE).subprotocols(offered);
    let mut client = rig.send(&handshake)?;
    let field =
        chosen.map_or_else(String::new, |name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    let (mut upstream, asked) = rig.upstream.switch(&field)?;
    let answer = client.expect_switch()?;
    converse(&mut client, &mut upstream, "hello")?;
    Ok((asked, answer))
}

fn encodings(token: &str) -> [String; 4] {
    let plain = base64url(token.as_bytes());
    [
        format!("base64url.bearer.authorization.k8s.io.{plain}"),
        format!("base64url.bearer.phx.{plain}"),
        format!("vestibule.bearer.{token}"),
        format!("bearer, {token}"),
    ]
}

#[test]
fn the_token_is_not_echoed_and_does_not_reach_the_upstream() -> Outcome {
    let rig = Rig::new(CARRIER)?;
    let token = rig.token()?;
    for encoded in encodings(&token) {
        for offered in [format!("chat, {encoded}"), format!("{encoded}, chat")] {
            let (asked, answer) = open(&rig, &offered, Some("chat"))?;
            assert_eq!(asked.one("sec-websocket-protocol"), Some("chat"), "{offered}");
            assert_eq!(answer.one("sec-websocket-protocol"), Some("chat"), "{offered}");
            assert_eq!(asked.one("x-vestibule-subject"), Some("alice"));
            for secret in [&token, &base64url(token.as_bytes())] {
                assert!(!asked.mentions(secret) && !answer.mentions(secret));
            }
        }
    }
    Ok(())
}

#[test]
fn the_credential_may_come_in_a_field_of_its_own() -> Outcome {
    let rig = Rig::new(CARRIER)?;
    let token = rig.token()?;
    let handshake = Handshake::to("/ws")
        .subprotocols("chat, superchat")
        .subprotocols(&format!("vestibule.bearer.{token}"));
    let mut client = rig.send(&handshake)?;
    let (_upstream, asked) = rig.upstream.switch("Sec-WebSocket-Protocol: superchat\r\n")?;
    let offered = asked.all("sec-websocket-protocol").join(", ");
    assert_eq!(offered, "chat, superchat");
    let answer = client.expect_switch()?;
    assert_eq!(answer.one("sec-websocket-protocol"), Some("superchat"));
    Ok(())
}

#[test]
fn the_marker_is_echoed_where_no_other_subprotocol_was_offered() -> Outcome {
    let rig = Rig::new(CARRIER)?;
    let token = rig.token()?;
    let (asked, answer) = open(&rig, &format!("bearer, {token}"), None)?;
    assert_eq!(asked.all("sec-websocket-protocol"), Vec::<&str>::new());
    assert_eq!(answer.one("sec-websocket-protocol"), Some("bearer"));
    Ok(())
}

#[test]
fn a_credential_without_a_subprotocol_that_could_be_echoed_is_refused() -> Outcome {
    let rig = Rig::new(r#"accept = ["header", "subprotocol", "message"]"#)?;
    let token = rig.token()?;
    let plain = base64url(token.as_bytes());
    for offered in [
        format!("vestibule.bearer.{token}"),
        format!("base64url.bearer.authorization.k8s.io.{plain}"),
        format!("base64url.bearer.phx.{plain}"),
    ] {
        let mut client = rig.send(&Handshake::to("/ws").subprotocols(&offered))?;
        let head = client.head()?;
        assert_eq!(head.status(), 400, "{offered}: {head}");
        assert!(!head.mentions(&token) && !head.mentions(&plain));
        client.body(&head)?;
    }
    rig.expect_undialled()
}

#[test]
fn a_credential_that_is_none_is_refused_and_not_sent_on() -> Outcome {
    let rig = Rig::new(r#"accept = ["header", "subprotocol", "message"]"#)?;
    for offered in [
        "chat, base64url.bearer.phx.!!!".to_owned(),
        "chat, base64url.bearer.phx.".to_owned(),
        "chat, base64url.bearer.authorization.k8s.io.".to_owned(),
        "chat, vestibule.bearer.".to_owned(),
        "chat, bearer".to_owned(),
        format!("chat, vestibule.bearer.{}", rig.issuer.forged("alice")?),
        format!("chat, base64url.bearer.phx.{}", base64url(b"\xff\xfe")),
        format!("chat, base64url.bearer.phx.{}", base64url(b"a b")),
        "chat, bearer, ".to_owned(),
    ] {
        let mut client = rig.send(&Handshake::to("/ws").subprotocols(&offered))?;
        let said = no(&mut client)?;
        assert!(matches!(said, No::Http(400 | 401, _)), "{offered}: {said:?}");
    }
    rig.expect_undialled()
}

#[test]
fn a_token_is_known_whatever_the_case_of_what_stands_before_it() -> Outcome {
    let rig = Rig::new(CARRIER)?;
    let token = rig.token()?;
    for offered in [format!("chat, Vestibule.Bearer.{token}"), format!("chat, BEARER, {token}")] {
        let (asked, answer) = open(&rig, &offered, Some("chat"))?;
        assert_eq!(asked.one("sec-websocket-protocol"), Some("chat"));
        assert!(!answer.mentions(&token));
    }
    Ok(())
}

#[test]
fn a_list_that_is_too_long_or_repeats_itself_is_refused() -> Outcome {
    let rig = Rig::new(r#"accept = ["header"]"#)?;
    let long = (0..33).map(|number| format!("p{number}")).collect::<Vec<_>>().join(", ");
    for offered in [&long, "chat, chat", "a b", "chat/1", ","] {
        let mut client = rig.send(&rig.good()?.subprotocols(offered))?;
        assert_eq!(no(&mut client)?, crate::rig::http(400, "invalid_request"), "{offered}");
    }
    rig.expect_undialled()
}

#[test]
fn subprotocols_pass_through_where_the_credential_is_elsewhere() -> Outcome {
    let rig = Rig::new(r#"accept = ["header"]"#)?;
    let mut client = rig.send(&rig.good()?.subprotocols("v1.chat, v2.chat"))?;
    let (_upstream, asked) = rig.upstream.switch("Sec-WebSocket-Protocol: v2.chat\r\n")?;
    assert_eq!(asked.one("sec-websocket-protocol"), Some("v1.chat, v2.chat"));
    let answer = client.expect_switch()?;
    assert_eq!(answer.one("sec-websocket-protocol"), Some("v2.chat"));
    Ok(())
}

#[test]
fn in_band_the_first_known_subprotocol_is_promised_and_asked_for() -> Outcome {
    for (route, promised) in [
        ("accept = [\"message\"]", "v1.chat"),
        ("accept = [\"message\"]\nsubprotocols = [\"v2.chat\", \"v3.chat\"]", "v2.chat"),
    ] {
        let rig = Rig::new(route)?;
        let mut client = rig.send(&Handshake::to("/ws").subprotocols("v1.chat, v2.chat"))?;
        let answer = client.expect_switch()?;
        assert_eq!(answer.one("sec-websocket-protocol"), Some(promised));
        client.authenticate(&rig.token()?)?;
        let field = format!("Sec-WebSocket-Protocol: {promised}\r\n");
        let (mut upstream, asked) = rig.upstream.switch(&field)?;
        assert_eq!(asked.one("sec-websocket-protocol"), Some(promised));
        client.expect_auth("accepted")?;
        converse(&mut client, &mut upstream, "hello")?;
    }
    Ok(())
}

#[test]
fn in_band_no_unknown_subprotocol_is_promised() -> Outcome {
    let rig = Rig::new("accept = [\"message\"]\nsubprotocols = [\"v9.chat\"]")?;
    let mut client = rig.send(&Handshake::to("/ws").subprotocols("v1.chat"))?;
    let head = client.head()?;
    assert_eq!(head.all("sec-websocket-protocol"), Vec::<&str>::new());
    Ok(())
}

#[test]
fn a_page_that_offers_an_unknown_subprotocol_still_reads_why_it_is_refused() -> Outcome {
    let rig = Rig::new("accept = [\"subprotocol\"]\nsubprotocols = [\"v9.chat\"]")?;
    let offered = format!("v1.chat, vestibule.bearer.{}", rig.issuer.forged("alice")?);
    let handshake = Handshake::to("/ws").origin(PAGE).subprotocols(&offered);
    let mut client = rig.send(&handshake)?;
    let answer = client.expect_switch()?;
    assert_eq!(answer.one("sec-websocket-protocol"), Some("v1.chat"));
    assert_eq!(client.expect_close(4401)?, "invalid_token");
    rig.expect_undialled()
}

#[test]
fn in_band_an_upstream_that_chooses_another_subprotocol_is_not_used() -> Outcome {
    let rig = Rig::new("accept = [\"message\"]")?;
    for answer in ["", "Sec-WebSocket-Protocol: v2.chat\r\n"] {
        let mut client = rig.send(&Handshake::to("/ws").subprotocols("v1.chat, v2.chat"))?;
        client.expect_switch()?;
        client.authenticate(&rig.token()?)?;
        rig.upstream.switch(answer)?;
        let mut said = client.message()?;
        if matches!(said, vestibule_testkit::Message::Text(_)) {
            said = client.message()?;
        }
        assert!(matches!(said, vestibule_testkit::Message::Close(1014, _)), "{said:?}");
    }
    Ok(())
}
