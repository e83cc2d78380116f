//! Whose a message is, and what it says if it is the gateway's.

use core::mem;

use zeroize::Zeroizing;

use super::{glance, inflate::Inflater};
use crate::{
    authn::message::PREFIX,
    limits,
    rejection::Rejection,
    relay::boundary::Open,
    wire::frame::{self, Fin, Header},
};

/// Compressed bytes are unmasked and inflated in pieces of this size.
const PIECE_BYTES: usize = 256;

/// Which message is open.
#[derive(Debug, Default)]
pub(super) enum Message {
    #[default]
    Nothing,
    Application,
    Undecided(Box<Undecided>),
    Ours(Ours),
}

impl Message {
    /// Whether a frame that begins with this byte must be kept: it begins a text message, or goes
    /// on with one that is the gateway's or may be.
    pub(super) fn keeps(&self, first: u8) -> bool {
        match (self, first & 0x0f) {
            (Self::Nothing, 0x1) => true,
            (Self::Undecided(_) | Self::Ours(_), 0x0) => true,
            (Self::Nothing | Self::Application | Self::Undecided(_) | Self::Ours(_), _) => false,
        }
    }

    /// What is open behind a data frame that goes on.
    pub(super) fn after(&self, header: Header) -> Result<Self, Rejection> {
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

/// What more of a payload made known.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing; the bytes are held.
    Open,
    /// The message is the application's. Of these bytes, none are held.
    Application,
    /// It is the gateway's. The bytes are part of it.
    Ours(Ours),
}

/// A message whose text so far is a beginning of the prefix, and the bytes of it that may have to
/// go on.
#[derive(Debug)]
pub(super) struct Undecided {
    held: Zeroizing<Vec<u8>>,
    /// How many of them are payload.
    payload: usize,
    reader: Reader,
}

#[derive(Debug)]
enum Reader {
    /// All payload so far is that of the prefix.
    Plain,
    /// Needs an inflater from the first byte of payload on that does not speak for itself.
    Deflated(Option<Box<Inflater>>),
}

impl Undecided {
    /// A message that begins with this header.
    pub(super) fn new(header: Header) -> Self {
        let reader = if header.reserved == 0 { Reader::Plain } else { Reader::Deflated(None) };
        Self { held: Zeroizing::default(), payload: 0, reader }
    }

    /// Holds the beginning of a header.
    pub(super) fn hold(&mut self, begun: &[u8]) {
        self.held.extend_from_slice(begun);
    }

    /// Holds the rest of a header. Headers and payload have room of their own, so that it does not
    /// matter in how many pieces they come.
    pub(super) fn hold_header(&mut self, rest: &[u8]) -> Result<(), Rejection> {
        self.held.extend_from_slice(rest);
        let bound = match self.reader {
            Reader::Plain => limits::HELD_BYTES - PREFIX.len(),
            Reader::Deflated(_) => limits::HELD_COMPRESSED_BYTES,
        };
        if self.held.len().saturating_sub(self.payload) > bound {
            return Err(Rejection::FrameMalformed);
        }
        Ok(())
    }

    /// What is held.
    pub(super) fn into_held(mut self) -> Vec<u8> {
        mem::take(&mut *self.held)
    }

    /// Whether this frame ends the message before the prefix can be complete.
    pub(super) fn ends_short(&self, header: Header) -> bool {
        let missing = match self.reader {
            Reader::Plain => PREFIX.len() - self.payload,
            Reader::Deflated(_) => 1,
        };
        header.fin == Fin::Last && header.length < u64::try_from(missing).unwrap_or(u64::MAX)
    }

