//! `application/x-www-form-urlencoded`.

use zeroize::Zeroizing;

/// A value of a form (WHATWG URL section 5.2), in memory that is wiped.
pub(super) fn form(value: &[u8]) -> Zeroizing<String> {
    // Room for all of it at once: a buffer that grows leaves copies of a secret behind.
    let mut text = Zeroizing::new(String::with_capacity(value.len().saturating_mul(3)));
    for &byte in value {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                text.push(char::from(byte));
            }
            b' ' => text.push('+'),
            other => {
                text.push('%');
                for digit in [other >> 4, other & 15] {
                    let digit = char::from_digit(u32::from(digit), 16).unwrap_or('0');
                    text.push(digit.to_ascii_uppercase());
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_form_is_made_of_stays_as_it_is() {
        assert_eq!(&*form(b"aZ09*-._"), "aZ09*-._");
        assert_eq!(&*form(b"a b&c=d%+~/\r\n\0"), "a+b%26c%3Dd%25%2B%7E%2F%0D%0A%00");
        assert_eq!(&*form("é".as_bytes()), "%C3%A9");
    }
}
