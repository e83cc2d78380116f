//! One row for each kind of fault.

use super::*;

/// What is said about this text, with an issuer and a route where it has none.
#[track_caller]
pub(super) fn check(text: &str, expected: &[&str]) {
    let mut whole = text.to_owned();
    for (header, lines) in [("[[issuers]]", ISSUER), ("[[routes]]", ROUTE)] {
        if !whole.contains(header) {
            whole = format!("{whole}\n{lines}");
        }
    }
    let report = match parse(&whole, &[]) {
        Ok(loaded) => loaded.report,
        Err(report) => report,
    };
    assert_eq!(said(&report), expected, "{report}");
}

#[track_caller]
fn server(line: &str, expected: &[&str]) {
    check(&format!("[server]\n{line}\n"), expected);
}

/// A line of the issuer, which is the fifth.
#[track_caller]
fn issuer(lines: &str, expected: &[&str]) {
    check(&format!("{ISSUER}{lines}\n"), expected);
}

/// A line of the route, which is the fourth.
#[track_caller]
pub(super) fn route(lines: &str, expected: &[&str]) {
    check(&format!("{ROUTE}{lines}\n"), expected);
}

#[test]
fn syntax() {
    check("[server\n", &["1:8 unclosed table, expected `]`"]);
    check(
        "[server]\nworkers = 0\n[[routes\npath = 3\n",
        &["3:9 unclosed array table, expected `]]`"],
    );
    server("workers = 1\nworkers = 2", &["3:1 duplicate key"]);
    server("listen = ", &["2:10 string values must be quoted, expected literal string"]);
}

#[test]
fn names() {
    check("[sever]\n", &["1:2 there is no section \"sever\""]);
    check("workers = 3\n", &["1:1 there is no section \"workers\""]);
    check("[users]\n", &["1:2 `users` is not available yet"]);
    check("[server.store]\n", &["1:9 there is no key \"store\" in [server]"]);
    server("wrokers = 3", &["2:1 there is no key \"wrokers\" in [server]"]);
    server("WORKERS = 3", &["2:1 there is no key \"WORKERS\" in [server]"]);
    issuer("jwks = 'x'", &["5:1 there is no key \"jwks\" in [[issuers]]"]);
    route("\"a\\u001b[31m\" = 1", &["4:1 there is no key \"a\\u{1b}[31m\" in [[routes]]"]);
    check("[server]\nclient_ca = 'x'\n", &["2:1 there is no key \"client_ca\" in [server]"]);
}

#[test]
fn types() {
    check("server = 3\n", &["1:10 `server` is a table, and this is an integer"]);
    check("[[server]]\n", &["1:1 `server` is a table, and this is an array"]);
    check("[log]\nlevel = 3\n", &["2:9 `level` is a string, and this is an integer"]);
    server("workers = '3'", &["2:11 `workers` is an integer, and this is a string"]);
    server("workers = 3.0", &["2:11 `workers` is an integer, and this is a float"]);
    server("workers = 2025-01-31", &["2:11 `workers` is an integer, and this is a date"]);
    server("drain = 3", &["2:9 `drain` is a duration, such as \"30s\", and this is an integer"]);
    server("tls = 'x'", &["2:7 `tls` is a table, and this is a string"]);
    server(
        "listen = [[]]",
        &["2:11 `listen` is a string or an array of strings, and this is an array"],
    );
    server(
        "trusted_proxies = '10.0.0.0/8'",
        &["2:19 `trusted_proxies` is an array of strings, and this is a string"],
    );
    route("announce = 'yes'", &["4:12 `announce` is true or false, and this is a string"]);
    route("close_codes = []", &["4:15 `close_codes` is a table of integers, and this is an array"]);
    let text = "[issuers]\nname = 'x'\n";
    let report = parse(&format!("{text}{ROUTE}"), &[]).unwrap_err();
    assert_eq!(said(&report), ["1:1 [[issuers]] is an array of tables, and this is a table"]);
}

#[test]
fn what_must_be_there() {
    let report = parse("", &[]).unwrap_err();
    assert_eq!(said(&report), ["- there is no [[issuers]]", "- there is no [[routes]]"]);
    let report = parse("issuers = []\nroutes = []\n", &[]).unwrap_err();
    assert_eq!(said(&report), ["1:11 there is no [[issuers]]", "2:10 there is no [[routes]]"]);
    check(
        "[[routes]]\nscopes = ['x']\n",
        &["1:1 `path` is missing in [[routes]]", "1:1 `upstream` is missing in [[routes]]"],
    );
    check(
        "[[issuers]]\nissuer = 'https://idp.example'\naudiences = ['a']\n",
        &["1:1 `name` is missing in [[issuers]]"],
    );
    server("tls = { cert = 'x' }", &["2:7 `key` is missing in [server.tls]"]);
}

