//! Which pages may open a socket (RFC 6454, RFC 6455 section 10.2). A browser sends cookies with
//! every WebSocket handshake, whoever the page belongs to, and applies no same-origin policy: this
//! check is all that stands between a foreign page and the user's session.

use core::{fmt, str};

use crate::rejection::Rejection;

/// A host and, where it was written, a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    name: Box<str>,
    port: Option<u16>,
}

impl Host {
    /// Reads a `Host` field or a name from configuration (RFC 9110 section 7.2). Case and one dot
    /// at the end do not matter.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?;
        let (name, port) = if let Some(rest) = text.strip_prefix('[') {
            let (inner, after) = rest.split_once(']')?;
            inner.parse::<core::net::Ipv6Addr>().ok()?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':')?) };
            (format!("[{}]", inner.to_ascii_lowercase()), port)
        } else {
            let (name, port) = match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            };
            let name = name.strip_suffix('.').unwrap_or(name);
            let legal = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
            let labels = name.split('.').all(|label| !label.is_empty());
            if !labels || name.len() > 253 || !name.chars().all(legal) {
                return None;
            }
            (name.to_ascii_lowercase(), port)
        };
        let port = match port {
            None => None,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            Some(_) => return None,
        };
        Some(Self { name: name.into(), port })
    }

    /// The name, in lower case; an IPv6 address is in brackets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, where it was written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether `other` is this host: on any port, where none was written.
    pub fn covers(&self, other: &Self) -> bool {
        self.name == other.name && (self.port.is_none() || self.port == other.port)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// The origin of a page: scheme, host, port (RFC 6454 section 4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Box<str>,
    host: Host,
}

impl Origin {
    /// Reads one serialised origin (RFC 6454 section 6.1). `null` is none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?;
        let (scheme, host) = text.split_once("://")?;
        let mut letters = scheme.chars();
        let legal = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
            && letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        // The name with a dot at its end is another origin to a browser, and has other cookies.
        if !legal || host.ends_with('.') || host.contains(".:") {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let mut host = Host::parse(host.as_bytes())?;
        host.port = host.port.or_else(|| default_port(&scheme));
        Some(Self { scheme: scheme.into(), host })
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// Origins that may open a socket; by default the own host alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginPolicy {
    rules: Box<[Rule]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Exactly(Origin),
    /// Every subdomain, of any depth, and not the domain itself.
    Below(Origin),
    /// Every page of the world, `null` included. Never with a cookie.
    Any,
}

/// Why a text is not an origin rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginFault;

impl fmt::Display for OriginFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an origin is `scheme://host` or `scheme://host:port`, nothing after it; \
             `https://*.example.com` is every subdomain, `*` every page",
        )
    }
}

impl core::error::Error for OriginFault {}

impl OriginPolicy {
    /// Adds a rule from configuration.
    pub fn with(self, rule: &str) -> Result<Self, OriginFault> {
        let rule = if rule == "*" {
            Rule::Any
        } else if let Some((scheme, domain)) = rule.split_once("://*.") {
            let origin = format!("{scheme}://{domain}");
            Rule::Below(Origin::parse(origin.as_bytes()).ok_or(OriginFault)?)
        } else {
            Rule::Exactly(Origin::parse(rule.as_bytes()).ok_or(OriginFault)?)
        };
        let rules = self.rules.into_iter().chain([rule]).collect();
        Ok(Self { rules })
    }

    /// Whether every page of the world is allowed: such a policy must not be used with cookies.
    pub fn is_open(&self) -> bool {
        self.rules.contains(&Rule::Any)
    }

    /// Judges a handshake. The proof that comes back is what [`crate::handshake::begin`] demands.
    pub fn check(&self, asked: &Asked<'_>) -> Result<OriginAllowed, Rejection> {
        // A browser that says what it is doing must be doing this (W3C Fetch Metadata).
        if asked.fetch_mode.is_some_and(|mode| mode != b"websocket") {
            return Err(Rejection::OriginNotAllowed);
        }
        let value = match asked.origins {
            [] => return Ok(OriginAllowed { presence: Presence::Absent }),
            [value] => *value,
            [_, _, ..] => return Err(Rejection::OriginNotAllowed),
        };
        let origin = Origin::parse(value);
        let allowed = match (origin, self.rules.as_ref()) {
            (_, rules) if rules.contains(&Rule::Any) => true,
            (None, _) => false,
            (Some(origin), []) => asked.is_own(&origin),
            (Some(origin), rules) => rules.iter().any(|rule| rule.allows(&origin)),
        };
        if allowed {
            Ok(OriginAllowed { presence: Presence::Present })
        } else {
            Err(Rejection::OriginNotAllowed)
        }
    }
}

