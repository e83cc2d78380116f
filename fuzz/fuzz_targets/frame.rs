//! The scanners of the relay against an oracle that sees the whole stream at once.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_core::{
    relay::{ClientScanner, Extensions, Gap, Piece, Reserved, ServerScanner},
    wire::frame::{self, Fin, Header, Opcode, Sender},
};

fuzz_target!(|input: &[u8]| {
    let [step, mode, bytes @ ..] = input else { return };
    let (step, sender) =
        (usize::from(step >> 1) + 1, if step & 1 == 0 { Sender::Client } else { Sender::Server });
    let stream = if mode & 1 == 0 { bytes.to_vec() } else { frames(bytes, sender) };
    match sender {
        Sender::Client => {
            let reserved = match (mode & 2, mode & 4) {
                (_, 4) => Reserved::Every { most: 1 << 16 },
                (0, _) => Reserved::Yes,
                (_, _) => Reserved::No,
            };
            client(&stream, step, reserved);
        }
        Sender::Server => server(&stream, step),
    }
});

/// Frames that are well formed each by itself: a first byte, a length, a payload, and so on.
fn frames(mut script: &[u8], sender: Sender) -> Vec<u8> {
    let mut out = Vec::new();
    while let [first, length, rest @ ..] = script {
        let (payload, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        let at = out.len();
        match sender {
            Sender::Client => {
                frame::encode_client(Opcode::Text, payload, [*first, 2, 3, *length], &mut out);
            }
            Sender::Server => frame::encode_server(Opcode::Text, payload, &mut out),
        }
        out[at] = *first;
        script = rest;
    }
    out
}

#[derive(Debug, PartialEq)]
struct Scanned {
    forwarded: Vec<u8>,
    ours: Vec<Vec<u8>>,
    closed: bool,
}

fn scan(bytes: &[u8], step: usize, reserved: Reserved) -> Option<Scanned> {
    let mut scanner = ClientScanner::new(reserved, extensions(reserved));
    let mut out = Scanned { forwarded: Vec::new(), ours: Vec::new(), closed: false };
    for mut rest in bytes.chunks(step) {
        while !rest.is_empty() {
            let (count, is_taken) = match scanner.scan(rest).ok()? {
                Piece::Forward(count) => {
                    out.forwarded.extend(&rest[..count]);
                    (count, true)
                }
                Piece::Taken(count) => (count, true),
                Piece::Release(held) => {
                    assert!(!held.is_empty());
                    out.forwarded.extend(held);
                    (0, false)
                }
                Piece::Message(count, text) => {
                    out.ours.push(text.to_vec());
                    (count, true)
                }
                Piece::Close(count, _) => {
                    out.forwarded.extend(&rest[..count]);
                    out.closed = true;
                    (count, true)
                }
            };
            assert!((count > 0) == is_taken);
            rest = &rest[count..];
            // What the upstream has seen is whole up to the gap that is claimed.
            let expected = match walk(&out.forwarded, Sender::Client).end {
                End::Whole { open: false } => Gap::Message,
                End::Whole { open: true } => Gap::Frame,
                End::Torn | End::Closed => Gap::Inside,
                End::Broken => panic!("a broken stream was forwarded"),
            };
            assert_eq!(scanner.gap(), expected);
        }
    }
    Some(out)
}

fn client(bytes: &[u8], step: usize, reserved: Reserved) {
    let seen = walk(bytes, Sender::Client);
    let (one, many) = (scan(bytes, bytes.len().max(1), reserved), scan(bytes, step, reserved));
    assert_eq!(one, many);
    let Some(scanned) = one else { return };
    assert_eq!(scanned.closed, seen.end == End::Closed);
    if reserved == Reserved::No {
        assert!(bytes.starts_with(&scanned.forwarded));
        assert!(scanned.closed || scanned.forwarded == bytes);
        return;
    }
    let End::Whole { open: false } = seen.end else { return };
    let forwarded = walk(&scanned.forwarded, Sender::Client);
    assert_eq!(forwarded.end, seen.end);
    assert_eq!(forwarded.control, seen.control);
    if let Reserved::Every { .. } = reserved {
        assert_eq!(forwarded.messages, []);
        let all: Vec<_> = seen.messages.into_iter().map(|message| message.payload).collect();
        assert_eq!(scanned.ours, all);
        return;
    }
    let (ours, theirs): (Vec<_>, Vec<_>) =
        seen.messages.into_iter().partition(|message| message.is_ours);
    assert_eq!(forwarded.messages, theirs);
    let ours: Vec<_> = ours.into_iter().map(|message| message.payload).collect();
    assert_eq!(scanned.ours, ours);
}

/// What goes on untouched may hold what nobody but its ends understands.
fn extensions(reserved: Reserved) -> Extensions {
    if reserved == Reserved::No { Extensions::Agreed } else { Extensions::None }
}

fn server(bytes: &[u8], step: usize) {
    let mut scanner = ServerScanner::new(Extensions::Agreed);
    let mut written = 0;
    for piece in bytes.chunks(step) {
        for gap in [Gap::Frame, Gap::Message] {
            if let Some(count) = scanner.bytes_to(gap, &bytes[written..]) {
                let End::Whole { open } = walk(&bytes[..written + count], Sender::Server).end
                else {
                    panic!("a cut was offered inside of a frame");
                };
                assert!(gap == Gap::Frame || !open);
            }
        }
        written += piece.len();
        let expected = walk(&bytes[..written], Sender::Server).end;
        if scanner.advance(piece).is_err() {
            assert_eq!(expected, End::Broken);
            return;
        }
        match expected {
            End::Whole { open: false } => assert_eq!(scanner.gap(), Gap::Message),
            End::Whole { open: true } => assert_eq!(scanner.gap(), Gap::Frame),
            End::Torn | End::Closed => assert_eq!(scanner.gap(), Gap::Inside),
            End::Broken => panic!("a broken stream was not noticed"),
        }
        assert_eq!(scanner.is_closed(), expected == End::Closed);
    }
}

#[derive(Debug, PartialEq)]
enum End {
    /// After a whole frame; whether a message is open.
    Whole { open: bool },
    /// Inside of a frame.
    Torn,
    /// After a close frame.
    Closed,
    /// A rule of RFC 6455 section 5 was broken.
    Broken,
}

#[derive(Debug, PartialEq)]
struct Message {
    bytes: Vec<u8>,
    payload: Vec<u8>,
    is_ours: bool,
}

struct Walked {
    messages: Vec<Message>,
    control: Vec<u8>,
    end: End,
}

/// Walks whole frames.
fn walk(mut bytes: &[u8], sender: Sender) -> Walked {
    let mut walked = Walked { messages: Vec::new(), control: Vec::new(), end: End::Torn };
    let mut open: Option<(Opcode, Message)> = None;
    while !bytes.is_empty() {
        let header = match Header::parse(bytes, sender) {
            Ok(Some(header)) => header,
            Ok(None) => return walked,
            Err(_) => {
                walked.end = End::Broken;
                return walked;
            }
        };
        let fits = matches!(
            (header.opcode, &open),
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _)
                | (Opcode::Text | Opcode::Binary, None)
                | (Opcode::Continuation, Some(_))
        );
        if !fits {
            walked.end = End::Broken;
            return walked;
        }
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let Some(whole) = bytes.get(..header.size.saturating_add(length)) else { return walked };
        bytes = &bytes[whole.len()..];
        if header.opcode == Opcode::Close {
            walked.end = End::Closed;
            return walked;
        }
        if header.opcode.is_control() {
            walked.control.extend(whole);
            continue;
        }
        let (kind, mut message) = open.take().unwrap_or_else(|| {
            let (bytes, payload) = (Vec::new(), Vec::new());
            (header.opcode, Message { bytes, payload, is_ours: false })
        });
        let mut payload = whole[header.size..].to_vec();
        frame::unmask(&mut payload, header.mask, 0);
        message.bytes.extend(whole);
        message.payload.extend(payload);
        match header.fin {
            Fin::More => open = Some((kind, message)),
            Fin::Last => {
                message.is_ours =
                    kind == Opcode::Text && message.payload.starts_with(b"{\"auth\":");
                walked.messages.push(message);
            }
        }
    }
    walked.end = End::Whole { open: open.is_some() };
    walked
}
