//! What is said about the gateway's own identities and the store.

use vestibule_authority::webauthn::Verification;
use vestibule_core::authn::Mechanism;

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
fn passkeys() {
    let unnamed = "4:15 passkeys are for a domain, and none is named";
    check(&format!("{ROUTE}mechanisms = ['webauthn']"), &[unnamed]);
    check(&format!("{ROUTE}mechanisms = ['webauthn']\n[auth]"), &[unnamed]);
    let silent =
        "accept = ['header']\nmechanisms = ['webauthn']\n[auth.webauthn]\nrp_id = 'a.example'";
    let asks = "5:14 \"webauthn\" asks back, and `accept` does not have `message`";
    check(&format!("{ROUTE}{silent}"), &[asks]);
    // Its own faults are said once.
    let faulty = "mechanisms = ['webauthn']\n[auth.webauthn]\nrp_id = 'https://a.example'";
    check(&format!("{ROUTE}{faulty}"), &["6:9 \"https://a.example\" is no domain"]);
    let with = |lines: &str| format!("[auth.webauthn]\n{lines}\n");
    for (lines, expected) in [
        ("", "1:1 `rp_id` is missing in [auth.webauthn]"),
        ("rp_id = ''", "2:9 \"\" is no domain"),
        ("rp_id = '127.0.0.1'", "2:9 \"127.0.0.1\" is no domain"),
        ("rp_id = '[::1]'", "2:9 \"[::1]\" is no domain"),
        ("rp_id = 'a.example:443'", "2:9 \"a.example:443\" is no domain"),
        ("rp_id = 'A.example'", "2:9 browsers write \"A.example\" as \"a.example\""),
        ("rp_id = 'a.example.'", "2:9 browsers write \"a.example.\" as \"a.example\""),
        (
            "rp_id = 'a'\nrp_name = ''",
            "3:11 the name has 1 to 256 characters, all of which can be seen",
        ),
        ("rp_id = 'a'\nuser_verification = 'no'", "3:21 `user_verification` cannot be \"no\""),
        ("rp_id = 'a'\norigins = []", "3:11 `origins` is empty"),
        ("rp_id = 'a'\norigins = ['a']", "3:12 \"a\" is no origin"),
        ("rp_id = 'a'\norigins = ['https://a/']", "3:12 \"https://a/\" is no origin"),
        ("rp_id = 'a'\norigins = ['https://*.a']", "3:12 \"https://*.a\" is no origin"),
        (
            "rp_id = 'a'\norigins = ['https://A']",
            "3:12 browsers write \"https://A\" as \"https://a\"",
        ),
        (
            "rp_id = 'a'\norigins = ['https://a:443']",
            "3:12 browsers write \"https://a:443\" as \"https://a\"",
        ),
        (
            "rp_id = 'a'\norigins = ['http://a']",
            "3:12 browsers have no passkeys on \"http://a\": it is neither `https` nor this machine",
        ),
        (
            "rp_id = 'a.example'\norigins = ['https://b.example']",
            "3:12 browsers use no passkey of \"a.example\" on pages of \"b.example\"",
        ),
        (
            "rp_id = 'a.example'\norigins = ['https://ba.example']",
            "3:12 browsers use no passkey of \"a.example\" on pages of \"ba.example\"",
        ),
        (
            "rp_id = 'www.a.example'\norigins = ['https://a.example']",
            "3:12 browsers use no passkey of \"www.a.example\" on pages of \"a.example\"",
        ),
    ] {
        check(&with(lines), &[expected]);
    }
}

