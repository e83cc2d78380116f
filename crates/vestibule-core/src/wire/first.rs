//! What a client says before it is authenticated: one bounded text message after another, however
//! the bytes are cut. Pings are answered, a close is heard, everything else is refused.

use core::mem;

use zeroize::Zeroizing;

use super::{
    close::Close,
    frame::{self, Fin, Header, Opcode, Sender},
};
use crate::{limits, rejection::Rejection};

/// What has been understood.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole text message. It may hold a credential, and is wiped.
    Message(Zeroizing<Vec<u8>>),
    /// To be answered with a pong of the same payload.
    Ping(Vec<u8>),
    /// The client leaves.
    Close(Option<u16>),
}

/// Assembles messages before admission.
#[derive(Debug)]
pub struct FirstMessage {
    most: usize,
    state: State,
    message: Option<Zeroizing<Vec<u8>>>,
    control: Vec<u8>,
    partial: Vec<u8>,
    heard: usize,
}

impl Default for FirstMessage {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Header,
    Payload(Header, u64),
}

impl FirstMessage {
    /// Nothing heard yet; holds no memory. A message may have so many bytes.
    pub fn up_to(most: usize) -> Self {
        Self {
            most,
            state: State::Header,
            message: None,
            control: Vec::new(),
            partial: Vec::new(),
            heard: 0,
        }
    }

    /// The same for messages of the in-band protocol.
    pub fn new() -> Self {
        Self::up_to(limits::MESSAGE_BYTES)
    }

    /// Takes bytes from the front of `input` up to the end of an event: how many, and the event.
    /// What stands behind an event was not looked at.
    pub fn push(&mut self, input: &[u8]) -> Result<(usize, Option<Event>), Rejection> {
        // One message may be longer than those of the in-band protocol, and then the whole may, too.
        let longer = self.most.saturating_sub(limits::MESSAGE_BYTES);
        let left = (limits::BYTES_BEFORE_ADMISSION + longer).saturating_sub(self.heard);
        if left == 0 && !input.is_empty() {
            return Err(Rejection::TooManyAttempts);
        }
        let (used, event) = self.hear(input.get(..left).unwrap_or(input))?;
        self.heard = self.heard.saturating_add(used);
        Ok((used, event))
    }

