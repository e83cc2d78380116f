//! The door of a route where each message carries its own credential. The connection waits there
//! until the first one that counts.

use super::{NeedsMessage, NeedsVerdict, Step, Stranger, close};
use crate::{
    authn::{
        Envelope, Question,
        message::{ServerMessage, TryAgain},
    },
    limits,
    policy::{Carrier, RoutePolicy},
    rejection::Rejection,
};

impl Stranger {
    /// A message that carries its own credential. What is wrong with that is about the message alone;
    /// what is no such message ends the connection.
    pub(super) fn hear_envelope(self, text: &[u8], policy: &RoutePolicy) -> Step {
        let carrier = Carrier::PerMessage;
        match Envelope::parse(text, policy.max_message) {
            Ok(Envelope { credential, data })
                if policy.mechanisms.contains(&credential.mechanism) =>
            {
                let question = Question::new(self.id, credential);
                let data = Some(data.into());
                Step::Verify(NeedsVerdict { stranger: self, carrier, data }, question)
            }
            Ok(_) => self.refused(carrier, Rejection::MechanismNotAllowed, policy),
            Err(rejection @ Rejection::TokenMalformed) => self.refused(carrier, rejection, policy),
            Err(rejection) => close(rejection),
        }
    }

    /// A message is not passed on, and others may come; until there were too many such.
    pub(super) fn refused_message(mut self, rejection: Rejection) -> Step {
        if rejection == Rejection::AuthTimeout {
            return close(rejection);
        }
        self.attempts += 1;
        if self.attempts >= limits::REJECTIONS_A_MINUTE {
            return close(Rejection::TooManyAttempts);
        }
        let say = ServerMessage::Rejected { rejection, retry: TryAgain::Yes }.render();
        Step::AwaitMessage(NeedsMessage { stranger: self }, Some(say))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::wildcard_enum_match_arm, reason = "a test names the case it wants")]

    use super::*;
    use crate::{
        authn::{Mechanism, Verified},
        handshake::{
            begin,
            tests::{at, id, policy, show, verified},
        },
        policy::{
            Channel,
            origin::tests::{absent, present},
        },
    };

    /// What comes of messages with these answers about their tokens.
    fn check(texts: &[(&str, Result<Verified, Rejection>)], expected: &[&str]) {
        let policy = policy(&[Carrier::PerMessage]);
        let mut step = begin(id(1), absent(), None, Channel::BARE, &policy, at(0).mono);
        let mut trace = vec![show(&step)];
        for (text, answer) in texts {
            let Step::AwaitMessage(needs, _) = step else { break };
            step = match needs.receive(text.as_bytes(), &policy, at(1)) {
                Step::Verify(needs, question) => {
                    needs.resolve(question.answer(answer.clone()), &policy, at(1))
                }
                other => other,
            };
            trace.push(show(&step));
        }
        assert_eq!(trace, expected);
    }

    const GOOD: &str = r#"{"auth":{"token":"t"},"data": {"a":1} }"#;

    #[test]
    fn the_first_good_message_opens_the_door_and_comes_along() {
        let policy = policy(&[Carrier::PerMessage]);
        let Step::AwaitMessage(needs, None) =
            begin(id(1), present(), None, Channel::BARE, &policy, at(0).mono)
        else {
            panic!("a page waits, too");
        };
        let Step::Verify(needs, question) = needs.receive(GOOD.as_bytes(), &policy, at(1)) else {
            panic!("a token is asked about");
        };
        let verdict = question.answer(Ok(verified("alice", 100)));
        let Step::Admit(admission) = needs.resolve(verdict, &policy, at(1)) else {
            panic!("a good one is let in");
        };
        assert_eq!(admission.data(), Some(br#"{"a":1}"#.as_slice()));
        assert_eq!(admission.carrier(), Carrier::PerMessage);
        assert!(!admission.is_told(&policy));
    }

    #[test]
    fn a_bad_token_is_about_its_message_alone() {
        let no = |rejection| (GOOD, Err(rejection));
        check(
            &[
                no(Rejection::TokenSignature),
                no(Rejection::TokenExpired),
                no(Rejection::TokenRevoked),
                no(Rejection::Unavailable),
                (r#"{"auth":{"token":"vst_t"},"data":1}"#, Ok(verified("mallory", 100))),
                (GOOD, Ok(verified("alice", -60))),
                (GOOD, Ok(verified("alice", 100))),
            ],
            &[
                "await",
                "await said",
                "await said",
                "await said",
                "await said",
                "await said",
                "await said",
                "admit(alice)",
            ],
        );
    }

    #[test]
    fn what_carries_no_token_ends_the_connection() {
        for text in [
            "hello",
            r#"{"data":1}"#,
            r#"{"auth":{"type":"authenticate","mechanism":"bearer","token":"t"}}"#,
            r#"{"auth":{"type":"logout"}}"#,
        ] {
            check(&[(text, Ok(verified("alice", 100)))], &["await", "Close(malformed_message)"]);
        }
    }

    #[test]
    fn tokens_can_be_tried_a_bounded_number_of_times() {
        let tries = usize::try_from(limits::REJECTIONS_A_MINUTE).unwrap();
        let mut expected = vec!["await"];
        expected.extend(vec!["await said"; tries - 1]);
        expected.push("Close(too_many_attempts)");
        check(&vec![(GOOD, Err(Rejection::TokenSignature)); tries + 9], &expected);
    }

    #[test]
    fn the_deadline_holds_whatever_is_tried() {
        let policy = policy(&[Carrier::PerMessage]);
        let door = || match begin(id(1), absent(), None, Channel::BARE, &policy, at(0).mono) {
            Step::AwaitMessage(needs, None) => needs,
            other => panic!("{other:?}"),
        };
        assert_eq!(show(&door().receive(GOOD.as_bytes(), &policy, at(5))), "Close(auth_timeout)");
        let Step::Verify(needs, question) = door().receive(GOOD.as_bytes(), &policy, at(4)) else {
            panic!("it is asked about");
        };
        let late = needs.resolve(question.answer(Ok(verified("alice", 100))), &policy, at(5));
        assert_eq!(show(&late), "Close(auth_timeout)");
    }

    #[test]
    fn a_mechanism_that_the_route_does_not_take_is_not_asked_about() {
        let mut policy = policy(&[Carrier::PerMessage]);
        policy.mechanisms = Box::new([Mechanism::ApiKey]);
        for (token, expected) in [("t", "await said"), ("vsk_t", "verify"), ("vss_t", "await said")]
        {
            let Step::AwaitMessage(needs, _) =
                begin(id(1), absent(), None, Channel::BARE, &policy, at(0).mono)
            else {
                panic!("it waits");
            };
            let text = format!(r#"{{"auth":{{"token":"{token}"}},"data":1}}"#);
            assert_eq!(show(&needs.receive(text.as_bytes(), &policy, at(1))), expected, "{token}");
        }
    }
}
