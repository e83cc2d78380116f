//! Compressed messages in the relay: what is compressed is recognised by its text, damage changes
//! nothing but itself, and no cut matters. And the extension's fields: what was read is read the same
//! again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use miniz_oxide::{
    deflate::core::{
        CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params,
    },
    inflate::{
        TINFLStatus,
        core::{DecompressorOxide, decompress, inflate_flags},
    },
};
use vestibule_core::{
    limits,
    relay::{ClientScanner, Extensions, Piece, Reserved},
    rejection::Rejection,
    wire::{
        deflate,
        frame::{self, Opcode},
    },
};

const PREFIX: &[u8; 8] = b"{\"auth\":";

fuzz_target!(|input: &[u8]| {
    let [mode, step, cut, bytes @ ..] = input else { return };
    let (step, cut) = (usize::from(*step) + 1, usize::from(*cut));
    match mode % 4 {
        0 => {
            message(bytes, step, cut);
        }
        1 => {
            message(&compressed(bytes, *mode), step, cut);
        }
        2 => {
            let text = [PREFIX, bytes].concat();
            let (end, ours) = message(&compressed(&text, *mode), step, cut);
            if text.len() <= limits::MESSAGE_BYTES && cut > 8 {
                assert_eq!((end, ours), (None, Some(text)));
            }
        }
        _ => fields(bytes),
    }
});

fn compressed(text: &[u8], mode: u8) -> Vec<u8> {
    let flags = create_comp_flags_from_zip_params(i32::from(mode >> 4) % 10, -15, 0);
    let mut out = Vec::new();
    compress_to_output(&mut CompressorOxide::new(flags), text, TDEFLFlush::Sync, |bytes| {
        out.extend_from_slice(bytes);
        true
    });
    out.truncate(out.len() - 4);
    out
}

/// Whether an inflater that sees everything finds the prefix.
fn is_ours(mut payload: &[u8]) -> bool {
    let flags = inflate_flags::TINFL_FLAG_HAS_MORE_INPUT
        | inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (mut out, mut at, mut window) = ([0; 8], 0, 0);
    loop {
        let mut state = DecompressorOxide::new();
        let (status, taken, written) =
            decompress(&mut state, payload, &mut out[window..], at - window, flags);
        at += written;
        window = at;
        payload = &payload[taken..];
        if status != TINFLStatus::Done || payload.is_empty() {
            return &out == PREFIX && at == 8;
        }
    }
}

/// Scans it as one message, cut and fragmented; how it ended, and the text if it is the gateway's.
fn message(payload: &[u8], step: usize, cut: usize) -> (Option<Rejection>, Option<Vec<u8>>) {
    let stream = fragments(payload, cut);
    let one = scan(&stream, stream.len());
    let many = scan(&stream, step);
    assert_eq!((one.end, &one.ours), (many.end, &many.ours));
    let text = one.ours.first().cloned();
    match one.end {
        Some(_) => assert_eq!((one.forwarded, many.forwarded), (Vec::new(), Vec::new())),
        None if is_ours(payload) => {
            assert_eq!((one.forwarded, many.forwarded), (Vec::new(), Vec::new()));
            assert!(text.as_ref().is_some_and(|text| text.starts_with(PREFIX)));
        }
        None => {
            assert_eq!((&one.forwarded, &many.forwarded), (&stream, &stream));
            assert_eq!(text, None);
        }
    }
    (one.end, text)
}

/// The frames of a message; a cut of zero leaves it whole.
fn fragments(payload: &[u8], cut: usize) -> Vec<u8> {
    let pieces: Vec<&[u8]> =
        if cut == 0 || payload.is_empty() { vec![payload] } else { payload.chunks(cut).collect() };
    let mut out = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        let at = out.len();
        frame::encode_client(Opcode::Text, piece, [1, 2, 3, 4], &mut out);
        let last = if number + 1 == pieces.len() { 0x80 } else { 0 };
        out[at] = last | if number == 0 { 0x41 } else { 0 };
    }
    out
}

struct Scanned {
    forwarded: Vec<u8>,
    ours: Vec<Vec<u8>>,
    end: Option<Rejection>,
}

fn scan(stream: &[u8], step: usize) -> Scanned {
    let mut scanner = ClientScanner::new(Reserved::Yes, Extensions::Agreed);
    let mut out = Scanned { forwarded: Vec::new(), ours: Vec::new(), end: None };
    for mut rest in stream.chunks(step) {
        while !rest.is_empty() {
            let count = match scanner.scan(rest) {
                Ok(Piece::Forward(count)) => {
                    assert!(count > 0);
                    out.forwarded.extend(&rest[..count]);
                    count
                }
                Ok(Piece::Taken(count)) => {
                    assert!(count > 0);
                    count
                }
                Ok(Piece::Release(held)) => {
                    assert!(!held.is_empty());
                    out.forwarded.extend(held);
                    0
                }
                Ok(Piece::Message(count, text)) => {
                    assert!(text.len() <= limits::MESSAGE_BYTES);
                    out.ours.push(text.to_vec());
                    count
                }
                Ok(Piece::Close(..)) => unreachable!("no close frame was sent"),
                Err(rejection) => {
                    out.end = Some(rejection);
                    return out;
                }
            };
            rest = &rest[count..];
        }
    }
    out
}

fn fields(bytes: &[u8]) {
    if let Some(left) = deflate::offers(bytes) {
        assert_eq!(deflate::offers(&left).as_deref(), Some(&left[..]));
    }
    if let Ok(told) = deflate::answer(bytes) {
        assert_eq!(deflate::answer(&told).as_deref(), Ok(&told[..]));
        assert!(String::from_utf8_lossy(&told).contains("client_no_context_takeover"));
    }
}
