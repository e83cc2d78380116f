//! Each message carries its own credential, and none is being checked.
//!
//! The connection is of one identity, that of its first good message, and its lease is that of the
//! last good one: what was proven last is what the upstream's messages go to the client by. A message
//! whose credential does not count is not passed on, and changes nothing else.

use super::{Checking, Closing, Context, Effect, Input, Lease, State};
use crate::{
    authn::{Envelope, Question, message::TryAgain},
    rejection::Rejection,
};

#[derive(Debug)]
pub(super) struct Carrying {
    pub(super) lease: Lease,
}

impl Carrying {
    pub(super) fn step(self, input: &Input<'_>, cx: &mut Context<'_>) -> State {
        match input {
            Input::Message(text) => self.message(text, cx),
            Input::Deadline => match cx.due(self.lease) {
                Ok(lease) => State::Carrying(Self { lease }),
                Err(rejection) => Closing::enter(rejection, cx),
            },
            Input::End(rejection) => Closing::enter(*rejection, cx),
            Input::Gone => State::Closing(Closing),
            // The question it answers was of a state that is over.
            Input::Verdict(_) => State::Carrying(self),
        }
    }

    fn message(self, text: &[u8], cx: &mut Context<'_>) -> State {
        match Envelope::parse(text, cx.policy.max_message) {
            Ok(Envelope { credential, data }) => {
                if !cx.policy.mechanisms.contains(&credential.mechanism) {
                    return self.rejected(Rejection::MechanismNotAllowed, cx);
                }
                let question = Question::new(cx.core.id, credential);
                cx.core.effects.push_back(Effect::Ask(question));
                State::Checking(Checking { lease: self.lease, data: data.into() })
            }
            Err(rejection @ Rejection::TokenMalformed) => self.rejected(rejection, cx),
            Err(rejection) => Closing::enter(rejection, cx),
        }
    }

    /// One message is not passed on. Whoever tries credentials does so a bounded number of times.
    pub(super) fn rejected(self, rejection: Rejection, cx: &mut Context<'_>) -> State {
        if let Err(rejection) = cx.core.budget.spend(cx.now) {
            return Closing::enter(rejection, cx);
        }
        cx.core.tell_rejected(rejection, TryAgain::Yes);
        State::Carrying(self)
    }
}
