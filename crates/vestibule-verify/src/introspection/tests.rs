use serde_json::json;

use super::*;
use crate::jwt::{Binding, Holder};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const EXP: i64 = NOW.as_secs() + 600;
const HOUR: Duration = Duration::from_hours(1);

fn expected() -> Expectations {
    Expectations::new("https://idp.example/", ["chat"])
}

fn good() -> Value {
    json!({
        "active": true, "token_type": "Bearer", "sub": "alice", "aud": "chat",
        "iss": "https://idp.example/", "exp": EXP, "scope": "read write", "client_id": "app",
        "jti": "t-1",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut answer = good();
    answer[name] = value;
    answer
}

fn without(name: &str) -> Value {
    let mut answer = good();
    answer.as_object_mut().unwrap().remove(name);
    answer
}

fn judge(answer: &Value, expected: &Expectations) -> Result<Checked, Rejection> {
    match Answer::parse(answer.to_string().as_bytes()).unwrap() {
        Answer::Inactive => Err(Rejection::TokenInactive),
        Answer::Active(active) => {
            active.check(expected, HOUR, NOW).map_err(|refused| refused.rejection)
        }
    }
}

fn said(answer: &Value) -> Result<String, Rejection> {
    let checked = judge(answer, &expected())?;
    Ok(checked.principal().subject.to_string())
}

#[test]
fn what_is_not_exactly_an_answer_says_nothing_about_the_token() {
    for text in [
        "",
        "true",
        "null",
        "[]",
        "<html>",
        "{}",
        r#"{"active":"true"}"#,
        r#"{"active":1}"#,
        r#"{"active":null}"#,
        r#"{"active":[true]}"#,
        r#"{"Active":true}"#,
        r#"{"active":false,"active":true}"#,
        r#"{"active":true,"\u0061ctive":true}"#,
        r#"{"active":true,"sub":"a","sub":"b"}"#,
        r#"{"active":true,"ext":{"a":1,"a":2}}"#,
        r#"{"active":true}{"active":true}"#,
        r#"{"active":true,"exp":"1800000600"}"#,
        r#"{"active":true,"nbf":true}"#,
        r#"{"active":true,"iat":[1]}"#,
        r#"{"active":true,"sub":7}"#,
        r#"{"active":true,"iss":["https://idp.example/"]}"#,
        r#"{"active":true,"aud":{"chat":true}}"#,
        r#"{"active":true,"aud":["chat",7]}"#,
        r#"{"active":true,"scope":["read"]}"#,
        r#"{"active":true,"client_id":1}"#,
        r#"{"active":true,"username":{}}"#,
        r#"{"active":true,"token_type":false}"#,
        r#"{"active":true,"jti":1}"#,
        r#"{"active":true,"cnf":"key"}"#,
    ] {
        assert!(Answer::parse(text.as_bytes()).is_err(), "{text}");
    }
    let long = format!(r#"{{"active":false,"x":"{}"}}"#, "x".repeat(limits::INTROSPECTION_BYTES));
    assert!(Answer::parse(long.as_bytes()).is_err());
    let deep = format!(r#"{{"active":true,"x":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    assert!(Answer::parse(deep.as_bytes()).is_err());
}

#[test]
fn inactive_is_no_whatever_else_is_said() {
    for text in [
        r#"{"active":false}"#,
        r#"{"active":false,"sub":"alice","exp":9999999999}"#,
        r#"{"active":false,"exp":"never"}"#,
    ] {
        assert!(matches!(Answer::parse(text.as_bytes()), Ok(Answer::Inactive)), "{text}");
    }
}

#[test]
fn an_active_token_is_judged_like_one_that_speaks_for_itself() {
    assert_eq!(said(&good()), Ok("alice".to_owned()));
    assert_eq!(said(&with("aud", json!(["mail", "chat"]))), Ok("alice".to_owned()));
    for (answer, rejection) in [
        (with("active", json!(false)), Rejection::TokenInactive),
        (with("aud", json!("mail")), Rejection::TokenAudience),
        (with("aud", json!([])), Rejection::TokenAudience),
        (without("aud"), Rejection::TokenAudience),
        (with("iss", json!("https://evil.example/")), Rejection::TokenIssuer),
        (with("exp", json!(NOW.as_secs() - 31)), Rejection::TokenExpired),
        (with("exp", json!(-1)), Rejection::TokenExpired),
        (with("exp", json!(-1e300)), Rejection::TokenExpired),
        (with("nbf", json!(NOW.as_secs() + 60)), Rejection::TokenNotYetValid),
        (with("iat", json!(NOW.as_secs() + 60)), Rejection::TokenNotYetValid),
        (without("sub"), Rejection::TokenClaims),
        (with("sub", json!("")), Rejection::TokenClaims),
        (with("sub", json!(null)), Rejection::TokenClaims),
        (with("cnf", json!({ "jkt": "abc" })), Rejection::TokenClaims),
        (with("cnf", json!({})), Rejection::TokenClaims),
    ] {
        assert_eq!(said(&answer), Err(rejection), "{answer}");
    }
}

#[test]
fn a_name_for_the_subject_comes_from_the_configured_claim_and_from_no_other() {
    let mut answer = without("sub");
    answer["username"] = json!("bob");
    assert_eq!(said(&answer), Err(Rejection::TokenClaims));
    let expected = Expectations { subject_claim: "username".into(), ..expected() };
    let checked = judge(&answer, &expected).unwrap();
    assert_eq!(&*checked.principal().subject, "bob");
    assert_eq!(judge(&good(), &expected).unwrap_err(), Rejection::TokenClaims);
}

#[test]
fn without_an_end_a_token_counts_for_as_long_as_is_configured() {
    let checked = judge(&without("exp"), &expected()).unwrap();
    assert_eq!(checked.principal().expires, NOW.after(HOUR));
    let checked = judge(&with("exp", json!(null)), &expected()).unwrap();
    assert_eq!(checked.principal().expires, NOW.after(HOUR));
}

#[test]
fn without_an_issuer_the_token_is_of_the_one_that_was_asked() {
    let checked = judge(&without("iss"), &expected()).unwrap();
    assert_eq!(&*checked.principal().issuer, "https://idp.example/");
    let anybody = Expectations { issuer: None, issuer_name: "idp".into(), ..expected() };
    let checked = judge(&with("iss", json!("https://x.example/")), &anybody).unwrap();
    assert_eq!(&*checked.principal().issuer, "idp");
}

#[test]
fn a_token_without_a_name_gets_one_and_none_is_replaced() {
    let name = |answer: &Value| {
        let Ok(Answer::Active(active)) = Answer::parse(answer.to_string().as_bytes()) else {
            panic!("an answer")
        };
        let checked = active.or_named("given").check(&expected(), HOUR, NOW).unwrap();
        checked.principal().token_id.clone()
    };
    assert_eq!(name(&good()).as_deref(), Some("t-1"));
    assert_eq!(name(&without("jti")).as_deref(), Some("given"));
    assert_eq!(name(&with("jti", json!(null))).as_deref(), Some("given"));
}

#[test]
fn a_refresh_token_that_is_active_opens_no_door() {
    for (answer, types) in [
        (without("token_type"), &[][..]),
        (with("token_type", json!("DPoP")), &[]),
        (with("token_type", json!("dpop")), &["Bearer"]),
        (with("token_type", json!("refresh_token")), &[]),
        (with("token_type", json!("")), &[]),
        (with("token_type", json!("")), &[""]),
        (with("typ", json!("Refresh")), &[]),
        (with("typ", json!("Offline")), &[]),
        (with("typ", json!("ID")), &[]),
        (with("token_use", json!("refresh")), &[]),
        (good(), &[""]),
    ] {
        let types = types.iter().map(|one: &&str| Box::from(*one)).collect();
        let expected = Expectations { types, ..expected() };
        assert_eq!(judge(&answer, &expected).unwrap_err(), Rejection::TokenType, "{answer}");
    }
    for (answer, types) in [
        (with("token_type", json!("bearer")), &[][..]),
        (with("token_type", json!("BEARER")), &["Bearer", ""]),
        (without("token_type"), &["Bearer", ""]),
        (with("token_type", json!("access_token")), &["access_token"]),
    ] {
        let types = types.iter().map(|one: &&str| Box::from(*one)).collect();
        let expected = Expectations { types, ..expected() };
        assert!(judge(&answer, &expected).is_ok(), "{answer}");
    }
}

#[test]
fn a_token_that_is_bound_says_to_what_and_is_nobody_s_without_it() {
    let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let mut bound = with("cnf", json!({ "jkt": thumbprint }));
    for kind in ["DPoP", "dpop", "Bearer"] {
        bound["token_type"] = json!(kind);
        let checked = judge(&bound, &expected()).unwrap();
        assert!(matches!(checked.binding(), Binding::Key(_)), "{kind}");
        assert!(checked.held_by(&Holder::BEARER, NOW).is_err(), "{kind}");
    }
    let certificate = with("cnf", json!({ "x5t#S256": thumbprint }));
    let checked = judge(&certificate, &expected()).unwrap();
    assert!(matches!(checked.binding(), Binding::Certificate(_)));
    assert!(checked.held_by(&Holder::BEARER, NOW).is_err());
    for cnf in
        [json!({}), json!({ "jkt": 1 }), json!({ "jkt": thumbprint, "x5t#S256": thumbprint })]
    {
        assert_eq!(judge(&with("cnf", cnf), &expected()).unwrap_err(), Rejection::TokenClaims);
    }
}

#[test]
fn what_is_said_about_somebody_is_not_printed() {
    let Ok(answer) = Answer::parse(good().to_string().as_bytes()) else { panic!("an answer") };
    assert!(!format!("{answer:?}").contains("alice"));
    let twice = r#"{"active":true,"sub":"s3cret","exp":"s3cret"}"#;
    let error = Answer::parse(twice.as_bytes()).unwrap_err();
    assert!(!format!("{error:?} {error}").contains("s3cret"));
}
