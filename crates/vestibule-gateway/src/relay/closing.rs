//! How a connection ends. Each end comes in bounded time, whatever the peers do.

use std::mem;

use vestibule_core::{
    limits,
    relay::{Gap, Piece},
    wire::{
        close::Close,
        frame::{self, Opcode},
    },
};

use super::{
    Control, EndedBy, Report,
    pump::{LOST, Outcome, behind},
    record::{Exit, Heard, Phase, Record, Turn},
    wire::Readiness,
};

/// What an upstream is told when the gateway closes: the client goes away (RFC 6455 section 7.4.1).
const AWAY: u16 = 1001;

impl<C: Control> Record<C> {
    /// Stops the flow, and closes as soon as the frame that the client is getting is complete.
    pub(super) fn cut(&mut self, close: &Close, cx: &mut Turn) {
        if !self.is_relaying() {
            return;
        }
        self.begin_end(close.code(), EndedBy::Gateway);
        let upstream = self.dismiss_upstream();
        let mut bytes = Vec::new();
        frame::encode_server(Opcode::Close, &close.payload(), &mut bytes);
        if let Some(behind) = self.rare().behind.take() {
            self.hear(&behind);
        }
        let down = self.down;
        let rare = self.rare();
        rare.early = None;
        let at = if rare.to_client.is_empty() { down } else { rare.written };
        let gap = at.bytes_to(Gap::Frame, rare.to_client.waiting());
        rare.phase = Phase::Cutting(bytes, upstream);
        if let Some(gap) = gap {
            rare.to_client.truncate(gap);
            self.down = behind(at, self.rare().to_client.waiting());
        }
        self.limit(limits::CUT_WINDOW, cx);
        self.say_last(cx);
    }

    /// Ends the upstream's side: with a close frame where one can stand, else as it is. What the
    /// upstream still has to give is needed until the cut is made.
    fn dismiss_upstream(&mut self) -> Exit {
        let rare = self.rare();
        let mid_frame = !rare.to_upstream.is_empty();
        rare.to_upstream.clear();
        if mid_frame || self.heard() != Heard::Nothing || self.up.gap() == Gap::Inside {
            return Exit::Gone;
        }
        let (mut mask, mut bytes) = ([0; 4], Vec::new());
        if aws_lc_rs::rand::fill(&mut mask).is_err() {
            // The payload is our own constant: there is nothing for the mask to hide.
            mask = [0; 4];
        }
        frame::encode_client(Opcode::Close, &AWAY.to_be_bytes(), mask, &mut bytes);
        self.send_up(&bytes);
        Exit::Linger
    }

    /// Cuts the close frame in, if the stream towards the client has come to where it can stand.
    fn say_last(&mut self, cx: &mut Turn) {
        let gap = self.down.gap();
        let is_closed = self.down.is_closed();
        let is_lost = self.upstream.is_gone();
        let rare = self.rare();
        let Phase::Cutting(bytes, upstream) = &mut rare.phase else { return };
        let (mut bytes, upstream) = (mem::take(bytes), *upstream);
        match gap {
            Gap::Message => bytes = [mem::take(&mut rare.tells), bytes].concat(),
            Gap::Frame => {}
            // The upstream's own close frame was under way.
            Gap::Inside if is_closed => bytes.clear(),
            Gap::Inside if is_lost => return self.give_up(),
            Gap::Inside => {
                rare.phase = Phase::Cutting(bytes, upstream);
                return;
            }
        }
        rare.phase = Phase::Leaving(Exit::Flush, upstream);
        self.accept_down(&bytes, cx);
    }

    /// Completes the frame that the client is getting with what the upstream sends, and no more.
    pub(super) fn complete(&mut self, bytes: &[u8], cx: &mut Turn) {
        match self.rare().phase {
            Phase::Leaving(..) | Phase::Relaying => {}
            Phase::Cutting(..) => {
                let needed = self.down.bytes_to(Gap::Frame, bytes).unwrap_or(bytes.len());
                let mut ahead = self.down;
                let bytes = bytes.get(..needed).unwrap_or_default();
                if ahead.advance(bytes).is_err() {
                    return self.give_up();
                }
                self.accept_down(bytes, cx);
                self.say_last(cx);
            }
        }
    }

    /// The last frame cannot be completed: TCP ends without a close frame.
    fn give_up(&mut self) {
        if let Some((code, _)) = &mut self.end {
            *code = 1006;
        }
        self.rare().phase = Phase::Leaving(Exit::Gone, Exit::Gone);
    }

