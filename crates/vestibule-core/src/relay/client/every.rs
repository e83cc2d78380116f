//! The direction from the client where each message carries its own credential: none goes on as it
//! came. Control frames do, also between the fragments of a message.

use zeroize::Zeroizing;

use super::Piece;
use crate::{
    rejection::Rejection,
    relay::{
        Gap,
        boundary::{CloseFrame, CloseTaken},
        partial::Partial,
    },
    wire::frame::{self, Fin, Header, Opcode, Sender},
};

/// Puts messages together.
#[derive(Debug)]
pub(super) struct Every {
    place: Place,
    /// The one that is open.
    message: Option<Zeroizing<Vec<u8>>>,
    /// Longest message, in bytes.
    most: usize,
}

/// Where in a frame.
#[derive(Debug)]
enum Place {
    Header(Partial),
    /// So many bytes of a control frame.
    Pass(u64),
    /// A frame of a message: its header, and how much of its payload is there.
    Keep(Header, u64),
    Close(CloseFrame),
    Closed,
}

impl Default for Place {
    fn default() -> Self {
        Self::Header(Partial::default())
    }
}

impl Every {
    pub(super) fn new(most: usize) -> Self {
        Self { place: Place::default(), message: None, most }
    }

    /// Decides about the bytes at the front of `input`, which is not empty.
    pub(super) fn scan(&mut self, input: &[u8]) -> Result<Piece, Rejection> {
        let mut passed = 0;
        loop {
            let rest = input.get(passed..).unwrap_or_default();
            let Some(&next) = rest.first() else { return Ok(Piece::Forward(passed)) };
            match &mut self.place {
                Place::Pass(left) => {
                    let used = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    self.place = pass(*left - u64::try_from(used).unwrap_or(0));
                    passed += used;
                }
                Place::Close(close) => {
                    let (used, ended) = close.take(rest);
                    passed += used;
                    if let CloseTaken::Whole(code) = ended {
                        self.place = Place::Closed;
                        return Ok(Piece::Close(passed, code));
                    }
                }
                Place::Header(partial) => {
                    let first = partial.bytes().first().copied().unwrap_or(next);
                    if !is_control(first) {
                        if passed > 0 {
                            return Ok(Piece::Forward(passed));
                        }
                        return self.keep_header(rest);
                    }
                    let Some((header, used)) = partial.complete(rest, Sender::Client)? else {
                        return Ok(Piece::Forward(input.len()));
                    };
                    passed += used;
                    match header.opcode {
                        Opcode::Close if header.length == 0 => {
                            self.place = Place::Closed;
                            return Ok(Piece::Close(passed, None));
                        }
                        Opcode::Close => self.place = Place::Close(CloseFrame::new(header)),
                        Opcode::Ping
                        | Opcode::Pong
                        | Opcode::Text
                        | Opcode::Binary
                        | Opcode::Continuation => self.place = pass(header.length),
                    }
                }
                Place::Keep(..) | Place::Closed if passed > 0 => {
                    return Ok(Piece::Forward(passed));
                }
                Place::Keep(header, done) => {
                    let (header, done) = (*header, *done);
                    return Ok(self.keep_payload(rest, header, done));
                }
                Place::Closed => return Ok(Piece::Taken(input.len())),
            }
        }
    }

    /// What may be cut into the stream that the upstream sees.
    pub(super) fn gap(&self) -> Gap {
        match &self.place {
            Place::Keep(..) => Gap::Message,
            Place::Header(partial) => match partial.bytes().first() {
                Some(&first) if is_control(first) => Gap::Inside,
                Some(_) | None => Gap::Message,
            },
            Place::Pass(_) | Place::Close(_) | Place::Closed => Gap::Inside,
        }
    }

    fn keep_header(&mut self, rest: &[u8]) -> Result<Piece, Rejection> {
        let Place::Header(partial) = &mut self.place else { return Err(Rejection::Internal) };
        let Some((header, used)) = partial.complete(rest, Sender::Client)? else {
            return Ok(Piece::Taken(rest.len()));
        };
        // No extension was agreed on.
        if header.reserved != 0 {
            return Err(Rejection::FrameMalformed);
        }
        match (header.opcode, &self.message) {
            (Opcode::Text, None) => self.message = Some(Zeroizing::default()),
            (Opcode::Continuation, Some(_)) => {}
            (Opcode::Binary, None) => return Err(Rejection::MessageNotText),
            (Opcode::Text | Opcode::Binary, Some(_)) | (Opcode::Continuation, None) => {
                return Err(Rejection::FrameMalformed);
            }
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => return Err(Rejection::Internal),
        }
        let held = self.message.as_ref().map_or(0, |message| message.len());
        if header.length > u64::try_from(self.most.saturating_sub(held)).unwrap_or(u64::MAX) {
            return Err(Rejection::MessageTooLarge);
        }
        Ok(self.kept(header, 0, used))
    }

    fn keep_payload(&mut self, rest: &[u8], header: Header, done: u64) -> Piece {
        let left = usize::try_from(header.length - done).unwrap_or(usize::MAX);
        let masked = rest.get(..left.min(rest.len())).unwrap_or_default();
        if let Some(message) = &mut self.message {
            let from = message.len();
            message.extend_from_slice(masked);
            frame::unmask(message.get_mut(from..).unwrap_or_default(), header.mask, done);
        }
        let count = u64::try_from(masked.len()).unwrap_or(0);
        self.kept(header, done.saturating_add(count), masked.len())
    }

    /// So many bytes were taken, and the payload of the frame is there up to `done`.
    fn kept(&mut self, header: Header, done: u64, taken: usize) -> Piece {
        if done < header.length {
            self.place = Place::Keep(header, done);
            return Piece::Taken(taken);
        }
        self.place = Place::default();
        match header.fin {
            Fin::Last => Piece::Message(taken, self.message.take().unwrap_or_default()),
            Fin::More => Piece::Taken(taken),
        }
    }
}

/// Whether a frame that begins with this byte stands beside the messages.
fn is_control(first: u8) -> bool {
    first & 0x08 != 0
}

fn pass(left: u64) -> Place {
    if left == 0 { Place::default() } else { Place::Pass(left) }
}
