//! The direction from the upstream to the client: nothing is taken out, but something may be put in.

use super::{
    Extensions, Gap,
    boundary::{Boundary, Run},
};
use crate::{rejection::Rejection, wire::frame::Sender};

/// Follows what was written to the client. It is told about bytes after they went out, so that what
/// it says is true of the client's side of the wire, whatever is still waiting.
#[derive(Clone, Copy, Debug)]
pub struct ServerScanner(Boundary);

/// What went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing of note.
    Data,
    /// The upstream's close frame, with its code.
    Closed(Option<u16>),
}

impl ServerScanner {
    /// At the beginning of a stream.
    pub fn new(extensions: Extensions) -> Self {
        Self(Boundary::new(Sender::Server, extensions))
    }

    /// Follows bytes that were written. An error means that the upstream breaks RFC 6455 section 5,
    /// and that nothing can be cut in any more.
    pub fn advance(&mut self, written: &[u8]) -> Result<Seen, Rejection> {
        Ok(match self.0.advance(written)? {
            Run::Open => Seen::Data,
            Run::Closed(_, code) => Seen::Closed(code),
        })
    }

    /// What may be cut in here.
    pub fn gap(&self) -> Gap {
        self.0.gap()
    }

    /// Whether the upstream's close frame has gone out.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// How many of the bytes that come next bring the stream to a gap of this kind, or a wider one;
    /// `None` where they do not. Zero where it is there already.
    pub fn bytes_to(&self, gap: Gap, next: &[u8]) -> Option<usize> {
        let mut ahead = self.0;
        let reached = |at: Gap| match (gap, at) {
            (Gap::Inside, _) | (Gap::Frame, Gap::Frame | Gap::Message) => true,
            (Gap::Message, Gap::Message) => true,
            (Gap::Frame | Gap::Message, Gap::Inside) | (Gap::Message, Gap::Frame) => false,
        };
        let mut count = 0;
        loop {
            if reached(ahead.gap()) {
                return Some(count);
            }
            let rest = next.get(count..).filter(|rest| !rest.is_empty())?;
            count += ahead.step(rest).ok().filter(|&used| used > 0)?;
        }
    }
}
