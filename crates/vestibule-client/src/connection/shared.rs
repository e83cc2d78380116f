//! What the application and the driver have in common: two queues, what is wanted, and the end.

use core::task::{Context, Poll, Waker};
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::Message;
use crate::{
    error::{Ended, Error},
    limits,
    machine::Input,
};

/// Something that the application wants. Each kind waits at most once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Close(u16, String),
    Abort,
    Logout,
    Refresh,
    Online,
}

impl Order {
    pub(super) fn input(self) -> Input<'static> {
        match self {
            Self::Close(code, reason) => Input::Close { code, reason },
            Self::Abort => Input::Abort,
            Self::Logout => Input::Logout,
            Self::Refresh => Input::Refresh,
            Self::Online => Input::Online,
        }
    }

    fn is_farewell(&self) -> bool {
        match self {
            Self::Close(..) | Self::Abort | Self::Logout => true,
            Self::Refresh | Self::Online => false,
        }
    }
}

/// Messages, and what they weigh.
#[derive(Debug)]
struct Queue {
    messages: VecDeque<Message>,
    bytes: usize,
    most: usize,
}

impl Queue {
    fn new(most: usize) -> Self {
        Self { messages: VecDeque::new(), bytes: 0, most }
    }

    /// One message may cross the bound.
    fn has_room(&self) -> bool {
        self.messages.is_empty() || self.bytes < self.most
    }

    fn push(&mut self, message: Message) {
        self.bytes = self.bytes.saturating_add(weight(&message));
        self.messages.push_back(message);
    }

    fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes = self.bytes.saturating_sub(weight(&message));
        Some(message)
    }

    fn clear(&mut self) -> usize {
        let count = self.messages.len();
        self.messages.clear();
        self.bytes = 0;
        count
    }
}

fn weight(message: &Message) -> usize {
    message.len().saturating_add(limits::MESSAGE_OVERHEAD)
}

/// Whether more may be sent.
#[derive(Debug)]
enum Door {
    Open,
    /// A farewell is wanted.
    Closing,
    Over(Ended),
}

/// Whether what left the queue has left the socket too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    Flushed,
    Unflushed,
}

#[derive(Debug)]
struct Inside {
    outgoing: Queue,
    wire: Wire,
    incoming: Queue,
    orders: Vec<Order>,
    door: Door,
    id: Option<String>,
    subprotocol: Option<String>,
    driver: Option<Waker>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The common part. No lock is held while anything is waited for.
#[derive(Debug)]
pub(super) struct Shared(Mutex<Inside>);

impl Shared {
    pub(super) fn new(queue_bytes: usize) -> Self {
        Self(Mutex::new(Inside {
            outgoing: Queue::new(queue_bytes),
            wire: Wire::Flushed,
            incoming: Queue::new(limits::INBOX_BYTES),
            orders: Vec::new(),
            door: Door::Open,
            id: None,
            subprotocol: None,
            driver: None,
            reader: None,
            writer: None,
        }))
    }

    /// Nothing panics while it is held; what it guards is whole at any time.
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // The application's side.

    pub(super) fn order(&self, order: Order) {
        let mut inside = self.lock();
        let kind = core::mem::discriminant(&order);
        if order.is_farewell() && matches!(inside.door, Door::Open) {
            inside.door = Door::Closing;
        }
        if !inside.orders.iter().any(|other| core::mem::discriminant(other) == kind) {
            inside.orders.push(order);
        }
        wake(&mut inside.driver);
    }

    pub(super) fn push(&self, message: Message) -> Result<(), Error> {
        let mut inside = self.lock();
        inside.may_send()?;
        inside.outgoing.push(message);
        wake(&mut inside.driver);
        Ok(())
    }

