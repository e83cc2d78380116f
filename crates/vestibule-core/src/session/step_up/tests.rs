//! A second proof, owed by a connection that came in by a token at second 0 and whose lease ends at
//! second 130.

use core::time::Duration;

use proptest::prelude::*;

use super::{
    super::{
        Input, Introduction,
        exchanges::{BEGIN, Client, LEASE_ENDS, LOGOUT, REFRESH, TOKEN, respond},
        tests::at,
    },
    *,
};
use crate::{
    authn::{Verified, methods::named},
    handshake::tests::{admitted, admitted_as, verified},
    limits,
    rejection::Rejection,
};

/// When it must have been shown.
const WITHIN: u64 = 20;

fn step_up(mechanisms: &[Mechanism]) -> StepUp {
    StepUp::new(mechanisms, Duration::from_secs(WITHIN), Assurance::default()).unwrap()
}

fn policy() -> RoutePolicy {
    let mut policy = RoutePolicy::new(crate::policy::RoutePath::parse("/").unwrap());
    policy.mechanisms = Box::new([Mechanism::Bearer, Mechanism::PublicKey]);
    policy.step_up = Some(step_up(&[Mechanism::PublicKey]));
    policy
}

/// A connection that owes a second proof until second 20, and was told so.
fn owing() -> Client {
    let mut client = Client::under(policy(), 1);
    assert_eq!(client.told(0), "accepted(100) required()");
    client.methods = &["pop", "swk"];
    client
}

fn methods(client: &Client) -> Vec<String> {
    client.session.principal().methods.iter().map(ToString::to_string).collect()
}

#[test]
fn who_does_not_show_a_second_proof_in_time_is_closed() {
    let mut client = owing();
    assert_eq!(client.session.stepped_up(), SteppedUp::Owed(at(WITHIN).mono));
    assert_eq!(client.give(Input::Deadline, WITHIN - 1), "");
    assert_eq!(client.session.poll_deadline(), Some(at(WITHIN).mono));
    assert_eq!(client.give(Input::Deadline, WITHIN), "close(step_up_required)");
    assert_eq!(client.session.poll_deadline(), None);
}

#[test]
fn a_second_proof_adds_what_it_shows_and_nothing_else() {
    let mut client = owing();
    let first =
        Principal { methods: named(&["pwd"]), ..client.session.principal().as_ref().clone() };
    client.session.core.principal = Arc::new(first.clone());
    assert_eq!(client.say(BEGIN, 5), "challenge(1-1)");
    assert_eq!(client.say(&respond("1-1"), 6), "accepted(v=proof)");
    let raised = Principal { methods: named(&["pwd", "pop", "swk", "mfa"]), ..first };
    assert_eq!(**client.session.principal(), raised);
    assert_eq!(client.session.stepped_up(), SteppedUp::Shown(at(6).wall));
    assert_eq!(client.ends(), LEASE_ENDS);
    assert_eq!(client.give(Input::Deadline, WITHIN), "");
    assert_eq!(client.give(Input::Deadline, LEASE_ENDS), "close(token_expired)");
}

#[test]
fn a_wrong_a_late_and_a_repeated_response_leave_what_is_owed_as_it_was() {
    let mut client = owing();
    client.say(BEGIN, 1);
    assert_eq!(client.say(&respond("wrong"), 1), "rejected(invalid_credentials)");
    client.say(BEGIN, 2);
    assert_eq!(client.say(&respond("1-2"), 8), "rejected(invalid_credentials)");
    assert_eq!(client.session.stepped_up(), SteppedUp::Owed(at(WITHIN).mono));
    client.say(BEGIN, 9);
    client.say(BEGIN, 9);
    assert_eq!(client.say(&respond("1-3"), 9), "rejected(invalid_credentials)");
    assert_eq!(client.give(Input::Deadline, WITHIN), "close(step_up_required)");
}

