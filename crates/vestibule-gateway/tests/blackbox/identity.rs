//! What the upstream is told about who is there, and that nobody but the gateway tells it
//! (invariant 6).

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};
use vestibule_testkit::{Handshake, Head, Peer, now_secs, with};

use crate::rig::{Outcome, Rig};

const HEADER: &str = r#"accept = ["header"]"#;

#[test]
fn the_upstream_is_told_who_is_there() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let head = rig.asked(&rig.good()?)?;
    assert_eq!(head.one("x-vestibule-subject"), Some("alice"));
    assert_eq!(head.one("x-vestibule-issuer"), Some("https://id.example.com"));
    assert_eq!(head.one("x-vestibule-scopes"), Some("chat read"));
    assert_eq!(head.one("x-vestibule-mechanism"), Some("bearer"));
    let expires: f64 = head.one("x-vestibule-expires").unwrap().parse()?;
    assert!((expires - now_secs() - 3600.0).abs() < 30.0, "{expires}");
    let first = head.one("x-vestibule-connection").unwrap().to_owned();
    let again = rig.asked(&rig.good()?)?;
    assert_ne!(again.one("x-vestibule-connection"), Some(&*first));
    Ok(())
}

#[test]
fn a_subject_cannot_write_a_field_of_its_own() -> Outcome {
    let rig = Rig::new(HEADER)?;
    for (subject, seen) in [
        ("a\r\nX-Admin: 1", "a%0D%0AX-Admin: 1"),
        ("zo\u{eb}", "zo%C3%AB"),
        ("100%", "100%25"),
        ("a\0b", "a%00b"),
        ("\u{7f}", "%7F"),
    ] {
        let token = rig.issuer.token(subject)?;
        let head = rig.asked(&Handshake::to("/ws").bearer(&token))?;
        assert_eq!(head.one("x-vestibule-subject"), Some(seen));
        assert_eq!(head.one("x-admin"), None);
    }
    Ok(())
}

#[test]
fn a_client_cannot_send_identity_fields() -> Outcome {
    let names = [
        "X-Vestibule-Subject",
        "x-vestibule-subject",
        "X-VESTIBULE-SUBJECT",
        "X_Vestibule_Subject",
        "x_vestibule_subject",
        "X-Vestibule_Subject",
        "X-Vestibule-Issuer",
        "X-Vestibule-Scopes",
        "X-Vestibule-Mechanism",
        "X-Vestibule-Expires",
        "X-Vestibule-Connection",
        "X-Vestibule-Assertion",
        "X-Vestibule-Anything-Else",
        "X-Forwarded-User",
        "X_Forwarded_User",
        "X-Forwarded-Email",
        "X-Forwarded-Groups",
        "X-Forwarded-Preferred-Username",
        "X-Forwarded-Access-Token",
        "X-Auth-Request-User",
        "X-Auth-Request-Email",
        "Remote-User",
        "remote_user",
        "REMOTE-USER",
        "Remote-Groups",
        "Remote-Email",
        "Remote-Name",
        "X-Remote-User",
        "X-WebAuth-User",
        "X.Vestibule.Subject",
        "Client-Cert",
    ];
    for preset in ["vestibule", "oauth2-proxy", "authelia", "none"] {
        let rig = Rig::new(&format!("{HEADER}\nidentity = {preset:?}\n"))?;
        for some in names.chunks(10) {
            let mut handshake = rig.good()?;
            for name in some {
                handshake = handshake.field(name, "mallory").field(name, "mallory-again");
            }
            let head = rig.asked(&handshake)?;
            assert!(!head.mentions("mallory"), "{preset}: {head}");
        }
    }
    Ok(())
}

#[test]
fn a_field_that_the_client_calls_hop_by_hop_does_not_take_the_identity_away() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let handshake = rig
        .good()?
        .with("Connection", "Upgrade, X-Vestibule-Subject, X-Private, Host, Sec-WebSocket-Key")
        .field("X-Private", "for the gateway alone");
    let head = rig.asked(&handshake)?;
    assert_eq!(head.one("x-vestibule-subject"), Some("alice"));
    assert!(head.one("host").is_some() && head.one("sec-websocket-key").is_some());
    assert_eq!(head.one("x-private"), None);
    Ok(())
}

