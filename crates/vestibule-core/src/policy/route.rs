//! Which route a request is for.

use core::fmt;

use super::{Host, RoutePolicy};
use crate::{rejection::Rejection, wire::nibble};

/// The path of a route: absolute, canonical, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoutePath(Box<str>);

/// Why a text is not a [`RoutePath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathFault {
    /// It does not begin with a slash.
    NotAbsolute,
    /// It has empty segments, dot segments, or ends with a slash.
    NotCanonical,
    /// It has a character that a path cannot have (RFC 3986 section 3.3), a query, a
    /// percent-encoding, or a `;`, with which no request is served.
    Character(char),
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAbsolute => f.write_str("a route's path begins with `/`"),
            Self::NotCanonical => {
                f.write_str("a route's path has no empty or dot segments, and no `/` at its end")
            }
            Self::Character(character) => {
                write!(f, "a route's path cannot hold {character:?}")
            }
        }
    }
}

impl core::error::Error for PathFault {}

impl RoutePath {
    /// Reads a path from configuration. `/` alone is every path.
    pub fn parse(text: &str) -> Result<Self, PathFault> {
        let Some(rest) = text.strip_prefix('/') else { return Err(PathFault::NotAbsolute) };
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,=:@/".contains(c);
        if let Some(character) = rest.chars().find(|&c| !allowed(c)) {
            return Err(PathFault::Character(character));
        }
        let canonical = |segment: &str| !matches!(segment, "" | "." | "..");
        if !rest.is_empty() && !rest.split('/').all(canonical) {
            return Err(PathFault::NotCanonical);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows this route's path, where `path` is it or lies below it at a `/`: empty, or
    /// beginning with `/`.
    ///
    /// A character that is percent-encoded is the character: an upstream reads it so, and a request
    /// for `/%40x` must not slip past the stricter rules of a route `/@x`.
    pub fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        if &*self.0 == "/" {
            return path.starts_with('/').then_some(if path == "/" { "" } else { path });
        }
        let mut rest = path;
        for wanted in self.0.bytes() {
            let (byte, after) = next_byte(rest)?;
            if byte != wanted {
                return None;
            }
            rest = after;
        }
        Some(rest).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// The first byte of a path, decoded, and what follows it.
fn next_byte(path: &str) -> Option<(u8, &str)> {
    let (first, after) = path.split_at_checked(1)?;
    let byte = first.bytes().next()?;
    let encoded = after.split_at_checked(2).filter(|_| byte == b'%').and_then(|(digits, after)| {
        let [high, low] = *digits.as_bytes() else { return None };
        Some((nibble(high)? << 4 | nibble(low)?, after))
    });
    Some(encoded.unwrap_or((byte, after)))
}

/// The route with the longest path that matches, among those that serve the host.
pub fn choose<'a, T>(
    routes: impl Iterator<Item = (&'a RoutePolicy, T)>,
    host: &Host,
    path: &str,
) -> Result<T, Rejection> {
    let mut best: Option<(usize, T)> = None;
    let mut rejection = Rejection::RouteNotFound;
    for (policy, route) in routes {
        if policy.path.strip(path).is_none() {
            continue;
        }
        if !policy.hosts.is_empty() && !policy.hosts.iter().any(|served| served.covers(host)) {
            rejection = Rejection::HostNotAllowed;
            continue;
        }
        let length = policy.path.as_str().len();
        if best.as_ref().is_none_or(|(longest, _)| length > *longest) {
            best = Some((length, route));
        }
    }
    best.map(|(_, route)| route).ok_or(rejection)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(path: &str, hosts: &[&str]) -> RoutePolicy {
        let mut policy = RoutePolicy::new(RoutePath::parse(path).unwrap());
        policy.hosts = hosts.iter().map(|host| Host::parse(host.as_bytes()).unwrap()).collect();
        policy
    }

    #[test]
    fn a_path_in_configuration_is_canonical_or_refused() {
        for good in ["/", "/chat", "/a/b.c", "/~x/@y"] {
            assert!(RoutePath::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "", "chat", "/chat/", "//", "/a//b", "/a/../b", "/.", "/a?b", "/%61", "/a b", "/é",
            "/a;b",
        ] {
            assert!(RoutePath::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_route_matches_itself_and_what_lies_below_it_at_a_slash() {
        let path = RoutePath::parse("/chat").unwrap();
        assert_eq!(path.strip("/chat"), Some(""));
        assert_eq!(path.strip("/chat/room"), Some("/room"));
        assert_eq!(path.strip("/chat/"), Some("/"));
        assert_eq!(path.strip("/chatter"), None);
        assert_eq!(path.strip("/"), None);
        assert_eq!(path.strip("/ch%61t/x%20"), Some("/x%20"));
        let odd = RoutePath::parse("/@x").unwrap();
        assert_eq!(odd.strip("/%40x/%40"), Some("/%40"));
        assert_eq!(odd.strip("/%40%"), None);
        assert_eq!(odd.strip("/%é"), None);
        let root = RoutePath::parse("/").unwrap();
        assert_eq!(root.strip("/"), Some(""));
        assert_eq!(root.strip("/x"), Some("/x"));
        assert_eq!(root.strip("*"), None);
    }

    #[test]
    fn the_longest_match_of_a_served_host_wins() {
        let policies = [
            policy("/", &[]),
            policy("/chat", &["a.example"]),
            policy("/chat/admin", &["b.example"]),
        ];
        let route = |host: &str, path: &str| {
            let host = Host::parse(host.as_bytes()).unwrap();
            choose(policies.iter().zip(0..), &host, path)
        };
        assert_eq!(route("a.example:8080", "/chat/x"), Ok(1));
        assert_eq!(route("a.example", "/chat/admin"), Ok(1));
        assert_eq!(route("b.example", "/chat/admin"), Ok(2));
        assert_eq!(route("c.example", "/chat"), Ok(0));
        let only = [policy("/chat", &["a.example"])];
        let host = Host::parse(b"evil.example").unwrap();
        assert_eq!(choose(only.iter().zip(0..), &host, "/chat"), Err(Rejection::HostNotAllowed));
        assert_eq!(choose(only.iter().zip(0..), &host, "/x"), Err(Rejection::RouteNotFound));
    }
}
