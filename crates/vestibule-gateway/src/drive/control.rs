//! Carries out what the session decides: the hands between `vestibule_core::session` and the relay.

use std::{net::IpAddr, rc::Rc, sync::Arc, time::Duration};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::oneshot;
use tracing::{info, trace};
use vestibule_authority::Standing;
use vestibule_core::{
    authn::{Asked, ConnectionId, Question, Revoked, Verdict},
    limits,
    policy::{Carrier, StepUp},
    rejection::Rejection,
    session::{Effect, Input, Session, SteppedUp, Unasked},
    time::{Mono, Now, UnixTime},
    wire::close::Close,
};
use vestibule_verify::jwt::CertificateHash;

use super::Stage;
use crate::{
    config::Route,
    ops::metrics::{Closed, Direction, Live},
    relay::{self, Ended, EndedBy, Key, Order, Report, Traffic},
    serve::{
        Answered, Asking, Purpose, Seen, Worker,
        connections::{ConnectionName, Details, Renewal, Second},
    },
};

/// What reaches a connection from outside of it.
#[derive(Debug)]
pub enum Signal {
    /// It was handed to the relay, under this key.
    Opened(Key),
    /// A question of its was answered; and what is kept of the credential, where its issuer is asked
    /// about it again.
    Verdict(Verdict, Option<Box<Standing>>),
    /// Somebody decided that it must end.
    End(Rejection),
    /// A credential was checked beside the connection, to renew its lease; who wants to know what
    /// came of it.
    Renew(Box<Renewal>, oneshot::Sender<Result<Duration, Rejection>>),
    /// An operator wants a second proof; who wants to know until when it is owed, or why its client
    /// is not asked.
    StepUp(Box<StepUp>, oneshot::Sender<Result<UnixTime, Unasked>>),
}

/// One authenticated connection: its session, and what is said about it in logs and metrics.
#[derive(Debug)]
pub struct Control {
    session: Session,
    route: Arc<Route>,
    worker: Rc<Worker>,
    key: Option<Key>,
    id: ConnectionId,
    carrier: Carrier,
    peer: IpAddr,
    origin: Option<Box<str>>,
    /// Where it can be asked back.
    stage: Option<Rc<Stage>>,
    /// In a box: few show one, and everybody's record would be longer.
    shown: Option<Box<CertificateHash>>,
    began: Now,
    ending: Option<Rejection>,
}

/// What is known about a connection when its session opens.
#[derive(Debug)]
pub struct Opened {
    /// Its name.
    pub id: ConnectionId,
    /// Where its credential travelled.
    pub carrier: Carrier,
    /// Who is at the other end.
    pub peer: IpAddr,
    /// The page behind it, as it calls itself.
    pub origin: Option<Box<str>>,
    /// What it signs where it is asked back; `None` where it is not.
    pub stage: Option<Stage>,
    /// The certificate that it has shown.
    pub shown: Option<CertificateHash>,
    /// What it asked for.
    pub route: Arc<Route>,
}

impl Control {
    /// Logs the beginning.
    pub fn new(session: Session, opened: Opened, worker: Rc<Worker>, now: Now) -> Self {
        let Opened { id, carrier, peer, origin, stage, shown, route } = opened;
        let shown = shown.map(Box::new);
        let principal = session.principal();
        info!(
            connection = %worker.shared.name(id),
            // Not by `%`, which would write line ends as they are.
            subject = &*principal.subject,
            issuer = &*principal.issuer,
            mechanism = principal.mechanism.name(),
            carrier = carrier.name(),
            route = route.name(),
            %peer,
            "connected"
        );
        worker.shared.metrics.connections.inc();
        live(&worker, &route, "open").inc();
        let (stage, key, began, ending) = (stage.map(Rc::new), None, now, None);
        Self { session, route, worker, key, id, carrier, peer, origin, stage, shown, began, ending }
    }

    /// Who is connected, and since when.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What it is called outside of the process.
    pub fn name(&self) -> ConnectionName {
        self.worker.shared.name(self.id)
    }

