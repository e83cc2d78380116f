//! Who may use the admin API: whoever has the token, at an address of this machine's.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{Digest, SHA256, digest},
    rand,
};
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, header};
use tracing::{info, warn};
use vestibule_core::time::Mono;
use zeroize::Zeroizing;

use super::problem::Problem;
use crate::limits;

/// What a token begins with, so that people and secret scanners see what it is.
const PREFIX: &str = "vsa_";

/// The token of the admin API, as a hash.
#[derive(Clone, Copy, Debug)]
pub struct AdminToken(Digest);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file.
    #[error("cannot use the file")]
    File(#[from] io::Error),
    /// What is in it.
    #[error(
        "a token has at least {} visible ASCII characters, and no space",
        limits::ADMIN_TOKEN_BYTES
    )]
    Form,
    /// No randomness.
    #[error("the system has no randomness")]
    Randomness,
}

impl AdminToken {
    /// Reads the file, or makes it: 256 random bits, for its owner alone to read.
    pub fn open(path: &Path) -> Result<Self, TokenError> {
        match Self::make(path) {
            Err(TokenError::File(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
                let text = read(path)?;
                Ok(Self(digest(&SHA256, text.as_bytes())))
            }
            made => made,
        }
    }

    fn make(path: &Path) -> Result<Self, TokenError> {
        // Where the file is there, nothing is made that nobody would know of.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let mut bytes = Zeroizing::new([0; 32]);
        rand::fill(&mut *bytes).map_err(|_| TokenError::Randomness)?;
        let token = Zeroizing::new(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&*bytes)));
        let written = file.write_all(token.as_bytes()).and_then(|()| file.write_all(b"\n"));
        if let Err(error) = written.and_then(|()| file.sync_all()) {
            // An empty file would be no token for ever.
            return Err(fs::remove_file(path).err().unwrap_or(error).into());
        }
        info!(path = %path.display(), "made a token for the admin API");
        Ok(Self(digest(&SHA256, token.as_bytes())))
    }

    /// Whether this is the token. Takes the same time whatever is wrong with it.
    fn is(&self, presented: &[u8]) -> bool {
        let Self(wanted) = self;
        let presented = digest(&SHA256, presented);
        verify_slices_are_equal(wanted.as_ref(), presented.as_ref()).is_ok()
    }
}

/// The token in a file, for whoever uses the API.
pub fn read(path: &Path) -> Result<Zeroizing<String>, TokenError> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        warn!(path = %path.display(), "others than its owner can use the token of the admin API");
    }
    let mut text = Zeroizing::new(String::new());
    file.take(limits::ADMIN_TOKEN_FILE).read_to_string(&mut text)?;
    let token = Zeroizing::new(text.trim_end().to_owned());
    if token.len() < limits::ADMIN_TOKEN_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(TokenError::Form);
    }
    Ok(token)
}

/// Stands before the API.
#[derive(Debug)]
pub(super) struct Gate {
    token: Option<AdminToken>,
    listen: SocketAddr,
    failures: Mutex<Bucket>,
}

/// Requests with a wrong token: so many at once, then one in each span.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u32,
    since: Mono,
}

impl Gate {
    /// Without a token nobody gets in.
    pub(super) fn new(token: Option<AdminToken>, listen: SocketAddr) -> Self {
        let failures = Bucket { left: limits::ADMIN_FAILURES, since: Mono::START };
        Self { token, listen, failures: Mutex::new(failures) }
    }

    /// Lets somebody pass, or says why not. Whoever has the token is not kept out by those who guess.
    pub(super) fn pass(&self, headers: &HeaderMap, now: Mono) -> Result<(), Problem> {
        self.check_host(headers)?;
        let mut fields = headers.get_all(header::AUTHORIZATION).iter();
        let (first, second) = (fields.next(), fields.next());
        let Some(field) = first else {
            let description = "this takes the token of the admin API as a bearer token";
            return Err(Problem::unauthorized("credential_required", description));
        };
        self.check(bearer(field.as_bytes()).filter(|_| second.is_none()), now)
    }

