//! What reaches the upstream, and what does not.

use proptest::prelude::*;

use super::*;
use crate::{
    authn::Credential,
    policy::{
        Carrier, RoutePath, TokenInQuery,
        forwarded::{self, Trust},
    },
    wire::{head::tests::request, upgrade::Upgrade},
};

const HANDSHAKE: [&str; 6] = [
    "Host: ws.example:8443",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Origin: https://app.example",
];

fn policy() -> RoutePolicy {
    let mut policy = RoutePolicy::new(RoutePath::parse("/chat").unwrap());
    policy.accept = [Carrier::Header, Carrier::Cookie, Carrier::Query, Carrier::Subprotocol].into();
    policy.cookie = Some("session".into());
    policy.token_in_query = TokenInQuery::Taken;
    policy
}

/// The request to the upstream for a target and more fields, as lines.
fn rendered(policy: &RoutePolicy, target: &str, fields: &[&str]) -> Vec<String> {
    let line = format!("GET {target} HTTP/1.1");
    let lines: Vec<&str> =
        [&*line].into_iter().chain(HANDSHAKE).chain(fields.iter().copied()).collect();
    let head = request(&lines);
    let upgrade = Upgrade::of(&head).unwrap();
    let presented = carrier::collect(&head, &upgrade, policy).unwrap();
    let peer = "203.0.113.9".parse().unwrap();
    let forwarded = forwarded::read(&head, peer, Transport::Tls, &|_| Trust::Stranger);
    let identity = [("X-Vestibule-Subject", "alice".to_owned()), ("X-Odd-Name", "ours".to_owned())];
    let bytes = UpstreamRequest {
        head: &head,
        policy,
        presented: &presented,
        forwarded: &forwarded,
        upstream_path: "/socket",
        upstream_host: "127.0.0.1:9000",
        key: [1; 16],
        subprotocols: &presented.subprotocols,
        extensions: upgrade.extensions.as_deref(),
        identity: &identity,
    }
    .render();
    let text = String::from_utf8(bytes).unwrap();
    let (lines, rest) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(rest, "");
    lines.split("\r\n").map(str::to_owned).collect()
}

/// The lines that these fields add.
fn added(policy: &RoutePolicy, fields: &[&str]) -> Vec<String> {
    let before = rendered(policy, "/chat", &[]);
    rendered(policy, "/chat", fields).into_iter().filter(|line| !before.contains(line)).collect()
}

#[test]
fn the_upstream_gets_a_handshake_of_its_own() {
    let fields = [
        "Accept-Language: de",
        "Sec-WebSocket-Protocol: chat, base64url.bearer.authorization.k8s.io.c2VjcmV0, v2",
        "Sec-WebSocket-Extensions: permessage-deflate",
        "X-App: 1",
    ];
    assert_eq!(
        rendered(&policy(), "/chat/room?x=1", &fields),
        [
            "GET /socket/room?x=1 HTTP/1.1",
            "Host: 127.0.0.1:9000",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AQEBAQEBAQEBAQEBAQEBAQ==",
            "Sec-WebSocket-Protocol: chat, v2",
            "Sec-WebSocket-Extensions: permessage-deflate",
            "Origin: https://app.example",
            "Accept-Language: de",
            "X-App: 1",
            "X-Forwarded-For: 203.0.113.9",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: ws.example:8443",
            "X-Vestibule-Subject: alice",
            "X-Odd-Name: ours",
        ]
    );
}

