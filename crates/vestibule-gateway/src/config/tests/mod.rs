//! What is understood, what is refused, and how it is said.

mod certificates;
mod faults;
mod files;
mod identities;
mod introspection;
mod noise;
mod per_message;
mod rendered;

use std::{ffi::OsString, time::Duration};

use vestibule_core::policy::{
    Announce, Carrier, ForwardCredential, RejectStyle, RoutePolicy, TokenInQuery,
    origin::OriginPolicy,
};
use vestibule_verify::jwt::Algorithm;

use super::*;

/// An issuer that nothing is said about.
const ISSUER: &str =
    "[[issuers]]\nname = 'idp'\nissuer = 'https://idp.example'\naudiences = ['a']\n";
/// A route that nothing is said about.
const ROUTE: &str = "[[routes]]\npath = '/'\nupstream = 'ws://127.0.0.1:9000'\n";

fn variables(list: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    list.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Loaded, Report> {
    Config::parse("vestibule.toml", text, variables(environment))
}

/// Every fault and warning as `line:column message`.
fn said(report: &Report) -> Vec<String> {
    let line = |fault: &Fault| {
        let place = match (&fault.place, report.position(fault)) {
            (_, Some((line, column))) => format!("{line}:{column}"),
            (Place::Variable(text, span), None) => text.get(span.clone()).unwrap().to_owned(),
            (_, None) => "-".to_owned(),
        };
        let severity = match fault.severity {
            Severity::Fault => "",
            Severity::Warning => "warning: ",
        };
        format!("{place} {severity}{}", fault.message)
    };
    report.faults().iter().map(line).collect()
}

#[test]
fn little_has_to_be_written() {
    let Loaded { config, report, .. } = parse(&format!("{ISSUER}{ROUTE}"), &[]).unwrap();
    assert_eq!(said(&report), Vec::<String>::new());
    let Config { server, log, issuers, certificates, routes, store, auth, admin } = config;
    assert_eq!(certificates, []);
    assert_eq!((store, auth), (Store::Memory, None));
    assert_eq!(server.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(server.tls, None);
    assert_eq!(server.drain, Duration::from_secs(10));
    assert_eq!((server.pending_per_address, server.pending), (64, 4096));
    assert_eq!((&*log.level, log.format), ("info", LogFormat::Auto));
    assert_eq!(admin, None);
    let [issuer] = issuers.as_slice() else { panic!("{issuers:?}") };
    assert_eq!((&*issuer.name, issuer.issuer.as_deref()), ("idp", Some("https://idp.example")));
    assert_eq!(issuer.source, KeySource::Discovery);
    assert_eq!((issuer.algorithms.len(), &issuer.types), (0, &None));
    assert_eq!(issuer.clock_skew, Duration::from_secs(30));
    assert_eq!(issuer.refresh, Duration::from_mins(5));
    assert_eq!(issuer.max_stale, Duration::from_hours(24));
    let [route] = routes.as_slice() else { panic!("{routes:?}") };
    assert_eq!(*route.issuers, [0]);
    assert_eq!(route.policy.origins, OriginPolicy::default());
    assert_eq!(route.identity, IdentityPreset::Vestibule);
    assert_eq!(route.assertion, Assertion::Signed);
    assert_eq!(route.compression, Compression::Auto);
    assert_eq!(route.policy.forward_credential, ForwardCredential::No);
}

/// Every key, and nothing that is its default.
const EVERYTHING: &str = r#"
[server]
listen = ["0.0.0.0:443", "[::1]:0"]
trusted_proxies = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]
workers = 0x10
drain = "1m 30s"
pending_per_address = 1_000
pending = 5000
assertion_key = "assertion.pem"
[server.tls]
cert = "cert.pem"
key = "/etc/key.pem"
[log]
level = "info,vestibule_gateway=debug"
format = "json"
[[issuers]]
name = "idp"
issuer = "https://idp.example/"
jwks_url = "http://idp.example/keys"
dangerous_allow_http = true
audiences = ["a", "b"]
algorithms = ["RS256", "Ed25519"]
clock_skew = "0s"
types = ["at+jwt", ""]
subject_claim = "uid"
scope_claim = "scp"
groups_claim = "roles"
ca = "ca.pem"
refresh = "1m"
max_stale = "1h"
[[issuers]]
name = "own"
issuer = "own"
secret_file = "own.secret"
audiences = ["a"]
[[routes]]
path = "/chat"
upstream = ["ws://127.0.0.1:9000/socket/", "wss://[2001:db8::1]/?room=1"]
ca = "ca.pem"
origins = ["https://app.example", "https://*.example:8443"]
hosts = ["ws.example", "ws.example:8443"]
accept = ["header", "cookie", "query", "subprotocol", "message"]
cookie = "session"
dangerous_token_in_query = true
mechanisms = ["bearer", "ticket", "session", "api-key"]
sessions = "rotate"
issuers = ["own", "local"]
scopes = ["chat", "urn:x:y"]
dialect = "native"
auth_deadline = "2s"
expiry_grace = "0s"
expiry_warning = "1m"
max_lifetime = "12h"
idle_timeout = "10m"
reject = "close"
announce = true
subprotocols = ["chat.v1"]
compression = "off"
identity = "oauth2-proxy"
assertion = "off"
forward_credential = true
close_codes = { 4401 = 3000, 4403 = 3003 }
[store]
backend = "embedded"
path = "state.db"
[auth]
path = "/id"
issuer = "https://ws.example"
access_token = "5m"
refresh_token = "1d"
session = "1h"
ticket = "5s"
tickets_per_principal = 4
tickets = 100
key_rotation = "2d"
[admin]
listen = "[::1]:9480"
token_file = "/run/admin.token"
audit_log = "audit.log"
"#;

#[test]
fn everything_can_be_written() {
    let Loaded { config, report, .. } =
        Config::parse("/etc/vestibule/vestibule.toml", EVERYTHING, []).unwrap();
    let said = said(&report);
    assert!(said.len() == 2 && said.iter().all(|text| text.contains("`dangerous_")), "{said:?}");
    let Config { server, log, issuers, certificates, routes, store, auth, admin } = config;
    assert_eq!(certificates, []);
    assert_eq!(store, Store::Embedded("/etc/vestibule/state.db".into()));
    let auth = auth.unwrap();
    assert_eq!((&*auth.path, &*auth.issuer), ("/id", "https://ws.example"));
    assert_eq!(
        (auth.access_token, auth.refresh_token),
        (Duration::from_mins(5), Duration::from_hours(24))
    );
    assert_eq!((auth.session, auth.ticket), (Duration::from_hours(1), Duration::from_secs(5)));
    assert_eq!((auth.tickets_per_principal, auth.tickets), (4, 100));
    assert_eq!(auth.key_rotation, Duration::from_hours(48));
    assert_eq!(server.listen.len(), 2);
    assert_eq!(server.assertion_key.unwrap(), Path::new("/etc/vestibule/assertion.pem"));
    let tls = server.tls.unwrap();
    assert_eq!(tls.cert, Path::new("/etc/vestibule/cert.pem"));
    assert_eq!(tls.key, Path::new("/etc/key.pem"));
    assert_eq!(server.trusted_proxies[1].to_string(), "192.0.2.7/32");
    assert_eq!(server.workers.get(), 16);
    assert_eq!(server.drain, Duration::from_secs(90));
    assert_eq!((server.pending_per_address, server.pending), (1000, 5000));
    assert_eq!((&*log.level, log.format), ("info,vestibule_gateway=debug", LogFormat::Json));
    let admin = admin.unwrap();
    assert_eq!(admin.listen.port(), 9480);
    assert_eq!(admin.token_file, Path::new("/run/admin.token"));
    assert_eq!(admin.audit_log.unwrap(), Path::new("/etc/vestibule/audit.log"));
    let [idp, own] = issuers.as_slice() else { panic!("{issuers:?}") };
    assert_eq!(idp.source, KeySource::JwksUrl("http://idp.example/keys".into()));
    assert_eq!(idp.http, DangerousHttp::Allowed);
    assert_eq!(*idp.algorithms, [Algorithm::Rs256, Algorithm::EdDsa]);
    assert_eq!(idp.types.as_ref().unwrap().len(), 2);
    assert_eq!((idp.refresh, idp.max_stale), (Duration::from_mins(1), Duration::from_hours(1)));
    assert_eq!(own.source, KeySource::SecretFile("/etc/vestibule/own.secret".into()));
    assert_eq!(*own.algorithms, [Algorithm::Hs256]);
    let [route] = routes.as_slice() else { panic!("{routes:?}") };
    assert_eq!(*route.issuers, [1, 2]);
    assert_eq!(route.sessions, Sessions::Rotate);
    let [one, two] = route.upstreams.as_slice() else { panic!("{route:?}") };
    assert_eq!((&*one.path, one.authority(), &one.tls), ("/socket/", "127.0.0.1:9000", &None));
    assert_eq!((&*two.path, two.authority()), ("/?room=1", "[2001:db8::1]"));
    let ca = Some("/etc/vestibule/ca.pem".into());
    assert_eq!(two.tls, Some(UpstreamTls { ca }));
    assert_eq!(route.identity, IdentityPreset::Oauth2Proxy);
    assert_eq!(route.assertion, Assertion::Off);
    assert_eq!(route.compression, Compression::Off);
    everything_of_a_policy(&route.policy);
}

fn everything_of_a_policy(policy: &RoutePolicy) {
    assert_eq!(policy.path.as_str(), "/chat");
    assert_eq!((policy.hosts.len(), policy.scopes.len()), (2, 2));
    assert_eq!(policy.accept.len(), 5);
    assert!(policy.accept.contains(&Carrier::Query));
    assert_eq!(policy.cookie.as_deref(), Some("session"));
    assert_eq!(policy.token_in_query, TokenInQuery::Taken);
    assert_eq!(policy.auth_deadline, Duration::from_secs(2));
    assert_eq!(policy.expiry_grace, Duration::ZERO);
    assert_eq!(policy.expiry_warning, Duration::from_mins(1));
    assert_eq!(policy.max_lifetime, Some(Duration::from_hours(12)));
    assert_eq!(policy.idle_timeout, Some(Duration::from_mins(10)));
    assert_eq!((policy.reject, policy.announce), (RejectStyle::Close, Announce::Yes));
    assert_eq!((policy.close_codes.get(4401), policy.close_codes.get(4408)), (3000, 4408));
    assert_eq!(policy.forward_credential, ForwardCredential::Yes);
    assert_eq!(*policy.subprotocols, ["chat.v1".into()]);
}

#[test]
fn keys_that_die_before_they_are_fetched_again_are_fetched_sooner() {
    let text = format!("{ISSUER}max_stale = '1s'\n{ROUTE}");
    let issuer = parse(&text, &[]).unwrap().config.issuers.remove(0);
    assert_eq!(issuer.refresh, Duration::from_secs(1));
}

#[test]
fn without_identity_there_is_no_assertion_unless_it_was_asked_for() {
    for (lines, expected) in [
        ("identity = 'none'", Assertion::Off),
        ("identity = 'none'\nassertion = 'signed'", Assertion::Signed),
        ("identity = 'authelia'", Assertion::Signed),
    ] {
        let loaded = parse(&format!("{ISSUER}{ROUTE}{lines}\n"), &[]).unwrap();
        assert_eq!(loaded.config.routes[0].assertion, expected, "{lines}");
    }
}

#[test]
fn variables_go_before_the_file() {
    let text = format!("[server]\nlisten = '127.0.0.1:1'\nworkers = 2\n{ISSUER}{ROUTE}");
    let Loaded { config, report, .. } = parse(
        &text,
        &[
            ("VESTIBULE_SERVER__LISTEN", "127.0.0.1:7, [::1]:7"),
            ("VESTIBULE_SERVER__WORKERS", "3"),
            ("VESTIBULE_SERVER__TLS__KEY", "key.pem"),
            ("VESTIBULE_SERVER__TLS__CERT", "cert.pem"),
            ("VESTIBULE_ADMIN__LISTEN", "127.0.0.1:8"),
            ("VESTIBULE_ISSUERS__0__AUDIENCES", "x,y"),
            ("VESTIBULE_ROUTES__0__ANNOUNCE", "true"),
            ("VESTIBULE_ROUTES__0__CLOSE_CODES__4401", "3000"),
            ("VESTIBULE_ROUTES__1__PATH", "/two"),
            ("VESTIBULE_ROUTES__1__UPSTREAM", "ws://127.0.0.1:2"),
            ("VESTIBULE_SERVICE_HOST", "10.0.0.1"),
            ("VESTIBULE_CONFIG", "elsewhere"),
            ("OTHER__THING", "x"),
        ],
    )
    .unwrap();
    assert_eq!(said(&report), Vec::<String>::new());
    assert_eq!(config.server.listen.len(), 2);
    assert_eq!(config.server.workers.get(), 3);
    assert_eq!(config.server.tls.unwrap().key, Path::new("key.pem"));
    assert_eq!(config.admin.unwrap().listen.port(), 8);
    assert_eq!(*config.issuers[0].audiences, ["x".into(), "y".into()]);
    assert_eq!(config.routes[0].policy.announce, Announce::Yes);
    assert_eq!(config.routes[0].policy.close_codes.get(4401), 3000);
    assert_eq!(config.routes[1].policy.path.as_str(), "/two");
}

#[test]
fn a_file_is_not_needed() {
    let loaded = parse(
        "",
        &[
            ("VESTIBULE_ROUTES__0__PATH", "/"),
            ("VESTIBULE_ROUTES__0__UPSTREAM", "ws://127.0.0.1:2"),
            ("VESTIBULE_ISSUERS__0__NAME", "idp"),
            ("VESTIBULE_ISSUERS__0__ISSUER", "https://idp.example"),
            ("VESTIBULE_ISSUERS__0__AUDIENCES", "a"),
        ],
    );
    assert_eq!(loaded.unwrap().config.routes.len(), 1);
}

#[test]
fn eleven_tables_can_come_from_the_environment() {
    let names: Vec<_> =
        (0..11).map(|n| (format!("VESTIBULE_ROUTES__{n}__PATH"), format!("/{n}"))).collect();
    let upstreams = (0..11)
        .map(|n| (format!("VESTIBULE_ROUTES__{n}__UPSTREAM"), "ws://127.0.0.1:2".to_owned()));
    let all: Vec<_> = names.into_iter().chain(upstreams).collect();
    let all: Vec<_> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let config = parse(ISSUER, &all).unwrap().config;
    assert_eq!(config.routes[10].policy.path.as_str(), "/10");
}

#[test]
fn the_example_is_complete_and_without_fault() {
    let text = example();
    let loaded = parse(&text, &[]).unwrap();
    assert_eq!(said(&loaded.report), Vec::<String>::new());
    // Tables within a section stand there on one line.
    let inner = [Section::Tls, Section::Webauthn, Section::StepUp];
    for key in KEYS.iter().filter(|key| !inner.contains(&key.section)) {
        let line = format!("{} = {}", key.name, key.example);
        let found = text.lines().any(|one| one.trim_start_matches("# ") == line);
        assert!(found, "{line}");
        // Every commented value is right where it stands; those about certificates, all together.
        if key.section == Section::Certificates || key.name == "certificates" {
            continue;
        }
        let mut uncommented = text.replace(&format!("\n# {line}\n"), &format!("\n{line}\n"));
        let header = key.section.header();
        uncommented = uncommented.replace(&format!("# {header}\n"), &format!("{header}\n"));
        if matches!(key.name, "mechanisms" | "sessions" | "step_up") {
            uncommented = uncommented.replace("# [auth]", "[auth]");
            uncommented = uncommented.replace("# mechanisms =", "mechanisms =");
        }
        if key.name == "introspection_url" {
            for beside in ["client_id", "client_secret_file"] {
                uncommented = uncommented.replace(&format!("# {beside} ="), &format!("{beside} ="));
            }
        }
        if key.name == "cookie" {
            let accept = KEYS.iter().find(|key| key.name == "accept").unwrap();
            uncommented = uncommented.replace("# accept =", "accept =");
            assert!(accept.example.contains("cookie"));
        }
        let result = parse(&uncommented, &[]);
        match (key.name, result) {
            // With `accept` alone, the cookie's name is missing.
            ("accept", Err(report)) => assert_eq!(report.count(Severity::Fault), 1, "{report}"),
            (_, result) => drop(result.unwrap_or_else(|report| panic!("{line}\n{report}"))),
        }
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 96, "{line}");
    }
}

