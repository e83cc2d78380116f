//! What a worker is asked, and how it does it: in pieces, with a turn of the relay between two of
//! them, so that nobody's bytes wait for an operator.

use std::{
    collections::{BTreeSet, BinaryHeap},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinSet, yield_now},
};
use tracing::{error, trace};
use vestibule_core::{
    authn::{ConnectionId, Revoked},
    policy::StepUp,
    rejection::Rejection,
    session::Unasked,
    time::UnixTime,
};

use super::{Details, Filter, Page, Renewal};
use crate::{
    drive::{Control, Signal},
    limits,
    relay::{Key, Traffic},
    serve::Worker,
};

/// What a worker can be asked. Whoever asks and does not wait for the reply loses nothing but it.
#[derive(Debug)]
pub enum Command {
    /// End what a revocation covers.
    Sweep(oneshot::Sender<usize>),
    /// Show those that fit, as many as the page wants of those that came first.
    List(Arc<Filter>, Page, oneshot::Sender<Vec<Details>>),
    /// Show one.
    Show(ConnectionId, oneshot::Sender<Option<Details>>),
    /// End some, for this reason; how many.
    Close(Chosen, Rejection, oneshot::Sender<usize>),
    /// Renew the lease of one; `None` where it is not there.
    Renew(ConnectionId, Box<Renewal>, oneshot::Sender<Option<Result<Duration, Rejection>>>),
    /// Ask the client of one for a second proof; `None` where it is not there.
    StepUp(ConnectionId, StepUp, oneshot::Sender<Option<Result<UnixTime, Unasked>>>),
}

/// Which connections are ended.
#[derive(Clone, Debug)]
pub enum Chosen {
    /// Those that fit.
    Fitting(Arc<Filter>),
    /// These.
    Named(Arc<BTreeSet<ConnectionId>>),
}

impl Worker {
    /// Does what it is asked until the channel ends. A command that has to look at everything does
    /// not keep others waiting.
    pub(in crate::serve) async fn obey(self: Rc<Self>, mut commands: mpsc::Receiver<Command>) {
        let mut working = JoinSet::new();
        loop {
            let has_room = working.len() < limits::COMMANDS_AT_ONCE;
            tokio::select! {
                command = commands.recv(), if has_room => match command {
                    Some(command) => {
                        working.spawn_local(Rc::clone(&self).carry_out(command));
                    }
                    None => break,
                },
                Some(ended) = working.join_next(), if !working.is_empty() => {
                    if let Err(failed) = ended {
                        error!(error = %failed, "a command failed");
                    }
                }
            }
        }
    }

    async fn carry_out(self: Rc<Self>, command: Command) {
        match command {
            Command::Sweep(reply) => answer(reply, self.sweep().await),
            Command::List(filter, page, reply) => {
                answer(reply, self.list(&filter, page).await);
            }
            Command::Show(id, reply) => answer(reply, self.show(id)),
            Command::Close(chosen, rejection, reply) => {
                answer(reply, self.close(&chosen, rejection).await);
            }
            Command::Renew(id, renewal, reply) => {
                answer(reply, self.renew(id, renewal).await);
            }
            Command::StepUp(id, step_up, reply) => {
                answer(reply, self.step_up(id, step_up).await);
            }
        }
    }

    /// Every connection that was open when this began is looked at. One that opens meanwhile was
    /// looked at when it did, against everything that was revoked by then.
    async fn sweep(&self) -> usize {
        let is_covered = |control: &Control| {
            let mut proofs = control.session().rests_on();
            proofs.any(|principal| self.shared.is_revoked(principal) == Revoked::Yes)
        };
        self.end(Rejection::TokenRevoked, is_covered).await
    }

    async fn close(&self, chosen: &Chosen, rejection: Rejection) -> usize {
        match chosen {
            Chosen::Named(ids) => {
                let keys: Vec<_> = ids.iter().filter_map(|&id| self.key(id)).collect();
                for &key in &keys {
                    self.relay.signal(key, Signal::End(rejection));
                }
                keys.len()
            }
            Chosen::Fitting(filter) => {
                let now = self.shared.clock.now();
                let nothing = Traffic { to_client: 0, to_upstream: 0 };
                let fits = |control: &Control| {
                    filter.is_empty() || filter.fits(&control.details(nothing, now), now.wall)
                };
                self.end(rejection, fits).await
            }
        }
    }

    async fn end(&self, rejection: Rejection, must: impl Fn(&Control) -> bool) -> usize {
        let mut count = 0;
        self.walk(&mut |key, control, _| {
            if !control.is_ending() && must(control) {
                count += 1;
                self.relay.signal(key, Signal::End(rejection));
            }
        })
        .await;
        // Then the orders to close have been carried out, as far as sockets took them.
        let mut turns = count;
        while self.relay.has_signals() && turns > 0 {
            turns -= 1;
            yield_now().await;
        }
        count
    }

    async fn list(&self, filter: &Filter, page: Page) -> Vec<Details> {
        let now = self.shared.clock.now();
        let mut first = BinaryHeap::new();
        self.walk(&mut |_, control, traffic| {
            if page.after.is_some_and(|after| control.name() <= after) {
                return;
            }
            let details = control.details(traffic, now);
            if filter.fits(&details, now.wall) {
                first.push(Sorted(details));
                if first.len() > page.limit {
                    first.pop();
                }
            }
        })
        .await;
        first.into_iter().map(|Sorted(details)| details).collect()
    }

    fn show(&self, id: ConnectionId) -> Option<Details> {
        let now = self.shared.clock.now();
        let key = self.key(id)?;
        self.relay.with(key, |control, traffic| control.details(traffic, now))
    }

    async fn renew(
        &self,
        id: ConnectionId,
        renewal: Box<Renewal>,
    ) -> Option<Result<Duration, Rejection>> {
        let key = self.key(id)?;
        let (sender, receiver) = oneshot::channel();
        self.relay.signal(key, Signal::Renew(renewal, sender));
        // A connection that ends meanwhile drops the signal, and with it the sender.
        receiver.await.ok()
    }

    async fn step_up(
        &self,
        id: ConnectionId,
        step_up: StepUp,
    ) -> Option<Result<UnixTime, Unasked>> {
        let key = self.key(id)?;
        let (sender, receiver) = oneshot::channel();
        self.relay.signal(key, Signal::StepUp(Box::new(step_up), sender));
        receiver.await.ok()
    }

    async fn walk(&self, look: &mut dyn FnMut(Key, &Control, Traffic)) {
        let mut from = Some(0);
        while let Some(place) = from {
            from = self.relay.some(place, limits::COMMAND_PLACES, look);
            if from.is_some() {
                yield_now().await;
            }
        }
    }
}

fn answer<T>(reply: oneshot::Sender<T>, answer: T) {
    if reply.send(answer).is_err() {
        trace!("nobody waits for the answer");
    }
}

/// In the order of the names.
struct Sorted(Details);

impl PartialEq for Sorted {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Sorted {}

impl PartialOrd for Sorted {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sorted {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.id.cmp(&other.0.id)
    }
}
