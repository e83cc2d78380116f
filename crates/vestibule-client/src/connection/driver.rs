//! Does what the machine says, and tells it what happened. It decides nothing.

use core::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};
use std::sync::Arc;

use tokio::{
    sync::watch,
    time::{Instant, Sleep, sleep_until},
};
use zeroize::Zeroizing;

use super::{
    Message, Observer, Phase, Resend, Resume,
    chance::Chance,
    clock::Clock,
    link::{Heard, Link, Reading, Traffic},
    shared::{Order, Shared},
};
use crate::{
    auth::{Answer, Answering, Carrier, Credential, Provider, Request, Unanswered, Unavailable},
    error::{Detail, Ended},
    handshake::{Frame, Handshake, OpenError, SocketError},
    machine::{Cause, End, Failure, Input, Machine, StateName, StopReason},
};

type Question = Pin<Box<dyn Future<Output = Result<Credential, Unavailable>> + Send>>;

/// A provider of any kind.
pub(super) trait Ask: Send + Sync {
    fn ask(self: Arc<Self>, request: Request) -> Question;
}

impl<P: Provider> Ask for P {
    fn ask(self: Arc<Self>, request: Request) -> Question {
        Box::pin(async move { self.provide(request).await })
    }
}

/// What the driver is made of.
pub(super) struct Parts {
    pub(super) handshake: Arc<Handshake>,
    pub(super) carrier: Carrier,
    pub(super) provider: Arc<dyn Ask>,
    pub(super) machine: Machine,
    pub(super) resend: Resend,
    pub(super) resume: Resume,
    pub(super) observer: Option<Observer>,
    pub(super) shared: Arc<Shared>,
    pub(super) phase: watch::Sender<Phase>,
}

/// Credentials, as far as the driver has to remember them.
#[derive(Debug, Default)]
pub(super) struct Purse {
    /// What the provider gave, until it is presented.
    pub(super) given: Option<Credential>,
    /// The one that was presented last.
    pub(super) presented: Option<Credential>,
    /// The one that must not be presented again.
    pub(super) spent: Option<Credential>,
    /// What the server gave for the next connection.
    pub(super) session: Option<Credential>,
}

impl Purse {
    /// What each message is to carry, unless that is known to be useless.
    fn seal(&self) -> Option<&Credential> {
        let presented = self.presented.as_ref()?;
        let spent = self.spent.as_ref().is_some_and(|spent| spent.is(presented));
        (!spent).then_some(presented)
    }
}

/// One connection after the other.
pub(super) struct Driver {
    pub(super) parts: Parts,
    pub(super) link: Link,
    pub(super) question: Option<Question>,
    /// The response to a challenge, until it is there.
    pub(super) answering: Option<Answering>,
    /// The response, until it is sent.
    pub(super) response: Option<Zeroizing<String>>,
    pub(super) purse: Purse,
    clock: Clock,
    chance: Chance,
    timer: Pin<Box<Sleep>>,
    /// What the timer is set to.
    armed: Option<Instant>,
    /// The message that came in, until it is known whose it is.
    pub(super) incoming: Option<Message>,
    /// What the last connection, or the last attempt, came to.
    pub(super) detail: Option<Arc<Detail>>,
    pub(super) ending: Ending,
}

/// What is known of the end, piece by piece.
#[derive(Debug, Default)]
pub(super) struct Ending {
    pub(super) reason: Option<StopReason>,
    pub(super) cause: Option<Cause>,
}

/// Something that happened.
enum Happening {
    Order(Order),
    Answer(Result<Credential, Unavailable>),
    Response(Result<Answer, Unanswered>),
    Heard(Heard),
    Tick,
}

