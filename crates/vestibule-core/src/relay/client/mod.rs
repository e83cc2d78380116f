//! The direction from the client to the upstream: on routes that take messages in band, a text
//! message that begins with exactly `{"auth":` is the gateway's, and not a byte of it goes on.
//!
//! Whether it does is known after eight bytes of payload; no more than those are unmasked. Until
//! then the bytes are held: at most [`HELD_BYTES`], however they are fragmented. Control frames
//! between the fragments go ahead of what is held, which RFC 6455 section 5.4 allows.
//!
//! A compressed message is known after eight bytes of text. Mostly the first bytes show that it is the
//! application's ([`glance`]); otherwise it is inflated until it differs, and at most
//! [`HELD_COMPRESSED_BYTES`] of it are held. What passes is never changed.
//!
//! A message that cannot be inflated by itself passes as well. A client can hide a control message in
//! one, by referring to earlier messages although it agreed not to; then its own refresh or logout is
//! not heard, its credential reaches the upstream, and nobody gains anything.
//!
//! [`HELD_BYTES`]: crate::limits::HELD_BYTES
//! [`HELD_COMPRESSED_BYTES`]: crate::limits::HELD_COMPRESSED_BYTES

mod every;
mod glance;
mod inflate;
mod message;

use core::mem;

use zeroize::Zeroizing;

use self::{
    every::Every,
    message::{Message, Ours, Undecided, Verdict},
};
use super::{
    Extensions, Gap,
    boundary::{Boundary, CloseFrame, CloseTaken, Run},
    partial::Partial,
};
use crate::{
    authn::message::PREFIX,
    rejection::Rejection,
    wire::frame::{Fin, Header, Opcode, Sender},
};

/// Whether messages of the in-band protocol are the gateway's on this route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// Everything is the application's.
    No,
    /// They are.
    Yes,
    /// Every message is the gateway's to read, because each carries its own credential.
    Every {
        /// Longest message, in bytes. So much is kept of it, as it comes.
        most: usize,
    },
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
    Every(Box<Every>),
}

impl ClientScanner {
    /// At the beginning of a stream.
    pub fn new(reserved: Reserved, extensions: Extensions) -> Self {
        Self(match (reserved, extensions) {
            (Reserved::No, extensions) => Kind::Open(Boundary::new(Sender::Client, extensions)),
            (Reserved::Yes, Extensions::None) => Kind::Reserved(Scanner::new(Deflate::Off)),
            (Reserved::Yes, Extensions::Agreed) => Kind::Reserved(Scanner::new(Deflate::On)),
            // The gateway has answered first: there was nothing to agree on.
            (Reserved::Every { most }, Extensions::None | Extensions::Agreed) => {
                Kind::Every(Box::new(Every::new(most)))
            }
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
            Kind::Every(every) => every.scan(input),
        }
    }

    /// What may be cut into the stream that the upstream sees.
    pub fn gap(&self) -> Gap {
        match &self.0 {
            Kind::Open(boundary) => boundary.gap(),
            Kind::Reserved(scanner) => scanner.gap(),
            Kind::Every(every) => every.gap(),
        }
    }
}

#[derive(Debug)]
struct Scanner {
    place: Place,
    message: Message,
    deflate: Deflate,
}

/// Whether RSV1 has a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deflate {
    Off,
    On,
}

impl Deflate {
    /// RSV1 stands on the first frame of a compressed message, and nowhere else (RFC 7692 section
    /// 6). The other bits mean nothing.
    fn check(self, header: Header) -> Result<(), Rejection> {
        match (self, header.reserved, header.opcode) {
            (Self::Off | Self::On, 0, _) | (Self::On, RSV1, Opcode::Text | Opcode::Binary) => {
                Ok(())
            }
            (Self::Off | Self::On, _, _) => Err(Rejection::FrameMalformed),
        }
    }
}

const RSV1: u8 = 0b100;

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

impl Scanner {
    fn new(deflate: Deflate) -> Self {
        Self { place: Place::default(), message: Message::default(), deflate }
    }

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
        self.deflate.check(header)?;
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
        self.deflate.check(header)?;
        let payload = rest.get(header.size..).unwrap_or_default();
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let mut unmasked = payload
            .iter()
            .take(length)
            .zip(header.mask.iter().cycle())
            .map(|(byte, key)| byte ^ key);
        let is_short = Undecided::new(header).ends_short(header);
        let is_application = is_short
            || match header.reserved {
                0 => unmasked.zip(PREFIX).any(|(byte, wanted)| byte != *wanted),
                _ => glance::shows_application(&mut unmasked),
            };
        if !is_application {
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
        self.deflate.check(header)?;
        if let Message::Nothing = self.message {
            self.message = Message::Undecided(Box::new(Undecided::new(header)));
        }
        match &mut self.message {
            Message::Undecided(undecided) => {
                undecided.hold(&before);
                if undecided.ends_short(header) {
                    // What is held ends with a whole frame: this one is looked at again.
                    let header_left = u64::try_from(used).unwrap_or(0);
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
            Message::Ours(ours) => ours.expect(header.length)?,
            Message::Nothing | Message::Application => return Err(Rejection::Internal),
        }
        self.kept(header, 0, used)
    }

    /// Payload of a frame that may not go on.
    fn keep_payload(&mut self, rest: &[u8], header: Header, done: u64) -> Result<Piece, Rejection> {
        let left = usize::try_from(header.length - done).unwrap_or(usize::MAX);
        let masked = rest.get(..left.min(rest.len())).unwrap_or_default();
        let count = match &mut self.message {
            Message::Undecided(undecided) => {
                let (count, verdict) = undecided.read(masked, header, done)?;
                match verdict {
                    Verdict::Open => {}
                    Verdict::Application => {
                        let open = match header.fin {
                            Fin::Last => Message::Nothing,
                            Fin::More => Message::Application,
                        };
                        return Ok(self.release(open, pass(header.length - done)));
                    }
                    Verdict::Ours(ours) => self.message = Message::Ours(ours),
                }
                count
            }
            Message::Ours(ours) => ours.read(masked, header, done)?,
            Message::Nothing | Message::Application => return Err(Rejection::Internal),
        };
        self.kept(header, done.saturating_add(u64::try_from(count).unwrap_or(0)), count)
    }

    /// So many bytes were taken, and the payload of the frame is there up to `done`.
    fn kept(&mut self, header: Header, done: u64, taken: usize) -> Result<Piece, Rejection> {
        if done < header.length {
            self.place = Place::Keep(header, done);
            return Ok(Piece::Taken(taken));
        }
        self.place = Place::default();
        match (&mut self.message, header.fin) {
            (Message::Ours(ours), Fin::Last) => {
                let ours = mem::replace(ours, Ours::Plain(Zeroizing::default()));
                self.message = Message::Nothing;
                Ok(Piece::Message(taken, ours.finish()?))
            }
            (_, Fin::Last | Fin::More) => Ok(Piece::Taken(taken)),
        }
    }

    /// The message is the application's: what was held goes on, and the stream stands here.
    fn release(&mut self, open: Message, place: Place) -> Piece {
        self.place = place;
        match mem::replace(&mut self.message, open) {
            Message::Undecided(undecided) => Piece::Release(undecided.into_held()),
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

fn pass(left: u64) -> Place {
    if left == 0 { Place::default() } else { Place::Pass(left) }
}
