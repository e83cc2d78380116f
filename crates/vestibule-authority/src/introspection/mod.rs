//! Issuers that are asked about each token (RFC 7662): what they said is kept for a moment, and
//! whoever asks about the same token meanwhile waits for the same answer.
//!
//! - A yes counts for the time that is configured, and not beyond the token's end; a no for seconds.
//! - What is no answer is neither: whoever waits is told to come again ([`Rejection::Unavailable`]).
//! - Strangers who invent tokens get so many questions a second, all together, and so many at once.
//!   Tokens that were good before are asked about beside them, so that a flood of inventions ends no
//!   connection and keeps nobody out who was in.
//! - An issuer that fails is left alone, and asked again about a token of our own invention, so that
//!   no stranger's token decides whether it has recovered.
//!
//! A question is put by a task of its own on one runtime: its connection is kept there, and a client
//! who hangs up does not break it off for others.

mod breaker;
mod client;
mod flight;
mod login;
mod policy;
mod recent;
mod text;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Notify, Semaphore},
    time::Instant,
};
use vestibule_core::{
    authn::{Principal, Secret},
    rejection::Rejection,
    time::UnixTime,
};
use vestibule_verify::{
    Refused,
    introspection::Answer,
    jwt::{Checked, Expectations},
};

pub use self::{
    breaker::Circuit,
    policy::{Introspection, Login},
};
use self::{
    breaker::{Breaker, Bucket},
    flight::{Arrival, Flight},
    recent::Recent,
};
pub(crate) use self::{client::Asker, login::Credentials, recent::Good};
use crate::{
    limits,
    memory::{Fingerprint, Memory},
    opaque,
    readiness::{KeyState, Readiness},
    schedule::{Jitter, after},
    store::StoreError,
};

/// Whoever wants to know what issuers are asked.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// A question to the issuer of this name is over, or was not put. Called on the path of
    /// everybody who waits for it: must not wait.
    fn asked(&self, issuer: &str, outcome: Outcome, span: Duration);
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The token is good, says the issuer.
    Active,
    /// It is not.
    Inactive,
    /// There was no answer, or none that can be understood.
    Failed,
    /// It was not put: too many were.
    Limited,
    /// It was not put: the issuer is being left alone.
    Broken,
}

impl Outcome {
    /// A label for metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Failed => "failed",
            Self::Limited => "limited",
            Self::Broken => "broken",
        }
    }
}

/// One issuer that is asked.
pub(crate) struct Introspector {
    name: Arc<str>,
    pub(crate) expectations: Expectations,
    pub(crate) policy: Introspection,
    asker: Asker,
    yes: Memory<Known>,
    no: Memory<Known>,
    recent: Mutex<Recent>,
    state: Mutex<State>,
    /// For tokens that nobody knows, and for those that were good.
    lanes: [Semaphore; 2],
    runtime: OnceLock<Handle>,
    observer: OnceLock<Arc<dyn Observer>>,
    wake: Arc<Notify>,
}

/// What was said about a token.
#[derive(Clone, Debug)]
struct Known {
    said: Result<Checked, Refused>,
    /// When it was asked: the answer may have been true no longer than that.
    asked: Instant,
    until: Instant,
    /// The same on the other clock, which may be set back.
    since: UnixTime,
}

#[derive(Debug)]
struct State {
    breaker: Breaker,
    bucket: Bucket,
    flights: HashMap<Fingerprint, Arrival>,
    /// When it is asked of our own accord, until it has answered once.
    first: Option<Instant>,
    success: Option<Instant>,
    fault: Option<String>,
}

/// Whose question it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// Somebody with a token that nobody knows.
    Stranger,
    /// Somebody with a token that was good, or we ourselves.
    Known,
}

