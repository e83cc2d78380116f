//! Where to connect.

use core::{fmt, net::IpAddr, str::FromStr};

use data_encoding::HEXUPPER;
use http::Uri;

/// A WebSocket URL (RFC 6455 section 3). Its query may hold a credential and is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    uri: Uri,
    security: Security,
    host: String,
    port: u16,
}

/// Whether TLS is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Security {
    /// `ws:`
    Plain,
    /// `wss:`
    Tls,
}

/// Why a text is no WebSocket URL. The text is not in here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Another scheme than `ws`, `wss`, `http`, `https`, or none.
    #[error("the URL begins with ws:// or wss://")]
    Scheme,
    /// It has a fragment.
    #[error("a WebSocket URL has no fragment (RFC 6455 section 3)")]
    Fragment,
    /// It breaks RFC 3986.
    #[error("the URL cannot be read")]
    Unreadable,
    /// It has no host.
    #[error("the URL names no host")]
    NoHost,
    /// It has user information, which would be sent nowhere.
    #[error("a user in the URL is not sent")]
    User,
}

impl Address {
    /// Reads a URL.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let (scheme, rest) = text.split_once("://").ok_or(BadAddress::Scheme)?;
        let security = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => Security::Plain,
            "wss" | "https" => Security::Tls,
            _ => return Err(BadAddress::Scheme),
        };
        if rest.contains('#') {
            return Err(BadAddress::Fragment);
        }
        let (scheme, port) = match security {
            Security::Plain => ("ws", 80),
            Security::Tls => ("wss", 443),
        };
        let uri: Uri = format!("{scheme}://{rest}").parse().map_err(|_| BadAddress::Unreadable)?;
        let authority = uri.authority().ok_or(BadAddress::NoHost)?;
        if authority.as_str().contains('@') {
            return Err(BadAddress::User);
        }
        let host = authority.host().to_owned();
        if host.is_empty() {
            return Err(BadAddress::NoHost);
        }
        let port = authority.port_u16().unwrap_or(port);
        Ok(Self { uri, security, host, port })
    }

    /// Whether TLS is spoken.
    pub fn security(&self) -> Security {
        self.security
    }

    /// The name or the address of the host; a literal IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The origin of a page of this server (RFC 6454 section 6.1).
    pub(super) fn origin(&self) -> String {
        let (scheme, default) = match self.security {
            Security::Plain => ("http", 80),
            Security::Tls => ("https", 443),
        };
        let host = self.host.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        if self.port == default {
            format!("{scheme}://{host}")
        } else {
            format!("{scheme}://{host}:{}", self.port)
        }
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Whether what is sent stays on this machine, by the names by which browsers know the loopback
    /// (W3C Secure Contexts, section 3.1).
    pub fn is_loopback(&self) -> bool {
        let name = self.host().to_ascii_lowercase();
        match name.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => name == "localhost" || name.ends_with(".localhost"),
        }
    }

    /// With one more parameter in the query.
    pub(super) fn with_parameter(&self, name: &str, value: &str) -> Option<Uri> {
        let mut text = self.uri.to_string();
        // An authority alone is an address too; its path is `/`.
        text.push(if self.uri.query().is_some() { '&' } else { '?' });
        encode(name, &mut text);
        text.push('=');
        encode(value, &mut text);
        text.parse().ok()
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        Self::parse(text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.security {
            Security::Plain => "ws",
            Security::Tls => "wss",
        };
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        write!(f, "{scheme}://{authority}{}", self.uri.path())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// RFC 3986 section 2.1: everything but what needs no encoding.
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.push_str(&HEXUPPER.encode(&[byte]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_web_socket_url_is_an_address() {
        for (text, expected) in [
            ("ws://a/b?c", Ok("ws://a/b")),
            ("WSS://a:1/", Ok("wss://a:1/")),
            ("https://[::1]:2/x", Ok("wss://[::1]:2/x")),
            ("a/b", Err(BadAddress::Scheme)),
            ("ftp://a/", Err(BadAddress::Scheme)),
            ("ws://a/#b", Err(BadAddress::Fragment)),
            ("ws://alice:s3cret@a/", Err(BadAddress::User)),
            ("ws://a b/", Err(BadAddress::Unreadable)),
            ("ws:///", Err(BadAddress::Unreadable)),
        ] {
            let shown = Address::parse(text).map(|address| address.to_string());
            assert_eq!(shown, expected.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn the_loopback_is_known_by_its_names_and_by_nothing_else() {
        for (host, expected) in [
            ("127.0.0.1", true),
            ("127.9.9.9:80", true),
            ("[::1]:80", true),
            ("localhost", true),
            ("A.LOCALHOST", true),
            ("localhost.example.com", false),
            ("127.0.0.1.example.com", false),
            ("notlocalhost", false),
            ("10.0.0.1", false),
            ("0.0.0.0", false),
        ] {
            let address = Address::parse(&format!("ws://{host}/")).unwrap();
            assert_eq!(address.is_loopback(), expected, "{host}");
        }
    }

    #[test]
    fn a_parameter_is_added_whatever_is_there_and_never_printed() {
        for (url, expected) in [
            ("ws://a", "/?t=a%2Bb%3D"),
            ("ws://a/b", "/b?t=a%2Bb%3D"),
            ("ws://a/b?c=d", "/b?c=d&t=a%2Bb%3D"),
        ] {
            let address = Address::parse(url).unwrap();
            let uri = address.with_parameter("t", "a+b=").unwrap();
            assert_eq!(uri.path_and_query().unwrap().as_str(), expected, "{url}");
        }
        let address = Address::parse("ws://a/?access_token=s3cret").unwrap();
        assert!(!format!("{address} {address:?}").contains("s3cret"));
    }
}
