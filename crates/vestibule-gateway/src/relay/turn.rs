//! The loop: what has come due, then what was left over, then what is new, everything within bounds,
//! then the runtime's other tasks.

use std::{
    future::poll_fn,
    io,
    os::fd::{AsFd, OwnedFd},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use mio::{Events, Token, event::Event};
use tokio::{
    io::{Interest, unix::AsyncFd},
    task::yield_now,
    time::{Sleep, sleep_until},
};

use super::{
    Control, Relay,
    pump::Outcome,
    record::{Queued, Record, Turn, never},
    slab::Spot,
    wire::Scratch,
};

/// Most edges taken at once.
const EVENTS: usize = 128;
/// Where this many edges came at once, some more have come meanwhile: it is cheaper to look again
/// than to wait.
const BUSY: usize = 8;
/// Most times that is done in one turn.
const LOOKS: u32 = 3;
/// Most bytes read in a turn: about a millisecond's work.
const TURN_BYTES: usize = 4 * 1024 * 1024;
/// Most signals, and most deadlines, in a turn.
const BATCH: u32 = 64;

/// Whether the loop has something to do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    Something,
}

/// What woke the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// Sockets have edges.
    Edges,
    /// A signal, a new connection, or a deadline.
    Inside,
}

/// What one turn after the other uses.
struct Hands {
    scratch: Scratch,
    events: Events,
    cx: Turn,
}

impl<C: Control> Relay<C> {
    /// Relays for ever; returns only where the system fails. Runs on a current-thread runtime with
    /// I/O and time, once at a time.
    pub async fn run(&self) -> io::Result<()> {
        let edges = watch(self.registry.as_fd().try_clone_to_owned()?)?;
        let mut hands = Hands {
            scratch: Scratch::new(),
            events: Events::with_capacity(EVENTS),
            cx: Turn::new(self.clock.now()),
        };
        let mut alarm = never();
        let mut sleep = pin!(sleep_until(self.clock.instant(alarm).into()));
        let mut woken = Woken::Edges;
        loop {
            match self.turn(&mut hands, woken)? {
                Left::Something => {
                    yield_now().await;
                    woken = Woken::Edges;
                }
                Left::Nothing => {
                    let next = self.wheel.borrow().next().unwrap_or_else(never);
                    if next != alarm {
                        alarm = next;
                        sleep.as_mut().reset(self.clock.instant(alarm).into());
                    }
                    woken = poll_fn(|task| self.poll_woken(&edges, sleep.as_mut(), task)).await?;
                }
            }
        }
    }

    fn poll_woken(
        &self,
        edges: &AsyncFd<OwnedFd>,
        sleep: Pin<&mut Sleep>,
        task: &mut Context<'_>,
    ) -> Poll<io::Result<Woken>> {
        if let Poll::Ready(guard) = edges.poll_read_ready(task) {
            guard?.clear_ready();
            return Poll::Ready(Ok(Woken::Edges));
        }
        if self.has_work() {
            return Poll::Ready(Ok(Woken::Inside));
        }
        self.waker.replace(Some(task.waker().clone()));
        ready!(sleep.poll(task));
        Poll::Ready(Ok(Woken::Inside))
    }

    fn has_work(&self) -> bool {
        !self.ready.borrow().is_empty() || !self.signals.borrow().is_empty()
    }

    fn turn(&self, hands: &mut Hands, woken: Woken) -> io::Result<Left> {
        hands.cx.now = self.clock.now();
        hands.cx.moved = 0;
        // The edges of the last look have all been seen to.
        let mut records = self.records.borrow_mut();
        for index in self.seats.vacated() {
            records.vacate(index);
        }
        records.recycle();
        drop(records);
        self.hear_signals(hands);
        let expired = self.expire(hands);
        self.go_on(hands);
        let looked = match woken {
            Woken::Edges => self.look(hands)?,
            Woken::Inside => Left::Nothing,
        };
        Ok(match (expired, looked, self.has_work()) {
            (Left::Nothing, Left::Nothing, false) => Left::Nothing,
            (_, _, _) => Left::Something,
        })
    }

    fn hear_signals(&self, hands: &mut Hands) {
        for _ in 0..BATCH {
            let Some((key, signal)) = self.signals.borrow_mut().pop_front() else { return };
            let found = self.records.borrow().find(key);
            if let Some(spot) = found {
                self.visit(&spot, hands, |record, cx| record.signal(signal, cx));
            }
        }
    }

    /// However many connections expire together, a turn ends some of them. No byte passes on those
    /// that must wait for the next: each looks at its own deadline first.
    fn expire(&self, hands: &mut Hands) -> Left {
        for _ in 0..BATCH {
            let due = self.wheel.borrow_mut().pop(hands.cx.now.mono);
            let Some(index) = due else { return Left::Nothing };
            self.visit_place(index, hands, |record, _| record.armed = never());
        }
        Left::Something
    }

