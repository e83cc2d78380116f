//! Credentials in every place, one too many, and one in the wrong place.

use super::*;
use crate::{policy::RoutePath, wire::head::tests::request};

fn policy(accept: &[Carrier]) -> RoutePolicy {
    let mut policy = RoutePolicy::new(RoutePath::parse("/").unwrap());
    policy.accept = accept.into();
    policy.cookie = Some("session".into());
    policy.token_in_query = TokenInQuery::Taken;
    policy
}

/// What a handshake for this target, with these fields, presents: in words.
fn presents(policy: &RoutePolicy, target: &str, fields: &[&str]) -> String {
    let line = format!("GET {target} HTTP/1.1");
    let handshake = [
        "Host: a",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let lines: Vec<&str> =
        [&*line].into_iter().chain(handshake).chain(fields.iter().copied()).collect();
    let head = request(&lines);
    match collect(&head, &Upgrade::of(&head).unwrap(), policy) {
        Err(rejection) => rejection.label().to_owned(),
        Ok(Presented { credential, subprotocols, marker, query }) => {
            let mut words: Vec<String> = Vec::new();
            if let Some((carrier, credential)) = credential {
                let secret = String::from_utf8_lossy(credential.secret.expose()).into_owned();
                words.push(format!("{}={secret}", carrier.name()));
                let proof =
                    credential.proof.as_ref().map(|it| String::from_utf8_lossy(it.expose()));
                words.extend(proof.map(|proof| format!("proof {proof}")));
            }
            if !subprotocols.is_empty() {
                words.push(format!("offers {}", subprotocols.join(",")));
            }
            words.extend(marker.map(|marker| format!("marker {marker}")));
            words.extend(query.map(|query| format!("?{query}")));
            words.join(" ")
        }
    }
}

const ALL: [Carrier; 4] = [Carrier::Header, Carrier::Cookie, Carrier::Query, Carrier::Subprotocol];

fn check(fields: &[&str], expected: &str) {
    assert_eq!(presents(&policy(&ALL), "/", fields), expected, "{fields:?}");
}

#[test]
fn the_authorization_field_holds_one_bearer_token() {
    check(&["Authorization: Bearer t.o-k_e~n+/=="], "header=t.o-k_e~n+/==");
    check(&["authorization: bEARER   t"], "header=t");
    for bad in
        ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer \"a\"", "Bearer é", "bearer ="]
    {
        check(&[&format!("Authorization: {bad}")], "token_malformed");
    }
    let long = format!("Authorization: Bearer {}", "a".repeat(limits::CREDENTIAL_BYTES + 1));
    check(&[&long], "token_malformed");
    let two = ["Authorization: Bearer a", "Authorization: Bearer a"];
    check(&two, "ambiguous_credential");
    check(&["Authorization: Basic YTpi", "Authorization: Bearer a"], "ambiguous_credential");
}

#[test]
fn another_scheme_is_the_upstreams_only_where_no_header_is_taken() {
    for scheme in ["Basic YTpi", "Bearer2 a", "", "Token t", "Bearer: t"] {
        let field = format!("Authorization: {scheme}");
        check(&[&field], "mechanism_not_allowed");
        let message = policy(&[Carrier::Message]);
        assert_eq!(presents(&message, "/", &[&field]), "");
        assert!(forwards_authorization(scheme.as_bytes(), &message));
        assert!(!forwards_authorization(scheme.as_bytes(), &policy(&ALL)));
    }
    let twice = ["Authorization: Basic YTpi", "Authorization: Basic YTpi"];
    assert_eq!(presents(&policy(&[Carrier::Message]), "/", &twice), "ambiguous_credential");
}

