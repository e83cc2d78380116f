//! The line, driven by hand.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the case it wants")]

use core::num::NonZeroU64;
use std::sync::Arc;

use super::*;
use crate::{
    authn::{Mechanism, Verified},
    policy::{
        Certificate, ChannelBinding, RoutePath,
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
    admitted_as(verified(subject, expires), policy, now)
}

pub(crate) fn admitted_as(verified: Verified, policy: &RoutePolicy, now: Now) -> Admission {
    let credential = Some((Carrier::Header, Credential::bearer("t")));
    let Step::Verify(needs, question) =
        begin(id(1), absent(), credential, Channel::BARE, policy, now.mono)
    else {
        panic!("a header credential is asked about");
    };
    match needs.resolve(question.answer(Ok(verified)), policy, now) {
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
    let step = match begin(id(1), origin, credential, Channel::BARE, &policy, at(0).mono) {
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
    let Step::Verify(needs, question) =
        begin(id(1), absent(), credential, Channel::BARE, &policy, at(0).mono)
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
        begin(id(number), absent(), credential, Channel::BARE, &policy, at(0).mono)
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
    let Step::Verify(needs, question) =
        begin(id(1), absent(), credential, Channel::BARE, &policy, at(0).mono)
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
        let Step::AwaitMessage(needs, None) =
            begin(id(1), present(), None, Channel::BARE, &policy, at(0).mono)
        else {
            panic!();
        };
        assert_eq!(show(&needs.receive(text, &policy, at(1))), expected);
    }
}

#[test]
fn credentials_in_band_can_be_tried_a_bounded_number_of_times() {
    let policy = policy(&[Carrier::Message]);
    let mut step = begin(id(1), present(), None, Channel::BARE, &policy, at(0).mono);
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
        show(&begin(id(1), absent(), None, Channel::BARE, &policy, at(0).mono)),
        "Http(credential_required)"
    );
    assert_eq!(
        show(&begin(id(1), present(), None, Channel::BARE, &policy, at(0).mono)),
        "Close(credential_required)"
    );
}

#[test]
fn required_is_said_only_where_the_route_announces() {
    let mut policy = policy(&[Carrier::Message]);
    assert_eq!(show(&begin(id(1), absent(), None, Channel::BARE, &policy, at(0).mono)), "await");
    policy.announce = Announce::Yes;
    assert_eq!(
        show(&begin(id(1), absent(), None, Channel::BARE, &policy, at(0).mono)),
        "await said"
    );
}

/// A connection whose client has shown a certificate.
const CERTIFIED: Channel = Channel { certificate: Certificate::Verified, ..Channel::BARE };

fn certified(origin: OriginAllowed, policy: &RoutePolicy) -> Step {
    let credential = Some((Carrier::Tls, Credential::certificate()));
    begin(id(1), origin, credential, CERTIFIED, policy, at(0).mono)
}

#[test]
fn a_certificate_counts_only_for_a_page_that_may_ask() {
    let mut policy = policy(&[Carrier::Tls, Carrier::Message]);
    policy.mechanisms = Box::new([Mechanism::External]);
    assert_eq!(show(&certified(absent(), &policy)), "Http(origin_not_allowed)");
    assert_eq!(show(&certified(present(), &policy)), "verify");
    policy.mechanisms = Box::new([Mechanism::Bearer]);
    assert_eq!(show(&certified(present(), &policy)), "await");
}

#[test]
fn a_message_for_a_certificate_counts_only_where_there_is_one_and_for_a_page_that_may_ask() {
    let mut policy = policy(&[Carrier::Message]);
    policy.mechanisms = Box::new([Mechanism::External]);
    let text = br#"{"auth":{"type":"authenticate","mechanism":"external"}}"#;
    for (origin, channel, expected) in [
        (present(), CERTIFIED, "verify"),
        (absent(), CERTIFIED, "Close(origin_not_allowed)"),
        (present(), Channel::BARE, "await said"),
        (absent(), Channel::BARE, "await said"),
    ] {
        let Step::AwaitMessage(needs, None) =
            begin(id(1), origin, None, channel, &policy, at(0).mono)
        else {
            panic!()
        };
        assert_eq!(show(&needs.receive(text, &policy, at(1))), expected);
    }
}

#[test]
fn only_what_the_connection_can_prove_is_announced() {
    let mut policy = policy(&[Carrier::Message]);
    policy.announce = Announce::Yes;
    policy.mechanisms =
        Box::new([Mechanism::External, Mechanism::ScramSha256Plus, Mechanism::ScramSha256]);
    let bound = Channel { binding: ChannelBinding::TlsExporter, ..Channel::BARE };
    for (channel, expected) in [
        (Channel::BARE, r#"["scram-sha-256"]"#),
        (CERTIFIED, r#"["external","scram-sha-256"]"#),
        (bound, r#"["scram-sha-256-plus","scram-sha-256"]"#),
    ] {
        let step = begin(id(1), present(), None, channel, &policy, at(0).mono);
        let Step::AwaitMessage(_, Some(said)) = step else { panic!() };
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn an_exchange_that_nothing_binds_is_no_bound_exchange() {
    let mut policy = policy(&[Carrier::Message]);
    policy.mechanisms = Box::new([Mechanism::ScramSha256Plus]);
    let text = br#"{"auth":{"type":"authenticate","mechanism":"scram-sha-256-plus","message":"p=tls-exporter,,n=a,r=b"}}"#;
    for (binding, expected) in [
        (ChannelBinding::None, "Close(mechanism_not_allowed)"),
        (ChannelBinding::TlsExporter, "verify"),
    ] {
        let channel = Channel { binding, ..Channel::BARE };
        let Step::AwaitMessage(needs, None) =
            begin(id(1), present(), None, channel, &policy, at(0).mono)
        else {
            panic!()
        };
        assert_eq!(show(&needs.receive(text, &policy, at(1))), expected);
    }
}

#[test]
fn the_lease_of_a_certificate_ends_with_it_and_has_no_grace() {
    let mut policy = policy(&[Carrier::Tls]);
    policy.mechanisms = Box::new([Mechanism::External]);
    for (expires, expected) in [(1, "Close(token_expired)"), (10, "admit(alice)")] {
        let Step::Verify(needs, question) = certified(present(), &policy) else { panic!() };
        let principal = Principal {
            mechanism: Mechanism::External,
            ..Principal::clone(verified("alice", expires).principal())
        };
        let answer = Ok(Verified::assertion(Arc::new(principal)));
        let step = needs.resolve(question.answer(answer), &policy, at(1));
        assert_eq!(show(&step), expected);
        if let Step::Admit(admission) = step {
            assert_eq!(admission.lease_ends(), at(10).mono);
        }
    }
}
