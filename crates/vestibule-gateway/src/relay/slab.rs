//! Where the records are: a place is used again, a key is not.

/// Names one connection of one relay, for ever: when it is over, the key hits nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    index: u32,
    generation: u32,
}

/// Boxed values under keys. A value can be taken out while it is worked on, so that nothing is
/// borrowed meanwhile, and put back into its place.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    retired: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    value: Option<Box<T>>,
}

impl<T> Slab<T> {
    /// Puts a value into a free place: its key, and the place.
    pub(super) fn insert(&mut self, value: T) -> (Key, u32) {
        let value = Some(Box::new(value));
        self.len += 1;
        if let Some(index) = self.free.pop()
            && let Some(place) = self.place_mut(index)
        {
            place.value = value;
            return (Key { index, generation: place.generation }, index);
        }
        // There are fewer descriptors than that.
        let index = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(Place { generation: 0, value });
        (Key { index, generation: 0 }, index)
    }

    /// Takes a value out, to be put back or removed.
    pub(super) fn take(&mut self, index: u32) -> Option<(Key, Box<T>)> {
        let place = self.place_mut(index)?;
        let key = Key { index, generation: place.generation };
        place.value.take().map(|value| (key, value))
    }

    /// Puts a value back.
    pub(super) fn put(&mut self, key: Key, value: Box<T>) {
        if let Some(place) = self.place_mut(key.index) {
            place.value = Some(value);
        }
    }

    /// Frees the place of a value that was taken out. It is used again after [`Slab::recycle`].
    pub(super) fn remove(&mut self, key: Key) {
        if let Some(place) = self.place_mut(key.index) {
            place.value = None;
            place.generation = place.generation.wrapping_add(1);
            self.retired.push(key.index);
            self.len -= 1;
        }
    }

    /// Lets places be used again: nothing that still names them by index alone is on its way.
    pub(super) fn recycle(&mut self) {
        self.free.append(&mut self.retired);
    }

    /// Where a key's value is, if it still is.
    pub(super) fn index(&self, key: Key) -> Option<u32> {
        let place = self.places.get(usize::try_from(key.index).ok()?)?;
        (place.generation == key.generation).then_some(key.index)
    }

    /// Shows every value that is in its place.
    pub(super) fn each(&self, show: &mut dyn FnMut(Key, &T)) {
        for (index, place) in (0..).zip(&self.places) {
            if let Some(value) = &place.value {
                show(Key { index, generation: place.generation }, value);
            }
        }
    }

    /// Shows the values in `most` places from one on, and where to go on; `None` behind the last.
    pub(super) fn some(&self, from: u32, most: u32, show: &mut dyn FnMut(Key, &T)) -> Option<u32> {
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        let count = usize::try_from(most).unwrap_or(usize::MAX);
        for (index, place) in (from..).zip(self.places.iter().skip(skip).take(count)) {
            if let Some(value) = &place.value {
                show(Key { index, generation: place.generation }, value);
            }
        }
        let next = from.saturating_add(most);
        (usize::try_from(next).unwrap_or(usize::MAX) < self.places.len()).then_some(next)
    }

    /// The value of a key, if it is in its place.
    pub(super) fn get(&self, key: Key) -> Option<&T> {
        let place = self.places.get(usize::try_from(key.index).ok()?)?;
        place.value.as_deref().filter(|_| place.generation == key.generation)
    }

    /// How many values there are, those included that are taken out.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn place_mut(&mut self, index: u32) -> Option<&mut Place<T>> {
        self.places.get_mut(usize::try_from(index).ok()?)
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), retired: Vec::new(), len: 0 }
    }
}