    /// Whether this is the token; `None` is none.
    pub(super) fn check(&self, presented: Option<&[u8]>, now: Mono) -> Result<(), Problem> {
        let Some(token) = &self.token else {
            return Err(Problem::unavailable("there is no token for the admin API; see the log"));
        };
        if presented.is_some_and(|presented| token.is(presented)) {
            return Ok(());
        }
        self.count_failure(now)?;
        Err(Problem::unauthorized("invalid_token", "not the token of the admin API"))
    }

    /// A page on the network whose name was made to lead here (DNS rebinding) sends its own name.
    pub(super) fn check_host(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let mut fields = headers.get_all(header::HOST).iter();
        let (first, second) = (fields.next(), fields.next());
        let host = first.filter(|_| second.is_none()).and_then(|host| host.to_str().ok());
        match host {
            Some(host) if is_ours(host, self.listen.ip()) => Ok(()),
            Some(_) | None => Err(Problem::misdirected()),
        }
    }

    /// A page sends its own origin along: the console's is that of this listener. A program sends none.
    pub(super) fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
        let mut fields = headers.get_all(header::ORIGIN).iter();
        let (first, second) = (fields.next(), fields.next());
        let Some(origin) = first else { return Ok(()) };
        let host = headers.get(header::HOST).map_or(&b""[..], |host| host.as_bytes());
        // This listener speaks no TLS; a proxy that does, before it, makes the same page `https`.
        let page = origin.as_bytes();
        let page = page.strip_prefix(b"http://").or_else(|| page.strip_prefix(b"https://"));
        match page {
            Some(page) if second.is_none() && page == host => Ok(()),
            Some(_) | None => Err(Problem::foreign_page()),
        }
    }

    fn count_failure(&self, now: Mono) -> Result<(), Problem> {
        let mut bucket = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let spans = bucket.since.until(now).as_millis() / limits::ADMIN_FAILURE_EVERY.as_millis();
        if let Ok(spans @ 1..) = u32::try_from(spans) {
            bucket.left = bucket.left.saturating_add(spans).min(limits::ADMIN_FAILURES);
            bucket.since = now;
        } else if spans > 0 {
            *bucket = Bucket { left: limits::ADMIN_FAILURES, since: now };
        }
        match bucket.left.checked_sub(1) {
            Some(left) => {
                bucket.left = left;
                Ok(())
            }
            None => Err(Problem::slow_down(seconds(limits::ADMIN_FAILURE_EVERY))),
        }
    }
}

fn seconds(span: Duration) -> u64 {
    span.as_secs().max(1)
}