    fn hear(&mut self, input: &[u8]) -> Result<(usize, Option<Event>), Rejection> {
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            match self.state {
                State::Header => {
                    let Some(taken) = self.header(rest)? else { return Ok((input.len(), None)) };
                    used += taken;
                }
                State::Payload(header, done) => {
                    let left = usize::try_from(header.length - done).unwrap_or(usize::MAX);
                    let piece = rest.get(..left.min(rest.len())).unwrap_or_default();
                    self.take(piece, header, done);
                    used += piece.len();
                    if piece.len() < left {
                        let done = done + u64::try_from(piece.len()).unwrap_or(0);
                        self.state = State::Payload(header, done);
                        return Ok((used, None));
                    }
                    self.state = State::Header;
                    if let Some(event) = self.finished(header)? {
                        return Ok((used, Some(event)));
                    }
                }
            }
        }
    }

    /// Completes a header, which may have come in pieces; how many bytes of `rest` belong to it.
    fn header(&mut self, rest: &[u8]) -> Result<Option<usize>, Rejection> {
        let before = self.partial.len();
        let wanted = frame::HEADER_BYTES - before.min(frame::HEADER_BYTES);
        self.partial.extend_from_slice(rest.get(..wanted.min(rest.len())).unwrap_or_default());
        let Some(header) = Header::parse(&self.partial, Sender::Client)? else {
            return Ok(None);
        };
        self.partial = Vec::new();
        self.judge(header)?;
        self.state = State::Payload(header, 0);
        Ok(Some(header.size - before))
    }

    fn judge(&mut self, header: Header) -> Result<(), Rejection> {
        if header.reserved != 0 {
            return Err(Rejection::FrameMalformed);
        }
        match (header.opcode, &self.message) {
            (Opcode::Ping | Opcode::Pong | Opcode::Close, _) => return Ok(()),
            (Opcode::Binary, None) => return Err(Rejection::MessageNotText),
            (Opcode::Text, None) => self.message = Some(Zeroizing::new(Vec::new())),
            (Opcode::Continuation, Some(_)) => {}
            (Opcode::Continuation, None) | (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(Rejection::FrameMalformed);
            }
        }
        let held = self.message.as_ref().map_or(0, |message| message.len());
        let room = self.most - held.min(self.most);
        if header.length > u64::try_from(room).unwrap_or(0) {
            return Err(Rejection::MessageTooLarge);
        }
        Ok(())
    }

    fn take(&mut self, piece: &[u8], header: Header, done: u64) {
        let into: &mut Vec<u8> = match (&mut self.message, header.opcode.is_control()) {
            (Some(message), false) => message,
            (_, _) => &mut self.control,
        };
        let from = into.len();
        into.extend_from_slice(piece);
        frame::unmask(into.get_mut(from..).unwrap_or_default(), header.mask, done);
    }

    fn finished(&mut self, header: Header) -> Result<Option<Event>, Rejection> {
        match header.opcode {
            Opcode::Ping => Ok(Some(Event::Ping(mem::take(&mut self.control)))),
            Opcode::Pong => {
                self.control = Vec::new();
                Ok(None)
            }
            Opcode::Close => {
                let close = Close::parse(&mem::take(&mut self.control))?;
                Ok(Some(Event::Close(close.map(|close| close.code()))))
            }
            Opcode::Text | Opcode::Binary | Opcode::Continuation => match header.fin {
                Fin::More => Ok(None),
                Fin::Last => Ok(self.message.take().map(Event::Message)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame::encode_client(Opcode::Text, payload, [0x12, 0x34, 0x56, 0x78], &mut bytes);
        bytes[0] = first;
        bytes
    }

    /// Feeds the bytes in pieces of `step`; everything that was understood, in words.
    fn hear(bytes: &[u8], step: usize) -> String {
        let mut assembler = FirstMessage::new();
        let mut words = Vec::new();
        for piece in bytes.chunks(step) {
            let mut rest = piece;
            while !rest.is_empty() {
                match assembler.push(rest) {
                    Ok((used, event)) => {
                        rest = &rest[used..];
                        if let Some(event) = event {
                            words.push(match event {
                                Event::Message(text) => String::from_utf8_lossy(&text).into_owned(),
                                Event::Ping(payload) => format!("ping{}", payload.len()),
                                Event::Close(code) => format!("close{}", code.unwrap_or(0)),
                            });
                        }
                    }
                    Err(rejection) => {
                        words.push(rejection.label().to_owned());
                        return words.join(" ");
                    }
                }
            }
        }
        words.join(" ")
    }

    #[test]
    fn a_message_is_heard_however_it_is_cut() {
        let frames: [(u8, &[u8]); 7] = [
            (0x01, b"He"),
            (0x89, b"??"),
            (0x00, b""),
            (0x8a, b"!"),
            (0x80, b"llo"),
            (0x81, b"again"),
            (0x88, &[3, 232]),
        ];
        let bytes: Vec<u8> =
            frames.iter().flat_map(|(first, payload)| client(*first, payload)).collect();
        for step in 1..=bytes.len() {
            assert_eq!(hear(&bytes, step), "ping2 Hello again close1000", "{step}");
        }
    }

    #[test]
    fn nothing_but_text_of_a_bounded_length_is_heard() {
        let long = vec![b'x'; limits::MESSAGE_BYTES];
        assert_eq!(hear(&client(0x81, &long), 999).len(), long.len());
        let longer = vec![b'x'; limits::MESSAGE_BYTES + 1];
        assert_eq!(hear(&client(0x81, &longer), 999), "message_too_large");
        let in_two = [client(0x01, &long), client(0x80, b"x")].concat();
        assert_eq!(hear(&in_two, 999), "message_too_large");
        assert_eq!(hear(&client(0x82, b"x"), 1), "message_not_text");
        assert_eq!(hear(&client(0xc1, b"x"), 1), "frame_malformed");
        assert_eq!(hear(&client(0x80, b"x"), 1), "frame_malformed");
        assert_eq!(hear(&[client(0x01, b"x"), client(0x81, b"x")].concat(), 1), "frame_malformed");
        assert_eq!(hear(&[0x81, 0x01, 0x41], 1), "frame_malformed");
    }

    #[test]
    fn a_message_may_be_as_long_as_it_was_said() {
        let mut assembler = FirstMessage::up_to(3 * limits::BYTES_BEFORE_ADMISSION);
        let long = vec![b'x'; 3 * limits::BYTES_BEFORE_ADMISSION];
        let heard = assembler.push(&client(0x81, &long));
        assert!(matches!(heard, Ok((_, Some(Event::Message(text)))) if *text == long));
        let mut assembler = FirstMessage::up_to(10);
        let heard = assembler.push(&client(0x81, &[b'x'; 11]));
        assert_eq!(heard, Err(Rejection::MessageTooLarge));
    }

    #[test]
    fn what_says_nothing_counts_however_it_is_cut() {
        let empty = client(0x00, b"");
        let count = limits::BYTES_BEFORE_ADMISSION / empty.len();
        let bytes = [client(0x01, b""), empty.repeat(count)].concat();
        for step in [1, 4096, bytes.len()] {
            assert_eq!(hear(&bytes[..limits::BYTES_BEFORE_ADMISSION], step), "");
            assert_eq!(hear(&bytes, step), "too_many_attempts");
        }
    }

    #[test]
    fn what_follows_an_event_is_left_alone() {
        let bytes = [client(0x81, b"a"), vec![0xff; 9]].concat();
        let (used, event) = FirstMessage::new().push(&bytes).unwrap();
        assert_eq!(used, 7);
        assert_eq!(event, Some(Event::Message(Zeroizing::new(b"a".to_vec()))));
    }

    proptest! {
        #[test]
        fn noise_is_refused_or_waited_for_and_cuts_do_not_matter(
            bytes in prop::collection::vec(any::<u8>(), 0..200), step in 1_usize..40
        ) {
            prop_assert_eq!(hear(&bytes, step), hear(&bytes, 200));
        }
    }
}