impl Driver {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts,
            link: Link::None,
            question: None,
            answering: None,
            response: None,
            purse: Purse::default(),
            clock: Clock::start(),
            chance: Chance::new(),
            timer: Box::pin(sleep_until(Instant::now())),
            armed: None,
            incoming: None,
            detail: None,
            ending: Ending::default(),
        }
    }

    /// Until it is over.
    pub(super) async fn run(mut self) {
        self.step(Input::Start);
        while self.parts.machine.state() != StateName::Stopped {
            let happening = poll_fn(|cx| self.poll(cx)).await;
            self.handle(happening);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Happening> {
        if let Some(order) = self.parts.shared.next_order(cx) {
            return Poll::Ready(Happening::Order(order));
        }
        if let Some(question) = &mut self.question
            && let Poll::Ready(answer) = question.as_mut().poll(cx)
        {
            self.question = None;
            return Poll::Ready(Happening::Answer(answer));
        }
        if let Some(answering) = &mut self.answering
            && let Poll::Ready(answer) = answering.as_mut().poll(cx)
        {
            self.answering = None;
            return Poll::Ready(Happening::Response(answer));
        }
        let traffic = match self.parts.machine.state() {
            StateName::Open | StateName::Closing => match self.parts.carrier {
                Carrier::PerMessage => self.purse.seal().map_or(Traffic::Held, Traffic::Sealed),
                Carrier::Message
                | Carrier::Header
                | Carrier::Subprotocol
                | Carrier::Query { .. }
                | Carrier::Tls
                | Carrier::Cookie { .. } => Traffic::Flows,
            },
            StateName::Stopped
            | StateName::Asking
            | StateName::Connecting
            | StateName::Settling
            | StateName::Authenticating
            | StateName::Waiting => Traffic::Held,
        };
        let reading =
            if self.parts.shared.has_inbox_room() { Reading::Goes } else { Reading::Paused };
        if reading == Reading::Paused && self.parts.machine.awaits_answer() {
            self.clock.halt();
        } else {
            self.clock.go_on();
        }
        if let Poll::Ready(heard) = self.link.poll(&self.parts.shared, traffic, reading, cx) {
            return Poll::Ready(Happening::Heard(heard));
        }
        self.poll_timer(cx).map(|()| Happening::Tick)
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.parts.machine.deadline().and_then(|due| self.clock.instant(due))
        else {
            return Poll::Pending;
        };
        if self.armed != Some(due) {
            self.armed = Some(due);
            self.timer.as_mut().reset(due);
        }
        self.timer.as_mut().poll(cx).map(|()| self.armed = None)
    }

    fn handle(&mut self, happening: Happening) {
        match happening {
            Happening::Order(order) => self.step(order.input()),
            Happening::Answer(Ok(given)) => {
                let spent = self.purse.spent.as_ref().is_some_and(|spent| spent.is(&given));
                if spent {
                    self.step(Input::NoCredential(Failure::Repeated));
                } else {
                    self.purse.given = Some(given);
                    self.step(Input::Credential);
                }
            }
            Happening::Answer(Err(Unavailable::ForNow)) => {
                self.step(Input::NoCredential(Failure::Failed));
            }
            Happening::Answer(Err(Unavailable::ForGood)) => {
                self.step(Input::NoCredential(Failure::Denied));
            }
            Happening::Response(Ok(answer)) => {
                let (message, expected) = answer.into_parts();
                self.response = Some(message);
                self.step(Input::Response(expected));
            }
            Happening::Response(Err(unanswered)) => {
                self.detail = Some(Arc::new(Detail::Challenge(unanswered)));
                self.step(Input::NoResponse);
            }
            Happening::Heard(heard) => self.heard(heard),
            Happening::Tick => self.step(Input::Tick),
        }
    }

    fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Dialled(Ok(subprotocol)) => {
                self.parts.shared.chosen(subprotocol);
                self.step(Input::SocketOpen);
            }
            Heard::Dialled(Err(error)) => self.not_dialled(error),
            Heard::Frame(Frame::Text(text)) => {
                self.incoming = Some(Message::Text(text.clone()));
                self.step(Input::Text(&text));
            }
            Heard::Frame(Frame::Binary(bytes)) => {
                self.incoming = Some(Message::Binary(bytes));
                self.step(Input::Binary);
            }
            // The socket answers; a flood of them must not keep deadlines from being looked at.
            Heard::Frame(Frame::Ping(_) | Frame::Pong(_)) => self.step(Input::Tick),
            Heard::Frame(Frame::Close(code, reason)) => {
                self.link.forget();
                self.closed(End { code, reason, clean: true });
            }
            Heard::Failed(error @ SocketError::Broken(_)) => {
                self.detail = Some(Arc::new(Detail::Socket(error)));
                self.step(Input::Fault);
            }
            Heard::Failed(error @ (SocketError::Lost(_) | SocketError::Closed)) => {
                self.link = Link::None;
                self.detail = Some(Arc::new(Detail::Socket(error)));
                self.closed(End::lost());
            }
            Heard::Over => {
                self.link = Link::None;
                self.closed(End::lost());
            }
        }
    }

    fn not_dialled(&mut self, error: OpenError) {
        let end = match &error {
            OpenError::Refused(refusal) => Some(refusal.end()),
            OpenError::Unreachable { .. } | OpenError::Tls(_) | OpenError::Answer(_) => {
                Some(End::lost())
            }
            // Another attempt would end in the same way.
            OpenError::Certificates(_)
            | OpenError::Echoed
            | OpenError::Uncarried(_)
            | OpenError::Unaskable(_) => None,
        };
        self.detail = Some(Arc::new(Detail::Open(error)));
        match end {
            Some(end) => self.closed(end),
            None => self.step(Input::Fault),
        }
    }

    fn closed(&mut self, end: End) {
        // What was handed to that socket is not sent again.
        self.parts.shared.flushed();
        self.step(Input::SocketClosed(end));
    }

    pub(super) fn step(&mut self, input: Input<'_>) {
        let now = self.clock.now();
        for effect in self.parts.machine.handle(input, now, self.chance.next()) {
            self.perform(effect);
        }
        self.incoming = None;
    }
}

impl Drop for Driver {
    /// Whoever waits is told, also where the task was ended from outside or a provider panicked.
    fn drop(&mut self) {
        if self.parts.shared.ended().is_none() {
            let ended = Ended {
                reason: StopReason::Aborted,
                cause: None,
                end: End::lost(),
                unsent: 0,
                detail: self.detail.take(),
            };
            self.parts.shared.finish(ended);
            self.parts.phase.send_replace(Phase::Over);
        }
    }
}
