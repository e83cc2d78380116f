//! One issuer's keys: the set that counts now, and the single fetch that may bring the next.
//!
//! Whoever verifies takes a clone of an `Arc`. Whoever needs newer keys begins a flight, or joins the
//! one that is under way; a flight is a task of its own, so that a client who hangs up does not
//! break it off for the others.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    task::AbortHandle,
    time::Instant,
};
use tracing::{debug, info, warn};
use vestibule_verify::jwk::KeySet;

use crate::{
    origin::{Digest, LoadError, Loaded, Origin},
    readiness::{KeyState, Readiness},
    schedule::{Jitter, Pace, Schedule, Want},
    words,
};

/// A key set that counts.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) keys: Arc<KeySet>,
    /// Grows with each change; what was verified by another version must be verified again.
    pub(crate) version: u64,
    kids: Arc<[Box<str>]>,
    digest: Digest,
    changed: Instant,
    until: Option<Instant>,
}

/// The keys of one issuer.
pub(crate) struct Source {
    name: Arc<str>,
    kind: &'static str,
    origin: Origin,
    current: RwLock<Option<Arc<Snapshot>>>,
    state: Mutex<State>,
    landed: watch::Sender<u64>,
    wake: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    schedule: Schedule,
    flight: Option<u64>,
    task: Option<AbortHandle>,
    flights: u64,
    fault: Option<String>,
}

/// A flight to wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket(u64);

impl Source {
    /// Without keys so far; `wake` is told of each landing.
    pub(crate) fn new(
        name: Arc<str>,
        kind: &'static str,
        origin: Origin,
        pace: Pace,
        wake: Arc<Notify>,
    ) -> Self {
        let state = State {
            schedule: Schedule::new(pace, Instant::now()),
            flight: None,
            task: None,
            flights: 0,
            fault: None,
        };
        Self {
            name,
            kind,
            origin,
            current: RwLock::new(None),
            state: Mutex::new(state),
            landed: watch::Sender::new(0),
            wake,
        }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The keys that count; `None` if there were never any, or if they are too old.
    pub(crate) fn current(&self, now: Instant) -> Option<Arc<Snapshot>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        current.until.is_none_or(|until| now < until).then_some(current)
    }

    /// Whether waiting may bring keys.
    pub(crate) fn can(&self, want: Want, now: Instant) -> bool {
        let state = self.state();
        state.flight.is_some() || state.schedule.permits(want, now)
    }

    /// What went wrong last, if the last attempt failed.
    pub(crate) fn fault(&self) -> Option<String> {
        self.state().fault.clone()
    }

    /// Takes keys that were read at the start.
    pub(crate) fn preload(&self, loaded: Loaded) {
        self.accept(loaded, &mut self.state());
    }

    /// Begins a flight, or joins the one under way; `None` if none may begin now, or outside of a
    /// runtime.
    pub(crate) fn depart(self: &Arc<Self>, want: Want) -> Option<Ticket> {
        let runtime = Handle::try_current().ok()?;
        let number = {
            let mut state = self.state();
            if let Some(number) = state.flight {
                return Some(Ticket(number));
            }
            let now = Instant::now();
            if !state.schedule.permits(want, now) {
                return None;
            }
            state.schedule.begin(want, now);
            state.flights += 1;
            state.flight = Some(state.flights);
            state.flights
        };
        // Not under the lock: a runtime that is shutting down drops the flight at once, and that
        // lands it.
        let flight = Flight { source: Arc::clone(self), number, stage: Stage::Flying };
        let task = runtime.spawn(flight.fly()).abort_handle();
        let mut state = self.state();
        if state.flight == Some(number) {
            state.task = Some(task);
        }
        Some(Ticket(number))
    }

    /// Waits until a flight has landed, well or not.
    pub(crate) async fn arrival(&self, Ticket(number): Ticket) {
        let mut landed = self.landed.subscribe();
        // An error means that the sender is gone, and that is `self`.
        if landed.wait_for(|landed| *landed >= number).await.is_err() {
            debug!(issuer = %self.name, "nobody left to wait for");
        }
    }

    /// Does what is due, and says when to come back; `None` is after the next landing.
    pub(crate) fn tend(self: &Arc<Self>, now: Instant) -> Option<Instant> {
        let next = self.state().schedule.next();
        if now < next {
            return Some(next);
        }
        let _landing_wakes_us: Option<Ticket> = self.depart(Want::Fresh);
        None
    }

    /// Breaks off what is under way.
    pub(crate) fn abandon(&self) {
        let task = self.state().task.take();
        if let Some(task) = task {
            task.abort();
        }
    }

