//! Every "no": its name for the operator, its answer for the peer, in one exhaustive table.
//!
//! Several rejections share an answer on purpose: what would help an attacker (was it the
//! signature or the audience?) is told to the operator alone, by [`Rejection::label`].

use core::fmt;

macro_rules! rejections {
    ($($(#[doc = $doc:expr])+ $name:ident = $label:literal => $status:literal, $code:literal, $error:literal, $retry:ident;)+) => {
        /// A reason to refuse or to end a connection.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rejection { $($(#[doc = $doc])+ $name,)+ }

        impl Rejection {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// For logs and metrics: unique, stable, without payload.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label),+ }
            }

            /// What the peer is told.
            pub const fn answer(self) -> Answer {
                match self { $(Self::$name => Answer {
                    status: $status, code: $code, error: $error, retry: Retry::$retry,
                }),+ }
            }
        }
    };
}

rejections! {
    // The handshake is not one.
    /// Not HTTP, or breaks RFC 9112 or RFC 6455 section 4.2.1.
    MalformedHandshake = "malformed_handshake" => 400, 4400, "invalid_request", Stop;
    /// Head too long or with too many fields.
    HeadTooLarge = "head_too_large" => 431, 4400, "invalid_request", Stop;
    /// An ordinary HTTP request where only a WebSocket is served.
    UpgradeRequired = "upgrade_required" => 426, 4400, "upgrade_required", Stop;
    /// `Sec-WebSocket-Version` is not 13.
    UnsupportedVersion = "unsupported_version" => 426, 4400, "upgrade_required", Stop;
    /// The path has dot segments, empty segments or encoded separators.
    PathNotCanonical = "path_not_canonical" => 400, 4400, "invalid_request", Stop;
    /// No route has this path and host.
    RouteNotFound = "route_not_found" => 404, 4404, "route_not_found", Stop;
    /// The Host is not one that is served.
    HostNotAllowed = "host_not_allowed" => 421, 4403, "host_not_allowed", Stop;

    // Who may ask.
    /// The page that opened the socket is not on the list; also a missing or `null` Origin with a cookie.
    OriginNotAllowed = "origin_not_allowed" => 403, 4403, "origin_not_allowed", Stop;
    /// No credential, and no way left to bring one.
    CredentialRequired = "credential_required" => 401, 4401, "credential_required", FreshCredential;
    /// Two explicit credentials on one handshake.
    AmbiguousCredential = "ambiguous_credential" => 400, 4400, "ambiguous_credential", Stop;
    /// A credential came by a carrier or mechanism that the route does not take.
    MechanismNotAllowed = "mechanism_not_allowed" => 403, 4403, "mechanism_not_allowed", Stop;

    // The credential.
    /// Not of its form.
    TokenMalformed = "token_malformed" => 401, 4401, "invalid_token", FreshCredential;
    /// No key of the issuer fits.
    TokenKeyUnknown = "token_key_unknown" => 401, 4401, "invalid_token", FreshCredential;
    /// The algorithm is not one the key and the issuer allow.
    TokenAlgorithm = "token_algorithm" => 401, 4401, "invalid_token", FreshCredential;
    /// The signature is wrong.
    TokenSignature = "token_signature" => 401, 4401, "invalid_token", FreshCredential;
    /// A critical header parameter is not understood (RFC 7515 section 4.1.11).
    TokenCritical = "token_critical" => 401, 4401, "invalid_token", FreshCredential;
    /// The wrong kind of token (`typ`).
    TokenType = "token_type" => 401, 4401, "invalid_token", FreshCredential;
    /// A claim is missing or of the wrong JSON type.
    TokenClaims = "token_claims" => 401, 4401, "invalid_token", FreshCredential;
    /// Issued by somebody else.
    TokenIssuer = "token_issuer" => 401, 4401, "invalid_token", FreshCredential;
    /// Meant for somebody else.
    TokenAudience = "token_audience" => 401, 4401, "invalid_token", FreshCredential;
    /// `nbf` or `iat` lies ahead.
    TokenNotYetValid = "token_not_yet_valid" => 401, 4401, "invalid_token", FreshCredential;
    /// Genuine, and over.
    TokenExpired = "token_expired" => 401, 4401, "token_expired", FreshCredential;
    /// Genuine, and withdrawn.
    TokenRevoked = "token_revoked" => 401, 4410, "token_revoked", Stop;
    /// The issuer that was asked says that the token counts no more, or never did.
    TokenInactive = "token_inactive" => 401, 4401, "invalid_token", FreshCredential;
    /// A ticket that nobody was given.
    TicketUnknown = "ticket_unknown" => 401, 4401, "invalid_token", FreshCredential;
    /// A ticket that says itself that it is over; whether it was ever one is not known any more.
    TicketExpired = "ticket_expired" => 401, 4401, "invalid_token", FreshCredential;
    /// A ticket that was presented before.
    TicketReplayed = "ticket_replayed" => 401, 4401, "invalid_token", FreshCredential;
    /// A ticket for another route or another page; it is burnt.
    TicketMisplaced = "ticket_misplaced" => 401, 4401, "invalid_token", FreshCredential;
    /// A session token of no session that is there, or of another route.
    SessionUnknown = "session_unknown" => 401, 4401, "invalid_token", FreshCredential;
    /// An API key that is not there, or is over.
    ApiKeyUnknown = "api_key_unknown" => 401, 4401, "invalid_token", FreshCredential;
    /// No such user, or not that password.
    CredentialsInvalid = "credentials_invalid" => 401, 4401, "invalid_credentials", FreshCredential;
    /// A proof of possession that is none, or for something else, or was used before.
    DpopProofInvalid = "invalid_dpop_proof" => 401, 4401, "invalid_dpop_proof", FreshCredential;
    /// A proof of possession without a nonce of ours, or with an old one.
    DpopNonceWanted = "use_dpop_nonce" => 401, 4401, "use_dpop_nonce", FreshCredential;
    /// Genuine, but lacks a scope of the route.
    InsufficientScope = "insufficient_scope" => 403, 4403, "insufficient_scope", Stop;
    /// Genuine, but not authenticated as well as the route demands (RFC 9470 section 3).
    InsufficientAuthentication = "insufficient_authentication" => 401, 4401, "insufficient_user_authentication", FreshCredential;
    /// A second proof was asked for, and was not there in time.
    StepUpRequired = "step_up_required" => 403, 4403, "step_up_required", Stop;
    /// A refresh named another subject or issuer.
    IdentityChanged = "identity_changed" => 403, 4403, "identity_changed", Stop;

    // In band.
    /// Not a message of the protocol, or not now.
    MalformedMessage = "malformed_message" => 400, 4400, "invalid_request", Stop;
    /// Longer than the limit.
    MessageTooLarge = "message_too_large" => 400, 4400, "invalid_request", Stop;
    /// A binary message before admission.
    MessageNotText = "message_not_text" => 400, 4400, "invalid_request", Stop;
    /// The framing breaks RFC 6455 section 5.
    FrameMalformed = "frame_malformed" => 400, 1002, "protocol_error", Stop;
    /// The deadline for authentication passed.
    AuthTimeout = "auth_timeout" => 408, 4408, "auth_timeout", BackOff;
    /// Too many messages or credentials on this connection.
    TooManyAttempts = "too_many_attempts" => 429, 4429, "too_many_attempts", BackOff;
    /// Too many connections of this address, or in all.
    TooManyConnections = "too_many_connections" => 429, 4429, "too_many_connections", BackOff;

    // Ends that are nobody's fault.
    /// The client logged out.
    LoggedOut = "logged_out" => 401, 4410, "logged_out", Stop;
    /// Nothing was said for longer than the route allows.
    IdleTimeout = "idle_timeout" => 408, 1001, "idle_timeout", BackOff;
    /// The route's maximum lifetime is over.
    LifetimeReached = "lifetime_reached" => 408, 1001, "lifetime_reached", BackOff;
    /// An operator ended the connection. Its credential is as good as it was.
    ClosedByOperator = "closed_by_operator" => 503, 1001, "closed_by_operator", BackOff;
    /// This node is going away.
    Draining = "draining" => 503, 1001, "draining", BackOff;

    // Ours.
    /// A key set or store cannot answer.
    Unavailable = "temporarily_unavailable" => 503, 1013, "temporarily_unavailable", BackOff;
    /// The upstream cannot be reached.
    UpstreamUnreachable = "upstream_unreachable" => 502, 1014, "upstream_unavailable", BackOff;
    /// The upstream's answer breaks RFC 9112 or RFC 6455 section 4.1, or contradicts what the client
    /// was promised.
    UpstreamInvalid = "upstream_invalid" => 502, 1014, "upstream_unavailable", BackOff;
    /// The upstream took too long.
    UpstreamTimeout = "upstream_timeout" => 504, 1014, "upstream_unavailable", BackOff;
    /// The upstream refused the handshake with an HTTP answer of its own.
    UpstreamRefused = "upstream_refused" => 502, 1014, "upstream_unavailable", BackOff;
    /// The upstream of an open connection went away without a close frame.
    UpstreamLost = "upstream_lost" => 502, 1014, "upstream_unavailable", BackOff;
    /// A mistake of ours.
    Internal = "internal" => 500, 1011, "internal", BackOff;
}

/// How a rejection looks on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status, where the handshake can still be answered.
    pub status: u16,
    /// Close code, where it cannot, or where a browser has to read it.
    pub code: u16,
    /// The error's name: the Close reason and the `error` member.
    pub error: &'static str,
    /// What a client should do.
    pub retry: Retry,
}

