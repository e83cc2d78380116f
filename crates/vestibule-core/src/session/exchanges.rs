//! Challenge and response on a live connection, driven by hand: whoever asks back is a mechanism made
//! for the test, whose right response is the nonce itself.

use core::{num::NonZeroU64, time::Duration};

use proptest::prelude::*;

use super::{tests::at, *};
use crate::{
    authn::{Asked, Challenge, Demand, Exchange, Finding, Mechanism, Response, methods::named},
    handshake::tests::{admitted, verified},
};

/// What the connection was let in by ends at second 100, and its grace at this one.
pub(super) const LEASE_ENDS: u64 = 130;
/// What a response brings ends then, and its grace 30 s later.
const RENEWED: i64 = 300;

pub(super) const BEGIN: &str =
    r#"{"auth":{"type":"authenticate","mechanism":"public-key","key":"k"}}"#;
pub(super) const REFRESH: &str =
    r#"{"auth":{"type":"refresh","mechanism":"public-key","key":"k"}}"#;
pub(super) const TOKEN: &str = r#"{"auth":{"type":"refresh","mechanism":"bearer","token":"t"}}"#;
pub(super) const LOGOUT: &str = r#"{"auth":{"type":"logout"}}"#;

pub(super) fn respond(text: &str) -> String {
    format!(r#"{{"auth":{{"type":"respond","message":"{text}"}}}}"#)
}

/// What is kept until the response.
struct Expected(String);

/// A connection, and the nonces that were made for it.
pub(super) struct Client {
    pub(super) session: Session,
    pub(super) policy: RoutePolicy,
    number: u64,
    pub(super) made: u32,
    /// Who a right response is of.
    pub(super) subject: &'static str,
    /// By what it was proven.
    pub(super) methods: &'static [&'static str],
    /// When a token ends; without it, none is good.
    pub(super) token: Option<i64>,
}

impl Client {
    pub(super) fn new(number: u64) -> Self {
        let mut policy = RoutePolicy::new(crate::policy::RoutePath::parse("/").unwrap());
        policy.mechanisms = Box::new([Mechanism::PublicKey, Mechanism::Bearer]);
        Self::under(policy, number)
    }

    pub(super) fn under(policy: RoutePolicy, number: u64) -> Self {
        let admission = admitted("alice", 100, &policy, at(0));
        let mut session = Session::open(admission, Introduction::default(), &policy, at(0));
        session.core.id = ConnectionId(NonZeroU64::new(number).unwrap());
        Self { session, policy, number, made: 0, subject: "alice", methods: &[], token: None }
    }

    /// The nonce of the challenge that was made last.
    pub(super) fn nonce(&self) -> String {
        format!("{}-{}", self.number, self.made)
    }

    /// Says something; what comes of it when questions are answered honestly.
    pub(super) fn say(&mut self, text: &str, second: u64) -> String {
        self.give(Input::Message(text.as_bytes()), second)
    }

    pub(super) fn give(&mut self, input: Input<'_>, second: u64) -> String {
        self.session.handle(input, &self.policy, at(second));
        self.told(second)
    }

    /// What the session has to say, when questions are answered honestly.
    pub(super) fn told(&mut self, second: u64) -> String {
        let mut said = Vec::new();
        while let Some(effect) = self.session.poll_effect() {
            match effect {
                Effect::Ask(question) => {
                    let verdict = self.judge(question);
                    self.session.handle(Input::Verdict(verdict), &self.policy, at(second));
                }
                Effect::Tell(text) => said.push(told(&text)),
                Effect::Close(rejection) => said.push(format!("close({rejection})")),
                Effect::Forward(_) => said.push("forward".to_owned()),
            }
        }
        said.join(" ")
    }