#[test]
fn a_bound_token_comes_with_one_proof() {
    let mut policy = policy(&ALL);
    policy.mechanisms = Box::new([Mechanism::Dpop, Mechanism::Bearer]);
    let check = |fields: &[&str], expected: &str| {
        assert_eq!(presents(&policy, "/", fields), expected, "{fields:?}");
    };
    check(&["Authorization: DPoP t", "DPoP: a.b.c"], "header=t proof a.b.c");
    check(&["authorization: dpop  t", "dpop: p"], "header=t proof p");
    // Not of its form, whatever comes with it.
    check(&["Authorization: DPoP t u", "DPoP: p"], "token_malformed");
    check(&["Authorization: DPoP", "DPoP: p"], "token_malformed");
    check(&["Authorization: DPoP t"], "invalid_dpop_proof");
    check(&["Authorization: DPoP t", "DPoP: p", "DPoP: p"], "invalid_dpop_proof");
    check(&["Authorization: DPoP t", "DPoP: p", "dpop: q"], "invalid_dpop_proof");
    let long = format!("DPoP: {}", "p".repeat(limits::CREDENTIAL_BYTES + 1));
    check(&["Authorization: DPoP t", &long], "invalid_dpop_proof");
    // Alone it is no credential, and beside another token it proves nothing.
    check(&["DPoP: p"], "");
    check(&["Authorization: Bearer t", "DPoP: p"], "header=t");
    check(&["Authorization: DPoP t", "Authorization: DPoP t", "DPoP: p"], "ambiguous_credential");
    let query = ["Authorization: DPoP t", "DPoP: p"];
    assert_eq!(presents(&policy, "/?access_token=t", &query), "ambiguous_credential");
    // A token of our own is not one that could be bound.
    check(&["Authorization: DPoP vsk_x", "DPoP: p"], "header=vsk_x proof p");
}

#[test]
fn a_bound_token_where_the_route_takes_none_is_refused_or_the_upstreams() {
    let fields = ["Authorization: DPoP t", "DPoP: p"];
    assert_eq!(presents(&policy(&ALL), "/", &fields), "mechanism_not_allowed");
    let message = policy(&[Carrier::Message]);
    assert_eq!(presents(&message, "/", &fields), "");
    assert!(forwards_authorization(b"DPoP t", &message) && forwards_proof(&message));
    let mut in_band = message.clone();
    in_band.mechanisms = Box::new([Mechanism::Dpop]);
    assert_eq!(presents(&in_band, "/", &fields), "mechanism_not_allowed");
    for policy in [policy(&ALL), in_band] {
        assert!(!forwards_authorization(b"DPoP t", &policy) && !forwards_proof(&policy));
    }
}

#[test]
fn a_refusal_names_the_schemes_that_the_route_takes() {
    let head = |field: &str| request(&["GET / HTTP/1.1", "Host: a", field]);
    let says = |mechanisms: &[Mechanism], accept: &[Carrier], nonce, field: &str| {
        let mut policy = policy(accept);
        (policy.mechanisms, policy.dpop_nonce) = (mechanisms.into(), nonce);
        let Challenges { taken, tried, nonce, contexts: _ } =
            challenges(&head(field), &policy, "n");
        format!("{taken:?} {tried:?} {nonce:?}")
    };
    let (both, bound) = ([Mechanism::Bearer, Mechanism::Dpop], [Mechanism::Dpop]);
    let required = DpopNonce::Required;
    let dpop = "Authorization: DPoP t";
    assert_eq!(says(&both, &ALL, required, "X: y"), "[Bearer, Dpop] Bearer Some(\"n\")");
    assert_eq!(says(&bound, &ALL, required, dpop), "[Dpop] Dpop Some(\"n\")");
    assert_eq!(says(&both, &ALL, DpopNonce::Off, dpop), "[Bearer, Dpop] Dpop None");
    assert_eq!(says(&[Mechanism::Bearer], &ALL, required, dpop), "[Bearer] Bearer None");
    assert_eq!(says(&bound, &[Carrier::Message], required, dpop), "[Bearer] Bearer None");
}

#[test]
fn an_explicit_credential_that_the_route_does_not_take_is_refused() {
    let none = policy(&[Carrier::Message, Carrier::Cookie]);
    assert_eq!(presents(&none, "/", &["Authorization: Bearer t"]), "mechanism_not_allowed");
    assert_eq!(presents(&none, "/?access_token=t", &[]), "mechanism_not_allowed");
    assert_eq!(presents(&none, "/?access_token", &[]), "mechanism_not_allowed");
    for offer in
        ["bearer, t", "bearer", "vestibule.bearer.t, chat", "chat, base64url.bearer.phx.dA"]
    {
        let field = format!("Sec-WebSocket-Protocol: {offer}");
        assert_eq!(presents(&none, "/", &[&field]), "mechanism_not_allowed", "{offer}");
    }
    // Even beside one that it takes.
    let cookie = ["Cookie: session=c", "Authorization: Bearer t"];
    assert_eq!(presents(&none, "/", &cookie), "mechanism_not_allowed");
}

