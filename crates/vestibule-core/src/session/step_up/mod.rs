//! A second proof on a live connection: asked for, owed until a deadline, shown.

use core::fmt;
use std::sync::Arc;

use super::{Core, Session};
use crate::{
    authn::{Mechanism, Principal, Proof, message::ServerMessage},
    limits,
    policy::{Assurance, Carrier, RoutePolicy, StepUp},
    time::{Mono, Now, UnixTime},
};

/// What a connection owes, and what it has shown, beside the credential that it was let in by.
/// Whoever is asked once more owes again; what was shown stays shown.
#[derive(Debug, Default)]
pub(super) struct Second {
    owed: Option<Owed>,
    /// Each proof that counts, once: who takes one back ends what rests on it.
    shown: Vec<Shown>,
}

#[derive(Debug)]
struct Owed {
    step_up: StepUp,
    deadline: Mono,
}

#[derive(Debug)]
struct Shown {
    by: Arc<Principal>,
    at: UnixTime,
}

/// What a credential is presented for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To go on.
    Refresh,
    /// As the second proof that is owed.
    StepUp,
}

/// How far a second proof is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SteppedUp {
    /// Nobody has asked for one.
    Unasked,
    /// It is owed until then.
    Owed(Mono),
    /// It was shown at this time, and none is owed.
    Shown(UnixTime),
}

/// Why a client is not asked for a second proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unasked {
    /// It owes one already, and another question would move the deadline.
    Owes,
    /// It would not understand: it has never spoken in band, or the route has no messages.
    Deaf,
    /// The route knows no such mechanism.
    Mechanism(Mechanism),
    /// It is being closed.
    Over,
}

impl Session {
    /// Asks for a second proof. Until its deadline nothing else changes; a connection that does not
    /// show it by then is closed.
    pub fn demand(
        &mut self,
        step_up: StepUp,
        policy: &RoutePolicy,
        now: Now,
    ) -> Result<(), Unasked> {
        if self.state.lease().is_none_or(|lease| lease.is_over(now)) {
            return Err(Unasked::Over);
        }
        if !self.core.hears(policy) || !policy.accept.contains(&Carrier::Message) {
            return Err(Unasked::Deaf);
        }
        if self.core.owed_until().is_some() {
            return Err(Unasked::Owes);
        }
        let unknown = step_up.mechanisms().iter().find(|&&mechanism| !policy.knows(mechanism));
        if let Some(&mechanism) = unknown {
            return Err(Unasked::Mechanism(mechanism));
        }
        self.core.owe(step_up, now);
        Ok(())
    }

    /// How far a second proof is.
    pub fn stepped_up(&self) -> SteppedUp {
        let second = self.core.second.as_deref();
        match (self.core.owed_until(), second.and_then(|second| second.shown.last())) {
            (Some(deadline), _) => SteppedUp::Owed(deadline),
            (None, Some(shown)) => SteppedUp::Shown(shown.at),
            (None, None) => SteppedUp::Unasked,
        }
    }

    /// On whose proofs it rests: where one of them is revoked, it must end.
    pub fn rests_on(&self) -> impl Iterator<Item = &Arc<Principal>> {
        let shown = self.core.second.iter().flat_map(|second| &second.shown);
        core::iter::once(&self.core.principal).chain(shown.map(|shown| &shown.by))
    }
}

impl Second {
    fn keep(&mut self, by: &Arc<Principal>, now: Now) {
        let name = |it: &Principal| (it.mechanism, it.token_id.clone());
        self.shown.retain(|shown| name(&shown.by) != name(by));
        if self.shown.len() == limits::PROOFS_SHOWN {
            self.shown.remove(0);
        }
        self.shown.push(Shown { by: Arc::clone(by), at: now.wall });
    }
}

impl Core {
    /// Says what is wanted, and begins to wait for it.
    pub(super) fn owe(&mut self, step_up: StepUp, now: Now) {
        self.tell(&ServerMessage::Required {
            mechanisms: step_up.mechanisms(),
            timeout: step_up.within(),
        });
        let deadline = now.mono.after(step_up.within());
        self.second.get_or_insert_default().owed = Some(Owed { step_up, deadline });
    }

    /// When a second proof must be there, where one is owed.
    pub(super) fn owed_until(&self) -> Option<Mono> {
        Some(self.owed()?.deadline)
    }

    /// What a credential is for. A refresh is one and nothing else: it neither satisfies what is owed
    /// nor does away with it. `None` where it is for nothing.
    pub(super) fn purpose(
        &self,
        mechanism: Mechanism,
        how: Purpose,
        policy: &RoutePolicy,
    ) -> Option<Purpose> {
        let is_owed = self.owed().is_some_and(|it| it.step_up.mechanisms().contains(&mechanism));
        match how {
            Purpose::StepUp if is_owed => Some(Purpose::StepUp),
            Purpose::StepUp | Purpose::Refresh => match mechanism.proof() {
                Proof::Token | Proof::Response => {
                    policy.mechanisms.contains(&mechanism).then_some(Purpose::Refresh)
                }
                // What the connection proves has not become newer.
                Proof::Connection => None,
            },
        }
    }

    /// How well somebody must be known by the second proof.
    pub(super) fn owed_assurance(&self) -> Option<&Assurance> {
        Some(self.owed()?.step_up.assurance())
    }

    /// It was shown.
    pub(super) fn show(&mut self, by: &Arc<Principal>, now: Now) {
        self.principal = self.principal.raised(by);
        let second = self.second.get_or_insert_default();
        second.owed = None;
        second.keep(by, now);
    }

    /// What met the route's demand at the door stays shown, and is rested on, when a refresh by
    /// something lesser takes its place.
    pub(super) fn keep_proof(&mut self, next: &Principal, policy: &RoutePolicy, now: Now) {
        let Some(step_up) = &policy.step_up else { return };
        let mut shown = self.second.iter().flat_map(|second| &second.shown);
        let is_kept = shown.any(|shown| step_up.is_met_by(&shown.by));
        if !is_kept && step_up.is_met_by(&self.principal) && !step_up.is_met_by(next) {
            let by = Arc::clone(&self.principal);
            self.second.get_or_insert_default().keep(&by, now);
        }
    }

    /// Who is connected after a refresh: in the session of before, and with what a second proof has
    /// added since.
    pub(super) fn successor(&self, principal: &Arc<Principal>) -> Arc<Principal> {
        let successor = principal.succeeding(&self.principal);
        let shown = self.second.iter().flat_map(|second| &second.shown);
        shown.fold(successor, |successor, shown| successor.raised(&shown.by))
    }

    fn owed(&self) -> Option<&Owed> {
        self.second.as_ref()?.owed.as_ref()
    }
}

impl fmt::Display for Unasked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owes => f.write_str("a second proof is owed already"),
            Self::Deaf => {
                f.write_str("the client has never spoken in band, and would not understand")
            }
            Self::Mechanism(mechanism) => {
                write!(f, "the route does not take `{}`", mechanism.name())
            }
            Self::Over => f.write_str("the connection is being closed"),
        }
    }
}

impl core::error::Error for Unasked {}

#[cfg(test)]
mod tests;
