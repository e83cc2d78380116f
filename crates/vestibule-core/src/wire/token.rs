//! The small grammars that fields are made of (RFC 9110 section 5.6).

use core::str;

/// Whether a byte may stand in a token (RFC 9110 section 5.6.2).
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// The bytes that may stand in a token, a bit each: every name of every field is looked at, several
/// times.
const TOKEN_BYTES: u128 = {
    let mut bytes = 0;
    let mut byte = 0;
    while byte < 128 {
        if is_token_byte(byte) {
            bytes |= 1_u128 << byte;
        }
        byte += 1;
    }
    bytes
};

/// Whether bytes are a token.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    let legal = |byte: &u8| *byte < 128 && TOKEN_BYTES >> *byte & 1 == 1;
    !bytes.is_empty() && bytes.iter().all(legal)
}

/// Reads a token.
pub(super) fn token(bytes: &[u8]) -> Option<&str> {
    if is_token(bytes) { str::from_utf8(bytes).ok() } else { None }
}

/// Whether bytes have the form that RFC 6750 section 2.1 gives a bearer token (`b64token`).
pub(crate) fn is_token68(bytes: &[u8]) -> bool {
    let end = bytes.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
    let body = bytes.get(..end).unwrap_or_default();
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    !body.is_empty() && body.iter().all(legal)
}

/// Whether a field's value can be written: anything else could end the field and begin another.
pub(super) fn is_value(bytes: &[u8]) -> bool {
    // All of them, always: what needs no branch is done many at a time.
    let illegal = |&&byte: &&u8| byte == 0x7f || (byte < b' ' && byte != b'\t');
    bytes.iter().filter(illegal).count() == 0
}

/// The elements of a list, without those that are empty (RFC 9110 section 5.6.1).
pub(super) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// Without the spaces and tabs at both ends.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The names in a list of extensions; `None` where it breaks RFC 6455 section 9.1. What a quoted
/// value holds must be a token, so no comma and no semicolon can hide in one.
pub(super) fn extensions(value: &[u8]) -> Option<Vec<&str>> {
    let names: Option<Vec<&str>> = elements(value).map(extension).collect();
    names.filter(|names| !names.is_empty())
}

fn extension(element: &[u8]) -> Option<&str> {
    let mut parts = element.split(|&byte| byte == b';').map(trim);
    let name = token(parts.next()?)?;
    parts.all(is_parameter).then_some(name)
}

fn is_parameter(bytes: &[u8]) -> bool {
    let mut sides = bytes.splitn(2, |&byte| byte == b'=').map(trim);
    let name = sides.next().and_then(token);
    let value = sides.next().is_none_or(|value| {
        let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        token(inner.unwrap_or(value)).is_some()
    });
    name.is_some() && value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_read_by_the_letter() {
        let names = |text: &'static str| extensions(text.as_bytes());
        assert_eq!(names("permessage-deflate"), Some(vec!["permessage-deflate"]));
        assert_eq!(names("a; b=1; c=\"2\" ,, d ; e"), Some(vec!["a", "d"]));
        for bad in
            ["", ",", "a b", "a; ", "a;=1", "a; b=", "a; b=\"x,y\"", "a; b=\"", "é", "a;b=c d"]
        {
            assert_eq!(names(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_token_has_the_bytes_of_the_grammar() {
        for byte in 0..=u8::MAX {
            let legal = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert_eq!(token(&[b'a', byte]).is_some(), legal, "{byte}");
        }
        assert_eq!(token(b""), None);
    }

    #[test]
    fn a_bearer_token_has_its_form() {
        for good in ["a", "eyJ.a-b_c.~+/", "YQ=="] {
            assert!(is_token68(good.as_bytes()), "{good}");
        }
        for bad in ["", "=", "a b", "a=b", "a\"", "é", "a\r\n"] {
            assert!(!is_token68(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn nothing_that_ends_a_field_is_a_value() {
        for bad in ["a\r\nb", "a\n", "\r", "\0", "\u{7f}", "\u{1b}[0m"] {
            assert!(!is_value(bad.as_bytes()), "{bad:?}");
        }
        assert!(is_value("a b\té".as_bytes()));
    }
}
