//! What a refusal says about how to authenticate by HTTP: the challenges of RFC 9110 section 11.6.1, in
//! the words of RFC 6750 section 3 and RFC 9449 section 7.1.

use super::refusal::description;
use crate::rejection::{Answer, Rejection};

/// What may sign a proof of possession, in the order of preference (RFC 9449 section 5.1).
pub const DPOP_ALGORITHMS: &str = "ES256 EdDSA ES384 PS256 RS256";

/// How a token is sent in `Authorization`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Alone (RFC 6750).
    Bearer,
    /// With a proof that the client has its key (RFC 9449).
    Dpop,
}

/// Which schemes are named, and which of them with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenges<'a> {
    /// Those that are taken.
    pub taken: &'static [Scheme],
    /// The one that the client used. An error is said of it alone.
    pub tried: Scheme,
    /// What the next proof must contain, where it must (RFC 9449 section 8.2).
    pub nonce: Option<&'a str>,
}

impl Challenges<'static> {
    /// Where nothing is known of other schemes.
    pub const BEARER: Self = Self { taken: &[Scheme::Bearer], tried: Scheme::Bearer, nonce: None };
}

impl Challenges<'_> {
    /// The fields of an answer, each with its value.
    pub fn fields(&self, rejection: Rejection) -> Vec<(&'static str, String)> {
        let Self { taken, tried, nonce } = self;
        let Answer { status, error, code: _, retry: _ } = rejection.answer();
        // Somebody who brought nothing is told no error.
        let error = match (status, error) {
            (401, "credential_required") => None,
            (401, "use_dpop_nonce" | "invalid_dpop_proof") => Some(error),
            (401, _) => Some("invalid_token"),
            (403, "insufficient_scope") => Some(error),
            (_, _) => return Vec::new(),
        };
        let mut fields = Vec::new();
        if error.is_some() {
            fields.push((FIELD, tried.challenge(error, rejection)));
        }
        if status == 401 {
            let others = taken.iter().filter(|scheme| error.is_none() || *scheme != tried);
            fields.extend(others.map(|scheme| (FIELD, scheme.challenge(None, rejection))));
            fields.extend(nonce.map(|nonce| ("DPoP-Nonce", nonce.to_owned())));
        }
        fields
    }
}

impl Scheme {
    fn challenge(self, error: Option<&str>, rejection: Rejection) -> String {
        let error = error.map_or_else(String::new, |error| {
            let description = description(rejection);
            format!(", error=\"{error}\", error_description=\"{description}\"")
        });
        match self {
            Self::Bearer => format!("Bearer realm=\"vestibule\"{error}"),
            Self::Dpop => {
                format!("DPoP realm=\"vestibule\"{error}, algs=\"{DPOP_ALGORITHMS}\"")
            }
        }
    }
}

const FIELD: &str = "WWW-Authenticate";

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &[Scheme] = &[Scheme::Bearer, Scheme::Dpop];

    fn said(taken: &'static [Scheme], tried: Scheme, rejection: Rejection) -> Vec<String> {
        let fields = Challenges { taken, tried, nonce: Some("n") }.fields(rejection);
        let short = |value: String| match value.split_once(", error_description=\"") {
            Some((before, rest)) => {
                let (_, after) = rest.split_once('"').unwrap();
                format!("{before}{after}")
            }
            None => value,
        };
        fields.into_iter().map(|(name, value)| format!("{name}: {}", short(value))).collect()
    }

    #[test]
    fn the_error_is_said_of_the_scheme_that_was_tried() {
        let bearer = r#"WWW-Authenticate: Bearer realm="vestibule""#;
        let dpop = r#"WWW-Authenticate: DPoP realm="vestibule""#;
        let algorithms = r#"algs="ES256 EdDSA ES384 PS256 RS256""#;
        let nonce = "DPoP-Nonce: n";
        assert_eq!(
            said(BOTH, Scheme::Dpop, Rejection::DpopNonceWanted),
            [&format!(r#"{dpop}, error="use_dpop_nonce", {algorithms}"#), bearer, nonce]
        );
        assert_eq!(
            said(&[Scheme::Dpop], Scheme::Dpop, Rejection::DpopProofInvalid),
            [&format!(r#"{dpop}, error="invalid_dpop_proof", {algorithms}"#), nonce]
        );
        // RFC 9449 section 7.2: a bound token that was sent alone.
        assert_eq!(
            said(BOTH, Scheme::Bearer, Rejection::TokenClaims),
            [
                &format!(r#"{bearer}, error="invalid_token""#),
                &format!("{dpop}, {algorithms}"),
                nonce
            ]
        );
        assert_eq!(
            said(BOTH, Scheme::Bearer, Rejection::CredentialRequired),
            [bearer, &format!("{dpop}, {algorithms}"), nonce]
        );
        assert_eq!(
            said(BOTH, Scheme::Dpop, Rejection::InsufficientScope),
            [format!(r#"{dpop}, error="insufficient_scope", {algorithms}"#)]
        );
        assert_eq!(said(BOTH, Scheme::Dpop, Rejection::OriginNotAllowed), [""; 0]);
    }
}
