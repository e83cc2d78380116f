//! Access tokens that are bound to a client certificate (RFC 8705 section 3).

use anyhow::Context as _;
use serde_json::{Value, json};
use vestibule_testkit::{Handshake, Peer, base64url, with};

use crate::{
    authority::{Authority, Identity, connect},
    certificates::House,
    rig::{Outcome, Rig, converse, http, no},
    tls::certificate,
};

const ROUTE: &str = "accept = [\"header\", \"message\", \"subprotocol\"]\n";

/// A good token of Alice's, bound to that certificate.
fn bound(rig: &Rig, identity: &Identity) -> anyhow::Result<String> {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &identity.der);
    let cnf = json!({ "x5t#S256": base64url(hash.as_ref()) });
    rig.issuer.sign(&with(rig.issuer.claims("alice"), "cnf", cnf))
}

/// A gateway, two devices, and a token that is bound to the first one's certificate.
fn house() -> anyhow::Result<(House, Identity, Identity, String)> {
    let house = House::with(ROUTE, "", "", |_| Ok(None))?;
    let (own, other) = (house.authority.device("7")?, house.authority.device("8")?);
    let token = bound(&house.rig, &own)?;
    Ok((house, own, other, token))
}

#[test]
fn a_bound_token_counts_on_the_connection_of_its_certificate_and_on_no_other() -> Outcome {
    let (house, own, other, token) = house()?;
    let by_header = Handshake::to("/ws").bearer(&token);
    let by_subprotocol = Handshake::to("/ws")
        .field("Sec-WebSocket-Protocol", &format!("chat, vestibule.bearer.{token}"));
    let chosen = "Sec-WebSocket-Protocol: chat\r\n";
    for (handshake, fields) in [(by_header, ""), (by_subprotocol, chosen)] {
        let mut client = house.ask(Some(&own), &handshake)?;
        let (_upstream, head) = house.rig.upstream.switch(fields)?;
        client.expect_switch()?;
        assert_eq!(head.one("x-vestibule-subject"), Some("alice"));
        assert_eq!(head.one("x-vestibule-mechanism"), Some("bearer"));
        for thief in [Some(&other), None] {
            let mut client = house.ask(thief, &handshake)?;
            assert_eq!(no(&mut client)?, http(401, "invalid_token"));
        }
    }
    assert_eq!(house.rig.upstream.count(), 2);
    Ok(())
}

#[test]
fn a_certificate_beside_a_token_that_is_bound_to_nothing_changes_nothing() -> Outcome {
    let (house, own, _, _) = house()?;
    let mut client = house.ask(Some(&own), &Handshake::to("/ws").bearer(&house.rig.token()?))?;
    let (_upstream, head) = house.rig.upstream.switch("")?;
    client.expect_switch()?;
    assert_eq!(head.one("x-vestibule-subject"), Some("alice"));
    Ok(())
}

#[test]
fn a_bound_token_counts_in_band_and_renews_the_connection_of_its_certificate() -> Outcome {
    let (house, own, other, token) = house()?;
    let at_the_door = |identity: &Identity| -> anyhow::Result<Peer> {
        let mut client = house.ask(Some(identity), &Handshake::to("/ws"))?;
        client.expect_switch()?;
        Ok(client)
    };
    let mut client = at_the_door(&own)?;
    client.authenticate(&token)?;
    let (mut upstream, _) = house.rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    // That it was remembered as good opens nothing for another certificate.
    let mut thief = at_the_door(&other)?;
    thief.authenticate(&token)?;
    assert_eq!(thief.expect_auth("rejected")?["error"], "invalid_token");
    client.refresh(&token)?;
    client.expect_auth("accepted")?;
    client.refresh(&bound(&house.rig, &other)?)?;
    assert_eq!(client.expect_auth("rejected")?["error"], "invalid_token");
    converse(&mut client, &mut upstream, "still here")
}

