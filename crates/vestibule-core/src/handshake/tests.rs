//! The line, driven by hand.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the case it wants")]

use core::num::NonZeroU64;
use std::sync::Arc;

use super::*;
use crate::{
    authn::Mechanism,
    policy::{
        RoutePath,
        origin::tests::{absent, present},
    },
    time::{Now, UnixTime},
};

pub(crate) fn verified(subject: &str, expires: i64) -> Verified {
    Verified::assertion(Arc::new(Principal {
        subject: subject.into(),
        issuer: "https://issuer.example".into(),
        scopes: Box::new(["chat".into()]),
        token_id: None,
        session: None,
        email: None,
        name: None,
        groups: Box::new([]),
        mechanism: Mechanism::Bearer,
        methods: Box::default(),
        context: None,
        issued: None,
        expires: UnixTime::from_secs(expires),
    }))
}

pub(crate) fn admitted(subject: &str, expires: i64, policy: &RoutePolicy, now: Now) -> Admission {
    let credential = Some((Carrier::Header, Credential::bearer("t")));
    let Step::Verify(needs, question) = begin(id(1), absent(), credential, policy, now.mono) else {
        panic!("a header credential is asked about");
    };
    match needs.resolve(question.answer(Ok(verified(subject, expires))), policy, now) {
        Step::Admit(admission) => admission,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn id(number: u64) -> ConnectionId {
    ConnectionId(NonZeroU64::new(number).unwrap())
}

pub(crate) fn at(second: u64) -> Now {
    Now {
        mono: Mono::since_start(Duration::from_secs(second)),
        wall: UnixTime::from_secs(i64::try_from(second).unwrap()),
    }
}

pub(super) fn show(step: &Step) -> String {
    match step {
        Step::Refuse(Refusal { rejection, manner, say }) => {
            format!("{manner:?}({rejection}){}", say.as_ref().map_or("", |_| " said"))
        }
        Step::Verify(..) => "verify".to_owned(),
        Step::AwaitResponse(..) => "challenge".to_owned(),
        Step::AwaitMessage(_, say) => format!("await{}", say.as_ref().map_or("", |_| " said")),
        Step::Admit(admission) => format!("admit({})", admission.principal().subject),
    }
}

pub(crate) fn policy(accept: &[Carrier]) -> RoutePolicy {
    let mut policy = RoutePolicy::new(RoutePath::parse("/").unwrap());
    policy.accept = accept.into();
    policy
}

/// A credential by this carrier gets this answer; what is the next step?
fn check(
    carrier: Carrier,
    accept: &[Carrier],
    origin: OriginAllowed,
    answer: Result<Verified, Rejection>,
    expected: &str,
) {
    let policy = policy(accept);
    let credential = Some((carrier, Credential::bearer("t")));
    let step = match begin(id(1), origin, credential, &policy, at(0).mono) {
        Step::Verify(needs, question) => needs.resolve(question.answer(answer), &policy, at(1)),
        other => other,
    };
    assert_eq!(show(&step), expected);
}

const TOKEN: &[u8] = br#"{"auth":{"type":"authenticate","mechanism":"bearer","token":"t"}}"#;

#[test]
fn a_program_gets_the_http_status_and_a_browser_the_close() {
    let no = Err(Rejection::TokenSignature);
    let accept = &[Carrier::Header];
    check(Carrier::Header, accept, absent(), no.clone(), "Http(token_signature)");
    check(Carrier::Header, accept, present(), no, "Close(token_signature)");
}

#[test]
fn an_explicit_credential_that_fails_is_not_followed_by_another_chance() {
    let no = Err(Rejection::TokenExpired);
    let accept = &[Carrier::Header, Carrier::Message];
    check(Carrier::Header, accept, absent(), no, "Http(token_expired)");
}

#[test]
fn an_ambient_credential_that_fails_counts_as_none_where_a_message_may_follow() {
    let no = || Err(Rejection::TokenExpired);
    let accept = &[Carrier::Cookie, Carrier::Message];
    check(Carrier::Cookie, accept, present(), no(), "await");
    check(Carrier::Cookie, &[Carrier::Cookie], present(), no(), "Close(token_expired)");
}

#[test]
fn a_cookie_without_an_origin_is_not_even_looked_at() {
    let yes = || Ok(verified("alice", 100));
    check(Carrier::Cookie, &[Carrier::Cookie], absent(), yes(), "Http(origin_not_allowed)");
    let accept = &[Carrier::Cookie, Carrier::Message];
    check(Carrier::Cookie, accept, absent(), yes(), "Http(origin_not_allowed)");
    check(Carrier::Cookie, accept, present(), yes(), "admit(alice)");
}

#[test]
fn a_verified_token_that_is_over_admits_nobody() {
    check(
        Carrier::Header,
        &[Carrier::Header],
        absent(),
        Ok(verified("a", -60)),
        "Http(token_expired)",
    );
}

#[test]
fn a_missing_scope_is_refused() {
    let mut policy = policy(&[Carrier::Header]);
    policy.scopes = Box::new(["admin".into()]);
    let credential = Some((Carrier::Header, Credential::bearer("t")));
    let Step::Verify(needs, question) = begin(id(1), absent(), credential, &policy, at(0).mono)
    else {
        panic!();
    };
    let step = needs.resolve(question.answer(Ok(verified("a", 100))), &policy, at(0));
    assert_eq!(show(&step), "Http(insufficient_scope)");
}

#[test]
fn a_verdict_opens_only_for_the_connection_that_asked() {
    let policy = policy(&[Carrier::Header]);
    let begin = |number| {
        let credential = Some((Carrier::Header, Credential::bearer("t")));
        begin(id(number), absent(), credential, &policy, at(0).mono)
    };
    let (Step::Verify(mallory, _), Step::Verify(_, question)) = (begin(1), begin(2)) else {
        panic!();
    };
    let step = mallory.resolve(question.answer(Ok(verified("alice", 100))), &policy, at(0));
    assert_eq!(show(&step), "Http(internal)");
}

#[test]
fn a_verdict_after_the_deadline_admits_nobody() {
    let policy = policy(&[Carrier::Header]);
    let credential = Some((Carrier::Header, Credential::bearer("t")));
    let Step::Verify(needs, question) = begin(id(1), absent(), credential, &policy, at(0).mono)
    else {
        panic!();
    };
    let step = needs.resolve(question.answer(Ok(verified("a", 100))), &policy, at(5));
    assert_eq!(show(&step), "Http(auth_timeout)");
}

#[test]
fn nothing_but_an_authenticate_message_opens_the_door() {
    let policy = policy(&[Carrier::Message]);
    let cases: [(&[u8], &str); 4] = [
        (TOKEN, "verify"),
        (
            br#"{"auth":{"type":"refresh","mechanism":"bearer","token":"t"}}"#,
            "Close(malformed_message)",
        ),
        (br#"{"auth":{"type":"logout"}}"#, "Close(logged_out)"),
        (b"hello", "Close(malformed_message)"),
    ];
    for (text, expected) in cases {
        let Step::AwaitMessage(needs, None) = begin(id(1), present(), None, &policy, at(0).mono)
        else {
            panic!();
        };
        assert_eq!(show(&needs.receive(text, &policy, at(1))), expected);
    }
}

#[test]
fn credentials_in_band_can_be_tried_a_bounded_number_of_times() {
    let policy = policy(&[Carrier::Message]);
    let mut step = begin(id(1), present(), None, &policy, at(0).mono);
    let mut trace = Vec::new();
    while let Step::AwaitMessage(needs, _) = step {
        step = match needs.receive(TOKEN, &policy, at(1)) {
            Step::Verify(needs, question) => {
                needs.resolve(question.answer(Err(Rejection::TokenExpired)), &policy, at(1))
            }
            other => other,
        };
        trace.push(show(&step));
    }
    assert_eq!(trace, ["await said", "await said", "Close(token_expired) said"]);
}

#[test]
fn a_route_without_messages_wants_a_credential_in_the_handshake() {
    let policy = policy(&[Carrier::Header]);
    assert_eq!(
        show(&begin(id(1), absent(), None, &policy, at(0).mono)),
        "Http(credential_required)"
    );
    assert_eq!(
        show(&begin(id(1), present(), None, &policy, at(0).mono)),
        "Close(credential_required)"
    );
}

#[test]
fn required_is_said_only_where_the_route_announces() {
    let mut policy = policy(&[Carrier::Message]);
    assert_eq!(show(&begin(id(1), absent(), None, &policy, at(0).mono)), "await");
    policy.announce = Announce::Yes;
    assert_eq!(show(&begin(id(1), absent(), None, &policy, at(0).mono)), "await said");
}
