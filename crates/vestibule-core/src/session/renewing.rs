//! Authenticated, and a newer credential, or a response, is being checked. The old lease goes on
//! meanwhile.

use super::{Challenged, Closing, Context, Input, Lease, Live, State};
use crate::{
    authn::{
        Finding, Verified,
        message::{ClientMessage, Introduction, TryAgain},
    },
    handshake,
    rejection::Rejection,
};

#[derive(Debug)]
pub(super) struct Renewing {
    pub(super) lease: Lease,
}

impl Renewing {
    pub(super) fn step(self, input: Input<'_>, cx: &mut Context<'_>) -> State {
        match input {
            Input::Verdict(verdict) => match verdict.for_asker(cx.core.id) {
                Some(Ok(Finding::Genuine(verified, proof))) => {
                    self.renewed(&verified, proof.as_deref(), cx)
                }
                Some(Ok(Finding::Challenged(challenge))) => {
                    Challenged::enter(self.lease, challenge, cx)
                }
                Some(Err(Rejection::TokenRevoked)) => Closing::enter(Rejection::TokenRevoked, cx),
                // Not of the form of its mechanism: as if it were not of the grammar.
                Some(Err(rejection @ Rejection::MalformedMessage)) => {
                    cx.core.tell_rejected(rejection, TryAgain::No);
                    Closing::enter(rejection, cx)
                }
                Some(Err(rejection)) => self.kept(rejection, cx),
                None => State::Renewing(self),
            },
            Input::Deadline => match cx.due(self.lease) {
                Ok(lease) => State::Renewing(Self { lease }),
                Err(rejection) => Closing::enter(rejection, cx),
            },
            Input::Message(text) => self.message(text, cx),
            Input::End(rejection) => Closing::enter(rejection, cx),
            Input::Gone => State::Closing(Closing),
        }
    }

    fn renewed(self, verified: &Verified, proof: Option<&str>, cx: &mut Context<'_>) -> State {
        let principal = verified.principal();
        if !principal.is_same_identity(&cx.core.principal) {
            cx.core.tell_rejected(Rejection::IdentityChanged, TryAgain::No);
            return Closing::enter(Rejection::IdentityChanged, cx);
        }
        if let Err(rejection) = handshake::check_demands(principal, cx.policy) {
            return self.kept(rejection, cx);
        }
        let Some(lease) = Lease::granted(principal, cx.policy, cx.now) else {
            return self.kept(Rejection::TokenExpired, cx);
        };
        cx.core.principal = principal.succeeding(&cx.core.principal);
        cx.core.tell_accepted(Introduction::default(), proof, cx.now);
        State::Live(Live { lease })
    }

    /// A refresh that failed costs nothing but itself: the lease is what it was.
    fn kept(self, rejection: Rejection, cx: &mut Context<'_>) -> State {
        cx.core.tell_rejected(rejection, TryAgain::Yes);
        State::Live(Live { lease: self.lease })
    }

    /// One question at a time: a second credential is told to wait, a logout is heard at once.
    fn message(self, text: &[u8], cx: &mut Context<'_>) -> State {
        match cx.hear(text) {
            Ok(ClientMessage::Authenticate(_) | ClientMessage::Refresh(_)) => {
                cx.core.tell_rejected(Rejection::TooManyAttempts, TryAgain::Yes);
                State::Renewing(self)
            }
            Ok(ClientMessage::Respond(_)) => Closing::enter(Rejection::MalformedMessage, cx),
            Ok(ClientMessage::Logout) => Closing::enter(Rejection::LoggedOut, cx),
            Err(rejection @ Rejection::TokenMalformed) => {
                cx.core.tell_rejected(rejection, TryAgain::Yes);
                State::Renewing(self)
            }
            Err(rejection) => Closing::enter(rejection, cx),
        }
    }
}
