//! Which credential a handshake presents, and what is left of the handshake without it.
//!
//! Nothing is guessed, and nothing that looks like a credential goes on by accident:
//!
//! - Two explicit credentials are refused, whatever the route takes.
//! - An explicit credential by a carrier that the route does not take is refused, and not ignored:
//!   its sender believes to be authenticated by it.
//! - An explicit credential goes before the cookie, which is then not looked at.
//! - `Authorization` with the scheme `DPoP`, together with the one `DPoP` field, is such a credential
//!   where the route takes [`Mechanism::Dpop`].
//! - `Authorization` with another scheme is one where the route takes [`Carrier::Header`]; where it
//!   does not, it is between the client and the upstream, and goes on.
//! - `access_token` in the query is a credential on every route, and `ticket` is one on those that
//!   take tickets; elsewhere it is the application's.
//! - A token is for the mechanism that its beginning says ([`Mechanism::of_token`]).
//! - The cookie of the route is a credential where the route takes [`Carrier::Cookie`]; it is kept
//!   from the upstream in any case. So is the certificate of the connection, where the route takes
//!   [`Carrier::Tls`] ([`Presented::over`]).

mod offer;

use core::fmt;

use self::offer::Offer;
pub use self::offer::echo;
use super::{
    Carrier, Certificate, Channel, DpopNonce, ForwardCredential, RoutePolicy, TokenInQuery,
};
use crate::{
    authn::{Credential, Mechanism},
    limits,
    rejection::Rejection,
    wire::{
        Query, cookie_pairs,
        head::RequestHead,
        is_token68,
        upgrade::{self, Challenges, Upgrade},
    },
};

/// The parameter of RFC 6750 section 2.3.
const PARAMETER: &str = "access_token";
/// The parameter of a ticket.
const TICKET: &str = "ticket";

/// What a handshake presents, and what is left of it for the upstream.
#[derive(Clone)]
pub struct Presented {
    /// The credential, and how it came.
    pub credential: Option<(Carrier, Credential)>,
    /// The subprotocols that were offered in earnest, in the client's order.
    pub subprotocols: Vec<Box<str>>,
    /// `bearer`, as the client wrote it, where it stands before a token: to be echoed where no
    /// other subprotocol is chosen, since browsers demand one of those that they offered.
    pub marker: Option<Box<str>>,
    /// The query without the token.
    pub query: Option<String>,
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { credential, subprotocols, marker, query: _ } = self;
        f.debug_struct("Presented")
            .field("credential", credential)
            .field("subprotocols", subprotocols)
            .field("marker", marker)
            .finish_non_exhaustive()
    }
}

impl Presented {
    /// The same on a connection whose client has shown a certificate: that is an ambient credential
    /// like the cookie, where the route takes it from the handshake. Of the two the one counts that
    /// stands first in the route's list; the other one is not looked at.
    #[must_use]
    pub fn over(self, channel: Channel, policy: &RoutePolicy) -> Self {
        let place = |wanted: Carrier| policy.accept.iter().position(|carrier| *carrier == wanted);
        let (Certificate::Verified, Some(tls)) = (channel.certificate, place(Carrier::Tls)) else {
            return self;
        };
        let goes_before = match &self.credential {
            None => true,
            Some((Carrier::Cookie, _)) => place(Carrier::Cookie).is_none_or(|cookie| tls < cookie),
            Some((
                Carrier::Header
                | Carrier::Query
                | Carrier::Subprotocol
                | Carrier::Tls
                | Carrier::Message
                | Carrier::PerMessage,
                _,
            )) => false,
        };
        if goes_before {
            Self { credential: Some((Carrier::Tls, Credential::certificate())), ..self }
        } else {
            self
        }
    }
}

/// Finds the credential of a handshake, by the rules above.
///
/// A credential that came as a subprotocol and left none to answer with is refused by
/// [`Rejection::MalformedHandshake`]: the token must not be echoed, and a browser fails a
/// connection that has no answer to its offer.
pub fn collect(
    head: &RequestHead,
    upgrade: &Upgrade,
    policy: &RoutePolicy,
) -> Result<Presented, Rejection> {
    let header = from_header(head, policy)?;
    let query = Query::without(head.query(), PARAMETER);
    let parameter = from_query(&query, PARAMETER)?;
    let (query, ticket) = if policy.mechanisms.contains(&Mechanism::Ticket) {
        let query = Query::without(query.left.as_deref(), TICKET);
        let ticket = from_query(&query, TICKET)?;
        (query, ticket)
    } else {
        (query, None)
    };
    let Offer { token, subprotocols, marker } = Offer::of(&upgrade.protocols)?;
    let offered =
        token.map(|token| Found { carrier: Carrier::Subprotocol, parameter: None, token });
    let mut explicit = [header, parameter, ticket, offered].into_iter().flatten();
    let (first, second) = (explicit.next(), explicit.next());
    if second.is_some() {
        return Err(Rejection::AmbiguousCredential);
    }
    let credential = match first {
        Some(found) => Some(found.accepted_by(policy)?),
        None => from_cookie(head, policy)?,
    };
    if let Some((Carrier::Subprotocol, _)) = credential
        && subprotocols.is_empty()
        && marker.is_none()
    {
        return Err(Rejection::MalformedHandshake);
    }
    Ok(Presented { credential, subprotocols, marker, query: query.left })
}