#[test]
fn the_query_counts_only_where_the_route_says_so_twice() {
    let mut policy = policy(&[Carrier::Query]);
    assert_eq!(presents(&policy, "/?a=1&access_token=t&b", &[]), "query=t ?a=1&b");
    assert_eq!(presents(&policy, "/?Access%5fToken=%74", &[]), "query=t");
    assert_eq!(presents(&policy, "/?access_token=", &[]), "token_malformed");
    assert_eq!(presents(&policy, "/?access_token=a+b", &[]), "token_malformed");
    assert_eq!(presents(&policy, "/?access_token=a&access_token=a", &[]), "ambiguous_credential");
    assert_eq!(presents(&policy, "/?token=t&x", &[]), "?token=t&x");
    policy.token_in_query = TokenInQuery::Refused;
    assert_eq!(presents(&policy, "/?access_token=t", &[]), "mechanism_not_allowed");
    assert_eq!(presents(&policy, "/?%61ccess_token=t", &[]), "mechanism_not_allowed");
}

#[test]
fn a_cookie_is_one_or_none() {
    check(&["Cookie: a=b; session=t; c"], "cookie=t");
    check(&["Cookie: a=b", "Cookie: session=\"t\""], "cookie=t");
    check(&["Cookie: Session=t; xsession=u; session2=v; a=session=w"], "");
    check(&["Cookie: session="], "");
    check(&["Cookie: session=\"\""], "");
    check(&["Cookie: session=a b"], "cookie=a b");
    check(&["Cookie: session=a; session=a"], "ambiguous_credential");
    check(&["Cookie: session=a; session="], "ambiguous_credential");
    check(&["Cookie: session=a", "Cookie: session=b"], "ambiguous_credential");
    let mut policy = policy(&[Carrier::Message]);
    assert_eq!(presents(&policy, "/", &["Cookie: session=t"]), "");
    policy.accept = [Carrier::Cookie].into();
    policy.cookie = None;
    assert_eq!(presents(&policy, "/", &["Cookie: session=t; =t"]), "");
}

#[test]
fn an_explicit_credential_goes_before_the_cookie() {
    check(&["Cookie: session=c", "Authorization: Bearer t"], "header=t");
    check(&["Cookie: session=c; session=d", "Authorization: Bearer t"], "header=t");
    check(&["Cookie: session=c", "Authorization: Bearer"], "token_malformed");
}

#[test]
fn a_subprotocol_holds_a_token_in_one_of_four_encodings() {
    let offer = |offer: &str, expected: &str| {
        check(&[&format!("Sec-WebSocket-Protocol: {offer}")], expected);
    };
    offer("chat, v2", "offers chat,v2");
    offer("base64url.bearer.authorization.k8s.io.dG9r, chat", "subprotocol=tok offers chat");
    offer("phoenix, base64url.bearer.phx.dG9r", "subprotocol=tok offers phoenix");
    offer("p, base64url.bearer.phx.fn5+", "subprotocol=~~~ offers p");
    offer("p, base64url.bearer.phx.fn5-", "subprotocol=~~~ offers p");
    offer("vestibule.bearer.t.o.k, chat", "subprotocol=t.o.k offers chat");
    offer("bearer, tok", "subprotocol=tok marker bearer");
    offer("chat, Bearer, tok, v2", "subprotocol=tok offers chat,v2 marker Bearer");
    offer("bearer, eyJh.eyJz.c2ln", "subprotocol=eyJh.eyJz.c2ln marker bearer");
    offer("VESTIBULE.BEARER.tok, chat", "subprotocol=tok offers chat");
    for bad in [
        "bearer",
        "chat, bearer",
        "bearer, a|b",
        "vestibule.bearer., chat",
        "vestibule.bearer.a'b, chat",
        "base64url.bearer.authorization.k8s.io., chat",
        "base64url.bearer.authorization.k8s.io.dG9, chat",
        "base64url.bearer.authorization.k8s.io.d*9r, chat",
        "base64url.bearer.authorization.k8s.io.IA, chat",
        "base64url.bearer.phx.____+, chat",
    ] {
        offer(bad, "token_malformed");
    }
}