#[test]
fn the_target_is_the_upstreams_path_and_what_follows_the_route() {
    let policy = policy();
    let target = |target: &str| {
        let line = rendered(&policy, target, &[]).swap_remove(0);
        line.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(target("/chat"), "/socket");
    assert_eq!(target("/chat/"), "/socket/");
    assert_eq!(target("/chat/a%20b?"), "/socket/a%20b");
    assert_eq!(target("/chat?a=1&b=%26"), "/socket?a=1&b=%26");
    assert_eq!(target("/chat?access_token=t"), "/socket");
    assert_eq!(target("/chat?a=1&access_token=t&b"), "/socket?a=1&b");
    assert_eq!(target("/ch%61t?%61ccess%5ftoken=t").as_str(), "/socket");
}

#[test]
fn an_upstreams_path_is_joined_at_one_slash() {
    let join = |route: &str, upstream: &str, asked: &str| {
        let policy = RoutePolicy::new(RoutePath::parse(route).unwrap());
        let head = request(&[&format!("GET {asked} HTTP/1.1"), "Host: a"]);
        let presented = Presented {
            credential: None,
            subprotocols: Vec::new(),
            marker: None,
            query: head.query().map(str::to_owned),
        };
        let forwarded =
            forwarded::read(&head, "::1".parse().unwrap(), Transport::Plain, &|_| Trust::Stranger);
        let request = UpstreamRequest {
            head: &head,
            policy: &policy,
            presented: &presented,
            forwarded: &forwarded,
            upstream_path: upstream,
            upstream_host: "u",
            key: [0; 16],
            subprotocols: &[],
            extensions: None,
            identity: &[],
        };
        request.target()
    };
    assert_eq!(join("/", "/", "/"), "/");
    assert_eq!(join("/", "/", "/a"), "/a");
    assert_eq!(join("/", "", "/a"), "/a");
    assert_eq!(join("/", "", "/"), "/");
    assert_eq!(join("/a", "/b/", "/a"), "/b/");
    assert_eq!(join("/a", "/b/", "/a/c"), "/b/c");
    assert_eq!(join("/a", "/b?k=v", "/a/c?d"), "/b/c?k=v&d");
    assert_eq!(join("/a", "/b?k=v", "/a"), "/b?k=v");
}

#[test]
fn no_credential_reaches_the_upstream() {
    let mut policy = policy();
    for field in [
        "Authorization: Bearer s3cret",
        "authorization: bearer s3cret",
        "Cookie: session=s3cret",
        "Sec-WebSocket-Protocol: bearer, s3cret",
        "Sec-WebSocket-Protocol: chat, vestibule.bearer.s3cret",
        "Proxy-Authorization: Basic s3cret",
        "Proxy_Authorization: Basic s3cret",
        "DPoP: s3cret",
        "dpop: s3cret",
    ] {
        let text = rendered(&policy, "/chat", &[field]).join("\n");
        assert!(!text.contains("s3cret"), "{text}");
    }
    let text = rendered(&policy, "/chat?access_token=s3cret", &[]).join("\n");
    assert!(!text.contains("s3cret"), "{text}");
    // Not taken as a credential, and kept back all the same.
    policy.accept = [Carrier::Message].into();
    let text = rendered(&policy, "/chat", &["Cookie: session=s3cret; a=1"]).join("\n");
    assert!(!text.contains("s3cret") && text.contains("Cookie: a=1"), "{text}");
}

#[test]
fn cookies_that_are_not_the_routes_go_on() {
    let policy = policy();
    assert_eq!(added(&policy, &["Cookie: a=1; session=x; b=\"2\""]), ["Cookie: a=1; b=\"2\""]);
    assert_eq!(added(&policy, &["Cookie: a=1;b"]), ["Cookie: a=1;b"]);
    let two = ["Cookie: session=x", "cookie: SESSION=y"];
    assert_eq!(added(&policy, &two), ["cookie: SESSION=y"]);
}

#[test]
fn a_route_may_forward_what_it_has_checked() {
    let mut policy = policy();
    policy.forward_credential = ForwardCredential::Yes;
    let fields = ["Authorization: Bearer t", "Cookie: session=x", "DPoP: p"];
    assert_eq!(added(&policy, &fields), fields);
    let text = rendered(&policy, "/chat?access_token=s3cret", &[]).join("\n");
    assert!(!text.contains("s3cret"), "{text}");
}

#[test]
fn an_authorization_between_client_and_upstream_goes_on() {
    let mut policy = policy();
    policy.accept = [Carrier::Message].into();
    let basic = ["Authorization: Basic YTpi", "DPoP: p"];
    assert_eq!(added(&policy, &basic), basic);
}

#[test]
fn fields_about_the_connection_end_here() {
    let policy = policy();
    for field in [
        "Connection: keep-alive",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "TE: trailers",
        "Trailer: X",
        "HTTP2-Settings: AAAA",
        "Expect: 100-continue",
        "Content-Length: 0",
        "Content_Length: 5",
        "Transfer_Encoding: chunked",
        "Upgrade: h2c",
        "Sec-WebSocket-Accept: x",
        "Sec_WebSocket_Protocol: x",
        "Proxy: http://evil.example",
    ] {
        assert_eq!(added(&policy, &[field]), Vec::<String>::new(), "{field}");
    }
    let nominated = ["Connection: X-Hop", "X-Hop: 1", "x-hop: 2", "X-Other: 3"];
    assert_eq!(added(&policy, &nominated), ["X-Other: 3"]);
    // What we say cannot be nominated away.
    let removed = ["Connection: X-Forwarded-For, X-Vestibule-Subject, Host, Origin"];
    let text = rendered(&policy, "/chat", &removed).join("\n");
    assert!(text.contains("X-Forwarded-For: 203") && text.contains("X-Vestibule-Subject: alice"));
}

/// Every field by which an upstream could be told who is there, from where, or what was asked for.
const OURS: [&str; 38] = [
    "X-Vestibule-Subject",
    "X-Vestibule-Issuer",
    "X-Vestibule-Scopes",
    "X-Vestibule-Mechanism",
    "X-Vestibule-Expires",
    "X-Vestibule-Connection",
    "X-Vestibule-Assertion",
    "X-Vestibule-Anything",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Access-Token",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Auth-Request-Groups",
    "X-Auth-Request-Preferred-Username",
    "X-Auth-Request-Access-Token",
    "Remote-User",
    "Remote-Groups",
    "Remote-Email",
    "Remote-Name",
    "X-Remote-User",
    "X-WebAuth-User",
    "X-Authenticated-User",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Client-Cert",
    "Forwarded",
    "X-Real-IP",
    "True-Client-IP",
    "X-Original-URL",
    "X-Rewrite-URL",
    "Client-Cert",
    "X-Odd-Name",
];

#[test]
fn the_gateways_fields_cannot_come_from_the_client_in_any_spelling() {
    let policy = policy();
    for name in OURS {
        for spelled in [
            name.to_owned(),
            name.to_ascii_lowercase(),
            name.to_ascii_uppercase(),
            name.replace('-', "_"),
            name.replacen('-', "_", 1),
            name.replace('-', "."),
            name.to_ascii_uppercase().replace('-', "_"),
        ] {
            let field = format!("{spelled}: evil");
            assert_eq!(added(&policy, &[&field, &field]), Vec::<String>::new(), "{spelled}");
        }
    }
}

proptest! {
    #[test]
    fn in_any_mixture_of_case_and_separators_they_are_kept_back(
        number in 0..OURS.len(), choices in prop::collection::vec(0_u8..4, 40)
    ) {
        let name: String = OURS[number]
            .chars()
            .zip(choices)
            .map(|(letter, choice)| match (letter, choice) {
                ('-', 0) => '_',
                ('-', 1) => '.',
                ('-', _) => '-',
                (letter, 0 | 1) => letter.to_ascii_lowercase(),
                (letter, _) => letter.to_ascii_uppercase(),
            })
            .collect();
        let field = format!("{name}: evil");
        prop_assert_eq!(added(&policy(), &[&field]), Vec::<String>::new());
    }

    #[test]
    fn whatever_is_put_in_stays_in_its_place(
        path in ".*", host in ".*", value in ".*", protocol in ".*", query in ".*"
    ) {
        let policy = policy();
        let head = request(&["GET /chat HTTP/1.1", "Host: a"]);
        let presented = Presented {
            credential: Some((Carrier::Header, Credential::bearer("t"))),
            subprotocols: Vec::new(),
            marker: None,
            query: Some(query),
        };
        let forwarded =
            forwarded::read(&head, "::1".parse().unwrap(), Transport::Plain, &|_| Trust::Stranger);
        let bytes = UpstreamRequest {
            head: &head,
            policy: &policy,
            presented: &presented,
            forwarded: &forwarded,
            upstream_path: &path,
            upstream_host: &host,
            key: [0; 16],
            subprotocols: &[protocol.into()],
            extensions: Some(value.as_bytes()),
            identity: &[("X-Vestibule-Subject", value.clone())],
        }
        .render();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = text.strip_suffix("\r\n\r\n").unwrap();
        prop_assert!(!body.contains("\r\n\r\n"));
        let mut lines = body.split("\r\n");
        let line: Vec<&str> = lines.next().unwrap().split(' ').collect();
        prop_assert!(matches!(line.as_slice(), ["GET", _, "HTTP/1.1"]), "{:?}", line);
        let known = ["Host", "Connection", "Upgrade", "Sec-WebSocket-Version", "Sec-WebSocket-Key",
            "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "X-Forwarded-For",
            "X-Forwarded-Proto", "X-Forwarded-Host", "X-Vestibule-Subject"];
        let mut names: Vec<&str> = lines.map(|line| line.split(':').next().unwrap()).collect();
        prop_assert!(names.iter().all(|name| known.contains(name)), "{:?}", names);
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        prop_assert_eq!(names.len(), count);
    }
}