    pub(super) fn try_push(&self, message: Message) -> Result<(), Error> {
        let mut inside = self.lock();
        inside.may_send()?;
        if !inside.outgoing.has_room() {
            return Err(Error::QueueFull);
        }
        inside.outgoing.push(message);
        wake(&mut inside.driver);
        Ok(())
    }

    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        let mut inside = self.lock();
        inside.may_send()?;
        if inside.outgoing.has_room() {
            return Poll::Ready(Ok(()));
        }
        inside.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ready when everything that was sent has been handed to the system.
    pub(super) fn poll_flushed(&self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        let mut inside = self.lock();
        if let Door::Over(ended) = &inside.door {
            let all = ended.unsent == 0;
            return Poll::Ready(if all { Ok(()) } else { Err(Error::Ended(ended.clone())) });
        }
        if inside.outgoing.messages.is_empty() && inside.wire == Wire::Flushed {
            return Poll::Ready(Ok(()));
        }
        inside.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn poll_over(&self, cx: &Context<'_>) -> Poll<Ended> {
        let mut inside = self.lock();
        if let Door::Over(ended) = &inside.door {
            return Poll::Ready(ended.clone());
        }
        inside.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The next message, or how it ended.
    pub(super) fn poll_incoming(&self, cx: &Context<'_>) -> Poll<Result<Message, Ended>> {
        let mut inside = self.lock();
        let was_full = !inside.incoming.has_room();
        if let Some(message) = inside.incoming.pop() {
            if was_full {
                wake(&mut inside.driver);
            }
            return Poll::Ready(Ok(message));
        }
        if let Door::Over(ended) = &inside.door {
            return Poll::Ready(Err(ended.clone()));
        }
        inside.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        match &self.lock().door {
            Door::Over(ended) => Some(ended.clone()),
            Door::Open | Door::Closing => None,
        }
    }

    pub(super) fn id(&self) -> Option<String> {
        self.lock().id.clone()
    }

    pub(super) fn subprotocol(&self) -> Option<String> {
        self.lock().subprotocol.clone()
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.lock().outgoing.bytes
    }

    // The driver's side.

    /// The next order. Without one, the driver is woken by whatever the application does.
    pub(super) fn next_order(&self, cx: &Context<'_>) -> Option<Order> {
        let mut inside = self.lock();
        if inside.orders.is_empty() {
            inside.driver = Some(cx.waker().clone());
            return None;
        }
        Some(inside.orders.remove(0))
    }

    /// The next message to send. It leaves the queue before it is sent: it never goes twice.
    pub(super) fn pop(&self) -> Option<Message> {
        let mut inside = self.lock();
        let message = inside.outgoing.pop()?;
        inside.wire = Wire::Unflushed;
        if inside.outgoing.has_room() {
            wake(&mut inside.writer);
        }
        Some(message)
    }

    /// Everything that left the queue has left the socket, or never will.
    pub(super) fn flushed(&self) {
        let mut inside = self.lock();
        if inside.wire == Wire::Unflushed {
            inside.wire = Wire::Flushed;
            wake(&mut inside.writer);
        }
    }

    /// Drops what waits to be sent.
    pub(super) fn forget(&self) {
        let mut inside = self.lock();
        inside.outgoing.clear();
        wake(&mut inside.writer);
    }

    pub(super) fn has_outgoing(&self) -> bool {
        !self.lock().outgoing.messages.is_empty()
    }

    pub(super) fn has_inbox_room(&self) -> bool {
        self.lock().incoming.has_room()
    }

    pub(super) fn deliver(&self, message: Message) {
        let mut inside = self.lock();
        inside.incoming.push(message);
        wake(&mut inside.reader);
    }

    pub(super) fn chosen(&self, subprotocol: Option<String>) {
        self.lock().subprotocol = subprotocol;
    }

    pub(super) fn named(&self, id: Option<String>) {
        self.lock().id = id;
    }

    /// It is over. What waits to be sent is dropped and counted.
    pub(super) fn finish(&self, mut ended: Ended) -> Ended {
        let mut inside = self.lock();
        ended.unsent = inside.outgoing.clear();
        inside.wire = Wire::Flushed;
        inside.door = Door::Over(ended.clone());
        wake(&mut inside.reader);
        wake(&mut inside.writer);
        ended
    }
}

impl Inside {
    fn may_send(&self) -> Result<(), Error> {
        match &self.door {
            Door::Open => Ok(()),
            Door::Closing => Err(Error::Closing),
            Door::Over(ended) => Err(Error::Ended(ended.clone())),
        }
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_that_insists_does_not_fill_the_memory() {
        let shared = Shared::new(0);
        for _ in 0..1000 {
            shared.order(Order::Refresh);
            shared.order(Order::Online);
            shared.order(Order::Close(1000, String::new()));
        }
        let cx = Context::from_waker(Waker::noop());
        let orders: Vec<_> = core::iter::from_fn(|| shared.next_order(&cx)).collect();
        let once = [Order::Refresh, Order::Online, Order::Close(1000, String::new())];
        assert_eq!(orders, once);
    }
}