    /// Whether its end has begun.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// What is shown of it.
    pub fn details(&self, traffic: Traffic, now: Now) -> Details {
        let Traffic { to_client, to_upstream } = traffic;
        let lease_ends = self.session.lease_ends();
        Details {
            id: self.name(),
            principal: Arc::clone(self.session.principal()),
            carrier: self.carrier,
            route: Arc::clone(&self.route),
            peer: self.peer,
            origin: self.origin.clone(),
            since: self.began.wall,
            lease_ends: lease_ends.map(|ends| now.wall.after(now.mono.until(ends))),
            second: match self.session.stepped_up() {
                SteppedUp::Unasked => Second::Unasked,
                SteppedUp::Owed(due) => Second::Owed(now.wall.after(now.mono.until(due))),
                SteppedUp::Shown(at) => Second::Shown(at),
            },
            to_client,
            to_upstream,
        }
    }

    /// Renews the lease. That the credential was good when it was checked does not count: what was
    /// revoked since has been swept already, and would not be again.
    fn renew(&mut self, renewal: Renewal, now: Now) -> Result<Duration, Rejection> {
        let Renewal { verified, standing } = renewal;
        match self.worker.shared.is_revoked(verified.principal()) {
            Revoked::No => {
                let span = self.session.renew(&verified, &self.route.policy, now)?;
                self.worker.shared.rechecks.renewed(self.id, standing);
                Ok(span)
            }
            Revoked::Yes => Err(Rejection::TokenRevoked),
        }
    }

    /// Asks for a second proof.
    fn step_up(&mut self, step_up: StepUp, now: Now) -> Result<UnixTime, Unasked> {
        let due = now.wall.after(step_up.within());
        self.session.demand(step_up, &self.route.policy, now)?;
        info!(connection = %self.name(), route = self.route.name(), "asked for a second proof");
        Ok(due)
    }

    /// The same verdict, unless what it rests on was revoked while it was on its way.
    fn verdict(&mut self, verdict: Verdict, standing: Option<Box<Standing>>, now: Now) {
        let shared = &self.worker.shared;
        let verdict = verdict.unless_revoked(|principal| shared.is_revoked(principal));
        let before = (self.session.stepped_up(), Arc::as_ptr(self.session.principal()));
        self.session.handle(Input::Verdict(verdict), &self.route.policy, now);
        match (before.0, self.session.stepped_up()) {
            // What is asked about again stays the first credential, whose lease it is.
            (SteppedUp::Owed(_), SteppedUp::Shown(_)) => {
                let methods = self.session.principal().methods.join(" ");
                info!(connection = %self.name(), route = self.route.name(), methods, "stepped up");
            }
            // Only the session knows whether it took the new credential.
            (SteppedUp::Unasked | SteppedUp::Owed(_) | SteppedUp::Shown(_), _) => {
                if before.1 != Arc::as_ptr(self.session.principal()) {
                    let rechecks = &self.worker.shared.rechecks;
                    rechecks.renewed(self.id, standing.map(|standing| *standing));
                }
            }
        }
    }

    /// Moves it among those of its route that are open, and those that are being closed.
    fn count(&self, step: Count) {
        let state = if self.is_ending() { "closing" } else { "open" };
        live(&self.worker, &self.route, state).dec();
        match step {
            Count::Closing => {
                live(&self.worker, &self.route, "closing").inc();
            }
            Count::Gone => {}
        }
    }

    fn input(&mut self, input: Input<'_>, now: Now, orders: &mut Vec<Order>) {
        self.session.handle(input, &self.route.policy, now);
        while let Some(effect) = self.session.poll_effect() {
            match effect {
                Effect::Ask(question) => self.ask(question, now),
                Effect::Tell(text) => orders.push(Order::Tell(text)),
                Effect::Forward(data) => orders.push(Order::Forward(data)),
                Effect::Close(rejection) => {
                    if rejection == Rejection::LoggedOut {
                        self.worker.shared.logged_out(self.session.principal());
                    }
                    self.count(Count::Closing);
                    self.ending = Some(rejection);
                    let close = Close::of(rejection, None).mapped(&self.route.policy.close_codes);
                    orders.push(Order::Close(close));
                }
            }
        }
    }