impl Introspector {
    pub(crate) fn new(
        name: Arc<str>,
        expectations: Expectations,
        policy: Introspection,
        asker: Asker,
        wake: Arc<Notify>,
    ) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let state = State {
            breaker: Breaker::new(),
            bucket: Bucket::new(policy.rate),
            flights: HashMap::new(),
            first: Some(Instant::now()),
            success: None,
            fault: None,
        };
        let lane = || Semaphore::new(limits::QUESTIONS_AT_ONCE);
        Ok(Self {
            name,
            expectations,
            policy,
            asker,
            yes: Memory::new(limits::YES_REMEMBERED)?,
            no: Memory::new(limits::NO_REMEMBERED)?,
            recent: Mutex::default(),
            state: Mutex::new(state),
            lanes: [lane(), lane()],
            runtime: OnceLock::new(),
            observer: OnceLock::new(),
            wake,
        })
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The name of a token in what is kept about it. Says nothing about the token.
    pub(crate) fn fingerprint(&self, token: &Secret) -> Fingerprint {
        self.yes.fingerprint(&[], token.expose())
    }

    /// Questions are put on the runtime of whoever calls this.
    pub(crate) fn settle_here(&self) {
        if let Ok(runtime) = Handle::try_current() {
            // One that has been chosen stays.
            drop(self.runtime.set(runtime));
        }
    }

    pub(crate) fn observe(&self, observer: Arc<dyn Observer>) {
        // One that was there first stays.
        drop(self.observer.set(observer));
    }

    /// What is known without asking.
    pub(crate) fn known(
        &self,
        token: &Secret,
        wall: UnixTime,
        now: Instant,
    ) -> Option<Result<Checked, Refused>> {
        let name = self.fingerprint(token);
        let counts = |known: &Known| now < known.until && known.since <= wall;
        if let Some(known) = self.yes.recall(&name).filter(counts)
            && let Ok(checked) = known.said
        {
            self.recent().put(token, &checked, known.asked, now);
            return Some(unexpired(checked, wall));
        }
        let known = self.no.recall(&name).filter(counts)?;
        Some(known.said.and_then(|checked| unexpired(checked, wall)))
    }

    /// When the issuer was last asked about a token that is good.
    pub(crate) fn last_asked(&self, name: &Fingerprint) -> Option<Instant> {
        Some(self.yes.recall(name)?.asked)
    }

    /// The token of that name (`jti`), where it was good a moment ago.
    pub(crate) fn good(&self, name: &str) -> Option<Good> {
        self.recent().get(name, Instant::now())
    }

