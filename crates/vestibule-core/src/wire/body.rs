//! Where a body ends (RFC 9112 sections 6.3 and 7.1). The bytes are passed on as they are; only
//! their end is looked for.

use core::str;

use super::{head::RequestHead, query::nibble};
use crate::{limits, rejection::Rejection};

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// Everything until the upstream closes.
    UntilClose,
}

/// Follows a body to its end.
#[derive(Debug)]
pub struct BodyReader {
    place: Place,
    /// Bytes of chunk sizes, extensions and trailers that may still come.
    overhead: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Bytes(u64),
    UntilClose,
    Size(Size),
    Extension(u64),
    SizeEnd(u64),
    Chunk(u64),
    ChunkCr,
    ChunkLf,
    Trailer,
    TrailerField,
    TrailerFieldEnd,
    LastLf,
    Over,
}

/// A chunk's size so far: its value, and how many digits it had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    value: u64,
    digits: u8,
}

impl Body {
    /// How the body of a request is delimited (RFC 9112 section 6.3). A request that says it in two
    /// ways, or in one that cannot be read, is refused by [`Rejection::MalformedHandshake`]: another
    /// reader would find another end.
    pub fn of_request(head: &RequestHead) -> Result<Self, Rejection> {
        let length = head.one("content-length")?;
        let mut codings = head.all("transfer-encoding");
        match (length, codings.next(), codings.next()) {
            (None, None, _) => Ok(Self::None),
            (Some(digits), None, _) => {
                let legal = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
                let length = str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                length.filter(|_| legal).map(Self::Length).ok_or(Rejection::MalformedHandshake)
            }
            (None, Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => {
                Ok(Self::Chunked)
            }
            (_, Some(_), _) => Err(Rejection::MalformedHandshake),
        }
    }

    /// Follows it.
    pub fn reader(self) -> BodyReader {
        let place = match self {
            Self::None | Self::Length(0) => Place::Over,
            Self::Length(length) => Place::Bytes(length),
            Self::Chunked => Place::Size(Size::default()),
            Self::UntilClose => Place::UntilClose,
        };
        BodyReader { place, overhead: limits::HEAD_BYTES }
    }
}

impl BodyReader {
    /// Whether the body has ended. One that ends with the connection never has.
    pub fn is_over(&self) -> bool {
        self.place == Place::Over
    }

    /// How many of these bytes, which come next, are of the body.
    pub fn take(&mut self, bytes: &[u8]) -> Result<usize, Rejection> {
        let mut used = 0;
        while let Some((&first, rest)) = bytes.get(used..).and_then(<[u8]>::split_first) {
            match self.place {
                Place::Over => break,
                Place::UntilClose => return Ok(bytes.len()),
                Place::Bytes(left) => {
                    let (count, left) = advance(left, rest.len() + 1);
                    self.place = if left == 0 { Place::Over } else { Place::Bytes(left) };
                    used += count;
                }
                Place::Chunk(left) => {
                    let (count, left) = advance(left, rest.len() + 1);
                    self.place = if left == 0 { Place::ChunkCr } else { Place::Chunk(left) };
                    used += count;
                }
                Place::Size(_)
                | Place::Extension(_)
                | Place::SizeEnd(_)
                | Place::ChunkCr
                | Place::ChunkLf
                | Place::Trailer
                | Place::TrailerField
                | Place::TrailerFieldEnd
                | Place::LastLf => {
                    self.place = self.framing(first).ok_or(Rejection::UpstreamInvalid)?;
                    used += 1;
                }
            }
        }
        Ok(used)
    }