    /// Goes on with those that had more to do, once each.
    fn go_on(&self, hands: &mut Hands) {
        let count = self.ready.borrow().len();
        for _ in 0..count {
            if hands.cx.moved > TURN_BYTES {
                return;
            }
            let Some(index) = self.ready.borrow_mut().pop_front() else { return };
            self.visit_place(index, hands, |record, _| record.queued = Queued::No);
        }
    }

    /// Takes the edges that have come, without waiting.
    fn look(&self, hands: &mut Hands) -> io::Result<Left> {
        let mut events = std::mem::replace(&mut hands.events, Events::with_capacity(0));
        let mut left = Left::Nothing;
        for _ in 0..LOOKS {
            if let Err(error) = self.poll.borrow_mut().poll(&mut events, Some(Duration::ZERO))
                && error.kind() != io::ErrorKind::Interrupted
            {
                return Err(error);
            }
            let mut count = 0;
            for event in &events {
                count += 1;
                self.edge(event, hands);
            }
            left = if count == EVENTS { Left::Something } else { Left::Nothing };
            if count < BUSY || hands.cx.moved > TURN_BYTES {
                break;
            }
            hands.cx.now = self.clock.now();
        }
        hands.events = events;
        Ok(left)
    }

    fn edge(&self, event: &Event, hands: &mut Hands) {
        let (index, side) = place(event.token());
        let note = |record: &mut Record<C>, cx: &mut Turn| match side {
            Which::Client => record.note_client(event, cx),
            Which::Upstream => record.note_upstream(event),
        };
        let Some(spot) = self.records.borrow().spot(index) else { return };
        if spot.is_empty() {
            self.seats.note(index, side, event);
        } else if hands.cx.moved > TURN_BYTES {
            // Remembered; its turn comes.
            self.postpone(&spot, hands, note);
        } else {
            self.visit(&spot, hands, note);
        }
    }

    fn visit_place(
        &self,
        index: u32,
        hands: &mut Hands,
        work: impl FnOnce(&mut Record<C>, &mut Turn),
    ) {
        let spot = self.records.borrow().spot(index);
        if let Some(spot) = spot {
            self.visit(&spot, hands, work);
        }
    }

    /// Does something with a connection, and all that follows from it. The slab is not borrowed
    /// meanwhile, so that the connection's control may call the relay.
    fn visit(
        &self,
        spot: &Spot<Record<C>>,
        hands: &mut Hands,
        work: impl FnOnce(&mut Record<C>, &mut Turn),
    ) {
        let Some(mut record) = spot.open() else { return };
        let index = spot.index();
        work(&mut record, &mut hands.cx);
        match record.drive(&mut hands.scratch, &mut hands.cx) {
            Outcome::Wait => {}
            Outcome::Again => self.queue(index, &mut record),
            Outcome::Over => {
                record.over(hands.cx.now);
                drop(record);
                self.wheel.borrow_mut().clear(index);
                let gone = self.records.borrow_mut().remove(spot);
                // Outside of the borrow: dropping it may do anything.
                drop(gone);
                return;
            }
        }
        if record.due != record.armed {
            record.armed = record.due;
            self.wheel.borrow_mut().set(index, record.due);
        }
    }

    fn postpone(
        &self,
        spot: &Spot<Record<C>>,
        hands: &mut Hands,
        note: impl FnOnce(&mut Record<C>, &mut Turn),
    ) {
        let Some(mut record) = spot.open() else { return };
        note(&mut record, &mut hands.cx);
        self.queue(spot.index(), &mut record);
    }

    fn queue(&self, index: u32, record: &mut Record<C>) {
        if record.queued == Queued::No {
            record.queued = Queued::Yes;
            self.ready.borrow_mut().push_back(index);
        }
    }
}

/// Puts the epoll set into the runtime's. Edges of the sockets make it readable, which is an edge of
/// its own: whatever comes after a look wakes us once more.
#[expect(
    deprecated,
    reason = "the replacement is unsafe, for descriptors that others may close; this one is owned"
)]
fn watch(set: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(set, Interest::READABLE)
}

/// Which of a connection's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Client,
    Upstream,
}

/// The name of a connection's socket in the epoll set.
pub(super) fn token(index: u32, which: Which) -> Token {
    let first = usize::try_from(index).unwrap_or(usize::MAX >> 1) << 1;
    match which {
        Which::Client => Token(first),
        Which::Upstream => Token(first | 1),
    }
}

fn place(Token(token): Token) -> (u32, Which) {
    let side = if token & 1 == 0 { Which::Client } else { Which::Upstream };
    (u32::try_from(token >> 1).unwrap_or(u32::MAX), side)
}
