//! The live connections of all workers, for those who look at them, end them or renew them from
//! outside: the operator, `/auth`, and revocation.
//!
//! Nothing is shared: each worker is asked by a [`Command`] over a channel of its own, looks at its
//! relay between two turns of it, piece by piece, and answers. [`Connections`] asks all of them and
//! puts the answers together.

mod command;
mod details;
mod filter;
mod name;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};
use vestibule_authority::Standing;
use vestibule_core::{
    authn::{ConnectionId, Verified},
    policy::StepUp,
    rejection::Rejection,
    session::Unasked,
    time::UnixTime,
};

pub use self::{
    command::{Chosen, Command},
    details::{Details, Second},
    filter::{Filter, Page},
    name::{ConnectionName, NotAName, Process},
};
use crate::limits;

/// Asks the workers.
#[derive(Debug)]
pub struct Connections {
    process: Process,
    workers: Mutex<Vec<mpsc::Sender<Command>>>,
}

impl Connections {
    /// No worker yet.
    pub fn new(process: Process) -> Self {
        Self { process, workers: Mutex::default() }
    }

    /// The name of a connection of this process.
    pub fn name(&self, id: ConnectionId) -> ConnectionName {
        ConnectionName::new(self.process, id)
    }

    /// Whether a connection is, or was, one of this process.
    pub fn is_ours(&self, name: ConnectionName) -> bool {
        name.of(self.process).is_some()
    }

    /// One more worker; what is asked comes out of the channel.
    pub fn join(&self) -> mpsc::Receiver<Command> {
        let (sender, receiver) = mpsc::channel(limits::COMMANDS_WAITING);
        self.workers().push(sender);
        receiver
    }

    /// Ends, on every worker, what a revocation covers by now; how many connections that were.
    pub async fn sweep(&self) -> usize {
        self.ask(Command::Sweep).await.into_iter().sum()
    }

    /// The connections that a filter fits, in the order in which they came, and where the next page
    /// begins, if there is one.
    pub async fn list(&self, filter: Filter, page: Page) -> (Vec<Details>, Option<ConnectionName>) {
        let filter = Arc::new(filter);
        let limit = page.limit.min(limits::WATCHED);
        // One more than asked for tells whether there is a next page.
        let wanted = Page { limit: limit.saturating_add(1), ..page };
        let ask = |reply| Command::List(Arc::clone(&filter), wanted, reply);
        let mut all: Vec<_> = self.ask(ask).await.into_iter().flatten().collect();
        all.sort_unstable_by_key(|details: &Details| details.id);
        let more = all.len() > limit;
        all.truncate(limit);
        let next = all.last().map(|details| details.id).filter(|_| more);
        (all, next)
    }

    /// One connection; `None` where it is over, or of another process.
    pub async fn show(&self, name: ConnectionName) -> Option<Details> {
        let id = name.of(self.process)?;
        self.ask(|reply| Command::Show(id, reply)).await.into_iter().flatten().next()
    }

    /// Ends connections for this reason; how many there were. The name of one that is over, or of
    /// another process, names none.
    pub async fn close(&self, chosen: Choice, rejection: Rejection) -> usize {
        let chosen = match chosen {
            Choice::Fitting(filter) => Chosen::Fitting(Arc::new(filter)),
            Choice::Named(names) => {
                let ids = names.into_iter().filter_map(|name| name.of(self.process));
                Chosen::Named(Arc::new(ids.collect::<BTreeSet<_>>()))
            }
        };
        let ask = |reply| Command::Close(chosen.clone(), rejection, reply);
        self.ask(ask).await.into_iter().sum()
    }

    /// Ends these, for this reason; how many there were.
    pub async fn end(&self, ids: BTreeSet<ConnectionId>, rejection: Rejection) -> usize {
        let chosen = Chosen::Named(Arc::new(ids));
        let ask = |reply| Command::Close(chosen.clone(), rejection, reply);
        self.ask(ask).await.into_iter().sum()
    }

    /// Renews the lease of a connection by a credential that was checked: how long it is now, or why
    /// nothing has changed. `None` where there is no such connection.
    pub async fn renew(
        &self,
        name: ConnectionName,
        renewal: Renewal,
    ) -> Option<Result<Duration, Rejection>> {
        let id = name.of(self.process)?;
        let ask = |reply| Command::Renew(id, Box::new(renewal.clone()), reply);
        self.ask(ask).await.into_iter().flatten().next()
    }

    /// Asks the client of a connection for a second proof: until when it is owed, or why it is not
    /// asked. `None` where there is no such connection.
    pub async fn step_up(
        &self,
        name: ConnectionName,
        step_up: StepUp,
    ) -> Option<Result<UnixTime, Unasked>> {
        let id = name.of(self.process)?;
        let ask = |reply| Command::StepUp(id, step_up.clone(), reply);
        self.ask(ask).await.into_iter().flatten().next()
    }

    /// Asks all workers at once. Those that have gone have no connections.
    async fn ask<T>(&self, command: impl Fn(oneshot::Sender<T>) -> Command) -> Vec<T> {
        let workers = self.workers().clone();
        let mut replies = Vec::with_capacity(workers.len());
        for worker in workers {
            let (sender, receiver) = oneshot::channel();
            if worker.send(command(sender)).await.is_ok() {
                replies.push(receiver);
            }
        }
        let mut answers = Vec::with_capacity(replies.len());
        for reply in replies {
            if let Ok(answer) = reply.await {
                answers.push(answer);
            }
        }
        answers
    }

    fn workers(&self) -> MutexGuard<'_, Vec<mpsc::Sender<Command>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A credential that was checked beside a connection.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// Whose it is.
    pub verified: Verified,
    /// What is kept of it, where its issuer is asked about it again.
    pub standing: Option<Standing>,
}

/// Which connections are ended.
#[derive(Clone, Debug)]
pub enum Choice {
    /// Those that a filter fits; an empty one fits all.
    Fitting(Filter),
    /// These.
    Named(Vec<ConnectionName>),
}