#[test]
fn passkeys_are_for_pages_of_a_domain() {
    let text = |lines: &str| format!("{ROUTE}[auth.webauthn]\n{lines}\n");
    let read = |lines: &str, environment: &[(&str, &str)]| {
        let Loaded { config, report, .. } = parse(&text(lines), environment).unwrap();
        assert!(report.faults().is_empty(), "{report}");
        config.auth.unwrap().webauthn.unwrap()
    };
    let plain = read("rp_id = 'a.example'", &[]);
    assert_eq!((&*plain.id, &*plain.name), ("a.example", "a.example"));
    assert_eq!(*plain.origins, ["https://a.example".into()]);
    assert_eq!(plain.verification, Verification::Required);
    let full = read(
        "rp_id = 'a.example'\nrp_name = 'A'\nuser_verification = 'preferred'\n\
         origins = ['https://a.example', 'https://x.a.example:8443']",
        &[("VESTIBULE_AUTH__WEBAUTHN__RP_NAME", "B")],
    );
    assert_eq!((&*full.name, full.verification), ("B", Verification::Preferred));
    assert_eq!(full.origins.len(), 2);
    let here = read("rp_id = 'localhost'\norigins = ['http://localhost:8080']", &[]);
    assert_eq!(*here.origins, ["http://localhost:8080".into()]);
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

#[test]
fn second_proofs() {
    let route = "[[routes]]\npath = '/chat'\nupstream = 'ws://127.0.0.1:9000'\n";
    let with = |lines: &str| format!("{route}{lines}\n[auth]\n");
    check(&with("step_up = { mechanisms = ['public-key'], within = '2m', amr = ['hwk'] }"), &[]);
    check(&with("step_up = { mechanisms = ['bearer'], acr = ['gold'] }\nacr = ['silver']"), &[]);
    for (lines, expected) in [
        (
            "accept = ['header']\nstep_up = { mechanisms = ['public-key'] }",
            "5:11 clients are asked in band for a second proof, and `accept` does not have `message`",
        ),
        ("step_up = true", "4:11 `step_up` is a table, and this is a boolean"),
        ("step_up = {}", "4:11 `mechanisms` is missing in [routes.step_up]"),
        ("step_up = { mechanisms = [] }", "4:26 `mechanisms` is empty"),
        (
            "step_up = { mechanisms = ['public-key'], with = '1m' }",
            "4:42 there is no key \"with\" in [routes.step_up]",
        ),
        ("step_up = { mechanisms = ['hope'] }", "4:27 `mechanisms` cannot be \"hope\""),
        (
            "step_up = { mechanisms = ['public-key'], within = '11m' }",
            "4:51 `within` is at least 1s and at most 10m",
        ),
        (
            "step_up = { mechanisms = ['ticket'] }",
            "4:26 `ticket` proves nothing that the connection has not shown already",
        ),
        (
            "mechanisms = ['session']\nstep_up = { mechanisms = ['bearer'] }",
            "5:26 `bearer` proves nothing that the connection has not shown already",
        ),
        (
            "mechanisms = ['public-key']\nstep_up = { mechanisms = ['public-key'] }",
            "5:26 warning: `step_up` has no use: everybody comes in by one of its mechanisms",
        ),
        ("acr = ['two words']", "4:8 \"two words\" cannot be a value of `acr`"),
        ("amr = ['\"']", "4:8 \"\\\"\" cannot be a value of `amr`"),
        ("amr = []", "4:7 `amr` is empty"),
    ] {
        check(&with(lines), &[expected]);
    }
}

#[test]
fn a_second_proof_by_variables() {
    let variables = [
        ("VESTIBULE_ROUTES__0__STEP_UP__MECHANISMS", "public-key,scram-sha-256"),
        ("VESTIBULE_ROUTES__0__STEP_UP__WITHIN", "90s"),
    ];
    let Loaded { config, .. } = parse(&format!("{ROUTE}[auth]\n"), &variables).unwrap();
    let step_up = config.routes[0].policy.step_up.clone().unwrap();
    assert_eq!(step_up.mechanisms(), [Mechanism::PublicKey, Mechanism::ScramSha256]);
    assert_eq!(step_up.within().as_secs(), 90);
}

#[test]
fn tokens_that_are_bound_or_come_in_a_message() {
    let route = |lines: &str, expected: &[&str]| {
        let issuer = "[[issuers]]\nname = 'idp'\njwks_url = 'http://127.0.0.1:1/'\naudiences = ['a']\n\
                      issuer = 'https://idp'\n";
        let route = "[[routes]]\npath = '/'\nupstream = 'ws://127.0.0.1:9000'\n";
        check(&format!("{issuer}{route}{lines}\nhosts = ['ws.example']\n"), expected);
    };
    let anywhere = "[[issuers]]\nname = 'idp'\njwks_url = 'http://127.0.0.1:1/'\naudiences = ['a']\n\
                    issuer = 'https://idp'\n[[routes]]\npath = '/'\nmechanisms = ['dpop']\n\
                    upstream = 'ws://127.0.0.1:9000'\n";
    let expected = "8:14 warning: a proof that was made for another server counts here, too: this \
                    route serves every host";
    check(anywhere, &[expected]);
    for accept in ["header", "message"] {
        route(&format!("accept = ['{accept}']\nmechanisms = ['dpop']"), &[]);
    }
    route("accept = ['message']\nmechanisms = ['oauthbearer']", &[]);
    route("mechanisms = ['dpop']\ndpop_nonce = 'off'", &[]);
    for (lines, expected) in [
        (
            "accept = ['subprotocol']\nmechanisms = ['dpop']",
            "10:14 \"dpop\" comes by header or message, and `accept` does not have either",
        ),
        (
            "accept = ['header']\nmechanisms = ['bearer', 'oauthbearer']",
            "10:14 \"oauthbearer\" is a message, and `accept` does not have `message`",
        ),
        ("dpop_nonce = 'never'", "9:14 `dpop_nonce` cannot be \"never\""),
        (
            "dpop_nonce = 'off'",
            "9:14 warning: `dpop_nonce` has no use: it is about `dpop` by `header`",
        ),
    ] {
        route(lines, &[expected]);
    }
}
