//! Compressed messages (RFC 7692), against the text that was compressed.

use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params,
};
use proptest::prelude::*;

use super::*;
use crate::limits;

/// How a client compresses.
#[derive(Clone, Copy, Debug)]
enum How {
    /// By a level, in blocks of a kind.
    Level(u8, i32),
    /// With another block after so many bytes.
    Split(usize, u8),
    /// Ended by a last block, and a byte (RFC 7692 section 7.2.3.4).
    Final(u8),
    /// With an empty block before it.
    Empty(u8),
}

const DEFAULT: i32 = 0;
const HUFFMAN_ONLY: i32 = 2;
const FIXED: i32 = 4;

fn compressor(level: u8, strategy: i32) -> CompressorOxide {
    CompressorOxide::new(create_comp_flags_from_zip_params(level.into(), -15, strategy))
}

fn push(compressor: &mut CompressorOxide, text: &[u8], flush: TDEFLFlush) -> Vec<u8> {
    let mut out = Vec::new();
    let (_, used) = compress_to_output(compressor, text, flush, |bytes| {
        out.extend_from_slice(bytes);
        true
    });
    assert_eq!(used, text.len());
    out
}

/// The payload of a message (RFC 7692 section 7.2.1).
fn next(compressor: &mut CompressorOxide, text: &[u8]) -> Vec<u8> {
    let mut out = push(compressor, text, TDEFLFlush::Sync);
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]), "{out:02x?}");
    out.truncate(out.len() - 4);
    out
}

fn squeeze(text: &[u8], how: How) -> Vec<u8> {
    match how {
        How::Level(level, strategy) => next(&mut compressor(level, strategy), text),
        How::Split(at, level) => {
            let mut compressor = compressor(level, DEFAULT);
            let (head, tail) = text.split_at(at.min(text.len()));
            let mut out = push(&mut compressor, head, TDEFLFlush::Sync);
            out.extend(next(&mut compressor, tail));
            out
        }
        How::Final(level) => {
            let mut out = push(&mut compressor(level, DEFAULT), text, TDEFLFlush::Finish);
            out.push(0);
            out
        }
        How::Empty(level) => {
            [vec![0, 0, 0, 0xff, 0xff], next(&mut compressor(level, DEFAULT), text)].concat()
        }
    }
}

fn how() -> impl Strategy<Value = How> {
    let level = prop_oneof![Just(0_u8), Just(1), Just(6), Just(9)];
    (level, 0_usize..12).prop_flat_map(|(level, at)| {
        prop_oneof![
            4 => Just(How::Level(level, DEFAULT)),
            1 => Just(How::Level(6, FIXED)),
            1 => Just(How::Level(6, HUFFMAN_ONLY)),
            2 => Just(How::Split(at, level)),
            1 => Just(How::Final(level)),
            1 => Just(How::Empty(level)),
        ]
    })
}

fn message_text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        Just(Vec::new()),
        Just(b"{\"auth\"".to_vec()),
        Just(b"{\"auth\":".to_vec()),
        Just(b" {\"auth\":1}".to_vec()),
        "\\{\"[a-z]{1,5}\":[a-z0-9 ]{0,600}".prop_map(String::into_bytes),
        "\\{\"auth\":[a-zA-Z0-9{}\": ]{0,600}".prop_map(String::into_bytes),
        (0_usize..2000)
            .prop_map(|count| format!("{{\"auth\":\"{}\"}}", "abc".repeat(count)).into_bytes()),
        (0_usize..2000).prop_map(|count| b"{\"auth\" :".repeat(count)),
    ]
}

#[derive(Clone, Debug)]
struct Sent {
    frames: Vec<Frame>,
    text: Vec<u8>,
    is_ours: bool,
}

/// Payload in fragments, with pings between them.
fn fragments(first: u8, payload: &[u8], cuts: &[usize], mask: [u8; 4]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut rest = payload;
    for (number, cut) in cuts.iter().enumerate() {
        let (piece, left) = rest.split_at((*cut).min(rest.len()));
        let first = if number == 0 { first } else { 0 };
        frames.push(Frame { first, payload: piece.to_vec(), mask });
        if cut % 2 == 0 {
            frames.push(Frame { first: 0x89, payload: b"ping".to_vec(), mask });
        }
        rest = left;
    }
    let first = 0x80 | if cuts.is_empty() { first } else { 0 };
    frames.push(Frame { first, payload: rest.to_vec(), mask });
    frames
}

