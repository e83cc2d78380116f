//! A question under way. It lands however it ends: answered, aborted, or with its runtime.

use std::{collections::hash_map::Entry, fmt, sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, timeout},
};
use tracing::{debug, info, warn};
use vestibule_core::authn::Secret;
use vestibule_verify::introspection::Answer;

use super::{
    Introspector, Lane, Outcome, State,
    breaker::{Change, Health, Pass},
    client::AskError,
    jitter,
};
use crate::{limits, memory::Fingerprint, opaque, schedule::after, words};

/// What comes of a question; or why there is no answer.
type Said = Result<Arc<Answer>, Arc<str>>;

/// Where the answer will be.
#[derive(Clone)]
pub(super) struct Arrival {
    pub(super) asked: Instant,
    said: watch::Receiver<Option<Said>>,
}

impl Arrival {
    /// Waits for it.
    pub(super) async fn answer(mut self) -> Said {
        match self.said.wait_for(Option::is_some).await {
            Ok(said) => said.clone().unwrap_or_else(|| Err("nothing was said".into())),
            Err(_) => Err("nobody is left to ask".into()),
        }
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, said: _ } = self;
        f.debug_struct("Arrival").field("asked", asked).finish_non_exhaustive()
    }
}

pub(super) struct Flight {
    introspector: Arc<Introspector>,
    name: Fingerprint,
    pass: Pass,
    asked: Instant,
    sender: watch::Sender<Option<Said>>,
    stage: Stage,
}

enum Stage {
    Flying,
    Landed,
}

impl Flight {
    /// Begins one, or joins the one that is under way; or says why none may begin now.
    pub(super) fn depart(
        introspector: &Arc<Introspector>,
        lane: Lane,
        name: Fingerprint,
        token: &Secret,
    ) -> Result<Arrival, Arc<str>> {
        let none = |outcome, why: &str| {
            introspector.tell(outcome, Duration::ZERO);
            Err(why.into())
        };
        let runtime = introspector.runtime.get().cloned();
        let Some(runtime) = runtime.or_else(|| Handle::try_current().ok()) else {
            return none(Outcome::Limited, "there is no runtime");
        };
        let asked = Instant::now();
        let (sender, said) = watch::channel(None);
        let arrival = Arrival { asked, said };
        let pass = {
            let mut state = introspector.state();
            let waiting = state.flights.len();
            let state = &mut *state;
            let entry = match state.flights.entry(name) {
                Entry::Occupied(under_way) => return Ok(under_way.get().clone()),
                Entry::Vacant(entry) => entry,
            };
            // Strangers never take the last places: those are for tokens that were good.
            let most = match lane {
                Lane::Stranger => limits::QUESTIONS_WAITING / 4 * 3,
                Lane::Known => limits::QUESTIONS_WAITING,
            };
            if waiting >= most {
                return none(Outcome::Limited, "too many questions are waiting");
            }
            let Some(pass) = state.breaker.pass(asked) else {
                let fault = state.fault.as_deref().unwrap_or_default();
                return none(Outcome::Broken, &format!("it is left alone for a while: {fault}"));
            };
            // A probe is one question at a time, whoever puts it.
            match (pass, lane) {
                (Pass::Ordinary, Lane::Stranger) if state.bucket.take(asked).is_none() => {
                    return none(Outcome::Limited, "asked too often about unknown tokens");
                }
                (Pass::Ordinary | Pass::Probe, Lane::Stranger | Lane::Known) => {}
            }
            entry.insert(arrival.clone());
            pass
        };
        // Not under the lock: a runtime that is shutting down drops the flight at once, and that
        // lands it.
        let introspector = Arc::clone(introspector);
        let flight = Self { introspector, name, pass, asked, sender, stage: Stage::Flying };
        let token = token.clone();
        runtime.spawn(flight.fly(lane, token));
        Ok(arrival)
    }

    async fn fly(mut self, lane: Lane, token: Secret) {
        let result = self.ask(lane, &token).await;
        self.stage = Stage::Landed;
        self.land(result);
    }

    async fn ask(&self, lane: Lane, token: &Secret) -> Result<Answer, AskError> {
        let turn = self.introspector.lane(lane).acquire();
        let Ok(Ok(_turn)) = timeout(self.introspector.policy.fetch.timeout, turn).await else {
            return Err(AskError::Crowded);
        };
        Ok(match self.introspector.asker.ask(token).await? {
            Answer::Active(active) => Answer::Active(active.or_named(&name_of(token))),
            Answer::Inactive => Answer::Inactive,
        })
    }

    fn land(&self, result: Result<Answer, AskError>) {
        let Self { introspector, name, pass, asked, sender, stage: _ } = self;
        let now = Instant::now();
        let health = result.as_ref().map_or_else(AskError::health, |_| Health::Good);
        let outcome = match &result {
            Ok(Answer::Active(_)) => Outcome::Active,
            Ok(Answer::Inactive) => Outcome::Inactive,
            Err(AskError::Crowded) => Outcome::Limited,
            Err(_) => Outcome::Failed,
        };
        let said: Said = match result {
            Ok(answer) => Ok(Arc::new(answer)),
            Err(error) => Err(words::of(&error).into()),
        };
        let change = {
            let mut state = introspector.state();
            state.flights.remove(name);
            state.learn(&said, health, now);
            state.breaker.settle(*pass, health, jitter(), now)
        };
        let issuer = &**introspector.name();
        match (change, &said) {
            (Change::Opened, Err(cause)) => warn!(issuer, %cause, "tokens cannot be asked about"),
            (Change::Closed, _) => info!(issuer, "tokens can be asked about again"),
            (Change::Opened | Change::None, Ok(_)) => {}
            (Change::None, Err(cause)) => debug!(issuer, %cause, "no answer about a token"),
        }
        introspector.tell(outcome, now.saturating_duration_since(*asked));
        sender.send_replace(Some(said));
        // Perhaps there is something to do of our own accord.
        match health {
            Health::Good => {}
            Health::Bad | Health::Unknown => introspector.wake.notify_one(),
        }
    }
}

impl State {
    /// What the end of a question says about the issuer.
    fn learn(&mut self, said: &Said, health: Health, now: Instant) {
        let Err(why) = said else {
            self.success = Some(now);
            (self.first, self.fault) = (None, None);
            return;
        };
        let again = match health {
            Health::Bad => limits::RETRY_SHORTEST,
            Health::Good | Health::Unknown => limits::COOL_DOWN,
        };
        match (self.success, health) {
            (None, _) => {
                self.first = Some(after(now, again));
                self.fault = Some(why.to_string());
            }
            (Some(_), Health::Bad) => self.fault = Some(why.to_string()),
            (Some(_), Health::Good | Health::Unknown) => {}
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        match self.stage {
            Stage::Flying => self.land(Err(AskError::Interrupted)),
            Stage::Landed => {}
        }
    }
}

/// What a token is called whose issuer gives it no name: the same on every node and after a restart,
/// so that what was made of it can be revoked with it. Nobody gets from here to the token, which
/// nobody can guess.
fn name_of(token: &Secret) -> String {
    let digest = opaque::digest(&[b"vestibule-opaque-token", token.expose()]);
    format!("sha-256:{}", opaque::encode(&digest))
}