#[test]
fn two_explicit_credentials_are_refused() {
    let pairs = [
        ("bearer, a, vestibule.bearer.b", None),
        ("vestibule.bearer.a, vestibule.bearer.b, chat", None),
        ("bearer, vestibule.bearer.b", None),
        ("bearer, a, Bearer, b", None),
        ("bearer, Bearer", None),
        ("bearer, a", Some("Authorization: Bearer a")),
        ("vestibule.bearer.!, chat", Some("Authorization: Bearer")),
    ];
    for (offer, header) in pairs {
        let offer = format!("Sec-WebSocket-Protocol: {offer}");
        let fields: Vec<&str> = [&*offer].into_iter().chain(header).collect();
        check(&fields, "ambiguous_credential");
        // Whatever the route takes.
        let none = policy(&[Carrier::Message]);
        assert_eq!(presents(&none, "/", &fields), "ambiguous_credential");
    }
    let fields = ["Authorization: Bearer a"];
    assert_eq!(presents(&policy(&ALL), "/?access_token=a", &fields), "ambiguous_credential");
    let fields = ["Sec-WebSocket-Protocol: bearer, a"];
    assert_eq!(presents(&policy(&ALL), "/?access_token=a", &fields), "ambiguous_credential");
}

#[test]
fn a_token_that_leaves_nothing_to_answer_with_is_refused() {
    check(&["Sec-WebSocket-Protocol: vestibule.bearer.t"], "malformed_handshake");
    check(&["Sec-WebSocket-Protocol: base64url.bearer.phx.dG9r"], "malformed_handshake");
}

#[test]
fn a_bare_jwt_is_no_subprotocol() {
    check(&["Sec-WebSocket-Protocol: eyJh.eyJz.c2ln, chat"], "mechanism_not_allowed");
    let none = policy(&[Carrier::Message]);
    let fields = ["Sec-WebSocket-Protocol: eyJh.eyJz.c2ln"];
    assert_eq!(presents(&none, "/", &fields), "mechanism_not_allowed");
}

#[test]
fn no_answer_echoes_a_token() {
    let echoed = |offer: &[&str]| {
        let entries: Vec<Box<str>> = offer.iter().map(|&entry| entry.into()).collect();
        echo(&entries).map(str::to_owned)
    };
    assert_eq!(echoed(&[]), None);
    assert_eq!(echoed(&["chat", "v2"]).as_deref(), Some("chat"));
    assert_eq!(echoed(&["bearer", "t"]).as_deref(), Some("bearer"));
    assert_eq!(echoed(&["bearer", "t", "chat"]).as_deref(), Some("chat"));
    assert_eq!(echoed(&["Bearer", "t", "vestibule.bearer.t"]).as_deref(), Some("Bearer"));
    assert_eq!(echoed(&["vestibule.bearer.t"]), None);
    assert_eq!(echoed(&["base64url.bearer.phx.*", "eyJh.eyJz.c2ln"]), None);
}

#[test]
fn what_is_presented_is_not_printed() {
    let head = request(&["GET /?access_token=s3cret&k=s3cret HTTP/1.1", "Host: a"]);
    let upgrade =
        Upgrade { key: [0; 16], protocols: zeroize::Zeroizing::default(), extensions: None };
    let presented = collect(&head, &upgrade, &policy(&ALL)).unwrap();
    assert!(!format!("{presented:?}").contains("s3cret"));
}

