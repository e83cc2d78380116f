//! The `Cookie` field (RFC 6265 section 4.2.1).

use super::token::trim;

/// The pairs of one `Cookie` field: each as it was written, its name and its value. One pair of
/// quotes around a value is not part of it; a pair without `=` is a value without a name.
pub(crate) fn pairs(field: &[u8]) -> impl Iterator<Item = (&[u8], &[u8], &[u8])> {
    field.split(|&byte| byte == b';').map(trim).filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = match pair.iter().position(|&byte| byte == b'=') {
            Some(at) => {
                let (name, value) = pair.split_at(at);
                (trim(name), trim(value.get(1..).unwrap_or_default()))
            }
            None => (<&[u8]>::default(), pair),
        };
        let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        (pair, name, inner.unwrap_or(value))
    })
}

/// A `Cookie` field without the pairs of that name; `None` where none was in it.
pub(super) fn without(field: &[u8], unwanted: &[u8]) -> Option<Vec<u8>> {
    if !pairs(field).any(|(_, name, _)| name == unwanted) {
        return None;
    }
    let left = pairs(field).filter(|(_, name, _)| *name != unwanted);
    Some(left.map(|(pair, _, _)| pair).collect::<Vec<_>>().join(&b"; "[..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_can_be_taken_out() {
        let without = |field: &str, name: &str| {
            without(field.as_bytes(), name.as_bytes()).map(|left| String::from_utf8(left).unwrap())
        };
        assert_eq!(without("a=1; s=2; b=\"3\"", "s").as_deref(), Some("a=1; b=\"3\""));
        assert_eq!(without("s=1;s=2 ; S=3", "s").as_deref(), Some("S=3"));
        assert_eq!(without("s=1", "s").as_deref(), Some(""));
        assert_eq!(without("s =1", "s").as_deref(), Some(""));
        assert_eq!(without("a=s; xs=1; s", "s"), None);
    }
}