fn sent() -> impl Strategy<Value = Sent> {
    let cuts = prop::collection::vec(0_usize..40, 0..5);
    let kind = prop_oneof![4 => Just(0x41_u8), 1 => Just(0x42), 1 => Just(0x01)];
    (message_text(), how(), kind, cuts, any::<[u8; 4]>()).prop_map(
        |(text, how, kind, cuts, mask)| {
            let payload = if kind & 0x40 == 0 { text.clone() } else { squeeze(&text, how) };
            let is_ours = kind & 0x0f == 1 && text.starts_with(b"{\"auth\":");
            Sent { frames: fragments(kind, &payload, &cuts, mask), text, is_ours }
        },
    )
}

fn bytes_of(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::client).collect()
}

proptest! {
    #[test]
    fn a_compressed_message_is_whose_its_text_says(
        sent in prop::collection::vec(sent(), 0..5), step in 1_usize..300
    ) {
        let (mut data, mut control, mut ours) = (Vec::new(), Vec::new(), Vec::new());
        for Sent { frames, text, is_ours } in &sent {
            for frame in frames {
                if frame.first & 0x08 != 0 {
                    control.extend(frame.client());
                } else if !is_ours {
                    data.extend(frame.client());
                }
            }
            if *is_ours {
                ours.push(text.clone());
            }
        }
        let bytes: Vec<u8> = sent.iter().flat_map(|sent| bytes_of(&sent.frames)).collect();
        let scanned = scan(COMPRESSED, &bytes, step);
        prop_assert_eq!(scanned.end, Ok(None));
        prop_assert_eq!(sort(&scanned.forwarded), (data, control));
        prop_assert_eq!(scanned.ours, ours);
    }

    #[test]
    fn cuts_do_not_change_what_is_made_of_damage(
        text in message_text(), how in how(), cuts in prop::collection::vec(0_usize..40, 0..4),
        flip in any::<prop::sample::Index>(), bit in 0_u8..8, short in 0_usize..3,
        step in 1_usize..60
    ) {
        let mut payload = squeeze(&text, how);
        payload.truncate(payload.len() - short.min(payload.len()));
        if !payload.is_empty() {
            let at = flip.index(payload.len());
            payload[at] ^= 1 << bit;
        }
        let bytes = bytes_of(&fragments(0x41, &payload, &cuts, [7, 1, 9, 4]));
        let (one, many) = (
            scan(COMPRESSED, &bytes, bytes.len()),
            scan(COMPRESSED, &bytes, step),
        );
        prop_assert_eq!(&one.ours, &many.ours);
        prop_assert_eq!(one.end, many.end);
        // The whole of a message, or nothing of it.
        if one.end.is_ok() {
            prop_assert_eq!(sort(&one.forwarded), sort(&many.forwarded));
            prop_assert_eq!(one.ours.is_empty(), !sort(&one.forwarded).0.is_empty());
        } else {
            prop_assert_eq!(sort(&one.forwarded).0, b"");
            prop_assert_eq!(sort(&many.forwarded).0, b"");
        }
    }
}

fn compressed(what: &[u8], how: How) -> Vec<u8> {
    text(0xc1, &squeeze(what, how))
}

const LEVELS: [How; 6] = [
    How::Level(0, DEFAULT),
    How::Level(1, DEFAULT),
    How::Level(6, DEFAULT),
    How::Level(9, DEFAULT),
    How::Level(6, FIXED),
    How::Level(6, HUFFMAN_ONLY),
];

#[test]
fn a_message_of_the_application_passes_in_one_piece_without_an_inflater() {
    let long: Vec<String> =
        (0..200).map(|number| format!("{{\"number\":{number},\"name\":\"é\"}},")).collect();
    let long = long.concat();
    for how in LEVELS {
        for application in ["{\"a\":1}", "hello", "{\"auth\" :1}", "{\"aut\":1}", "[1,2,3]", &long]
        {
            let bytes = compressed(application.as_bytes(), how);
            let piece = ClientScanner::new(Reserved::Yes, Extensions::Agreed).scan(&bytes);
            assert_eq!(piece, Ok(Piece::Forward(bytes.len())), "{how:?} {application}");
        }
    }
}