    pub(super) fn judge(&mut self, question: Question) -> Verdict {
        let (asker, asked) = question.split();
        asker.answer(match asked {
            Asked::Credential(credential) if credential.mechanism == Mechanism::PublicKey => {
                self.made += 1;
                let demand = Demand::Nonce(self.nonce().into());
                let exchange = Exchange::new(Expected(self.nonce()));
                Ok(Finding::Challenged(Challenge { demand, exchange }))
            }
            Asked::Credential(_) => match self.token {
                Some(expires) => Ok(verified(self.subject, expires).into()),
                None => Err(Rejection::TokenSignature),
            },
            Asked::Response(exchange, Response::Message(said)) => {
                let Expected(nonce) = exchange.into_state().unwrap();
                if said.expose() == nonce.as_bytes() {
                    let principal = Principal {
                        mechanism: Mechanism::PublicKey,
                        methods: named(self.methods),
                        ..Principal::clone(verified(self.subject, RENEWED).principal())
                    };
                    let verified = Verified::assertion(Arc::new(principal));
                    Ok(Finding::Genuine(verified, Some("v=proof".into())))
                } else {
                    Err(Rejection::CredentialsInvalid)
                }
            }
            Asked::Response(_, _) => Err(Rejection::MalformedMessage),
        })
    }

    pub(super) fn ends(&self) -> u64 {
        self.session.lease_ends().unwrap().as_micros() / 1_000_000
    }
}

/// A message of the server, in short.
fn told(text: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(text).unwrap();
    let auth = &value["auth"];
    let detail = ["error", "nonce", "message", "expires_in"].iter().find_map(|name| auth.get(name));
    let detail = detail.map_or_else(String::new, ToString::to_string).replace('"', "");
    format!("{}({detail})", auth["type"].as_str().unwrap())
}

#[test]
fn the_right_response_renews_and_shows_the_servers_proof() {
    for begin in [BEGIN, REFRESH] {
        let mut client = Client::new(1);
        assert_eq!(client.say(begin, 1), "challenge(1-1)");
        assert_eq!(client.ends(), LEASE_ENDS);
        assert_eq!(client.say(&respond("1-1"), 5), "accepted(v=proof)");
        assert_eq!(client.ends(), 330);
    }
}

#[test]
fn a_response_to_nothing_ends_the_connection() {
    let mut client = Client::new(1);
    assert_eq!(client.say(&respond("1-1"), 1), "close(malformed_message)");
}

#[test]
fn a_challenge_is_spent_by_a_wrong_response() {
    let mut client = Client::new(1);
    client.say(BEGIN, 1);
    assert_eq!(client.say(&respond("wrong"), 1), "rejected(invalid_credentials)");
    assert_eq!(client.ends(), LEASE_ENDS);
    assert_eq!(client.say(&respond("1-1"), 1), "close(malformed_message)");
}

#[test]
fn a_right_response_counts_once() {
    let mut client = Client::new(1);
    client.say(BEGIN, 1);
    client.say(&respond("1-1"), 1);
    assert_eq!(client.say(&respond("1-1"), 1), "close(malformed_message)");
}

#[test]
fn a_challenge_is_spent_by_another_beginning_and_by_another_credential() {
    let mut client = Client::new(1);
    client.say(BEGIN, 1);
    assert_eq!(client.say(BEGIN, 1), "challenge(1-2)");
    assert_eq!(client.say(&respond("1-1"), 1), "rejected(invalid_credentials)");
    client.say(BEGIN, 1);
    assert_eq!(client.say(TOKEN, 1), "rejected(invalid_token)");
    assert_eq!(client.say(&respond("1-3"), 1), "close(malformed_message)");
}

#[test]
fn the_challenge_of_another_connection_is_not_answered_here() {
    let (mut one, mut other) = (Client::new(1), Client::new(2));
    one.say(BEGIN, 1);
    other.say(BEGIN, 1);
    assert_eq!(one.say(&respond(&other.nonce()), 1), "rejected(invalid_credentials)");
    assert_eq!(one.ends(), LEASE_ENDS);
}

