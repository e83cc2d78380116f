//! The first bytes of a compressed message, looked at without an inflater (RFC 1951 section 3.2): it
//! takes no memory, and decides about nearly every message of an application.
//!
//! No three bytes of the prefix stand in it twice, and a reference to earlier text copies three or
//! more. So only literals can make the prefix, and the first symbol that is another one decides.

use crate::authn::message::PREFIX;

/// The end of a block.
const END: usize = 256;
/// Most code lengths of literals and lengths, and of distances.
const LITERALS: usize = 286;
const DISTANCES: usize = 30;
/// In which order the lengths of the code for code lengths come (RFC 1951 section 3.2.7).
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Whether these bytes, unmasked, begin a message that cannot begin with the prefix. What they do
/// not show, an inflater must: another block, a code that is not complete, bytes that are not there.
pub(super) fn shows_application(payload: impl Iterator<Item = u8>) -> bool {
    let mut bits = Bits { bytes: payload, buffer: 0, count: 0 };
    block(&mut bits).is_some_and(|seen| seen == Seen::Application)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Application,
    Unsure,
}

fn block<I: Iterator<Item = u8>>(bits: &mut Bits<I>) -> Option<Seen> {
    let _is_last = bits.take(1)?;
    match bits.take(2)? {
        0 => stored(bits),
        1 => symbols(bits, fixed),
        2 => dynamic(bits),
        // Nobody can inflate it.
        _ => Some(Seen::Application),
    }
}

fn stored<I: Iterator<Item = u8>>(bits: &mut Bits<I>) -> Option<Seen> {
    bits.align();
    let length = bits.take(16)?;
    if length ^ bits.take(16)? != 0xffff {
        return Some(Seen::Application);
    }
    for wanted in PREFIX.iter().take(usize::try_from(length).ok()?) {
        if bits.take(8)? != u32::from(*wanted) {
            return Some(Seen::Application);
        }
    }
    Some(Seen::Unsure)
}

/// Compares symbol by symbol, under a complete code.
fn symbols<I: Iterator<Item = u8>>(
    bits: &mut Bits<I>,
    code: impl Fn(usize) -> Option<Code>,
) -> Option<Seen> {
    for wanted in PREFIX {
        let is_next = |bits: &mut Bits<I>, symbol| match code(symbol) {
            Some(code) => bits.begin_with(code),
            None => Some(Next::Other),
        };
        match is_next(bits, usize::from(*wanted))? {
            Next::This => {}
            Next::Other => {
                return Some(match is_next(bits, END)? {
                    Next::This => Seen::Unsure,
                    Next::Other => Seen::Application,
                });
            }
        }
    }
    Some(Seen::Unsure)
}

/// RFC 1951 section 3.2.6, of which these symbols are enough here.
fn fixed(symbol: usize) -> Option<Code> {
    match symbol {
        END => Some(Code::new(0, 7)),
        0..=143 => Some(Code::new(u32::try_from(symbol).ok()? + 0x30, 8)),
        _ => None,
    }
}

fn dynamic<I: Iterator<Item = u8>>(bits: &mut Bits<I>) -> Option<Seen> {
    let literals = 257 + usize::try_from(bits.take(5)?).ok()?;
    let distances = 1 + usize::try_from(bits.take(5)?).ok()?;
    let count = 4 + usize::try_from(bits.take(4)?).ok()?;
    if literals > LITERALS || distances > DISTANCES {
        return Some(Seen::Application);
    }
    let mut code_lengths = [0; ORDER.len()];
    for place in ORDER.iter().take(count) {
        *code_lengths.get_mut(*place)? = u8::try_from(bits.take(3)?).ok()?;
    }
    let mut lengths = [0; LITERALS + DISTANCES];
    let all = lengths.get_mut(..literals + distances)?;
    read_lengths(bits, &Canonical::of(&code_lengths)?, all)?;
    let code = Canonical::of(lengths.get(..literals)?)?;
    symbols(bits, |symbol| code.code(symbol))
}

