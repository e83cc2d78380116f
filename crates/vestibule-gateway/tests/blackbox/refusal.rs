//! Who sees what: a browser shows its script nothing but a Close, other clients get an HTTP status,
//! and a foreign page learns nothing (`docs/protocol.md`).

use vestibule_testkit::Handshake;

use crate::rig::{Outcome, PAGE, Rig, close, http, no};

fn refused(route: &str, handshake: &Handshake) -> anyhow::Result<crate::rig::No> {
    let rig = Rig::new(route)?;
    let mut client = rig.send(handshake)?;
    let no = no(&mut client)?;
    rig.expect_undialled()?;
    Ok(no)
}

#[test]
fn a_client_without_an_origin_reads_an_http_status() -> Outcome {
    let bare = Handshake::to("/ws");
    let route = r#"accept = ["header"]"#;
    assert_eq!(refused(route, &bare)?, http(401, "credential_required"));
    assert_eq!(refused(route, &bare.bearer("nonsense"))?, http(401, "invalid_token"));
    Ok(())
}

#[test]
fn a_page_reads_a_close_code() -> Outcome {
    let page = Handshake::to("/ws").origin(PAGE);
    let route = r#"accept = ["header"]"#;
    assert_eq!(refused(route, &page)?, close(4401, "credential_required"));
    assert_eq!(refused(route, &page.clone().bearer("nonsense"))?, close(4401, "invalid_token"));
    Ok(())
}

#[test]
fn a_foreign_page_gets_403_whatever_it_presents() -> Outcome {
    let page = Handshake::to("/ws").origin("https://evil.example");
    for style in ["auto", "http", "close"] {
        let route = format!("accept = [\"header\", \"message\"]\nreject = {style:?}\n");
        assert_eq!(refused(&route, &page)?, http(403, "origin_not_allowed"), "{style}");
    }
    let rig = Rig::new("accept = [\"header\", \"subprotocol\", \"message\"]")?;
    let token = rig.token()?;
    let mut answers = Vec::new();
    for handshake in [
        page.clone(),
        page.clone().bearer(&token),
        page.clone().bearer("nonsense"),
        page.clone().subprotocols(&format!("bearer, {token}")),
        page.clone().bearer(&token).bearer(&token),
        page.field("Sec-WebSocket-Extensions", "permessage-deflate"),
    ] {
        let mut client = rig.send(&handshake)?;
        let (head, body) = client.expect_answer(403)?;
        answers.push((head.to_string(), body));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    rig.expect_undialled()
}

#[test]
fn a_route_can_answer_everybody_by_an_http_status() -> Outcome {
    let route = "accept = [\"header\"]\nreject = \"http\"\n";
    let bare = Handshake::to("/ws");
    assert_eq!(refused(route, &bare)?, http(401, "credential_required"));
    assert_eq!(refused(route, &bare.origin(PAGE))?, http(401, "credential_required"));
    Ok(())
}

#[test]
fn a_route_can_answer_everybody_by_a_close() -> Outcome {
    let route = "accept = [\"header\"]\nreject = \"close\"\n";
    let bare = Handshake::to("/ws");
    assert_eq!(refused(route, &bare)?, close(4401, "credential_required"));
    assert_eq!(refused(route, &bare.origin(PAGE))?, close(4401, "credential_required"));
    Ok(())
}

#[test]
fn a_challenge_names_the_error_only_where_there_was_a_credential() -> Outcome {
    let rig = Rig::new("accept = [\"header\"]\nscopes = [\"admin\"]\n")?;
    let answer = |handshake: Handshake, status| -> anyhow::Result<String> {
        let mut client = rig.send(&handshake)?;
        let (head, _) = client.expect_answer(status)?;
        Ok(head.one("www-authenticate").unwrap_or_default().to_owned())
    };
    let bare = Handshake::to("/ws");
    let none = answer(bare.clone(), 401)?;
    assert!(none.starts_with("Bearer") && !none.contains("error"), "{none}");
    let bad = answer(bare.bearer(&rig.issuer.forged("alice")?), 401)?;
    assert!(bad.starts_with("Bearer") && bad.contains(r#"error="invalid_token""#), "{bad}");
    let weak = answer(rig.good()?, 403)?;
    assert!(weak.contains(r#"error="insufficient_scope""#), "{weak}");
    Ok(())
}

#[test]
fn a_close_code_of_a_refusal_is_mapped_too() -> Outcome {
    let route = "accept = [\"header\"]\nclose_codes = { 4401 = 3000 }\n";
    let page = Handshake::to("/ws").origin(PAGE);
    assert_eq!(refused(route, &page)?, close(3000, "credential_required"));
    Ok(())
}

#[test]
fn all_forgeries_look_alike() -> Outcome {
    let rig = Rig::new(r#"accept = ["header"]"#)?;
    let mut answers = Vec::new();
    for token in [
        rig.issuer.forged("alice")?,
        rig.issuer.sign(&vestibule_testkit::with(
            rig.issuer.claims("alice"),
            "aud",
            "https://elsewhere.example".into(),
        ))?,
        "a.b.c".to_owned(),
    ] {
        let mut client = rig.send(&Handshake::to("/ws").bearer(&token))?;
        let (head, body) = client.expect_answer(401)?;
        answers.push((head.to_string(), body));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    Ok(())
}