#[test]
fn a_message_without_text_is_the_applications() {
    // RFC 7692 section 7.2.3.6, nothing at all, and a stream that is over.
    for payload in [&[0x00][..], &[], &[0x02, 0x00], &[0x03, 0x00], &[0x03, 0x00, 0x00]] {
        let bytes = [text(0xc1, payload), text(0x81, b"next")].concat();
        let in_two = [text(0x41, payload), text(0x80, b"")].concat();
        for step in 1..20 {
            for bytes in [&bytes, &in_two] {
                let scanned = scan(COMPRESSED, bytes, step);
                assert_eq!((scanned.end, &scanned.forwarded), (Ok(None), bytes), "{payload:?}");
            }
        }
    }
}

#[test]
fn the_examples_of_rfc_7692_pass() {
    let payloads: [&[u8]; 5] = [
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
        &[0xf2, 0x00, 0x11, 0x00, 0x00],
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
    ];
    for payload in payloads {
        let bytes = text(0xc1, payload);
        for step in 1..=bytes.len() {
            let scanned = scan(COMPRESSED, &bytes, step);
            assert_eq!((scanned.end, scanned.forwarded), (Ok(None), bytes.clone()));
        }
    }
}

#[test]
fn what_rsv1_may_stand_on_is_decided_by_section_6() {
    let piece = squeeze(b"{\"a\":1}", How::Level(6, DEFAULT));
    let ours = squeeze(b"{\"auth\":1}", How::Level(6, DEFAULT));
    for (bytes, end) in [
        (text(0xc2, &piece), Ok(None)),
        (text(0xc1, &piece), Ok(None)),
        (text(0xc9, b""), Err(Rejection::FrameMalformed)),
        (text(0xc8, b""), Err(Rejection::FrameMalformed)),
        (text(0xa1, &piece), Err(Rejection::FrameMalformed)),
        (text(0xd1, &piece), Err(Rejection::FrameMalformed)),
        (text(0xe2, &piece), Err(Rejection::FrameMalformed)),
        ([text(0x41, &piece), text(0xc0, b"")].concat(), Err(Rejection::FrameMalformed)),
        ([text(0x42, &piece), text(0xc0, b"")].concat(), Err(Rejection::FrameMalformed)),
        ([text(0x41, &ours[..4]), text(0xc0, &ours[4..])].concat(), Err(Rejection::FrameMalformed)),
        ([text(0x41, &ours), text(0xc0, b"")].concat(), Err(Rejection::FrameMalformed)),
    ] {
        for step in 1..=bytes.len() {
            assert_eq!(scan(COMPRESSED, &bytes, step).end, end, "{bytes:02x?}");
        }
    }
}

#[test]
fn a_bomb_is_stopped_at_the_bound_and_nothing_of_it_goes_on() {
    let bomb = |length: usize| [b"{\"auth\":".as_slice(), &vec![b' '; length - 8]].concat();
    let how = How::Level(9, DEFAULT);
    let exact = scan(COMPRESSED, &compressed(&bomb(limits::MESSAGE_BYTES), how), 100);
    assert_eq!((exact.end, exact.ours.len()), (Ok(None), 1));
    for length in [limits::MESSAGE_BYTES + 1, limits::MESSAGE_BYTES + 2, 10_000_000] {
        for step in [1, 7, 5000] {
            let scanned = scan(COMPRESSED, &compressed(&bomb(length), how), step);
            assert_eq!(scanned.end, Err(Rejection::MessageTooLarge), "{length} {step}");
            assert_eq!((scanned.forwarded, scanned.ours), (Vec::new(), Vec::new()));
        }
    }
    // The application's are its own affair.
    let theirs = compressed(&vec![b'{'; 1_000_000], how);
    assert_eq!(scan(COMPRESSED, &theirs, 100).forwarded, theirs);
}

