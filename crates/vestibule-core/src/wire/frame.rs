//! One frame header (RFC 6455 section 5.2). Payloads are not looked at.

use crate::rejection::Rejection;

/// The longest header: two bytes, eight of length, four of mask.
pub const HEADER_BYTES: usize = 14;
/// The longest payload of a control frame (RFC 6455 section 5.5).
pub const CONTROL_BYTES: u64 = 125;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of a message.
    Continuation,
    /// The beginning of a text message.
    Text,
    /// The beginning of a binary message.
    Binary,
    /// The end of the connection.
    Close,
    /// A question whether somebody is there.
    Ping,
    /// The answer to it.
    Pong,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xa => Some(Self::Pong),
            _ => None,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    /// Whether it may stand between the fragments of a message.
    pub const fn is_control(self) -> bool {
        match self {
            Self::Close | Self::Ping | Self::Pong => true,
            Self::Continuation | Self::Text | Self::Binary => false,
        }
    }
}

/// Who sent a frame. A client masks every frame, a server none (RFC 6455 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The side that opened the connection.
    Client,
    /// The side that accepted it.
    Server,
}

/// Whether a frame is the last of its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fin {
    /// It is.
    Last,
    /// More follows.
    More,
}

/// A header that obeys the rules of section 5.2 that can be judged without its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether it is the last of its message.
    pub fin: Fin,
    /// RSV1 to RSV3, as the low bits; only extensions set them.
    pub reserved: u8,
    /// What it is.
    pub opcode: Opcode,
    /// The mask; all zero where the sender does not mask.
    pub mask: [u8; 4],
    /// The length of the payload.
    pub length: u64,
    /// The length of the header itself.
    pub size: usize,
}

impl Header {
    /// Reads a header from the front of `input`; `None` where more bytes are needed. What the first
    /// byte shows to be wrong is refused without the second.
    pub fn parse(input: &[u8], sender: Sender) -> Result<Option<Self>, Rejection> {
        let Some((first, rest)) = input.split_first() else { return Ok(None) };
        let opcode = Opcode::from_bits(first & 0x0f).ok_or(Rejection::FrameMalformed)?;
        let fin = if first & 0x80 == 0 { Fin::More } else { Fin::Last };
        let reserved = (first >> 4) & 0x07;
        let control = opcode.is_control();
        if control && (fin == Fin::More || reserved != 0) {
            return Err(Rejection::FrameMalformed);
        }
        let Some((second, rest)) = rest.split_first() else { return Ok(None) };
        let masked = second & 0x80 != 0;
        let wanted = match sender {
            Sender::Client => masked,
            Sender::Server => !masked,
        };
        let short = second & 0x7f;
        if !wanted || (control && short > 125) {
            return Err(Rejection::FrameMalformed);
        }
        let (length, rest, size) = match short {
            126 => {
                let Some((bytes, rest)) = rest.split_first_chunk() else { return Ok(None) };
                let length = u64::from(u16::from_be_bytes(*bytes));
                if length < 126 {
                    return Err(Rejection::FrameMalformed);
                }
                (length, rest, 4)
            }
            127 => {
                let Some((bytes, rest)) = rest.split_first_chunk() else { return Ok(None) };
                let length = u64::from_be_bytes(*bytes);
                if u16::try_from(length).is_ok() || length > u64::MAX >> 1 {
                    return Err(Rejection::FrameMalformed);
                }
                (length, rest, 10)
            }
            short => (u64::from(short), rest, 2),
        };
        let (mask, size) = match sender {
            Sender::Server => ([0; 4], size),
            Sender::Client => match rest.first_chunk() {
                Some(mask) => (*mask, size + 4),
                None => return Ok(None),
            },
        };
        Ok(Some(Self { fin, reserved, opcode, mask, length, size }))
    }
}

/// Masks or unmasks (RFC 6455 section 5.3); `offset` is where in the payload `bytes` begin.
pub fn unmask(bytes: &mut [u8], mask: [u8; 4], offset: u64) {
    let turn = usize::try_from(offset % 4).unwrap_or(0);
    for (byte, key) in bytes.iter_mut().zip(mask.iter().cycle().skip(turn)) {
        *byte ^= key;
    }
}

/// Appends a whole frame of a server.
pub fn encode_server(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    header(opcode, payload.len(), 0, out);
    out.extend_from_slice(payload);
}

/// Appends a whole frame of a client.
pub fn encode_client(opcode: Opcode, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    header(opcode, payload.len(), 0x80, out);
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
}