#[test]
fn without_tls_of_its_own_and_behind_a_proxy_no_certificate_is_shown() -> Outcome {
    let (authority, pair) = (Authority::new("Proxies")?, certificate()?);
    let proxy = authority.device("7")?;
    let plain = Rig::new(ROUTE)?;
    let mut client = plain.send(&Handshake::to("/ws").bearer(&bound(&plain, &proxy)?))?;
    assert_eq!(no(&mut client)?, http(401, "invalid_token"));

    let rig = Rig::with(ROUTE, |setup| {
        let written =
            |name: &str, content: &str| setup.file(name, content).unwrap().display().to_string();
        let (cert, key) = (written("cert.pem", &pair.cert), written("key.pem", &pair.key));
        let ca = written("clients.pem", &authority.pem());
        let line = format!(
            "workers = 1\ntrusted_proxies = [\"127.0.0.1\"]\n\
             tls = {{ cert = {cert:?}, key = {key:?}, client_ca = {ca:?} }}"
        );
        setup.server(&line)
    })?;
    let token = bound(&rig, &proxy)?;
    let mut client = connect(rig.gateway.address(), &pair.cert, Some(&proxy))?;
    let handshake = Handshake::to("/ws").bearer(&token).field("X-Forwarded-For", "192.0.2.7");
    client.send(handshake.bytes())?;
    assert_eq!(no(&mut client)?, http(401, "invalid_token"));
    assert_eq!(plain.upstream.count() + rig.upstream.count(), 0);
    Ok(())
}

#[test]
fn two_bindings_and_one_that_is_none_are_refused_whatever_is_shown() -> Outcome {
    let (house, own, _, _) = house()?;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &own.der);
    let hash = base64url(hash.as_ref());
    for cnf in [
        json!({ "x5t#S256": hash, "jkt": hash }),
        json!({ "x5t#S256": [hash] }),
        json!({ "x5t#S256": hash.get(..40) }),
        json!({ "x5t": hash }),
        json!({}),
        json!(hash),
        Value::Null,
    ] {
        let claims = with(house.rig.issuer.claims("alice"), "cnf", cnf.clone());
        let token = house.rig.issuer.sign(&claims)?;
        let mut client = house.ask(Some(&own), &Handshake::to("/ws").bearer(&token))?;
        assert_eq!(no(&mut client)?, http(401, "invalid_token"), "{cnf}");
    }
    assert_eq!(house.rig.upstream.count(), 0);
    Ok(())
}

#[test]
fn a_ticket_is_sold_for_a_bound_token_only_where_its_certificate_is_shown() -> Outcome {
    let route = "accept = [\"header\", \"query\"]\nmechanisms = [\"bearer\", \"ticket\"]\n";
    let house = House::with(route, "", "[auth]\n", |_| Ok(None))?;
    let (own, other) = (house.authority.device("7")?, house.authority.device("8")?);
    let token = bound(&house.rig, &own)?;
    let buy = |identity: Option<&Identity>| -> anyhow::Result<(u16, Value)> {
        let address = house.rig.gateway.address();
        let mut client = connect(address, &house.trusted, identity)?;
        client.send(format!(
            "POST /auth/ticket HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        ))?;
        let head = client.head()?;
        let body = client.body(&head)?;
        Ok((head.status(), serde_json::from_str(&body)?))
    };
    for thief in [None, Some(&other)] {
        let (status, body) = buy(thief)?;
        assert_eq!((status, &body["error"]), (401, &json!("invalid_token")));
    }
    let (status, body) = buy(Some(&own))?;
    assert_eq!(status, 200, "{body}");
    let ticket = body["ticket"].as_str().context("no ticket")?;
    let mut client = house.ask(None, &Handshake::to(&format!("/ws?ticket={ticket}")))?;
    let (_upstream, head) = house.rig.upstream.switch("")?;
    client.expect_switch()?;
    assert_eq!(head.one("x-vestibule-subject"), Some("alice"));
    Ok(())
}