/// The token of `Bearer …` (RFC 6750 section 2.1).
fn bearer(field: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = field.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Whether a Host names this machine: `localhost`, a loopback address, or the address that was
/// configured; any address where it is all of them. Only names can be made to lead elsewhere.
fn is_ours(host: &str, listen: IpAddr) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        Some(_) | None => host,
    };
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.parse::<IpAddr>().is_ok_and(|address| {
        let address = address.to_canonical();
        address.is_loopback() || listen.is_unspecified() || address == listen.to_canonical()
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn gate(token: &str) -> Gate {
        let token = AdminToken(digest(&SHA256, token.as_bytes()));
        Gate::new(Some(token), "127.0.0.1:1".parse().unwrap())
    }

    fn asked(host: &str, authorization: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        for value in authorization {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn status(gate: &Gate, headers: &HeaderMap) -> u16 {
        gate.pass(headers, Mono::START).map_or_else(|problem| problem.status.as_u16(), |()| 200)
    }

    #[test]
    fn only_the_token_itself_opens_and_only_once_in_a_request() {
        let gate = gate("vsa_right");
        for (authorization, wanted) in [
            (&["Bearer vsa_right"][..], 200),
            (&["bearer  vsa_right"], 200),
            (&[], 401),
            (&["Bearer vsa_righ"], 401),
            (&["Bearer vsa_right2"], 401),
            (&["Bearer "], 401),
            (&["Basic vsa_right"], 401),
            (&["vsa_right"], 401),
            (&["Bearer vsa_right", "Bearer vsa_right"], 401),
        ] {
            let found = status(&gate, &asked("localhost", authorization));
            assert_eq!(found, wanted, "{authorization:?}");
        }
    }

    #[test]
    fn without_a_token_nobody_gets_in() {
        let gate = Gate::new(None, "127.0.0.1:1".parse().unwrap());
        assert_eq!(status(&gate, &asked("localhost", &["Bearer "])), 503);
    }

    #[test]
    fn those_who_guess_are_slowed_and_do_not_keep_out_who_knows() {
        let gate = gate("vsa_right");
        let guess = asked("localhost", &["Bearer vsa_wrong"]);
        for _ in 0..limits::ADMIN_FAILURES {
            assert_eq!(status(&gate, &guess), 401);
        }
        assert_eq!(status(&gate, &guess), 429);
        assert_eq!(status(&gate, &asked("localhost", &["Bearer vsa_right"])), 200);
        let later = Mono::START.after(limits::ADMIN_FAILURE_EVERY);
        let again = |_| gate.pass(&guess, later).unwrap_err().status.as_u16();
        assert_eq!([0, 1].map(again), [401, 429]);
    }

    #[test]
    fn a_name_of_somebody_elses_is_refused_whatever_it_leads_to() {
        let (loopback, other): (IpAddr, IpAddr) =
            ("127.0.0.1".parse().unwrap(), "192.0.2.7".parse().unwrap());
        for ours in ["localhost", "LOCALHOST:9480", "127.0.0.1:9480", "127.9.9.9", "[::1]:9480"] {
            assert!(is_ours(ours, loopback), "{ours}");
        }
        for foreign in
            ["evil.example", "evil.example:9480", "localhost.evil.example", "192.0.2.7", ""]
        {
            assert!(!is_ours(foreign, loopback), "{foreign}");
        }
        assert!(is_ours("192.0.2.7:9480", other));
        assert!(!is_ours("192.0.2.8", other));
        let all: IpAddr = "0.0.0.0".parse().unwrap();
        assert!(is_ours("192.0.2.8", all));
        assert!(!is_ours("evil.example", all));
    }

    #[test]
    fn of_pages_only_our_own_may_watch() {
        let page = |origins: &[&'static str]| {
            let mut headers = asked("127.0.0.1:9480", &[]);
            for origin in origins {
                headers.append(header::ORIGIN, HeaderValue::from_static(origin));
            }
            Gate::check_origin(&headers).is_ok()
        };
        assert!(page(&[]) && page(&["http://127.0.0.1:9480"]) && page(&["https://127.0.0.1:9480"]));
        for foreign in [
            "http://127.0.0.1:9481",
            "http://127.0.0.1",
            "http://localhost:9480",
            "http://evil.example",
            "127.0.0.1:9480",
            "null",
            "",
        ] {
            assert!(!page(&[foreign]), "{foreign}");
        }
        assert!(!page(&["http://127.0.0.1:9480", "http://127.0.0.1:9480"]));
    }

    #[test]
    fn the_file_is_made_once_for_its_owner_alone_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let made = AdminToken::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = read(&path).unwrap();
        assert!(text.starts_with(PREFIX) && text.len() >= 47, "{}", text.len());
        assert!(made.is(text.as_bytes()));
        assert!(AdminToken::open(&path).unwrap().is(text.as_bytes()));
        fs::write(&path, "short\n").unwrap();
        assert!(matches!(AdminToken::open(&path), Err(TokenError::Form)));
    }
}
