//! The direction from the client to the upstream: on routes that take messages in band, a text
//! message that begins with exactly `{"auth":` is the gateway's, and not a byte of it goes on.
//!
//! Whether it does is known after eight bytes of payload; no more than those are unmasked. Until
//! then the bytes are held: at most [`limits::HELD_BYTES`], however they are fragmented. Control frames
//! between the fragments go ahead of what is held, which RFC 6455 section 5.4 allows.

use core::mem;

use zeroize::Zeroizing;

use super::{
    Gap,
    boundary::{Boundary, CloseFrame, CloseTaken, Open, Run},
    partial::Partial,
};
use crate::{
    authn::message::PREFIX,
    limits,
    rejection::Rejection,
    wire::frame::{self, Fin, Header, Opcode, Sender},
};

/// Whether messages of the in-band protocol are the gateway's on this route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// Everything is the application's.
    No,
    /// They are; no extension was negotiated, so a reserved bit breaks the protocol (a compressed
    /// message could not be recognised).
    Yes,
}

/// What to do with the next bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Send the first so many on.
    Forward(usize),
    /// So many were taken; there is nothing to send.
    Taken(usize),
    /// None were taken. Send these, which were taken before, ahead of anything else.
    Release(Vec<u8>),
    /// So many were taken, and completed a message for the gateway.
    Message(usize, Zeroizing<Vec<u8>>),
    /// Send the first so many on: they end with the client's close frame, and its code. Nothing may
    /// follow.
    Close(usize, Option<u16>),
}

/// Follows what the client sends, before it is sent on.
#[derive(Debug)]
pub struct ClientScanner(Kind);

#[derive(Debug)]
enum Kind {
    Open(Boundary),
    Reserved(Scanner),
}

impl ClientScanner {
    /// At the beginning of a stream.
    pub fn new(reserved: Reserved) -> Self {
        Self(match reserved {
            Reserved::No => Kind::Open(Boundary::new(Sender::Client)),
            Reserved::Yes => Kind::Reserved(Scanner::default()),
        })
    }

    /// Decides about the bytes at the front of `input`, which is not empty. Call again with the rest.
    pub fn scan(&mut self, input: &[u8]) -> Result<Piece, Rejection> {
        match &mut self.0 {
            Kind::Open(boundary) if boundary.is_closed() => Ok(Piece::Taken(input.len())),
            Kind::Open(boundary) => Ok(match boundary.advance(input)? {
                Run::Open => Piece::Forward(input.len()),
                Run::Closed(used, code) => Piece::Close(used, code),
            }),
            Kind::Reserved(scanner) => scanner.scan(input),
        }
    }

    /// What may be cut into the stream that the upstream sees.
    pub fn gap(&self) -> Gap {
        match &self.0 {
            Kind::Open(boundary) => boundary.gap(),
            Kind::Reserved(scanner) => scanner.gap(),
        }
    }
}

#[derive(Debug, Default)]
struct Scanner {
    place: Place,
    message: Message,
}

/// Where in a frame.
#[derive(Debug)]
enum Place {
    Header(Partial),
    /// So many bytes of a frame that goes on.
    Pass(u64),
    /// A frame of a message that may be the gateway's, or is: the header, and the payload so far.
    Keep(Header, u64),
    Close(CloseFrame),
    Closed,
}

impl Default for Place {
    fn default() -> Self {
        Self::Header(Partial::default())
    }
}

/// Which message is open.
#[derive(Debug, Default)]
enum Message {
    #[default]
    Nothing,
    Application,
    Undecided(Box<Undecided>),
    Ours(Zeroizing<Vec<u8>>),
}

/// A message whose payload so far is a beginning of the prefix.
#[derive(Debug)]
struct Undecided {
    held: Vec<u8>,
    matched: usize,
}

impl Scanner {
    fn scan(&mut self, input: &[u8]) -> Result<Piece, Rejection> {
        let mut passed = 0;
        loop {
            let rest = input.get(passed..).unwrap_or_default();
            let Some(&next) = rest.first() else { return Ok(Piece::Forward(passed)) };
            match &mut self.place {
                Place::Pass(left) => {
                    let used = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    let left = *left - u64::try_from(used).unwrap_or(0);
                    self.place = if left == 0 { Place::default() } else { Place::Pass(left) };
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
                    if self.message.keeps(first) {
                        match self.glance(rest)? {
                            Some(used) => passed += used,
                            None if passed > 0 => return Ok(Piece::Forward(passed)),
                            None => return self.keep_header(rest),
                        }
                        continue;
                    }
                    let Some((header, used)) = partial.complete(rest, Sender::Client)? else {
                        return Ok(Piece::Forward(input.len()));
                    };
                    passed += used;
                    self.pass(header)?;
                    if let Place::Closed = self.place {
                        return Ok(Piece::Close(passed, None));
                    }
                }
                Place::Keep(..) | Place::Closed if passed > 0 => {
                    return Ok(Piece::Forward(passed));
                }
                Place::Keep(header, done) => {
                    let (header, done) = (*header, *done);
                    return self.keep_payload(rest, header, done);
                }
                Place::Closed => return Ok(Piece::Taken(input.len())),
            }
        }
    }