/// The credential of a request that is no handshake: for one of the gateway's own endpoints. By
/// `Authorization: Bearer` or `DPoP`, or by one of these cookies; the header goes before a cookie, and
/// two cookies cannot be told apart.
///
/// Whoever takes a cookie must have judged the request's origin.
pub fn of_request(
    head: &RequestHead,
    cookies: &[&str],
) -> Result<Option<(Carrier, Credential)>, Rejection> {
    let mut values = head.all("authorization");
    match (values.next(), values.next()) {
        (Some(value), None) => match scheme(value) {
            Scheme::Bearer(token) => return bearer(token).map(|it| Some((Carrier::Header, it))),
            Scheme::Dpop(token) => return dpop(head, token).map(|it| Some((Carrier::Header, it))),
            Scheme::Other => return Err(Rejection::MechanismNotAllowed),
        },
        (Some(_), Some(_)) => return Err(Rejection::AmbiguousCredential),
        (None, _) => {}
    }
    one_cookie(head, |name| cookies.iter().any(|wanted| wanted.as_bytes() == name))
}

/// The ticket in a query that came in another place than a handshake's target.
pub fn ticket(query: Option<&str>, policy: &RoutePolicy) -> Result<Option<Credential>, Rejection> {
    if !policy.mechanisms.contains(&Mechanism::Ticket) {
        return Ok(None);
    }
    let found = from_query(&Query::without(query, TICKET), TICKET)?;
    found.map(|found| found.token).transpose()
}

/// Whether a client's `Authorization` field may go on to the upstream: where the route forwards
/// credentials, or where the field is none of the gateway's.
pub(crate) fn forwards_authorization(value: &[u8], policy: &RoutePolicy) -> bool {
    match policy.forward_credential {
        ForwardCredential::Yes => true,
        ForwardCredential::No => {
            !policy.accept.contains(&Carrier::Header)
                && match scheme(value) {
                    Scheme::Bearer(_) => false,
                    Scheme::Dpop(_) => !policy.mechanisms.contains(&Mechanism::Dpop),
                    Scheme::Other => true,
                }
        }
    }
}

/// Whether a client's `DPoP` field may go on to the upstream: where its token may, whatever it came
/// with.
pub(crate) fn forwards_proof(policy: &RoutePolicy) -> bool {
    forwards_authorization(b"DPoP", policy)
}

/// What a refusal of this request says about how to authenticate by HTTP; `nonce` is what proofs must
/// have.
pub fn challenges<'a>(
    head: &RequestHead,
    policy: &'a RoutePolicy,
    nonce: &'a str,
) -> Challenges<'a> {
    let contexts = &*policy.assurance.contexts;
    let takes = |mechanism: &Mechanism| policy.mechanisms.contains(mechanism);
    if !takes(&Mechanism::Dpop) || !policy.accept.contains(&Carrier::Header) {
        return Challenges { contexts, ..Challenges::BEARER };
    }
    let tokens = [Mechanism::Bearer, Mechanism::Session, Mechanism::ApiKey, Mechanism::Ticket];
    let taken: &[upgrade::Scheme] = if tokens.iter().any(takes) {
        &[upgrade::Scheme::Bearer, upgrade::Scheme::Dpop]
    } else {
        &[upgrade::Scheme::Dpop]
    };
    let nonce = match policy.dpop_nonce {
        DpopNonce::Required => Some(nonce),
        DpopNonce::Off => None,
    };
    Challenges { taken, tried: tried(head), nonce, contexts }
}

/// The scheme of a request's token.
pub fn tried(head: &RequestHead) -> upgrade::Scheme {
    match head.all("authorization").next().map(scheme) {
        Some(Scheme::Dpop(_)) => upgrade::Scheme::Dpop,
        Some(Scheme::Bearer(_) | Scheme::Other) | None => upgrade::Scheme::Bearer,
    }
}

/// An explicit credential, before it is known whether the route takes it.
struct Found {
    carrier: Carrier,
    /// Its name, where it is a parameter of the query.
    parameter: Option<&'static str>,
    token: Result<Credential, Rejection>,
}