#[test]
fn a_verdict_on_the_response_of_another_connection_renews_nothing() {
    let (mut alice, mut mallory) = (Client::new(1), Client::new(2));
    let ask = |client: &mut Client| {
        client.say(BEGIN, 1);
        let right = respond(&client.nonce());
        client.session.handle(Input::Message(right.as_bytes()), &client.policy, at(1));
        let Some(Effect::Ask(question)) = client.session.poll_effect() else { panic!() };
        client.judge(question)
    };
    let (verdict, _own) = (ask(&mut alice), ask(&mut mallory));
    assert_eq!(mallory.give(Input::Verdict(verdict), 1), "");
    assert_eq!(mallory.ends(), LEASE_ENDS);
}

#[test]
fn a_verdict_that_comes_while_a_challenge_is_out_renews_nothing() {
    let mut client = Client::new(1);
    client.say(BEGIN, 1);
    let question = Question::new(client.session.core.id, crate::authn::Credential::bearer("t"));
    let verdict = question.answer(Ok(verified("alice", 9999)));
    assert_eq!(client.give(Input::Verdict(verdict), 1), "");
    assert_eq!(client.ends(), LEASE_ENDS);
    assert_eq!(client.say(&respond("1-1"), 1), "accepted(v=proof)");
}

#[test]
fn a_response_after_its_time_costs_nothing_and_counts_for_nothing() {
    let mut client = Client::new(1);
    client.say(BEGIN, 1);
    assert_eq!(client.say(&respond("1-1"), 6), "rejected(invalid_credentials)");
    assert_eq!(client.ends(), LEASE_ENDS);
    client.say(BEGIN, 7);
    assert_eq!(client.say(&respond("1-2"), 11), "accepted(v=proof)");
}

#[test]
fn a_challenge_does_not_prolong_the_lease_and_a_response_after_it_revives_nothing() {
    let mut client = Client::new(1);
    client.say(BEGIN, LEASE_ENDS - 2);
    assert_eq!(client.say(&respond("1-1"), LEASE_ENDS), "close(token_expired)");
    // Nor does it do away with the warning.
    let mut client = Client::new(1);
    client.say(BEGIN, 99);
    assert_eq!(client.give(Input::Deadline, 100), "expiring(30)");
    assert_eq!(client.say(&respond("1-1"), 101), "accepted(v=proof)");
    assert_eq!(client.give(Input::Deadline, LEASE_ENDS), "");
}