    /// For the operator.
    pub(crate) fn readiness(&self, now: Instant) -> Readiness {
        let held = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let usable = self.current(now);
        let state = self.state();
        let since = |then: Instant| now.saturating_duration_since(then);
        Readiness {
            name: Arc::clone(&self.name),
            kind: self.kind,
            state: match (&usable, &held) {
                (Some(current), _) if current.keys.is_empty() => KeyState::Empty,
                (Some(_), _) => KeyState::Ready,
                (None, Some(_)) => KeyState::TooOld,
                (None, None) => KeyState::NeverLoaded,
            },
            keys: usable.as_ref().map_or(0, |current| current.keys.len()),
            age: held.map(|held| since(held.changed)),
            last_success: state.schedule.confirmed().map(since),
            last_error: state.fault.clone(),
            circuit: None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn land(&self, number: u64, result: Result<Loaded, LoadError>) {
        let mut state = self.state();
        match result {
            Ok(loaded) => self.accept(loaded, &mut state),
            Err(error) => self.regret(&error, &mut state),
        }
        state.flight = None;
        state.task = None;
        drop(state);
        self.landed.send_replace(number);
        self.wake.notify_one();
    }

    fn accept(&self, loaded: Loaded, state: &mut State) {
        let Loaded { keys, kids, digest, max_age } = loaded;
        let now = Instant::now();
        let until = state.schedule.succeeded(max_age, jitter(), now);
        if state.fault.take().is_some() {
            info!(issuer = %self.name, "keys can be had again");
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let before = current.take();
        let next = match &before {
            Some(same) if same.digest == digest => Snapshot {
                keys: Arc::clone(&same.keys),
                version: same.version,
                kids: Arc::clone(&same.kids),
                digest,
                changed: same.changed,
                until,
            },
            before => Snapshot {
                keys: Arc::new(keys),
                version: before.as_ref().map_or(0, |before| before.version + 1),
                kids: kids.into(),
                digest,
                changed: now,
                until,
            },
        };
        let next = Arc::new(next);
        *current = Some(Arc::clone(&next));
        drop(current);
        if before.as_ref().is_none_or(|before| before.version != next.version) {
            self.tell_change(before.as_deref(), &next);
        }
    }

    fn tell_change(&self, before: Option<&Snapshot>, after: &Snapshot) {
        let old = before.map_or(&[][..], |before| &before.kids);
        let added: Vec<_> = after.kids.iter().filter(|kid| !old.contains(kid)).collect();
        let removed: Vec<_> = old.iter().filter(|kid| !after.kids.contains(kid)).collect();
        let (keys, ignored) = (after.keys.len(), after.keys.ignored().len());
        let issuer = &*self.name;
        if after.keys.is_empty() {
            warn!(issuer, ?removed, ignored, "no usable key is left: nobody can be verified");
        } else {
            info!(issuer, keys, ?added, ?removed, ignored, "keys changed");
        }
        for note in after.keys.notes() {
            warn!(issuer, %note, "odd key");
        }
        for entry in after.keys.ignored() {
            debug!(issuer, %entry, "key left out");
        }
    }

    fn regret(&self, error: &LoadError, state: &mut State) {
        let (issuer, now) = (&*self.name, Instant::now());
        let cause = words::of(error);
        match error {
            LoadError::Interrupted => {
                debug!(issuer, "fetching keys was broken off");
                state.schedule.interrupted(now);
                return;
            }
            LoadError::File { .. }
            | LoadError::TooLarge { .. }
            | LoadError::Keys { .. }
            | LoadError::Fetch(_)
            | LoadError::Held(_)
            | LoadError::Discovery(_) => {}
        }
        let retry = state.schedule.failed(jitter(), now);
        // Once for each fault: it may stay for hours, and `readiness` tells of it.
        if state.fault.as_ref() == Some(&cause) {
            debug!(issuer, cause, ?retry, "keys not refreshed");
        } else {
            warn!(issuer, cause, ?retry, "keys not refreshed");
        }
        state.fault = Some(cause);
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind, origin, current: _, state, landed: _, wake: _ } = self;
        f.debug_struct("Source")
            .field("name", name)
            .field("kind", kind)
            .field("origin", origin)
            .field("state", state)
            .finish_non_exhaustive()
    }
}

/// A fetch under way. It lands however it ends: done, aborted, or with its runtime.
struct Flight {
    source: Arc<Source>,
    number: u64,
    stage: Stage,
}

enum Stage {
    Flying,
    Landed,
}

impl Flight {
    async fn fly(mut self) {
        let result = self.source.origin.load().await;
        self.stage = Stage::Landed;
        self.source.land(self.number, result);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        match self.stage {
            Stage::Flying => self.source.land(self.number, Err(LoadError::Interrupted)),
            Stage::Landed => {}
        }
    }
}

/// Without randomness, fetches of several nodes may coincide; nothing else depends on it.
fn jitter() -> Jitter {
    let mut byte = [0];
    let [byte] = match aws_lc_rs::rand::fill(&mut byte) {
        Ok(()) => byte,
        Err(_) => [0],
    };
    Jitter(byte)
}