#[test]
fn presets_speak_the_names_of_other_gateways() -> Outcome {
    let rich = |rig: &Rig| {
        let claims = with(rig.issuer.claims("alice"), "email", "alice@example.com".into());
        let claims = with(claims, "name", "Alice".into());
        let claims = with(claims, "groups", json!(["staff", "admin"]));
        rig.issuer.sign(&claims)
    };
    let rig = Rig::new(&format!("{HEADER}\nidentity = \"oauth2-proxy\"\n"))?;
    let head = rig.asked(&Handshake::to("/ws").bearer(&rich(&rig)?))?;
    assert_eq!(head.one("x-forwarded-user"), Some("alice"));
    assert_eq!(head.one("x-forwarded-email"), Some("alice@example.com"));
    assert_eq!(head.one("x-forwarded-groups"), Some("staff,admin"));
    assert_eq!(head.one("x-vestibule-subject"), None);
    let rig = Rig::new(&format!("{HEADER}\nidentity = \"authelia\"\n"))?;
    let head = rig.asked(&Handshake::to("/ws").bearer(&rich(&rig)?))?;
    assert_eq!(head.one("remote-user"), Some("alice"));
    assert_eq!(head.one("remote-email"), Some("alice@example.com"));
    assert_eq!(head.one("remote-groups"), Some("staff,admin"));
    let rig = Rig::new(&format!("{HEADER}\nidentity = \"none\"\n"))?;
    let head = rig.asked(&Handshake::to("/ws").bearer(&rich(&rig)?))?;
    assert!(!head.mentions("alice"), "{head}");
    Ok(())
}

#[test]
fn an_assertion_verifies_with_the_published_keys() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let head = rig.asked(&rig.good()?)?;
    let token = head.one("x-vestibule-assertion").unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("{token}") };
    let (header, claims) = (json_of(header)?, json_of(claims)?);
    assert_eq!(header["alg"], "EdDSA");
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["aud"], "/ws");
    let (now, expires) = (now_secs(), claims["exp"].as_f64().unwrap());
    assert!(expires > now && expires <= now + 301.0, "{claims}");

    let keys = public_keys(&rig)?;
    let key = keys.iter().find(|key| key["kid"] == header["kid"]).unwrap();
    assert_eq!(
        (&key["kty"], &key["crv"], &key["d"]),
        (&json!("OKP"), &json!("Ed25519"), &Value::Null)
    );
    let public = bytes_of(key["x"].as_str().unwrap())?;
    let signed = token.rsplit_once('.').unwrap().0;
    UnparsedPublicKey::new(&ED25519, public)
        .verify(signed.as_bytes(), &bytes_of(signature)?)
        .map_err(|_| anyhow::anyhow!("the signature is wrong"))
}

#[test]
fn an_assertion_does_not_outlive_the_credential() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let token = rig.issuer.token_for("alice", 20.0)?;
    let head = rig.asked(&Handshake::to("/ws").bearer(&token))?;
    let assertion = head.one("x-vestibule-assertion").unwrap();
    let claims = json_of(assertion.split('.').nth(1).unwrap())?;
    assert!(claims["exp"].as_f64().unwrap() <= now_secs() + 21.0, "{claims}");
    Ok(())
}

#[test]
fn the_assertion_can_be_left_away() -> Outcome {
    let rig = Rig::new(&format!("{HEADER}\nassertion = \"off\"\n"))?;
    let head = rig.asked(&rig.good()?)?;
    assert_eq!(head.one("x-vestibule-assertion"), None);
    assert_eq!(head.one("x-vestibule-subject"), Some("alice"));
    Ok(())
}

#[test]
fn an_assertion_opens_no_route() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let head: Head = rig.asked(&rig.good()?)?;
    let assertion = head.one("x-vestibule-assertion").unwrap();
    let mut client = rig.send(&Handshake::to("/ws").bearer(assertion))?;
    assert_eq!(crate::rig::no(&mut client)?, crate::rig::http(401, "invalid_token"));
    Ok(())
}

#[test]
fn the_credential_goes_on_only_where_the_route_says_so() -> Outcome {
    let rig = Rig::new(HEADER)?;
    assert_eq!(rig.asked(&rig.good()?)?.one("authorization"), None);
    let rig = Rig::new(&format!("{HEADER}\nforward_credential = true\n"))?;
    let token = rig.token()?;
    let head = rig.asked(&Handshake::to("/ws").bearer(&token))?;
    assert_eq!(head.one("authorization"), Some(&*format!("Bearer {token}")));
    Ok(())
}

fn public_keys(rig: &Rig) -> anyhow::Result<Vec<Value>> {
    let mut peer: Peer = rig.gateway.connect()?;
    peer.send("GET /.well-known/jwks.json HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let head = peer.head()?;
    assert_eq!(head.status(), 200, "{head}");
    let body: Value = serde_json::from_str(&peer.body(&head)?)?;
    Ok(body["keys"].as_array().cloned().unwrap_or_default())
}

fn bytes_of(text: &str) -> anyhow::Result<Vec<u8>> {
    vestibule_testkit::from_base64url(text)
}

fn json_of(text: &str) -> anyhow::Result<Value> {
    Ok(serde_json::from_slice(&bytes_of(text)?)?)
}
