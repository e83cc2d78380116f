//! The whole text of some reports, as a person reads them.

use super::*;

#[track_caller]
fn check(text: &str, environment: &[(&str, &str)], expected: &str) {
    let report = match parse(text, environment) {
        Ok(loaded) => loaded.report,
        Err(report) => report,
    };
    assert_eq!(report.to_string(), expected);
}

#[test]
fn a_key_that_there_is_not() {
    check(
        r"[server]
lsiten = '127.0.0.1:8080'
[[issuers]]
name = 'idp'
issuer = 'https://idp.example'
audiences = ['a']
[[routes]]
path = '/'
upstream = 'ws://127.0.0.1:9000'
",
        &[],
        r#"error: there is no key "lsiten" in [server]
 --> vestibule.toml:2:1
  |
2 | lsiten = '127.0.0.1:8080'
  | ^^^^^^
  |
  = help: did you mean `listen`?

"#,
    );
}

#[test]
fn a_key_of_another_section() {
    check(
        r"[[issuers]]
name = 'idp'
issuer = 'https://idp.example'
audiences = ['a']
[[routes]]
path = '/'
upstream = 'ws://127.0.0.1:9000'
trusted_proxies = ['10.0.0.0/8']
",
        &[],
        r#"error: there is no key "trusted_proxies" in [[routes]]
 --> vestibule.toml:8:1
  |
8 | trusted_proxies = ['10.0.0.0/8']
  | ^^^^^^^^^^^^^^^
  |
  = help: that is a key of [server]

"#,
    );
}

#[test]
fn a_value_of_the_wrong_type() {
    check(
        r#"[server]
workers = "4"
[[issuers]]
name = 'idp'
issuer = 'https://idp.example'
audiences = ['a']
[[routes]]
path = '/'
upstream = 'ws://127.0.0.1:9000'
"#,
        &[],
        r#"error: `workers` is an integer, and this is a string
 --> vestibule.toml:2:11
  |
2 | workers = "4"
  |           ^^^

"#,
    );
}

#[test]
fn a_value_out_of_bounds() {
    check(
        r#"[[issuers]]
name = 'idp'
issuer = 'https://idp.example'
audiences = ['a']
[[routes]]
path = '/'
upstream = 'ws://127.0.0.1:9000'
auth_deadline = "1h"
"#,
        &[],
        r#"error: `auth_deadline` is at least 100ms and at most 5m
 --> vestibule.toml:8:17
  |
8 | auth_deadline = "1h"
  |                 ^^^^

"#,
    );
}

#[test]
fn a_key_that_must_be_there() {
    check(
        r#"[[issuers]]
name = 'idp'
issuer = 'https://idp.example'
audiences = ['a']

[[routes]]
path = "/chat"
"#,
        &[],
        r#"error: `upstream` is missing in [[routes]]
 --> vestibule.toml:6:1
  |
6 | [[routes]]
  | ^^^^^^^^^^
  |
  = help: write, for instance, `upstream = "ws://127.0.0.1:9000/socket"`

"#,
    );
}

#[test]
fn two_places_that_belong_together() {
    check(
        r#"[[issuers]]
name = 'idp'
issuer = 'https://idp.example'
audiences = ['a']
[[routes]]
path = '/'
upstream = 'ws://127.0.0.1:9000'
accept = ["header", "cookie"]
cookie = "session"
origins = ["*"]
"#,
        &[],
        r#"error: every page of the world could open a socket with the user's cookie
  --> vestibule.toml:10:11
   |
 8 | accept = ["header", "cookie"]
   |                     -------- cookies are taken here
 9 | cookie = "session"
10 | origins = ["*"]
   |           ^^^^^
   |
   = help: list the origins, or do without the cookie

"#,
    );
}

#[test]
fn a_name_that_nobody_has() {
    check(
        r#"[[issuers]]
name = 'idp'
issuer = 'https://idp.example'
audiences = ['a']
[[routes]]
path = '/'
upstream = 'ws://127.0.0.1:9000'
issuers = ["ipd"]
"#,
        &[],
        r#"error: there is no issuer called "ipd"
 --> vestibule.toml:8:12
  |
8 | issuers = ["ipd"]
  |            ^^^^^
  |
  = help: did you mean "idp"?

"#,
    );
}

