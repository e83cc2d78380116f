//! Authenticated, and nothing is being asked.

use super::{Closing, Context, Input, Lease, Purpose, Renewing, State};
use crate::{
    authn::{
        Credential, Question,
        message::{ClientMessage, TryAgain},
    },
    rejection::Rejection,
};

#[derive(Debug)]
pub(super) struct Live {
    pub(super) lease: Lease,
}

impl Live {
    pub(super) fn step(self, input: &Input<'_>, cx: &mut Context<'_>) -> State {
        match input {
            Input::Message(text) => {
                let heard = cx.hear(text);
                self.heard(heard, cx)
            }
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

    /// What a message comes to that answers no challenge.
    pub(super) fn heard(
        self,
        heard: Result<ClientMessage, Rejection>,
        cx: &mut Context<'_>,
    ) -> State {
        match heard {
            Ok(ClientMessage::Authenticate(credential)) => {
                self.present(credential, Purpose::StepUp, cx)
            }
            Ok(ClientMessage::Refresh(credential)) => {
                self.present(credential, Purpose::Refresh, cx)
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

    /// `said` is what the client may have had in mind.
    fn present(self, credential: Credential, said: Purpose, cx: &mut Context<'_>) -> State {
        let Some(purpose) = cx.core.purpose(credential.mechanism, said, cx.policy) else {
            cx.core.tell_rejected(Rejection::MechanismNotAllowed, TryAgain::Yes);
            return State::Live(self);
        };
        cx.ask(Question::new(cx.core.id, credential));
        State::Renewing(Renewing { lease: self.lease, purpose })
    }
}
