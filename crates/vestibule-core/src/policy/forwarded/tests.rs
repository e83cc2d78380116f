//! What proxies say, and what strangers say in their place.

use super::*;
use crate::wire::head::tests::request;

/// Proxies are `10.0.0.0/8` and `::1`; a request of this peer with these fields, in words.
fn read_from(peer: &str, fields: &[&str]) -> String {
    let lines: Vec<&str> =
        ["GET / HTTP/1.1", "Host: own.example"].into_iter().chain(fields.iter().copied()).collect();
    let trust = |address: IpAddr| match address {
        IpAddr::V4(address) if address.octets()[0] == 10 => Trust::Proxy,
        IpAddr::V6(address) if address.is_loopback() => Trust::Proxy,
        IpAddr::V4(_) | IpAddr::V6(_) => Trust::Stranger,
    };
    let head = request(&lines);
    let peer = peer.parse().unwrap();
    let Forwarded { client, transport, host, chain } = read(&head, peer, Transport::Plain, &trust);
    let chain: Vec<String> = chain.iter().map(ToString::to_string).collect();
    format!("{client} {transport:?} {host} [{}]", chain.join(" "))
}

fn check(peer: &str, fields: &[&str], expected: &str) {
    assert_eq!(read_from(peer, fields), expected, "{peer} {fields:?}");
}

#[test]
fn what_a_stranger_says_does_not_count() {
    let fields = [
        "X-Forwarded-For: 1.1.1.1, 10.0.0.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil.example",
        "Forwarded: for=1.1.1.1",
        "X-Real-IP: 1.1.1.1",
    ];
    check("192.0.2.7", &fields, "192.0.2.7 Plain own.example [192.0.2.7]");
}

#[test]
fn a_chain_is_read_from_the_right_as_far_as_it_is_trusted() {
    let plain = "Plain own.example";
    check(
        "10.0.0.1",
        &["X-Forwarded-For: 192.0.2.7"],
        &format!("192.0.2.7 {plain} [192.0.2.7 10.0.0.1]"),
    );
    check(
        "10.0.0.1",
        &["X-Forwarded-For: 1.1.1.1, 192.0.2.7 ,10.0.0.2"],
        &format!("192.0.2.7 {plain} [192.0.2.7 10.0.0.2 10.0.0.1]"),
    );
    // The fields of a list are one list.
    check(
        "10.0.0.1",
        &["X-Forwarded-For: 1.1.1.1", "x-forwarded-for: 192.0.2.7"],
        &format!("192.0.2.7 {plain} [192.0.2.7 10.0.0.1]"),
    );
    check(
        "10.0.0.1",
        &["X-Forwarded-For: 10.0.0.3, 10.0.0.2"],
        &format!("10.0.0.3 {plain} [10.0.0.3 10.0.0.2 10.0.0.1]"),
    );
    check("10.0.0.1", &[], &format!("10.0.0.1 {plain} [10.0.0.1]"));
    check(
        "::ffff:10.0.0.1",
        &["X-Forwarded-For: ::ffff:192.0.2.7"],
        &format!("192.0.2.7 {plain} [192.0.2.7 10.0.0.1]"),
    );
}

#[test]
fn an_address_may_have_brackets_or_a_port() {
    for (written, read) in [
        ("192.0.2.7:4711", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
    ] {
        let field = format!("X-Forwarded-For: {written}");
        check("::1", &[&field], &format!("{read} Plain own.example [{read} ::1]"));
    }
}

#[test]
fn what_is_malformed_ends_the_reading() {
    for bad in ["unknown", "_hidden", "1.1.1", "1.1.1.1.1", "192.0.2.7:x", "\"1.1.1.1\"", "evil"] {
        let field = format!("X-Forwarded-For: 1.1.1.1, {bad}");
        check("10.0.0.1", &[&field], "10.0.0.1 Plain own.example [10.0.0.1]");
        let field = format!("X-Forwarded-For: 1.1.1.1, {bad}, 10.0.0.2");
        check("10.0.0.1", &[&field], "10.0.0.2 Plain own.example [10.0.0.2 10.0.0.1]");
    }
    let fields = ["X-Forwarded-Proto: gopher", "X-Forwarded-Host: a b"];
    check("10.0.0.1", &fields, "10.0.0.1 Plain own.example [10.0.0.1]");
    let fields = ["X-Forwarded-Proto:", "X-Forwarded-Host:"];
    check("10.0.0.1", &fields, "10.0.0.1 Plain own.example [10.0.0.1]");
}

#[test]
fn transport_and_host_are_what_the_first_trusted_proxy_said() {
    let chain = "X-Forwarded-For: 192.0.2.7";
    let seen = "192.0.2.7 Tls app.example:444 [192.0.2.7 10.0.0.1]";
    let host = "X-Forwarded-Host: App.example:444";
    check("10.0.0.1", &[chain, "X-Forwarded-Proto: HTTPS", host], seen);
    check("10.0.0.1", &[chain, "X-Forwarded-Proto: wss", host], seen);
    // One proxy is trusted: what stands further left, its client wrote.
    let fields = [
        chain,
        "X-Forwarded-Proto: http, https",
        "X-Forwarded-Host: evil.example, app.example:444",
    ];
    check("10.0.0.1", &fields, seen);
    // Two are: the one nearer to the client knows how that came.
    let chain = "X-Forwarded-For: 192.0.2.7, 10.0.0.2";
    let seen = "192.0.2.7 Tls app.example [192.0.2.7 10.0.0.2 10.0.0.1]";
    let fields =
        [chain, "X-Forwarded-Proto: http, https, http", "X-Forwarded-Host: e, app.example, inner"];
    check("10.0.0.1", &fields, seen);
    let fields = [chain, "X-Forwarded-Proto: https", "X-Forwarded-Host: app.example"];
    check("10.0.0.1", &fields, seen);
}
