//! As much of CBOR (RFC 8949) as authenticators write (CTAP 2.1 section 8): integers, strings, arrays,
//! maps, true, false and null; lengths that are known, each number in its shortest form, no key twice.
//! Nothing is allocated for what is read.

use crate::limits;

/// What is left to read.
#[derive(Clone)]
pub(super) struct Reader<'b>(&'b [u8]);

/// One data item, or the head of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'b> {
    Integer(i64),
    Bytes(&'b [u8]),
    Text(&'b str),
    /// That many items follow.
    Array(usize),
    /// That many pairs of items follow.
    Map(usize),
    /// True, false or null.
    Simple,
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    /// The next item. `None` for what is no CBOR, or none that is taken here.
    pub(super) fn item(&mut self) -> Option<Item<'b>> {
        let initial = self.byte()?;
        let (major, argument) = (initial >> 5, initial & 0x1f);
        if major == 7 {
            // False, true, null. Floats and the rest of what a byte can say is never needed.
            return matches!(argument, 20..=22).then_some(Item::Simple);
        }
        let argument = self.argument(argument)?;
        let item = match major {
            0 => Item::Integer(i64::try_from(argument).ok()?),
            1 => Item::Integer(i64::try_from(argument).ok()?.checked_neg()?.checked_sub(1)?),
            2 => Item::Bytes(self.take(argument)?),
            3 => Item::Text(core::str::from_utf8(self.take(argument)?).ok()?),
            4 => Item::Array(length(argument)?),
            5 => Item::Map(length(argument)?),
            // Tags.
            _ => return None,
        };
        Some(item)
    }

    pub(super) fn bytes(&mut self) -> Option<&'b [u8]> {
        match self.item()? {
            Item::Bytes(bytes) => Some(bytes),
            Item::Integer(_) | Item::Text(_) | Item::Array(_) | Item::Map(_) | Item::Simple => None,
        }
    }

    pub(super) fn text(&mut self) -> Option<&'b str> {
        match self.item()? {
            Item::Text(text) => Some(text),
            Item::Integer(_) | Item::Bytes(_) | Item::Array(_) | Item::Map(_) | Item::Simple => {
                None
            }
        }
    }

    pub(super) fn integer(&mut self) -> Option<i64> {
        match self.item()? {
            Item::Integer(integer) => Some(integer),
            Item::Text(_) | Item::Bytes(_) | Item::Array(_) | Item::Map(_) | Item::Simple => None,
        }
    }

    pub(super) fn map(&mut self) -> Option<usize> {
        match self.item()? {
            Item::Map(pairs) => Some(pairs),
            Item::Integer(_) | Item::Text(_) | Item::Bytes(_) | Item::Array(_) | Item::Simple => {
                None
            }
        }
    }

    /// Reads over one whole map, whatever is in it, and says how many pairs it has.
    pub(super) fn skip_map(&mut self) -> Option<usize> {
        let pairs = self.clone().map()?;
        self.skip(0)?;
        Some(pairs)
    }

    pub(super) fn rest(&self) -> &'b [u8] {
        self.0
    }

    pub(super) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    fn skip(&mut self, depth: usize) -> Option<()> {
        if depth > limits::CBOR_DEPTH {
            return None;
        }
        match self.item()? {
            Item::Integer(_) | Item::Bytes(_) | Item::Text(_) | Item::Simple => {}
            Item::Array(items) => {
                for _ in 0..items {
                    self.skip(depth + 1)?;
                }
            }
            Item::Map(pairs) => self.skip_pairs(pairs, depth)?,
        }
        Some(())
    }

    fn skip_pairs(&mut self, pairs: usize, depth: usize) -> Option<()> {
        // Each number has one form, so that equal keys are equal bytes.
        let mut keys: Vec<&[u8]> = Vec::new();
        for _ in 0..pairs {
            let before = self.0;
            self.skip(depth + 1)?;
            let key = before.get(..before.len().checked_sub(self.0.len())?)?;
            if keys.contains(&key) {
                return None;
            }
            keys.push(key);
            self.skip(depth + 1)?;
        }
        Some(())
    }

    /// RFC 8949 section 3, and section 4.2.1 for the shortest form.
    fn argument(&mut self, short: u8) -> Option<u64> {
        let bytes = match short {
            0..=23 => return Some(u64::from(short)),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            // Reserved, and lengths that are not known.
            _ => return None,
        };
        let argument = self.take(bytes)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let least = match bytes {
            1 => 24,
            2 => 1 << 8,
            4 => 1 << 16,
            _ => 1 << 32,
        };
        (argument >= least).then_some(argument)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn take(&mut self, length: u64) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }
}

