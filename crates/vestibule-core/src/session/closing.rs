//! The close was ordered, or a peer is gone. Nothing that happens now changes anything.

use super::{Context, Effect, Input, State};
use crate::rejection::Rejection;

#[derive(Debug)]
pub(super) struct Closing;

impl Closing {
    /// Ends the session: the close cannot be forgotten, and not be said twice.
    pub(super) fn enter(rejection: Rejection, cx: &mut Context<'_>) -> State {
        cx.core.effects.push_back(Effect::Close(rejection));
        State::Closing(Self)
    }

    pub(super) fn step(self, input: &Input<'_>) -> State {
        match input {
            Input::Message(_)
            | Input::Verdict(_)
            | Input::End(_)
            | Input::Deadline
            | Input::Gone => State::Closing(self),
        }
    }
}
