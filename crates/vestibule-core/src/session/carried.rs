//! Sessions whose messages carry their own credentials, by scripts like those of `tests`.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the case it wants")]

use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    authn::Mechanism,
    handshake::{
        Step,
        tests::{at, id, policy, verified},
    },
    policy::{Channel, origin::tests::absent},
};

/// The credential of the first message ends at second 100; the grace is 30 seconds.
const EXPIRES: i64 = 100;

#[derive(Clone, Copy, Debug)]
enum Do {
    /// A message with this as its data.
    Send(u32),
    /// One with a ticket.
    SendTicket,
    /// One whose token is longer than any may be.
    SendTooLong,
    /// A text that is no envelope.
    Garbage,
    Allow(&'static str, i64),
    Deny(Rejection),
    AllowStranger,
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

fn open(policy: &RoutePolicy) -> Session {
    let text = br#"{"auth":{"token":"t"},"data":0}"#;
    let Step::AwaitMessage(needs, None) =
        handshake::begin(id(1), absent(), None, Channel::BARE, policy, at(0).mono)
    else {
        panic!("it waits for a message");
    };
    let Step::Verify(needs, question) = needs.receive(text, policy, at(0)) else {
        panic!("a token is asked about");
    };
    match needs.resolve(question.answer(Ok(verified("alice", EXPIRES))), policy, at(0)) {
        Step::Admit(admission) => Session::open(admission, Introduction::default(), policy, at(0)),
        other => panic!("{other:?}"),
    }
}

impl Rig {
    fn new() -> Self {
        let policy = policy(&[Carrier::PerMessage]);
        let session = open(&policy);
        Self { session, policy, asked: None, trace: Vec::new() }
    }

    fn message(&mut self, token: &str, data: u32, now: Now) {
        let text = format!(r#"{{"auth":{{"token":"{token}"}},"data":{data}}}"#);
        self.session.handle(Input::Message(text.as_bytes()), &self.policy, now);
    }

    fn verdict(&mut self, result: Result<Verified, Rejection>, now: Now) {
        if let Some(question) = self.asked.take() {
            self.session.handle(Input::Verdict(question.answer(result)), &self.policy, now);
        }
    }

    fn go(&mut self, second: u64, what: Do) {
        let now = at(second);
        match what {
            Do::Send(data) => self.message("t", data, now),
            Do::SendTicket => self.message("vst_t", 9, now),
            Do::SendTooLong => self.message(&"t".repeat(limits::CREDENTIAL_BYTES + 1), 9, now),
            Do::Garbage => {
                let text = br#"{"auth":{"type":"logout"}}"#;
                self.session.handle(Input::Message(text), &self.policy, now);
            }
            Do::Allow(subject, expires) => self.verdict(Ok(verified(subject, expires)), now),
            Do::Deny(rejection) => self.verdict(Err(rejection), now),
            Do::AllowStranger => {
                let question = Question::new(id(99), crate::authn::Credential::bearer("t"));
                let verdict = question.answer(Ok(verified("alice", 9999)));
                self.session.handle(Input::Verdict(verdict), &self.policy, now);
            }
            Do::Renew(subject, expires) => {
                let said = self.session.renew(&verified(subject, expires), &self.policy, now);
                self.trace.push(if said.is_ok() { "renewed" } else { "not-renewed" }.to_owned());
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
                    assert_eq!(value["auth"]["type"], "rejected");
                    assert_eq!(value["auth"]["retry"], true);
                    format!("rejected({})", value["auth"]["error"].as_str().unwrap())
                }
                Effect::Forward(data) => format!("forward({})", str::from_utf8(&data).unwrap()),
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
fn a_good_message_goes_on_and_a_bad_one_is_rejected_alone() {
    check(
        &[
            (1, Do::Send(1)),
            (1, Do::Deny(Rejection::TokenSignature)),
            (2, Do::Send(2)),
            (2, Do::Allow("alice", 100)),
            (3, Do::Send(3)),
            (3, Do::Deny(Rejection::TokenRevoked)),
            (4, Do::Send(4)),
            (4, Do::Allow("alice", 100)),
        ],
        "ask rejected(invalid_token) ask forward(2) ask rejected(token_revoked) ask forward(4)",
    );
}

#[test]
fn a_message_of_somebody_else_does_not_go_on() {
    check(
        &[
            (1, Do::Send(1)),
            (1, Do::Allow("mallory", 600)),
            (2, Do::Send(2)),
            (2, Do::Allow("alice", 600)),
        ],
        "ask rejected(identity_changed) ask forward(2)",
    );
}

#[test]
fn what_lacks_a_scope_or_a_mechanism_of_the_route_does_not_go_on() {
    let mut rig = Rig::new();
    rig.policy.scopes = Box::new(["admin".into()]);
    rig.go(1, Do::Send(1));
    rig.go(1, Do::Allow("alice", 600));
    rig.go(2, Do::SendTicket);
    rig.policy.mechanisms = Box::new([Mechanism::Session]);
    rig.go(3, Do::Send(3));
    assert_eq!(
        rig.trace.join(" "),
        "ask rejected(insufficient_scope) rejected(mechanism_not_allowed) \
         rejected(mechanism_not_allowed)"
    );
}

#[test]
fn the_lease_is_that_of_the_last_good_message() {
    check(&[(129, Do::Wait)], "");
    check(&[(130, Do::Wait)], "close(token_expired)");
    let renewed = |second, what| [(1, Do::Send(1)), (2, Do::Allow("alice", 200)), (second, what)];
    check(&renewed(229, Do::Wait), "ask forward(1)");
    check(&renewed(230, Do::Wait), "ask forward(1) close(token_expired)");
    // A bad one leaves it as it was.
    check(
        &[(1, Do::Send(1)), (2, Do::Allow("mallory", 900)), (130, Do::Wait)],
        "ask rejected(identity_changed) close(token_expired)",
    );
    // One that is over itself is bad.
    check(
        &[(1, Do::Send(1)), (90, Do::Allow("alice", 20)), (130, Do::Wait)],
        "ask rejected(token_expired) close(token_expired)",
    );
}

#[test]
fn an_answer_behind_the_end_of_the_lease_lets_nothing_through() {
    check(&[(1, Do::Send(1)), (130, Do::Allow("alice", 600))], "ask close(token_expired)");
    check(&[(130, Do::Send(1))], "close(token_expired)");
    check(
        &[(1, Do::Send(1)), (2, Do::Revoke), (3, Do::Allow("alice", 600))],
        "ask close(token_revoked)",
    );
}

#[test]
fn the_answer_to_another_connection_lets_nothing_through() {
    check(
        &[(1, Do::Send(1)), (2, Do::AllowStranger), (3, Do::Deny(Rejection::TokenSignature))],
        "ask rejected(invalid_token)",
    );
    check(&[(2, Do::AllowStranger)], "");
}

#[test]
fn a_message_out_of_turn_is_rejected_and_overtakes_nothing() {
    check(
        &[(1, Do::Send(1)), (1, Do::Send(2)), (2, Do::Allow("alice", 600))],
        "ask rejected(too_many_attempts) forward(1)",
    );
    let mut rig = Rig::new();
    assert!(!rig.session.is_checking());
    rig.go(1, Do::Send(1));
    assert!(rig.session.is_checking());
    rig.go(1, Do::Allow("alice", 600));
    assert!(!rig.session.is_checking());
}

#[test]
fn what_is_no_envelope_ends_the_connection_and_a_token_that_is_too_long_does_not() {
    check(&[(1, Do::Garbage), (2, Do::Send(1))], "close(malformed_message)");
    check(
        &[(1, Do::SendTooLong), (2, Do::Send(1)), (2, Do::Allow("alice", 600))],
        "rejected(invalid_token) ask forward(1)",
    );
    let mut rig = Rig::new();
    rig.policy.max_message = 20;
    rig.go(1, Do::Send(1));
    assert_eq!(rig.trace.join(" "), "close(message_too_large)");
}

#[test]
fn rejections_have_a_budget_and_good_messages_none() {
    let tries = limits::REJECTIONS_A_MINUTE;
    let mut rig = Rig::new();
    for number in 0..1000 {
        rig.go(1, Do::Send(number));
        rig.go(1, Do::Allow("alice", 600));
    }
    assert_eq!(rig.trace.iter().filter(|said| said.starts_with("forward")).count(), 1000);
    rig.trace.clear();
    let bad = |rig: &mut Rig, second| {
        rig.go(second, Do::Send(0));
        rig.go(second, Do::Deny(Rejection::TokenSignature));
    };
    for _ in 0..tries {
        bad(&mut rig, 2);
    }
    // The next minute is another one.
    for _ in 0..tries {
        bad(&mut rig, 70);
    }
    assert_eq!(rig.trace.last().unwrap(), "rejected(invalid_token)");
    bad(&mut rig, 71);
    assert_eq!(rig.trace.last().unwrap(), "close(too_many_attempts)");
}

#[test]
fn a_maximum_lifetime_holds_however_good_the_messages_are() {
    let mut rig = Rig::new();
    rig.policy.max_lifetime = Some(Duration::from_secs(50));
    rig.session = open(&rig.policy);
    rig.go(1, Do::Send(1));
    rig.go(2, Do::Allow("alice", 900));
    rig.go(50, Do::Wait);
    assert_eq!(rig.trace.join(" "), "ask forward(1) close(lifetime_reached)");
}

#[test]
fn a_renewal_from_beside_counts_here_too() {
    check(
        &[
            (1, Do::Send(1)),
            (2, Do::Renew("alice", 200)),
            (3, Do::Allow("alice", 300)),
            (329, Do::Wait),
        ],
        "ask renewed forward(1)",
    );
    check(&[(1, Do::Renew("mallory", 900)), (130, Do::Wait)], "not-renewed close(token_expired)");
}

fn any_event() -> impl Strategy<Value = Do> {
    prop_oneof![
        3 => (0u32..100).prop_map(Do::Send),
        1 => Just(Do::SendTicket),
        1 => Just(Do::Garbage),
        3 => Just(Do::Allow("alice", 300)),
        1 => Just(Do::Allow("mallory", 300)),
        1 => Just(Do::Deny(Rejection::TokenSignature)),
        1 => Just(Do::Deny(Rejection::TokenRevoked)),
        1 => Just(Do::AllowStranger),
        1 => Just(Do::Revoke),
        1 => Just(Do::Gone),
        1 => Just(Do::Wait),
    ]
}

proptest! {
    #[test]
    fn only_what_was_allowed_goes_on_in_order_and_nothing_behind_the_end(
        script in prop::collection::vec((0u64..20, any_event()), 0..60)
    ) {
        let mut rig = Rig::new();
        let (mut second, mut waiting, mut allowed) = (0, None, Vec::new());
        for (step, what) in &script {
            second += step;
            let was_checking = rig.session.is_checking();
            let is_over = rig.session.lease_ends().is_none_or(|end| at(second).mono >= end);
            rig.go(second, *what);
            match what {
                Do::Send(data) if !was_checking && !is_over => waiting = Some(*data),
                Do::Allow("alice", _) if was_checking && !is_over => allowed.extend(waiting.take()),
                _ => {}
            }
        }
        let forwarded: Vec<_> = allowed.iter().map(|data| format!("forward({data})")).collect();
        let seen: Vec<_> =
            rig.trace.iter().filter(|said| said.starts_with("forward")).cloned().collect();
        prop_assert_eq!(seen, forwarded);
        let closes = rig.trace.iter().filter(|said| said.starts_with("close")).count();
        prop_assert!(closes <= 1);
        if closes == 1 {
            prop_assert!(rig.trace.last().unwrap().starts_with("close"));
        }
        prop_assert_eq!(&*rig.session.principal().subject, "alice");
    }
}