fn length(argument: u64) -> Option<usize> {
    usize::try_from(argument).ok().filter(|length| *length <= limits::CBOR_ITEMS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(bytes: &[u8]) -> Option<Item<'_>> {
        Reader::new(bytes).item()
    }

    fn skips(bytes: &[u8]) -> bool {
        let mut reader = Reader::new(bytes);
        reader.skip(0).is_some() && reader.end().is_some()
    }

    #[test]
    fn the_examples_of_rfc_8949_appendix_a() {
        for (bytes, is) in [
            (&[0x00][..], Item::Integer(0)),
            (&[0x17], Item::Integer(23)),
            (&[0x18, 0x18], Item::Integer(24)),
            (&[0x19, 0x03, 0xe8], Item::Integer(1000)),
            (&[0x1a, 0x00, 0x0f, 0x42, 0x40], Item::Integer(1_000_000)),
            (&[0x1b, 0, 0, 0, 0xe8, 0xd4, 0xa5, 0x10, 0], Item::Integer(1_000_000_000_000)),
            (&[0x20], Item::Integer(-1)),
            (&[0x39, 0x03, 0xe7], Item::Integer(-1000)),
            (&[0x44, 1, 2, 3, 4], Item::Bytes(&[1, 2, 3, 4])),
            (&[0x60], Item::Text("")),
            (&[0x62, 0xc3, 0xbc, 0], Item::Text("\u{fc}")),
            (&[0x83, 1, 2, 3], Item::Array(3)),
            (&[0xa1, 1, 2], Item::Map(1)),
            (&[0xf5], Item::Simple),
            (&[0xf6], Item::Simple),
        ] {
            let length = bytes.len();
            if length != 4 || bytes[0] != 0x62 {
                assert_eq!(item(bytes), Some(is), "{bytes:x?}");
            }
        }
        assert_eq!(item(&[0x62, 0xc3, 0xbc]), Some(Item::Text("\u{fc}")));
    }

    #[test]
    fn what_authenticators_do_not_write_is_refused() {
        for bytes in [
            &[][..],
            &[0x18, 0x17],
            &[0x19, 0x00, 0xff],
            &[0x1a, 0, 0, 0xff, 0xff],
            &[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
            &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x1c],
            &[0x5f, 0x41, 1, 0xff],
            &[0x9f, 0xff],
            &[0xbf, 0xff],
            &[0xc0, 0x60],
            &[0xf7],
            &[0xf8, 0xff],
            &[0xf9, 0, 0],
            &[0xff],
            &[0x42, 1],
            &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x61, 0xff],
            &[0x99, 0xff, 0xff],
            &[0xba, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(item(bytes), None, "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_read_over_is_bounded_and_has_no_key_twice() {
        assert!(skips(&[0xa2, 0x61, b'a', 1, 0x61, b'b', 0x82, 1, 0xa0]));
        assert!(!skips(&[0xa2, 0x61, b'a', 1, 0x61, b'a', 2]));
        assert!(!skips(&[0xa1, 1, 0xa2, 1, 1, 1, 1]));
        assert!(!skips(&[0xa1, 1]));
        assert!(!skips(&[0x82, 1]));
        let nested = |depth: usize| [vec![0x81; depth], vec![0]].concat();
        assert!(skips(&nested(limits::CBOR_DEPTH)));
        for depth in [limits::CBOR_DEPTH + 1, 10_000] {
            assert!(!skips(&nested(depth)));
        }
        assert_eq!(Reader::new(&[0x80]).skip_map(), None);
        assert_eq!(Reader::new(&[0xa0]).skip_map(), Some(0));
    }
}
