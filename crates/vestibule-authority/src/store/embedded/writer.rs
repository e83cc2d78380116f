//! The one thread that writes. Whatever waits when it comes round is committed together, by one
//! wait for the disk; each is answered when all of it is durable.

use std::{io, sync::Arc, thread};

use redb::Database;
use tokio::sync::{Notify, mpsc, oneshot};
use vestibule_core::time::UnixTime;

use super::{
    failed,
    transaction::{Open, Written},
};
use crate::{
    limits,
    store::{Change, Committed, Event, Position, StoreError},
};

/// What waits to be written.
pub(super) enum Request {
    /// A batch.
    Commit(Waiting<Vec<Change>, Committed>),
    /// An event.
    Append(Waiting<Event, Position>),
}

/// Something to write, and who waits for it.
pub(super) struct Waiting<W, T> {
    what: W,
    now: UnixTime,
    /// What is answered once it is durable.
    outcome: Option<T>,
    /// May have gone.
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<W, T> Waiting<W, T> {
    /// It, and where the answer comes.
    pub(super) fn new(what: W, now: UnixTime) -> (Self, Answer<T>) {
        let (reply, answer) = oneshot::channel();
        (Self { what, now, outcome: None, reply }, answer)
    }

    fn tell(self, failure: Option<&StoreError>) {
        let answer = match failure {
            None => self.outcome.ok_or_else(ended),
            Some(failure) => Err(failure.clone()),
        };
        drop(self.reply.send(answer));
    }
}

/// Where the answer comes.
pub(super) type Answer<T> = oneshot::Receiver<Result<T, StoreError>>;

/// The way to the thread. Dropped, it ends the thread, and waits until it has ended.
#[derive(Debug)]
pub(super) struct Writer {
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. `written` is notified after each commit, and after each failure.
    pub(super) fn start(database: Arc<Database>, written: Arc<Notify>) -> io::Result<Self> {
        let (requests, waiting) = mpsc::channel(limits::COMMITS_WAITING);
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || run(&database, waiting, &written))?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    /// Has it written, and waits until it is durable.
    pub(super) async fn write<T>(
        &self,
        request: Request,
        answer: Answer<T>,
    ) -> Result<T, StoreError> {
        let requests = self.requests.as_ref().ok_or_else(ended)?;
        requests.send(request).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the store had panicked");
        }
    }
}

fn ended() -> StoreError {
    StoreError("the thread that writes has ended".into())
}

fn run(database: &Database, mut waiting: mpsc::Receiver<Request>, written: &Notify) {
    let mut group = Vec::new();
    while let Some(first) = waiting.blocking_recv() {
        group.push(first);
        while group.len() < limits::COMMITTED_TOGETHER
            && let Ok(next) = waiting.try_recv()
        {
            group.push(next);
        }
        let failure = write(database, &mut group).err().map(|error| failed(&error));
        if let Some(error) = &failure {
            tracing::error!(%error, "nothing was written");
        }
        for request in group.drain(..) {
            match request {
                Request::Commit(batch) => batch.tell(failure.as_ref()),
                Request::Append(event) => event.tell(failure.as_ref()),
            }
        }
        written.notify_waiters();
    }
}

fn write(database: &Database, group: &mut [Request]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    let mut open = Open::new(&transaction)?;
    let mut latest = UnixTime::from_millis(i64::MIN);
    for request in group {
        let now = match request {
            Request::Commit(batch) => {
                batch.outcome = Some(open.apply(&batch.what, batch.now)?);
                batch.now
            }
            Request::Append(event) => {
                event.outcome = Some(open.append(&event.what)?);
                event.now
            }
        };
        latest = latest.max(now);
    }
    open.prune(latest)?;
    match open.close()? {
        Written::Something => transaction.commit()?,
        Written::Nothing => transaction.abort()?,
    }
    Ok(())
}
