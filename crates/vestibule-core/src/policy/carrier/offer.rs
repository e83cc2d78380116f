//! Credentials among the subprotocols. A browser lets a script choose the entries of
//! `Sec-WebSocket-Protocol` and no other field, so tokens travel there, in four encodings.

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use zeroize::Zeroizing;

use super::bearer;
use crate::{authn::Credential, rejection::Rejection};

/// Kubernetes: base64url without padding.
const KUBERNETES: &str = "base64url.bearer.authorization.k8s.io.";
/// Phoenix: base64 without padding; what `btoa` makes of a JWT has no `/`, which no entry may have.
const PHOENIX: &str = "base64url.bearer.phx.";
/// The token as it is.
const VESTIBULE: &str = "vestibule.bearer.";
/// The entry behind this one is a token as it is.
const MARKER: &str = "bearer";

/// What was offered, sorted.
pub(super) struct Offer {
    pub(super) token: Option<Result<Credential, Rejection>>,
    pub(super) subprotocols: Vec<Box<str>>,
    pub(super) marker: Option<Box<str>>,
}

/// What an entry is.
enum Entry {
    Subprotocol,
    /// The next one is a token.
    Marker,
    Token(Result<Credential, Rejection>),
}

impl Offer {
    pub(super) fn of(entries: &[Box<str>]) -> Result<Self, Rejection> {
        let mut offer = Self { token: None, subprotocols: Vec::new(), marker: None };
        let mut entries = entries.iter();
        while let Some(entry) = entries.next() {
            let token = match read(entry) {
                Entry::Subprotocol => {
                    offer.subprotocols.push(entry.clone());
                    continue;
                }
                Entry::Token(token) => token,
                Entry::Marker => {
                    offer.marker = Some(entry.clone());
                    match entries.next().map(|next| (next, read(next))) {
                        None => Err(Rejection::TokenMalformed),
                        Some((next, Entry::Subprotocol)) => bearer(next.as_bytes()),
                        // A whole JWT behind the marker is what the marker is for.
                        Some((next, Entry::Token(_))) if is_jwt(next) => bearer(next.as_bytes()),
                        Some((_, Entry::Marker | Entry::Token(_))) => {
                            return Err(Rejection::AmbiguousCredential);
                        }
                    }
                }
            };
            if offer.token.is_some() {
                return Err(Rejection::AmbiguousCredential);
            }
            offer.token = Some(token);
        }
        Ok(offer)
    }
}

/// The entry with which a handshake can be answered whose credential was refused: never a token.
pub fn echo(entries: &[Box<str>]) -> Option<&str> {
    let mut marker = None;
    let mut entries = entries.iter();
    while let Some(entry) = entries.next() {
        match read(entry) {
            Entry::Subprotocol => return Some(entry),
            Entry::Marker => {
                marker = Some(&**entry);
                entries.next();
            }
            Entry::Token(_) => {}
        }
    }
    marker
}

/// Case does not matter: an entry in another case is no other subprotocol, but a token that would
/// go on to the upstream.
fn read(entry: &str) -> Entry {
    if entry.eq_ignore_ascii_case(MARKER) {
        Entry::Marker
    } else if let Some(text) = after(entry, KUBERNETES) {
        Entry::Token(decoded(text))
    } else if let Some(text) = after(entry, PHOENIX) {
        Entry::Token(decoded(text))
    } else if let Some(text) = after(entry, VESTIBULE) {
        Entry::Token(bearer(text.as_bytes()))
    } else if is_jwt(entry) {
        // Offered as if it were a subprotocol: it cannot be answered, and must not go on.
        Entry::Token(Err(Rejection::MechanismNotAllowed))
    } else {
        Entry::Subprotocol
    }
}

fn after<'a>(entry: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = entry.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Whether an entry is a bare JWT: parts, of which the first is the base64url of `{"`.
fn is_jwt(entry: &str) -> bool {
    entry.starts_with("eyJ") && entry.split('.').count() >= 3
}

fn decoded(text: &str) -> Result<Credential, Rejection> {
    let encoding = if text.contains('+') { BASE64_NOPAD } else { BASE64URL_NOPAD };
    let token = encoding.decode(text.as_bytes()).map_err(|_| Rejection::TokenMalformed)?;
    bearer(&Zeroizing::new(token))
}
