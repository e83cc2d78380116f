//! Client certificates: what must go together.

use std::path::PathBuf;

use vestibule_verify::certificate::SubjectFrom;

use super::{faults::check, *};

const TLS: &str = "[server]\ntls = { cert = 'cert.pem', key = 'key.pem', client_ca = 'ca.pem' }\n";
const DEVICES: &str =
    "[[certificates]]\nname = 'devices'\nsubject_from = 'san-dns'\nallowed = ['*.example.com']\n";

/// A route that takes certificates, with these lines more.
fn route(lines: &str) -> String {
    format!("{ROUTE}mechanisms = ['external', 'bearer']\n{lines}\n")
}

#[test]
fn all_of_it_is_understood() {
    let tls = "[server]\ntls = { cert = 'cert.pem', key = 'key.pem', client_ca = 'ca.pem', \
               client_crl = ['a.crl', 'b.crl'], client_auth = 'required' }\n";
    let more = "issuer = 'https://ca.example'\nscopes = ['chat']\ngroups = ['machines']\n";
    let other = "[[certificates]]\nname = 'people'\nsubject_from = 'san-email'\nallowed = ['*@a.example']\n";
    let route = route("accept = ['tls']\ncertificates = ['people']");
    let config = parse(&format!("{tls}{DEVICES}{more}{other}{route}"), &[]).unwrap().config;
    let clients = config.server.tls.unwrap().clients.unwrap();
    assert_eq!(clients.ca, PathBuf::from("ca.pem"));
    assert_eq!(clients.crls, [PathBuf::from("a.crl"), PathBuf::from("b.crl")]);
    assert_eq!(clients.auth, ClientAuth::Required);
    let [devices, people] = config.certificates.as_slice() else { panic!() };
    assert_eq!((&*devices.name, &*devices.issuer), ("devices", "https://ca.example"));
    assert_eq!(devices.subject_from, SubjectFrom::SanDns);
    assert_eq!(
        (devices.allowed.len(), &*devices.scopes[0], &*devices.groups[0]),
        (1, "chat", "machines")
    );
    assert_eq!((&*people.issuer, people.scopes.len()), ("people", 0));
    assert_eq!(*config.routes[0].certificates, [1]);
    assert_eq!(config.issuers, [], "with certificates there need be none");
}

#[test]
fn one_list_can_be_written_as_one_string() {
    let tls =
        "[server]\ntls = { cert = 'c', key = 'k', client_ca = 'ca.pem', client_crl = 'a.crl' }\n";
    let config = parse(&format!("{tls}{ISSUER}{ROUTE}"), &[]).unwrap().config;
    let clients = config.server.tls.unwrap().clients.unwrap();
    assert_eq!((clients.crls.len(), clients.auth), (1, ClientAuth::Optional));
}

#[test]
fn certificates_need_an_authority_a_name_and_a_way() {
    let plain = "[server]\ntls = { cert = 'cert.pem', key = 'key.pem' }\n";
    let no_client = "no client is asked for a certificate";
    check(&format!("{plain}{DEVICES}"), &[&format!("3:1 {no_client}")]);
    check(&format!("{plain}{}", route("accept = ['tls']")), &[&format!("6:14 {no_client}")]);
    check(
        &format!("{TLS}{}", route("accept = ['tls']")),
        &["6:14 nobody says whom a certificate names"],
    );
    check(
        &format!("{TLS}{DEVICES}{}", route("accept = ['header']")),
        &["10:14 \"external\" is taken from nowhere: `accept` has neither `tls` nor `message`"],
    );
    check(
        &format!("{TLS}{DEVICES}{ROUTE}accept = ['tls', 'header']\n"),
        &["10:10 `accept` has `tls`, and `mechanisms` does not have `external`"],
    );
    check(
        &format!("{TLS}{DEVICES}{}", route("accept = ['tls']\norigins = ['*']")),
        &["12:11 every page of the world could open a socket with the user's certificate"],
    );
    check(&format!("{TLS}{DEVICES}{}", route("accept = ['tls']")), &[]);
}

#[test]
fn what_is_said_of_clients_needs_their_authority() {
    let tls = |more: &str| format!("[server]\ntls = {{ cert = 'c', key = 'k', {more} }}\n");
    check(
        &tls("client_crl = ['x'], client_auth = 'required'"),
        &[
            "2:45 `client_crl` is about client certificates, and no authority of theirs is named",
            "2:66 `client_auth` is about client certificates, and no authority of theirs is named",
        ],
    );
    check(&tls("client_ca = 'x', client_auth = 'no'"), &["2:63 `client_auth` cannot be \"no\""]);
    check(&tls("client_ca = 'x', client_crl = []"), &["2:62 `client_crl` is empty"]);
}

#[test]
fn each_table_says_whom_it_means() {
    let table = |lines: &str| format!("{TLS}[[certificates]]\n{lines}\n");
    check(
        &table(""),
        &[
            "3:1 `name` is missing in [[certificates]]",
            "3:1 `subject_from` is missing in [[certificates]]",
            "3:1 `allowed` is missing in [[certificates]]",
        ],
    );
    let named = "name = 'a'\nsubject_from = 'san-uri'\n";
    check(
        &table("name = 'a'\nsubject_from = 'dns'\nallowed = ['a']"),
        &["5:16 `subject_from` cannot be \"dns\""],
    );
    check(
        &table(&format!("{named}allowed = ['a**', '']")),
        &[
            "6:12 \"a**\" is no pattern of subjects: `**` means nothing: a star is within one part of a name",
            "6:19 \"\" is no pattern of subjects: it is empty",
        ],
    );
    check(
        &table(&format!("{named}allowed = ['*']")),
        &["6:12 warning: every certificate of these authorities counts, whomever it names"],
    );
    check(
        &table(&format!("{named}allowed = ['a']\nscopes = ['a b']")),
        &["7:11 \"a b\" is no scope (RFC 6749 section 3.3)"],
    );
    check(
        &format!("{TLS}{DEVICES}{DEVICES}"),
        &["8:8 there are two [[certificates]] called \"devices\""],
    );
    check(
        &format!("{TLS}{DEVICES}{}", route("accept = ['tls']\ncertificates = ['devises']")),
        &["12:17 there are no [[certificates]] called \"devises\""],
    );
}

#[test]
fn an_exchange_is_bound_only_to_tls_that_the_gateway_ends() {
    let lines = "mechanisms = ['scram-sha-256-plus']\n";
    check(
        &format!("[auth]\n{ROUTE}{lines}"),
        &["5:14 \"scram-sha-256-plus\" is bound to the TLS connection, and the gateway ends none"],
    );
    check(&format!("{TLS}[auth]\n{ROUTE}{lines}"), &[]);
    check(
        &format!("{TLS}[auth]\n{ROUTE}{lines}accept = ['header']\n"),
        &["7:14 \"scram-sha-256-plus\" asks back, and `accept` does not have `message`"],
    );
}
