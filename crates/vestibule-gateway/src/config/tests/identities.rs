//! What is said about the gateway's own identities and the store.

use super::{faults::check, *};

#[test]
fn identities_of_our_own() {
    let route = "[[routes]]\npath = '/chat'\nupstream = 'ws://127.0.0.1:9000'\n";
    let with = |auth: &str, lines: &str| format!("{route}{lines}\n[auth]\n{auth}\n");
    check(&with("", "accept = ['query']\nmechanisms = ['ticket']"), &[]);
    check(&with("", "accept = ['cookie']\nmechanisms = ['session']"), &[]);
    for (auth, lines, expected) in [
        (
            "",
            "sessions = 'issue'",
            "4:12 session tokens would be handed out, and `mechanisms` does not have `session`",
        ),
        ("", "accept = ['cookie']", "4:11 the cookie that login sets holds a session token"),
        ("", "issuers = ['locals']", "4:12 there is no issuer called \"locals\""),
        ("path = '/'", "", "6:8 `path` would take every path away from the routes"),
        ("path = '/chat'", "", "2:8 the endpoints of [auth] are below /chat"),
        ("ticket = '1h'", "", "6:10 `ticket` is at least 1s and at most 5m"),
        ("tickets = 0", "", "6:11 `tickets` is a number from 1 to 10000000"),
        (
            "access_token = '1h'\nrefresh_token = '1m'",
            "",
            "7:17 `refresh_token` ends before `access_token`: there would be nothing to refresh",
        ),
    ] {
        check(&with(auth, lines), &[expected]);
    }
}

#[test]
fn stores() {
    check("[store]\nbackend = 'redis'\n", &["2:11 the store \"redis\" is not available yet"]);
    check("[store]\nbackend = 'file'\n", &["2:11 `backend` cannot be \"file\""]);
    check("[store]\npath = ''\n", &["2:8 `path` is not the name of a file"]);
    check(
        "[store]\nbackend = 'memory'\npath = 'x'\n",
        &["3:8 warning: `path` has no use: memory is in no file"],
    );
}

#[test]
fn with_users_of_its_own_a_gateway_needs_no_issuer() {
    let Loaded { config, .. } = parse(&format!("{ROUTE}[auth]\n"), &[]).unwrap();
    assert_eq!((config.issuers.len(), &*config.routes[0].issuers), (0, &[0][..]));
    assert_eq!(config.store, Store::Embedded("vestibule.db".into()));
    let text =
        "[[issuers]]\nname = 'local'\nissuer = 'https://idp.example'\naudiences = ['a']\n[auth]\n";
    let report = parse(&format!("{text}{ROUTE}"), &[]).unwrap_err();
    assert_eq!(said(&report), ["2:8 `local` is the issuer of the gateway's own tokens"]);
}
