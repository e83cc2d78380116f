//! What is kept of a connection: little, side by side, and what few connections need in a box.

use std::{mem, time::Duration};

use vestibule_core::{
    relay::{ClientScanner, ServerScanner},
    time::{Mono, Now},
};

use super::{
    Control, Ended, EndedBy, Order, Pair, Report, Traffic,
    queue::Queue,
    wire::{Readiness, Side},
};

/// A deadline that does not come.
pub(super) fn never() -> Mono {
    Mono::since_start(Duration::MAX)
}

/// A deadline that its owner does not move is not reported again before this time.
const DEADLINE_PAUSE: Duration = Duration::from_millis(50);

/// A connection.
#[derive(Debug)]
pub(super) struct Record<C> {
    pub(super) client: Side,
    pub(super) upstream: Side,
    /// What the client sent, up to the last byte that was read.
    pub(super) up: ClientScanner,
    /// What the client gets, up to the last byte that was accepted for it: written, or waiting.
    pub(super) down: ServerScanner,
    pub(super) rare: Option<Box<Rare>>,
    pub(super) to_client: u64,
    pub(super) to_upstream: u64,
    /// When bytes last came.
    pub(super) active: Mono,
    /// When [`Record::fire`] is due.
    pub(super) due: Mono,
    /// When the wheel will say so.
    pub(super) armed: Mono,
    deadline: Mono,
    idle: Option<Duration>,
    /// What began the end.
    pub(super) end: Option<(u16, EndedBy)>,
    pub(super) queued: Queued,
    pub(super) control: C,
}

/// Whether a connection stands in the queue of those that have more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    No,
    Yes,
}

/// What only few connections need at a time: bytes wait, or an end has begun.
#[derive(Debug)]
pub(super) struct Rare {
    /// What waits for the client, and where the stream stands at what was written.
    pub(super) to_client: Queue,
    pub(super) written: ServerScanner,
    /// What waits for the upstream.
    pub(super) to_upstream: Queue,
    /// Whole frames that wait for a gap between messages.
    pub(super) tells: Vec<u8>,
    /// What was read before the relay took over: the client's, the upstream's.
    pub(super) early: Option<(Vec<u8>, Vec<u8>)>,
    /// While the control is busy with a message of the client's: what came behind it.
    pub(super) behind: Option<Vec<u8>>,
    pub(super) heard: Heard,
    pub(super) phase: Phase,
    /// When the phase, or the closing handshake that the peers have begun, is over.
    pub(super) until: Mono,
}

/// The client's last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Nothing,
    /// Its close frame.
    Close,
    /// Something that breaks the protocol: nothing that follows can be understood.
    Nonsense,
}

/// How far the end is.
#[derive(Debug)]
pub(super) enum Phase {
    /// Bytes pass.
    Relaying,
    /// A close frame (these bytes) is to be cut in, and the frame before it is not complete. Then
    /// the upstream is left in this way.
    Cutting(Vec<u8>, Exit),
    /// Nothing passes any more. How far the client's and the upstream's end is.
    Leaving(Exit, Exit),
}

/// How a side is left. What it sends is read all the while, and forgotten: bytes that were not read
/// would make the system reset the connection, and the reset would overtake the last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// The last word is on its way. Then [`Exit::Answer`].
    Flush,
    /// Its close frame is awaited. Then [`Exit::Finish`].
    Answer,
    /// The stream is ended when nothing waits. Then [`Exit::Linger`].
    Finish,
    /// What waits is sent, and the peer's end is awaited.
    Linger,
    /// It is over.
    Gone,
}

/// What everything that happens in one turn of the loop shares.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) now: Now,
    /// Bytes read in this turn.
    pub(super) moved: usize,
    orders: Vec<Order>,
}

impl Turn {
    pub(super) fn new(now: Now) -> Self {
        Self { now, moved: 0, orders: Vec::new() }
    }
}

impl<C: Control> Record<C> {
    pub(super) fn new(pair: Pair, control: C, now: Now) -> Self {
        let Pair {
            client,
            upstream,
            client_read,
            upstream_read,
            upstream_first,
            reserved,
            extensions,
            idle,
        } = pair;
        let mut record = Self {
            client: Side::new(client),
            upstream: Side::new(upstream),
            up: ClientScanner::new(reserved, extensions),
            down: ServerScanner::new(extensions),
            rare: None,
            to_client: 0,
            to_upstream: 0,
            active: now.mono,
            due: never(),
            armed: never(),
            deadline: control.deadline().unwrap_or_else(never),
            idle,
            end: None,
            queued: Queued::No,
            control,
        };
        if !client_read.is_empty() || !upstream_read.is_empty() {
            record.rare().early = Some((client_read, upstream_read));
        }
        if !upstream_first.is_empty() {
            record.rare().to_upstream.push(&upstream_first);
        }
        record.reckon();
        record
    }

    /// The box, made where there is none.
    pub(super) fn rare(&mut self) -> &mut Rare {
        let down = self.down;
        self.rare.get_or_insert_with(|| {
            Box::new(Rare {
                to_client: Queue::default(),
                written: down,
                to_upstream: Queue::default(),
                tells: Vec::new(),
                early: None,
                behind: None,
                heard: Heard::Nothing,
                phase: Phase::Relaying,
                until: never(),
            })
        })
    }

    /// Gives the box back where it is not needed any more.
    pub(super) fn tidy(&mut self) {
        if self.rare.as_ref().is_some_and(|rare| rare.is_idle()) {
            self.rare = None;
        }
    }

