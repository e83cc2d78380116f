//! What each effect of the machine comes to.

use core::future::ready;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Event, Message, Phase, Resend, Resume, driver::Driver, link::Link};
use crate::{
    auth::{Carrier, Credential, Mechanism, Request},
    error::Ended,
    machine::{AskReason, Auth, Demand, Effect, End, Opened, Presentation, StopReason, content},
};

const LOGOUT: &str = r#"{"auth":{"type":"logout"}}"#;

impl Driver {
    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Ask { reason, attempt } => self.ask(Request { reason, attempt }),
            Effect::Cancel => self.question = None,
            Effect::Spend => self.spend(),
            Effect::Connect => self.connect(),
            Effect::Present(presentation) => self.present(presentation),
            Effect::Challenge(demand) => self.challenged(demand),
            Effect::Respond => {
                if let Some(response) = self.response.take() {
                    self.link.say(response);
                }
            }
            Effect::Logout => self.link.say_last(Zeroizing::new(LOGOUT.to_owned())),
            Effect::Close { code, reason } => self.link.close(code, reason),
            Effect::Drop { code } => {
                self.answering = None;
                self.link.drop_with(code);
                self.parts.shared.flushed();
            }
            Effect::Open(opened) => {
                if opened == Opened::Again && self.parts.resend == Resend::Nothing {
                    self.parts.shared.forget();
                }
                self.parts.phase.send_replace(Phase::Open);
                self.tell(&Event::Open(opened));
            }
            Effect::Deliver => {
                if let Some(message) = self.incoming.take() {
                    self.parts.shared.deliver(message);
                }
            }
            Effect::Auth(auth) => self.told(auth),
            Effect::Reconnecting { cause, code, error, attempt, delay } => {
                self.parts.phase.send_replace(Phase::Connecting);
                self.tell(&Event::Reconnecting { cause, code, error, attempt, delay });
            }
            Effect::Error { cause, .. } => self.ending.cause = Some(cause),
            Effect::Closed(end) => self.over(end),
        }
    }

    fn tell(&mut self, event: &Event) {
        if let Some(observer) = &mut self.parts.observer {
            observer(event);
        }
    }

    // Credentials.

    /// Asks, or joins the question that is under way.
    fn ask(&mut self, request: Request) {
        if self.question.is_some() {
            return;
        }
        let session = match request.reason {
            AskReason::Reconnect => self.purse.session.clone(),
            AskReason::Connect | AskReason::Refresh | AskReason::StepUp => None,
            // Whatever was presented, a session among it, did not count.
            AskReason::Refused => {
                self.purse.session = None;
                None
            }
        };
        self.question = Some(match session {
            Some(session) => Box::pin(ready(Ok(session))),
            None => Arc::clone(&self.parts.provider).ask(request),
        });
    }

    fn spend(&mut self) {
        self.purse.spent.clone_from(&self.purse.presented);
    }

    fn presented(&mut self, credential: &Credential) {
        self.purse.presented = Some(credential.clone());
        // Any attempt to redeem a ticket burns it.
        if credential.mechanism() == Mechanism::Ticket {
            self.spend();
        }
    }

    fn present(&mut self, presentation: Presentation) {
        if let Some(credential) = self.purse.given.take() {
            self.presented(&credential);
            if self.parts.carrier != Carrier::PerMessage {
                self.link.say(credential.message(presentation));
            }
        }
    }

    /// What presented itself answers.
    fn challenged(&mut self, demand: Demand) {
        if let Some(credential) = &self.purse.presented {
            let exporter = self.link.exporter();
            self.answering = Some(credential.respond(demand, &self.parts.handshake, exporter));
        }
    }

    fn connect(&mut self) {
        self.answering = None;
        let handshake = Arc::clone(&self.parts.handshake);
        let given = match self.parts.carrier {
            Carrier::Message => None,
            Carrier::Header
            | Carrier::Subprotocol
            | Carrier::Query { .. }
            | Carrier::Tls
            | Carrier::Cookie { .. }
            | Carrier::PerMessage => self.purse.given.take(),
        };
        if let Some(credential) = &given {
            self.presented(credential);
        }
        // What an earlier attempt came to says nothing of this one.
        self.detail = None;
        let carrier = self.parts.carrier.clone();
        self.link = Link::Dialling(Box::pin(async move {
            handshake.open(given.as_ref().map(|credential| (&carrier, credential))).await
        }));
    }

    // The application.

    fn told(&mut self, auth: Auth) {
        match &auth {
            Auth::Authenticated(Some(_)) | Auth::Refreshed(_) => self.learn(),
            Auth::Stopped { reason } => self.ending.reason = Some(*reason),
            Auth::Authenticated(None)
            | Auth::Waiting { .. }
            | Auth::Refreshing
            | Auth::Expiring { .. }
            | Auth::Rejected { .. } => {}
        }
        self.tell(&Event::Auth(auth));
    }

    /// What an `accepted` says beside what the machine has to know: how to come back, and the name
    /// of the connection.
    fn learn(&mut self) {
        let Some(Message::Text(text)) = &self.incoming else { return };
        let Some(auth) = content(text) else { return };
        let member = |name: &str| auth.get(name).and_then(|value| value.as_str());
        if let Some(id) = member("connection") {
            self.parts.shared.named(Some(id.to_owned()));
        }
        if self.parts.resume == Resume::BySession
            && self.parts.carrier == Carrier::Message
            && let Some(Ok(session)) = member("session").map(Credential::session)
        {
            self.purse.session = Some(session);
        }
    }

    fn over(&mut self, end: End) {
        let ended = Ended {
            reason: self.ending.reason.take().unwrap_or(StopReason::Aborted),
            cause: self.ending.cause.take(),
            end,
            unsent: 0,
            detail: self.detail.take(),
        };
        let ended = self.parts.shared.finish(ended);
        self.parts.phase.send_replace(Phase::Over);
        self.tell(&Event::Over(ended));
    }
}
