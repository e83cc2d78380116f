//! The data types of SSH (RFC 4251 section 5), read strictly.

/// What is left to read.
pub(super) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn exactly(&mut self, bytes: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(bytes)?;
        Some(())
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    pub(super) fn string(&mut self) -> Option<&'b [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        let (string, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(string)
    }

    /// A positive `mpint` in exactly one spelling, as big-endian bytes of full length.
    pub(super) fn scalar(&mut self) -> Option<[u8; 32]> {
        let digits = match self.string()? {
            // Zero, and negative numbers.
            [] | [0x80..=0xff, ..] => return None,
            // The sign octet, only where it is needed.
            [0, digits @ ..] if digits.first().is_some_and(|first| *first >= 0x80) => digits,
            [0, ..] => return None,
            digits => digits,
        };
        let mut out = [0; 32];
        let start = out.len().checked_sub(digits.len())?;
        out.get_mut(start..)?.copy_from_slice(digits);
        Some(out)
    }

    pub(super) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Appends a `string`; nothing for one of more than four gigabytes, which nobody has.
pub(super) fn push_string(out: &mut Vec<u8>, string: &[u8]) {
    let Ok(length) = u32::try_from(string.len()) else { return };
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(string);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_as_long_as_it_says() {
        let bytes = [0, 0, 0, 2, 7, 8, 9];
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.string(), Some(&[7, 8][..]));
        assert_eq!(reader.string(), None);
        assert_eq!(reader.end(), None);
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 1]).string(), None);
        assert_eq!(Reader::new(&[0, 0, 0]).string(), None);
    }

    #[test]
    fn a_scalar_has_one_spelling() {
        let read = |digits: &[u8]| {
            let mut bytes = Vec::new();
            push_string(&mut bytes, digits);
            Reader::new(&bytes).scalar()
        };
        assert_eq!(read(&[1]).unwrap()[30..], [0, 1]);
        assert_eq!(read(&[0, 0x80]).unwrap()[30..], [0, 0x80]);
        assert_eq!(read(&[&[0][..], &[0xff; 32]].concat()), Some([0xff; 32]));
        for digits in [&[][..], &[0], &[0x80], &[0, 1], &[0, 0, 0x80], &[1; 33], &[0xff; 32]] {
            assert_eq!(read(digits), None, "{digits:?}");
        }
    }
}