    /// Whether application bytes pass.
    pub(super) fn is_relaying(&self) -> bool {
        self.rare.as_ref().is_none_or(|rare| rare.is_relaying())
    }

    /// What has passed.
    pub(super) fn traffic(&self) -> Traffic {
        Traffic { to_client: self.to_client, to_upstream: self.to_upstream }
    }

    /// The client's last word.
    pub(super) fn heard(&self) -> Heard {
        self.rare.as_ref().map_or(Heard::Nothing, |rare| rare.heard)
    }

    /// Whether the client must not be read, because the upstream does not take what it sent, or a
    /// message of its is not done with.
    pub(super) fn is_client_held(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| match rare.phase {
            Phase::Relaying => !rare.to_upstream.is_empty() || rare.behind.is_some(),
            Phase::Cutting(..) | Phase::Leaving(..) => false,
        })
    }

    /// Whether the upstream must not be read, because the client does not take what it sent.
    pub(super) fn is_upstream_held(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| match rare.phase {
            Phase::Relaying | Phase::Cutting(..) => !rare.to_client.is_empty(),
            Phase::Leaving(..) => false,
        })
    }

    /// Whether a read was left for later.
    pub(super) fn has_more(&self) -> bool {
        (self.client.readiness != Readiness::Drained && !self.is_client_held())
            || (self.upstream.readiness != Readiness::Drained && !self.is_upstream_held())
    }

    /// Tells the control, and carries out what it orders.
    pub(super) fn report(&mut self, report: Report<'_, C::Signal>, cx: &mut Turn) {
        let mut orders = mem::take(&mut cx.orders);
        self.control.report(report, cx.now, &mut orders);
        self.deadline = self.control.deadline().unwrap_or_else(never);
        for order in orders.drain(..) {
            match order {
                Order::Tell(text) => self.tell(&text, cx),
                Order::Forward(text) => self.forward(&text, cx),
                Order::Close(close) => self.cut(&close, cx),
            }
        }
        cx.orders = orders;
        self.reckon();
    }

    /// It cannot be watched: it ends before it began.
    pub(super) fn fail(&mut self) {
        let rare = self.rare();
        rare.early = None;
        rare.phase = Phase::Leaving(Exit::Gone, Exit::Gone);
    }

    /// A signal came. One that comes when the end has begun changes nothing.
    pub(super) fn signal(&mut self, signal: C::Signal, cx: &mut Turn) {
        if self.is_relaying() {
            self.report(Report::Signal(signal), cx);
        }
    }

    /// Time has passed.
    pub(super) fn fire(&mut self, cx: &mut Turn) {
        let now = cx.now.mono;
        if !self.is_relaying() || self.rare.as_ref().is_some_and(|rare| rare.until <= now) {
            self.time_out(cx);
        } else if self.deadline <= now {
            self.report(Report::Deadline, cx);
            self.deadline = self.deadline.max(now.after(DEADLINE_PAUSE));
        } else if self.idle.is_some_and(|span| self.active.after(span) <= now) {
            self.report(Report::Idle, cx);
            self.active = now;
        }
        self.reckon();
    }

    /// Finds out when [`Record::fire`] is due. That bytes came only moves the end of the silence, and
    /// is looked at when it seems to have come.
    pub(super) fn reckon(&mut self) {
        let until = self.rare.as_ref().map_or_else(never, |rare| rare.until);
        self.due = if self.is_relaying() {
            let silence = self.idle.map_or_else(never, |span| self.active.after(span));
            until.min(self.deadline).min(silence)
        } else {
            until
        };
    }

    /// Sets when what the control ordered is over.
    pub(super) fn limit(&mut self, span: Duration, cx: &Turn) {
        self.rare().until = cx.now.mono.after(span);
        self.reckon();
    }

    /// Sets when an end that the peers began is over. Application bytes may still wait, so that it
    /// is not after the control's deadline, nor moved by a second thing that begins it.
    pub(super) fn limit_peers(&mut self, span: Duration, cx: &Turn) {
        let until = cx.now.mono.after(span).min(self.deadline);
        let rare = self.rare();
        rare.until = rare.until.min(until);
        self.reckon();
    }

    /// Remembers what began the end.
    pub(super) fn begin_end(&mut self, code: u16, by: EndedBy) {
        self.end.get_or_insert((code, by));
    }

    /// The last report.
    pub(super) fn over(&mut self, now: Now) {
        let (code, by) = self.end.unwrap_or((1006, EndedBy::Gateway));
        let Self { to_client, to_upstream, .. } = *self;
        self.control.ended(&Ended { to_client, to_upstream, code, by }, now);
    }
}

impl Rare {
    pub(super) fn is_relaying(&self) -> bool {
        match self.phase {
            Phase::Relaying => true,
            Phase::Cutting(..) | Phase::Leaving(..) => false,
        }
    }

    fn is_idle(&self) -> bool {
        let Self {
            to_client,
            written: _,
            to_upstream,
            tells,
            early,
            behind,
            heard,
            phase: _,
            until,
        } = self;
        to_client.is_empty()
            && to_upstream.is_empty()
            && tells.is_empty()
            && early.is_none()
            && behind.is_none()
            && *heard == Heard::Nothing
            && *until == never()
            && self.is_relaying()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_says_nothing_costs_a_record() {
        let bytes = size_of::<Record<()>>();
        assert!(bytes <= 300, "{bytes}");
        let bytes = size_of::<Record<crate::drive::Control>>();
        assert!(bytes <= 480, "{bytes}");
    }
}
