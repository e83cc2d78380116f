//! After admission: a crossroads. Messages, verdicts, deadlines and revocations meet in any order.
//!
//! A driver calls [`Session::handle`], then [`Session::poll_effect`] until it says `None`, then
//! waits for the next input or for [`Session::poll_deadline`]. A deadline that has passed is
//! applied before the input, whatever the driver reports: a driver that oversleeps prolongs nothing.

mod carrying;
mod challenged;
mod checking;
mod closing;
mod lease;
mod live;
mod renewing;
mod step_up;

use core::time::Duration;
use std::{collections::VecDeque, sync::Arc};

pub use lease::Lease;
pub use step_up::{SteppedUp, Unasked};

use self::{
    carrying::Carrying,
    challenged::Challenged,
    checking::Checking,
    closing::Closing,
    live::Live,
    renewing::Renewing,
    step_up::{Purpose, Second},
};
use crate::{
    authn::{
        ConnectionId, Principal, Question, Verdict, Verified,
        message::{ClientMessage, Introduction, ServerMessage, TryAgain},
    },
    handshake::{self, Admission, InBand},
    limits,
    policy::{Carrier, RoutePolicy},
    rejection::Rejection,
    time::{Mono, Now},
};

/// What can happen to an authenticated connection.
#[derive(Debug)]
pub enum Input<'a> {
    /// The client sent a control message.
    Message(&'a [u8]),
    /// A question of this session was answered.
    Verdict(Verdict),
    /// Somebody decided that the connection must end: revocation, drain, a broken frame.
    End(Rejection),
    /// The deadline passed.
    Deadline,
    /// A peer is gone.
    Gone,
}

/// What the driver has to do.
#[derive(Debug)]
pub enum Effect {
    /// Have it answered, and hand the verdict to [`Session::handle`].
    Ask(Question),
    /// Send the client this text message, at a frame boundary.
    Tell(String),
    /// Send the upstream this text message. It is what the client's message carried, and that was all
    /// that waited: see [`Session::is_checking`].
    Forward(Box<[u8]>),
    /// Stop the flow in both directions and close with the rejection's answer. Said once.
    Close(Rejection),
}

/// One authenticated connection.
#[derive(Debug)]
pub struct Session {
    state: State,
    core: Core,
}

impl Session {
    /// Opens the session of an admitted connection. The introduction is told to clients that hear
    /// messages.
    pub fn open(
        admission: Admission,
        introduction: Introduction<'_>,
        policy: &RoutePolicy,
        now: Now,
    ) -> Self {
        let carrier = admission.carrier();
        let Admission { id, verified, lease, in_band, proof, .. } = admission;
        let (state, most) = match carrier {
            Carrier::Header
            | Carrier::Cookie
            | Carrier::Query
            | Carrier::Subprotocol
            | Carrier::Tls
            | Carrier::Message => (State::Live(Live { lease }), limits::MESSAGES_A_MINUTE),
            Carrier::PerMessage => {
                (State::Carrying(Carrying { lease }), limits::REJECTIONS_A_MINUTE)
            }
        };
        let mut core = Core {
            id,
            principal: Arc::clone(verified.principal()),
            in_band,
            closes: policy.max_lifetime.map(|span| now.mono.after(span)),
            budget: Budget { most, window: now.mono, left: most },
            second: None,
            effects: VecDeque::new(),
        };
        if core.hears(policy) {
            core.tell_accepted(introduction, proof.as_deref(), now);
        }
        // Behind `accepted`, so that nobody takes it for a refusal.
        match &policy.step_up {
            Some(step_up) if !step_up.is_met_by(&core.principal) => {
                core.owe(step_up.clone(), now);
            }
            Some(_) | None => {}
        }
        Self { state, core }
    }

    /// Takes an input.
    pub fn handle(&mut self, input: Input<'_>, policy: &RoutePolicy, now: Now) {
        // Two passes at the most: the warning and the end may both be due.
        for _ in 0..2 {
            if self.poll_deadline().is_some_and(|deadline| now.mono >= deadline) {
                self.step(Input::Deadline, policy, now);
            }
        }
        self.step(input, policy, now);
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        let effect = self.core.effects.pop_front();
        if self.core.effects.is_empty() {
            self.core.effects = VecDeque::new();
        }
        effect
    }

    /// When [`Input::Deadline`] is due; `None` is never.
    pub fn poll_deadline(&self) -> Option<Mono> {
        let deadline = self.state.lease()?.deadline();
        let others = [self.core.closes, self.core.owed_until()];
        Some(others.into_iter().flatten().fold(deadline, Mono::min))
    }

    /// When the lease ends; `None` where the connection is being closed.
    pub fn lease_ends(&self) -> Option<Mono> {
        self.state.lease().map(Lease::ends)
    }

    /// Whether a message that carries its own credential waits for the verdict. Until that has come
    /// the driver hands over no other one, so that what is forwarded keeps its order; one that is
    /// handed over all the same is rejected.
    pub fn is_checking(&self) -> bool {
        match &self.state {
            State::Checking(_) => true,
            State::Live(_)
            | State::Renewing(_)
            | State::Challenged(_)
            | State::Carrying(_)
            | State::Closing(_) => false,
        }
    }