impl Rule {
    fn allows(&self, origin: &Origin) -> bool {
        match self {
            Self::Exactly(allowed) => allowed == origin,
            Self::Below(parent) => {
                parent.scheme == origin.scheme
                    && parent.host.port == origin.host.port
                    && origin
                        .host
                        .name
                        .strip_suffix(&*parent.host.name)
                        .and_then(|left| left.strip_suffix('.'))
                        .is_some_and(|label| !label.is_empty())
            }
            Self::Any => true,
        }
    }
}

/// What a handshake says about the page behind it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Every `Origin` field.
    pub origins: &'a [&'a [u8]],
    /// The host that was asked for.
    pub host: &'a Host,
    /// How the client reached the gateway, or the proxy before it.
    pub transport: Transport,
    /// `Sec-Fetch-Mode`, where sent.
    pub fetch_mode: Option<&'a [u8]>,
    /// `Sec-Fetch-Site`, where sent.
    pub fetch_site: Option<&'a [u8]>,
}

/// How a client reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Without TLS, as far as is known.
    Plain,
    /// With TLS: a page that came without it is foreign.
    Tls,
}

impl Asked<'_> {
    /// Whether the page came from the host that it asks for.
    fn is_own(&self, origin: &Origin) -> bool {
        let scheme = match self.transport {
            Transport::Tls => &*origin.scheme == "https",
            Transport::Plain => matches!(&*origin.scheme, "http" | "https"),
        };
        let port = match self.host.port {
            Some(port) => origin.host.port == Some(port),
            None => origin.host.port == default_port(&origin.scheme),
        };
        let site = self.fetch_site.is_none_or(|site| site != b"cross-site");
        scheme && port && site && origin.host.name == self.host.name
    }
}

/// Proof that the origin was judged, and whether there was one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginAllowed {
    presence: Presence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Absent,
    Present,
}

