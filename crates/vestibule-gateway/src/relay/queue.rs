//! Bytes that the other side would not take. While there are any, their sender is not read: there
//! are never more than one read brought, and a little of ours.

/// Taken from the front, appended at the back; holds no memory when empty.
#[derive(Debug, Default)]
pub(super) struct Queue {
    bytes: Vec<u8>,
    start: usize,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.start >= self.bytes.len()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// What waits.
    pub(super) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The first `count` bytes have gone.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.bytes.len().min(self.start + count);
        if self.is_empty() {
            self.clear();
        }
    }

    /// Forgets all but the first `count` bytes.
    pub(super) fn truncate(&mut self, count: usize) {
        self.bytes.truncate(self.start + count);
        if self.is_empty() {
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_gone_is_not_seen_again_and_an_empty_one_holds_nothing() {
        let mut queue = Queue::default();
        queue.push(b"abcdef");
        queue.consume(2);
        queue.push(b"g");
        assert_eq!((queue.waiting(), queue.len()), (b"cdefg".as_slice(), 5));
        queue.truncate(1);
        assert_eq!(queue.waiting(), b"c");
        queue.consume(9);
        assert!(queue.is_empty());
        assert_eq!(queue.bytes.capacity(), 0);
    }
}