#[test]
fn the_example_of_certificates_is_right_where_it_stands() {
    let tls = "# tls = { cert = \"cert.pem\", key = \"key.pem\" }";
    let asking = "tls = { cert = \"cert.pem\", key = \"key.pem\", client_ca = \"ca.pem\" }";
    let mut text = example();
    assert!(text.contains(tls), "{text}");
    text = text.replace(tls, asking).replace("# [[certificates]]", "[[certificates]]");
    for key in Section::Certificates.keys() {
        let line = format!("{} = {}", key.name, key.example);
        text = text.replace(&format!("\n# {line}\n"), &format!("\n{line}\n"));
    }
    let config = parse(&text, &[]).unwrap_or_else(|report| panic!("{report}")).config;
    assert_eq!(&*config.certificates[0].name, "devices");
    assert_eq!(*config.routes[0].certificates, [0]);
}

#[test]
fn the_reference_has_every_key_and_its_section() {
    let text = reference();
    for key in KEYS {
        assert!(text.contains(&format!("| `{}` |", key.name)), "{}", key.name);
    }
    for section in Section::TOP {
        assert!(text.contains(&format!("## `{}`", section.header())));
    }
}

#[test]
fn what_the_table_says_of_defaults_is_true() {
    // A default that is written out changes nothing.
    for key in KEYS {
        let Absent::Value(value) = key.absent else { continue };
        let (mut issuer, mut route, mut rest) =
            (ISSUER.to_owned(), ROUTE.to_owned(), String::new());
        let mut plain = format!("{ISSUER}{ROUTE}");
        let line = format!("{} = {value}\n", key.name);
        match key.section {
            // Without its mechanisms it is nothing.
            Section::StepUp => continue,
            Section::Issuers => issuer.push_str(&line),
            Section::Routes if value == "[]" => continue,
            Section::Certificates => continue,
            Section::Routes => route.push_str(&line),
            Section::Server
            | Section::Log
            | Section::Store
            | Section::Auth
            | Section::Admin
            | Section::Tls => {
                let header = key.section.header();
                plain = format!("{header}\n{plain}");
                rest = format!("{header}\n{line}");
            }
            Section::Webauthn => {
                let header = format!("{}\nrp_id = \"a.example\"\n", key.section.header());
                plain = format!("{header}{plain}");
                rest = format!("{header}{line}");
            }
        }
        let mut written = parse(&format!("{rest}{issuer}{route}"), &[]).unwrap().config;
        if key.name == "subject_claim" {
            assert_eq!(written.issuers[0].subject_claim.take().as_deref(), Some("sub"));
        }
        let plain = parse(&plain, &[]).unwrap().config;
        assert_eq!(format!("{written:?}"), format!("{plain:?}"), "{line}");
    }
}

#[cfg(unix)]
#[test]
fn a_variable_is_text() {
    use std::os::unix::ffi::OsStringExt as _;
    let value = OsString::from_vec(vec![0xff]);
    let report = RawConfig::parse("x", &format!("{ISSUER}{ROUTE}"))
        .with_environment([("VESTIBULE_LOG__LEVEL".into(), value)])
        .understand()
        .unwrap_err();
    assert_eq!(said(&report), ["VESTIBULE_LOG__LEVEL the value of the variable is not UTF-8"]);
}

#[test]
fn all_faults_are_told_at_once() {
    let text =
        "x = 1\n[server]\nworkers = 0\ndrain = 1\n[[issuers]]\nname = 3\n[[routes]]\npath = 'x'\n";
    let report = parse(text, &[("VESTIBULE_LOG__LEVEL", "loud")]).unwrap_err();
    assert_eq!(report.count(Severity::Fault), 8, "{report}");
}
