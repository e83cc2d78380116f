//! The path of the bytes. In the common case a message is one read, one scan, one write, and nothing
//! of it is kept.

use std::mem;

use mio::event::Event;
use vestibule_core::{
    rejection::Rejection,
    relay::{Gap, Piece, Seen, ServerScanner},
    wire::{
        close::Close,
        frame::{self, HEADER_BYTES, Opcode},
    },
};

use super::{
    Control, EndedBy, Report,
    record::{Heard, Record, Turn},
    socket::Next,
    wire::{BUFFER_BYTES, Got, Readiness, Room, Scratch},
};

/// Most reads of one side before others have their turn.
const ROUNDS: u32 = 4;
/// Bytes of one side after which others have their turn.
const SHARE_BYTES: usize = BUFFER_BYTES;
/// Most bytes that wait for a client before it loses what the gateway has to tell it.
const TELL_BYTES: usize = BUFFER_BYTES + 16 * 1024;
/// What is said of an upstream that breaks the protocol.
const BROKEN: Rejection = Rejection::UpstreamInvalid;
/// What is said of an upstream that ends without a close frame.
pub(super) const LOST: Rejection = Rejection::UpstreamLost;

/// What is to be done with a connection next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Wait for an edge or for its time.
    Wait,
    /// Go on with it, after the others.
    Again,
    /// Remove it.
    Over,
}

impl<C: Control> Record<C> {
    /// An edge came from the client's socket.
    pub(super) fn note_client(&mut self, event: &Event, cx: &mut Turn) {
        self.client.note(event);
        if self.client.flush().is_err() {
            self.client_gone(cx);
        }
    }

    /// An edge came from the upstream's socket.
    pub(super) fn note_upstream(&mut self, event: &Event) {
        self.upstream.note(event);
        if self.upstream.flush().is_err() {
            self.upstream.note_broken();
        }
    }

    /// Does all that can be done now, within bounds.
    pub(super) fn drive(&mut self, scratch: &mut Scratch, cx: &mut Turn) -> Outcome {
        if self.due <= cx.now.mono {
            self.fire(cx);
        }
        if self.rare.is_some() {
            self.resume(cx);
        }
        self.read_client(scratch, cx);
        self.flush_up();
        self.read_upstream(scratch, cx);
        if self.rare.is_some() {
            return self.settle(cx);
        }
        if self.has_more() { Outcome::Again } else { Outcome::Wait }
    }

    /// Sends what waits, where there is room.
    fn resume(&mut self, cx: &mut Turn) {
        if let Some((client, upstream)) = self.rare().early.take() {
            self.carry_down(&upstream, cx);
            if !client.is_empty() && self.is_relaying() {
                self.carry_up(&client, cx);
            }
        }
        self.go_on(cx);
        self.flush_up();
        self.flush_down(cx);
        self.tidy();
    }

    /// Looks at what came behind a message, when the control is done with that.
    fn go_on(&mut self, cx: &mut Turn) {
        if self.is_relaying()
            && !self.control.is_busy()
            && let Some(behind) = self.rare().behind.take()
        {
            self.carry_up(&behind, cx);
        }
    }

    fn read_client(&mut self, scratch: &mut Scratch, cx: &mut Turn) {
        let (mut rounds, mut share) = (ROUNDS, SHARE_BYTES);
        while (self.client.readiness != Readiness::Drained
            && rounds > 0
            && share > 0
            && !self.is_client_held())
            || scratch.is_held()
        {
            rounds = rounds.saturating_sub(1);
            match self.client.read(scratch) {
                Got::Bytes(count) => {
                    cx.moved += count;
                    share = share.saturating_sub(count);
                    self.active = cx.now.mono;
                    let bytes = scratch.plain.get(..count).unwrap_or_default();
                    if self.is_relaying() {
                        self.carry_up(bytes, cx);
                    } else {
                        self.hear(bytes);
                    }
                }
                Got::Nothing | Got::Later => {}
                Got::End => self.client_gone(cx),
            }
        }
    }

    fn read_upstream(&mut self, scratch: &mut Scratch, cx: &mut Turn) {
        let (mut rounds, mut share) = (ROUNDS, SHARE_BYTES);
        while (self.upstream.readiness != Readiness::Drained
            && rounds > 0
            && share > 0
            && !self.is_upstream_held())
            || scratch.is_held()
        {
            rounds = rounds.saturating_sub(1);
            match self.upstream.read(scratch) {
                Got::Bytes(count) => {
                    cx.moved += count;
                    share = share.saturating_sub(count);
                    self.active = cx.now.mono;
                    let bytes = scratch.plain.get(..count).unwrap_or_default();
                    if self.is_relaying() {
                        self.carry_down(bytes, cx);
                    } else {
                        self.complete(bytes, cx);
                    }
                }
                Got::Nothing | Got::Later => {}
                Got::End => self.upstream_gone(cx),
            }
        }
    }