    /// One byte that is not of a chunk.
    fn framing(&mut self, byte: u8) -> Option<Place> {
        let place = match (self.place, byte) {
            (Place::Size(Size { value, digits: 1.. }), b'\r') => Place::SizeEnd(value),
            (Place::Size(Size { value, digits: 1.. }), b';') => Place::Extension(value),
            (Place::Size(Size { value, digits: digits @ ..16 }), digit) => {
                let value = value.checked_mul(16)?.checked_add(u64::from(nibble(digit)?))?;
                Place::Size(Size { value, digits: digits + 1 })
            }
            (Place::Extension(value), b'\r') => Place::SizeEnd(value),
            (Place::Extension(_), b'\n' | b'\0') => return None,
            (Place::Extension(value), _) => Place::Extension(value),
            (Place::SizeEnd(0), b'\n') => Place::Trailer,
            (Place::SizeEnd(value), b'\n') => Place::Chunk(value),
            (Place::ChunkCr, b'\r') => Place::ChunkLf,
            (Place::ChunkLf, b'\n') => Place::Size(Size::default()),
            (Place::Trailer, b'\r') => Place::LastLf,
            (Place::TrailerField, b'\r') => Place::TrailerFieldEnd,
            (Place::Trailer | Place::TrailerField, b'\n' | b'\0') => return None,
            (Place::Trailer | Place::TrailerField, _) => Place::TrailerField,
            (Place::TrailerFieldEnd, b'\n') => Place::Trailer,
            (Place::LastLf, b'\n') => Place::Over,
            (_, _) => return None,
        };
        // The framing of honest chunks is paid back by what they hold.
        self.overhead = match place {
            Place::Chunk(_) => limits::HEAD_BYTES,
            Place::Bytes(_)
            | Place::UntilClose
            | Place::Size(_)
            | Place::Extension(_)
            | Place::SizeEnd(_)
            | Place::ChunkCr
            | Place::ChunkLf
            | Place::Trailer
            | Place::TrailerField
            | Place::TrailerFieldEnd
            | Place::LastLf
            | Place::Over => self.overhead.checked_sub(1)?,
        };
        Some(place)
    }
}

/// How many of so many bytes are left after taking what is there.
fn advance(left: u64, there: usize) -> (usize, u64) {
    let count = usize::try_from(left).unwrap_or(usize::MAX).min(there);
    (count, left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds bytes in pieces: what belongs to the body, and whether it is over.
    fn read(body: Body, bytes: &[u8], step: usize) -> Result<(usize, bool), Rejection> {
        let mut reader = body.reader();
        let mut used = 0;
        for piece in bytes.chunks(step) {
            let count = reader.take(piece)?;
            used += count;
            if count < piece.len() {
                break;
            }
        }
        Ok((used, reader.is_over()))
    }

    #[test]
    fn a_body_ends_where_its_framing_says() {
        for step in 1..40 {
            assert_eq!(read(Body::None, b"x", step), Ok((0, true)));
            assert_eq!(read(Body::Length(3), b"abcdef", step), Ok((3, true)));
            assert_eq!(read(Body::Length(9), b"abcdef", step), Ok((6, false)));
            assert_eq!(read(Body::UntilClose, b"abcdef", step), Ok((6, false)));
            let chunks = b"4\r\nWiki\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nT: 1\r\n\r\nHTTP/1.1";
            assert_eq!(read(Body::Chunked, chunks, step), Ok((chunks.len() - 8, true)));
        }
    }

    #[test]
    fn the_body_of_a_request_is_said_in_one_way() {
        use crate::wire::head::tests::request;
        let body = |fields: &[&str]| {
            let lines: Vec<&str> =
                ["POST / HTTP/1.1", "Host: a"].into_iter().chain(fields.iter().copied()).collect();
            Body::of_request(&request(&lines))
        };
        assert_eq!(body(&[]), Ok(Body::None));
        assert_eq!(body(&["Content-Length: 12"]), Ok(Body::Length(12)));
        assert_eq!(body(&["Transfer-Encoding: Chunked"]), Ok(Body::Chunked));
        let no = Err(Rejection::MalformedHandshake);
        for bad in ["+1", "1, 1", "1a", "-1", "0x1", "99999999999999999999"] {
            assert_eq!(body(&[&format!("Content-Length: {bad}")]), no, "{bad}");
        }
        assert_eq!(body(&["Content-Length: 1", "Content-Length: 1"]), no);
        assert_eq!(body(&["Content-Length: 1", "Transfer-Encoding: chunked"]), no);
        assert_eq!(body(&["Transfer-Encoding: gzip, chunked"]), no);
        assert_eq!(body(&["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"]), no);
    }

    #[test]
    fn chunks_that_can_be_read_in_two_ways_are_refused() {
        for bad in [
            "\r\n",
            "x\r\n",
            "4\nWiki",
            "4 \r\nWiki\r\n",
            "4\r\nWikix",
            "4\r\nWiki\n",
            "0x4\r\n",
            "-4\r\n",
            "11111111111111111\r\n",
            "00000000000000001\r\n",
            "4;a\nWiki",
            "0\r\n\n",
            "0\r\nT: 1\n\r\n",
            "0\r\n\rx",
        ] {
            assert_eq!(
                read(Body::Chunked, bad.as_bytes(), 3),
                Err(Rejection::UpstreamInvalid),
                "{bad:?}"
            );
        }
        let endless = [b"4;".as_slice(), &vec![b'a'; limits::HEAD_BYTES]].concat();
        assert_eq!(read(Body::Chunked, &endless, 999), Err(Rejection::UpstreamInvalid));
    }
}
