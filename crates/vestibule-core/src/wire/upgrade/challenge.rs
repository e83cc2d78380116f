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
    /// The context classes that would do for somebody who was not authenticated well enough
    /// (`acr_values`, RFC 9470 section 3). What cannot stand in a quoted string is left out.
    pub contexts: &'a [Box<str>],
}

impl Challenges<'static> {
    /// Where nothing is known of other schemes.
    pub const BEARER: Self =
        Self { taken: &[Scheme::Bearer], tried: Scheme::Bearer, nonce: None, contexts: &[] };
}

impl Challenges<'_> {
    /// The fields of an answer, each with its value.
    pub fn fields(&self, rejection: Rejection) -> Vec<(&'static str, String)> {
        let Self { taken, tried, nonce, contexts } = self;
        let Answer { status, error, code: _, retry: _ } = rejection.answer();
        // Somebody who brought nothing is told no error.
        let error = match (status, error) {
            (401, "credential_required") => None,
            (401, "use_dpop_nonce" | "invalid_dpop_proof" | "insufficient_user_authentication") => {
                Some(error)
            }
            (401, _) => Some("invalid_token"),
            (403, "insufficient_scope") => Some(error),
            (_, _) => return Vec::new(),
        };
        let mut fields = Vec::new();
        if error.is_some() {
            let challenge = tried.challenge(error, rejection);
            let wanted = if rejection == Rejection::InsufficientAuthentication {
                acr_values(contexts)
            } else {
                String::new()
            };
            fields.push((FIELD, challenge + &wanted));
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

/// The parameter of RFC 9470 section 3, or nothing.
fn acr_values(contexts: &[Box<str>]) -> String {
    let legal = |context: &&str| {
        !context.is_empty() && context.chars().all(|c| matches!(c, '!' | '#'..='[' | ']'..='~'))
    };
    let named: Vec<&str> = contexts.iter().map(AsRef::as_ref).filter(legal).collect();
    if named.is_empty() {
        return String::new();
    }
    format!(", acr_values=\"{}\"", named.join(" "))
}

const FIELD: &str = "WWW-Authenticate";

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &[Scheme] = &[Scheme::Bearer, Scheme::Dpop];

    fn said(taken: &'static [Scheme], tried: Scheme, rejection: Rejection) -> Vec<String> {
        let fields = Challenges { taken, tried, nonce: Some("n"), contexts: &[] }.fields(rejection);
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

    #[test]
    fn who_falls_short_is_told_what_would_do() {
        let said = |rejection, contexts: &[&str]| {
            let contexts: Vec<Box<str>> = contexts.iter().map(|&context| context.into()).collect();
            let challenges = Challenges { contexts: &contexts, ..Challenges::BEARER };
            challenges.fields(rejection).remove(0).1
        };
        let short = Rejection::InsufficientAuthentication;
        let plain = said(short, &[]);
        assert!(plain.contains("error=\"insufficient_user_authentication\""), "{plain}");
        let named = format!("{plain}, acr_values=\"gold urn:x:silver\"");
        assert_eq!(said(short, &["gold", "urn:x:silver"]), named);
        // Nothing ends the quoted string, or the field.
        assert_eq!(said(short, &["a\"b", "a b", "a\r\nX-Admin: 1", "a\\", "", "\u{e4}"]), plain);
        let other = Rejection::TokenSignature;
        assert_eq!(said(other, &["gold"]), said(other, &[]));
    }
}