#[test]
fn a_challenge_is_not_promised_for_longer_than_the_lease() {
    let mut client = Client::new(1);
    client.say(BEGIN, 1);
    client.session.handle(Input::Message(BEGIN.as_bytes()), &client.policy, at(LEASE_ENDS - 2));
    let mut last = String::new();
    while let Some(effect) = client.session.poll_effect() {
        match effect {
            Effect::Ask(question) => {
                let verdict = client.judge(question);
                client.session.handle(Input::Verdict(verdict), &client.policy, at(LEASE_ENDS - 2));
            }
            Effect::Tell(text) => last = text,
            Effect::Close(rejection) => panic!("{rejection}"),
            Effect::Forward(_) => panic!("nothing carries its own credential"),
        }
    }
    assert!(last.contains(r#""expires_in":2"#), "{last}");
}

#[test]
fn a_maximum_lifetime_ends_a_connection_that_is_challenged() {
    let mut policy = Client::new(1).policy;
    policy.max_lifetime = Some(Duration::from_secs(50));
    let mut client = Client::under(policy, 1);
    client.say(BEGIN, 49);
    assert_eq!(client.say(&respond("1-1"), 50), "close(lifetime_reached)");
}

#[test]
fn a_response_of_somebody_else_ends_the_connection() {
    let mut client = Client::new(1);
    client.subject = "mallory";
    client.say(BEGIN, 1);
    let said = client.say(&respond("1-1"), 1);
    assert_eq!(said, "rejected(identity_changed) close(identity_changed)");
    assert_eq!(&*client.session.principal().subject, "alice");
}

#[test]
fn a_response_of_another_kind_ends_the_connection() {
    let mut client = Client::new(1);
    client.say(BEGIN, 1);
    let signature = r#"{"auth":{"type":"respond","signature":"s"}}"#;
    assert_eq!(client.say(signature, 1), "rejected(invalid_request) close(malformed_message)");
}

#[test]
fn a_mechanism_that_the_route_does_not_take_asks_nothing() {
    let mut client = Client::new(1);
    client.policy.mechanisms = Box::new([Mechanism::Bearer]);
    assert_eq!(client.say(BEGIN, 1), "rejected(mechanism_not_allowed)");
}

#[test]
fn a_logout_and_a_revocation_are_heard_while_a_challenge_is_out() {
    let mut client = Client::new(1);
    client.say(BEGIN, 1);
    assert_eq!(client.say(LOGOUT, 1), "close(logged_out)");
    assert_eq!(client.say(&respond("1-1"), 1), "");
    let mut client = Client::new(1);
    client.say(BEGIN, 1);
    let revoked = Input::End(Rejection::TokenRevoked);
    assert_eq!(client.give(revoked, 1), "close(token_revoked)");
}

#[test]
fn a_renewal_from_beside_does_not_spend_a_challenge() {
    let mut client = Client::new(1);
    client.say(BEGIN, 1);
    client.session.renew(&verified("alice", 200), &client.policy, at(1)).unwrap();
    assert_eq!(client.ends(), 230);
    assert_eq!(client.say(&respond("1-1"), 1), "accepted(199) accepted(v=proof)");
}

#[test]
fn exchanges_have_the_budget_of_messages() {
    let mut client = Client::new(1);
    for _ in 0..limits::MESSAGES_A_MINUTE / 2 {
        client.say(BEGIN, 1);
        assert_eq!(client.say(&respond("wrong"), 1), "rejected(invalid_credentials)");
    }
    assert_eq!(client.say(BEGIN, 1), "close(too_many_attempts)");
}

/// What a client may say.
#[derive(Clone, Debug)]
enum Word {
    Begin,
    Right,
    Old,
    Token,
    Cut(usize),
    Noise(String),
    Wait(u64),
}

fn words() -> impl Strategy<Value = Vec<Word>> {
    let word = prop_oneof![
        4 => Just(Word::Begin),
        3 => Just(Word::Right),
        2 => Just(Word::Old),
        1 => Just(Word::Token),
        1 => (0..40_usize).prop_map(Word::Cut),
        1 => ".{0,40}".prop_map(Word::Noise),
        2 => prop_oneof![Just(1_u64), Just(3), Just(60)].prop_map(Word::Wait),
    ];
    proptest::collection::vec(word, 1..12)
}

proptest! {
    /// However messages are reordered, repeated, cut and delayed: only the right response, directly
    /// behind the challenge of this connection and in its time, renews; and nothing else moves the
    /// end of the lease.
    #[test]
    fn only_the_response_right_behind_its_challenge_renews(words in words()) {
        let mut client = Client::new(1);
        let mut now = 1;
        let mut challenged_at = None;
        let mut ends = LEASE_ENDS;
        for word in words {
            let text = match word {
                Word::Begin => BEGIN.to_owned(),
                Word::Right => respond(&client.nonce()),
                Word::Old => respond(&format!("1-{}", client.made.saturating_sub(1))),
                Word::Token => TOKEN.to_owned(),
                Word::Cut(at) => respond(&client.nonce()).chars().take(at).collect(),
                Word::Noise(ref text) => text.clone(),
                Word::Wait(span) => {
                    now += span;
                    let _said = client.give(Input::Deadline, now);
                    continue;
                }
            };
            let may = now < ends
                && matches!(word, Word::Right)
                && challenged_at.is_some_and(|since| now < since + limits::CHALLENGE.as_secs());
            let said = client.say(&text, now);
            prop_assert_eq!(said.contains("accepted"), may, "{:?}: {}", word, said);
            if may {
                ends = u64::try_from(RENEWED).unwrap() + 30;
            }
            let Some(lease) = client.session.lease_ends() else {
                prop_assert!(now >= ends || said.contains("close"));
                break;
            };
            prop_assert_eq!(lease.as_micros() / 1_000_000, ends);
            challenged_at = said.contains("challenge").then_some(now);
        }
    }
}
