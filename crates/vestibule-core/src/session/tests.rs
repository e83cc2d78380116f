//! One `check` drives a session by a script of (second, event) and compares a readable trace.

use core::{num::NonZeroU64, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::{authn::Question, handshake::tests::admitted, time::UnixTime};

/// The credential of every script ends at second 100; grace and warning are 30 seconds each.
const EXPIRES: i64 = 100;

#[derive(Clone, Copy, Debug)]
enum Do {
    Refresh,
    Logout,
    Garbage,
    /// A refresh whose token is longer than any may be.
    RefreshTooLong,
    Allow(&'static str, i64),
    Deny(Rejection),
    /// A verdict that answers another connection's question.
    AllowStranger,
    /// A credential that was checked beside the connection.
    Renew(&'static str, i64),
    Revoke,
    Gone,
    Wait,
}

struct Rig {
    session: Session,
    policy: RoutePolicy,
    asked: Option<Question>,
    trace: Vec<String>,
}

pub(super) fn at(second: u64) -> Now {
    Now {
        mono: Mono::since_start(Duration::from_secs(second)),
        wall: UnixTime::from_secs(i64::try_from(second).unwrap()),
    }
}

fn open(policy: &RoutePolicy) -> Session {
    let admission = admitted("alice", EXPIRES, policy, at(0));
    Session::open(admission, Introduction::default(), policy, at(0))
}

impl Rig {
    fn new() -> Self {
        let policy = RoutePolicy::new(crate::policy::RoutePath::parse("/").unwrap());
        let session = open(&policy);
        Self { session, policy, asked: None, trace: Vec::new() }
    }

    fn go(&mut self, second: u64, what: Do) {
        let refresh = br#"{"auth":{"type":"refresh","mechanism":"bearer","token":"t"}}"#;
        let now = at(second);
        match what {
            Do::Refresh => self.session.handle(Input::Message(refresh), &self.policy, now),
            Do::Logout => {
                let text = br#"{"auth":{"type":"logout"}}"#;
                self.session.handle(Input::Message(text), &self.policy, now);
            }
            Do::RefreshTooLong => {
                let token = "t".repeat(limits::CREDENTIAL_BYTES + 1);
                let text = String::from_utf8_lossy(refresh).replace("\"t\"", &format!("{token:?}"));
                self.session.handle(Input::Message(text.as_bytes()), &self.policy, now);
            }
            Do::Garbage => self.session.handle(Input::Message(b"{"), &self.policy, now),
            Do::Allow(subject, expires) => {
                if let Some(question) = self.asked.take() {
                    let verdict = question.answer(Ok(handshake::tests::verified(subject, expires)));
                    self.session.handle(Input::Verdict(verdict), &self.policy, now);
                }
            }
            Do::Deny(rejection) => {
                if let Some(question) = self.asked.take() {
                    let verdict = question.answer(Err(rejection));
                    self.session.handle(Input::Verdict(verdict), &self.policy, now);
                }
            }
            Do::AllowStranger => {
                let other = ConnectionId(NonZeroU64::new(99).unwrap());
                let question = Question::new(other, crate::authn::Credential::bearer("t"));
                let verdict = question.answer(Ok(handshake::tests::verified("alice", 9999)));
                self.session.handle(Input::Verdict(verdict), &self.policy, now);
            }
            Do::Renew(subject, expires) => {
                let verified = handshake::tests::verified(subject, expires);
                let said = match self.session.renew(&verified, &self.policy, now) {
                    Ok(remaining) => format!("renewed({})", remaining.as_secs()),
                    Err(rejection) => format!("no({rejection})"),
                };
                self.trace.push(said);
            }
            Do::Revoke => {
                self.session.handle(Input::End(Rejection::TokenRevoked), &self.policy, now);
            }
            Do::Gone => self.session.handle(Input::Gone, &self.policy, now),
            Do::Wait => self.session.handle(Input::Deadline, &self.policy, now),
        }
        while let Some(effect) = self.session.poll_effect() {
            self.trace.push(match effect {
                Effect::Ask(question) => {
                    self.asked = Some(question);
                    "ask".to_owned()
                }
                Effect::Tell(text) => {
                    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                    let auth = &value["auth"];
                    let detail = auth.get("error").or_else(|| auth.get("expires_in")).unwrap();
                    format!("{}({detail})", auth["type"].as_str().unwrap()).replace('"', "")
                }
                Effect::Forward(_) => "forward".to_owned(),
                Effect::Close(rejection) => format!("close({rejection})"),
            });
        }
    }
}

fn check(script: &[(u64, Do)], expected: &str) {
    let mut rig = Rig::new();
    for (second, what) in script {
        rig.go(*second, *what);
    }
    assert_eq!(rig.trace.join(" "), expected, "{script:?}");
}

#[test]
fn a_lease_ends_at_expiry_plus_grace_and_not_before() {
    check(&[(129, Do::Wait)], "");
    check(&[(130, Do::Wait)], "close(token_expired)");
}

#[test]
fn only_a_client_that_spoke_in_band_is_told_that_the_end_is_near() {
    check(
        &[(1, Do::Refresh), (2, Do::Deny(Rejection::TokenSignature)), (100, Do::Wait)],
        "ask rejected(invalid_token) expiring(30)",
    );
    check(&[(100, Do::Wait)], "");
}

#[test]
fn the_warning_is_said_once_and_does_not_delay_the_end() {
    check(
        &[
            (1, Do::Refresh),
            (2, Do::Deny(Rejection::TokenSignature)),
            (100, Do::Wait),
            (101, Do::Wait),
            (130, Do::Wait),
        ],
        "ask rejected(invalid_token) expiring(30) close(token_expired)",
    );
}

#[test]
fn a_short_lease_is_not_warned_of_in_its_first_half() {
    let short = |second| [(1, Do::Refresh), (2, Do::Allow("alice", -20)), (second, Do::Wait)];
    check(&short(5), "ask accepted(0)");
    check(&short(6), "ask accepted(0) expiring(4)");
}

#[test]
fn a_refresh_re_arms_the_lease() {
    check(
        &[(1, Do::Refresh), (2, Do::Allow("alice", 200)), (229, Do::Wait)],
        "ask accepted(198) expiring(1)",
    );
    check(&[(1, Do::Refresh), (2, Do::Allow("alice", 200)), (130, Do::Wait)], "ask accepted(198)");
    check(
        &[(1, Do::Refresh), (2, Do::Allow("alice", 200)), (230, Do::Wait)],
        "ask accepted(198) close(token_expired)",
    );
}

#[test]
fn a_late_answer_cannot_revive_a_lapsed_lease() {
    check(&[(1, Do::Refresh), (130, Do::Allow("alice", 600))], "ask close(token_expired)");
}

#[test]
fn the_answer_to_another_connection_renews_nothing() {
    check(&[(1, Do::Refresh), (2, Do::AllowStranger), (130, Do::Wait)], "ask close(token_expired)");
    check(&[(2, Do::AllowStranger), (130, Do::Wait)], "close(token_expired)");
}

#[test]
fn a_refresh_under_another_name_ends_the_connection() {
    check(
        &[(1, Do::Refresh), (2, Do::Allow("mallory", 600))],
        "ask rejected(identity_changed) close(identity_changed)",
    );
}

#[test]
fn a_refresh_that_fails_keeps_the_old_lease() {
    check(
        &[(1, Do::Refresh), (2, Do::Deny(Rejection::Unavailable)), (130, Do::Wait)],
        "ask rejected(temporarily_unavailable) close(token_expired)",
    );
}

#[test]
fn a_refresh_with_a_token_that_is_too_long_fails_like_another() {
    check(
        &[(1, Do::RefreshTooLong), (2, Do::Refresh), (3, Do::RefreshTooLong), (130, Do::Wait)],
        "rejected(invalid_token) ask rejected(invalid_token) close(token_expired)",
    );
}

#[test]
fn a_refresh_with_a_token_that_is_over_does_not_count() {
    check(
        &[(1, Do::Refresh), (90, Do::Allow("alice", 20)), (130, Do::Wait)],
        "ask rejected(token_expired) close(token_expired)",
    );
}

#[test]
fn a_revoked_token_ends_the_connection_even_as_a_refresh() {
    check(&[(1, Do::Refresh), (2, Do::Deny(Rejection::TokenRevoked))], "ask close(token_revoked)");
    check(&[(1, Do::Revoke)], "close(token_revoked)");
}

#[test]
fn logout_is_heard_while_a_question_is_in_flight() {
    check(&[(1, Do::Logout)], "close(logged_out)");
    check(
        &[(1, Do::Refresh), (2, Do::Logout), (3, Do::Allow("alice", 600))],
        "ask close(logged_out)",
    );
}

#[test]
fn a_renewal_from_beside_re_arms_the_lease_of_the_same_identity_alone() {
    check(
        &[(1, Do::Renew("alice", 200)), (130, Do::Wait), (230, Do::Wait)],
        "renewed(199) close(token_expired)",
    );
    check(
        &[(1, Do::Renew("mallory", 600)), (2, Do::Renew("alice", -50)), (130, Do::Wait)],
        "no(identity_changed) no(token_expired) close(token_expired)",
    );
    check(&[(1, Do::Refresh), (2, Do::Renew("alice", 200))], "ask renewed(198) accepted(198)");
}

#[test]
fn a_connection_does_not_leave_its_session_by_a_newer_credential() {
    let policy = RoutePolicy::new(crate::policy::RoutePath::parse("/").unwrap());
    let admission = admitted("alice", EXPIRES, &policy, at(0)).in_session("ses_1");
    let session = Session::open(admission, Introduction::default(), &policy, at(0));
    let mut rig = Rig { session, policy, asked: None, trace: Vec::new() };
    for event in [Do::Renew("alice", 200), Do::Refresh, Do::Allow("alice", 300)] {
        rig.go(1, event);
        assert_eq!(rig.session.principal().session.as_deref(), Some("ses_1"), "{event:?}");
    }
    assert_eq!(rig.session.principal().expires, UnixTime::from_secs(300));
    // One that brings its own session moves there.
    let own = |session: &str| Principal {
        session: Some(session.into()),
        ..Principal::clone(handshake::tests::verified("alice", 400).principal())
    };
    let verified = Verified::assertion(Arc::new(own("ses_2")));
    rig.session.renew(&verified, &rig.policy, at(2)).unwrap();
    assert_eq!(rig.session.principal().session.as_deref(), Some("ses_2"));
}

#[test]
fn a_renewal_revives_nothing_that_is_over() {
    check(
        &[(130, Do::Renew("alice", 600)), (131, Do::Wait)],
        "no(token_expired) close(token_expired)",
    );
    check(&[(1, Do::Logout), (2, Do::Renew("alice", 600))], "close(logged_out) no(token_expired)");
}

#[test]
fn one_question_at_a_time() {
    check(&[(1, Do::Refresh), (2, Do::Refresh)], "ask rejected(too_many_attempts)");
}

#[test]
fn nonsense_costs_the_connection() {
    check(&[(1, Do::Garbage), (2, Do::Refresh)], "close(malformed_message)");
}

#[test]
fn messages_have_a_budget() {
    let mut script = Vec::new();
    for _ in 0..=limits::MESSAGES_A_MINUTE {
        script.push((1, Do::Refresh));
        script.push((1, Do::Deny(Rejection::TokenSignature)));
    }
    let mut rig = Rig::new();
    for (second, what) in script {
        rig.go(second, what);
    }
    assert_eq!(rig.trace.last().unwrap(), "close(too_many_attempts)");
}

#[test]
fn a_maximum_lifetime_holds_whatever_is_refreshed() {
    let mut rig = Rig::new();
    rig.policy.max_lifetime = Some(Duration::from_secs(50));
    rig.session = open(&rig.policy);
    rig.go(1, Do::Refresh);
    rig.go(2, Do::Allow("alice", 900));
    rig.go(50, Do::Wait);
    assert_eq!(rig.trace.join(" "), "ask accepted(898) close(lifetime_reached)");
}

fn any_event() -> impl Strategy<Value = Do> {
    prop_oneof![
        Just(Do::Refresh),
        Just(Do::Logout),
        Just(Do::Garbage),
        Just(Do::Allow("alice", 300)),
        Just(Do::Allow("mallory", 300)),
        Just(Do::Deny(Rejection::TokenSignature)),
        Just(Do::Deny(Rejection::TokenRevoked)),
        Just(Do::AllowStranger),
        Just(Do::Revoke),
        Just(Do::Gone),
        Just(Do::Wait),
    ]
}

proptest! {
    #[test]
    fn every_script_closes_at_most_once_and_says_nothing_afterwards(
        script in proptest::collection::vec((0u64..40, any_event()), 0..40)
    ) {
        let mut rig = Rig::new();
        let mut second = 0;
        for (step, what) in &script {
            second += step;
            rig.go(second, *what);
        }
        let closes = rig.trace.iter().filter(|said| said.starts_with("close")).count();
        prop_assert!(closes <= 1);
        if closes == 1 {
            prop_assert!(rig.trace.last().unwrap().starts_with("close"));
            prop_assert!(rig.session.poll_deadline().is_none());
        }
        prop_assert_eq!(rig.session.principal().subject.as_ref(), "alice");
        // Following the deadlines alone always ends it.
        for _ in 0..4 {
            let Some(deadline) = rig.session.poll_deadline() else { break };
            rig.go(deadline.as_micros().div_ceil(1_000_000), Do::Wait);
        }
        prop_assert!(rig.session.poll_deadline().is_none());
    }
}
