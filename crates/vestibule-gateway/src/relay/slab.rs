//! Where the records are: a place is used again, a key is not.

use std::{
    cell::{Cell, RefCell, RefMut},
    rc::Rc,
};

/// Places that are allocated together. Few connections should not cost much, and long-lived
/// allocations that lie between those of handshakes keep the allocator from giving memory back: the
/// larger a chunk, the fewer there are.
const CHUNK: u32 = 64;

/// Names one connection of one relay, for ever: when it is over, the key hits nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    index: u32,
    generation: u32,
}

/// Values under keys, side by side. A value is worked on where it lies; the slab itself is not
/// borrowed meanwhile.
#[derive(Debug)]
pub(super) struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    free: Vec<u32>,
    retired: Vec<u32>,
    len: usize,
}

type Chunk<T> = Rc<[Place<T>]>;

#[derive(Debug)]
struct Place<T> {
    generation: Cell<u32>,
    value: RefCell<Option<T>>,
}

/// The place of a value, which stays valid while the slab changes.
#[derive(Debug)]
pub(super) struct Spot<T> {
    chunk: Chunk<T>,
    index: u32,
}

impl<T> Spot<T> {
    /// The value, unless it is worked on already or has gone.
    pub(super) fn open(&self) -> Option<RefMut<'_, T>> {
        let value = place(&self.chunk, self.index)?.value.try_borrow_mut().ok()?;
        RefMut::filter_map(value, Option::as_mut).ok()
    }

    /// Whether no value is there.
    pub(super) fn is_empty(&self) -> bool {
        let place = place(&self.chunk, self.index);
        place.is_none_or(|place| place.value.try_borrow().is_ok_and(|value| value.is_none()))
    }

    /// The number of the place.
    pub(super) fn index(&self) -> u32 {
        self.index
    }

    /// Its key.
    pub(super) fn key(&self) -> Key {
        let generation = place(&self.chunk, self.index).map_or(0, |place| place.generation.get());
        Key { index: self.index, generation }
    }
}

impl<T> Slab<T> {
    /// Keeps a free place for a value. It is put there ([`Slab::fill`]), or the place is given back
    /// ([`Slab::vacate`]).
    pub(super) fn keep(&mut self) -> u32 {
        if self.free.is_empty() {
            self.grow();
        }
        // There is one now.
        self.free.pop().unwrap_or(u32::MAX)
    }

    /// Puts a value into a place that was kept for it.
    pub(super) fn fill(&mut self, index: u32, value: T) -> Key {
        let place = self.chunk(index).and_then(|chunk| place(chunk, index));
        let Some(place) = place else { return Key { index, generation: 0 } };
        place.value.replace(Some(value));
        let key = Key { index, generation: place.generation.get() };
        self.len += 1;
        key
    }

    /// Gives a place back that was kept, and not filled. It is used again after [`Slab::recycle`].
    pub(super) fn vacate(&mut self, index: u32) {
        self.retired.push(index);
    }

    /// The place of this number.
    pub(super) fn spot(&self, index: u32) -> Option<Spot<T>> {
        self.chunk(index).map(|chunk| Spot { chunk: Rc::clone(chunk), index })
    }

    /// Where a key's value is, if it still is.
    pub(super) fn find(&self, key: Key) -> Option<Spot<T>> {
        self.spot(key.index).filter(|spot| spot.key() == key)
    }

    /// Takes a value out for ever. Its place is used again after [`Slab::recycle`].
    pub(super) fn remove(&mut self, spot: &Spot<T>) -> Option<T> {
        let place = place(&spot.chunk, spot.index)?;
        let value = place.value.try_borrow_mut().ok()?.take()?;
        place.generation.set(place.generation.get().wrapping_add(1));
        self.retired.push(spot.index);
        self.len -= 1;
        Some(value)
    }

    /// Lets places be used again: nothing that still names them by index alone is on its way.
    pub(super) fn recycle(&mut self) {
        self.free.append(&mut self.retired);
    }

    /// Shows every value that is not being worked on.
    pub(super) fn each(&self, show: &mut dyn FnMut(Key, &T)) {
        for (index, place) in (0..).zip(self.chunks.iter().flat_map(|chunk| chunk.iter())) {
            if let Ok(value) = place.value.try_borrow()
                && let Some(value) = &*value
            {
                show(Key { index, generation: place.generation.get() }, value);
            }
        }
    }

