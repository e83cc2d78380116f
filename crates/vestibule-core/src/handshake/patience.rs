//! How long somebody may stay who has a person to wait for.

use proptest::prelude::*;

use super::{
    exchanges::{BEGIN, Client, TOKEN, respond},
    tests::{at, id},
    *,
};
use crate::{authn::Mechanism, policy::origin::tests::present};

const ASK: &str = r#"{"auth":{"type":"authenticate","mechanism":"webauthn"}}"#;
const ASK_FOR: &str = r#"{"auth":{"type":"authenticate","mechanism":"webauthn","user":"alice"}}"#;

fn signed(nonce: &str) -> String {
    format!(r#"{{"auth":{{"type":"respond","assertion":{{"signed":"{nonce}"}}}}}}"#)
}

impl Client {
    fn with_passkeys() -> Self {
        let mut client = Self::new(1);
        client.policy.mechanisms =
            Box::new([Mechanism::PublicKey, Mechanism::Bearer, Mechanism::Webauthn]);
        client
    }

    /// When whoever is there is sent away; `None` where nobody is there any more.
    fn deadline(&self) -> Option<Mono> {
        match self.step.as_ref()? {
            Step::AwaitMessage(needs, _) => Some(needs.deadline()),
            Step::AwaitResponse(needs, _) => Some(needs.deadline()),
            Step::Verify(needs, _) => Some(needs.deadline()),
            Step::Admit(_) | Step::Refuse(_) => None,
        }
    }
}

#[test]
fn a_person_gets_the_time_to_find_a_key() {
    for ask in [ASK, ASK_FOR] {
        let mut client = Client::with_passkeys();
        assert_eq!(client.say(ask, at(4)), "challenge");
        let Some(Step::AwaitResponse(_, said)) = &client.step else { panic!() };
        let challenge =
            r#"{"auth":{"type":"challenge","options":{"challenge":"1-1"},"expires_in":60}}"#;
        assert_eq!(said, challenge);
        assert_eq!(client.deadline(), Some(at(64).mono));
        assert_eq!(client.say(&signed("1-1"), at(63)), "admit(alice)");
    }
}

#[test]
fn who_is_late_all_the_same_finds_the_door_closed() {
    let mut client = Client::with_passkeys();
    client.say(ASK, at(4));
    assert_eq!(client.say(&signed("1-1"), at(64)), "Close(auth_timeout)");
}

#[test]
fn a_long_deadline_does_not_make_a_challenge_count_longer() {
    let mut client = Client::with_passkeys();
    client.policy.auth_deadline = Duration::from_mins(5);
    client.step = Some(begin(id(1), present(), None, Channel::BARE, &client.policy, at(0).mono));
    client.say(ASK, at(1));
    assert_eq!(client.deadline(), Some(at(300).mono));
    assert_eq!(client.say(&signed("1-1"), at(61)), "await said");
}

#[test]
fn the_deadline_is_moved_once() {
    let mut client = Client::with_passkeys();
    client.say(ASK, at(4));
    assert_eq!(client.say(ASK, at(60)), "challenge");
    let Some(Step::AwaitResponse(_, said)) = &client.step else { panic!() };
    assert!(said.ends_with(r#""expires_in":4}}"#), "{said}");
    assert_eq!(client.deadline(), Some(at(64).mono));
    assert_eq!(client.say(ASK, at(64)), "Close(auth_timeout)");
}

#[test]
fn a_program_gets_no_more_time_than_before() {
    let mut client = Client::with_passkeys();
    client.say(BEGIN, at(4));
    assert_eq!(client.deadline(), Some(at(5).mono));
    let mut client = Client::with_passkeys();
    client.say(ASK, at(4));
    client.say(BEGIN, at(10));
    assert_eq!(client.say(&respond(&client.nonce()), at(15)), "await said");
}

#[test]
fn a_route_without_passkeys_gives_no_time_for_them() {
    let mut client = Client::new(1);
    assert_eq!(client.say(ASK, at(1)), "Close(mechanism_not_allowed)");
}

#[derive(Clone, Debug)]
enum Stalling {
    AskPerson,
    AskProgram,
    Token,
    Wrong,
    Noise(String),
}

fn stalling() -> impl Strategy<Value = Vec<(Stalling, u64)>> {
    let word = prop_oneof![
        4 => Just(Stalling::AskPerson),
        2 => Just(Stalling::AskProgram),
        1 => Just(Stalling::Token),
        2 => Just(Stalling::Wrong),
        1 => ".{0,20}".prop_map(Stalling::Noise),
    ];
    proptest::collection::vec((word, 0..40_u64), 1..12)
}

proptest! {
    /// Whatever somebody says, and when, who is not let in is gone at the end of the route's time and a
    /// person's.
    #[test]
    fn nobody_stays_longer_than_the_route_and_a_person_are_given(
        words in stalling(),
        deadline in prop::sample::select(vec![1_u64, 5, 59, 60, 61, 300]),
    ) {
        let mut client = Client::with_passkeys();
        client.policy.auth_deadline = Duration::from_secs(deadline);
        client.step = Some(begin(id(1), present(), None, Channel::BARE, &client.policy, at(0).mono));
        let end = at(deadline).mono.after(limits::CHALLENGE_OF_A_PERSON);
        let mut now = 0;
        for (word, pause) in words {
            now += pause;
            let text = match word {
                Stalling::AskPerson => ASK.to_owned(),
                Stalling::AskProgram => BEGIN.to_owned(),
                Stalling::Token => TOKEN.to_owned(),
                Stalling::Wrong => signed("wrong"),
                Stalling::Noise(text) => text,
            };
            client.say(&text, at(now));
            match client.deadline() {
                None => break,
                Some(deadline) => prop_assert!(deadline <= end && at(now).mono < end),
            }
        }
    }
}
