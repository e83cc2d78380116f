//! A message that carries its own credential waits for the verdict about it. The lease goes on
//! meanwhile.

use super::{Carrying, Closing, Context, Effect, Input, Lease, State};
use crate::{
    authn::{Finding, Verified, message::TryAgain},
    handshake,
    rejection::Rejection,
};

#[derive(Debug)]
pub(super) struct Checking {
    pub(super) lease: Lease,
    /// What goes on to the upstream if the credential counts.
    pub(super) data: Box<[u8]>,
}

impl Checking {
    pub(super) fn step(self, input: Input<'_>, cx: &mut Context<'_>) -> State {
        match input {
            Input::Verdict(verdict) => match verdict.for_asker(cx.core.id) {
                Some(Ok(Finding::Genuine(verified, _))) => self.genuine(&verified, cx),
                // Nothing that asks back is asked about here.
                Some(Ok(Finding::Challenged(_))) => self.rejected(Rejection::Internal, cx),
                Some(Err(rejection)) => self.rejected(rejection, cx),
                None => State::Checking(self),
            },
            Input::Deadline => match cx.due(self.lease) {
                Ok(lease) => State::Checking(Self { lease, ..self }),
                Err(rejection) => Closing::enter(rejection, cx),
            },
            // Out of turn: passing it on later would change the order.
            Input::Message(_) => match cx.core.budget.spend(cx.now) {
                Ok(()) => {
                    cx.core.tell_rejected(Rejection::TooManyAttempts, TryAgain::Yes);
                    State::Checking(self)
                }
                Err(rejection) => Closing::enter(rejection, cx),
            },
            Input::End(rejection) => Closing::enter(rejection, cx),
            Input::Gone => State::Closing(Closing),
        }
    }

    fn genuine(self, verified: &Verified, cx: &mut Context<'_>) -> State {
        let principal = verified.principal();
        // The upstream was told one name, and would take this message for that one's.
        if !principal.is_same_identity(&cx.core.principal) {
            return self.rejected(Rejection::IdentityChanged, cx);
        }
        if let Err(rejection) = handshake::check_demands(principal, cx.policy) {
            return self.rejected(rejection, cx);
        }
        let Some(lease) = Lease::granted(principal, cx.policy, cx.now) else {
            return self.rejected(Rejection::TokenExpired, cx);
        };
        cx.core.principal = principal.succeeding(&cx.core.principal);
        cx.core.effects.push_back(Effect::Forward(self.data));
        State::Carrying(Carrying { lease })
    }

    fn rejected(self, rejection: Rejection, cx: &mut Context<'_>) -> State {
        Carrying { lease: self.lease }.rejected(rejection, cx)
    }
}