impl Found {
    fn accepted_by(self, policy: &RoutePolicy) -> Result<(Carrier, Credential), Rejection> {
        let Self { carrier, parameter, token } = self;
        let dangerous = match (carrier, policy.token_in_query) {
            (Carrier::Query, TokenInQuery::Refused) => parameter == Some(PARAMETER),
            (_, TokenInQuery::Refused | TokenInQuery::Taken) => false,
        };
        let taken = policy.accept.contains(&carrier) && !dangerous;
        if !taken {
            return Err(Rejection::MechanismNotAllowed);
        }
        token.map(|credential| (carrier, credential))
    }
}

enum Scheme<'a> {
    Bearer(&'a [u8]),
    Dpop(&'a [u8]),
    Other,
}

/// The scheme of an `Authorization` field, whose case does not matter (RFC 9110 section 11.1).
fn scheme(value: &[u8]) -> Scheme<'_> {
    let end = value.iter().position(|&byte| matches!(byte, b' ' | b'\t')).unwrap_or(value.len());
    let (scheme, rest) = value.split_at(end);
    if scheme.eq_ignore_ascii_case(b"bearer") {
        Scheme::Bearer(rest.trim_ascii_start())
    } else if scheme.eq_ignore_ascii_case(b"dpop") {
        Scheme::Dpop(rest.trim_ascii_start())
    } else {
        Scheme::Other
    }
}

fn from_header(head: &RequestHead, policy: &RoutePolicy) -> Result<Option<Found>, Rejection> {
    let mut values = head.all("authorization");
    let (Some(value), second) = (values.next(), values.next()) else { return Ok(None) };
    if second.is_some() {
        return Err(Rejection::AmbiguousCredential);
    }
    let token = match scheme(value) {
        Scheme::Bearer(token) => bearer(token),
        Scheme::Dpop(token) if policy.mechanisms.contains(&Mechanism::Dpop) => dpop(head, token),
        Scheme::Dpop(_) | Scheme::Other if policy.accept.contains(&Carrier::Header) => {
            Err(Rejection::MechanismNotAllowed)
        }
        Scheme::Dpop(_) | Scheme::Other => return Ok(None),
    };
    Ok(Some(Found { carrier: Carrier::Header, parameter: None, token }))
}

fn from_query(query: &Query, parameter: &'static str) -> Result<Option<Found>, Rejection> {
    match query.values.as_slice() {
        [] => Ok(None),
        [value] => {
            let credential = || match parameter {
                TICKET => Credential::ticket(value.as_slice()),
                _ => Credential::bearer(value.as_slice()),
            };
            let token = well_formed(value).map(|()| credential());
            Ok(Some(Found { carrier: Carrier::Query, parameter: Some(parameter), token }))
        }
        [_, _, ..] => Err(Rejection::AmbiguousCredential),
    }
}

/// The value of the route's cookie. Another site of the same domain can set a cookie of the same
/// name, and nobody can tell which of the two is the user's: both are refused. An empty one is what
/// a log-out leaves behind, and none.
fn from_cookie(
    head: &RequestHead,
    policy: &RoutePolicy,
) -> Result<Option<(Carrier, Credential)>, Rejection> {
    let Some(wanted) = policy.cookie.as_deref() else { return Ok(None) };
    if !policy.accept.contains(&Carrier::Cookie) {
        return Ok(None);
    }
    one_cookie(head, |name| name == wanted.as_bytes())
}

fn one_cookie(
    head: &RequestHead,
    wanted: impl Fn(&[u8]) -> bool,
) -> Result<Option<(Carrier, Credential)>, Rejection> {
    let mut values = head
        .all("cookie")
        .flat_map(cookie_pairs)
        .filter(|(_, name, _)| wanted(name))
        .map(|(_, _, value)| value);
    match (values.next(), values.next()) {
        (None | Some(b""), None) => Ok(None),
        // Whatever it is: one that is no token does not verify, and where the route takes messages,
        // that is not the end.
        (Some(value), None) => Ok(Some((Carrier::Cookie, Credential::of_token(value)))),
        (_, Some(_)) => Err(Rejection::AmbiguousCredential),
    }
}

/// A token that has the form of one (RFC 6750 section 2.1).
fn bearer(token: &[u8]) -> Result<Credential, Rejection> {
    well_formed(token).map(|()| Credential::of_token(token))
}

/// A token and its proof (RFC 9449 sections 4.3 and 7.1): one field, whose form is the judge's
/// business.
fn dpop(head: &RequestHead, token: &[u8]) -> Result<Credential, Rejection> {
    well_formed(token)?;
    let mut proofs = head.all("dpop");
    match (proofs.next(), proofs.next()) {
        (Some(proof), None) if proof.len() <= limits::CREDENTIAL_BYTES => {
            Ok(Credential::proven(token, proof))
        }
        (_, _) => Err(Rejection::DpopProofInvalid),
    }
}

fn well_formed(token: &[u8]) -> Result<(), Rejection> {
    if token.len() > limits::CREDENTIAL_BYTES || !is_token68(token) {
        return Err(Rejection::TokenMalformed);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