/// What a client should do after a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing will change by itself.
    Stop,
    /// Get a new credential, then connect again.
    FreshCredential,
    /// Connect again later.
    BackOff,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl core::error::Error for Rejection {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_unique_and_close_codes_may_be_sent() {
        let mut labels: Vec<_> = Rejection::ALL.iter().map(|r| r.label()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Rejection::ALL.len());
        for rejection in Rejection::ALL {
            let answer = rejection.answer();
            assert!(matches!(answer.code, 1001 | 1002 | 1011 | 1013 | 1014 | 4000..=4999));
            assert!((400..=599).contains(&answer.status));
            assert!(answer.error.len() <= 40);
        }
    }

    #[test]
    fn the_document_has_this_table_and_no_other_row() {
        let document = include_str!("../../../docs/protocol.md");
        let rows: Vec<_> = document
            .lines()
            .skip_while(|line| *line != "| name | label | HTTP | code | error | retry |")
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .collect();
        let expected: Vec<_> = Rejection::ALL
            .iter()
            .map(|rejection| {
                let Answer { status, code, error, retry } = rejection.answer();
                let label = rejection.label();
                format!("| {rejection:?} | `{label}` | {status} | {code} | `{error}` | {retry:?} |")
            })
            .collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_forged_token_learns_nothing_of_what_was_wrong() {
        let said = Rejection::TokenSignature.answer();
        for rejection in [
            Rejection::TokenMalformed,
            Rejection::TokenKeyUnknown,
            Rejection::TokenAlgorithm,
            Rejection::TokenCritical,
            Rejection::TokenType,
            Rejection::TokenClaims,
            Rejection::TokenIssuer,
            Rejection::TokenAudience,
            Rejection::TokenNotYetValid,
            Rejection::TokenInactive,
            Rejection::TicketUnknown,
            Rejection::TicketExpired,
            Rejection::TicketReplayed,
            Rejection::TicketMisplaced,
            Rejection::SessionUnknown,
            Rejection::ApiKeyUnknown,
        ] {
            assert_eq!(rejection.answer(), said);
        }
    }
}
