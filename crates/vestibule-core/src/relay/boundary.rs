//! Where a stream stands, for a direction in which nothing is taken out.

use super::{Extensions, Gap, partial::Partial};
use crate::{
    rejection::Rejection,
    wire::frame::{self, Fin, Header, Opcode, Sender},
};

/// Follows one direction of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boundary {
    sender: Sender,
    extensions: Extensions,
    place: Place,
    open: Open,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Header(Partial),
    Payload(u64),
    Close(CloseFrame),
    Closed(Option<u16>),
}

/// Whether a message is open: its first fragment has passed, its last has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    Nothing,
    Message,
}

impl Open {
    /// Whether a data frame may stand here, and what is open behind it.
    pub(super) fn after(self, header: Header) -> Result<Self, Rejection> {
        match (header.opcode, self) {
            (Opcode::Close | Opcode::Ping | Opcode::Pong, open) => return Ok(open),
            (Opcode::Text | Opcode::Binary, Self::Nothing) => {}
            (Opcode::Continuation, Self::Message) => {}
            (Opcode::Text | Opcode::Binary, Self::Message)
            | (Opcode::Continuation, Self::Nothing) => return Err(Rejection::FrameMalformed),
        }
        Ok(match header.fin {
            Fin::Last => Self::Nothing,
            Fin::More => Self::Message,
        })
    }
}

/// How much of a close frame has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseTaken {
    /// Not all of it.
    Part,
    /// All of it, with its code where it has one.
    Whole(Option<u16>),
}

/// A close frame on its way: its code is two bytes that may come one by one.
#[derive(Clone, Copy, Debug)]
pub(super) struct CloseFrame {
    mask: [u8; 4],
    left: u8,
    seen: u8,
    code: [u8; 2],
}

impl CloseFrame {
    pub(super) fn new(header: Header) -> Self {
        let left = u8::try_from(header.length).unwrap_or(u8::MAX);
        Self { mask: header.mask, left, seen: 0, code: [0; 2] }
    }

    /// Takes bytes of the payload: how many, and whether the frame is complete.
    pub(super) fn take(&mut self, rest: &[u8]) -> (usize, CloseTaken) {
        let count = rest.len().min(usize::from(self.left));
        for byte in rest.iter().take(count) {
            if let Some(place) = self.code.get_mut(usize::from(self.seen)) {
                *place = *byte;
            }
            self.seen += 1;
            self.left -= 1;
        }
        (count, if self.left == 0 { CloseTaken::Whole(self.code()) } else { CloseTaken::Part })
    }

    fn code(mut self) -> Option<u16> {
        frame::unmask(&mut self.code, self.mask, 0);
        (self.seen >= 2).then_some(u16::from_be_bytes(self.code))
    }
}

/// What a run of bytes held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// Frames, the last of which may not be complete.
    Open,
    /// A close frame ended after so many bytes; what follows it means nothing.
    Closed(usize, Option<u16>),
}

impl Boundary {
    pub(super) fn new(sender: Sender, extensions: Extensions) -> Self {
        Self { sender, extensions, place: Place::Header(Partial::default()), open: Open::Nothing }
    }

    /// Passes over bytes.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<Run, Rejection> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if let Place::Closed(_) = self.place {
                break;
            }
            let used = self.step(rest)?;
            rest = rest.get(used..).unwrap_or_default();
        }
        Ok(match self.place {
            Place::Closed(code) => Run::Closed(bytes.len() - rest.len(), code),
            Place::Header(_) | Place::Payload(_) | Place::Close(_) => Run::Open,
        })
    }

    /// Passes over the next header, payload, or part of one: at least one byte of those there are,
    /// unless a close frame has ended the stream.
    pub(super) fn step(&mut self, rest: &[u8]) -> Result<usize, Rejection> {
        match &mut self.place {
            Place::Closed(_) => Ok(0),
            Place::Header(partial) => {
                let Some((header, used)) = partial.complete(rest, self.sender)? else {
                    return Ok(rest.len());
                };
                if header.reserved != 0 && self.extensions == Extensions::None {
                    return Err(Rejection::FrameMalformed);
                }
                self.open = self.open.after(header)?;
                self.place = match header.opcode {
                    Opcode::Close if header.length == 0 => Place::Closed(None),
                    Opcode::Close => Place::Close(CloseFrame::new(header)),
                    Opcode::Continuation
                    | Opcode::Text
                    | Opcode::Binary
                    | Opcode::Ping
                    | Opcode::Pong => Place::payload(header.length),
                };
                Ok(used)
            }
            Place::Payload(left) => {
                let used = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                self.place = Place::payload(*left - u64::try_from(used).unwrap_or(0));
                Ok(used)
            }
            Place::Close(close) => {
                let (used, ended) = close.take(rest);
                if let CloseTaken::Whole(code) = ended {
                    self.place = Place::Closed(code);
                }
                Ok(used)
            }
        }
    }

    /// What may be cut in here.
    pub(super) fn gap(&self) -> Gap {
        match (&self.place, self.open) {
            (Place::Header(partial), Open::Nothing) if partial.bytes().is_empty() => Gap::Message,
            (Place::Header(partial), Open::Message) if partial.bytes().is_empty() => Gap::Frame,
            (Place::Header(_) | Place::Payload(_) | Place::Close(_) | Place::Closed(_), _) => {
                Gap::Inside
            }
        }
    }

    /// Whether a close frame has passed.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.place, Place::Closed(_))
    }
}

impl Place {
    fn payload(left: u64) -> Self {
        if left == 0 { Self::Header(Partial::default()) } else { Self::Payload(left) }
    }
}
