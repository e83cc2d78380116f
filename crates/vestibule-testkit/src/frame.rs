//! Frames (RFC 6455 section 5), strictly read, and written as wrongly as a test wants.

use anyhow::{Result, bail, ensure};

/// Which side of a connection somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Masks what it sends, and is sent nothing masked.
    Client,
    /// The other one.
    Server,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of a message.
    Continuation,
    /// The beginning of a text message.
    Text,
    /// The beginning of a binary message.
    Binary,
    /// The end.
    Close,
    /// Is somebody there?
    Ping,
    /// Yes.
    Pong,
}

impl Opcode {
    const ALL: [(Self, u8); 6] = [
        (Self::Continuation, 0),
        (Self::Text, 1),
        (Self::Binary, 2),
        (Self::Close, 8),
        (Self::Ping, 9),
        (Self::Pong, 10),
    ];

    fn bits(self) -> u8 {
        Self::ALL.iter().find(|(opcode, _)| *opcode == self).map_or(0, |(_, bits)| *bits)
    }

    /// Whether it may stand inside a fragmented message.
    pub fn is_control(self) -> bool {
        self.bits() >= 8
    }
}

/// One frame, unmasked.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// FIN and RSV1 to RSV3, where they stand in the first byte.
    pub flags: u8,
    /// What it is.
    pub opcode: Opcode,
    /// What it says.
    pub payload: Vec<u8>,
}

const MASK: [u8; 4] = [0x9b, 0x3d, 0x00, 0xe7];

impl Frame {
    /// The flag that ends a message.
    pub const FIN: u8 = 0x80;
    /// The flag that permessage-deflate uses (RFC 7692 section 6).
    pub const RSV1: u8 = 0x40;

    /// A whole message in one frame, or a control frame.
    pub fn whole(opcode: Opcode, payload: impl Into<Vec<u8>>) -> Self {
        Self { flags: Self::FIN, opcode, payload: payload.into() }
    }

    /// A piece of a message after which more will come.
    pub fn part(opcode: Opcode, payload: impl Into<Vec<u8>>) -> Self {
        Self { flags: 0, opcode, payload: payload.into() }
    }

    /// A Close with a code and a reason.
    pub fn close(code: u16, reason: &str) -> Self {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        Self::whole(Opcode::Close, payload)
    }

    /// Whether it ends its message.
    pub fn is_last(&self) -> bool {
        self.flags & Self::FIN != 0
    }

    /// The bytes that `sender` would put on the wire.
    pub fn bytes(&self, sender: Role) -> Vec<u8> {
        let masked = if sender == Role::Client { 0x80 } else { 0 };
        let mut out = vec![self.flags | self.opcode.bits()];
        let length = self.payload.len();
        match (u8::try_from(length), u16::try_from(length), u64::try_from(length)) {
            (Ok(short @ 0..=125), _, _) => out.push(masked | short),
            (_, Ok(medium), _) => {
                out.push(masked | 0x7e);
                out.extend_from_slice(&medium.to_be_bytes());
            }
            (_, _, long) => {
                out.push(masked | 0x7f);
                out.extend_from_slice(&long.unwrap_or(u64::MAX).to_be_bytes());
            }
        }
        match sender {
            Role::Server => out.extend_from_slice(&self.payload),
            Role::Client => {
                out.extend_from_slice(&MASK);
                out.extend(self.payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
            }
        }
        out
    }

    /// Reads a frame of `sender` from the front of `input`: the frame and its length, or `None`
    /// where it is not complete. Every rule that one frame can break is checked.
    pub fn read(input: &[u8], sender: Role) -> Result<Option<(Self, usize)>> {
        let [first, second, rest @ ..] = input else { return Ok(None) };
        let Some((opcode, _)) = Opcode::ALL.iter().find(|(_, bits)| *bits == first & 0x0f) else {
            bail!("opcode {:#x} is reserved", first & 0x0f);
        };
        let flags = first & 0xf0;
        let is_masked = second & 0x80 != 0;
        ensure!(is_masked == (sender == Role::Client), "the mask bit is wrong for a {sender:?}");
        let (length, rest, mut size) = match second & 0x7f {
            126 => {
                let Some((bytes, rest)) = rest.split_first_chunk() else { return Ok(None) };
                let length = u64::from(u16::from_be_bytes(*bytes));
                ensure!(length > 125, "length {length} is not written in the shortest way");
                (length, rest, 4)
            }
            127 => {
                let Some((bytes, rest)) = rest.split_first_chunk() else { return Ok(None) };
                let length = u64::from_be_bytes(*bytes);
                ensure!(length > 0xffff, "length {length} is not written in the shortest way");
                (length, rest, 10)
            }
            short => (u64::from(short), rest, 2),
        };
        if opcode.is_control() {
            ensure!(length <= 125 && flags == Self::FIN, "a control frame breaks section 5.5");
        }
        let length = usize::try_from(length)?;
        let (mask, rest) = match sender {
            Role::Server => ([0; 4], rest),
            Role::Client => {
                let Some((mask, rest)) = rest.split_first_chunk() else { return Ok(None) };
                size += 4;
                (*mask, rest)
            }
        };
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let payload = payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m).collect();
        Ok(Some((Self { flags, opcode: *opcode, payload }, size + length)))
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { flags, opcode, payload } = self;
        write!(f, "{opcode:?} flags={flags:#x} {} bytes", payload.len())?;
        match (opcode, payload.as_slice()) {
            (Opcode::Close, [high, low, reason @ ..]) => {
                let code = u16::from_be_bytes([*high, *low]);
                write!(f, ": {code} {:?}", String::from_utf8_lossy(reason))
            }
            (_, bytes) => {
                let some = bytes.get(..bytes.len().min(80)).unwrap_or_default();
                write!(f, ": {:?}", String::from_utf8_lossy(some))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for role in [Role::Client, Role::Server] {
            for length in [0, 1, 125, 126, 65_535, 65_536] {
                let frame = Frame::whole(Opcode::Binary, vec![7; length]);
                let bytes = frame.bytes(role);
                for short in [0, 1, bytes.len() - 1] {
                    assert_eq!(Frame::read(&bytes[..short], role).unwrap(), None);
                }
                assert_eq!(Frame::read(&bytes, role).unwrap(), Some((frame, bytes.len())));
            }
        }
    }

    #[test]
    fn what_breaks_the_rfc_is_an_error() {
        let cases: [(&[u8], Role); 8] = [
            (&[0x83, 0x00], Role::Server),
            (&[0x81, 0x80, 0, 0, 0, 0], Role::Server),
            (&[0x81, 0x00], Role::Client),
            (&[0x09, 0x00], Role::Server),
            (&[0xc9, 0x00], Role::Server),
            (&[0x89, 0x7e, 0x00, 0x7e], Role::Server),
            (&[0x81, 0x7e, 0x00, 0x7d], Role::Server),
            (&[0x81, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff], Role::Server),
        ];
        for (bytes, sender) in cases {
            assert!(Frame::read(bytes, sender).is_err(), "{bytes:02x?}");
        }
    }
}