    /// Renews the lease by a credential that was checked beside the connection, and tells how long
    /// it is now. One of another identity, or that the route would not take, changes nothing: whoever
    /// merely knows the name of a connection must not be able to end it.
    pub fn renew(
        &mut self,
        verified: &Verified,
        policy: &RoutePolicy,
        now: Now,
    ) -> Result<Duration, Rejection> {
        let principal = verified.principal();
        if !principal.is_same_identity(&self.core.principal) {
            return Err(Rejection::IdentityChanged);
        }
        self.core.keep_proof(principal, policy, now);
        let successor = self.core.successor(principal);
        handshake::check_demands(&successor, policy)?;
        let lease = Lease::granted(principal, policy, now).ok_or(Rejection::TokenExpired)?;
        let renewed = match &mut self.state {
            State::Live(Live { lease })
            | State::Renewing(Renewing { lease, .. })
            | State::Challenged(Challenged { lease, .. })
            | State::Carrying(Carrying { lease })
            | State::Checking(Checking { lease, .. }) => lease,
            State::Closing(Closing) => return Err(Rejection::TokenExpired),
        };
        // Nothing comes back to life: the old lease may be over, and nobody has said so yet.
        if renewed.is_over(now) {
            return Err(Rejection::TokenExpired);
        }
        *renewed = lease;
        self.core.principal = successor;
        if self.core.hears(policy) {
            self.core.tell_accepted(Introduction::default(), None, now);
        }
        Ok(now.wall.until(principal.expires))
    }

    /// Who is connected.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.core.principal
    }

    fn step(&mut self, input: Input<'_>, policy: &RoutePolicy, now: Now) {
        let cx = &mut Context { core: &mut self.core, policy, now };
        let state = core::mem::replace(&mut self.state, State::Closing(Closing));
        self.state = match state {
            State::Live(live) => live.step(&input, cx),
            State::Renewing(renewing) => renewing.step(input, cx),
            State::Challenged(challenged) => challenged.step(&input, cx),
            State::Carrying(carrying) => carrying.step(&input, cx),
            State::Checking(checking) => checking.step(input, cx),
            State::Closing(closing) => closing.step(&input),
        };
    }
}

#[derive(Debug)]
enum State {
    Live(Live),
    Renewing(Renewing),
    Challenged(Challenged),
    Carrying(Carrying),
    Checking(Checking),
    Closing(Closing),
}

impl State {
    /// How long it stays authenticated; `None` where it is being closed.
    fn lease(&self) -> Option<Lease> {
        match self {
            Self::Live(Live { lease })
            | Self::Renewing(Renewing { lease, .. })
            | Self::Challenged(Challenged { lease, .. })
            | Self::Carrying(Carrying { lease })
            | Self::Checking(Checking { lease, .. }) => Some(*lease),
            Self::Closing(Closing) => None,
        }
    }
}

/// What every state shares.
#[derive(Debug)]
struct Core {
    id: ConnectionId,
    principal: Arc<Principal>,
    in_band: InBand,
    closes: Option<Mono>,
    budget: Budget,
    /// In a box: few connections are asked for one.
    second: Option<Box<Second>>,
    effects: VecDeque<Effect>,
}

impl Core {
    /// Whether the client is told what it did not ask for.
    fn hears(&self, policy: &RoutePolicy) -> bool {
        match self.in_band {
            InBand::Spoken => true,
            InBand::Silent => policy.tells_all(),
        }
    }

    fn tell(&mut self, message: &ServerMessage<'_>) {
        self.effects.push_back(Effect::Tell(message.render()));
    }

    fn tell_accepted(&mut self, introduction: Introduction<'_>, message: Option<&str>, now: Now) {
        let principal = &*Arc::clone(&self.principal);
        let now = now.wall;
        self.tell(&ServerMessage::Accepted { principal, now, introduction, message });
    }

    fn tell_rejected(&mut self, rejection: Rejection, retry: TryAgain) {
        self.tell(&ServerMessage::Rejected { rejection, retry });
    }
}

/// Control messages a minute; where each message carries its own credential, rejections.
#[derive(Debug)]
struct Budget {
    most: u32,
    window: Mono,
    left: u32,
}

impl Budget {
    fn spend(&mut self, now: Now) -> Result<(), Rejection> {
        if self.window.until(now.mono).as_secs() >= 60 {
            *self = Self { most: self.most, window: now.mono, left: self.most };
        }
        self.left = self.left.checked_sub(1).ok_or(Rejection::TooManyAttempts)?;
        Ok(())
    }
}

struct Context<'a> {
    core: &'a mut Core,
    policy: &'a RoutePolicy,
    now: Now,
}

impl Context<'_> {
    /// Takes a message of the client.
    fn hear(&mut self, text: &[u8]) -> Result<ClientMessage, Rejection> {
        self.core.in_band = InBand::Spoken;
        self.core.budget.spend(self.now)?;
        ClientMessage::parse(text)
    }

    fn ask(&mut self, question: Question) {
        self.core.effects.push_back(Effect::Ask(question));
    }

    /// When the connection ends by itself, unless something is shown before.
    fn ends(&self, lease: Lease) -> Mono {
        let others = [self.core.closes, self.core.owed_until()];
        others.into_iter().flatten().fold(lease.ends(), Mono::min)
    }

    /// What is due: the end of the lease, of the lifetime, or of the time for a second proof; or the
    /// warning.
    fn due(&mut self, lease: Lease) -> Result<Lease, Rejection> {
        if lease.is_over(self.now) {
            return Err(Rejection::TokenExpired);
        }
        if self.core.closes.is_some_and(|closes| self.now.mono >= closes) {
            return Err(Rejection::LifetimeReached);
        }
        if self.core.owed_until().is_some_and(|deadline| self.now.mono >= deadline) {
            return Err(Rejection::StepUpRequired);
        }
        if !lease.is_warning_due(self.now) {
            return Ok(lease);
        }
        if self.core.hears(self.policy) {
            let remaining = self.now.mono.until(lease.ends());
            self.core.tell(&ServerMessage::Expiring { remaining });
        }
        Ok(lease.warned())
    }
}

#[cfg(test)]
mod carried;
#[cfg(test)]
mod exchanges;
#[cfg(test)]
mod tests;