    /// A frame that goes on whatever it holds.
    fn pass(&mut self, header: Header) -> Result<(), Rejection> {
        if header.reserved != 0 {
            return Err(Rejection::FrameMalformed);
        }
        match header.opcode {
            Opcode::Close if header.length == 0 => self.place = Place::Closed,
            Opcode::Close => self.place = Place::Close(CloseFrame::new(header)),
            Opcode::Ping | Opcode::Pong => self.place = pass(header.length),
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                self.message = self.message.after(header)?;
                self.place = pass(header.length);
            }
        }
        Ok(())
    }

    /// The common case: the first frame of a message, and enough of it is there to see that it is
    /// the application's. How many bytes its header has; `None` where a closer look is needed.
    fn glance(&mut self, rest: &[u8]) -> Result<Option<usize>, Rejection> {
        let (Place::Header(partial), Message::Nothing) = (&self.place, &self.message) else {
            return Ok(None);
        };
        if !partial.bytes().is_empty() {
            return Ok(None);
        }
        let Some(header) = Header::parse(rest, Sender::Client)? else { return Ok(None) };
        let payload = rest.get(header.size..).unwrap_or_default();
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let short = header.fin == Fin::Last && length < PREFIX.len();
        let differs = payload
            .iter()
            .take(length)
            .zip(header.mask.iter().cycle())
            .zip(PREFIX)
            .any(|((byte, key), wanted)| byte ^ key != *wanted);
        if !short && !differs {
            return Ok(None);
        }
        self.pass(header)?;
        Ok(Some(header.size))
    }

    /// The header of a frame that may not go on.
    fn keep_header(&mut self, rest: &[u8]) -> Result<Piece, Rejection> {
        let Place::Header(partial) = &mut self.place else { return Err(Rejection::Internal) };
        let before = partial.bytes().to_vec();
        let begun = before.len();
        let Some((header, used)) = partial.complete(rest, Sender::Client)? else {
            return Ok(Piece::Taken(rest.len()));
        };
        if header.reserved != 0 {
            return Err(Rejection::FrameMalformed);
        }
        match &mut self.message {
            Message::Nothing | Message::Application => {
                let undecided = Undecided { held: before, matched: 0 };
                self.message = Message::Undecided(Box::new(undecided));
            }
            Message::Undecided(undecided) => undecided.held.extend_from_slice(&before),
            Message::Ours(_) => {}
        }
        let header_left = u64::try_from(used).unwrap_or(0);
        match &mut self.message {
            Message::Undecided(undecided) => {
                let matched = u64::try_from(undecided.matched).unwrap_or(0);
                let short = matched.saturating_add(header.length) < PREFIX_LENGTH;
                if header.fin == Fin::Last && short {
                    // What is held ends with a whole frame: this one is looked at again.
                    return Ok(if begun == 0 {
                        self.release(Message::Application, Place::default())
                    } else {
                        self.release(
                            Message::Nothing,
                            pass(header_left.saturating_add(header.length)),
                        )
                    });
                }
                undecided.hold_header(rest.get(..used).unwrap_or_default())?;
            }
            Message::Ours(text) => {
                let held = u64::try_from(text.len()).unwrap_or(u64::MAX);
                let bound = u64::try_from(limits::MESSAGE_BYTES).unwrap_or(0);
                if held.saturating_add(header.length) > bound {
                    return Err(Rejection::MessageTooLarge);
                }
            }
            Message::Nothing | Message::Application => return Err(Rejection::Internal),
        }
        if header.length > 0 {
            self.place = Place::Keep(header, 0);
            return Ok(Piece::Taken(used));
        }
        self.place = Place::default();
        match (&mut self.message, header.fin) {
            (Message::Ours(text), Fin::Last) => {
                let text = mem::take(text);
                self.message = Message::Nothing;
                Ok(Piece::Message(used, text))
            }
            (_, Fin::Last | Fin::More) => Ok(Piece::Taken(used)),
        }
    }

    /// Payload of a frame that may not go on.
    fn keep_payload(&mut self, rest: &[u8], header: Header, done: u64) -> Result<Piece, Rejection> {
        let left = usize::try_from(header.length - done).unwrap_or(usize::MAX);
        match &mut self.message {
            Message::Undecided(undecided) => {
                let count = left.min(rest.len()).min(PREFIX.len() - undecided.matched);
                let masked = rest.get(..count).unwrap_or_default();
                let mut bytes = [0; PREFIX.len()];
                let bytes = bytes.get_mut(..count).unwrap_or_default();
                bytes.copy_from_slice(masked);
                frame::unmask(bytes, header.mask, done);
                let wanted = PREFIX.get(undecided.matched..undecided.matched + count);
                if wanted != Some(&*bytes) {
                    let open = match header.fin {
                        Fin::Last => Message::Nothing,
                        Fin::More => Message::Application,
                    };
                    return Ok(self.release(open, pass(header.length - done)));
                }
                undecided.hold_payload(masked);
                if undecided.matched == PREFIX.len() {
                    let bound = u64::try_from(limits::MESSAGE_BYTES).unwrap_or(0);
                    let before = PREFIX_LENGTH
                        - done.saturating_add(u64::try_from(count).unwrap_or(0)).min(PREFIX_LENGTH);
                    if header.length.saturating_add(before) > bound {
                        return Err(Rejection::MessageTooLarge);
                    }
                    self.message = Message::Ours(Zeroizing::new(PREFIX.to_vec()));
                }
                Ok(self.kept(header, done, count))
            }
            Message::Ours(text) => {
                let count = left.min(rest.len());
                let from = text.len();
                text.extend_from_slice(rest.get(..count).unwrap_or_default());
                frame::unmask(text.get_mut(from..).unwrap_or_default(), header.mask, done);
                Ok(self.kept(header, done, count))
            }
            Message::Nothing | Message::Application => Err(Rejection::Internal),
        }
    }

    /// So many more bytes of the payload were taken.
    fn kept(&mut self, header: Header, done: u64, count: usize) -> Piece {
        let done = done.saturating_add(u64::try_from(count).unwrap_or(0));
        if done < header.length {
            self.place = Place::Keep(header, done);
            return Piece::Taken(count);
        }
        self.place = Place::default();
        match (&mut self.message, header.fin) {
            (Message::Ours(text), Fin::Last) => {
                let text = mem::take(text);
                self.message = Message::Nothing;
                Piece::Message(count, text)
            }
            (_, Fin::Last | Fin::More) => Piece::Taken(count),
        }
    }

    /// The message is the application's: what was held goes on, and the stream stands here.
    fn release(&mut self, open: Message, place: Place) -> Piece {
        self.place = place;
        match mem::replace(&mut self.message, open) {
            Message::Undecided(undecided) => Piece::Release(undecided.held),
            Message::Nothing | Message::Application | Message::Ours(_) => {
                Piece::Release(Vec::new())
            }
        }
    }

    fn gap(&self) -> Gap {
        match (&self.place, &self.message) {
            (Place::Keep(..), _) => Gap::Message,
            (Place::Header(partial), message) => match (partial.bytes().first(), message) {
                (Some(&first), message) if !message.keeps(first) => Gap::Inside,
                (_, Message::Application) => Gap::Frame,
                (_, Message::Nothing | Message::Undecided(_) | Message::Ours(_)) => Gap::Message,
            },
            (Place::Pass(_) | Place::Close(_) | Place::Closed, _) => Gap::Inside,
        }
    }
}

