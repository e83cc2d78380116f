//! Challenge and response, driven by hand: whoever asks back is a mechanism made for the test, whose
//! right response is the nonce itself.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the case it wants")]

use proptest::prelude::*;

use super::{
    tests::{at, id, policy, show, verified},
    *,
};
use crate::{
    authn::{Asked, Demand, Mechanism, Response},
    policy::origin::tests::present,
};

pub(super) const BEGIN: &str =
    r#"{"auth":{"type":"authenticate","mechanism":"public-key","key":"k"}}"#;
pub(super) const TOKEN: &str =
    r#"{"auth":{"type":"authenticate","mechanism":"bearer","token":"t"}}"#;

pub(super) fn respond(text: &str) -> String {
    format!(r#"{{"auth":{{"type":"respond","message":"{text}"}}}}"#)
}

/// What is kept until the response.
struct Expected(String);

fn route() -> RoutePolicy {
    let mut policy = policy(&[Carrier::Message]);
    policy.mechanisms = Box::new([Mechanism::PublicKey, Mechanism::Bearer]);
    policy
}

/// A connection, and the nonces that were made for it.
pub(super) struct Client {
    number: u64,
    pub(super) step: Option<Step>,
    made: u32,
    pub(super) policy: RoutePolicy,
}

impl Client {
    pub(super) fn new(number: u64) -> Self {
        let policy = route();
        let step = Some(begin(id(number), present(), None, Channel::BARE, &policy, at(0).mono));
        Self { number, step, made: 0, policy }
    }

    /// The nonce of the challenge that is out.
    pub(super) fn nonce(&self) -> String {
        format!("{}-{}", self.number, self.made)
    }

    /// Says something; what comes of it when questions are answered honestly.
    pub(super) fn say(&mut self, text: &str, now: Now) -> String {
        let step = match self.step.take() {
            Some(Step::AwaitMessage(needs, _)) => needs.receive(text.as_bytes(), &self.policy, now),
            Some(Step::AwaitResponse(needs, _)) => {
                needs.receive(text.as_bytes(), &self.policy, now)
            }
            Some(over) => over,
            None => panic!("no step"),
        };
        let step = match step {
            Step::Verify(needs, question) => {
                let verdict = self.judge(question);
                needs.resolve(verdict, &self.policy, now)
            }
            other => other,
        };
        let shown = show(&step);
        self.step = Some(step);
        shown
    }

    fn judge(&mut self, question: Question) -> Verdict {
        let (asker, asked) = question.split();
        let result = match asked {
            Asked::Credential(credential) if credential.mechanism == Mechanism::PublicKey => {
                self.made += 1;
                let nonce = self.nonce();
                let demand = Demand::Nonce(nonce.clone().into());
                let exchange = Exchange::new(Expected(nonce));
                Ok(Finding::Challenged(Challenge { demand, exchange }))
            }
            Asked::Credential(credential) if credential.mechanism == Mechanism::Webauthn => {
                self.made += 1;
                let nonce = self.nonce();
                let options = [("challenge".to_owned(), nonce.clone().into())];
                let demand = Demand::Options(options.into_iter().collect());
                let exchange = Exchange::new(Expected(format!(r#"{{"signed":"{nonce}"}}"#)));
                Ok(Finding::Challenged(Challenge { demand, exchange }))
            }
            Asked::Credential(_) => Err(Rejection::TokenExpired),
            Asked::Response(exchange, Response::Message(said) | Response::Assertion(said)) => {
                let Expected(nonce) = exchange.into_state().unwrap();
                if said.expose() == nonce.as_bytes() {
                    Ok(Finding::Genuine(verified("alice", 100), Some("v=proof".into())))
                } else {
                    Err(Rejection::CredentialsInvalid)
                }
            }
            Asked::Response(
                _,
                Response::Signature(_) | Response::SshSig(_) | Response::Proof(_),
            ) => Err(Rejection::MalformedMessage),
        };
        asker.answer(result)
    }
}

#[test]
fn the_right_response_to_the_challenge_opens_the_door() {
    let mut client = Client::new(1);
    assert_eq!(client.say(BEGIN, at(1)), "challenge");
    let Some(Step::AwaitResponse(_, said)) = &client.step else { panic!() };
    assert_eq!(said, r#"{"auth":{"type":"challenge","nonce":"1-1","expires_in":4}}"#);
    assert_eq!(client.say(&respond(&client.nonce()), at(1)), "admit(alice)");
    let Some(Step::Admit(admission)) = client.step else { panic!() };
    assert_eq!(admission.proof.as_deref(), Some("v=proof"));
}

#[test]
fn a_response_without_a_challenge_ends_the_connection() {
    let mut client = Client::new(1);
    assert_eq!(client.say(&respond("1-1"), at(1)), "Close(malformed_message)");
}

#[test]
fn a_challenge_is_spent_by_a_wrong_response() {
    let mut client = Client::new(1);
    client.say(BEGIN, at(1));
    assert_eq!(client.say(&respond("wrong"), at(1)), "await said");
    assert_eq!(client.say(&respond("1-1"), at(1)), "Close(malformed_message)");
}

#[test]
fn a_challenge_is_spent_by_another_beginning() {
    let mut client = Client::new(1);
    client.say(BEGIN, at(1));
    assert_eq!(client.say(BEGIN, at(1)), "challenge");
    assert_eq!(client.say(&respond("1-1"), at(1)), "await said");
}

#[test]
fn the_challenge_of_another_connection_is_not_answered_here() {
    let (mut one, mut other) = (Client::new(1), Client::new(2));
    one.say(BEGIN, at(1));
    other.say(BEGIN, at(1));
    assert_eq!(one.say(&respond(&other.nonce()), at(1)), "await said");
}

#[test]
fn a_verdict_on_the_response_of_another_connection_opens_nothing() {
    let (mut alice, mut mallory) = (Client::new(1), Client::new(2));
    let ask = |client: &mut Client| {
        client.say(BEGIN, at(1));
        let right = respond(&client.nonce());
        let Some(Step::AwaitResponse(needs, _)) = client.step.take() else { panic!() };
        match needs.receive(right.as_bytes(), &client.policy, at(1)) {
            Step::Verify(needs, question) => (needs, client.judge(question)),
            other => panic!("{other:?}"),
        }
    };
    let (_, verdict) = ask(&mut alice);
    let (needs, _) = ask(&mut mallory);
    let step = needs.resolve(verdict, &mallory.policy, at(1));
    assert_eq!(show(&step), "Close(internal) said");
}

#[test]
fn a_response_after_its_time_counts_for_nothing() {
    let mut client = Client::new(1);
    client.policy.auth_deadline = Duration::from_mins(1);
    let begun = begin(id(1), present(), None, Channel::BARE, &client.policy, at(0).mono);
    client.step = Some(begun);
    client.say(BEGIN, at(1));
    assert_eq!(client.say(&respond("1-1"), at(6)), "await said");
    client.say(BEGIN, at(7));
    assert_eq!(client.say(&respond("1-2"), at(11)), "admit(alice)");
}

#[test]
fn a_response_after_the_deadline_of_the_connection_ends_it() {
    let mut client = Client::new(1);
    client.say(BEGIN, at(4));
    assert_eq!(client.say(&respond("1-1"), at(5)), "Close(auth_timeout)");
}

#[test]
fn who_never_answers_can_ask_for_a_bounded_number_of_challenges() {
    let mut client = Client::new(1);
    let said: Vec<_> = (0..4).map(|_| client.say(BEGIN, at(1))).collect();
    assert_eq!(said, ["challenge", "challenge", "challenge", "Close(too_many_attempts)"]);
}

#[test]
fn of_three_wrong_responses_the_last_ends_the_connection() {
    let mut client = Client::new(1);
    let mut said = Vec::new();
    for _ in 0..limits::ATTEMPTS {
        said.push(client.say(BEGIN, at(1)));
        said.push(client.say(&respond("wrong"), at(1)));
    }
    let (asked, again) = ("challenge", "await said");
    let end = "Close(credentials_invalid) said";
    assert_eq!(said, [asked, again, asked, again, asked, end]);
}

#[test]
fn a_mechanism_that_the_route_does_not_take_asks_nothing() {
    let mut client = Client::new(1);
    client.policy.mechanisms = Box::new([Mechanism::Bearer]);
    assert_eq!(client.say(BEGIN, at(1)), "Close(mechanism_not_allowed)");
}

#[test]
fn a_handshake_cannot_be_asked_back() {
    let policy = policy(&[Carrier::Header]);
    let credential = Some((Carrier::Header, Credential::bearer("t")));
    let Step::Verify(needs, question) =
        begin(id(1), present(), credential, Channel::BARE, &policy, at(0).mono)
    else {
        panic!()
    };
    let (asker, _) = question.split();
    let demand = Demand::Nonce("n".into());
    let challenge = Challenge { demand, exchange: Exchange::new(()) };
    let verdict = asker.answer(Ok(Finding::Challenged(challenge)));
    assert_eq!(show(&needs.resolve(verdict, &policy, at(1))), "Close(internal)");
}

/// What a client may say: (a message, whether it is the right response to what is out now).
#[derive(Clone, Debug)]
enum Word {
    Begin,
    Right,
    Old,
    Token,
    Cut(usize),
    Noise(String),
    Wait,
}

fn words() -> impl Strategy<Value = Vec<Word>> {
    let word = prop_oneof![
        4 => Just(Word::Begin),
        3 => Just(Word::Right),
        2 => Just(Word::Old),
        1 => Just(Word::Token),
        1 => (0..40_usize).prop_map(Word::Cut),
        1 => ".{0,40}".prop_map(Word::Noise),
        1 => Just(Word::Wait),
    ];
    proptest::collection::vec(word, 1..12)
}

proptest! {
    /// However messages are reordered, repeated, cut and delayed: only the right response, directly
    /// behind the challenge of this connection and in its time, is let in.
    #[test]
    fn only_the_response_right_behind_its_challenge_is_let_in(words in words()) {
        let mut client = Client::new(1);
        client.policy.auth_deadline = Duration::from_mins(1);
        client.step = Some(begin(id(1), present(), None, Channel::BARE, &client.policy, at(0).mono));
        let mut now = 1;
        let mut challenged_at = None;
        for word in words {
            let text = match word {
                Word::Begin => BEGIN.to_owned(),
                Word::Right => respond(&client.nonce()),
                Word::Old => respond(&format!("1-{}", client.made.saturating_sub(1))),
                Word::Token => TOKEN.to_owned(),
                Word::Cut(at) => respond(&client.nonce()).chars().take(at).collect(),
                Word::Noise(ref text) => text.clone(),
                Word::Wait => {
                    now += 3;
                    continue;
                }
            };
            let may = matches!(word, Word::Right)
                && challenged_at.is_some_and(|since| now < since + limits::CHALLENGE.as_secs());
            let shown = client.say(&text, at(now));
            prop_assert_eq!(shown.starts_with("admit"), may, "{:?}: {}", word, shown);
            if !shown.starts_with("await") && shown != "challenge" {
                break;
            }
            challenged_at = (shown == "challenge").then_some(now);
        }
    }
}
