//! A thread: the tasks of those who are being let in, the relay of those who are, and one wait for
//! both. The runtime of the process lends tasks its timers and its blocking threads; sockets are
//! watched here, in one epoll set, so that a message that is relayed wakes nothing else.

use std::{
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, ThreadId},
};

use tokio::task::LocalSet;
use tracing::error;

use super::{
    Control, Relay,
    turn::{BELL, Patience},
};

impl<C: Control> Relay<C> {
    /// Runs `main`, the tasks that it spawns with [`tokio::task::spawn_local`], and the relay, until
    /// `main` is over; then nothing is relayed any more. Fails where the system does. Once for each
    /// relay, in the context of a runtime that other threads drive.
    pub fn block_on<F: Future>(&self, main: F) -> io::Result<F::Output> {
        let bell = Arc::new(Bell {
            rung: AtomicBool::new(true),
            home: thread::current().id(),
            waker: mio::Waker::new(&self.registry, BELL)?,
        });
        let waker = Waker::from(Arc::clone(&bell));
        let mut cx = Context::from_waker(&waker);
        let tasks = LocalSet::new();
        // Controls spawn tasks while the relay reports to them.
        let _entered = tasks.enter();
        let mut main = pin!(tasks.run_until(main));
        let mut hands = self.hands();
        loop {
            if bell.rung.swap(false, Ordering::AcqRel)
                && let Poll::Ready(output) = main.as_mut().poll(&mut cx)
            {
                return Ok(output);
            }
            let rung = bell.rung.load(Ordering::Acquire);
            let patience = if rung { Patience::None } else { Patience::Due };
            self.turn(&mut hands, patience)?;
        }
    }
}

/// Says that a task has something to do. Whoever rings it at home is heard before the thread waits
/// the next time; whoever rings it from elsewhere wakes the thread.
struct Bell {
    rung: AtomicBool,
    home: ThreadId,
    waker: mio::Waker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let silent = !self.rung.swap(true, Ordering::AcqRel);
        if silent
            && thread::current().id() != self.home
            && let Err(error) = self.waker.wake()
        {
            error!(%error, "cannot wake a worker");
        }
    }
}
