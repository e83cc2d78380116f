//! A turn: one wait for everything, then what has come due, then what is new, then what was left over,
//! all within bounds, and bytes of each connection once: who sends much does not keep others waiting.

use std::{io, time::Duration};

use mio::{Events, Token, event::Event};

use super::{
    Control, Relay,
    pump::Outcome,
    record::{Queued, Record, Turn, never},
    slab::Spot,
    wire::Scratch,
};

/// Most edges taken at once.
const EVENTS: usize = 128;
/// Most bytes read in a turn: about a millisecond's work.
const TURN_BYTES: usize = 4 * 1024 * 1024;
/// Most signals in a turn.
const BATCH: u32 = 64;
/// Most deadlines in a turn: what they set going comes back as edges, several of each connection, and
/// a turn must take more of those than it makes, or others wait behind them.
const DUE: u32 = 8;

/// What one turn after the other uses.
pub(super) struct Hands {
    scratch: Scratch,
    events: Events,
    cx: Turn,
}

/// How long a turn may wait for something to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// The thread has other work.
    None,
    /// Until something is due.
    Due,
}

impl<C: Control> Relay<C> {
    pub(super) fn hands(&self) -> Hands {
        Hands {
            scratch: Scratch::new(),
            events: Events::with_capacity(EVENTS),
            cx: Turn::new(self.clock.now()),
        }
    }

    pub(super) fn turn(&self, hands: &mut Hands, patience: Patience) -> io::Result<()> {
        let mut events = std::mem::replace(&mut hands.events, Events::with_capacity(0));
        let wait = self.wait(hands, patience);
        if let Err(error) = self.poll.borrow_mut().poll(&mut events, wait)
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        hands.cx.now = self.clock.now();
        hands.cx.moved = 0;
        // The edges of the last turn have all been seen to.
        let mut records = self.records.borrow_mut();
        for index in self.seats.vacated() {
            records.vacate(index);
        }
        records.recycle();
        drop(records);
        self.hear_signals(hands);
        self.expire(hands);
        let left_over = self.ready.borrow().len();
        for event in &events {
            match name(event.token()) {
                Name::Socket(index, side) => self.edge(index, side, event, hands),
                Name::Listener(number) => self.doors.knock(number),
                Name::Bell => {}
            }
        }
        hands.events = events;
        self.go_on(left_over, hands);
        Ok(())
    }

    /// How long nothing has to be done; `None` is for ever. What is due is reckoned from the last
    /// turn, so that it comes late by no more than that turn took.
    fn wait(&self, hands: &Hands, patience: Patience) -> Option<Duration> {
        if patience == Patience::None || self.has_work() {
            return Some(Duration::ZERO);
        }
        self.wheel.borrow().next().map(|due| hands.cx.now.mono.until(due))
    }

    fn has_work(&self) -> bool {
        !self.ready.borrow().is_empty() || !self.signals.borrow().is_empty()
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
    fn expire(&self, hands: &mut Hands) {
        for _ in 0..DUE {
            let due = self.wheel.borrow_mut().pop(hands.cx.now.mono);
            let Some(index) = due else { return };
            self.visit_place(index, hands, |record, _| record.armed = never());
        }
    }

    /// Goes on with those that had more to do when the turn began, once each.
    fn go_on(&self, count: usize, hands: &mut Hands) {
        for _ in 0..count {
            if hands.cx.moved > TURN_BYTES {
                return;
            }
            let Some(index) = self.ready.borrow_mut().pop_front() else { return };
            self.visit_place(index, hands, |record, _| record.queued = Queued::No);
        }
    }

    fn edge(&self, index: u32, side: Which, event: &Event, hands: &mut Hands) {
        let note = |record: &mut Record<C>, cx: &mut Turn| match side {
            Which::Client => record.note_client(event, cx),
            Which::Upstream => record.note_upstream(event),
        };
        let Some(spot) = self.records.borrow().spot(index) else { return };
        if spot.is_empty() {
            self.seats.note(index, side, event);
        } else if hands.cx.moved > TURN_BYTES || is_queued(&spot) {
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

fn is_queued<C: Control>(spot: &Spot<Record<C>>) -> bool {
    spot.open().is_some_and(|record| record.queued == Queued::Yes)
}

/// Which of a connection's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Client,
    Upstream,
}

/// Whose an edge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Socket(u32, Which),
    Listener(usize),
    Bell,
}

/// Names of what is no connection's begin here.
const OTHERS: usize = usize::MAX - 64;

/// The name of what wakes the thread from outside.
pub(super) const BELL: Token = Token(OTHERS);

/// The name of a listener in the epoll set.
pub(super) fn listener(number: usize) -> Token {
    Token((OTHERS + 1).saturating_add(number))
}

/// The name of a connection's socket in the epoll set.
pub(super) fn token(index: u32, which: Which) -> Token {
    let first = usize::try_from(index).unwrap_or(usize::MAX >> 2) << 1;
    match which {
        Which::Client => Token(first),
        Which::Upstream => Token(first | 1),
    }
}

fn name(Token(token): Token) -> Name {
    match token.checked_sub(OTHERS) {
        Some(0) => Name::Bell,
        Some(number) => Name::Listener(number - 1),
        None => {
            let side = if token & 1 == 0 { Which::Client } else { Which::Upstream };
            Name::Socket(u32::try_from(token >> 1).unwrap_or(u32::MAX), side)
        }
    }
}
