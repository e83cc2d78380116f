//! The grammar of control messages.

use super::*;

fn check(text: &str, expected: Result<&str, Rejection>) {
    let read = ClientMessage::parse(text.as_bytes()).map(|message| match message {
        ClientMessage::Authenticate(c) => format!("authenticate {:?}", c.secret.expose()),
        ClientMessage::Refresh(c) => format!("refresh {:?}", c.secret.expose()),
        ClientMessage::Respond(Response::Message(text)) => {
            format!("message {:?}", text.expose())
        }
        ClientMessage::Respond(Response::Signature(text)) => {
            format!("signature {:?}", text.expose())
        }
        ClientMessage::Respond(Response::SshSig(text)) => {
            format!("sshsig {:?}", text.expose())
        }
        ClientMessage::Respond(Response::Assertion(text)) => {
            format!("assertion {}", core::str::from_utf8(text.expose()).unwrap())
        }
        ClientMessage::Respond(Response::Proof(text)) => format!("proof {:?}", text.expose()),
        ClientMessage::Logout => "logout".to_owned(),
    });
    assert_eq!(read, expected.map(str::to_owned), "{text}");
}

#[test]
fn only_the_exact_grammar_is_a_message() {
    check(r#"{"auth":{"type":"refresh","mechanism":"bearer","token":"a"}}"#, Ok("refresh [97]"));
    check(r#"{"auth":{"type":"logout"}}"#, Ok("logout"));
    for (mechanism, member) in [
        ("bearer", "token"),
        ("public-key", "key"),
        ("webauthn", "user"),
        ("dpop", "token"),
        ("oauthbearer", "message"),
    ] {
        let said = format!(r#""type":"authenticate","mechanism":"{mechanism}","{member}":"a""#);
        check(&format!(r#"{{"auth":{{{said}}}}}"#), Ok("authenticate [97]"));
    }
    check(r#"{"auth":{"type":"authenticate","mechanism":"webauthn"}}"#, Ok("authenticate []"));
    check(r#"{"auth":{"type":"authenticate","mechanism":"external"}}"#, Ok("authenticate []"));
    check(r#"{"auth":{"type":"respond","message":"a"}}"#, Ok("message [97]"));
    check(r#"{"auth":{"type":"respond","signature":"a"}}"#, Ok("signature [97]"));
    check(r#"{"auth":{"type":"respond","sshsig":"a"}}"#, Ok("sshsig [97]"));
    check(r#"{"auth":{"type":"respond","proof":"a"}}"#, Ok("proof [97]"));
    let no = Err(Rejection::MalformedMessage);
    for text in [
        "",
        "{}",
        "[]",
        r#"{"auth":{}}"#,
        r#"{"auth":{"type":"authenticate"}}"#,
        r#"{"auth":{"type":"authenticate","mechanism":"bearer","token":7}}"#,
        r#"{"auth":{"type":"authenticate","mechanism":"bearer","token":"a","token":"b"}}"#,
        r#"{"auth":{"type":"authenticate","mechanism":"bearer","token":"a","admin":true}}"#,
        r#"{"auth":{"type":"logout"},"auth":{"type":"logout"}}"#,
        r#"{"auth":{"type":"logout"},"more":1}"#,
        r#"{"auth":{"type":"logout","token":"a"}}"#,
        r#"{"auth":{"type":"logout"}} x"#,
        r#"{"auth":{"type":"authenticate","mechanism":"public-key","token":"a"}}"#,
        r#"{"auth":{"type":"authenticate","mechanism":"public-key","key":"a","token":"b"}}"#,
        r#"{"auth":{"type":"authenticate","mechanism":"bearer","key":"a"}}"#,
        r#"{"auth":{"type":"authenticate","mechanism":"bearer","token":"a","signature":"b"}}"#,
        r#"{"auth":{"type":"authenticate","mechanism":"bearer"}}"#,
        r#"{"auth":{"type":"authenticate","mechanism":"external","token":"a"}}"#,
        r#"{"auth":{"type":"authenticate","mechanism":"webauthn","token":"a"}}"#,
        r#"{"auth":{"type":"respond"}}"#,
        r#"{"auth":{"type":"respond","token":"a"}}"#,
        r#"{"auth":{"type":"respond","key":"a"}}"#,
        r#"{"auth":{"type":"authenticate","mechanism":"dpop","token":"a","proof":"b"}}"#,
        r#"{"auth":{"type":"authenticate","mechanism":"dpop","proof":"b"}}"#,
        r#"{"auth":{"type":"authenticate","mechanism":"oauthbearer","token":"a"}}"#,
        r#"{"auth":{"type":"respond","signature":"a","sshsig":"b"}}"#,
        r#"{"auth":{"type":"respond","mechanism":"public-key","signature":"a"}}"#,
        r#"{"auth":{"type":"respond","signature":7}}"#,
        r#"{"auth":{"type":"authenticate","mechanism":"webauthn","user":""}}"#,
        r#"{"auth":{"type":"authenticate","mechanism":"webauthn","user":null}}"#,
        r#"{"auth":{"type":"authenticate","mechanism":null}}"#,
        r#"{"auth":{"type":"logout","token":null}}"#,
    ] {
        check(text, no);
    }
    check(
        r#"{"auth":{"type":"authenticate","mechanism":"hope","token":"a"}}"#,
        Err(Rejection::MechanismNotAllowed),
    );
}

#[test]
fn a_credential_is_not_printed() {
    let text = br#"{"auth":{"type":"authenticate","mechanism":"bearer","token":"s3cret"}}"#;
    let message = ClientMessage::parse(text).unwrap();
    assert!(!format!("{message:?}").contains("s3cret"));
}

#[test]
fn a_session_token_is_said_and_not_printed() {
    let introduction = Introduction { connection: Some("c1"), session: Some("s3cret") };
    assert!(!format!("{introduction:?}").contains("s3cret"));
}

#[test]
fn every_server_message_begins_with_the_prefix() {
    let expiring = ServerMessage::Expiring { remaining: Duration::from_secs(30) }.render();
    assert_eq!(expiring, r#"{"auth":{"type":"expiring","expires_in":30}}"#);
    let rejected =
        ServerMessage::Rejected { rejection: Rejection::TokenExpired, retry: TryAgain::Yes };
    assert!(rejected.render().as_bytes().starts_with(PREFIX));
}