#[test]
fn a_request_for_an_endpoint_brings_a_header_or_one_cookie() {
    let brings = |fields: &[&str]| {
        let lines: Vec<&str> =
            ["POST / HTTP/1.1", "Host: a"].into_iter().chain(fields.iter().copied()).collect();
        match of_request(&request(&lines), &["session", "__Host-vestibule"]) {
            Ok(None) => "nothing".to_owned(),
            Ok(Some((carrier, credential))) => {
                let secret = String::from_utf8_lossy(credential.secret.expose()).into_owned();
                format!("{}={secret} by {}", carrier.name(), credential.mechanism.name())
            }
            Err(rejection) => rejection.label().to_owned(),
        }
    };
    assert_eq!(brings(&[]), "nothing");
    assert_eq!(brings(&["Authorization: Bearer vss_s"]), "header=vss_s by session");
    assert_eq!(brings(&["Cookie: a=b; session=t"]), "cookie=t by bearer");
    assert_eq!(brings(&["Cookie: __Host-vestibule=vss_t"]), "cookie=vss_t by session");
    assert_eq!(brings(&["Cookie: __Host-vestibule="]), "nothing");
    assert_eq!(brings(&["Cookie: session=a; __Host-vestibule=b"]), "ambiguous_credential");
    assert_eq!(brings(&["Cookie: session=a", "Authorization: Bearer t"]), "header=t by bearer");
    assert_eq!(brings(&["Authorization: Basic YTpi"]), "mechanism_not_allowed");
    let two = ["Authorization: Bearer a", "Authorization: Bearer a"];
    assert_eq!(brings(&two), "ambiguous_credential");
}

/// A route that takes tickets, in the query too.
fn tickets(accept: &[Carrier]) -> RoutePolicy {
    let mut policy = policy(accept);
    policy.token_in_query = TokenInQuery::Refused;
    policy.mechanisms = [Mechanism::Ticket, Mechanism::Bearer].into();
    policy
}

#[test]
fn a_ticket_is_taken_from_the_query_of_a_route_for_tickets() {
    let route = tickets(&[Carrier::Query]);
    assert_eq!(presents(&route, "/?a=1&ticket=vst_t&b", &[]), "query=vst_t ?a=1&b");
    assert_eq!(presents(&route, "/?%54icket=t", &[]), "query=t");
    assert_eq!(presents(&route, "/?ticket=a&ticket=b", &[]), "ambiguous_credential");
    assert_eq!(presents(&route, "/?ticket=", &[]), "token_malformed");
    assert_eq!(presents(&route, "/?ticket=a&access_token=b", &[]), "ambiguous_credential");
    assert_eq!(presents(&route, "/?access_token=b", &[]), "mechanism_not_allowed");
    let header = ["Authorization: Bearer t"];
    assert_eq!(presents(&route, "/?ticket=a", &header), "ambiguous_credential");
    let elsewhere = policy(&[Carrier::Query]);
    assert_eq!(presents(&elsewhere, "/?ticket=a", &[]), "?ticket=a");
    let message = tickets(&[Carrier::Message]);
    assert_eq!(presents(&message, "/?ticket=a", &[]), "mechanism_not_allowed");
}

#[test]
fn a_certificate_is_ambient_and_the_routes_list_says_which_ambient_one_counts() {
    let verified = Channel { certificate: Certificate::Verified, ..Channel::BARE };
    let presents = |accept: &[Carrier], fields: &[&str], channel: Channel| {
        let mut lines = vec![
            "GET / HTTP/1.1",
            "Host: a",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ];
        lines.extend(fields);
        let (head, policy) = (request(&lines), policy(accept));
        let presented = collect(&head, &Upgrade::of(&head).unwrap(), &policy).unwrap();
        presented.over(channel, &policy).credential.map(|(carrier, it)| (carrier, it.mechanism))
    };
    let certificate = Some((Carrier::Tls, Mechanism::External));
    let token = |carrier| Some((carrier, Mechanism::Bearer));
    let (tls_first, cookie_first) =
        ([Carrier::Tls, Carrier::Cookie], [Carrier::Cookie, Carrier::Tls, Carrier::Header]);
    let cookie = &["Cookie: session=a"][..];
    assert_eq!(presents(&tls_first, &[], verified), certificate);
    assert_eq!(presents(&tls_first, cookie, verified), certificate);
    assert_eq!(presents(&cookie_first, cookie, verified), token(Carrier::Cookie));
    assert_eq!(presents(&cookie_first, &[], verified), certificate);
    let header = &["Authorization: Bearer a", "Cookie: session=a"][..];
    assert_eq!(presents(&cookie_first, header, verified), token(Carrier::Header));
    for (accept, channel) in [(&tls_first[..], Channel::BARE), (&[Carrier::Message], verified)] {
        assert_eq!(presents(accept, &[], channel), None);
    }
}
