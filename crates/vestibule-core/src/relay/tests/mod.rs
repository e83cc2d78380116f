//! The scanners against an oracle that sees the whole stream at once.

mod deflate;
mod every;

use proptest::prelude::*;

use super::*;
use crate::{
    rejection::Rejection,
    wire::frame::{self, Header, Opcode, Sender},
};

#[derive(Clone, Debug)]
struct Frame {
    first: u8,
    payload: Vec<u8>,
    mask: [u8; 4],
}

impl Frame {
    fn client(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame::encode_client(Opcode::Text, &self.payload, self.mask, &mut bytes);
        bytes[0] = self.first;
        bytes
    }

    fn server(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame::encode_server(Opcode::Text, &self.payload, &mut bytes);
        bytes[0] = self.first;
        bytes
    }
}

/// A message in fragments, with pings between them.
fn message() -> impl Strategy<Value = Vec<Frame>> {
    let text = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        Just(b"{\"auth\"".to_vec()),
        Just(b"{\"auth\" :1}".to_vec()),
        Just(b" {\"auth\":1}".to_vec()),
        Just(b"{\"autX\":1}".to_vec()),
        Just(b"{\"auth\":1}".to_vec()),
        Just(b"{\"auth\":".to_vec()),
        "[a-z]{0,200}".prop_map(|tail| format!("{{\"auth\":{tail}").into_bytes()),
    ];
    let cuts = prop::collection::vec(0_usize..40, 0..4);
    let pings = prop::collection::vec(any::<bool>(), 5);
    (text, cuts, pings, any::<[u8; 4]>(), any::<bool>()).prop_map(
        |(text, cuts, pings, mask, is_text)| {
            let mut frames = Vec::new();
            let mut rest: &[u8] = &text;
            let kind = if is_text { 1 } else { 2 };
            for (number, cut) in cuts.iter().enumerate() {
                let (piece, left) = rest.split_at((*cut).min(rest.len()));
                let first = if number == 0 { kind } else { 0 };
                frames.push(Frame { first, payload: piece.to_vec(), mask });
                if pings[number] {
                    frames.push(Frame { first: 0x89, payload: b"ping".to_vec(), mask });
                }
                rest = left;
            }
            let first = 0x80 | if cuts.is_empty() { kind } else { 0 };
            frames.push(Frame { first, payload: rest.to_vec(), mask });
            frames
        },
    )
}

/// What the upstream must see, control frames apart, and which messages are the gateway's.
fn oracle(messages: &[Vec<Frame>]) -> (Vec<u8>, Vec<u8>, Vec<Vec<u8>>) {
    let (mut data, mut control, mut ours) = (Vec::new(), Vec::new(), Vec::new());
    for frames in messages {
        let is_text = frames[0].first & 0x0f == 1;
        let payload: Vec<u8> = frames
            .iter()
            .filter(|frame| frame.first & 0x08 == 0)
            .flat_map(|frame| frame.payload.clone())
            .collect();
        let is_ours = is_text && payload.starts_with(b"{\"auth\":");
        for frame in frames {
            if frame.first & 0x08 != 0 {
                control.extend(frame.client());
            } else if !is_ours {
                data.extend(frame.client());
            }
        }
        if is_ours {
            ours.push(payload);
        }
    }
    (data, control, ours)
}

type Mode = (Reserved, Extensions);

const OPEN: Mode = (Reserved::No, Extensions::Agreed);
const PLAIN: Mode = (Reserved::Yes, Extensions::None);
const COMPRESSED: Mode = (Reserved::Yes, Extensions::Agreed);

struct Scanned {
    forwarded: Vec<u8>,
    ours: Vec<Vec<u8>>,
    end: Result<Option<u16>, Rejection>,
}

fn scan((reserved, extensions): Mode, bytes: &[u8], step: usize) -> Scanned {
    let mut scanner = ClientScanner::new(reserved, extensions);
    let mut out = Scanned { forwarded: Vec::new(), ours: Vec::new(), end: Ok(None) };
    for piece in bytes.chunks(step) {
        let mut rest = piece;
        while !rest.is_empty() {
            match scanner.scan(rest) {
                Ok(Piece::Forward(count)) => {
                    assert!(count > 0);
                    out.forwarded.extend(&rest[..count]);
                    rest = &rest[count..];
                }
                Ok(Piece::Taken(count)) => {
                    assert!(count > 0);
                    rest = &rest[count..];
                }
                Ok(Piece::Release(held)) => out.forwarded.extend(held),
                Ok(Piece::Message(count, text)) => {
                    out.ours.push(text.to_vec());
                    rest = &rest[count..];
                }
                Ok(Piece::Close(count, code)) => {
                    out.forwarded.extend(&rest[..count]);
                    out.end = Ok(code);
                    rest = &rest[count..];
                }
                Err(rejection) => {
                    out.end = Err(rejection);
                    return out;
                }
            }
            // What the upstream has seen is always whole up to the gap that is claimed.
            let (tail, open) = naive(&out.forwarded);
            let expected = match (tail, open) {
                (Tail::Whole, false) => Gap::Message,
                (Tail::Whole, true) => Gap::Frame,
                (Tail::Closed | Tail::Torn, _) => Gap::Inside,
            };
            assert_eq!(scanner.gap(), expected);
        }
    }
    out
}

