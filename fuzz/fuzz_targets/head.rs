//! A request head, and everything that is made of it: nothing panics, the bytes may come in any
//! pieces, and what reaches the upstream is one head without a credential.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_core::{
    policy::{
        Carrier, RoutePath, RoutePolicy, TokenInQuery, carrier,
        forwarded::{self, Trust},
        origin::Transport,
    },
    rejection::Rejection,
    wire::{head::RequestHead, request::UpstreamRequest, upgrade::Upgrade},
};

fuzz_target!(|input: &[u8]| {
    let Some((&step, bytes)) = input.split_first() else { return };
    let whole = RequestHead::read(bytes);
    in_pieces(bytes, usize::from(step) + 1, &whole);
    if let Ok(Some((head, used))) = whole {
        assert!(used <= bytes.len());
        assert!(matches!(RequestHead::read(&bytes[..used - 1]), Ok(None)));
        follow(&head);
    }
});

fn in_pieces(bytes: &[u8], step: usize, whole: &Result<Option<(RequestHead, usize)>, Rejection>) {
    for end in (0..bytes.len()).step_by(step) {
        match (RequestHead::read(&bytes[..end]), whole) {
            (Ok(None), _) => {}
            (Ok(Some((head, used))), Ok(Some((same, expected)))) => {
                assert_eq!((head.target(), used), (same.target(), *expected));
                return;
            }
            (Err(rejection), Err(same)) => {
                assert_eq!(rejection, *same);
                return;
            }
            (piece, whole) => panic!("{end}: {piece:?} and {whole:?}"),
        }
    }
}

fn follow(head: &RequestHead) {
    for accept in [&[Carrier::Message][..], Carrier::ALL] {
        let mut policy = RoutePolicy::new(RoutePath::parse("/").expect("a path"));
        policy.accept = accept.into();
        policy.cookie = Some("session".into());
        policy.token_in_query = TokenInQuery::Taken;
        let peer = [127, 0, 0, 1].into();
        let forwarded = forwarded::read(head, peer, Transport::Plain, &|_| Trust::Proxy);
        let (Ok(_), Ok(upgrade)) = (head.path(), Upgrade::of(head)) else { return };
        let Ok(presented) = carrier::collect(head, &upgrade, &policy) else { continue };
        let bytes = UpstreamRequest {
            head,
            policy: &policy,
            presented: &presented,
            forwarded: &forwarded,
            upstream_path: "/",
            upstream_host: "upstream",
            key: upgrade.key,
            subprotocols: &presented.subprotocols,
            extensions: upgrade.extensions.as_deref(),
            identity: &[("X-Vestibule-Subject", "alice".to_owned())],
        }
        .render();
        check(&bytes);
    }
}

/// What an upstream reads: one handshake, in which nobody but the gateway says who is there, and
/// which holds no credential.
fn check(bytes: &[u8]) {
    let (sent, used) = match RequestHead::read(bytes) {
        Ok(Some(read)) => read,
        // What was added may be too much.
        Err(Rejection::HeadTooLarge) => return,
        other => panic!("{other:?}"),
    };
    assert_eq!(used, bytes.len());
    assert_eq!(sent.host().to_string(), "upstream");
    let upgrade = Upgrade::of(&sent).expect("a handshake");
    let mut policy = RoutePolicy::new(RoutePath::parse("/").expect("a path"));
    policy.accept = Carrier::ALL.into();
    policy.cookie = Some("session".into());
    policy.token_in_query = TokenInQuery::Taken;
    match carrier::collect(&sent, &upgrade, &policy) {
        Ok(presented) => assert!(presented.credential.is_none(), "{presented:?}"),
        // An `Authorization` that is between the client and the upstream.
        Err(rejection) => assert_eq!(rejection, Rejection::MechanismNotAllowed),
    }
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase().replace(['_', '.'], "-");
    assert_eq!(text.matches("\r\nx-vestibule-").count(), 1);
    assert_eq!(text.matches("\r\nx-forwarded-").count(), 3);
    for name in ["remote-", "forwarded:", "x-auth-request-", "proxy:", "proxy-", "transfer-encoding"] {
        assert!(!text.contains(&format!("\r\n{name}")), "{text}");
    }
}
