//! A no, as the HTTP answer to a handshake.

use core::time::Duration;

use serde::Serialize;

use super::{Challenges, push_field};
use crate::rejection::{Answer, Rejection};

#[derive(Serialize)]
struct Body {
    error: &'static str,
    error_description: &'static str,
}

/// The whole answer: a status, a JSON body, and the fields that the status demands. The connection
/// is closed behind it, and nothing more is read: what follows a handshake that failed was meant
/// for somebody else.
pub fn refusal(
    rejection: Rejection,
    retry_after: Option<Duration>,
    challenges: &Challenges<'_>,
) -> Vec<u8> {
    let Answer { status, code: _, error, retry: _ } = rejection.answer();
    let body = Body { error, error_description: description(rejection) };
    // Two static strings cannot fail to serialise.
    let body = serde_json::to_string(&body).unwrap_or_default();
    let mut out = format!("HTTP/1.1 {status} {}\r\n", phrase(status)).into_bytes();
    for (name, value) in challenges.fields(rejection) {
        push_field(&mut out, name, value.as_bytes());
    }
    if let Some(span) = retry_after {
        push_field(&mut out, "Retry-After", span.as_secs().max(1).to_string().as_bytes());
    }
    // RFC 9110 section 15.5.22, RFC 6455 section 4.4.
    if status == 426 {
        push_field(&mut out, "Upgrade", b"websocket");
        push_field(&mut out, "Sec-WebSocket-Version", b"13");
        push_field(&mut out, "Connection", b"Upgrade, close");
    } else {
        push_field(&mut out, "Connection", b"close");
    }
    push_field(&mut out, "Cache-Control", b"no-store");
    push_field(&mut out, "Content-Type", b"application/json");
    push_field(&mut out, "Content-Length", body.len().to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body.as_bytes());
    out
}

/// The reason phrase of a status that is answered here (RFC 9110 section 15).
pub fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Refused",
    }
}

/// What a developer at the other end can do about it. Rejections that share an answer to keep a
/// secret share the sentence too. No quotes and no backslashes: it stands in a quoted string.
pub const fn description(rejection: Rejection) -> &'static str {
    match rejection {
        Rejection::MalformedHandshake => {
            "not a WebSocket handshake by RFC 6455 section 4.1: one of its fields is missing, \
             repeated or malformed, or a body came with it"
        }
        Rejection::HeadTooLarge => "the request is longer, or has more fields, than is read here",
        Rejection::UpgradeRequired => {
            "only WebSockets are served here: connect with a WebSocket client; a proxy on the way \
             must speak HTTP/1.1 to this server and pass the Upgrade and Connection fields on"
        }
        Rejection::UnsupportedVersion => "the version of the WebSocket protocol is 13, sent once",
        Rejection::PathNotCanonical => {
            "the path has dot segments, empty segments, semicolons, backslashes, or encodings that \
             could hide one of these"
        }
        Rejection::RouteNotFound => "nothing is served under this path",
        Rejection::HostNotAllowed => "nothing is served under this host name",
        Rejection::OriginNotAllowed => "pages of this origin may not connect",
        Rejection::CredentialRequired => "a credential is required",
        Rejection::AmbiguousCredential => "more than one credential was sent: send one",
        Rejection::MechanismNotAllowed => "a credential was sent in a way that is not taken here",
        Rejection::TokenMalformed
        | Rejection::TokenKeyUnknown
        | Rejection::TokenAlgorithm
        | Rejection::TokenSignature
        | Rejection::TokenCritical
        | Rejection::TokenType
        | Rejection::TokenClaims
        | Rejection::TokenIssuer
        | Rejection::TokenAudience
        | Rejection::TokenNotYetValid
        | Rejection::TokenInactive
        | Rejection::TicketUnknown
        | Rejection::TicketExpired
        | Rejection::TicketReplayed
        | Rejection::TicketMisplaced
        | Rejection::SessionUnknown
        | Rejection::ApiKeyUnknown => "the token is not valid here",
        Rejection::CredentialsInvalid => "no such user, or not the right password",
        Rejection::DpopProofInvalid => "not a fresh proof of possession for this very request",
        Rejection::DpopNonceWanted => "put the nonce of this answer into the proof of possession",
        Rejection::TokenExpired => "the token has expired",
        Rejection::TokenRevoked => "the token was revoked",
        Rejection::InsufficientScope => "the token lacks a scope that is required here",
        Rejection::InsufficientAuthentication => "the user must authenticate in a stronger way",
        Rejection::StepUpRequired => "a second proof was asked for, and did not come in time",
        Rejection::IdentityChanged => "the new token is of somebody else",
        Rejection::MalformedMessage => "not a message of the protocol",
        Rejection::MessageTooLarge => "the message is longer than is read here",
        Rejection::MessageNotText => "the message must be text",
        Rejection::FrameMalformed => "the framing breaks RFC 6455 section 5",
        Rejection::AuthTimeout => "authentication took too long",
        Rejection::TooManyAttempts => "too many attempts",
        Rejection::TooManyConnections => "too many connections are waiting for authentication",
        Rejection::LoggedOut => "logged out",
        Rejection::IdleTimeout => "nothing was said for too long",
        Rejection::LifetimeReached => "the connection has reached its greatest age",
        Rejection::ClosedByOperator => "an operator closed the connection: connect again",
        Rejection::Draining => "this server is going away: connect again",
        Rejection::Unavailable => "the credential cannot be checked now: try again later",
        Rejection::UpstreamUnreachable
        | Rejection::UpstreamInvalid
        | Rejection::UpstreamTimeout
        | Rejection::UpstreamRefused
        | Rejection::UpstreamLost => "the server behind this gateway gave no valid answer",
        Rejection::Internal => "a mistake of this server",
    }
}
