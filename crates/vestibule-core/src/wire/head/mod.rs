//! One request head or response head (RFC 9112), read strictly: what two readers could understand
//! differently is refused, since the other reader may be the upstream, or a proxy in front of us.

mod fields;
mod path;

use core::{fmt, mem::MaybeUninit, str};

use httparse::{ParserConfig, Status};
use zeroize::Zeroizing;

pub(crate) use self::fields::Fields;
use crate::{limits, policy::Host, rejection::Rejection};

/// The head of a request. It owns its bytes, wipes them, and does not print what may be secret.
pub struct RequestHead {
    method: Box<str>,
    target: Zeroizing<String>,
    version: Version,
    host: Host,
    fields: Fields,
}

impl RequestHead {
    /// Reads a head from the front of `input`, and says how many bytes it had; `None` where more are
    /// needed. However the bytes are cut, the result is the same.
    ///
    /// Refused: lines that do not end with CR LF, empty lines before the first, folded lines, spaces
    /// before a colon, control characters, anything but one valid `Host`, and anything but a path for a
    /// target (RFC 9112 section 3.2.1; a target with a host of its own would contradict `Host`).
    pub fn read(input: &[u8]) -> Result<Option<(Self, usize)>, Rejection> {
        let window = window(input);
        let mut slots = [const { MaybeUninit::uninit() }; limits::HEAD_FIELDS];
        let mut request = httparse::Request::new(&mut []);
        let parsed = request.parse_with_uninit_headers(window, &mut slots);
        let Some(used) = complete(parsed, window)? else { return Ok(None) };
        let (Some(method), Some(target)) = (request.method, request.path) else {
            return Err(Rejection::MalformedHandshake);
        };
        if target.len() > limits::TARGET_BYTES {
            return Err(Rejection::HeadTooLarge);
        }
        let legal = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if !target.starts_with('/') || !target.bytes().all(legal) {
            return Err(Rejection::MalformedHandshake);
        }
        let version = match request.version {
            Some(0) => Version::Ten,
            Some(1) => Version::Eleven,
            Some(_) | None => return Err(Rejection::MalformedHandshake),
        };
        let fields = Fields::of(request.headers);
        let host =
            fields.one("host")?.and_then(Host::parse).ok_or(Rejection::MalformedHandshake)?;
        let target = Zeroizing::new(target.to_owned());
        let method = method.into();
        Ok(Some((Self { method, target, version, host, fields }, used)))
    }

    /// The method, as written.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The target: path and query. It may hold a credential; not for logs.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The path, as written, where it has one reading only.
    pub fn path(&self) -> Result<&str, Rejection> {
        let (path, _) = self.split();
        path::check(path)?;
        Ok(path)
    }

    /// Judges a path that came in another place than the target, as [`RequestHead::path`] does.
    pub fn check_path(path: &str) -> Result<(), Rejection> {
        path::check(path)
    }

    /// What follows the first `?`. It may hold a credential; not for logs.
    pub fn query(&self) -> Option<&str> {
        self.split().1
    }

    /// The version of HTTP.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether the sender would send another request on this connection (RFC 9112 section 9.3).
    pub fn persists(&self) -> bool {
        let fields = &self.fields;
        match self.version {
            Version::Ten => {
                fields.lists("connection", "keep-alive") && !fields.lists("connection", "close")
            }
            Version::Eleven => !fields.lists("connection", "close"),
        }
    }

    /// The `Host` field.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The values of a field, whatever the case of its name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.fields.all(name)
    }

    /// The value of a field that may stand once.
    pub fn one(&self, name: &str) -> Result<Option<&[u8]>, Rejection> {
        self.fields.one(name)
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }

    fn split(&self) -> (&str, Option<&str>) {
        match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (&self.target, None),
        }
    }
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target: _, version, host, fields } = self;
        f.debug_struct("RequestHead")
            .field("version", version)
            .field("method", method)
            .field("path", &self.split().0)
            .field("host", host)
            .field("fields", fields)
            .finish_non_exhaustive()
    }
}