/// The code lengths, themselves compressed (RFC 1951 section 3.2.7).
fn read_lengths<I: Iterator<Item = u8>>(
    bits: &mut Bits<I>,
    code: &Canonical<'_>,
    lengths: &mut [u8],
) -> Option<()> {
    let mut at = 0;
    while at < lengths.len() {
        let symbol = code.decode(bits)?;
        let before = at.checked_sub(1).and_then(|before| lengths.get(before)).copied();
        let (value, times) = match symbol {
            16 => (before?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (u8::try_from(length).ok()?, 1),
        };
        let end = at + usize::try_from(times).ok()?;
        lengths.get_mut(at..end)?.fill(value);
        at = end;
    }
    Some(())
}

/// A code that is given by the lengths of its words (RFC 1951 section 3.2.2).
struct Canonical<'a> {
    lengths: &'a [u8],
    counts: [u32; 16],
}

impl<'a> Canonical<'a> {
    /// `None` where it is not complete: there decoders differ.
    fn of(lengths: &'a [u8]) -> Option<Self> {
        let mut counts = [0; 16];
        for length in lengths.iter().filter(|length| **length > 0) {
            *counts.get_mut(usize::from(*length))? += 1;
        }
        let mut free = 1_u32;
        for count in counts.iter().skip(1) {
            free = (free << 1).checked_sub(*count)?;
        }
        (free == 0).then_some(Self { lengths, counts })
    }

    /// The word of a symbol, if it has one.
    fn code(&self, symbol: usize) -> Option<Code> {
        let length = self.lengths.get(symbol).copied().filter(|length| *length > 0)?;
        let mut first = 0_u32;
        for count in self.counts.iter().take(usize::from(length)) {
            first = (first + count) << 1;
        }
        let before = self.lengths.iter().take(symbol).filter(|other| **other == length).count();
        Some(Code::new(first + u32::try_from(before).ok()?, length))
    }

    /// Reads one symbol.
    fn decode<I: Iterator<Item = u8>>(&self, bits: &mut Bits<I>) -> Option<usize> {
        let (mut word, mut first) = (0_u32, 0_u32);
        for (length, count) in (0_u8..).zip(self.counts) {
            if length > 0 {
                word |= bits.take(1)?;
            }
            if let Some(nth) = word.checked_sub(first).filter(|nth| *nth < count) {
                let same = self.lengths.iter().enumerate().filter(|(_, other)| **other == length);
                return same.map(|(symbol, _)| symbol).nth(usize::try_from(nth).ok()?);
            }
            first = (first + count) << 1;
            word <<= 1;
        }
        None
    }
}

/// A word of a code: its bits as they come, the first one lowest.
#[derive(Clone, Copy)]
struct Code {
    bits: u32,
    length: u8,
}

impl Code {
    /// From its value, of which the highest bit comes first. `length` is 1 to 15.
    fn new(value: u32, length: u8) -> Self {
        Self { bits: value.reverse_bits() >> (32 - u32::from(length)), length }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    This,
    Other,
}

/// Bytes as bits, the lowest first.
struct Bits<I> {
    bytes: I,
    buffer: u32,
    count: u8,
}

impl<I: Iterator<Item = u8>> Bits<I> {
    /// Makes sure that so many are there, at most 16.
    fn need(&mut self, count: u8) -> Option<u32> {
        while self.count < count {
            self.buffer |= u32::from(self.bytes.next()?) << self.count;
            self.count += 8;
        }
        Some(self.buffer & ((1 << count) - 1))
    }

    fn skip(&mut self, count: u8) {
        self.buffer >>= count;
        self.count -= count;
    }

    fn take(&mut self, count: u8) -> Option<u32> {
        let bits = self.need(count)?;
        self.skip(count);
        Some(bits)
    }

    /// Goes to the next byte.
    fn align(&mut self) {
        self.skip(self.count % 8);
    }

    /// Takes a word if it comes next.
    fn begin_with(&mut self, code: Code) -> Option<Next> {
        if self.need(code.length)? != code.bits {
            return Some(Next::Other);
        }
        self.skip(code.length);
        Some(Next::This)
    }
}
