//! A token in the query counts only where a route asks for the danger.

use vestibule_testkit::Handshake;

use crate::rig::{No, Outcome, Rig, http, no};

#[test]
fn a_token_in_the_query_is_refused_unless_the_route_says_dangerous() -> Outcome {
    let rig = Rig::new(r#"accept = ["header", "message"]"#)?;
    let token = rig.token()?;
    let mut client = rig.send(&Handshake::to(&format!("/ws?access_token={token}")))?;
    assert_eq!(no(&mut client)?, http(403, "mechanism_not_allowed"));
    assert!(!rig.gateway.log().text().contains(&token));
    rig.expect_undialled()
}

#[test]
fn a_token_in_the_query_reaches_neither_upstream_nor_log() -> Outcome {
    let rig = Rig::new("accept = [\"query\"]\ndangerous_token_in_query = true\n")?;
    let token = rig.token()?;
    for (target, seen) in [
        (format!("/ws?access_token={token}"), "/ws"),
        (format!("/ws/room?a=1&access_token={token}&b=2"), "/ws/room?a=1&b=2"),
        (format!("/ws?access_token={token}&b=%20"), "/ws?b=%20"),
        (format!("/ws?b=2&access_token={token}"), "/ws?b=2"),
    ] {
        let head = rig.asked(&Handshake::to(&target))?;
        assert_eq!(head.target(), seen);
        assert!(!head.mentions(&token), "{head}");
    }
    assert!(!rig.gateway.log().text().contains(&token));
    Ok(())
}

#[test]
fn the_name_is_known_however_it_is_written() -> Outcome {
    let rig = Rig::new("accept = [\"query\"]\ndangerous_token_in_query = true\n")?;
    let token = rig.token()?;
    for target in [
        format!("/ws?access%5Ftoken={token}"),
        format!("/ws?%61ccess_token={token}"),
        format!("/ws?ACCESS_TOKEN={token}"),
        format!("/ws?access_token={}", token.replace('.', "%2E")),
    ] {
        let head = rig.asked(&Handshake::to(&target))?;
        assert_eq!(head.target(), "/ws", "{target}");
    }
    Ok(())
}

#[test]
fn a_bad_token_in_the_query_is_refused() -> Outcome {
    let rig = Rig::new("accept = [\"query\"]\ndangerous_token_in_query = true\n")?;
    for token in [rig.issuer.forged("alice")?, String::new()] {
        let mut client = rig.send(&Handshake::to(&format!("/ws?access_token={token}")))?;
        let said = no(&mut client)?;
        assert!(matches!(said, No::Http(400 | 401, _)), "{said:?}");
    }
    rig.expect_undialled()
}
