//! Authenticated, and a newer credential, or a response, is being checked. The old lease goes on
//! meanwhile.

use std::sync::Arc;

use super::{Challenged, Closing, Context, Input, Lease, Live, Purpose, State};
use crate::{
    authn::{
        Finding, Principal, Verified,
        message::{ClientMessage, Introduction, TryAgain},
    },
    handshake,
    rejection::Rejection,
};

#[derive(Debug)]
pub(super) struct Renewing {
    pub(super) lease: Lease,
    /// What a yes comes to.
    pub(super) purpose: Purpose,
}

impl Renewing {
    pub(super) fn step(self, input: Input<'_>, cx: &mut Context<'_>) -> State {
        match input {
            Input::Verdict(verdict) => match verdict.for_asker(cx.core.id) {
                Some(Ok(Finding::Genuine(verified, proof))) => {
                    self.found(&verified, proof.as_deref(), cx)
                }
                Some(Ok(Finding::Challenged(challenge))) => Challenged::enter(self, challenge, cx),
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
                Ok(lease) => State::Renewing(Self { lease, ..self }),
                Err(rejection) => Closing::enter(rejection, cx),
            },
            Input::Message(text) => self.message(text, cx),
            Input::End(rejection) => Closing::enter(rejection, cx),
            Input::Gone => State::Closing(Closing),
        }
    }

    fn found(self, verified: &Verified, proof: Option<&str>, cx: &mut Context<'_>) -> State {
        let principal = verified.principal();
        if !principal.is_same_identity(&cx.core.principal) {
            cx.core.tell_rejected(Rejection::IdentityChanged, TryAgain::No);
            return Closing::enter(Rejection::IdentityChanged, cx);
        }
        let judged = match self.purpose {
            Purpose::Refresh => renewed(principal, cx),
            Purpose::StepUp => self.stepped_up(principal, cx),
        };
        match judged {
            Ok(lease) => {
                cx.core.tell_accepted(Introduction::default(), proof, cx.now);
                State::Live(Live { lease })
            }
            Err(rejection) => self.kept(rejection, cx),
        }
    }

    /// A second proof shows that somebody is there, now: the lease, the scopes and the session stay
    /// those of the first.
    fn stepped_up(
        &self,
        principal: &Arc<Principal>,
        cx: &mut Context<'_>,
    ) -> Result<Lease, Rejection> {
        if let Some(assurance) = cx.core.owed_assurance() {
            assurance.check(principal)?;
        }
        if Lease::granted(principal, cx.policy, cx.now).is_none() {
            return Err(Rejection::TokenExpired);
        }
        cx.core.show(principal, cx.now);
        Ok(self.lease)
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

/// The lease of a newer credential, which takes the place of the one before.
fn renewed(principal: &Arc<Principal>, cx: &mut Context<'_>) -> Result<Lease, Rejection> {
    cx.core.keep_proof(principal, cx.policy, cx.now);
    let successor = cx.core.successor(principal);
    handshake::check_demands(&successor, cx.policy)?;
    let lease = Lease::granted(principal, cx.policy, cx.now);
    let lease = lease.ok_or(Rejection::TokenExpired)?;
    cx.core.principal = successor;
    Ok(lease)
}