    /// From the client to the upstream. What goes on in pieces is written together: else a client
    /// that puts little frames between those that stay here could cause a write for every few bytes,
    /// and keep the thread from everybody else.
    fn carry_up(&mut self, bytes: &[u8], cx: &mut Turn) {
        if let Some(behind) = self.rare.as_mut().and_then(|rare| rare.behind.as_mut()) {
            return behind.extend_from_slice(bytes);
        }
        let (mut rest, mut pieces) = (bytes, Vec::new());
        while !rest.is_empty() {
            match self.up.scan(rest) {
                Ok(Piece::Forward(count)) if count >= rest.len() && pieces.is_empty() => {
                    return self.send_up(rest);
                }
                Ok(Piece::Forward(count)) => {
                    let (piece, left) = rest.split_at_checked(count).unwrap_or((rest, &[]));
                    pieces.extend_from_slice(piece);
                    rest = left;
                }
                Ok(Piece::Taken(count)) => rest = rest.get(count..).unwrap_or_default(),
                Ok(Piece::Release(held)) => pieces.extend_from_slice(&held),
                Ok(Piece::Message(count, text)) => {
                    rest = rest.get(count..).unwrap_or_default();
                    self.send_up(&mem::take(&mut pieces));
                    self.report(Report::Message(&text), cx);
                    if !self.is_relaying() {
                        return self.hear(rest);
                    }
                    if self.control.is_busy() {
                        self.rare().behind = Some(rest.to_vec());
                        return;
                    }
                }
                Ok(Piece::Close(count, code)) => {
                    let (piece, left) = rest.split_at_checked(count).unwrap_or((rest, &[]));
                    pieces.extend_from_slice(piece);
                    self.send_up(&mem::take(&mut pieces));
                    self.client_closed(code, cx);
                    rest = left;
                    if !self.is_relaying() {
                        return;
                    }
                }
                Err(rejection) => {
                    self.send_up(&pieces);
                    self.rare().heard = Heard::Nonsense;
                    return self.fault(rejection, EndedBy::Client, cx);
                }
            }
        }
        self.send_up(&pieces);
    }

    /// From the upstream to the client. What is malformed is not passed on, so that a close frame
    /// can be understood behind what was.
    fn carry_down(&mut self, bytes: &[u8], cx: &mut Turn) {
        let bytes = if self.rare.is_some() { self.tell_first(bytes, cx) } else { bytes };
        if bytes.is_empty() || self.down.is_closed() || !self.is_relaying() {
            return;
        }
        let before = self.down;
        match self.down.advance(bytes) {
            Ok(Seen::Data) => self.send_down(bytes, before, Next::Bytes, cx),
            Ok(Seen::Closed(code)) => {
                let bytes = through_close(before, bytes);
                let next = match self.heard() {
                    Heard::Close => Next::End,
                    Heard::Nothing | Heard::Nonsense => Next::Bytes,
                };
                self.send_down(bytes, before, next, cx);
                self.upstream_closed(code, cx);
            }
            Err(_) => {
                self.down = before;
                let whole = whole_frames(before, bytes);
                self.accept_down(whole, cx);
                self.upstream.abandon();
                self.fault(BROKEN, EndedBy::Upstream, cx);
            }
        }
    }

