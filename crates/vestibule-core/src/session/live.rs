//! Authenticated, and nothing is being asked.

use super::{Closing, Context, Effect, Input, Lease, Renewing, State};
use crate::{
    authn::{
        Credential, Proof, Question,
        message::{ClientMessage, TryAgain},
    },
    handshake::InBand,
    rejection::Rejection,
};

#[derive(Debug)]
pub(super) struct Live {
    pub(super) lease: Lease,
}

impl Live {
    pub(super) fn step(self, input: &Input<'_>, cx: &mut Context<'_>) -> State {
        match input {
            Input::Message(text) => self.message(text, cx),
            Input::Deadline => match cx.due(self.lease) {
                Ok(lease) => State::Live(Self { lease }),
                Err(rejection) => Closing::enter(rejection, cx),
            },
            Input::End(rejection) => Closing::enter(*rejection, cx),
            Input::Gone => State::Closing(Closing),
            // The question it answers was of a state that is over.
            Input::Verdict(_) => State::Live(self),
        }
    }

    fn message(self, text: &[u8], cx: &mut Context<'_>) -> State {
        cx.core.in_band = InBand::Spoken;
        let message = cx.core.budget.spend(cx.now).and_then(|()| ClientMessage::parse(text));
        match message {
            Ok(ClientMessage::Authenticate(credential) | ClientMessage::Refresh(credential)) => {
                self.ask(credential, cx)
            }
            // Nobody has asked anything.
            Ok(ClientMessage::Respond(_)) => Closing::enter(Rejection::MalformedMessage, cx),
            Ok(ClientMessage::Logout) => Closing::enter(Rejection::LoggedOut, cx),
            // The message is one, and the credential in it is none.
            Err(rejection @ Rejection::TokenMalformed) => {
                cx.core.tell_rejected(rejection, TryAgain::Yes);
                State::Live(self)
            }
            Err(rejection) => Closing::enter(rejection, cx),
        }
    }

    fn ask(self, credential: Credential, cx: &mut Context<'_>) -> State {
        let renews = match credential.mechanism.proof() {
            Proof::Token | Proof::Connection => {
                cx.policy.mechanisms.contains(&credential.mechanism)
            }
            // Nobody is asked back on a live connection.
            Proof::Response => false,
        };
        if !renews {
            cx.core.tell_rejected(Rejection::MechanismNotAllowed, TryAgain::Yes);
            return State::Live(self);
        }
        let question = Question::new(cx.core.id, credential);
        cx.core.effects.push_back(Effect::Ask(question));
        State::Renewing(Renewing { lease: self.lease })
    }
}