#[test]
fn a_challenge_does_not_move_the_deadline() {
    let mut client = owing();
    client.say(BEGIN, WITHIN - 1);
    assert_eq!(client.say(&respond("1-1"), WITHIN), "close(step_up_required)");
    assert!(methods(&client).is_empty());
}

#[test]
fn a_challenge_is_not_promised_for_longer_than_there_is_for_the_proof() {
    let mut client = owing();
    client.session.handle(Input::Message(BEGIN.as_bytes()), &client.policy, at(WITHIN - 2));
    let Some(super::super::Effect::Ask(question)) = client.session.poll_effect() else { panic!() };
    let verdict = client.judge(question);
    client.session.handle(Input::Verdict(verdict), &client.policy, at(WITHIN - 2));
    let Some(super::super::Effect::Tell(text)) = client.session.poll_effect() else { panic!() };
    assert!(text.contains(r#""expires_in":2"#), "{text}");
}

#[test]
fn a_refresh_neither_satisfies_nor_cancels_what_is_owed() {
    let mut client = owing();
    client.token = Some(600);
    assert_eq!(client.say(TOKEN, 1), "accepted(599)");
    // Not even by the mechanism that is wanted: a refresh is what it says it is.
    assert_eq!(client.say(REFRESH, 2), "challenge(1-1)");
    assert_eq!(client.say(&respond("1-1"), 2), "accepted(v=proof)");
    let beside = verified("alice", 900);
    client.session.renew(&beside, &client.policy, at(3)).unwrap();
    assert_eq!(client.told(3), "accepted(897)");
    assert_eq!(client.session.stepped_up(), SteppedUp::Owed(at(WITHIN).mono));
    assert_eq!(client.ends(), 930);
    assert_eq!(client.give(Input::Deadline, WITHIN), "close(step_up_required)");
}

#[test]
fn another_credential_than_what_is_wanted_is_a_refresh() {
    let mut client = owing();
    client.token = Some(600);
    assert_eq!(client.say(&TOKEN.replace("refresh", "authenticate"), 1), "accepted(599)");
    assert_eq!(client.session.stepped_up(), SteppedUp::Owed(at(WITHIN).mono));
}

#[test]
fn a_second_proof_of_somebody_else_ends_the_connection() {
    let mut client = owing();
    client.subject = "mallory";
    client.say(BEGIN, 1);
    let said = client.say(&respond("1-1"), 1);
    assert_eq!(said, "rejected(identity_changed) close(identity_changed)");
    assert!(methods(&client).is_empty());
}

#[test]
fn what_ends_a_connection_ends_one_that_owes() {
    assert_eq!(owing().say(LOGOUT, 1), "close(logged_out)");
    let revoked = || Input::End(Rejection::TokenRevoked);
    assert_eq!(owing().give(revoked(), 1), "close(token_revoked)");
    let mut client = owing();
    client.token = Some(-20);
    client.say(TOKEN, 1);
    assert_eq!(client.give(Input::Deadline, 10), "close(token_expired)");
}

#[test]
fn who_came_in_by_what_is_wanted_is_not_asked_again() {
    let mut policy = policy();
    let within = Duration::from_secs(WITHIN);
    policy.step_up = Some(StepUp::new([Mechanism::ApiKey], within, Assurance::default()).unwrap());
    let open = |mechanism, policy: &RoutePolicy, methods: &[&str]| {
        let principal = Principal {
            mechanism,
            methods: named(methods),
            ..Principal::clone(verified("alice", 100).principal())
        };
        let admission = admitted_as(Verified::assertion(Arc::new(principal)), policy, at(0));
        Session::open(admission, Introduction::default(), policy, at(0)).stepped_up()
    };
    let owed = SteppedUp::Owed(at(WITHIN).mono);
    assert_eq!(open(Mechanism::ApiKey, &policy, &[]), SteppedUp::Unasked);
    assert_eq!(open(Mechanism::Bearer, &policy, &[]), owed);
    // The same mechanism, and known better by it.
    let assurance = Assurance { methods: named(&["mfa"]), ..Assurance::default() };
    policy.step_up = Some(StepUp::new([Mechanism::Bearer], within, assurance).unwrap());
    assert_eq!(open(Mechanism::Bearer, &policy, &["pwd"]), owed);
    assert_eq!(open(Mechanism::Bearer, &policy, &["mfa"]), SteppedUp::Unasked);
}

#[test]
fn a_mechanism_that_is_only_a_second_proof_renews_nothing() {
    let mut policy = policy();
    policy.mechanisms = Box::new([Mechanism::Bearer]);
    let mut client = Client::under(policy, 1);
    client.told(0);
    assert_eq!(client.say(REFRESH, 1), "rejected(mechanism_not_allowed)");
    client.say(BEGIN, 1);
    assert_eq!(client.say(&respond("1-1"), 1), "accepted(v=proof)");
    // It was shown: nothing is owed any more, and nothing asked for.
    assert_eq!(client.say(BEGIN, 2), "rejected(mechanism_not_allowed)");
}

#[test]
fn a_second_proof_must_be_as_good_as_is_wanted() {
    let mut policy = policy();
    let assurance = Assurance { methods: named(&["hwk"]), ..Assurance::default() };
    let within = Duration::from_secs(WITHIN);
    policy.step_up = Some(StepUp::new([Mechanism::PublicKey], within, assurance).unwrap());
    let mut client = Client::under(policy, 1);
    client.told(0);
    client.methods = &["swk"];
    client.say(BEGIN, 1);
    let said = client.say(&respond("1-1"), 1);
    assert_eq!(said, "rejected(insufficient_user_authentication)");
    client.methods = &["hwk"];
    client.say(BEGIN, 1);
    assert_eq!(client.say(&respond("1-2"), 1), "accepted(v=proof)");
}

#[test]
fn what_was_shown_stays_over_a_refresh_and_so_does_what_it_rests_on() {
    let mut client = owing();
    client.say(BEGIN, 1);
    client.say(&respond("1-1"), 1);
    client.token = Some(600);
    assert_eq!(client.say(TOKEN, 2), "accepted(598)");
    assert_eq!(methods(&client), ["pop", "swk"]);
    let mechanisms: Vec<_> = client.session.rests_on().map(|it| it.mechanism).collect();
    assert_eq!(mechanisms, [Mechanism::Bearer, Mechanism::PublicKey]);
    assert_eq!(client.session.stepped_up(), SteppedUp::Shown(at(1).wall));
}

#[test]
fn what_met_the_demand_at_the_door_is_rested_on_when_a_lesser_credential_takes_its_place() {
    let policy = policy();
    let principal = Principal {
        mechanism: Mechanism::PublicKey,
        methods: named(&["pop"]),
        token_id: Some("key:1".into()),
        ..Principal::clone(verified("alice", 100).principal())
    };
    let admission = admitted_as(Verified::assertion(Arc::new(principal)), &policy, at(0));
    let mut session = Session::open(admission, Introduction::default(), &policy, at(0));
    assert_eq!(session.stepped_up(), SteppedUp::Unasked);
    for second in 1..4 {
        session.renew(&verified("alice", 600), &policy, at(second)).unwrap();
        let mechanisms: Vec<_> = session.rests_on().map(|it| it.mechanism).collect();
        assert_eq!(mechanisms, [Mechanism::Bearer, Mechanism::PublicKey]);
        assert_eq!(*session.principal().methods, *named(&["pop"]));
    }
}

#[test]
fn every_second_proof_that_raised_a_connection_is_rested_on() {
    let mut client = owing();
    let shown = |mechanism, id: &str, method| {
        Arc::new(Principal {
            mechanism,
            token_id: Some(id.into()),
            methods: named(&[method]),
            ..Principal::clone(verified("alice", 100).principal())
        })
    };
    let core = &mut client.session.core;
    core.show(&shown(Mechanism::Webauthn, "passkey:1", "hwk"), at(1));
    core.show(&shown(Mechanism::PublicKey, "key:1", "swk"), at(2));
    core.show(&shown(Mechanism::PublicKey, "key:1", "swk"), at(3));
    client.session.renew(&verified("alice", 600), &client.policy, at(4)).unwrap();
    let ids: Vec<_> = client.session.rests_on().filter_map(|it| it.token_id.as_deref()).collect();
    assert_eq!(ids, ["passkey:1", "key:1"]);
    assert_eq!(methods(&client), ["hwk", "swk"]);
    for n in 0..20 {
        client.session.core.show(&shown(Mechanism::PublicKey, &format!("key:{n}"), "swk"), at(5));
    }
    assert_eq!(client.session.rests_on().count(), 1 + limits::PROOFS_SHOWN);
}

#[test]
fn a_demand_of_the_route_is_met_by_both_proofs_together() {
    let mut client = owing();
    client.say(BEGIN, 1);
    client.say(&respond("1-1"), 1);
    client.policy.assurance = Assurance { methods: named(&["pop"]), ..Assurance::default() };
    client.token = Some(600);
    assert_eq!(client.say(TOKEN, 2), "accepted(598)");
    let mut client = owing();
    client.policy.assurance = Assurance { methods: named(&["pop"]), ..Assurance::default() };
    client.token = Some(600);
    assert_eq!(client.say(TOKEN, 2), "rejected(insufficient_user_authentication)");
}

#[test]
fn an_operator_asks_once_at_a_time_and_again_later() {
    let mut policy = policy();
    policy.step_up = None;
    let mut client = Client::under(policy, 1);
    let ask = |client: &mut Client, second| {
        let policy = client.policy.clone();
        client.session.demand(step_up(&[Mechanism::PublicKey]), &policy, at(second))
    };
    // It has never spoken, and would take the question for the application's.
    assert_eq!(ask(&mut client, 1), Err(Unasked::Deaf));
    client.say(TOKEN, 1);
    assert_eq!(ask(&mut client, 2), Ok(()));
    assert_eq!(client.told(2), "required()");
    // Another question does not move the deadline of the first.
    assert_eq!(ask(&mut client, 10), Err(Unasked::Owes));
    client.say(BEGIN, 11);
    assert_eq!(client.say(&respond("1-1"), 11), "accepted(v=proof)");
    assert_eq!(ask(&mut client, 50), Ok(()));
    assert_eq!(client.session.stepped_up(), SteppedUp::Owed(at(70).mono));
    assert_eq!(client.give(Input::Deadline, 70), "required() close(step_up_required)");
    assert_eq!(ask(&mut client, 71), Err(Unasked::Over));
}

#[test]
fn nobody_is_asked_who_could_not_answer() {
    let mut client = Client::under(policy(), 1);
    client.policy.step_up = None;
    client.say(TOKEN, 0);
    let policy = client.policy.clone();
    let key = || step_up(&[Mechanism::Webauthn]);
    let said = client.session.demand(key(), &policy, at(1));
    assert_eq!(said, Err(Unasked::Owes));
    let mut policy = RoutePolicy::new(crate::policy::RoutePath::parse("/").unwrap());
    let mut session = Session::open(
        admitted("alice", 100, &policy, at(0)),
        Introduction::default(),
        &policy,
        at(0),
    );
    session.handle(Input::Message(TOKEN.as_bytes()), &policy, at(0));
    let said = session.demand(key(), &policy, at(1));
    assert_eq!(said, Err(Unasked::Mechanism(Mechanism::Webauthn)));
    policy.accept = Box::new([Carrier::Header]);
    assert_eq!(session.demand(key(), &policy, at(1)), Err(Unasked::Deaf));
    // Nobody has noticed yet that it is over.
    assert_eq!(session.demand(key(), &policy, at(LEASE_ENDS)), Err(Unasked::Over));
}

#[test]
fn what_is_wanted_is_said_in_the_order_of_the_route() {
    let mut policy = policy();
    let mechanisms = [Mechanism::Webauthn, Mechanism::PublicKey, Mechanism::ScramSha256];
    policy.step_up = Some(step_up(&mechanisms));
    let mut client = Client::under(policy, 1);
    let mut said = Vec::new();
    while let Some(super::super::Effect::Tell(text)) = client.session.poll_effect() {
        said.push(text);
    }
    let required = r#"{"auth":{"type":"required","mechanisms":["webauthn","public-key","scram-sha-256"],"timeout":20}}"#;
    assert_eq!(said.last().unwrap(), required);
}

#[test]
fn a_revoked_second_proof_ends_the_connection() {
    let mut client = owing();
    client.session.handle(Input::Message(BEGIN.as_bytes()), &client.policy, at(1));
    let Some(super::super::Effect::Ask(question)) = client.session.poll_effect() else { panic!() };
    let verdict = question.answer(Err::<Verified, _>(Rejection::TokenRevoked));
    assert_eq!(client.give(Input::Verdict(verdict), 1), "close(token_revoked)");
}

/// What a client may do while it owes a second proof.
#[derive(Clone, Copy, Debug)]
enum Word {
    Begin,
    Refresh,
    Token,
    Right,
    Old,
    Wrong,
    Renew,
    Wait(u64),
}

fn words() -> impl Strategy<Value = Vec<Word>> {
    let word = prop_oneof![
        4 => Just(Word::Begin),
        1 => Just(Word::Refresh),
        1 => Just(Word::Token),
        3 => Just(Word::Right),
        2 => Just(Word::Old),
        1 => Just(Word::Wrong),
        1 => Just(Word::Renew),
        3 => prop_oneof![Just(1_u64), Just(4), Just(6)].prop_map(Word::Wait),
    ];
    proptest::collection::vec(word, 1..14)
}

proptest! {
    /// Whatever is said in whatever order: the end of the lease is moved by a refresh alone, what is
    /// owed by a second proof alone, and a connection lives beyond the deadline only with one.
    #[test]
    fn nothing_but_success_moves_a_deadline(words in words()) {
        let mut client = owing();
        client.token = Some(600);
        let (mut now, mut ends, mut shown) = (1, LEASE_ENDS, false);
        // Of the challenge that is out: when it was made, and whether it is for the second proof.
        let mut out: Option<(u64, bool)> = None;
        for word in words {
            let text = match word {
                Word::Begin => BEGIN.to_owned(),
                Word::Refresh => REFRESH.to_owned(),
                Word::Token => TOKEN.to_owned(),
                Word::Right => respond(&client.nonce()),
                Word::Old => respond(&format!("1-{}", client.made.saturating_sub(1))),
                Word::Wrong => respond("wrong"),
                Word::Renew => {
                    if client.session.renew(&verified("alice", 600), &client.policy, at(now)).is_ok() {
                        ends = 630;
                    }
                    let _said = client.told(now);
                    continue;
                }
                Word::Wait(span) => {
                    now += span;
                    let _said = client.give(Input::Deadline, now);
                    continue;
                }
            };
            let said = client.say(&text, now);
            let lives = (now < WITHIN || shown) && now < ends;
            prop_assert!(lives || client.session.lease_ends().is_none());
            if client.session.lease_ends().is_none() {
                break;
            }
            match (word, out) {
                (Word::Token, _) => ends = 630,
                (Word::Right, Some((since, second)))
                    if now < since + limits::CHALLENGE.as_secs() =>
                {
                    prop_assert!(said.contains("accepted"), "{:?}: {}", word, said);
                    if second { shown = true } else { ends = 330 }
                }
                (_, _) => prop_assert!(!said.contains("accepted"), "{:?}: {}", word, said),
            }
            out = said.contains("challenge").then_some((now, matches!(word, Word::Begin) && !shown));
            prop_assert_eq!(client.ends(), ends);
            let owed = SteppedUp::Owed(at(WITHIN).mono);
            prop_assert_eq!(client.session.stepped_up() == owed, !shown);
        }
    }
}