    /// Looks at masked payload that stands at `done` in its frame; `masked` has no more than is
    /// left of it. How many bytes were looked at.
    pub(super) fn read(
        &mut self,
        masked: &[u8],
        header: Header,
        done: u64,
    ) -> Result<(usize, Verdict), Rejection> {
        let (count, verdict) = match &mut self.reader {
            Reader::Plain => plain(self.payload, masked, header, done)?,
            Reader::Deflated(inflater) => {
                let room = limits::HELD_COMPRESSED_BYTES - self.payload;
                if room == 0 {
                    return Err(Rejection::FrameMalformed);
                }
                let masked = masked.get(..room.min(masked.len())).unwrap_or_default();
                deflated(inflater, masked, header, done)?
            }
        };
        if let Verdict::Open = verdict {
            if header.fin == Fin::Last && left(header, done, count) == 0 {
                // Over, and no prefix: nothing that could still come would change it.
                return Ok((count, Verdict::Application));
            }
            self.held.extend_from_slice(masked.get(..count).unwrap_or_default());
            self.payload += count;
        }
        Ok((count, verdict))
    }
}

fn plain(
    matched: usize,
    masked: &[u8],
    header: Header,
    done: u64,
) -> Result<(usize, Verdict), Rejection> {
    let count = masked.len().min(PREFIX.len() - matched);
    let mut bytes = [0; PREFIX.len()];
    let bytes = unmasked(masked, count, &mut bytes, header, done);
    let after = matched + count;
    if PREFIX.get(matched..after) != Some(bytes) {
        return Ok((count, Verdict::Application));
    }
    if after < PREFIX.len() {
        return Ok((count, Verdict::Open));
    }
    let ours = Ours::Plain(Zeroizing::new(PREFIX.to_vec()));
    ours.expect(left(header, done, count))?;
    Ok((count, Verdict::Ours(ours)))
}

fn deflated(
    inflater: &mut Option<Box<Inflater>>,
    masked: &[u8],
    header: Header,
    done: u64,
) -> Result<(usize, Verdict), Rejection> {
    let count = masked.len().min(PIECE_BYTES);
    let mut bytes = Zeroizing::new([0; PIECE_BYTES]);
    let bytes = unmasked(masked, count, &mut *bytes, header, done);
    if inflater.is_none() && glance::shows_application(bytes.iter().copied()) {
        return Ok((count, Verdict::Application));
    }
    let reader = inflater.get_or_insert_with(|| Box::new(Inflater::new(PREFIX.len())));
    let pushed = reader.push(bytes);
    // What came out counts, even where what follows it is broken: so that it does not matter how
    // the bytes are cut.
    if !PREFIX.starts_with(reader.output()) {
        return Ok((count, Verdict::Application));
    }
    if reader.output().len() < PREFIX.len() {
        // A message that cannot be inflated is the application's: whether it can by whoever has seen
        // the messages before is not known here (see `docs/decisions/0004`).
        let verdict = if pushed.is_ok() { Verdict::Open } else { Verdict::Application };
        return Ok((count, verdict));
    }
    let used = pushed.map_err(|_| Rejection::FrameMalformed)?;
    let Some(mut reader) = inflater.take() else { return Err(Rejection::Internal) };
    // One byte more than it may have: if that is used, it is too long.
    reader.widen(limits::MESSAGE_BYTES + 1);
    let mut ours = Ours::Deflated(reader);
    let behind = u64::try_from(count - used).unwrap_or(0);
    ours.expect(left(header, done, count).saturating_add(behind))?;
    ours.push(bytes.get(used..).unwrap_or_default())?;
    Ok((count, Verdict::Ours(ours)))
}

/// A message of the gateway, so far.
#[derive(Debug)]
pub(super) enum Ours {
    /// Its text.
    Plain(Zeroizing<Vec<u8>>),
    /// What makes text of it.
    Deflated(Box<Inflater>),
}

impl Ours {
    /// Whether so much more payload is acceptable.
    pub(super) fn expect(&self, more: u64) -> Result<(), Rejection> {
        let (so_far, bound) = match self {
            Self::Plain(text) => (u64::try_from(text.len()).ok(), limits::MESSAGE_BYTES),
            // Compressing may make it longer.
            Self::Deflated(inflater) => {
                (Some(inflater.taken()), limits::MESSAGE_BYTES + limits::HELD_COMPRESSED_BYTES)
            }
        };
        let all = so_far.unwrap_or(u64::MAX).saturating_add(more);
        if all > u64::try_from(bound).unwrap_or(0) {
            return Err(Rejection::MessageTooLarge);
        }
        Ok(())
    }

    /// Takes masked payload that stands at `done` in its frame: how many bytes of it.
    pub(super) fn read(
        &mut self,
        masked: &[u8],
        header: Header,
        done: u64,
    ) -> Result<usize, Rejection> {
        match self {
            Self::Plain(text) => {
                let from = text.len();
                text.extend_from_slice(masked);
                frame::unmask(text.get_mut(from..).unwrap_or_default(), header.mask, done);
                Ok(masked.len())
            }
            Self::Deflated(_) => {
                let count = masked.len().min(PIECE_BYTES);
                let mut bytes = Zeroizing::new([0; PIECE_BYTES]);
                self.push(unmasked(masked, count, &mut *bytes, header, done))?;
                Ok(count)
            }
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Rejection> {
        let Self::Deflated(inflater) = self else { return Err(Rejection::Internal) };
        inflater.push(bytes).map_err(|_| Rejection::FrameMalformed)?;
        if inflater.output().len() > limits::MESSAGE_BYTES {
            return Err(Rejection::MessageTooLarge);
        }
        Ok(())
    }

    /// Its text, now that it has ended.
    pub(super) fn finish(self) -> Result<Zeroizing<Vec<u8>>, Rejection> {
        match self {
            Self::Plain(text) => Ok(text),
            Self::Deflated(inflater) => {
                let text = inflater.finish().map_err(|_| Rejection::FrameMalformed)?;
                if text.len() > limits::MESSAGE_BYTES {
                    return Err(Rejection::MessageTooLarge);
                }
                Ok(text)
            }
        }
    }
}

/// The first `count` bytes without their mask.
fn unmasked<'a>(
    masked: &[u8],
    count: usize,
    into: &'a mut [u8],
    header: Header,
    done: u64,
) -> &'a [u8] {
    let into = into.get_mut(..count).unwrap_or_default();
    for (place, byte) in into.iter_mut().zip(masked) {
        *place = *byte;
    }
    frame::unmask(into, header.mask, done);
    into
}

/// How much of a frame is left behind `count` more bytes.
fn left(header: Header, done: u64, count: usize) -> u64 {
    header.length.saturating_sub(done).saturating_sub(u64::try_from(count).unwrap_or(u64::MAX))
}