#[test]
fn listeners() {
    for (line, expected) in [
        ("listen = 'localhost:80'", "2:10 \"localhost:80\" is no address and port to listen on"),
        ("listen = ':80'", "2:10 \":80\" is no address and port to listen on"),
        ("listen = '8080'", "2:10 \"8080\" is no address and port to listen on"),
        ("listen = '::1:80'", "2:10 \"::1:80\" is no address and port to listen on"),
        (
            "listen = '127.0.0.1:99999'",
            "2:10 \"127.0.0.1:99999\" is no address and port to listen on",
        ),
        ("listen = []", "2:10 `listen` is empty"),
        ("listen = ['127.0.0.1:1', '127.0.0.1:1']", "2:26 \"127.0.0.1:1\" is there twice"),
        ("listen = ['[::1]:1', '[0::1]:1']", "2:22 [::1]:1 is there twice"),
    ] {
        server(line, &[expected]);
    }
    server("listen = ['127.0.0.1:0', '[::1]:0']", &[]);
    check(
        "[admin]\nlisten = '127.0.0.1:80'\n[server]\nlisten = '0.0.0.0:80'\ntrusted_proxies = ['10.0.0.1']\n[[routes]]\npath = '/'\nupstream = 'ws://[::1]'\nhosts = ['a']\n",
        &["2:10 the operator's listener has an address of the public side"],
    );
}

#[test]
fn the_process() {
    server("workers = 0", &["2:11 `workers` is a number from 1 to 1024"]);
    server("workers = 99999999999999999999", &["2:11 `workers` is a number from 1 to 1024"]);
    server("pending = -1", &["2:11 `pending` is a number from 1 to 10000000"]);
    server("drain = '1'", &["2:9 \"1\" is no duration"]);
    server("drain = '2h'", &["2:9 `drain` is at least 0s and at most 1h"]);
    server(
        "trusted_proxies = ['10.0.0.0/33', 'proxy']",
        &[
            "2:20 \"10.0.0.0/33\" is neither an address nor a block of addresses",
            "2:35 \"proxy\" is neither an address nor a block of addresses",
        ],
    );
    check("[log]\nlevel = 'inof'\n", &["2:9 `level` cannot be \"inof\""]);
    check("[log]\nlevel = 'a=b=c'\n", &["2:9 `level` cannot be \"a=b=c\""]);
    check("[log]\nformat = 'xml'\n", &["2:10 `format` cannot be \"xml\""]);
}

#[test]
fn sources_of_keys() {
    let issuer = |lines: &str, expected: &[&str]| {
        check(&format!("[[issuers]]\nname = 'a'\naudiences = ['a']\n{lines}\n"), expected);
    };
    issuer("", &["1:1 the issuer does not say where its keys are"]);
    issuer("issuer = 'not an address'\n", &["4:10 an address cannot hold ' ' (RFC 3986)"]);
    issuer(
        "issuer = 'http://idp.example'",
        &["4:10 keys are not fetched without TLS: who sits on the way could put in his own"],
    );
    issuer("issuer = 'http://localhost:8000'", &[]);
    issuer("issuer = 'http://127.0.0.1:8000'", &[]);
    issuer(
        "issuer = 'http://idp.example'\ndangerous_allow_http = true",
        &["5:24 warning: `dangerous_allow_http`: whoever sits on the way to this issuer can make \
           keys of his own count"],
    );
    issuer("issuer = 'joe'\njwks_file = 'x'", &[]);
    let unlooked = "1:1 warning: `iss` is not looked at: whatever these keys have signed is let in";
    issuer("jwks_file = 'x'", &[unlooked]);
    issuer("jwks_url = 'ftp://idp.example/x'", &["4:12 keys are not fetched by `ftp`"]);
    issuer(
        "issuer = 'joe'\njwks_file = 'x'\njwks_url = 'https://idp.example'\nsecret_file = 'x'",
        &["5:13 `jwks_url` and `jwks_file` both say where the keys are"],
    );
    issuer(
        "issuer = 'joe'\njwks_file = 'x'\nca = 'x'\nrefresh = '1m'",
        &[
            "6:6 warning: `ca` has no use where the keys are in a file",
            "7:11 warning: `refresh` has no use where the keys are in a file",
        ],
    );
    issuer("issuer = 'joe'\njwks_file = ''", &["5:13 `jwks_file` is not the name of a file"]);
    issuer(
        "issuer = 'joe'\nsecret_file = '-----BEGIN PRIVATE KEY-----'",
        &["5:15 `secret_file` holds what belongs in a file"],
    );
}