/// Which version a message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Ten,
    /// HTTP/1.1.
    Eleven,
}

/// The head of a final response.
#[derive(Debug)]
pub struct ResponseHead {
    version: Version,
    status: u16,
    reason: Box<str>,
    fields: Fields,
}

impl ResponseHead {
    /// Reads a head from the front of `input`, as [`RequestHead::read`] does. Interim responses
    /// (RFC 9110 section 15.2; not 101, which ends the exchange) are passed over; they count.
    pub fn read(input: &[u8]) -> Result<Option<(Self, usize)>, Rejection> {
        let window = window(input);
        let mut passed = 0;
        loop {
            let rest = window.get(passed..).unwrap_or_default();
            let Some((head, used)) = Self::read_one(rest)? else {
                return if window.len() < limits::HEAD_BYTES {
                    Ok(None)
                } else {
                    Err(Rejection::UpstreamInvalid)
                };
            };
            passed += used;
            match head.status {
                100 | 102..=199 => {}
                _ => return Ok(Some((head, passed))),
            }
        }
    }

    fn read_one(rest: &[u8]) -> Result<Option<(Self, usize)>, Rejection> {
        let mut slots = [const { MaybeUninit::uninit() }; limits::HEAD_FIELDS];
        let mut response = httparse::Response::new(&mut []);
        let parsed = ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            rest,
            &mut slots,
        );
        let Some(used) = complete(parsed, rest).map_err(|_| Rejection::UpstreamInvalid)? else {
            return Ok(None);
        };
        let version = match response.version {
            Some(0) => Version::Ten,
            Some(1) => Version::Eleven,
            Some(_) | None => return Err(Rejection::UpstreamInvalid),
        };
        let status = response.code.filter(|code| (100..=599).contains(code));
        let status = status.ok_or(Rejection::UpstreamInvalid)?;
        let reason = response.reason.unwrap_or_default().into();
        let fields = Fields::of(response.headers);
        Ok(Some((Self { version, status, reason, fields }, used)))
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The values of a field, whatever the case of its name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.fields.all(name)
    }

    /// The value of a field that may stand once.
    pub fn one(&self, name: &str) -> Result<Option<&[u8]>, Rejection> {
        self.fields.one(name).map_err(|_| Rejection::UpstreamInvalid)
    }

    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }
}

/// What may be looked at. More is never needed, so that one more byte cannot change a result.
fn window(input: &[u8]) -> &[u8] {
    input.get(..limits::HEAD_BYTES).unwrap_or(input)
}

/// How long a head is, by the rules that the parser leaves to us.
fn complete(parsed: httparse::Result<usize>, window: &[u8]) -> Result<Option<usize>, Rejection> {
    if matches!(window, [b'\r' | b'\n', ..]) {
        return Err(Rejection::MalformedHandshake);
    }
    match parsed {
        Ok(Status::Complete(used)) => {
            let head = window.get(..used).unwrap_or_default();
            if has_bare_line_ends(head) {
                return Err(Rejection::MalformedHandshake);
            }
            Ok(Some(used))
        }
        Ok(Status::Partial) if window.len() < limits::HEAD_BYTES => Ok(None),
        Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => Err(Rejection::HeadTooLarge),
        Err(
            httparse::Error::HeaderName
            | httparse::Error::HeaderValue
            | httparse::Error::NewLine
            | httparse::Error::Status
            | httparse::Error::Token
            | httparse::Error::Version,
        ) => Err(Rejection::MalformedHandshake),
    }
}

/// Whether a CR or an LF stands alone. Some readers end a line there, and some do not.
fn has_bare_line_ends(head: &[u8]) -> bool {
    let bare = |&(&one, &next): &(&u8, &u8)| (one == b'\r') != (next == b'\n');
    // All of them, always, and side by side: what needs no branch is done many at a time.
    let next = head.get(1..).unwrap_or_default();
    let is_bare_at_end = head.first() == Some(&b'\n') || head.last() == Some(&b'\r');
    is_bare_at_end || head.iter().zip(next).filter(bare).count() != 0
}

#[cfg(test)]
pub(crate) mod tests;
