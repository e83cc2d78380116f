use std::sync::LazyLock;

use serde_json::json;
use vestibule_core::authn::Principal;

use super::*;
use crate::{jwk::Symmetric, mint::Signer};

const NOW: UnixTime = UnixTime::from_secs(1_000_000);

static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::generate(Algorithm::EdDsa).unwrap());
static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    KeySet::from_jwks(SIGNER.public_jwks().to_string().as_bytes(), Symmetric::Refused).unwrap()
});

fn usual() -> Expectations {
    Expectations::new("https://idp", ["chat", "mail"])
}

fn good() -> Value {
    json!({"iss": "https://idp", "aud": "chat", "sub": "alice", "exp": 1_000_060})
}

/// Good claims with some replaced; `null` as replacement of a claim removes it.
fn with(edits: &Value) -> Value {
    let mut claims = good();
    for (name, value) in edits.as_object().unwrap() {
        let members = claims.as_object_mut().unwrap();
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    claims
}

fn judge(
    typ: Option<&str>,
    claims: &Value,
    expected: &Expectations,
) -> Result<Arc<Principal>, Refused> {
    let token = SIGNER.sign(typ, claims).unwrap();
    let token = Unverified::parse(token.as_bytes())?;
    verify(&token, &KEYS, expected, NOW).map(|verified| Arc::clone(verified.principal()))
}

fn accepted(claims: &Value) -> Arc<Principal> {
    judge(None, claims, &usual()).unwrap_or_else(|refused| panic!("{claims}: {refused}"))
}

fn refused(claims: &Value, rejection: Rejection, reason: &str) {
    refused_by(&usual(), None, claims, rejection, reason);
}

fn refused_by(
    expected: &Expectations,
    typ: Option<&str>,
    claims: &Value,
    rejection: Rejection,
    reason: &str,
) {
    let refused = judge(typ, claims, expected).expect_err(&claims.to_string());
    assert_eq!(refused.rejection, rejection, "{claims}: {refused}");
    assert!(refused.reason.contains(reason), "{claims}: {refused}");
}

#[test]
fn the_principal_is_what_the_token_says() {
    let principal = accepted(&with(&json!({
        "scope": "read  write", "jti": "t1", "sid": "s1", "email": "a@example", "email_verified": true,
        "name": "Alice", "preferred_username": "al", "groups": ["g1", "g2"], "roles": ["r"], "iat": 999_990.5,
        "amr": ["pwd", "otp"], "acr": "gold",
    })));
    let Principal {
        subject,
        issuer,
        scopes,
        token_id,
        session,
        email,
        name,
        groups,
        mechanism,
        methods,
        context,
        issued,
        expires,
    } = &*principal;
    assert_eq!((&**subject, &**issuer), ("alice", "https://idp"));
    assert_eq!(scopes.join("|"), "read|write");
    assert_eq!(
        (token_id.as_deref(), email.as_deref(), name.as_deref()),
        (Some("t1"), Some("a@example"), Some("Alice"))
    );
    assert_eq!(groups.join("|"), "g1|g2");
    assert_eq!(session.as_deref(), Some("s1"));
    assert_eq!(mechanism.name(), "bearer");
    assert_eq!((methods.join("|").as_str(), context.as_deref()), ("pwd|otp", Some("gold")));
    assert_eq!(*issued, Some(UnixTime::from_millis(999_990_500)));
    assert_eq!(*expires, UnixTime::from_secs(1_000_060));
}

#[test]
fn how_a_user_was_authenticated_is_strings_within_bounds() {
    let methods = |amr: Value| accepted(&with(&json!({ "amr": amr }))).methods.join("|");
    assert_eq!(methods(json!("pwd")), "pwd");
    assert_eq!(methods(json!([])), "");
    assert_eq!(methods(json!(vec!["x".repeat(64); 16])).len(), 16 * 65 - 1);
    let absent = accepted(&with(&json!({ "acr": Value::Null })));
    assert_eq!((absent.methods.len(), absent.context.as_deref()), (0, None));
    for (claims, reason) in [
        (json!({ "amr": 7 }), "amr is neither"),
        (json!({ "amr": ["pwd", null] }), "amr holds something else"),
        (json!({ "amr": vec!["x"; 17] }), "amr has more, or longer"),
        (json!({ "amr": ["x".repeat(65)] }), "amr has more, or longer"),
        (json!({ "acr": 1 }), "acr is not a string"),
        (json!({ "acr": "x".repeat(257) }), "acr is longer"),
    ] {
        refused(&with(&claims), Rejection::TokenClaims, reason);
    }
}

#[test]
fn other_spellings_of_scopes_groups_and_names() {
    let scopes = |edits: &Value| accepted(&with(edits)).scopes.join("|");
    assert_eq!(scopes(&json!({"scp": "read write"})), "read|write");
    assert_eq!(scopes(&json!({"scp": ["read", "write all"]})), "read|write all");
    assert_eq!(scopes(&json!({"scope": ["read", "write"]})), "read|write");
    assert_eq!(scopes(&json!({"scope": "a", "scp": ["b"]})), "a");
    assert_eq!(scopes(&json!({"scope": ""})), "");
    let groups = |edits: &Value| accepted(&with(edits)).groups.join("|");
    assert_eq!(groups(&json!({"roles": ["r"]})), "r");
    assert_eq!(groups(&json!({"groups": "one group"})), "one group");
    assert_eq!(accepted(&with(&json!({"preferred_username": "al"}))).name.as_deref(), Some("al"));

    let claims = with(&json!({"sub": null, "oid": "o1", "perm": ["p"], "teams": ["t"]}));
    let expected = Expectations {
        subject_claim: "oid".into(),
        scope_claim: Some("perm".into()),
        groups_claim: Some("teams".into()),
        ..usual()
    };
    let principal = judge(None, &claims, &expected).unwrap();
    assert_eq!(
        (&*principal.subject, &*principal.scopes[0], &*principal.groups[0]),
        ("o1", "p", "t")
    );
}

#[test]
fn a_mail_address_that_nobody_checked_is_not_passed_on() {
    let email = |checked: Value| {
        accepted(&with(&json!({"email": "a@example", "email_verified": checked}))).email.clone()
    };
    for checked in [json!(true), json!("true")] {
        assert!(email(checked).is_some());
    }
    for checked in [json!(false), json!("false"), json!("")] {
        assert_eq!(email(checked), None);
    }
}

#[test]
fn a_claim_of_the_wrong_type_is_an_error_and_not_absent() {
    let no = [json!(null), json!(true), json!({}), json!([1]), json!([["a"]])];
    let not_text = |name: &str| {
        no.iter()
            .chain([&json!(7), &json!(["a"])])
            .map(|v| (name.to_owned(), v.clone()))
            .collect::<Vec<_>>()
    };
    let not_texts = |name: &str| {
        no.iter()
            .chain([&json!(7), &json!(["a", null])])
            .map(|v| (name.to_owned(), v.clone()))
            .collect::<Vec<_>>()
    };
    let not_date = |name: &str| {
        no.iter()
            .chain([&json!("2000000"), &json!("")])
            .map(|v| (name.to_owned(), v.clone()))
            .collect::<Vec<_>>()
    };
    let cases = ["iss", "sub", "jti"]
        .iter()
        .flat_map(|name| not_text(name))
        .chain(["aud", "scope", "scp"].iter().flat_map(|name| not_texts(name)))
        .chain(["exp", "nbf", "iat"].iter().flat_map(|name| not_date(name)))
        // What is about a person may be null, and nothing else.
        .chain(
            ["email", "name", "preferred_username"]
                .iter()
                .flat_map(|name| not_text(name).split_off(1)),
        )
        .chain(["groups", "roles"].iter().flat_map(|name| not_texts(name).split_off(1)))
        .chain([("email_verified".to_owned(), json!(1))]);
    let mut seen = 0;
    for (name, value) in cases {
        let mut claims = good();
        claims[&name] = value;
        // No issuer or audience configured: their types still count.
        let expected = Expectations { issuer: None, audiences: Box::default(), ..usual() };
        refused_by(&expected, None, &claims, Rejection::TokenClaims, "");
        seen += 1;
    }
    assert_eq!(seen, 94);
    for name in ["email", "name", "groups", "roles", "preferred_username", "email_verified"] {
        let mut claims = good();
        claims[name] = Value::Null;
        accepted(&claims);
    }
}

#[test]
fn exp_and_the_subject_are_required() {
    refused(&with(&json!({"exp": null})), Rejection::TokenClaims, "there is no exp");
    refused(&with(&json!({"sub": null})), Rejection::TokenClaims, "there is no sub");
    refused(&with(&json!({"sub": ""})), Rejection::TokenClaims, "there is no sub");
}

#[test]
fn dates_count_with_the_skew_and_not_a_moment_longer() {
    let expired =
        |exp: Value| refused(&with(&json!({"exp": exp})), Rejection::TokenExpired, "expired");
    let valid = |exp: Value| accepted(&with(&json!({"exp": exp}))).expires;
    valid(json!(999_970.001));
    expired(json!(999_970));
    for exp in [json!(0), json!(-1), json!(-1e300), json!(i64::MIN), json!(-0.5)] {
        expired(exp);
    }
    assert_eq!(valid(json!(1_000_000.25)), UnixTime::from_millis(1_000_000_250));
    assert_eq!(
        valid(json!(1_000_000.000_9)),
        UnixTime::from_secs(1_000_000),
        "never later than said"
    );
    for exp in [json!(1e300), json!(u64::MAX), json!(i64::MAX)] {
        assert_eq!(valid(exp), UnixTime::from_millis(i64::MAX));
    }
    for name in ["nbf", "iat"] {
        accepted(&with(&json!({name: 1_000_030})));
        accepted(&with(&json!({name: -5.5})));
        refused(&with(&json!({name: 1_000_030.001})), Rejection::TokenNotYetValid, name);
        refused(&with(&json!({name: 1e300})), Rejection::TokenNotYetValid, name);
    }
    let exact = Expectations { clock_skew: core::time::Duration::ZERO, ..usual() };
    refused_by(
        &exact,
        None,
        &with(&json!({"exp": 1_000_000})),
        Rejection::TokenExpired,
        "expired 0 s ago",
    );
    refused_by(
        &exact,
        None,
        &with(&json!({"nbf": 1_000_001})),
        Rejection::TokenNotYetValid,
        "nbf lies 1 s ahead",
    );
    assert!(
        judge(
            None,
            &with(&json!({"exp": 1_000_000.001, "nbf": 1_000_000, "iat": 1_000_000})),
            &exact
        )
        .is_ok()
    );
}

#[test]
fn the_issuer_is_matched_byte_for_byte() {
    let no = Rejection::TokenIssuer;
    refused(&with(&json!({"iss": null})), no, "nobody named");
    for iss in ["https://idp/", "https://IDP", "https://idp ", "https://evil", ""] {
        refused(
            &with(&json!({"iss": iss})),
            no,
            &format!("issued by {iss:?}, wanted: \"https://idp\""),
        );
    }
    let any = Expectations { issuer: None, issuer_name: "the file".into(), ..usual() };
    assert_eq!(
        &*judge(None, &with(&json!({"iss": "https://evil"})), &any).unwrap().issuer,
        "the file"
    );
}

#[test]
fn one_audience_must_fit_where_any_is_wanted() {
    for aud in [json!("chat"), json!("mail"), json!(["x", "mail"])] {
        accepted(&with(&json!({"aud": aud})));
    }
    let no = Rejection::TokenAudience;
    refused(
        &with(&json!({"aud": "x"})),
        no,
        "issued for audience \"x\", wanted: \"chat\", \"mail\"",
    );
    for aud in
        [json!(null), json!([]), json!(""), json!("Chat"), json!("chat mail"), json!(["chat "])]
    {
        refused(&with(&json!({"aud": aud})), no, "issued for audience");
    }
    let any = Expectations { audiences: Box::default(), ..usual() };
    assert!(judge(None, &with(&json!({"aud": null})), &any).is_ok());
}

#[test]
fn only_access_tokens_open_a_door() {
    for typ in
        [None, Some("at+jwt"), Some("application/at+jwt"), Some("AT+JWT"), Some("JWT"), Some("jwt")]
    {
        assert!(judge(typ, &good(), &usual()).is_ok(), "{typ:?}");
    }
    for typ in [
        "id_token+jwt",
        "dpop+jwt",
        "logout+jwt",
        "application/x/at+jwt",
        "at+jwt ",
        "a/jwt",
        "",
        "application/",
    ] {
        refused_by(
            &usual(),
            Some(typ),
            &good(),
            Rejection::TokenType,
            "wanted: \"at+jwt\", \"JWT\"",
        );
    }
    let only = Expectations { types: Box::new(["at+jwt".into()]), ..usual() };
    assert!(judge(Some("application/at+jwt"), &good(), &only).is_ok());
    refused_by(
        &only,
        Some("JWT"),
        &good(),
        Rejection::TokenType,
        "typ: \"JWT\", wanted: \"at+jwt\"",
    );
    refused_by(&only, None, &good(), Rejection::TokenType, "there is none");
    let odd = Expectations { types: Box::new(["x/at+jwt".into()]), ..usual() };
    assert!(judge(Some("x/AT+jwt"), &good(), &odd).is_ok());
    refused_by(&odd, Some("application/x/at+jwt"), &good(), Rejection::TokenType, "typ");
    let or_none = Expectations { types: Box::new(["at+jwt".into(), "".into()]), ..usual() };
    assert!(judge(None, &good(), &or_none).is_ok());
}

#[test]
fn tokens_that_were_made_for_something_else_are_told_apart() {
    let no = Rejection::TokenType;
    for edits in [
        json!({"at_hash": "x"}),
        json!({"c_hash": "x"}),
        json!({"typ": "ID"}),
        json!({"token_use": "id"}),
    ] {
        refused(&with(&edits), no, "an ID token");
        let taken = Expectations { id_tokens: IdTokens::Accepted, ..usual() };
        assert!(judge(None, &with(&edits), &taken).is_ok());
        assert!(judge(Some("at+jwt"), &with(&edits), &usual()).is_ok(), "RFC 9068 says what it is");
    }
    let taken = Expectations { id_tokens: IdTokens::Accepted, ..usual() };
    for edits in
        [json!({"typ": "Refresh"}), json!({"typ": "Offline"}), json!({"token_use": "refresh"})]
    {
        refused_by(&taken, None, &with(&edits), no, "a refresh token");
    }
    for edits in [json!({"events": {}}), json!({"typ": "Logout"})] {
        refused_by(&taken, None, &with(&edits), no, "a logout or");
    }
    for edits in [json!({"typ": "Bearer"}), json!({"token_use": "access"}), json!({"nonce": "n"})] {
        accepted(&with(&edits));
    }
}

#[test]
fn a_token_bound_to_a_key_is_no_bearer_token() {
    let jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    for (cnf, reason) in [
        (json!({"jkt": jkt}), "bound to a key"),
        (json!({"x5t#S256": jkt}), "bound to a certificate"),
        (json!({"jkt": "x"}), "something else"),
        (json!({"jwk": {"kty": "EC"}}), "something else"),
        (json!({"jkt": jkt, "x5t#S256": jkt}), "something else"),
        (json!({}), "something else"),
        (json!(null), "something else"),
    ] {
        let mut claims = good();
        claims["cnf"] = cnf;
        refused(&claims, Rejection::TokenClaims, reason);
    }
}

#[test]
fn expiry_is_the_last_that_is_said() {
    let late = json!({"exp": 1});
    for (edits, rejection) in [
        (json!({"aud": "x"}), Rejection::TokenAudience),
        (json!({"iss": "x"}), Rejection::TokenIssuer),
        (json!({"sub": 1}), Rejection::TokenClaims),
        (json!({"at_hash": "x"}), Rejection::TokenType),
        (json!({"groups": 1}), Rejection::TokenClaims),
        (json!({}), Rejection::TokenExpired),
    ] {
        let mut claims = with(&edits);
        claims["exp"] = late["exp"].clone();
        refused(&claims, rejection, "");
    }
}

#[test]
fn what_was_checked_can_be_remembered_until_it_ends() {
    let token = SIGNER.sign(None, &good()).unwrap();
    let token = Unverified::parse(token.as_bytes()).unwrap();
    let checked = check(&token, &KEYS, &usual(), NOW).unwrap();
    assert_eq!(checked.ends(), UnixTime::from_secs(1_000_090));
    let open = |now: UnixTime| checked.clone().held_by(&Holder::BEARER, now);
    assert!(open(UnixTime::from_millis(1_000_089_999)).is_ok());
    let refused = open(checked.ends()).unwrap_err();
    assert_eq!(
        (refused.rejection, refused.reason.as_str()),
        (Rejection::TokenExpired, "expired 30 s ago")
    );
}

#[test]
fn a_token_can_be_looked_at_and_is_not_printed() {
    let token = SIGNER.sign(Some("at+jwt"), &good()).unwrap();
    let unverified = Unverified::parse(token.as_bytes()).unwrap();
    assert_eq!(unverified.issuer_hint(), Some("https://idp"));
    assert_eq!((unverified.kid(), unverified.algorithm()), (SIGNER.kid(), Algorithm::EdDsa));
    let printed = format!("{unverified:?}");
    assert!(
        !printed.contains("alice") && !printed.contains(token.split_at(token.len() - 20).1),
        "{printed}"
    );

    let contents = inspect(token.as_bytes()).unwrap();
    assert_eq!((contents.claims, &contents.header["typ"]), (good(), &json!("at+jwt")));
    let unsigned =
        format!("eyJhbGciOiJub25lIiwiY3JpdCI6WyJhIl19.{}.", token.split('.').nth(1).unwrap());
    assert_eq!(inspect(unsigned.as_bytes()).unwrap().header, json!({"alg": "none", "crit": ["a"]}));
    assert!(inspect(b"opaque").unwrap_err().reason.contains("opaque token"));
}
