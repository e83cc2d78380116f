//! Ordinary HTTP on the public listener: the keys that verify tokens, and the endpoints of `[auth]`.
//!
//! Requests are as small as their answers: a body of JSON up to
//! [`limits::ENDPOINT_BODY_BYTES`](vestibule_core::limits::ENDPOINT_BODY_BYTES), read within the
//! deadline of the request. Every error is `{"error","error_description"}` in the words of RFC 6749
//! section 5.2 and RFC 6750 section 3.1. Pages of the routes' origins may read the answers.

mod answer;
mod body;
mod cookie;
mod cors;
mod credential;
mod jwks;
mod login;
mod logout;
mod passkeys;
mod refresh;
mod ticket;
mod verify;

use std::{net::IpAddr, str};

use tracing::{debug, info};
use vestibule_authority::{identities::Identities, proofs::Site};
use vestibule_core::{
    authn::Mechanism,
    policy::{
        carrier,
        forwarded::{Forwarded, Trust},
    },
    rejection::Rejection,
    time::{Mono, Now},
    wire::{
        body::Body,
        head::RequestHead,
        upgrade::{Challenges, Scheme},
    },
};
use vestibule_verify::{Refused, jwt::CertificateHash};
use zeroize::Zeroizing;

pub(super) use self::answer::Answer;
use self::answer::Problem;
use super::Link;
use crate::{
    config::{Config, Route},
    serve::{Bringing, Worker},
};

/// Where the keys are (RFC 8615).
const JWKS: &str = "/.well-known/jwks.json";

/// What the gateway itself serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// The keys that verify assertions and access tokens.
    Jwks,
    /// A user signs in.
    Login,
    /// A credential buys a ticket.
    Ticket,
    /// A login goes on, or a lease gets longer.
    Refresh,
    /// A login ends.
    Logout,
    /// Whether somebody else's request is authenticated.
    Verify,
    /// A user begins to register a passkey.
    PasskeyOptions,
    /// A user registers a passkey.
    PasskeyRegister,
    /// The passkeys of a user.
    Passkeys,
    /// One of them.
    Passkey,
    /// A path below `[auth]` at which there is nothing.
    Nothing,
}

/// What is asked of an endpoint.
struct Visit<'a> {
    head: &'a RequestHead,
    body: Zeroizing<Vec<u8>>,
    forwarded: &'a Forwarded,
    host: &'a str,
    client: IpAddr,
    shown: Option<CertificateHash>,
    worker: &'a Worker,
}

impl Visit<'_> {
    /// The page behind it, as it calls itself.
    fn origin(&self) -> Option<&str> {
        str::from_utf8(self.head.all("origin").next()?).ok()
    }

    /// What was asked for, by which address.
    fn site(&self) -> Result<Site<'_>, Rejection> {
        let (method, path) = (self.head.method(), self.head.path()?);
        Ok(Site { method, transport: self.forwarded.transport, host: self.host, path })
    }

    /// The credential of this request, as it is to be asked about.
    fn bringing(&self) -> Result<Bringing<'_>, Rejection> {
        let (origin, peer, site) = (self.origin(), self.client, self.site()?);
        Ok(Bringing { origin, peer, site, shown: self.shown })
    }

    fn now(&self) -> Now {
        self.worker.shared.clock.now()
    }

    fn routes(&self) -> impl Iterator<Item = &Route> {
        self.worker.shared.config.routes.iter().map(AsRef::as_ref)
    }

    /// The endpoints are there because of them.
    fn identities(&self) -> Result<&Identities, Problem> {
        self.worker.shared.kept.identities.as_deref().ok_or_else(|| Rejection::Internal.into())
    }

    /// Tells the operator why something was refused.
    fn doubted(&self, refused: Refused) -> Rejection {
        let Refused { rejection, reason } = refused;
        info!(peer = %self.client, rejection = rejection.label(), %reason, "credential refused");
        rejection
    }
}

impl Endpoint {
    /// The one that a request is for; `None` where it is for a route.
    pub(super) fn of(head: &RequestHead, config: &Config) -> Option<Self> {
        let path = head.path().ok()?;
        if path == JWKS {
            return Some(Self::Jwks);
        }
        let auth = config.auth.as_ref()?;
        let rest = path.strip_prefix(&*auth.path)?;
        if let (Some(_), Some(rest)) = (&auth.webauthn, rest.strip_prefix("/webauthn/")) {
            return Some(Self::of_passkeys(rest));
        }
        match rest {
            "/login" => Some(Self::Login),
            "/ticket" => Some(Self::Ticket),
            "/refresh" => Some(Self::Refresh),
            "/logout" => Some(Self::Logout),
            "/verify" => Some(Self::Verify),
            rest if rest.is_empty() || rest.starts_with('/') => Some(Self::Nothing),
            _ => None,
        }
    }

    /// What is behind `/webauthn/`.
    fn of_passkeys(rest: &str) -> Self {
        match rest {
            "register/options" => Self::PasskeyOptions,
            "register" => Self::PasskeyRegister,
            "credentials" => Self::Passkeys,
            rest => match rest.strip_prefix("credentials/") {
                Some(id) if !id.is_empty() && !id.contains('/') => Self::Passkey,
                Some(_) | None => Self::Nothing,
            },
        }
    }