#[test]
fn algorithms() {
    for (lines, expected) in [
        ("algorithms = ['HS256']", "5:15 HS256 needs a secret, and a JWK set is public"),
        ("algorithms = ['none']", "5:15 `algorithms` cannot be \"none\""),
        ("algorithms = ['rs256']", "5:15 `algorithms` cannot be \"rs256\""),
        ("algorithms = []", "5:14 `algorithms` is empty"),
        ("algorithms = ['ES256', 'ES256']", "5:24 \"ES256\" is there twice"),
        (
            "algorithms = ['HS256', 'RS256']\nsecret_file = 'x'",
            "5:24 RS256 needs a public key, and `secret_file` is a secret",
        ),
    ] {
        issuer(lines, &[expected]);
    }
}

#[test]
fn the_rest_of_an_issuer() {
    let nobody =
        "`aud` is not looked at: a token that this issuer made for another service is let in";
    let text = "[[issuers]]\nname = 'idp'\nissuer = 'https://idp.example'\n";
    check(text, &[&format!("1:1 warning: {nobody}")]);
    check(&format!("{text}audiences = []"), &[&format!("4:13 warning: {nobody}")]);
    issuer("clock_skew = '1h'", &["5:14 `clock_skew` is at least 0s and at most 10m"]);
    issuer("types = []", &["5:9 `types` is empty"]);
    issuer(
        "subject_claim = ''",
        &["5:17 the name of a claim has 1 to 256 characters, all of which can be seen"],
    );
    issuer("refresh = '0s'", &["5:11 `refresh` is at least 100ms and at most 1day"]);
    let slow = "5:13 `max_stale` is less than `refresh`: the keys would be thrown away before they are fetched again";
    issuer("max_stale = '1m'\nrefresh = '2m'", &[slow]);
    check(&format!("{ISSUER}{ISSUER}"), &["6:8 there are two issuers called \"idp\""]);
}

#[test]
fn paths_and_upstreams() {
    let path = |path: &str, expected: &[&str]| {
        check(&format!("[[routes]]\npath = '{path}'\nupstream = 'ws://[::1]'\n"), expected);
    };
    path("chat", &["2:8 a route's path begins with `/`"]);
    path("/chat/", &["2:8 a route's path has no empty or dot segments, and no `/` at its end"]);
    path("/a?b", &["2:8 a route's path cannot hold '?'"]);
    let upstream = |upstream: &str, expected: &[&str]| {
        check(&format!("[[routes]]\npath = '/'\nupstream = {upstream}\n"), expected);
    };
    upstream("'http://x'", &["3:12 an upstream is `ws://` or `wss://`, not `http://`"]);
    upstream("'localhost:9000'", &["3:12 \"localhost:9000\" is no address"]);
    upstream("[]", &["3:12 `upstream` is empty"]);
    upstream("'ws://u:p@x'", &["3:12 an address here has no user and no password"]);
    let plain = "3:12 warning: this upstream is not on this machine, and is reached without TLS: who sits on the way reads and writes along";
    upstream("'ws://10.0.0.1'", &[plain]);
    upstream("'wss://10.0.0.1'", &[]);
    route("ca = 'x'", &["4:6 warning: `ca` has no use: no upstream is `wss://`"]);
}

#[test]
fn routes_that_hide_each_other() {
    let two = |one: &str, other: &str, expected: &[&str]| {
        check(&format!("{ROUTE}{one}\n{ROUTE}{other}\n"), expected);
    };
    two("", "", &["6:8 there are two routes for \"/\""]);
    two("hosts = ['a', 'b']", "hosts = ['b', 'c']", &["6:8 there are two routes for \"/\" on b"]);
    two("hosts = ['a']", "hosts = ['a:80']", &["6:8 there are two routes for \"/\" on a:80"]);
    two("hosts = ['a']", "hosts = ['b']", &[]);
    two("hosts = ['a']", "", &[]);
    let hidden =
        "6:8 this route is never reached: the one before it has the same path and every host";
    two("", "hosts = ['a']", &[hidden]);
}