    /// Has a question answered: at once where the keys are at hand, else by a task that comes back
    /// with a signal.
    fn ask(&mut self, question: Question, now: Now) {
        let known = match question.asked() {
            Asked::Credential(credential) => self
                .worker
                .known(credential, &self.route, self.shown.as_deref().copied(), now.wall)
                .map(|result| (credential.mechanism, result)),
            Asked::Response(_, _) => None,
        };
        if let Some((mechanism, result)) = known {
            let doubted = |refused| self.worker.doubted(&self.route, self.peer, refused);
            let result = result.map_err(doubted);
            self.worker.checked(mechanism, result.as_ref().err().copied(), now);
            let standing = result.as_ref().ok().and_then(|verified| self.worker.standing(verified));
            let standing = standing.map(Box::new);
            let verdict = question.answer(result);
            self.verdict(verdict, standing, now);
            return;
        }
        // Where many are opened together, its first message can be read before it was told its key.
        let Some(key) = self.key.or_else(|| self.worker.key(self.id)) else {
            let verdict = question.answer(Err(Rejection::Unavailable));
            self.verdict(verdict, None, now);
            return;
        };
        let (peer, origin, stage) = (self.peer, self.origin.clone(), self.stage.clone());
        let shown = self.shown.as_deref().copied();
        let (worker, route) = (Rc::clone(&self.worker), Arc::clone(&self.route));
        let deadline = now.mono.after(limits::DIAL_TIMEOUT);
        // The task ends with the fetch, which is bounded; a key that is stale by then hits nobody.
        tokio::task::spawn_local(async move {
            let seen = Seen { route: Some(&route), peer, origin: origin.as_deref() };
            let asking = Asking {
                seen: &seen,
                route: &route,
                deadline,
                purpose: Purpose::Other,
                scene: stage.as_deref().map(|stage| stage.scene(peer)),
                // That of a live connection is never newer, and a token may still be bound to it.
                certificate: None,
                shown,
            };
            let Answered { verdict, rotated: _, standing } = worker.answer(question, asking).await;
            worker.relay.signal(key, Signal::Verdict(verdict, standing));
        });
    }
}

/// What happens to a connection that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    Closing,
    Gone,
}

fn live(worker: &Worker, route: &Route, state: &'static str) -> Gauge {
    let live = Live { route: route.name().to_owned(), state };
    worker.shared.metrics.route_connections.get_or_create_owned(&live)
}

impl relay::Control for Control {
    type Signal = Signal;

    fn report(&mut self, report: Report<'_, Signal>, now: Now, orders: &mut Vec<Order>) {
        let input = match report {
            Report::Message(text) => Input::Message(text),
            Report::Fault(rejection) => Input::End(rejection),
            Report::Signal(Signal::Opened(key)) => {
                self.key = Some(key);
                Input::Deadline
            }
            Report::Signal(Signal::Verdict(verdict, standing)) => {
                self.verdict(verdict, standing, now);
                Input::Deadline
            }
            Report::Signal(Signal::Renew(renewal, reply)) => {
                if reply.send(self.renew(*renewal, now)).is_err() {
                    trace!("nobody waits to hear about the renewal");
                }
                Input::Deadline
            }
            Report::Signal(Signal::StepUp(step_up, reply)) => {
                if reply.send(self.step_up(*step_up, now)).is_err() {
                    trace!("nobody waits to hear about the step-up");
                }
                Input::Deadline
            }
            Report::Signal(Signal::End(rejection)) => Input::End(rejection),
            Report::Deadline => Input::Deadline,
            Report::Idle => Input::End(Rejection::IdleTimeout),
            Report::Gone => Input::Gone,
        };
        self.input(input, now, orders);
    }

    fn is_busy(&self) -> bool {
        self.session.is_checking()
    }

    fn deadline(&self) -> Option<Mono> {
        self.session.poll_deadline()
    }

    fn ended(&mut self, ended: &Ended, now: Now) {
        let Ended { to_client, to_upstream, code, by } = ended;
        let metrics = &self.worker.shared.metrics;
        self.worker.ended(self.id);
        metrics.connections.dec();
        self.count(Count::Gone);
        let by = match by {
            EndedBy::Client => "client",
            EndedBy::Upstream => "upstream",
            EndedBy::Gateway => "gateway",
        };
        let reason = self.ending.map_or(by, Rejection::label);
        metrics.closed.get_or_create(&Closed { reason }).inc();
        metrics.bytes.get_or_create(&Direction { to: "client" }).inc_by(*to_client);
        metrics.bytes.get_or_create(&Direction { to: "upstream" }).inc_by(*to_upstream);
        let principal = self.session.principal();
        let duration = self.began.mono.until(now.mono).as_millis();
        info!(
            connection = %self.name(),
            subject = &*principal.subject,
            mechanism = principal.mechanism.name(),
            carrier = self.carrier.name(),
            route = self.route.name(),
            peer = %self.peer,
            duration_ms = u64::try_from(duration).unwrap_or(u64::MAX),
            to_client,
            to_upstream,
            code,
            by,
            reason,
            "disconnected"
        );
    }
}
