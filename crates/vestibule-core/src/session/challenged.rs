//! Authenticated, and asked back: a newer credential is proven by a response. The old lease goes on
//! meanwhile.

use super::{Closing, Context, Input, Lease, Live, Purpose, Renewing, State};
use crate::{
    authn::{
        Challenge, Exchange, Question, Response,
        message::{ClientMessage, ServerMessage, TryAgain},
    },
    rejection::Rejection,
    time::Mono,
};

#[derive(Debug)]
pub(super) struct Challenged {
    pub(super) lease: Lease,
    purpose: Purpose,
    /// In a box: few connections are asked anything at a time.
    out: Box<Out>,
}

/// A challenge that was said. The next message spends it, whatever that is.
#[derive(Debug)]
struct Out {
    exchange: Exchange,
    expires: Mono,
}

impl Challenged {
    /// Asks back.
    pub(super) fn enter(
        Renewing { lease, purpose }: Renewing,
        challenge: Challenge,
        cx: &mut Context<'_>,
    ) -> State {
        let Challenge { demand, exchange } = challenge;
        let patience = demand.answerer().patience();
        let expires_in = patience.min(cx.now.mono.until(cx.ends(lease)));
        cx.core.tell(&ServerMessage::Challenge { demand: &demand, expires_in });
        let out = Box::new(Out { exchange, expires: cx.now.mono.after(patience) });
        State::Challenged(Self { lease, purpose, out })
    }

    pub(super) fn step(self, input: &Input<'_>, cx: &mut Context<'_>) -> State {
        match input {
            Input::Message(text) => match cx.hear(text) {
                Ok(ClientMessage::Respond(response)) => self.respond(response, cx),
                other => Live { lease: self.lease }.heard(other, cx),
            },
            Input::Deadline => match cx.due(self.lease) {
                Ok(lease) => State::Challenged(Self { lease, ..self }),
                Err(rejection) => Closing::enter(rejection, cx),
            },
            Input::End(rejection) => Closing::enter(*rejection, cx),
            Input::Gone => State::Closing(Closing),
            // The question it answers was of a state that is over.
            Input::Verdict(_) => State::Challenged(self),
        }
    }

    fn respond(self, response: Response, cx: &mut Context<'_>) -> State {
        let Self { lease, purpose, out } = self;
        let Out { exchange, expires } = *out;
        if cx.now.mono >= expires {
            cx.core.tell_rejected(Rejection::CredentialsInvalid, TryAgain::Yes);
            return State::Live(Live { lease });
        }
        cx.ask(Question::of_response(cx.core.id, exchange, response));
        State::Renewing(Renewing { lease, purpose })
    }
}
