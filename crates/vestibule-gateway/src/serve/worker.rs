//! One thread: it accepts, brings connections to their admission, and relays.

use std::{
    cell::RefCell, collections::HashMap, io, net::TcpListener as StdListener, rc::Rc, sync::Arc,
    time::Duration,
};

use mio::net::TcpListener;
use tokio::{
    sync::{Semaphore, SemaphorePermit, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};
use tracing::{debug, error, warn};
use vestibule_core::{authn::ConnectionId, limits, rejection::Rejection, time::Mono};

use super::{Phase, Shared};
use crate::{
    drive::{Control, Signal},
    http::front,
    relay::{Key, Listener, Relay, Watched},
};

/// How long a worker rests when the process is out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often a draining worker closes some more.
const DRAIN_STEP: Duration = Duration::from_millis(20);

/// What the tasks of one thread share.
#[derive(Debug)]
pub struct Worker {
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// The relay of this thread.
    pub relay: Rc<Relay<Control>>,
    phase: watch::Receiver<Phase>,
    goodbyes: Semaphore,
    /// What is open, by its number.
    open: RefCell<HashMap<ConnectionId, Key>>,
}

impl Worker {
    /// With an empty relay.
    pub fn new(shared: Arc<Shared>, phase: watch::Receiver<Phase>) -> io::Result<Rc<Self>> {
        let relay = Relay::new(shared.clock)?;
        let goodbyes = Semaphore::new(limits::GOODBYES);
        Ok(Rc::new(Self { shared, relay, phase, goodbyes, open: RefCell::default() }))
    }

    /// A connection is with the relay, under this key.
    pub fn opened(&self, id: ConnectionId, key: Key) {
        self.open.borrow_mut().insert(id, key);
        self.relay.signal(key, Signal::Opened(key));
    }

    /// It is over.
    pub fn ended(&self, id: ConnectionId) {
        self.open.borrow_mut().remove(&id);
        self.shared.rechecks.leave(id);
    }

    /// The key of a connection that is open on this thread.
    pub fn key(&self, id: ConnectionId) -> Option<Key> {
        self.open.borrow().get(&id).copied()
    }

    /// Leave to say goodbye to somebody who has no place; `None` where too many are being told.
    pub fn goodbye(&self) -> Option<SemaphorePermit<'_>> {
        self.goodbyes.try_acquire().ok()
    }

    /// The instant of a point on the shared clock, for a timer.
    pub fn instant(&self, at: Mono) -> Instant {
        self.shared.clock.instant(at).into()
    }

    /// Waits until the process goes away.
    pub async fn drains(&self) {
        let mut phase = self.phase.clone();
        if phase.wait_for(|phase| *phase == Phase::Draining).await.is_err() {
            debug!("the process is going away");
        }
    }

    /// Serves until told to drain, then until nothing is open. Blocks the thread.
    pub fn run(self: Rc<Self>, sockets: Vec<StdListener>, drain: Duration) -> io::Result<()> {
        let relay = Rc::clone(&self.relay);
        // Should the relay fail, everything ends: nobody may be let in behind it.
        relay.block_on(self.serve(sockets, drain))?
    }

    async fn serve(self: Rc<Self>, sockets: Vec<StdListener>, drain: Duration) -> io::Result<()> {
        let mut accepting = JoinSet::new();
        for socket in sockets {
            let listener = self.relay.listen(TcpListener::from_std(socket))?;
            accepting.spawn_local(Rc::clone(&self).accept(listener));
        }
        // Ends with this thread: the sender lives as long as the process.
        let mut obeying = JoinSet::new();
        obeying.spawn_local(Rc::clone(&self).obey(self.shared.connections.join()));
        self.drains().await;
        self.close_all(drain).await;
        // Those who were being let in meanwhile.
        while let Some(ended) = accepting.join_next().await {
            if let Err(failed) = ended {
                error!(error = %failed, "an accept loop failed");
            }
        }
        self.close_all(Duration::ZERO).await;
        Ok(())
    }

    /// Accepts until told to drain, then waits for those who are being let in.
    async fn accept(self: Rc<Self>, listener: Listener) {
        let mut handshakes = JoinSet::new();
        let mut draining = std::pin::pin!(self.drains());
        loop {
            tokio::select! {
                () = &mut draining => break,
                accepted = listener.accept() => match accepted {
                    Ok((socket, peer)) => {
                        let worker = Rc::clone(&self);
                        let socket = Watched::client(self.relay.seat(), socket.into());
                        handshakes.spawn_local(Box::pin(front::drive(socket, peer.ip(), worker)));
                        // A task that is over keeps its memory until it is asked for: in a storm of
                        // connections those that have ended must not wait for its end.
                        while let Some(ended) = handshakes.try_join_next() {
                            report(ended);
                        }
                    }
                    Err(error) => {
                        warn!(%error, "cannot accept");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = handshakes.join_next(), if !handshakes.is_empty() => {
                    report(ended);
                }
            }
        }
        drop(listener);
        let last = Instant::now() + limits::DIAL_TIMEOUT;
        while let Ok(Some(ended)) = timeout_at(last, handshakes.join_next()).await {
            report(ended);
        }
    }

    /// Closes everything with 1001, spread over `span`, so that the clients do not all come back to
    /// the other nodes at once; then waits until they have gone, within the time that a close has.
    async fn close_all(&self, span: Duration) {
        let mut keys = Vec::new();
        self.relay.each(&mut |key, _| keys.push(key));
        let steps = usize::try_from(span.as_millis() / DRAIN_STEP.as_millis()).unwrap_or(1).max(1);
        let share = keys.len().div_ceil(steps).max(1);
        for some in keys.chunks(share) {
            for &key in some {
                self.relay.signal(key, Signal::End(Rejection::Draining));
            }
            sleep(DRAIN_STEP.min(span)).await;
        }
        let last = Instant::now() + limits::CUT_WINDOW + limits::CLOSE_TIMEOUT;
        while !self.relay.is_empty() && Instant::now() < last {
            sleep(DRAIN_STEP).await;
        }
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(failed) = ended
        && failed.is_panic()
    {
        error!("a handshake panicked; its connection is closed");
    }
}