    /// Listens for the client's close frame in what is not passed on.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && self.heard() == Heard::Nothing {
            match self.up.scan(rest) {
                Ok(Piece::Forward(count) | Piece::Taken(count) | Piece::Message(count, _)) => {
                    rest = rest.get(count..).unwrap_or_default();
                }
                Ok(Piece::Release(_)) => {}
                Ok(Piece::Close(..)) => self.rare().heard = Heard::Close,
                Err(_) => self.rare().heard = Heard::Nonsense,
            }
        }
    }

    /// The client's close frame has passed.
    pub(super) fn client_closed(&mut self, code: Option<u16>, cx: &mut Turn) {
        self.begin_end(code.unwrap_or(1005), EndedBy::Client);
        self.rare().heard = Heard::Close;
        self.limit_peers(limits::CLOSE_TIMEOUT, cx);
        if self.down.is_closed() {
            self.leave(Exit::Finish, Exit::Linger, cx);
        }
    }

    /// The upstream's close frame has passed.
    pub(super) fn upstream_closed(&mut self, code: Option<u16>, cx: &mut Turn) {
        if !self.is_relaying() {
            return;
        }
        self.begin_end(code.unwrap_or(1005), EndedBy::Upstream);
        self.limit_peers(limits::CLOSE_TIMEOUT, cx);
        if self.heard() == Heard::Close {
            self.leave(Exit::Finish, Exit::Linger, cx);
        }
    }

    /// The client ended TCP, or broke it.
    pub(super) fn client_gone(&mut self, cx: &mut Turn) {
        let heard = self.heard();
        let rare = self.rare();
        match &mut rare.phase {
            Phase::Leaving(client, _) => *client = Exit::Gone,
            Phase::Cutting(..) => self.give_up(),
            Phase::Relaying => {
                self.begin_end(1006, EndedBy::Client);
                let upstream = match heard {
                    // Its close frame is on its way to the upstream.
                    Heard::Close => Exit::Linger,
                    Heard::Nothing | Heard::Nonsense => Exit::Gone,
                };
                self.leave(Exit::Gone, upstream, cx);
            }
        }
        // Reading a side that has failed gives the same again.
        self.client.abandon();
    }

    /// The upstream ended TCP, or broke it.
    pub(super) fn upstream_gone(&mut self, cx: &mut Turn) {
        self.upstream.abandon();
        let (heard, is_closed, gap) = (self.heard(), self.down.is_closed(), self.down.gap());
        match &mut self.rare().phase {
            Phase::Leaving(_, upstream) => *upstream = Exit::Gone,
            Phase::Cutting(..) => self.say_last(cx),
            Phase::Relaying if is_closed => self.leave(Exit::Flush, Exit::Gone, cx),
            Phase::Relaying if heard == Heard::Close => self.leave(Exit::Finish, Exit::Gone, cx),
            Phase::Relaying if gap == Gap::Inside => {
                self.begin_end(1006, EndedBy::Upstream);
                self.leave(Exit::Finish, Exit::Gone, cx);
            }
            Phase::Relaying => self.fault(LOST, EndedBy::Upstream, cx),
        }
    }

    /// The peers have begun the end: the control is told, and nothing more passes.
    fn leave(&mut self, client: Exit, upstream: Exit, cx: &mut Turn) {
        self.limit_peers(limits::CLOSE_TIMEOUT, cx);
        self.rare().phase = Phase::Leaving(client, upstream);
        self.report(Report::Gone, cx);
    }

    /// A client that is held because of what waits for the upstream cannot be heard. If it has gone,
    /// what waits has a last chance; if it was cut off, none.
    fn watch_held_client(&mut self, cx: &mut Turn) {
        if !self.is_client_held() {
            return;
        }
        match self.client.readiness {
            Readiness::Drained | Readiness::Ready => {}
            Readiness::Ended => self.limit_peers(limits::CLOSE_TIMEOUT, cx),
            Readiness::Broken => self.client_gone(cx),
        }
    }

    /// The time for what was going on is over.
    pub(super) fn time_out(&mut self, cx: &mut Turn) {
        let (heard, is_closed) = (self.heard(), self.down.is_closed());
        let is_ours = self.end.is_some_and(|(_, by)| by == EndedBy::Gateway);
        let rare = self.rare();
        match &mut rare.phase {
            Phase::Cutting(..) => self.give_up(),
            Phase::Leaving(Exit::Flush, _) if is_ours => self.give_up(),
            phase @ Phase::Leaving(..) => *phase = Phase::Leaving(Exit::Gone, Exit::Gone),
            // The upstream did not answer the client's close frame.
            Phase::Relaying if heard == Heard::Close && !is_closed && rare.to_client.is_empty() => {
                self.leave(Exit::Finish, Exit::Gone, cx);
                self.limit(limits::CUT_WINDOW, cx);
            }
            Phase::Relaying => {
                self.begin_end(1006, EndedBy::Client);
                self.leave(Exit::Gone, Exit::Gone, cx);
            }
        }
    }

    /// Goes on with the end, as far as it has come.
    pub(super) fn settle(&mut self, cx: &mut Turn) -> Outcome {
        self.watch_held_client(cx);
        self.tidy();
        if let Some(rare) = &self.rare
            && let Phase::Leaving(mut client, mut upstream) = rare.phase
        {
            let is_flushed = rare.to_client.is_empty() && self.client.is_flushed();
            if client == Exit::Flush && is_flushed {
                client = Exit::Answer;
                self.limit(limits::CLOSE_TIMEOUT, cx);
            }
            if client == Exit::Answer && self.heard() != Heard::Nothing {
                client = Exit::Finish;
            }
            if client == Exit::Finish && is_flushed {
                client = self.finish_client();
            }
            if self.upstream.is_gone() {
                upstream = Exit::Gone;
            }
            self.part(client, upstream);
            if client == Exit::Gone && upstream == Exit::Gone {
                return Outcome::Over;
            }
        }
        if self.has_more() { Outcome::Again } else { Outcome::Wait }
    }

    /// Ends the stream towards the client. Where it has said its last word and all of it was read,
    /// nothing can come that would make the system reset the connection: it is closed at once, and
    /// what was written arrives. Under TLS it has yet to end the session.
    fn finish_client(&mut self) -> Exit {
        if self.heard() == Heard::Close && self.client.is_silent() {
            return Exit::Gone;
        }
        if self.client.finish().is_ok() { Exit::Linger } else { Exit::Gone }
    }

    /// Gives up the sides that are over.
    fn part(&mut self, client: Exit, upstream: Exit) {
        self.rare().phase = Phase::Leaving(client, upstream);
        if client == Exit::Gone {
            self.client.abandon();
            self.rare().to_client.clear();
        }
        if upstream == Exit::Gone {
            self.upstream.abandon();
            self.rare().to_upstream.clear();
        }
    }
}
