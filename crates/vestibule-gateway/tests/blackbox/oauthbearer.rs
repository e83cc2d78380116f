//! Access tokens in the words of SASL (RFC 7628).

use serde_json::{Value, json};
use vestibule_testkit::{Holder, KeyKind, Peer};

use crate::rig::{Outcome, Rig, close, closed, converse};

const ROUTE: &str = "accept = [\"message\"]\nmechanisms = [\"oauthbearer\"]\n";

fn rig() -> anyhow::Result<Rig> {
    Rig::new(ROUTE)
}

fn say(client: &mut Peer, kind: &str, message: &str) -> Outcome {
    let said = json!({"auth": {"type": kind, "mechanism": "oauthbearer", "message": message}});
    Ok(client.send_text(&said.to_string())?)
}

fn message(token: &str, authzid: &str) -> String {
    format!("n,{authzid},\u{1}host=localhost\u{1}port=80\u{1}auth=Bearer {token}\u{1}\u{1}")
}

/// What a client is told that says this, whether it may try again, and what it is closed with.
fn refused(rig: &Rig, message: &str) -> anyhow::Result<(String, bool)> {
    let mut client = rig.wait_at_the_door()?;
    say(&mut client, "authenticate", message)?;
    let rejected: Value = client.expect_auth("rejected")?;
    let error = rejected["error"].as_str().unwrap_or_default().to_owned();
    let retry = rejected["retry"] == true;
    if !retry {
        closed(&mut client)?;
    }
    Ok((error, retry))
}

#[test]
fn a_token_in_a_message_of_sasl_lets_its_subject_in_and_renews_the_connection() -> Outcome {
    let rig = rig()?;
    for authzid in ["", "a=alice"] {
        let mut client = rig.wait_at_the_door()?;
        say(&mut client, "authenticate", &message(&rig.token()?, authzid))?;
        let (mut upstream, head) = rig.upstream.switch("")?;
        let accepted = client.expect_auth("accepted")?;
        assert_eq!(accepted["subject"], "alice");
        assert_eq!(accepted["mechanism"], "oauthbearer");
        assert_eq!(head.one("x-vestibule-mechanism"), Some("oauthbearer"));
        converse(&mut client, &mut upstream, "hello")?;
        say(&mut client, "refresh", &message(&rig.token()?, authzid))?;
        client.expect_auth("accepted")?;
        say(&mut client, "refresh", &message(&rig.issuer.forged("alice")?, authzid))?;
        assert_eq!(client.expect_auth("rejected")?["error"], "invalid_token");
        converse(&mut client, &mut upstream, "still here")?;
    }
    Ok(())
}

#[test]
fn nobody_acts_for_somebody_else() -> Outcome {
    let rig = rig()?;
    let token = rig.token()?;
    for authzid in ["a=bob", "a=Alice", "a=alice=2Cbob"] {
        let said = refused(&rig, &message(&token, authzid))?;
        assert_eq!(said, ("invalid_credentials".to_owned(), true), "{authzid}");
    }
    rig.expect_undialled()
}

#[test]
fn a_token_that_is_refused_elsewhere_is_refused_here() -> Outcome {
    let rig = rig()?;
    let holder = Holder::new(KeyKind::P256)?;
    let tokens = [
        (rig.issuer.forged("alice")?, "invalid_token"),
        (rig.issuer.token_for("alice", -60.0)?, "token_expired"),
        // Bound to a key, which nobody proves here.
        (holder.token(&rig.issuer)?, "invalid_token"),
        ("a.b.c".to_owned(), "invalid_token"),
        ("a b".to_owned(), "invalid_token"),
    ];
    for (token, error) in tokens {
        assert_eq!(refused(&rig, &message(&token, ""))?, (error.to_owned(), true), "{token}");
    }
    rig.expect_undialled()
}

#[test]
fn another_scheme_no_token_and_two_are_told_apart() -> Outcome {
    let rig = rig()?;
    let token = rig.token()?;
    for (pairs, error, retry) in [
        (format!("auth=DPoP {token}\u{1}"), "mechanism_not_allowed", false),
        (format!("auth=Basic {token}\u{1}"), "mechanism_not_allowed", false),
        (String::new(), "credential_required", true),
        (
            format!("auth=Bearer {token}\u{1}auth=Bearer {token}\u{1}"),
            "ambiguous_credential",
            false,
        ),
    ] {
        let said = refused(&rig, &format!("n,,\u{1}{pairs}\u{1}"))?;
        assert_eq!(said, (error.to_owned(), retry), "{pairs}");
    }
    rig.expect_undialled()
}

#[test]
fn what_is_malformed_ends_the_connection() -> Outcome {
    let rig = rig()?;
    let token = rig.token()?;
    for said in [
        String::new(),
        token.clone(),
        format!("n,,auth=Bearer {token}"),
        format!("n,,\u{1}auth=Bearer {token}\u{1}"),
        format!("p=tls-exporter,,\u{1}auth=Bearer {token}\u{1}\u{1}"),
        format!("n,a=,\u{1}auth=Bearer {token}\u{1}\u{1}"),
        format!("n,,\u{1}auth=Bearer {token}\u{1}port=x\u{1}\u{1}"),
    ] {
        let mut client = rig.wait_at_the_door()?;
        say(&mut client, "authenticate", &said)?;
        let closed = match client.message()? {
            vestibule_testkit::Message::Text(_) => closed(&mut client)?,
            vestibule_testkit::Message::Close(code, reason) => close(code, &reason),
            other => anyhow::bail!("{other:?}"),
        };
        assert_eq!(closed, close(4400, "invalid_request"), "{said}");
    }
    rig.expect_undialled()
}
