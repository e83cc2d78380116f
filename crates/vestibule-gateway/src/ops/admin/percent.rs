//! Percent-encoding, as queries and paths have it.

/// Percent-decodes (RFC 3986 section 2.1); `None` where that is not UTF-8, or no encoding.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, next) = match (first, after) {
            (b'%', [high, low, next @ ..]) => (nibble(*high)? << 4 | nibble(*low)?, next),
            (b'%', _) => return None,
            (byte, _) => (*byte, after),
        };
        out.push(byte);
        rest = next;
    }
    String::from_utf8(out).ok()
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