    /// Shows the values in `most` places from one on that are not being worked on, and where to go
    /// on; `None` behind the last.
    pub(super) fn some(&self, from: u32, most: u32, show: &mut dyn FnMut(Key, &T)) -> Option<u32> {
        let next = from.saturating_add(most);
        for index in from..next {
            let place = place(self.chunk(index)?, index)?;
            if let Ok(value) = place.value.try_borrow()
                && let Some(value) = &*value
            {
                show(Key { index, generation: place.generation.get() }, value);
            }
        }
        self.chunk(next).map(|_| next)
    }

    /// Looks at the value of a key, if it is still there and not being worked on.
    pub(super) fn with<R>(&self, key: Key, look: impl FnOnce(&T) -> R) -> Option<R> {
        let place = place(self.chunk(key.index)?, key.index)?;
        let value = place.value.try_borrow().ok()?;
        value.as_ref().filter(|_| place.generation.get() == key.generation).map(look)
    }

    /// How many values there are, those included that are worked on.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn chunk(&self, index: u32) -> Option<&Chunk<T>> {
        self.chunks.get(usize::try_from(index / CHUNK).ok()?)
    }

    fn grow(&mut self) {
        // There are fewer descriptors than that.
        let number = u32::try_from(self.chunks.len()).unwrap_or(u32::MAX / CHUNK);
        let first = number.saturating_mul(CHUNK);
        self.chunks.push(chunk());
        self.free.extend((first..first.saturating_add(CHUNK)).rev());
    }
}

fn chunk<T>() -> Chunk<T> {
    (0..CHUNK).map(|_| Place { generation: Cell::new(0), value: RefCell::new(None) }).collect()
}

fn place<T>(chunk: &Chunk<T>, index: u32) -> Option<&Place<T>> {
    chunk.get(usize::try_from(index % CHUNK).ok()?)
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), retired: Vec::new(), len: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<T> Slab<T> {
        fn insert(&mut self, value: T) -> Spot<T> {
            let index = self.keep();
            let key = self.fill(index, value);
            self.find(key).unwrap()
        }
    }

    #[test]
    fn a_key_hits_nobody_when_its_value_has_gone() {
        let mut slab = Slab::default();
        let spot = slab.insert("a");
        let key = spot.key();
        assert_eq!(slab.remove(&spot), Some("a"));
        assert_eq!(slab.remove(&spot), None);
        slab.recycle();
        let again = slab.insert("b");
        assert_eq!((again.index, slab.len()), (key.index, 1));
        assert!(slab.find(key).is_none());
        assert_eq!(slab.find(again.key()).and_then(|spot| spot.open().map(|it| *it)), Some("b"));
    }

    #[test]
    fn a_place_is_not_used_again_before_its_edges_have_been_seen_to() {
        let mut slab = Slab::default();
        let spot = slab.insert(1);
        slab.remove(&spot);
        assert_ne!(slab.insert(2).index, spot.index);
        slab.recycle();
        assert_eq!(slab.insert(3).index, spot.index);
    }

    #[test]
    fn a_place_that_was_kept_for_nobody_is_used_again() {
        let mut slab: Slab<u8> = Slab::default();
        let index = slab.keep();
        assert_ne!(slab.keep(), index);
        slab.vacate(index);
        slab.recycle();
        assert_eq!((slab.keep(), slab.len()), (index, 0));
    }

    #[test]
    fn a_value_that_is_worked_on_is_neither_shown_nor_opened_twice_and_the_slab_may_grow() {
        let mut slab = Slab::default();
        let spot = slab.insert(0);
        let open = spot.open();
        for number in 1..=200 {
            slab.insert(number);
        }
        assert!(slab.spot(spot.index).is_some_and(|same| same.open().is_none()));
        assert_eq!(slab.remove(&spot), None);
        let mut shown = Vec::new();
        slab.each(&mut |_, value| shown.push(*value));
        assert_eq!(shown, (1..=200).collect::<Vec<_>>());
        drop(open);
        assert_eq!(slab.remove(&spot), Some(0));
        assert_eq!(slab.len(), 200);
    }
}
