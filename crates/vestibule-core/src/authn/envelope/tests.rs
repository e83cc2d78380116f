//! The envelope against a reader of JSON that is not ours.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::*;

const MOST: usize = 64 * 1024;

#[track_caller]
fn check(text: &str, expected: Result<(&str, &str), Rejection>) {
    let read = Envelope::parse(text.as_bytes(), MOST).map(|envelope| {
        let token = String::from_utf8(envelope.credential.secret.expose().to_vec()).unwrap();
        (token, str::from_utf8(envelope.data).unwrap())
    });
    let read = read.as_ref().map(|(token, data)| (token.as_str(), *data)).map_err(|no| *no);
    assert_eq!(read, expected, "{text}");
}

const NO: Result<(&str, &str), Rejection> = Err(Rejection::MalformedMessage);

#[test]
fn data_is_found_as_it_was_written() {
    check(r#"{"auth":{"token":"t"},"data":1}"#, Ok(("t", "1")));
    check(r#"{"data":1,"auth":{"token":"t"}}"#, Ok(("t", "1")));
    check(
        " {\n\"auth\" :\t{ \"token\" : \"t\" } ,\r\n \"data\" :  [ 1.0e+2 , \"\\u0061 é\" ]  } ",
        Ok(("t", "[ 1.0e+2 , \"\\u0061 é\" ]")),
    );
    for data in [
        "null",
        "\"\"",
        "-0",
        "1e400",
        "123456789012345678901234567890",
        r#"{"b":1,"a":2,"b":3}"#,
        r#""\ud800""#,
        "{ }",
        "\"\u{2028}\u{feff}\"",
        r#"{"auth":{"token":"other"},"data":2}"#,
        r#""},\"auth\":{\"token\":\"x\"}""#,
    ] {
        let text = format!(r#"{{"auth":{{"token":"t"}},"data":{data}}}"#);
        check(&text, Ok(("t", data)));
        let text = format!(r#"{{"data": {data} ,"auth":{{"token":"t"}}}}"#);
        check(&text, Ok(("t", data)));
    }
}

#[test]
fn what_has_more_than_one_reading_has_none() {
    for text in [
        r#"{"auth":{"token":"a"},"auth":{"token":"b"},"data":1}"#,
        r#"{"auth":{"token":"a"},"data":1,"auth":{"token":"b"}}"#,
        r#"{"auth":{"token":"a"},"data":1,"data":2}"#,
        r#"{"auth":{"token":"a","token":"b"},"data":1}"#,
        r#"{"\u0061uth":{"token":"a"},"data":1}"#,
        r#"{"auth":{"token":"a"},"\u0061uth":{"token":"b"},"data":1}"#,
        r#"{"auth":{"\u0074oken":"a"},"data":1}"#,
        r#"{"auth":{"token":"a"},"d\u0061ta":1}"#,
        r#"{"Auth":{"token":"a"},"data":1}"#,
        r#"{"auth ":{"token":"a"},"data":1}"#,
        "{\"auth\\u0000\":{\"token\":\"a\"},\"data\":1}",
    ] {
        check(text, NO);
    }
}

#[test]
fn only_an_envelope_is_one() {
    for text in [
        "",
        " ",
        "1",
        "null",
        "[]",
        "{}",
        "hello",
        r#"{"data":1}"#,
        r#"{"auth":{"token":"t"}}"#,
        r#"{"auth":{},"data":1}"#,
        r#"{"auth":{"token":7},"data":1}"#,
        r#"{"auth":{"token":null},"data":1}"#,
        r#"{"auth":"t","data":1}"#,
        r#"{"auth":["token","t"],"data":1}"#,
        r#"{"auth":{"token":"t","mechanism":"bearer"},"data":1}"#,
        r#"{"auth":{"type":"authenticate","mechanism":"bearer","token":"t"}}"#,
        r#"{"auth":{"type":"logout"},"data":1}"#,
        r#"{"auth":{"token":"t"},"data":1,"more":2}"#,
        r#"{"auth":{"token":"t"},"data":}"#,
        r#"{"auth":{"token":"t"},"data":1,}"#,
        r#"{,"auth":{"token":"t"},"data":1}"#,
        r#"{"auth":{"token":"t"}"data":1}"#,
        r#"{"auth":{"token":"t"},"data":1} x"#,
        r#"{"auth":{"token":"t"},"data":1}{"auth":{"token":"t"},"data":1}"#,
        r#"{"auth":{"token":"t"},"data":1"#,
        r#"{"auth":{"token":"t"},"data":01}"#,
        r#"{"auth":{"token":"t"},"data":'x'}"#,
        r#"{"auth":{"token":"t"},"data":/**/1}"#,
        "\u{feff}{\"auth\":{\"token\":\"t\"},\"data\":1}",
        "{\"auth\":{\"token\":\"t\n\"},\"data\":1}",
        "\u{a0}{\"auth\":{\"token\":\"t\"},\"data\":1}",
    ] {
        check(text, NO);
    }
    let rest = b"\"},\"data\":\"\xff\"}";
    for text in [[b"{\"auth\":{\"token\":\"t".as_slice(), rest].concat(), vec![0xff], vec![0]] {
        assert_eq!(Envelope::parse(&text, MOST).unwrap_err(), Rejection::MalformedMessage);
    }
    // A surrogate in UTF-8, which some readers take.
    let text = b"{\"auth\":{\"token\":\"t\"},\"data\":\"\xed\xa0\x80\"}";
    assert_eq!(Envelope::parse(text, MOST).unwrap_err(), Rejection::MalformedMessage);
}

#[test]
fn a_token_says_which_mechanism_it_is_for_and_may_be_escaped() {
    for (written, token, mechanism) in [
        ("abc.def.ghi", "abc.def.ghi", Mechanism::Bearer),
        ("vss_x", "vss_x", Mechanism::Session),
        ("vsk_x", "vsk_x", Mechanism::ApiKey),
        ("vst_x", "vst_x", Mechanism::Ticket),
        (r"a\/b\u002B==", "a/b+==", Mechanism::Bearer),
        (r"\u0076sk_x", "vsk_x", Mechanism::ApiKey),
        ("", "", Mechanism::Bearer),
    ] {
        let text = format!(r#"{{"auth":{{"token":"{written}"}},"data":1}}"#);
        let envelope = Envelope::parse(text.as_bytes(), MOST).unwrap();
        assert_eq!(envelope.credential.secret.expose(), token.as_bytes());
        assert_eq!(envelope.credential.mechanism, mechanism);
    }
    check(r#"{"auth":{"token":"\ud800"},"data":1}"#, NO);
}

#[test]
fn everything_about_it_is_bounded() {
    let text =
        |token: &str, data: &str| format!(r#"{{"auth":{{"token":"{token}"}},"data":{data}}}"#);
    let long = "t".repeat(limits::CREDENTIAL_BYTES);
    check(&text(&long, "1"), Ok((&long, "1")));
    check(&text(&format!("{long}t"), "1"), Err(Rejection::TokenMalformed));
    let escaped = r"\u0074".repeat(limits::CREDENTIAL_BYTES / 2);
    check(&text(&escaped, "1"), Ok((long.get(..long.len() / 2).unwrap(), "1")));
    let whole = text("t", "1");
    assert!(Envelope::parse(whole.as_bytes(), whole.len()).is_ok());
    let no = Envelope::parse(whole.as_bytes(), whole.len() - 1).unwrap_err();
    assert_eq!(no, Rejection::MessageTooLarge);
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let deepest = deep(limits::ENVELOPE_DEPTH);
    check(&text("t", &deepest), Ok(("t", &deepest)));
    check(&text("t", &deep(limits::ENVELOPE_DEPTH + 1)), NO);
    check(&text("t", &"[".repeat(MOST / 2)), NO);
}

#[test]
fn a_token_is_not_printed() {
    let text = br#"{"auth":{"token":"s3cret"},"data":1}"#;
    let envelope = Envelope::parse(text, MOST).unwrap();
    assert!(!format!("{envelope:?}").contains("s3cret"));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Other<'a> {
    auth: OtherAuth,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OtherAuth {
    token: String,
}

/// A text that is an envelope, or nearly.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just(",".to_owned()),
        Just(":".to_owned()),
        Just("\"".to_owned()),
        Just(" ".to_owned()),
        Just("\"auth\":".to_owned()),
        Just("{\"token\":\"t\"}".to_owned()),
        Just("\"data\":".to_owned()),
        Just("{\"auth\":{\"token\":\"t\"},\"data\":".to_owned()),
        Just("\\u0061".to_owned()),
        "-?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?",
        "(true|false|null|tru)",
        "\"[ -~é\\n]{0,6}\"",
    ];
    let data = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
    (data, any::<bool>()).prop_map(|(data, wrapped)| {
        if wrapped { format!(r#"{{"auth":{{"token":"t"}},"data":{data}}}"#) } else { data }
    })
}

/// A value that is one, in a writing of its own.
fn any_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_filter("JSON", |n| n.is_finite()).prop_map(|n| format!("{n:e}")),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        let space = "[ \\t\\r\\n]{0,2}";
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..4), space).prop_map(|(values, space)| {
                format!("[{space}{}{space}]", values.join(&format!("{space},{space}")))
            }),
            (prop::collection::vec((any::<String>(), inner), 0..4), space).prop_map(
                |(members, space)| {
                    let members: Vec<_> = members
                        .iter()
                        .map(|(name, value)| {
                            let name = serde_json::to_string(name).unwrap();
                            format!("{space}{name}{space}:{space}{value}{space}")
                        })
                        .collect();
                    format!("{{{space}{}}}", members.join(","))
                }
            ),
        ]
    })
}

proptest! {
    #[test]
    fn another_reader_of_json_finds_the_same(text in nearly()) {
        let ours = Envelope::parse(text.as_bytes(), MOST);
        let theirs = serde_json::from_str::<Other<'_>>(&text);
        if let Ok(ours) = &ours {
            let theirs = theirs.as_ref().expect("what is taken for an envelope is one");
            prop_assert_eq!(theirs.auth.token.as_bytes(), ours.credential.secret.expose());
            prop_assert_eq!(theirs.data.get().as_bytes(), ours.data);
        }
        // It takes names with escapes, and arrays for objects; we do not.
        if let (Err(_), Ok(_)) = (&ours, &theirs) {
            let arrays = text.trim_start().starts_with('[') || !text.contains("{\"token\"");
            prop_assert!(arrays || text.contains("\\u0061"), "{}", text);
        }
    }

    #[test]
    fn any_value_passes_byte_for_byte(value in any_value(), token in "[A-Za-z0-9._~+/-]{1,40}=?") {
        let text = format!(r#"{{"auth":{{"token":"{token}"}},"data":{value}}}"#);
        let envelope = Envelope::parse(text.as_bytes(), MOST).unwrap();
        prop_assert_eq!(envelope.data, value.as_bytes());
        prop_assert_eq!(envelope.credential.secret.expose(), token.as_bytes());
    }

    #[test]
    fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        prop_assert!(Envelope::parse(&bytes, MOST).is_err());
    }
}