#[derive(Debug, PartialEq)]
enum Tail {
    Whole,
    Torn,
    Closed,
}

/// Walks whole frames; how the stream ends, and whether a message is open.
fn naive(mut bytes: &[u8]) -> (Tail, bool) {
    let mut open = false;
    while !bytes.is_empty() {
        let sender = if bytes.get(1).is_some_and(|second| second & 0x80 != 0) {
            Sender::Client
        } else {
            Sender::Server
        };
        let Ok(Some(header)) = Header::parse(bytes, sender) else { return (Tail::Torn, open) };
        let end = header.size + usize::try_from(header.length).unwrap();
        if bytes.len() < end {
            return (Tail::Torn, open);
        }
        if header.opcode == Opcode::Close {
            return (Tail::Closed, open);
        }
        if !header.opcode.is_control() {
            open = header.fin == frame::Fin::More;
        }
        bytes = &bytes[end..];
    }
    (Tail::Whole, open)
}

/// Splits a stream of whole frames into data and control frames.
fn sort(mut bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut data, mut control) = (Vec::new(), Vec::new());
    while let Ok(Some(header)) = Header::parse(bytes, Sender::Client) {
        let end = header.size + usize::try_from(header.length).unwrap();
        let into = if header.opcode.is_control() { &mut control } else { &mut data };
        into.extend(&bytes[..end]);
        bytes = &bytes[end..];
    }
    assert_eq!(bytes, b"");
    (data, control)
}

proptest! {
    #[test]
    fn the_upstream_sees_the_application_and_nothing_else(
        messages in prop::collection::vec(message(), 0..6), step in 1_usize..200
    ) {
        let bytes: Vec<u8> = messages.iter().flatten().flat_map(Frame::client).collect();
        let (data, control, ours) = oracle(&messages);
        for reserved in [PLAIN, COMPRESSED] {
            let scanned = scan(reserved, &bytes, step);
            prop_assert_eq!(scanned.end, Ok(None));
            prop_assert_eq!(sort(&scanned.forwarded), (data.clone(), control.clone()));
            prop_assert_eq!(&scanned.ours, &ours);
        }
    }

    #[test]
    fn where_nothing_is_reserved_every_byte_passes_at_once(
        messages in prop::collection::vec(message(), 0..6), step in 1_usize..200
    ) {
        let bytes: Vec<u8> = messages.iter().flatten().flat_map(Frame::client).collect();
        let scanned = scan(OPEN, &bytes, step);
        prop_assert_eq!(scanned.forwarded, bytes);
        prop_assert_eq!((scanned.ours.len(), scanned.end), (0, Ok(None)));
    }

    #[test]
    fn cuts_do_not_change_what_is_made_of_noise(
        bytes in prop::collection::vec(any::<u8>(), 0..300), step in 1_usize..50
    ) {
        for reserved in [OPEN, PLAIN, COMPRESSED] {
            let (one, many) = (scan(reserved, &bytes, 300), scan(reserved, &bytes, step));
            prop_assert_eq!(one.ours, many.ours);
            prop_assert_eq!(one.end.is_err(), many.end.is_err());
        }
    }

    #[test]
    fn a_cut_is_offered_exactly_between_the_upstreams_frames(
        messages in prop::collection::vec(message(), 0..5), step in 1_usize..100
    ) {
        let bytes: Vec<u8> = messages.iter().flatten().flat_map(Frame::server).collect();
        let mut scanner = ServerScanner::new(Extensions::None);
        let mut written = 0;
        for piece in bytes.chunks(step) {
            for gap in [Gap::Frame, Gap::Message] {
                let distance = scanner.bytes_to(gap, &bytes[written..]);
                let expected = (written..=bytes.len()).find(|&end| match naive(&bytes[..end]) {
                    (Tail::Whole, open) => gap == Gap::Frame || !open,
                    (Tail::Torn | Tail::Closed, _) => false,
                });
                prop_assert_eq!(distance, expected.map(|end| end - written));
            }
            prop_assert_eq!(scanner.advance(piece), Ok(Seen::Data));
            written += piece.len();
            let expected = match naive(&bytes[..written]) {
                (Tail::Whole, false) => Gap::Message,
                (Tail::Whole, true) => Gap::Frame,
                (Tail::Torn | Tail::Closed, _) => Gap::Inside,
            };
            prop_assert_eq!(scanner.gap(), expected);
        }
    }
}

fn text(first: u8, payload: &[u8]) -> Vec<u8> {
    Frame { first, payload: payload.to_vec(), mask: [1, 2, 3, 4] }.client()
}

