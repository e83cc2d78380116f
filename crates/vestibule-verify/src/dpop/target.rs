//! The address that a proof is for (`htu`), compared after RFC 3986 sections 6.2.2 and 6.2.3.

use core::fmt;

use crate::limits;

/// An address without query and fragment, in its normal form.
///
/// Make it of the address that clients use, from configuration: behind a proxy the head does not tell.
/// A wrong one refuses everybody, or takes proofs that were made for another server.
#[derive(Clone, PartialEq, Eq)]
pub struct Target(String);

impl Target {
    /// Reads an absolute address with scheme `http`, `https`, `ws` or `wss`. `None` for anything else,
    /// and for one with a user or with what no address may hold.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > limits::TARGET_BYTES {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => ("http", "80"),
            "https" | "wss" => ("https", "443"),
            _ => return None,
        };
        let path_begins = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(path_begins)?;
        let path = rest.split(['?', '#']).next()?;
        let host = host(authority, default_port)?;
        let path = without_dots(&decoded(path)?);
        Some(Self(format!("{scheme}://{host}{path}")))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn host(authority: &str, default_port: &str) -> Option<String> {
    let authority = authority.to_ascii_lowercase();
    let name_ends = match authority.strip_prefix('[') {
        Some(literal) => literal.find(']')?.checked_add(2)?,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (name, port) = authority.split_at_checked(name_ends)?;
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(literal) => drop(literal.parse::<core::net::Ipv6Addr>().ok()?),
        None if !name.is_empty() && name.bytes().all(in_name) => {}
        None => return None,
    }
    match port.strip_prefix(':') {
        Some(digits) if !digits.bytes().all(|byte| byte.is_ascii_digit()) => None,
        // An empty port is the default one (RFC 3986 section 3.2.3).
        Some(digits) if digits.is_empty() || digits == default_port => Some(name.to_owned()),
        Some(_) => Some(authority),
        None => port.is_empty().then_some(authority),
    }
}

/// Percent-encodings in one spelling: none of what needs none, the others in capitals. `None` for one
/// that is incomplete, and for what no path may hold. `^`, `|`, `[` and `]` are left as browsers send
/// them.
fn decoded(path: &str) -> Option<String> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [char::from(rest.next()?), char::from(rest.next()?)];
                let mut value = 0;
                for digit in digits {
                    value = value * 16 + digit.to_digit(16)?;
                }
                let character = char::from(u8::try_from(value).ok()?);
                if character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~') {
                    out.push(character);
                } else {
                    out.push('%');
                    out.extend(digits.map(|digit| digit.to_ascii_uppercase()));
                }
            }
            b'"' | b'<' | b'>' | b'\\' | b'`' | b'{' | b'}' => return None,
            byte if byte.is_ascii_graphic() => out.push(char::from(byte)),
            _ => return None,
        }
    }
    Some(out)
}

/// RFC 3986 section 5.2.4, on a path that is absolute or empty.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_open = true;
    for segment in path.split('/').skip(1) {
        ends_open = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let mut out: String = kept.iter().flat_map(|segment| ["/", segment]).collect();
    if ends_open {
        out.push('/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_the_same_compare_the_same() {
        for (text, is) in [
            ("https://a.example", "https://a.example/"),
            ("HTTPS://A.Example:443/", "https://a.example/"),
            ("https://a.example:/x", "https://a.example/x"),
            ("https://a.example:80/x", "https://a.example:80/x"),
            ("http://a.example:80", "http://a.example/"),
            ("wss://a.example/chat", "https://a.example/chat"),
            ("ws://a.example:80/chat", "http://a.example/chat"),
            ("https://a.example/x?y=z#w", "https://a.example/x"),
            ("https://a.example?y", "https://a.example/"),
            ("https://a.example#y/z", "https://a.example/"),
            ("https://a.example/%7euser/%2f%c3%a9", "https://a.example/~user/%2F%C3%A9"),
            ("https://a.example/a/./b/../c", "https://a.example/a/c"),
            ("https://a.example/a/b/..", "https://a.example/a/"),
            ("https://a.example/../%2E%2e/a", "https://a.example/a"),
            ("https://a.example/.", "https://a.example/"),
            ("https://a.example/a//b/", "https://a.example/a//b/"),
            ("https://[::1]:8443/x", "https://[::1]:8443/x"),
            ("https://[::1]:443", "https://[::1]/"),
            ("https://[::1]", "https://[::1]/"),
        ] {
            let target = Target::parse(text).map(|target| target.0);
            assert_eq!(target.as_deref(), Some(is), "{text}");
        }
    }

    #[test]
    fn addresses_that_differ_do_not_become_the_same() {
        let target = |text: &str| Target::parse(text).unwrap();
        let one = target("https://a.example/chat");
        for other in [
            "http://a.example/chat",
            "https://a.example:444/chat",
            "https://b.example/chat",
            "https://a.example./chat",
            "https://a.example/chat/",
            "https://a.example/Chat",
            "https://a.example/%2Fchat",
            "https://a.example//chat",
        ] {
            assert_ne!(one, target(other), "{other}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in [
            "",
            "/chat",
            "a.example/chat",
            "https:/a.example",
            "https://",
            "https:///chat",
            "ftp://a.example/",
            "https://user@a.example/",
            "https://a.example:x/",
            "https://a example/",
            "https://a.example/ ",
            "https://a.example/%",
            "https://a.example/%2",
            "https://a.example/%zz",
            "https://a.example/\u{e9}",
            "https://a.example/<",
            "https://[::1/",
            "https://[x]/",
            "https://a.example:80:80/",
            "https://a.ex%61mple/",
            " https://a.example/",
            "javascript://a",
            "https://:443/",
            "https://a.example::443/",
            "https://[::1]x/",
            "https://[::1]::443/",
            "https://[]/",
            "https://a.example:443:/",
        ] {
            assert_eq!(Target::parse(text), None, "{text}");
        }
        assert_eq!(Target::parse(&format!("https://a/{}", "x".repeat(9000))), None);
    }
}