#[test]
fn who_may_ask() {
    route("origins = ['app.example']", &["4:12 \"app.example\" is no origin"]);
    route("origins = ['https://app.example/']", &["4:12 \"https://app.example/\" is no origin"]);
    route("origins = ['null']", &["4:12 \"null\" is no origin"]);
    route("origins = ['*']", &[]);
    route("origins = ['https://a', '*']", &["4:25 warning: `*` is every page already"]);
    route("hosts = ['https://a']", &["4:10 \"https://a\" is no host"]);
    route("scopes = ['a b']", &["4:11 \"a b\" is no scope (RFC 6749 section 3.3)"]);
    route("issuers = ['ipd']", &["4:12 there is no issuer called \"ipd\""]);
    route("issuers = []", &["4:11 `issuers` is empty"]);
}

#[test]
fn a_faulty_issuer_is_still_one() {
    let issuer = "[[issuers]]\nname = 'idp'\nissuer = 'https://idp.example'\naudiences = 3\n";
    check(
        &format!("{issuer}{ROUTE}issuers = ['idp']\n"),
        &["4:13 `audiences` is an array of strings, and this is an integer"],
    );
}

#[test]
fn carriers() {
    for (lines, expected) in [
        ("accept = ['cookie']", "4:11 `accept` has `cookie`, and no `cookie` says which"),
        ("cookie = 'x'", "4:10 `cookie` has no use: `accept` does not have it"),
        (
            "accept = ['cookie']\ncookie = 'a b'",
            "5:10 \"a b\" is no name of a cookie (RFC 6265 section 4.1.1)",
        ),
        (
            "accept = ['cookie']\ncookie = 'x'\norigins = ['*']",
            "6:11 every page of the world could open a socket with the user's cookie",
        ),
        (
            "accept = ['query']",
            "4:11 `query` is for tickets, and `mechanisms` does not have `ticket`",
        ),
        (
            "accept = ['query']\ndangerous_token_in_query = false",
            "4:11 `query` is for tickets, and `mechanisms` does not have `ticket`",
        ),
        (
            "dangerous_token_in_query = true",
            "4:28 `dangerous_token_in_query` has no use: `accept` does not have `query`",
        ),
        ("accept = []", "4:10 `accept` is empty"),
        ("accept = ['headers']", "4:11 `accept` cannot be \"headers\""),
        ("accept = ['header', 'header']", "4:21 \"header\" is there twice"),
        ("mechanisms = ['ticket']", "4:15 \"ticket\" is of the gateway's own making"),
        ("mechanisms = ['public-key']", "4:15 \"public-key\" is of the gateway's own making"),
        ("mechanisms = ['scram-sha-256']", "4:15 \"scram-sha-256\" is of the gateway's own making"),
        (
            "accept = ['header']\nmechanisms = ['public-key']\n[auth]",
            "5:14 \"public-key\" asks back, and `accept` does not have `message`",
        ),
        (
            "sessions = 'issue'",
            "4:12 session tokens are of the gateway's own making: they need the section `[auth]`",
        ),
        ("mechanisms = ['anonymous']", "4:15 \"anonymous\" is not available yet"),
        ("mechanisms = ['Bearer']", "4:15 `mechanisms` cannot be \"Bearer\""),
    ] {
        route(lines, &[expected]);
    }
}

#[test]
fn spans() {
    route("auth_deadline = '0s'", &["4:17 `auth_deadline` is at least 100ms and at most 5m"]);
    route("expiry_grace = '2h'", &["4:16 `expiry_grace` is at least 0s and at most 1h"]);
    let late = "clients are told only after their credential has expired: `expiry_warning` counts from the end of `expiry_grace`, and is shorter";
    route("expiry_grace = '1m'", &[&format!("4:16 warning: {late}")]);
    route("expiry_grace = '1m'\nexpiry_warning = '10s'", &[&format!("5:18 warning: {late}")]);
    route("expiry_grace = '1m'\nexpiry_warning = '2m'", &[]);
    route("idle_timeout = 'never'", &["4:16 \"never\" is no duration"]);
    route("max_lifetime = '-1s'", &["4:16 \"-1s\" is no duration"]);
}

