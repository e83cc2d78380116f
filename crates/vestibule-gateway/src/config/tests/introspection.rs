//! What is said about issuers that are asked about tokens.

use super::{faults::check, *};

const ASKED: &str = "[[issuers]]\nname = 'a'\naudiences = ['a']\nclient_id = 'gate'\n\
                     client_secret_file = 'x'\nintrospection_url = 'https://idp.example/i'\n";

/// Lines of the issuer, from the seventh on.
#[track_caller]
fn asked(lines: &str, expected: &[&str]) {
    check(&format!("{ASKED}{lines}\n"), expected);
}

/// The same without the others, from the fourth line on.
#[track_caller]
fn issuer(lines: &str, expected: &[&str]) {
    check(&format!("[[issuers]]\nname = 'a'\naudiences = ['a']\n{lines}\n"), expected);
}

#[test]
fn a_second_proof_is_no_token_that_would_have_to_be_asked_about_again() {
    let route = "[[routes]]\npath = '/'\nupstream = 'ws://127.0.0.1:9000'\naccept = ['message']\n\
                 mechanisms = ['bearer', 'public-key']\n";
    let with = |step_up: &str| format!("{route}step_up = {step_up}\n[auth]");
    let fault = "12:11 a second proof by `bearer` is not asked about again, and an issuer of this \
                 route is asked about its tokens";
    asked(&with("{ mechanisms = ['bearer'], acr = ['gold'] }"), &[fault]);
    asked(&with("{ mechanisms = ['public-key'] }"), &[]);
    let keys = "{ mechanisms = ['bearer'], acr = ['gold'] }\nissuers = ['local']";
    asked(&with(keys), &[]);
}

#[test]
fn an_issuer_has_keys_or_is_asked() {
    asked("", &[]);
    asked("issuer = 'joe'\ntypes = ['Bearer', '']\nca = 'x'\nsubject_claim = 'username'", &[]);
    asked("jwks_file = 'x'", &["7:13 `jwks_file` and `introspection_url` exclude each other"]);
    asked(
        "secret_file = 'x'\njwks_url = 'https://idp.example'",
        &[
            "7:15 `secret_file` and `introspection_url` exclude each other",
            "8:12 `jwks_url` and `introspection_url` exclude each other",
        ],
    );
    asked(
        "algorithms = ['ES256']\nrefresh = '1m'",
        &[
            "7:14 warning: `algorithms` has no use where the issuer is asked",
            "8:11 warning: `refresh` has no use where the issuer is asked",
        ],
    );
    issuer(
        "issuer = 'https://idp.example'\nrecheck = '1m'\nclient_id = 'gate'",
        &[
            "5:11 warning: `recheck` has no use without `introspection_url`",
            "6:13 warning: `client_id` has no use without `introspection_url`",
        ],
    );
}

#[test]
fn whoever_asks_says_who_asks_in_one_way() {
    let url = "introspection_url = 'https://idp.example/i'\n";
    issuer(&format!("{url}token_file = 'x'"), &[]);
    for (lines, expected) in [
        ("", "4:21 the issuer cannot know who asks (RFC 7662 section 2.1)"),
        ("client_id = 'gate'", "5:13 `client_id` is there, and `client_secret_file` is not"),
        ("client_secret_file = 'x'", "5:22 `client_secret_file` is there, and `client_id` is not"),
        (
            "token_file = 'x'\nclient_id = 'gate'\nclient_secret_file = 'x'",
            "5:14 `token_file` and `client_id` exclude each other",
        ),
        ("token_file = ''", "5:14 `token_file` is not the name of a file"),
        (
            "client_id = 'gate'\nclient_secret_file = '''s3cret\nof many lines'''",
            "6:22 `client_secret_file` holds what belongs in a file",
        ),
    ] {
        issuer(&format!("{url}{lines}"), &[expected]);
    }
}

#[test]
fn what_asking_is_told() {
    for (lines, expected) in [
        ("cache = '1h'", "7:9 `cache` is at least 0s and at most 5m"),
        ("recheck = '0s'", "7:11 `recheck` is at least 100ms and at most 1day"),
        ("max_lifetime = '0s'", "7:16 `max_lifetime` is at least 1s and at most 30days"),
        ("timeout = '1m'", "7:11 `timeout` is at least 100ms and at most 30s"),
        ("rate = 0", "7:8 `rate` is a number from 1 to 100000"),
        (
            "max_stale = '30s'",
            "7:13 `max_stale` is less than `recheck`: connections would be closed before their \
             tokens are asked about again",
        ),
    ] {
        asked(lines, &[expected]);
    }
    asked("recheck = '10s'\nmax_stale = '30s'\ncache = '0s'", &[]);
    let login = "client_id = 'gate'\nclient_secret_file = 'x'\n";
    for (url, expected) in [
        (
            "http://idp.example/i",
            &["4:21 an issuer is not asked without TLS: who sits on the way could read every \
               token, and say yes to his own"][..],
        ),
        ("http://127.0.0.1/i", &[]),
        ("idp.example", &["4:21 \"idp.example\" is no address"]),
    ] {
        issuer(&format!("introspection_url = '{url}'\n{login}"), expected);
    }
}

#[test]
fn what_is_written_about_asking_is_what_is_meant() {
    let lines = "issuer = 'joe'\nrecheck = '5s'\nmax_stale = '1m'\nrate = 7\n";
    let Loaded { config, .. } = parse(&format!("{ASKED}{lines}{ROUTE}"), &[]).unwrap();
    let KeySource::Introspection(asked) = &config.issuers[0].source else {
        panic!("{:?}", config.issuers[0].source)
    };
    assert_eq!(
        *asked,
        Introspection {
            url: "https://idp.example/i".into(),
            login: IntrospectionLogin::Basic { client_id: "gate".into(), secret_file: "x".into() },
            cache: Duration::from_secs(10),
            recheck: Duration::from_secs(5),
            max_stale: Some(Duration::from_mins(1)),
            max_lifetime: Duration::from_hours(1),
            timeout: Duration::from_secs(3),
            rate: 7,
        }
    );
}
