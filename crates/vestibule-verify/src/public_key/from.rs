//! The list of `from` in `authorized_keys` (sshd(8), `ssh_config(5)` PATTERNS): from where a key may be
//! used.

use core::net::IpAddr;

use crate::{limits, refused::shown};

/// Addresses a key is limited to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AllowedFrom {
    text: Box<str>,
    patterns: Box<[Pattern]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    sign: Sign,
    matches: Matches,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Allows,
    Denies,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Matches {
    Network(IpAddr, u32),
    /// With `*` and `?`, on the text of the address.
    Text(Box<str>),
}

impl AllowedFrom {
    /// Reads a list. Host names are refused: they would need the DNS, whose answer is the caller's to
    /// choose, and a denied name that never matches would let in.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut patterns = Vec::new();
        for pattern in text.split(',') {
            if patterns.len() >= limits::FROM_PATTERNS {
                return Err(format!("from has more than {} patterns", limits::FROM_PATTERNS));
            }
            let (sign, pattern) = match pattern.strip_prefix('!') {
                Some(pattern) => (Sign::Denies, pattern),
                None => (Sign::Allows, pattern),
            };
            let matches = matches(pattern).ok_or_else(|| {
                format!("from: {} is no address, network or pattern of one", shown(pattern))
            })?;
            patterns.push(Pattern { sign, matches });
        }
        Ok(Self { text: text.into(), patterns: patterns.into() })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the key may be used from there: a pattern allows it, and none denies it.
    pub(super) fn allows(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        let text = peer.to_string();
        let mut allowed = false;
        for Pattern { sign, matches } in &self.patterns {
            let fits = match matches {
                Matches::Network(network, length) => {
                    prefix(*network, *length) == prefix(peer, *length)
                }
                Matches::Text(pattern) => glob(pattern.as_bytes(), text.as_bytes()),
            };
            match (fits, sign) {
                (true, Sign::Denies) => return false,
                (true, Sign::Allows) => allowed = true,
                (false, Sign::Allows | Sign::Denies) => {}
            }
        }
        allowed
    }
}

fn matches(pattern: &str) -> Option<Matches> {
    if let Some((address, length)) = pattern.split_once('/') {
        let address: IpAddr = address.parse().ok()?;
        let plain = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        let length: u32 = plain.then(|| length.parse().ok())??;
        // Bits behind the mask: one of the two is a mistake. That also keeps mapped addresses out.
        let is_network = prefix(address, length)? == prefix(address, bits(address))?;
        return (is_network && address == address.to_canonical())
            .then_some(Matches::Network(address, length));
    }
    if let Ok(address) = pattern.parse::<IpAddr>() {
        let address = address.to_canonical();
        return Some(Matches::Network(address, bits(address)));
    }
    let v4 = |byte: u8| matches!(byte, b'0'..=b'9' | b'.' | b'*' | b'?');
    let v6 = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.' | b'*' | b'?');
    let has_wildcard = pattern.contains(['*', '?']);
    let is_address = pattern.bytes().all(v4) || (pattern.contains(':') && pattern.bytes().all(v6));
    (has_wildcard && is_address).then(|| Matches::Text(pattern.to_ascii_lowercase().into()))
}

fn bits(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The first bits of an address, and its family by number of bits; `None` where it has not as many.
fn prefix(address: IpAddr, length: u32) -> Option<(u128, u32)> {
    let all = bits(address);
    let number = match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    let behind = all.checked_sub(length)?;
    // A shift by all of 128 bits is no shift to Rust.
    let number = number.checked_shr(behind).unwrap_or(0).checked_shl(behind).unwrap_or(0);
    Some((number, all))
}

/// `*` is any number of characters, `?` is one. Goes back to the last star only, so that the work is
/// bounded by the product of both lengths.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut in_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(character) = text.get(in_text) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_text));
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted == character => {
                at += 1;
                in_text += 1;
            }
            Some(_) | None => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                in_text = taken + 1;
            }
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(list: &str, peer: &str) -> bool {
        AllowedFrom::parse(list).unwrap().allows(peer.parse().unwrap())
    }

    #[test]
    fn a_list_allows_what_it_names_and_nothing_else() {
        for (list, peer, yes) in [
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("192.0.2.7", "::ffff:192.0.2.7", true),
            ("::ffff:192.0.2.7", "192.0.2.7", true),
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "203.0.113.1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("10.1.*", "10.1.2.3", true),
            ("10.1.*", "110.1.2.3", false),
            ("10.1.?.3", "10.1.22.3", false),
            ("2001:DB8:*", "2001:db8::1", true),
            ("*", "2001:db8::1", true),
            ("*,!10.0.0.0/8", "10.0.0.1", false),
            ("!10.0.0.0/8,*", "10.0.0.1", false),
            ("!10.0.0.0/8,*", "11.0.0.1", true),
            ("!10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.1,10.0.0.2", "10.0.0.2", true),
        ] {
            assert_eq!(allows(list, peer), yes, "{list} {peer}");
        }
    }

    #[test]
    fn what_could_not_be_kept_is_refused() {
        for list in [
            "",
            "!",
            ",",
            "10.0.0.1,",
            "example.com",
            "*.example.com",
            "!evil.example",
            "cafe",
            "cafe*",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "2001:db8::/129",
            "10.0.0.0/8/8",
            "2001:db8::1/32",
            "::ffff:10.0.0.0/104",
            "10.0.0.1 ",
            " 10.0.0.1",
            "!!10.0.0.1",
            "10.0.0",
            "1",
        ] {
            assert!(AllowedFrom::parse(list).is_err(), "{list:?}");
        }
        assert!(
            AllowedFrom::parse(&vec!["10.0.0.1"; limits::FROM_PATTERNS + 1].join(",")).is_err()
        );
    }

    #[test]
    fn stars_cost_no_more_than_their_number() {
        let stars = format!("{}1", "*".repeat(4000));
        assert!(!glob(stars.as_bytes(), "2".repeat(4000).as_bytes()));
        assert!(glob(b"*a*b", b"xaxbxab"));
        assert!(!glob(b"*a*b", b"xaxbxa"));
        assert!(glob(b"", b"") && !glob(b"", b"a") && !glob(b"a", b""));
    }
}
