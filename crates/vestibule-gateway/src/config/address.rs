//! Addresses of upstreams and of key sets, as far as they are needed: no user, no fragment.

use std::net::IpAddr;

use vestibule_core::policy::Host;

use super::{
    model::{Upstream, UpstreamTls},
    read::Complaint,
};

/// Longest address, in bytes.
const URL_BYTES: usize = 2048;

/// How a key set is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

/// What is to be known about an address from which keys are fetched.
#[derive(Debug)]
pub(super) struct HttpUrl {
    pub(super) scheme: Scheme,
    pub(super) host: Host,
}

/// Reads an address from which keys are fetched.
pub(super) fn http_url(text: &str) -> Result<HttpUrl, Complaint> {
    let (scheme, rest) = split(text)?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => {
            return Err(Complaint::new(format!("keys are not fetched by `{scheme}`"))
                .help("an address of keys begins with `https://`"));
        }
    };
    Ok(HttpUrl { scheme, host: host(rest)?.0 })
}

/// Reads the address of an upstream.
pub(super) fn upstream(text: &str) -> Result<Upstream, Complaint> {
    let (scheme, rest) = split(text)?;
    let instead = |right: &str| {
        let (_, behind) = text.split_once("://").unwrap_or_default();
        Complaint::new(format!("an upstream is `ws://` or `wss://`, not `{scheme}://`"))
            .help(format!("write {:?}", format!("{right}://{behind}")))
    };
    let (own_port, tls) = match scheme {
        "ws" => (80, None),
        "wss" => (443, Some(UpstreamTls { ca: None })),
        "http" => return Err(instead("ws")),
        "https" => return Err(instead("wss")),
        _ => {
            let message = format!("an upstream is `ws://` or `wss://`, not `{scheme}://`");
            return Err(Complaint::new(message));
        }
    };
    let (host, path) = host(rest)?;
    let path = if path == "/" { "" } else { path };
    let (segments, _query) = path.split_once('?').unwrap_or((path, ""));
    let segments = segments.strip_suffix('/').unwrap_or(segments);
    if segments.split('/').skip(1).any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(Complaint::new("the path of an upstream has no empty or dot segments"));
    }
    let port = host.port().unwrap_or(own_port);
    if port == 0 {
        return Err(Complaint::new("an upstream has no port 0"));
    }
    let authority = if port == own_port {
        host.name().into()
    } else {
        format!("{}:{port}", host.name()).into()
    };
    let name = host.name().trim_matches(['[', ']']).into();
    Ok(Upstream { host: name, port, path: path.into(), tls, authority })
}

/// Whether a host is this machine, whoever answers for names.
pub(super) fn is_loopback(host: &Host) -> bool {
    is_loopback_name(host.name().trim_matches(['[', ']']))
}

/// The same, without brackets.
pub(super) fn is_loopback_name(name: &str) -> bool {
    // RFC 6761 section 6.3: `localhost` and what is below it never leaves the machine.
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Scheme, and what follows `://`.
fn split(text: &str) -> Result<(&str, &str), Complaint> {
    if text.contains('@') {
        return Err(Complaint::secretive("an address here has no user and no password"));
    }
    if text.len() > URL_BYTES {
        return Err(Complaint::new(format!("an address has at most {URL_BYTES} bytes")));
    }
    let legal = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c);
    if let Some(c) = text.chars().find(|&c| !legal(c)) {
        return Err(Complaint::new(format!("an address cannot hold {c:?} (RFC 3986)"))
            .help("percent-encode it"));
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(|| {
        Complaint::new(format!("{text:?} is no address")).help("it begins with its scheme, `…://`")
    })?;
    if rest.contains('#') {
        return Err(Complaint::new("an address here has no fragment"));
    }
    Ok((scheme, rest))
}

/// The host, and the path behind it.
fn host(rest: &str) -> Result<(Host, &str), Complaint> {
    let (authority, path) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let host = Host::parse(authority.as_bytes())
        .ok_or_else(|| Complaint::new(format!("{authority:?} is no host")))?;
    Ok((host, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_taken_apart() {
        for (text, host, port, path, authority) in [
            ("ws://a.example", "a.example", 80, "", "a.example"),
            ("wss://a.example/", "a.example", 443, "", "a.example"),
            ("ws://A.example:443/x/y/", "a.example", 443, "/x/y/", "a.example:443"),
            ("wss://[::1]:9000/x", "::1", 9000, "/x", "[::1]:9000"),
            ("ws://a.example?room=a//b", "a.example", 80, "?room=a//b", "a.example"),
            ("ws://127.0.0.1:80/socket", "127.0.0.1", 80, "/socket", "127.0.0.1"),
        ] {
            let upstream = upstream(text).unwrap();
            assert_eq!(
                (&*upstream.host, upstream.port, &*upstream.path, upstream.authority()),
                (host, port, path, authority),
                "{text}"
            );
            assert_eq!(upstream.tls.is_some(), text.starts_with("wss"));
        }
    }

    #[test]
    fn what_is_no_upstream_is_refused() {
        for text in [
            "",
            "a.example",
            "ws:a.example",
            "ws://",
            "ws://:80",
            "ws:///x",
            "ws://user:password@a.example",
            "ws://a.example#x",
            "ws://a.example//x",
            "ws://a.example/./x",
            "ws://a.example/../x",
            "ws://a.example:0",
            "ws://a.example:65536",
            "ws://a.example:+80",
            "ws://a example",
            "ws://a.example/\r\nX-Admin: 1",
            "ws://é.example",
            "http://a.example",
            "unix:///run/x",
        ] {
            assert!(upstream(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (name, expected) in [
            ("localhost", true),
            ("a.localhost", true),
            ("127.1.2.3", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("localhost.example", false),
            ("10.0.0.1", false),
            ("0.0.0.0", false),
        ] {
            assert_eq!(is_loopback_name(name), expected, "{name}");
        }
    }
}