#[test]
fn two_of_a_kind() {
    check(
        r"[[issuers]]
name = 'idp'
issuer = 'https://idp.example'
audiences = ['a']
[[routes]]
path = '/'
upstream = 'ws://127.0.0.1:9000'

[[routes]]
path = '/'
upstream = 'ws://127.0.0.1:9000'
",
        &[],
        r#"error: there are two routes for "/"
  --> vestibule.toml:10:8
   |
 6 | path = '/'
   |        --- the other one
...
10 | path = '/'
   |        ^^^

"#,
    );
}

#[test]
fn a_secret_where_none_belongs() {
    check(
        r#"[[issuers]]
name = 'idp'
issuer = 'https://idp.example'
audiences = ['a']
client_secret = "hunter2"
[[routes]]
path = '/'
upstream = 'ws://127.0.0.1:9000'
"#,
        &[],
        r#"error: there is no key "client_secret" in [[issuers]]
 --> vestibule.toml:5:1
  |
5 | client_secret = *********
  | ^^^^^^^^^^^^^
  |
  = help: did you mean `client_secret_file`?

"#,
    );
}

#[test]
fn an_address_with_a_password() {
    check(
        r#"[[issuers]]
name = 'idp'
issuer = 'https://idp.example'
audiences = ['a']
jwks_url = "https://joe:hunter2@idp.example/keys"
[[routes]]
path = '/'
upstream = 'ws://127.0.0.1:9000'
"#,
        &[],
        r"error: an address here has no user and no password
 --> vestibule.toml:5:12
  |
5 | jwks_url = **************************************
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

",
    );
}

#[test]
fn a_warning() {
    check(
        r#"[server]
listen = ["127.0.0.1:8080", "0.0.0.0:80"]
[[issuers]]
name = 'idp'
issuer = 'https://idp.example'
audiences = ['a']
[[routes]]
path = '/'
upstream = 'ws://127.0.0.1:9000'
hosts = ["a.example"]
"#,
        &[],
        r#"warning: credentials cross the network in the clear: this address is not on this machine alone, and there is no TLS
 --> vestibule.toml:2:29
  |
2 | listen = ["127.0.0.1:8080", "0.0.0.0:80"]
  |                             ^^^^^^^^^^^^
  |
  = help: write `tls = { cert = "…", key = "…" }`; or, where a proxy in front speaks TLS, `trusted_proxies`

"#,
    );
}

#[test]
fn a_variable_with_a_wrong_value() {
    check(
        r"[[issuers]]
name = 'idp'
issuer = 'https://idp.example'
audiences = ['a']
[[routes]]
path = '/'
upstream = 'ws://127.0.0.1:9000'
",
        &[("VESTIBULE_ROUTES__0__HOSTS", "ws.example.com, b c")],
        r#"error: "b c" is no host
 --> environment:1:44
  |
1 | VESTIBULE_ROUTES__0__HOSTS=ws.example.com, b c
  |                                            ^^^
  |
  = help: write it like `ws.example.com` or `ws.example.com:8443`

"#,
    );
}

#[test]
fn a_variable_that_means_nothing() {
    check(
        r"[[issuers]]
name = 'idp'
issuer = 'https://idp.example'
audiences = ['a']
[[routes]]
path = '/'
upstream = 'ws://127.0.0.1:9000'
",
        &[("VESTIBULE_SERVER__TOKEN", "hunter2")],
        r#"error: there is no key "token" in [server]
 --> environment:1:1
  |
1 | VESTIBULE_SERVER__TOKEN=…
  | ^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: its keys are `listen`, `tls`, `trusted_proxies`, `workers`, `drain`, `pending_per_address`, `pending` and `assertion_key`

"#,
    );
}

#[test]
fn nothing_at_all() {
    check(
        r"# nothing
",
        &[],
        r"error: there is no [[issuers]]
--> vestibule.toml
 = help: `vestibule init` writes a file to begin with

error: there is no [[routes]]
--> vestibule.toml
 = help: `vestibule init` writes a file to begin with

",
    );
}

#[test]
fn a_fault_of_syntax() {
    check(
        r#"[[issuers]]
name = 'idp'
issuer = 'https://idp.example'
audiences = ['a']
[[routes]]
path = '/'
upstream = 'ws://127.0.0.1:9000'
scopes = ["a"
"#,
        &[],
        r#"error: unclosed array, expected `]`
 --> vestibule.toml:8:14
  |
8 | scopes = ["a"
  |              ^

"#,
    );
}