fn header(opcode: Opcode, length: usize, masked: u8, out: &mut Vec<u8>) {
    out.push(0x80 | opcode.bits());
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => out.push(masked | short),
        (_, Ok(medium)) => {
            out.push(masked | 0x7e);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        (_, Err(_)) => {
            out.push(masked | 0x7f);
            out.extend_from_slice(&u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8], sender: Sender) -> Result<Option<Header>, Rejection> {
        Header::parse(bytes, sender)
    }

    #[test]
    fn the_examples_of_rfc_6455_section_5_7_are_read() {
        let hello = parse(&[0x81, 0x05, 0x48, 0x65], Sender::Server).unwrap().unwrap();
        assert_eq!(
            (hello.opcode, hello.fin, hello.length, hello.size),
            (Opcode::Text, Fin::Last, 5, 2)
        );
        let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let header = parse(&masked, Sender::Client).unwrap().unwrap();
        let mut payload = masked[header.size..].to_vec();
        unmask(&mut payload, header.mask, 0);
        assert_eq!(payload, b"Hello");
        let first = parse(&[0x01, 0x03], Sender::Server).unwrap().unwrap();
        assert_eq!((first.opcode, first.fin), (Opcode::Text, Fin::More));
        let last = parse(&[0x80, 0x02], Sender::Server).unwrap().unwrap();
        assert_eq!((last.opcode, last.fin), (Opcode::Continuation, Fin::Last));
        let medium = parse(&[0x82, 0x7e, 0x01, 0x00], Sender::Server).unwrap().unwrap();
        assert_eq!((medium.length, medium.size), (256, 4));
        let long = parse(&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0], Sender::Server).unwrap().unwrap();
        assert_eq!((long.length, long.size), (65536, 10));
    }

    #[test]
    fn what_breaks_section_5_2_is_refused() {
        let cases: [(&[u8], Sender); 17] = [
            (&[0x83], Sender::Client), // without the second byte, too
            (&[0x09], Sender::Client),
            (&[0xc9], Sender::Server),
            (&[0x83, 0x00], Sender::Server), // reserved opcode
            (&[0x8b, 0x00], Sender::Server), // reserved control opcode
            (&[0x81, 0x85], Sender::Server), // a server that masks
            (&[0x81, 0x05], Sender::Client), // a client that does not
            (&[0x09, 0x00], Sender::Server), // a ping in fragments
            (&[0x08, 0x00], Sender::Server), // a close in fragments
            (&[0x89, 0x7e], Sender::Server), // a long ping
            (&[0x88, 0xff], Sender::Client), // a long close
            (&[0xc9, 0x00], Sender::Server), // RSV1 on a control frame
            (&[0x81, 0x7e, 0x00, 0x7d], Sender::Server), // 125 in two bytes
            (&[0x81, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff], Sender::Server), // 65535 in eight
            (&[0x81, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0], Sender::Server), // the highest bit
            (&[0x81, 0xfe, 0x00, 0x10], Sender::Client),
            (&[0x81, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0], Sender::Client),
        ];
        for (bytes, sender) in cases {
            assert_eq!(parse(bytes, sender), Err(Rejection::FrameMalformed), "{bytes:02x?}");
        }
    }

    #[test]
    fn a_header_is_read_when_its_last_byte_is_there() {
        for length in [0, 5, 125, 126, 65535, 65536, 70000] {
            let mut bytes = Vec::new();
            encode_client(Opcode::Binary, &vec![7; length], [1, 2, 3, 4], &mut bytes);
            let header = parse(&bytes, Sender::Client).unwrap().unwrap();
            assert_eq!(header.size + length, bytes.len());
            assert_eq!(header.length, u64::try_from(length).unwrap());
            for short in 0..header.size {
                assert_eq!(parse(&bytes[..short], Sender::Client), Ok(None));
            }
            let mut payload = bytes[header.size..].to_vec();
            unmask(&mut payload, header.mask, 0);
            assert_eq!(payload, vec![7; length]);
        }
    }

    #[test]
    fn unmasking_in_pieces_is_unmasking_at_once() {
        let mask = [9, 8, 7, 6];
        let whole: Vec<u8> = (0..50).collect();
        let mut at_once = whole.clone();
        unmask(&mut at_once, mask, 0);
        for cut in 0..whole.len() {
            let mut pieces = whole.clone();
            let (head, tail) = pieces.split_at_mut(cut);
            unmask(head, mask, 0);
            unmask(tail, mask, u64::try_from(cut).unwrap());
            assert_eq!(pieces, at_once);
        }
    }
}
