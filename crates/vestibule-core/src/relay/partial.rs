//! A header that comes in pieces.

use crate::{
    rejection::Rejection,
    wire::frame::{HEADER_BYTES, Header, Sender},
};

/// The bytes of a header so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Partial {
    bytes: [u8; HEADER_BYTES],
    len: u8,
}

impl Partial {
    /// What is there.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Takes what belongs to the header from the front of `rest`: the header, and how many bytes
    /// that was. `None` where all of `rest` was taken, and more is needed.
    pub(super) fn complete(
        &mut self,
        rest: &[u8],
        sender: Sender,
    ) -> Result<Option<(Header, usize)>, Rejection> {
        if self.len == 0
            && let Some(header) = Header::parse(rest, sender)?
        {
            return Ok(Some((header, header.size)));
        }
        let before = usize::from(self.len);
        for (place, byte) in self.bytes.iter_mut().skip(before).zip(rest) {
            *place = *byte;
            self.len += 1;
        }
        let Some(header) = Header::parse(self.bytes(), sender)? else { return Ok(None) };
        self.len = 0;
        Ok(Some((header, header.size - before)))
    }
}
