//! Whether a path has one reading. The gateway decides by the path, and the upstream serves by it:
//! where the two could read it differently, it is refused.

use core::str;

use crate::{rejection::Rejection, wire::query::nibble};

/// Demands a path that nobody normalises into another one:
///
/// - no dot segments, no empty segments but the last (RFC 3986 section 5.2.4);
/// - no `;`: some servers cut parameters off a segment before they look at it, `..;` included, and
///   some proxies before them decode it;
/// - no `\`: some servers read it as `/`;
/// - percent-encodings (RFC 3986 section 2.1) are complete, make UTF-8, and hide neither a separator
///   nor a control character, nor one of those that need no encoding (letters, digits, `-._~`).
///
/// What is left is not decoded: it is matched as [`crate::policy::RoutePath::strip`] says, and goes
/// on as it was written.
pub(super) fn check(path: &str) -> Result<(), Rejection> {
    let rest = path.strip_prefix('/').ok_or(Rejection::PathNotCanonical)?;
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "" if segments.peek().is_none() => {}
            "" | "." | ".." => return Err(Rejection::PathNotCanonical),
            segment => is_canonical(segment).ok_or(Rejection::PathNotCanonical)?,
        }
    }
    Ok(())
}

fn is_canonical(segment: &str) -> Option<()> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, after @ ..] = rest {
        rest = match (first, after) {
            (b'%', [high, low, next @ ..]) => {
                let byte = nibble(*high)? << 4 | nibble(*low)?;
                let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
                if unreserved || byte.is_ascii_control() || matches!(byte, b'/' | b'\\' | b';') {
                    return None;
                }
                decoded.push(byte);
                next
            }
            // `^|[]` are not of RFC 3986; browsers leave them as they are.
            (byte, _) if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@^|[]".contains(byte) => {
                decoded.push(*byte);
                after
            }
            (_, _) => return None,
        };
    }
    str::from_utf8(&decoded).is_ok().then_some(())
}
