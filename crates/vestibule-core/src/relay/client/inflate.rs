//! A compressed message, step by step (RFC 7692 section 7.2.2, RFC 1951). Every message begins with an
//! empty window: the gateway told the client so (`client_no_context_takeover`).

use core::fmt;

use miniz_oxide::inflate::{
    TINFLStatus,
    core::{
        DecompressorOxide, decompress,
        inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF},
    },
};
use zeroize::Zeroizing;

/// What a sender takes off the end of every message (RFC 7692 section 7.2.1): the rest of an empty
/// block, which ends on a byte.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// An empty block that says of itself that it is the last one. Behind the tail of a whole message it
/// ends the stream; anywhere else it does not.
const LAST: [u8; 5] = [1, 0, 0, 0xff, 0xff];
const FLAGS: u32 = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;

/// The bytes are no DEFLATE stream, or one that refers to what is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// Inflates into a buffer that never grows by itself. About 11 kB: made when it is needed, boxed.
pub(super) struct Inflater {
    state: DecompressorOxide,
    /// As long as the output may become.
    output: Zeroizing<Vec<u8>>,
    written: usize,
    /// Where in the output the window begins: behind a last block a new stream does.
    window: usize,
    taken: u64,
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state: _, output: _, written, window, taken } = self;
        f.debug_struct("Inflater")
            .field("written", written)
            .field("window", window)
            .field("taken", taken)
            .finish_non_exhaustive()
    }
}

impl Inflater {
    /// With room for so many bytes of output.
    pub(super) fn new(room: usize) -> Self {
        let output = Zeroizing::new(vec![0; room]);
        Self { state: DecompressorOxide::new(), output, written: 0, window: 0, taken: 0 }
    }

    /// Makes room for so many bytes in all. What there is moves, and is not wiped where it was.
    pub(super) fn widen(&mut self, room: usize) {
        self.output.resize(room.max(self.written), 0);
    }

    /// What has come out.
    pub(super) fn output(&self) -> &[u8] {
        self.output.get(..self.written).unwrap_or_default()
    }

    /// How many bytes went in.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Puts bytes in, until there is no room for what comes out: how many.
    pub(super) fn push(&mut self, input: &[u8]) -> Result<usize, Broken> {
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            let (status, count) = self.step(rest);
            used += count;
            match status {
                // RFC 7692 section 7.2.3.4: a last block may stand inside of a message, and another
                // stream behind it. Each takes bytes, so this ends.
                TINFLStatus::Done if used < input.len() => {}
                TINFLStatus::Done | TINFLStatus::NeedsMoreInput | TINFLStatus::HasMoreOutput => {
                    return Ok(used);
                }
                TINFLStatus::FailedCannotMakeProgress
                | TINFLStatus::BadParam
                | TINFLStatus::Adler32Mismatch
                | TINFLStatus::Failed => return Err(Broken),
                // The enumeration is not ours to exhaust.
                _ => return Err(Broken),
            }
        }
    }

    /// Takes the output of a message that has ended.
    pub(super) fn finish(mut self) -> Result<Zeroizing<Vec<u8>>, Broken> {
        if self.push(&TAIL)? < TAIL.len() {
            return Err(Broken);
        }
        match self.step(&LAST) {
            (TINFLStatus::Done, count) if count == LAST.len() => {
                self.output.truncate(self.written);
                Ok(self.output)
            }
            _ => Err(Broken),
        }
    }

    fn step(&mut self, input: &[u8]) -> (TINFLStatus, usize) {
        let output = self.output.get_mut(self.window..).unwrap_or_default();
        let at = self.written - self.window;
        let (status, taken, written) = decompress(&mut self.state, input, output, at, FLAGS);
        self.written += written;
        self.taken = self.taken.saturating_add(u64::try_from(taken).unwrap_or(0));
        if status == TINFLStatus::Done {
            self.state.init();
            self.window = self.written;
        }
        (status, taken)
    }
}