    /// Puts what the gateway has to tell into the first gap between messages: what stands behind it.
    fn tell_first<'a>(&mut self, bytes: &'a [u8], cx: &mut Turn) -> &'a [u8] {
        let waits = self.rare.as_ref().is_some_and(|rare| !rare.tells.is_empty());
        let gap = if waits { self.down.bytes_to(Gap::Message, bytes) } else { None };
        let Some((before, behind)) = gap.and_then(|gap| bytes.split_at_checked(gap)) else {
            return bytes;
        };
        self.accept_down(before, cx);
        let tells = mem::take(&mut self.rare().tells);
        self.accept_down(&tells, cx);
        behind
    }

    /// Tells the client, at once or at the next gap.
    pub(super) fn tell(&mut self, text: &str, cx: &mut Turn) {
        if !self.is_relaying() || self.down.is_closed() {
            return;
        }
        let mut bytes = Vec::new();
        frame::encode_server(Opcode::Text, text.as_bytes(), &mut bytes);
        let waiting = self.rare.as_ref().map_or(0, |rare| rare.tells.len() + rare.to_client.len());
        if waiting + bytes.len() > TELL_BYTES {
            return;
        }
        match self.down.gap() {
            Gap::Message => self.accept_down(&bytes, cx),
            Gap::Frame | Gap::Inside => self.rare().tells.append(&mut bytes),
        }
    }

    /// Sends the upstream a message of the control's. The client's stands whole before it.
    pub(super) fn forward(&mut self, text: &[u8], cx: &mut Turn) {
        if !self.is_relaying() {
            return;
        }
        match masked(text) {
            // Sent with others of the same read: else a client could cause a write for every few
            // bytes.
            Ok(bytes) => self.rare().to_upstream.push(&bytes),
            Err(rejection) => self.fault(rejection, EndedBy::Gateway, cx),
        }
    }

    /// Sends the client bytes that are known to be well-formed.
    pub(super) fn accept_down(&mut self, bytes: &[u8], cx: &mut Turn) {
        let before = self.down;
        self.down = behind(before, bytes);
        self.send_down(bytes, before, Next::Bytes, cx);
    }

    /// Sends the client bytes that `down` has passed over; it stood at `before` in front of them.
    fn send_down(&mut self, bytes: &[u8], before: ServerScanner, next: Next, cx: &mut Turn) {
        if let Some(rare) = &mut self.rare
            && !rare.to_client.is_empty()
        {
            return rare.to_client.push(bytes);
        }
        match self.client.write(bytes, next) {
            Ok(count) => {
                self.to_client += amount(count);
                if count < bytes.len() {
                    let (written, waiting) = bytes.split_at_checked(count).unwrap_or((bytes, &[]));
                    let rare = self.rare();
                    rare.written = behind(before, written);
                    rare.to_client.push(waiting);
                }
            }
            Err(_) => self.client_gone(cx),
        }
    }

    /// Sends the upstream bytes that `up` has passed over.
    pub(super) fn send_up(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if let Some(rare) = &mut self.rare
            && !rare.to_upstream.is_empty()
        {
            return rare.to_upstream.push(bytes);
        }
        match self.upstream.write(bytes, Next::Bytes) {
            Ok(count) => {
                self.to_upstream += amount(count);
                if count < bytes.len() {
                    let waiting = bytes.get(count..).unwrap_or_default();
                    self.rare().to_upstream.push(waiting);
                }
            }
            // Its last words may still be there to be read; then its end is seen.
            Err(_) => self.upstream.note_broken(),
        }
    }

    fn flush_down(&mut self, cx: &mut Turn) {
        let Some(rare) = &mut self.rare else { return };
        if rare.to_client.is_empty() || self.client.room == Room::Full {
            return;
        }
        match self.client.write(rare.to_client.waiting(), Next::Bytes) {
            Ok(count) => {
                self.to_client += amount(count);
                let waiting = rare.to_client.waiting();
                rare.written = behind(rare.written, waiting.get(..count).unwrap_or_default());
                rare.to_client.consume(count);
            }
            Err(_) => self.client_gone(cx),
        }
    }

    fn flush_up(&mut self) {
        let Some(rare) = &mut self.rare else { return };
        if rare.to_upstream.is_empty() || self.upstream.room == Room::Full {
            return;
        }
        if let Ok(count) = self.upstream.write(rare.to_upstream.waiting(), Next::Bytes) {
            self.to_upstream += amount(count);
            rare.to_upstream.consume(count);
        } else {
            rare.to_upstream.clear();
            self.upstream.note_broken();
        }
    }

    /// A side broke the protocol. The control says what the client is told; if it does not, the
    /// rejection's answer is.
    pub(super) fn fault(&mut self, rejection: Rejection, by: EndedBy, cx: &mut Turn) {
        if !self.is_relaying() {
            return;
        }
        let is_first = self.end.is_none();
        self.report(Report::Fault(rejection), cx);
        self.cut(&Close::of(rejection, None), cx);
        if is_first && let Some((_, who)) = &mut self.end {
            *who = by;
        }
    }
}

/// A text message to an upstream, in one frame, under a mask that nobody can foresee (RFC 6455
/// section 10.3).
pub fn masked(text: &[u8]) -> Result<Vec<u8>, Rejection> {
    let (mut mask, mut bytes) = ([0; 4], Vec::with_capacity(text.len() + HEADER_BYTES));
    aws_lc_rs::rand::fill(&mut mask).map_err(|_| Rejection::Internal)?;
    frame::encode_client(Opcode::Text, text, mask, &mut bytes);
    Ok(bytes)
}

/// Where a stream stands behind bytes that are known to be well-formed.
pub(super) fn behind(mut scanner: ServerScanner, bytes: &[u8]) -> ServerScanner {
    match scanner.advance(bytes) {
        Ok(Seen::Data | Seen::Closed(_)) | Err(_) => scanner,
    }
}

/// What stands in front of the end of a close frame, which is in there.
fn through_close(before: ServerScanner, bytes: &[u8]) -> &[u8] {
    let (mut open, mut closed) = (0, bytes.len());
    while open + 1 < closed {
        let middle = usize::midpoint(open, closed);
        if behind(before, bytes.get(..middle).unwrap_or_default()).is_closed() {
            closed = middle;
        } else {
            open = middle;
        }
    }
    bytes.get(..closed).unwrap_or(bytes)
}

/// What stands in front of the last gap between frames before something is malformed.
fn whole_frames(before: ServerScanner, bytes: &[u8]) -> &[u8] {
    let (mut at, mut end, mut scanner) = (0, 0, before);
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(gap) = scanner.bytes_to(Gap::Frame, rest) else { break };
        end = at + gap;
        scanner = behind(scanner, rest.get(..gap).unwrap_or_default());
        let Some(next) = bytes.get(end..=end) else { break };
        if scanner.advance(next).is_err() {
            break;
        }
        at = end + 1;
    }
    bytes.get(..end).unwrap_or_default()
}

fn amount(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