    /// For logs and metrics.
    const fn name(self) -> &'static str {
        match self {
            Self::Jwks => "jwks",
            Self::Login => "login",
            Self::Ticket => "ticket",
            Self::Refresh => "refresh",
            Self::Logout => "logout",
            Self::Verify => "verify",
            Self::PasskeyOptions => "webauthn/register/options",
            Self::PasskeyRegister => "webauthn/register",
            Self::Passkeys | Self::Passkey => "webauthn/credentials",
            Self::Nothing => "",
        }
    }

    /// The methods that it takes, beside OPTIONS.
    const fn methods(self) -> &'static [&'static str] {
        match self {
            Self::Jwks | Self::Verify | Self::Passkeys => &["GET", "HEAD"],
            Self::Login
            | Self::Ticket
            | Self::Refresh
            | Self::Logout
            | Self::PasskeyOptions
            | Self::PasskeyRegister => &["POST"],
            Self::Passkey => &["DELETE"],
            Self::Nothing => &["GET", "HEAD", "POST"],
        }
    }
}

/// Answers a request. The link comes back where the client may send another one.
pub(super) async fn serve(
    mut link: Link,
    head: RequestHead,
    endpoint: Endpoint,
    forwarded: &Forwarded,
    deadline: Mono,
    worker: &Worker,
) -> Option<Link> {
    let client = forwarded.client;
    let answer = match read(&mut link, &head, deadline, worker).await {
        Ok(body) => {
            let host = forwarded.host.to_string();
            let shown = shown(&link, forwarded, worker);
            let visit = Visit { head: &head, body, forwarded, host: &host, client, shown, worker };
            answer(endpoint, &visit).await
        }
        // Where its body ends is not known: nothing behind it can be a request.
        Err(Some(problem)) => {
            worker.endpoint_refused(endpoint.name(), client, problem.label);
            let config = &worker.shared.config;
            let answer = problem.answer(&Challenges::BEARER);
            let answer = cors::open(answer, &head, forwarded, endpoint, config);
            link.finish(&answer.render(&head, answer::After::Close)).await;
            return None;
        }
        Err(None) => return None,
    };
    let answer = cors::open(answer, &head, forwarded, endpoint, &worker.shared.config);
    if !head.persists() {
        link.finish(&answer.render(&head, answer::After::Close)).await;
        return None;
    }
    match link.write(&answer.render(&head, answer::After::Stay)).await {
        Ok(()) => Some(link),
        Err(error) => {
            debug!(%error, "the client of an endpoint went away");
            None
        }
    }
}

/// The client's own certificate, to which a token may be bound; that of a proxy is nobody's.
fn shown(link: &Link, forwarded: &Forwarded, worker: &Worker) -> Option<CertificateHash> {
    let peer = forwarded.chain.last().copied().unwrap_or(forwarded.client);
    match worker.shared.trusts(peer) {
        Trust::Stranger => link.certificate().map(CertificateHash::of),
        Trust::Proxy => None,
    }
}

/// Reads the body. `Err(None)`: the client went away.
async fn read(
    link: &mut Link,
    head: &RequestHead,
    deadline: Mono,
    worker: &Worker,
) -> Result<Zeroizing<Vec<u8>>, Option<Problem>> {
    let body = Body::of_request(head).map_err(|rejection| Some(Problem::from(rejection)))?;
    let reading = body::read(link, body);
    match tokio::time::timeout_at(worker.instant(deadline), reading).await {
        Ok(read) => read,
        Err(_) => Err(Some(Problem::from(Rejection::AuthTimeout))),
    }
}

async fn answer(endpoint: Endpoint, visit: &Visit<'_>) -> Answer {
    let method = visit.head.method();
    if method == "OPTIONS" {
        return Answer::empty(204).with("Allow", allow(endpoint));
    }
    if !endpoint.methods().contains(&method) {
        let problem =
            Problem::new(405, "invalid_request", "the method is not one of this endpoint");
        return problem.answer(&Challenges::BEARER).with("Allow", allow(endpoint));
    }
    let answered = match endpoint {
        Endpoint::Jwks => Ok(jwks::answer(visit)),
        Endpoint::Login => login::answer(visit).await,
        Endpoint::Ticket => ticket::answer(visit).await,
        Endpoint::Refresh => refresh::answer(visit).await,
        Endpoint::Logout => logout::answer(visit).await,
        Endpoint::Verify => verify::answer(visit).await,
        Endpoint::PasskeyOptions => passkeys::options(visit).await,
        Endpoint::PasskeyRegister => passkeys::register(visit).await,
        Endpoint::Passkeys => passkeys::list(visit).await,
        Endpoint::Passkey => passkeys::remove(visit).await,
        Endpoint::Nothing => Err(Problem::new(404, "not_found", "there is no such endpoint")),
    };
    let nonce = visit.worker.shared.dpop_nonce();
    let tried = carrier::tried(visit.head);
    match answered {
        // So that the next proof needs no detour (RFC 9449 section 8.2).
        Ok(answer) if tried == Scheme::Dpop => answer.with("DPoP-Nonce", nonce),
        Ok(answer) => answer,
        Err(problem) => {
            visit.worker.endpoint_refused(endpoint.name(), visit.client, problem.label);
            problem.answer(&challenges(visit, tried, &nonce))
        }
    }
}

/// A proof is named where it was tried, or where a route takes one.
fn challenges<'a>(visit: &Visit<'_>, tried: Scheme, nonce: &'a str) -> Challenges<'a> {
    let takes = |route: &Route| route.policy.mechanisms.contains(&Mechanism::Dpop);
    if tried == Scheme::Dpop || visit.routes().any(takes) {
        let taken = &[Scheme::Bearer, Scheme::Dpop];
        return Challenges { taken, tried, nonce: Some(nonce), contexts: &[] };
    }
    Challenges::BEARER
}

fn allow(endpoint: Endpoint) -> String {
    format!("{}, OPTIONS", endpoint.methods().join(", "))
}
