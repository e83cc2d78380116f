//! What an issuer's tokens must look like.

use core::time::Duration;
use std::sync::Arc;

use super::Algorithm;

/// What an issuer's tokens must look like. The defaults are strict; each field says what relaxing
/// it costs.
#[derive(Clone, Debug)]
pub struct Expectations {
    /// `iss`, byte for byte (RFC 7519 section 4.1.1). `None` does not look at it: whoever else signs
    /// with the same keys is then believed too.
    pub issuer: Option<Arc<str>>,
    /// The principal's issuer where `issuer` is `None`.
    pub issuer_name: Arc<str>,
    /// One of these must be in `aud`. Empty does not look at it: a token that the issuer made for
    /// another service, and which that service may replay, is then accepted.
    pub audiences: Box<[Box<str>]>,
    /// What may sign. Empty: whatever asymmetric algorithm the key does. Shared secrets are used
    /// only where their algorithm is listed.
    pub algorithms: Box<[Algorithm]>,
    /// Accepted `typ`, whatever the case, with or without `application/` (RFC 7515 section 4.1.9).
    /// The empty string stands for a token without `typ`. An empty list is `at+jwt`, `JWT` and
    /// without: RFC 9068 wants the first, many issuers write the others.
    pub types: Box<[Box<str>]>,
    /// Whether ID tokens pass. Default: refused.
    pub id_tokens: IdTokens,
    /// How far the issuer's clock and ours may differ: `exp` counts for so much longer, `nbf` and
    /// `iat` may lie so far ahead. Default: 30 s.
    pub clock_skew: Duration,
    /// The claim that names the subject. Default: `sub`.
    pub subject_claim: Box<str>,
    /// The claim that holds the scopes. Default: `scope` (RFC 9068 section 2.2.3), else `scp`.
    pub scope_claim: Option<Box<str>>,
    /// The claim that holds the groups. Default: `groups`, else `roles` (RFC 9068 section 2.2.3.1).
    pub groups_claim: Option<Box<str>>,
}

impl Expectations {
    /// The defaults, for that issuer and one of these audiences.
    pub fn new<'a>(issuer: &str, audiences: impl IntoIterator<Item = &'a str>) -> Self {
        let issuer: Arc<str> = issuer.into();
        Self {
            issuer: Some(Arc::clone(&issuer)),
            issuer_name: issuer,
            audiences: audiences.into_iter().map(Box::from).collect(),
            algorithms: Box::default(),
            types: Box::default(),
            id_tokens: IdTokens::default(),
            clock_skew: Duration::from_secs(30),
            subject_claim: "sub".into(),
            scope_claim: None,
            groups_claim: None,
        }
    }
}

/// Whether OpenID Connect ID tokens pass as access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IdTokens {
    /// They are refused where they can be told apart: by a token hash (`at_hash`, `c_hash`), by
    /// `token_use` (Amazon Cognito) or by a claim `typ` (Keycloak). An issuer that marks neither kind
    /// can only be told apart by audience.
    #[default]
    Refused,
    /// They are taken. An ID token tells a client who signed in; it was not made to open anything,
    /// and it lies about in places where an access token would not.
    Accepted,
}