#[test]
fn a_message_of_ours_is_taken_in_any_cut_and_leaves_its_neighbours_whole() {
    let ours = br#"{"auth":{"type":"logout"}}"#;
    let (before, after) = (text(0x82, b"before"), text(0x81, b"{\"auth\" after"));
    let bytes = [before.clone(), text(0x81, ours), after.clone()].concat();
    for step in 1..=bytes.len() {
        let scanned = scan(PLAIN, &bytes, step);
        assert_eq!(scanned.forwarded, [before.clone(), after.clone()].concat(), "{step}");
        assert_eq!(scanned.ours, [ours.to_vec()]);
    }
}

#[test]
fn a_ping_inside_of_a_message_of_ours_goes_on() {
    let bytes = [
        text(0x01, b"{\"au"),
        text(0x89, b"?"),
        text(0x00, b"th\":"),
        text(0x89, b"!"),
        text(0x80, b"1}"),
    ]
    .concat();
    let scanned = scan(PLAIN, &bytes, 3);
    assert_eq!(scanned.forwarded, [text(0x89, b"?"), text(0x89, b"!")].concat());
    assert_eq!(scanned.ours, [b"{\"auth\":1}".to_vec()]);
}

#[test]
fn after_the_clients_close_nothing_goes_on() {
    let close = text(0x88, &[0x0f, 0xa1, b'x']);
    let bytes = [text(0x81, b"a"), close.clone(), text(0x81, b"b")].concat();
    for reserved in [OPEN, PLAIN] {
        for step in 1..=bytes.len() {
            let scanned = scan(reserved, &bytes, step);
            assert_eq!(scanned.end, Ok(Some(4001)));
            assert_eq!(scanned.forwarded, [text(0x81, b"a"), close.clone()].concat());
        }
        assert_eq!(scan(reserved, &text(0x88, b""), 1).end, Ok(None));
    }
}

#[test]
fn a_message_of_ours_is_bounded() {
    let long = vec![b'x'; crate::limits::MESSAGE_BYTES];
    let exact = &long[8..];
    let fits = [text(0x01, b"{\"auth\":"), text(0x80, exact)].concat();
    assert_eq!(scan(PLAIN, &fits, 1000).ours.len(), 1);
    for bytes in [
        [text(0x01, b"{\"auth\":"), text(0x80, &long[7..])].concat(),
        text(0x81, &[b"{\"auth\":".as_slice(), &long].concat()),
        text(0x81, &[b"{\"auth\":".as_slice(), &long[7..]].concat()),
        [text(0x01, b"{\"au"), text(0x80, &[b"th\":".as_slice(), &long[7..]].concat())].concat(),
    ] {
        let scanned = scan(PLAIN, &bytes, 1000);
        assert_eq!(scanned.end, Err(Rejection::MessageTooLarge));
        assert_eq!(scanned.forwarded, b"");
    }
}

#[test]
fn empty_fragments_cannot_make_us_hold_much() {
    let bytes = [text(0x01, b"{"), text(0x00, b"").repeat(20)].concat();
    assert_eq!(scan(PLAIN, &bytes, 5).end, Err(Rejection::FrameMalformed));
}

#[test]
fn how_much_is_held_does_not_depend_on_the_cuts() {
    for empty in 0..12 {
        let start = [text(0x01, b"{\"au"), text(0x00, b"").repeat(empty)].concat();
        for end in [text(0x00, b"tz.."), text(0x80, b"t"), text(0x80, b"th\":1}")] {
            let bytes = [start.clone(), end].concat();
            let at_once = scan(PLAIN, &bytes, bytes.len());
            for step in 1..bytes.len() {
                let pieces = scan(PLAIN, &bytes, step);
                assert_eq!((pieces.end, &pieces.ours), (at_once.end, &at_once.ours), "{step}");
            }
        }
    }
}

#[test]
fn streams_that_break_section_5_4_are_refused() {
    for bytes in [
        text(0x80, b"continuation of nothing"),
        [text(0x01, b"open"), text(0x81, b"another")].concat(),
        [text(0x02, b"open"), text(0x82, b"another")].concat(),
        [text(0x01, b"{\"auth\":"), text(0x82, b"another")].concat(),
        [text(0x01, b"{\"au"), text(0x81, b"another")].concat(),
    ] {
        assert_eq!(scan(PLAIN, &bytes, 2).end, Err(Rejection::FrameMalformed));
    }
    // Nothing was negotiated that would give the bit a meaning.
    assert_eq!(scan(PLAIN, &text(0xc1, b"x"), 1).end, Err(Rejection::FrameMalformed));
    assert_eq!(scan(OPEN, &text(0xc1, b"x"), 1).end, Ok(None));
    let unagreed = (Reserved::No, Extensions::None);
    assert_eq!(scan(unagreed, &text(0xc1, b"x"), 1).end, Err(Rejection::FrameMalformed));
    assert!(ServerScanner::new(Extensions::None).advance(&[0xc1, 0]).is_err());
    assert!(ServerScanner::new(Extensions::Agreed).advance(&[0xc1, 0]).is_ok());
}

#[test]
fn a_connection_that_says_nothing_costs_little() {
    assert!(size_of::<ClientScanner>() <= 64, "{}", size_of::<ClientScanner>());
    assert!(size_of::<ServerScanner>() <= 32, "{}", size_of::<ServerScanner>());
}
