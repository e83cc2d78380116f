//! Deadlines of many connections, one each: setting, moving and clearing one costs the same however
//! many there are, and nothing is left behind by connections that end early.
//!
//! A hierarchical timing wheel. The slots are lists through the nodes, which lie side by side and
//! have the numbers of the connections' places in the slab.

use std::time::Duration;

use vestibule_core::time::Mono;

/// A tick is 2^12 microseconds: a deadline comes up to 4.1 ms late, never early.
const TICK_BITS: u32 = 12;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// Six levels of 64 slots: what lies beyond them is nine years away, and never comes.
const LEVELS: usize = 6;
const HORIZON: u64 = 1 << 36;

const NOBODY: u32 = u32::MAX;

/// A slot of a level, or the list of those that are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    None,
    Due,
    Slot(u8, u8),
}

#[derive(Clone, Copy, Debug)]
struct Node {
    tick: u64,
    next: u32,
    previous: u32,
    list: List,
}

impl Node {
    const IDLE: Self = Self { tick: 0, next: NOBODY, previous: NOBODY, list: List::None };
}

#[derive(Clone, Copy, Debug)]
struct Level {
    occupied: u64,
    heads: [u32; SLOTS],
}

/// The deadlines.
#[derive(Debug)]
pub(super) struct Wheel {
    nodes: Vec<Node>,
    levels: [Level; LEVELS],
    due: u32,
    elapsed: u64,
}

impl Wheel {
    /// Without a deadline.
    pub(super) fn new() -> Self {
        let level = Level { occupied: 0, heads: [NOBODY; SLOTS] };
        Self { nodes: Vec::new(), levels: [level; LEVELS], due: NOBODY, elapsed: 0 }
    }

    /// Sets or moves a deadline.
    pub(super) fn set(&mut self, index: u32, at: Mono) {
        self.clear(index);
        let tick = at.as_micros().div_ceil(1 << TICK_BITS);
        if tick >= HORIZON {
            return;
        }
        let Ok(place) = usize::try_from(index) else { return };
        if place >= self.nodes.len() {
            self.nodes.resize(place + 1, Node::IDLE);
        }
        if let Some(node) = self.nodes.get_mut(place) {
            node.tick = tick;
        }
        self.link(index, tick);
    }

    /// Forgets a deadline, if there is one.
    pub(super) fn clear(&mut self, index: u32) {
        let Some(&Node { next, previous, list, .. }) = self.node(index) else { return };
        if list == List::None {
            return;
        }
        if let Some(next) = self.node_mut(next) {
            next.previous = previous;
        }
        match self.node_mut(previous) {
            Some(previous) => previous.next = next,
            None => self.set_head(list, next),
        }
        if let Some(node) = self.node_mut(index) {
            *node = Node { tick: node.tick, ..Node::IDLE };
        }
    }

    /// Takes out one deadline that has passed. Call again until there is none.
    pub(super) fn pop(&mut self, now: Mono) -> Option<u32> {
        let now = now.as_micros() >> TICK_BITS;
        loop {
            if self.due != NOBODY {
                let index = self.due;
                self.clear(index);
                return Some(index);
            }
            match self.earliest() {
                Some((level, slot, tick)) if tick <= now => {
                    self.elapsed = self.elapsed.max(tick);
                    self.empty(level, slot);
                }
                Some(_) | None => {
                    self.elapsed = self.elapsed.max(now);
                    return None;
                }
            }
        }
    }

    /// When to call [`Wheel::pop`] again; `None` where nothing is set.
    pub(super) fn next(&self) -> Option<Mono> {
        if self.due != NOBODY {
            return Some(Mono::START);
        }
        let (_, _, tick) = self.earliest()?;
        Some(Mono::since_start(Duration::from_micros(tick << TICK_BITS)))
    }

    /// The first occupied slot, and where its time begins. A level holds what differs from the
    /// present first in its own six bits, so that the lowest is always the nearest, and within a
    /// level no slot lies behind.
    fn earliest(&self) -> Option<(u8, u8, u64)> {
        for (number, level) in (0..).zip(&self.levels) {
            if level.occupied != 0 {
                let slot = level.occupied.trailing_zeros();
                let shift = u32::from(number) * SLOT_BITS;
                let above = self.elapsed >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
                let slot = u8::try_from(slot).unwrap_or(0);
                return Some((number, slot, above | (u64::from(slot) << shift)));
            }
        }
        None
    }

    /// The time of a slot has come: its nodes are due, or go down a level.
    fn empty(&mut self, level: u8, slot: u8) {
        let list = List::Slot(level, slot);
        let mut index = self.head(list);
        self.set_head(list, NOBODY);
        while let Some(&Node { next, tick, .. }) = self.node(index) {
            self.link(index, tick);
            index = next;
        }
    }