    /// Asks, or waits for the answer to the same question. May be dropped at any point; `wall` is
    /// read when the answer is there.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        token: &Secret,
        wall: impl Fn() -> UnixTime,
    ) -> Result<Checked, Refused> {
        let name = self.fingerprint(token);
        // What it says does not matter; that it was good is enough.
        let lane = if self.yes.recall(&name).is_some() { Lane::Known } else { Lane::Stranger };
        self.ask_by(lane, name, token, wall).await
    }

    /// The same about a token by which somebody is connected.
    pub(crate) async fn ask_again(
        self: &Arc<Self>,
        name: Fingerprint,
        token: &Secret,
        wall: impl Fn() -> UnixTime,
    ) -> Result<Checked, Refused> {
        self.ask_by(Lane::Known, name, token, wall).await
    }

    async fn ask_by(
        self: &Arc<Self>,
        lane: Lane,
        name: Fingerprint,
        token: &Secret,
        wall: impl Fn() -> UnixTime,
    ) -> Result<Checked, Refused> {
        let epoch = self.yes.epoch();
        let arrival = Flight::depart(self, lane, name, token).map_err(|why| self.later(&why))?;
        let asked = arrival.asked;
        let answer = arrival.answer().await.map_err(|why| self.later(&why))?;
        let wall = wall();
        let said = match &*answer {
            Answer::Inactive => {
                let reason = format!("issuer {} says that the token is not active", self.name);
                Err(Refused::new(Rejection::TokenInactive, reason))
            }
            Answer::Active(active) => {
                active.check(&self.expectations, self.policy.max_lifetime, wall)
            }
        };
        let checked = said.clone().and_then(|checked| unexpired(checked, wall));
        let most = match &said {
            Ok(checked) => {
                // Its own end, and not that with the skew of clocks: that is for the judgement.
                self.policy.cache.min(wall.until(checked.principal().expires))
            }
            Err(_) => self.policy.cache.min(limits::NO_CACHE),
        };
        let known = Known { until: after(asked, most), asked, since: wall, said };
        if let Ok(checked) = &known.said {
            self.recent().put(token, checked, asked, Instant::now());
            self.no.drop_one(&name);
            self.yes.remember(name, known, epoch);
        } else {
            self.yes.drop_one(&name);
            self.no.remember(name, known, self.no.epoch());
        }
        checked
    }

    /// Asks of our own accord where that is due, and says when to come back; `None` is after the next
    /// landing. An issuer that was never asked may be configured wrongly, and one that failed is
    /// found to have recovered before anybody is sent away because of it.
    pub(crate) fn tend(self: &Arc<Self>, now: Instant) -> Option<Instant> {
        let due = {
            let state = self.state();
            if !state.flights.is_empty() && state.success.is_none() {
                return None;
            }
            state.breaker.due().or(state.first)?
        };
        if now < due {
            return Some(due);
        }
        match invented() {
            Ok(token) => {
                let name = self.fingerprint(&token);
                // Nobody waits for the answer; that there is one is remembered, and that there is
                // none wakes us.
                match Flight::depart(self, Lane::Known, name, &token) {
                    Ok(_) => None,
                    Err(_) => Some(after(now, limits::RETRY_SHORTEST)),
                }
            }
            Err(_) => Some(after(now, limits::RETRY_LONGEST)),
        }
    }

    /// Forgets what was said about these principals; how many there were.
    pub(crate) fn forget(&self, whose: &impl Fn(&Principal) -> bool) -> usize {
        self.yes.forget(|known| match &known.said {
            Ok(checked) => whose(checked.principal()),
            Err(_) => true,
        })
    }

    /// How many tokens are known to be good.
    pub(crate) fn remembered(&self) -> usize {
        self.yes.len()
    }

    /// For the operator.
    pub(crate) fn readiness(&self, now: Instant) -> Readiness {
        let state = self.state();
        let circuit = state.breaker.circuit();
        Readiness {
            name: Arc::clone(&self.name),
            kind: "introspection",
            state: match (circuit, state.success) {
                (_, None) => KeyState::NeverAnswered,
                (Circuit::Closed, Some(_)) => KeyState::Ready,
                (Circuit::HalfOpen | Circuit::Open, Some(_)) => KeyState::Failing,
            },
            keys: 0,
            age: None,
            last_success: state.success.map(|then| now.saturating_duration_since(then)),
            last_error: state.fault.clone(),
            circuit: Some(circuit),
        }
    }

    fn later(&self, why: &str) -> Refused {
        let reason = format!("issuer {} cannot be asked: {why}", self.name);
        Refused::new(Rejection::Unavailable, reason)
    }

    fn tell(&self, outcome: Outcome, span: Duration) {
        if let Some(observer) = self.observer.get() {
            observer.asked(&self.name, outcome, span);
        }
    }

    fn lane(&self, lane: Lane) -> &Semaphore {
        let [strangers, known] = &self.lanes;
        match lane {
            Lane::Stranger => strangers,
            Lane::Known => known,
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Introspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, expectations, policy, asker, state, .. } = self;
        f.debug_struct("Introspector")
            .field("name", name)
            .field("expectations", expectations)
            .field("policy", policy)
            .field("asker", asker)
            .field("state", state)
            .finish_non_exhaustive()
    }
}

/// A token that nobody can have.
fn invented() -> Result<Secret, StoreError> {
    let bytes = opaque::random::<{ opaque::SECRET_BYTES }>()?;
    Ok(opaque::token("vestibule-probe-", &[bytes.as_ref()]))
}

/// Without randomness, probes of several nodes may coincide; nothing else depends on it.
fn jitter() -> Jitter {
    let mut byte = [0];
    let [byte] = match aws_lc_rs::rand::fill(&mut byte) {
        Ok(()) => byte,
        Err(_) => [0],
    };
    Jitter(byte)
}

fn unexpired(checked: Checked, wall: UnixTime) -> Result<Checked, Refused> {
    checked.unexpired(wall)?;
    Ok(checked)
}

#[cfg(test)]
mod tests;