const PREFIX_LENGTH: u64 = 8;

fn pass(left: u64) -> Place {
    if left == 0 { Place::default() } else { Place::Pass(left) }
}

impl Undecided {
    /// Holds the rest of a header. There is always room for the prefix behind it, so that it does
    /// not matter in how many pieces that comes.
    fn hold_header(&mut self, bytes: &[u8]) -> Result<(), Rejection> {
        let headers = (self.held.len() + bytes.len()).saturating_sub(self.matched);
        if headers + PREFIX.len() > limits::HELD_BYTES {
            return Err(Rejection::FrameMalformed);
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    /// Holds payload that goes on with the prefix.
    fn hold_payload(&mut self, masked: &[u8]) {
        self.held.extend_from_slice(masked);
        self.matched += masked.len();
    }
}

impl Message {
    /// Whether a frame that begins with this byte must be kept: it begins a text message, or goes
    /// on with one that is the gateway's or may be.
    fn keeps(&self, first: u8) -> bool {
        match (self, first & 0x0f) {
            (Self::Nothing, 0x1) => true,
            (Self::Undecided(_) | Self::Ours(_), 0x0) => true,
            (Self::Nothing | Self::Application | Self::Undecided(_) | Self::Ours(_), _) => false,
        }
    }

    /// What is open behind a data frame that goes on.
    fn after(&self, header: Header) -> Result<Self, Rejection> {
        let open = match self {
            Self::Nothing => Open::Nothing,
            Self::Application => Open::Message,
            // A new message inside of one that is held.
            Self::Undecided(_) | Self::Ours(_) => return Err(Rejection::FrameMalformed),
        };
        Ok(match open.after(header)? {
            Open::Nothing => Self::Nothing,
            Open::Message => Self::Application,
        })
    }
}
