//! Where a document is fetched from: an address that cannot be one we must not use.

use std::{fmt, net::IpAddr, sync::Arc};

use http::Uri;

use crate::limits;

/// Whether keys may be fetched without TLS from a host other than this one. Whoever sits on the
/// way can then make keys of their own count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DangerousHttp {
    /// They may not.
    #[default]
    Refused,
    /// They may.
    Allowed,
}

/// An absolute `https` address without credentials and fragment; `http` only to this host, or where
/// the operator said so.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Arc<Uri>);

/// How an [`Address`] is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Https,
    Http,
}

/// Why a text is no [`Address`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// Not an absolute URL of visible ASCII.
    #[error("not an absolute URL")]
    Malformed,
    /// Longer than [`limits::ADDRESS_BYTES`].
    #[error("longer than {} bytes", limits::ADDRESS_BYTES)]
    TooLong,
    /// Neither `https` nor `http`.
    #[error("neither https nor http")]
    Scheme,
    /// `http`, and not to this host.
    #[error("http to another host: whoever sits on the way could replace the keys; use https")]
    Plain,
    /// Has `user:password@`.
    #[error("has a user name or password in it")]
    UserInfo,
    /// Has a fragment.
    #[error("has a fragment (#)")]
    Fragment,
    /// An issuer with a query (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2).
    #[error("an issuer has no query (?)")]
    Query,
}

impl Address {
    /// Reads one.
    pub fn parse(text: &str, http: DangerousHttp) -> Result<Self, AddressFault> {
        if text.len() > limits::ADDRESS_BYTES {
            return Err(AddressFault::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AddressFault::Malformed);
        }
        // `Uri` drops a fragment without a word.
        if text.contains('#') {
            return Err(AddressFault::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| AddressFault::Malformed)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(AddressFault::Malformed);
        };
        if authority.as_str().contains('@') {
            return Err(AddressFault::UserInfo);
        }
        if authority.host().is_empty() {
            return Err(AddressFault::Malformed);
        }
        match (scheme, http) {
            ("https", DangerousHttp::Refused | DangerousHttp::Allowed)
            | ("http", DangerousHttp::Allowed) => {}
            ("http", DangerousHttp::Refused) if is_this_host(authority.host()) => {}
            ("http", DangerousHttp::Refused) => return Err(AddressFault::Plain),
            _ => return Err(AddressFault::Scheme),
        }
        Ok(Self(Arc::new(uri)))
    }

    /// For the HTTP client.
    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }

    pub(crate) fn scheme(&self) -> Scheme {
        if self.0.scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http }
    }

    /// The same host and port with another path.
    pub(crate) fn with_path(&self, path: &str) -> Result<Self, AddressFault> {
        let mut parts = Uri::clone(&self.0).into_parts();
        parts.path_and_query = Some(path.parse().map_err(|_| AddressFault::Malformed)?);
        let uri = Uri::from_parts(parts).map_err(|_| AddressFault::Malformed)?;
        Ok(Self(Arc::new(uri)))
    }
}

/// Without the query, which may hold a key of the provider's.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        let query = if self.0.query().is_some() { "?…" } else { "" };
        let scheme = self.0.scheme_str().unwrap_or_default();
        write!(f, "{scheme}://{authority}{}{query}", self.0.path())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// Loopback by its spelling alone: what a name server says is nobody's proof.
fn is_this_host(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, AddressFault>) {
        let read = Address::parse(text, DangerousHttp::Refused);
        assert_eq!(read.map(|address| address.to_string()), expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn only_an_address_that_keeps_keys_safe_on_the_way_is_one() {
        check("https://idp.example/keys", Ok("https://idp.example/keys"));
        check("https://idp.example", Ok("https://idp.example/"));
        check("https://idp.example:8443/a?key=1", Ok("https://idp.example:8443/a?…"));
        check("http://127.0.0.1:9/keys", Ok("http://127.0.0.1:9/keys"));
        check("http://127.9.9.9/keys", Ok("http://127.9.9.9/keys"));
        check("http://[::1]:9/keys", Ok("http://[::1]:9/keys"));
        check("http://localhost:9/keys", Ok("http://localhost:9/keys"));
        for text in [
            "http://idp.example/keys",
            "http://localhost.example/keys",
            "http://127.0.0.1.example/keys",
            "http://10.0.0.1/keys",
            "http://0.0.0.0/keys",
            "http://2130706433/keys",
        ] {
            check(text, Err(AddressFault::Plain));
        }
        check("https://user@idp.example/", Err(AddressFault::UserInfo));
        check("http://localhost@evil.example/", Err(AddressFault::UserInfo));
        check("https://idp.example/#x", Err(AddressFault::Fragment));
        check("ftp://idp.example/", Err(AddressFault::Scheme));
        check("file:///etc/passwd", Err(AddressFault::Malformed));
        for text in ["", "/keys", "idp.example/keys", "https:///keys", "https://a b/", "https://ä/"]
        {
            check(text, Err(AddressFault::Malformed));
        }
        check(&format!("https://idp.example/{}", "a".repeat(2048)), Err(AddressFault::TooLong));
    }

    #[test]
    fn the_dangerous_switch_opens_http_and_nothing_else() {
        let parse = |text| Address::parse(text, DangerousHttp::Allowed).map(|_| ());
        assert_eq!(parse("http://idp.example/keys"), Ok(()));
        assert_eq!(parse("ftp://idp.example/keys"), Err(AddressFault::Scheme));
        assert_eq!(parse("http://user@idp.example/keys"), Err(AddressFault::UserInfo));
    }

    #[test]
    fn a_query_is_not_printed() {
        let address = Address::parse("https://a/?key=s3cret", DangerousHttp::Refused).unwrap();
        assert!(!format!("{address} {address:?}").contains("s3cret"));
    }
}