#[test]
fn blocks_without_output_cannot_make_us_hold_or_wait() {
    let empty = [0, 0, 0, 0xff, 0xff].repeat(300);
    for payload in [empty.clone(), [empty, squeeze(b"x", How::Level(1, DEFAULT))].concat()] {
        let scanned = scan(COMPRESSED, &text(0xc1, &payload), 10);
        assert_eq!(scanned.end, Err(Rejection::FrameMalformed));
        assert_eq!(scanned.forwarded, b"");
    }
    let fragments = [text(0x41, b""), text(0x00, b"").repeat(100)].concat();
    assert_eq!(scan(COMPRESSED, &fragments, 3).end, Err(Rejection::FrameMalformed));
    let prefix = push(&mut compressor(6, DEFAULT), b"{\"auth\":", TDEFLFlush::Sync);
    let endless = [prefix, [0, 0, 0, 0xff, 0xff].repeat(10_000)].concat();
    let frames: Vec<Vec<u8>> = endless
        .chunks(100)
        .enumerate()
        .map(|(number, piece)| text(if number == 0 { 0x41 } else { 0 }, piece))
        .collect();
    for bytes in [text(0xc1, &endless), frames.concat()] {
        let scanned = scan(COMPRESSED, &bytes, 64);
        assert_eq!(scanned.end, Err(Rejection::MessageTooLarge));
    }
}

#[test]
fn how_much_is_held_does_not_depend_on_the_cuts() {
    let bound = limits::HELD_COMPRESSED_BYTES;
    for text_of in [&b"{\"auth\":1}"[..], b"{\"a\":1}"] {
        let last = squeeze(text_of, How::Level(6, DEFAULT));
        // From well below the bound to well above it, byte by byte.
        for blocks in (bound - 40) / 5..(bound + 10) / 5 {
            for literal in 0..5 {
                let some = squeeze(&b"{\"auth"[..literal], How::Split(literal, 0));
                let rest = if literal == 0 { last.clone() } else { squeeze(b"x", LEVELS[1]) };
                let payload = [[0, 0, 0, 0xff, 0xff].repeat(blocks), some, rest].concat();
                let bytes = text(0xc1, &payload);
                let at_once = scan(COMPRESSED, &bytes, bytes.len());
                for step in [1, 2, 3, 64, 255, 300] {
                    let pieces = scan(COMPRESSED, &bytes, step);
                    assert_eq!((pieces.end, &pieces.ours), (at_once.end, &at_once.ours));
                }
            }
        }
    }
}

#[test]
fn a_message_of_ours_that_does_not_end_well_is_malformed() {
    let ours = squeeze(b"{\"auth\":{\"type\":\"logout\"}}", How::Level(6, DEFAULT));
    let stored = squeeze(b"{\"auth\":{\"type\":\"logout\"}}", How::Level(0, DEFAULT));
    let reference = [squeeze(b"{\"auth\":", How::Split(8, 6)), vec![0x02, 0x7e, 0xff]].concat();
    for payload in [&ours[..ours.len() - 3], &stored[..20], &reference[..]] {
        for step in [1, 3, 100] {
            let scanned = scan(COMPRESSED, &text(0xc1, payload), step);
            assert_eq!(scanned.end, Err(Rejection::FrameMalformed), "{payload:02x?}");
            assert_eq!((scanned.forwarded, scanned.ours), (Vec::new(), Vec::new()));
        }
    }
}

#[test]
fn a_client_that_keeps_its_window_hides_its_own_messages_and_nothing_else() {
    let mut keeps = compressor(6, DEFAULT);
    let first = next(&mut keeps, b"{\"auth\":{\"type\":\"logout\"}}");
    let second = next(&mut keeps, b"{\"auth\":{\"type\":\"logout\"}}");
    let bytes = [text(0xc1, &first), text(0xc1, &second)].concat();
    for step in 1..=bytes.len() {
        let scanned = scan(COMPRESSED, &bytes, step);
        assert_eq!(scanned.end, Ok(None));
        assert_eq!(scanned.ours, [b"{\"auth\":{\"type\":\"logout\"}}".to_vec()]);
        assert_eq!(scanned.forwarded, text(0xc1, &second));
    }
}

#[test]
fn after_a_message_of_ours_the_application_goes_on() {
    for how in LEVELS {
        let (before, after) = (compressed(b"{\"a\":1}", how), compressed(b"{\"auth\" }", how));
        let ours = compressed(b"{\"auth\":{\"type\":\"logout\"}}", how);
        let bytes = [before.clone(), ours, after.clone(), text(0x81, b"{\"auth\":")].concat();
        for step in 1..=bytes.len() {
            let scanned = scan(COMPRESSED, &bytes, step);
            assert_eq!(scanned.forwarded, [before.clone(), after.clone()].concat());
            assert_eq!(
                scanned.ours,
                [b"{\"auth\":{\"type\":\"logout\"}}".to_vec(), b"{\"auth\":".to_vec()]
            );
        }
    }
}