    fn link(&mut self, index: u32, tick: u64) {
        let list = self.list_for(tick);
        let head = self.head(list);
        if let Some(next) = self.node_mut(head) {
            next.previous = index;
        }
        if let Some(node) = self.node_mut(index) {
            *node = Node { tick, next: head, previous: NOBODY, list };
        }
        self.set_head(list, index);
    }

    fn list_for(&self, tick: u64) -> List {
        if tick <= self.elapsed {
            return List::Due;
        }
        let level = (tick ^ self.elapsed).ilog2() / SLOT_BITS;
        let slot = (tick >> (level * SLOT_BITS)) & ((1 << SLOT_BITS) - 1);
        match (u8::try_from(level), u8::try_from(slot)) {
            (Ok(level), Ok(slot)) => List::Slot(level, slot),
            (_, _) => List::Due,
        }
    }

    fn head(&self, list: List) -> u32 {
        match list {
            List::None => NOBODY,
            List::Due => self.due,
            List::Slot(level, slot) => {
                let level = self.levels.get(usize::from(level));
                level.and_then(|level| level.heads.get(usize::from(slot))).map_or(NOBODY, |&at| at)
            }
        }
    }

    fn set_head(&mut self, list: List, index: u32) {
        match list {
            List::None => {}
            List::Due => self.due = index,
            List::Slot(level, slot) => {
                let Some(level) = self.levels.get_mut(usize::from(level)) else { return };
                if let Some(head) = level.heads.get_mut(usize::from(slot)) {
                    *head = index;
                }
                let bit = 1 << slot;
                level.occupied =
                    if index == NOBODY { level.occupied & !bit } else { level.occupied | bit };
            }
        }
    }

    fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(usize::try_from(index).ok()?)
    }

    fn node_mut(&mut self, index: u32) -> Option<&mut Node> {
        self.nodes.get_mut(usize::try_from(index).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Do {
        Set(u32, u64),
        Clear(u32),
        Wait(u64),
    }

    fn any_step() -> impl Strategy<Value = Do> {
        // Each order of magnitude is as likely as the others: deadlines from now to never, waits of
        // up to two weeks.
        let span =
            |bits| (0_u32..bits, any::<u64>()).prop_map(|(bits, noise)| noise & ((1 << bits) - 1));
        prop_oneof![
            (0_u32..20, span(50)).prop_map(|(index, span)| Do::Set(index, span)),
            (0_u32..20).prop_map(Do::Clear),
            span(40).prop_map(Do::Wait),
        ]
    }

    fn at(micros: u64) -> Mono {
        Mono::since_start(Duration::from_micros(micros))
    }

    proptest! {
        #[test]
        fn it_does_what_a_list_would_do(script in prop::collection::vec(any_step(), 1..80)) {
            let (mut wheel, mut list, mut now) = (Wheel::new(), BTreeMap::new(), 0);
            for step in script {
                match step {
                    Do::Set(index, span) => {
                        wheel.set(index, at(now + span));
                        list.insert(index, now + span);
                    }
                    Do::Clear(index) => {
                        wheel.clear(index);
                        list.remove(&index);
                    }
                    Do::Wait(span) => {
                        now += span;
                        while let Some(index) = wheel.pop(at(now)) {
                            let due = list.remove(&index);
                            prop_assert!(due.is_some_and(|due| due <= now), "{due:?} at {now}");
                        }
                        let late = now.saturating_sub(1 << TICK_BITS);
                        prop_assert!(list.values().all(|&due| due > late), "{list:?} at {now}");
                    }
                }
                let first = list.values().min().copied();
                match wheel.next() {
                    Some(next) => prop_assert!(
                        next <= at(first.unwrap_or(0).max(now) + (1 << TICK_BITS))
                    ),
                    None => prop_assert!(
                        first.is_none_or(|first| first.div_ceil(1 << TICK_BITS) >= HORIZON)
                    ),
                }
            }
        }
    }

    #[test]
    fn sleeping_until_it_says_reaches_every_deadline_in_few_steps() {
        let mut wheel = Wheel::new();
        let due: u64 = 30 * 24 * 3600 * 1_000_000;
        wheel.set(7, at(due));
        let mut steps = 0;
        while let Some(next) = wheel.next() {
            steps += 1;
            if let Some(index) = wheel.pop(next) {
                assert_eq!(index, 7);
                assert!(next >= at(due) && next <= at(due + (1 << TICK_BITS)));
            }
        }
        assert!(steps <= LEVELS, "{steps}");
    }

    #[test]
    fn a_deadline_costs_three_words() {
        assert_eq!(size_of::<Node>(), 24);
    }
}