impl OriginAllowed {
    /// Whether the handshake named an origin: a browser's does, and another client's may.
    pub fn is_present(&self) -> bool {
        self.presence == Presence::Present
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn absent() -> OriginAllowed {
        OriginAllowed { presence: Presence::Absent }
    }

    pub(crate) fn present() -> OriginAllowed {
        OriginAllowed { presence: Presence::Present }
    }

    fn policy(rules: &[&str]) -> OriginPolicy {
        rules.iter().fold(OriginPolicy::default(), |policy, rule| policy.with(rule).unwrap())
    }

    fn check(rules: &[&str], host: &str, origin: &str) -> bool {
        let asked = Asked {
            origins: &[origin.as_bytes()],
            host: &Host::parse(host.as_bytes()).unwrap(),
            transport: Transport::Plain,
            fetch_mode: None,
            fetch_site: None,
        };
        policy(rules).check(&asked).is_ok()
    }

    #[test]
    fn without_a_list_only_the_own_host_may_ask() {
        for (host, origin) in [
            ("a.example", "https://a.example"),
            ("a.example", "http://a.example"),
            ("a.example", "https://A.EXAMPLE"),
            ("a.example:8080", "http://a.example:8080"),
            ("a.example:443", "https://a.example"),
            ("[::1]:80", "http://[::1]"),
        ] {
            assert!(check(&[], host, origin), "{origin} at {host}");
        }
        for (host, origin) in [
            ("a.example", "null"),
            ("a.example", ""),
            ("a.example", "https://b.example"),
            ("a.example", "https://x.a.example"),
            ("a.example", "https://a.example.evil"),
            ("a.example", "https://a.example:8443"),
            ("a.example:8080", "http://a.example"),
            ("a.example", "https://a.example."),
            ("a.example:8443", "https://a.example.:8443"),
            ("a.example", "https://a.example/"),
            ("a.example", "https://a.example@evil"),
            ("a.example", "https://evil@a.example"),
            ("a.example", "https://a.example#"),
            ("a.example", "file://a.example"),
            ("a.example", "https://a.example https://b.example"),
            ("a.example", "https://a.example\u{0}"),
            ("a.example", "https://a.example:"),
            ("a.example", "https://a.example:+443"),
        ] {
            assert!(!check(&[], host, origin), "{origin} at {host}");
        }
    }

    #[test]
    fn a_list_is_taken_at_its_word() {
        let rules = ["https://app.example", "https://*.apps.example:8443", "capacitor://localhost"];
        for origin in [
            "https://app.example",
            "https://app.example:443",
            "https://a.apps.example:8443",
            "https://a.b.apps.example:8443",
            "capacitor://localhost",
        ] {
            assert!(check(&rules, "ws.example", origin), "{origin}");
        }
        for origin in [
            "http://app.example",
            "https://app.example:444",
            "https://ws.example",
            "https://apps.example:8443",
            "https://.apps.example:8443",
            "https://evilapps.example:8443",
            "https://a.apps.example",
            "https://app.example.:443",
            "https://a.apps.example.:8443",
            "null",
        ] {
            assert!(!check(&rules, "ws.example", origin), "{origin}");
        }
    }

    #[test]
    fn what_is_not_an_origin_cannot_be_written_in_a_list() {
        for bad in [
            "",
            "app.example",
            "https://",
            "https://a/",
            "https://a/b",
            "null",
            "https://*",
            "*.a",
            "https://a b",
        ] {
            assert_eq!(OriginPolicy::default().with(bad), Err(OriginFault), "{bad}");
        }
        assert!(policy(&["*"]).is_open());
        assert!(check(&["*"], "a.example", "null"));
    }

    #[test]
    fn two_origins_are_none() {
        let host = Host::parse(b"a.example").unwrap();
        let origin: &[u8] = b"https://a.example";
        let mut asked = Asked {
            origins: &[origin, origin],
            host: &host,
            transport: Transport::Tls,
            fetch_mode: None,
            fetch_site: None,
        };
        assert_eq!(policy(&[]).check(&asked), Err(Rejection::OriginNotAllowed));
        asked.origins = &[];
        assert_eq!(policy(&[]).check(&asked), Ok(absent()));
        let one = [origin];
        asked.origins = &one;
        assert_eq!(policy(&[]).check(&asked), Ok(present()));
    }

    #[test]
    fn over_tls_a_page_without_it_is_foreign() {
        let host = Host::parse(b"a.example").unwrap();
        let asked = Asked {
            origins: &[b"http://a.example"],
            host: &host,
            transport: Transport::Tls,
            fetch_mode: None,
            fetch_site: None,
        };
        assert_eq!(policy(&[]).check(&asked), Err(Rejection::OriginNotAllowed));
    }

    #[test]
    fn fetch_metadata_that_contradicts_is_believed() {
        let host = Host::parse(b"a.example").unwrap();
        let good = Asked {
            origins: &[b"https://a.example"],
            host: &host,
            transport: Transport::Tls,
            fetch_mode: Some(b"websocket"),
            fetch_site: Some(b"same-origin"),
        };
        assert!(policy(&[]).check(&good).is_ok());
        let cross = Asked { fetch_site: Some(b"cross-site"), ..good };
        assert!(policy(&[]).check(&cross).is_err());
        let navigation = Asked { fetch_mode: Some(b"navigate"), ..good };
        assert!(policy(&[]).check(&navigation).is_err());
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_a_port() {
        for (text, shown) in [
            ("A.Example.", "a.example"),
            ("a:80", "a:80"),
            ("[::1]", "[::1]"),
            ("[::1]:8", "[::1]:8"),
        ] {
            assert_eq!(Host::parse(text.as_bytes()).unwrap().to_string(), shown);
        }
        for bad in [
            "", ".", "a..b", "a:", "a:x", "a:99999", "a b", "a/b", "a@b", "[::1", "[x]", "[::1]x",
            "::1", "a:1:2", "é",
        ] {
            // `a:` is legal in RFC 3986; nobody sends it, and it would be two spellings of one host.
            let parsed = Host::parse(bad.as_bytes());
            assert_eq!(parsed, None, "{bad}");
        }
    }
}
