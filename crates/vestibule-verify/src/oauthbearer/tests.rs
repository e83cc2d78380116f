use std::sync::Arc;

use proptest::prelude::*;
use vestibule_core::{authn::Mechanism, time::UnixTime};

use super::*;

/// RFC 7628 section 4.1.
const EXAMPLE: &str = "n,a=user@example.com,\u{1}host=server.example.com\u{1}port=143\u{1}\
                       auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\u{1}\u{1}";

/// With `|` for the separator.
fn parse(message: &str) -> Result<Initial, Refused> {
    Initial::parse(message.replace('|', "\u{1}").as_bytes())
}

fn refuses(message: &str, rejection: Rejection) {
    let refused = parse(message).expect_err(message);
    assert_eq!(refused.rejection, rejection, "{message}: {refused}");
}

fn principal(subject: &str, email: Option<&str>) -> Principal {
    Principal {
        subject: subject.into(),
        issuer: Arc::from("https://idp"),
        scopes: Box::default(),
        token_id: None,
        session: None,
        email: email.map(Box::from),
        name: None,
        groups: Box::default(),
        mechanism: Mechanism::Bearer,
        methods: Box::default(),
        context: None,
        issued: None,
        expires: UnixTime::from_secs(0),
    }
}

#[test]
fn the_message_of_rfc_7628_section_4_1() {
    let encoded = "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyI\
                   HZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB";
    assert_eq!(data_encoding::BASE64.decode(encoded.as_bytes()).unwrap(), EXAMPLE.as_bytes());
    let read = Initial::parse(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(read.token().expose(), b"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
    assert_eq!((read.host(), read.port()), (Some("server.example.com"), Some(143)));
    let written = initial(
        "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
        Some("user@example.com"),
        Some(("server.example.com", 143)),
    );
    assert_eq!(written.unwrap().as_str(), EXAMPLE);
}

#[test]
fn the_failure_of_rfc_7628_section_4_3() {
    let refused = Refused::new(Rejection::TokenSignature, "a reason that is ours");
    let failure = |refused: &Refused| {
        let discovery = "https://example.com/.well-known/openid-configuration";
        Failure::new(refused.clone(), Some("example_scope"), Some(discovery))
    };
    let said: Value = serde_json::from_str(failure(&refused).message()).unwrap();
    let expected = serde_json::json!({
        "status": "invalid_token", "scope": "example_scope",
        "openid-configuration": "https://example.com/.well-known/openid-configuration",
    });
    assert_eq!(said, expected);
    assert_eq!(failure(&refused).acknowledged(b"\x01"), refused);
    for message in [&b""[..], b"\x01\x01", b"*", EXAMPLE.as_bytes()] {
        let end = failure(&refused).acknowledged(message);
        assert_eq!(end.rejection, Rejection::MalformedMessage);
    }
    let bare = Failure::new(Refused::new(Rejection::InsufficientScope, ""), None, None);
    assert_eq!(bare.message(), r#"{"status":"insufficient_scope"}"#);
}

#[test]
fn a_message_has_one_form() {
    for (message, token) in [
        ("n,,|auth=Bearer abc||", "abc"),
        ("y,,|auth=bearer  abc||", "abc"),
        ("n,,|auth=BEARER a-._~+/1==||", "a-._~+/1=="),
        ("n,,|host=|port=0|auth=Bearer abc|unknown=\tx\r\n y||", "abc"),
        ("n,a=a=2Cb=3D,|auth=Bearer abc||", "abc"),
    ] {
        assert_eq!(parse(message).unwrap().token().expose(), token.as_bytes(), "{message}");
    }
    for message in [
        "",
        "|",
        "||",
        "n,,",
        "n,,|",
        "n,|auth=Bearer abc||",
        "n|auth=Bearer abc||",
        "n,,,|auth=Bearer abc||",
        "p=tls-exporter,,|auth=Bearer abc||",
        "F,n,,|auth=Bearer abc||",
        "N,,|auth=Bearer abc||",
        "n,a=,|auth=Bearer abc||",
        "n,bob,|auth=Bearer abc||",
        "n,a=b=41,|auth=Bearer abc||",
        "n,a=b=,|auth=Bearer abc||",
        "n,a=b\0,|auth=Bearer abc||",
        "n,,|auth=Bearer abc|",
        "n,,|auth=Bearer abc",
        "n,,auth=Bearer abc||",
        "n,,|auth=Bearer abc|||",
        "n,,||auth=Bearer abc||",
        "n,,|auth||",
        "n,,|=x|auth=Bearer abc||",
        "n,,|h0st=x|auth=Bearer abc||",
        "n,,|host=a|host=b|auth=Bearer abc||",
        "n,,|port=1|port=1|auth=Bearer abc||",
        "n,,|port=|auth=Bearer abc||",
        "n,,|port=65536|auth=Bearer abc||",
        "n,,|port=+1|auth=Bearer abc||",
        "n,,|host=\u{7f}|auth=Bearer abc||",
        "n,,|host=\u{e9}|auth=Bearer abc||",
        "n,,|x=\0|auth=Bearer abc||",
    ] {
        refuses(message, Rejection::MalformedMessage);
    }
    assert!(Initial::parse(b"n,,\x01auth=Bearer \xff\x01\x01").is_err());
    refuses(&format!("n,,|auth=Bearer {}||", "x".repeat(17_000)), Rejection::MalformedMessage);
}

#[test]
fn there_is_one_bearer_token() {
    for message in ["n,,||", "n,,|host=a||", "n,,|auth=||"] {
        refuses(message, Rejection::CredentialRequired);
    }
    refuses("n,,|auth=Bearer a|auth=Bearer a||", Rejection::AmbiguousCredential);
    refuses("n,,|auth=Bearer a|auth=||", Rejection::AmbiguousCredential);
    for auth in ["Basic YTpi", "DPoP abc", "abc", " Bearer abc", "Bearerabc"] {
        refuses(&format!("n,,|auth={auth}||"), Rejection::MechanismNotAllowed);
    }
    for auth in
        ["Bearer", "Bearer ", "Bearer a b", "Bearer =", "Bearer a=b", "Bearer a,b", "Bearer a\t"]
    {
        refuses(&format!("n,,|auth={auth}||"), Rejection::TokenMalformed);
    }
    refuses(&format!("n,,|auth=Bearer {}||", "x".repeat(13_000)), Rejection::TokenMalformed);
}

#[test]
fn nobody_acts_for_somebody_else() {
    let message = |authzid: &str| parse(&format!("n,{authzid},|auth=Bearer abc||")).unwrap();
    let alice = principal("alice", Some("alice@example.com"));
    for authzid in ["", "a=alice", "a=alice@example.com"] {
        assert!(message(authzid).is_for(&alice).is_ok(), "{authzid}");
    }
    for authzid in ["a=bob", "a=Alice", "a=alice=2C", "a=root"] {
        let refused = message(authzid).is_for(&alice).unwrap_err();
        assert_eq!(refused.rejection, Rejection::CredentialsInvalid, "{authzid}");
    }
    assert!(message("a=alice@example.com").is_for(&principal("alice", None)).is_err());
}

#[test]
fn what_could_not_be_read_is_not_written() {
    assert!(initial("abc", None, None).is_some());
    assert!(initial("a b", None, None).is_none());
    assert!(initial("", None, None).is_none());
    assert!(initial("abc\u{1}", None, None).is_none());
    assert!(initial("abc", Some(""), None).is_none());
    assert!(initial("abc", Some("a\u{1}b"), None).is_none());
    assert!(initial("abc", None, Some(("a\u{1}port=1", 1))).is_none());
}

#[test]
fn the_token_is_not_printed() {
    let seen = format!("{:?}", Initial::parse(EXAMPLE.as_bytes()).unwrap());
    assert!(!seen.contains("vF9dft") && !seen.contains("user@"), "{seen}");
}

proptest! {
    #[test]
    fn a_message_that_was_cut_short_is_none(at in 0..EXAMPLE.len()) {
        prop_assert!(Initial::parse(&EXAMPLE.as_bytes()[..at]).is_err());
    }

    #[test]
    fn what_is_written_is_read(token in "[A-Za-z0-9._~+/-]{1,30}={0,2}", name in prop::option::of("[^\u{0}\u{1}]{1,20}"), host in "[a-z.]{0,20}", port: u16) {
        let message = initial(&token, name.as_deref(), Some((&host, port))).unwrap();
        let read = Initial::parse(message.as_bytes()).unwrap();
        prop_assert_eq!(read.token().expose(), token.as_bytes());
        prop_assert_eq!((read.host(), read.port()), (Some(host.as_str()), Some(port)));
        prop_assert_eq!(read.is_for(&principal(name.as_deref().unwrap_or("x"), None)), Ok(()));
    }

    #[test]
    fn no_bytes_are_too_odd(bytes in prop::collection::vec(prop_oneof![Just(1_u8), any::<u8>()], 0..60)) {
        drop(Initial::parse(&bytes));
    }
}