#[test]
fn manners() {
    for (lines, expected) in [
        ("reject = 'http2'", "4:10 `reject` cannot be \"http2\""),
        ("compression = 'on'", "4:15 `compression` cannot be \"on\""),
        ("identity = 'oauth2_proxy'", "4:12 `identity` cannot be \"oauth2_proxy\""),
        ("assertion = 'on'", "4:13 `assertion` cannot be \"on\""),
        ("dialect = 'graphql-ws'", "4:11 the dialect \"graphql-ws\" is not available yet"),
        ("dialect = 'nativ'", "4:11 `dialect` cannot be \"nativ\""),
        ("subprotocols = ['a b']", "4:17 \"a b\" is no subprotocol (RFC 6455 section 4.1)"),
        (
            "subprotocols = ['bearer']",
            "4:17 \"bearer\" carries credentials, and is never the upstream's",
        ),
        (
            "announce = true\naccept = ['header']",
            "4:12 warning: `announce` tells clients to authenticate in band, and `accept` does not have `message`",
        ),
        ("close_codes = { x = 3000 }", "4:17 \"x\" is no close code"),
        ("close_codes = { 4999 = 3000 }", "4:17 no connection is ever closed with 4999"),
        (
            "close_codes = { 4401 = 1005 }",
            "4:24 a server cannot close with 1005: use 1000 to 1014 or 3000 to 4999",
        ),
        (
            "close_codes = { 4401 = '3000' }",
            "4:24 what to send instead is a close code, such as 3000",
        ),
    ] {
        route(lines, &[expected]);
    }
}

#[test]
fn what_strangers_on_the_network_could_use() {
    let clear = "credentials cross the network in the clear: this address is not on this machine alone, and there is no TLS";
    server(
        "listen = ['127.0.0.1:1', '0.0.0.0:2']",
        &[&format!("2:26 warning: {clear}"), "10:8 warning: this route serves every host"],
    );
    server("listen = '127.0.0.1:1'", &[]);
    server("listen = '[::ffff:127.0.0.1]:1'", &[]);
    check(
        "[admin]\nlisten = '0.0.0.0:80'\n",
        &["2:10 warning: metrics and health can be read by everybody who reaches this address"],
    );
    server(
        "pending = 3",
        &["1:1 warning: `pending_per_address` is more than `pending`, so one address can take all"],
    );
}

#[test]
fn a_variable_is_named() {
    let check = |list: &[(&str, &str)], expected: &[&str]| {
        let report = match parse(&format!("{ISSUER}{ROUTE}"), list) {
            Ok(loaded) => loaded.report,
            Err(report) => report,
        };
        assert_eq!(said(&report), expected, "{report}");
    };
    check(
        &[("VESTIBULE_SERVER__WORKERS", "many")],
        &["many `workers` is an integer, and this is a string"],
    );
    check(&[("VESTIBULE_SERVER__WORKERS", "0")], &["0 `workers` is a number from 1 to 1024"]);
    check(
        &[("VESTIBULE_ROUTES__0__ANNOUNCE", "1")],
        &["1 `announce` is true or false, and this is a string"],
    );
    check(
        &[("VESTIBULE_SERVER__TRUSTED_PROXIES", "10.0.0.1,, x ")],
        &["x \"x\" is neither an address nor a block of addresses"],
    );
    let name = "VESTIBULE_SERVR__LISTEN";
    check(&[(name, "x")], &[&format!("{name} there is no section \"servr\"")]);
    let name = "VESTIBULE_SERVER__LISTN";
    check(&[(name, "x")], &[&format!("{name} there is no key \"listn\" in [server]")]);
    let name = "VESTIBULE_SERVER__LISTEN__0";
    check(
        &[(name, "x")],
        &[&format!("{name} `listen` is a string or list of strings and not set like this")],
    );
    let name = "VESTIBULE_SERVER__TLS";
    check(&[(name, "x")], &[&format!("{name} `tls` is a table and not set like this")]);
    let name = "VESTIBULE_SERVER__TLS__CRT";
    check(&[(name, "x")], &[&format!("{name} there is no key \"crt\" in [server.tls]")]);
    let name = "VESTIBULE_ROUTES__PATH";
    check(&[(name, "x")], &[&format!("{name} the variable does not say which of the routes")]);
    let name = "VESTIBULE_ROUTES__2__PATH";
    check(
        &[(name, "x")],
        &[&format!("{name} the variable leaves a gap: there are 1 routes before it")],
    );
    let name = "VESTIBULE__";
    check(&[(name, "x")], &[&format!("{name} there is no section \"_\"")]);
}

#[test]
fn a_long_file_is_not_read() {
    let report = parse(&"#".repeat(FILE_BYTES + 1), &[]).unwrap_err();
    assert!(said(&report)[0].contains("is longer than"), "{report}");
}
