//! `vestibule token verify`: the checks of the gateway, on the command line.

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use serde::Serialize;
use vestibule_core::{authn::Principal, rejection::Rejection, time::UnixTime};
use vestibule_verify::{
    Refused,
    jwk::{KeyFault, KeySet, Symmetric},
    jwt::{self, Algorithm, Expectations, IdTokens, Unverified},
};

use super::{CommandError, Exit, World, algorithm, for_each_token, key_file, secret_file, times};

/// Options of `vestibule token verify`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    #[command(flatten)]
    keys: Keys,
    /// The `iss` that a token must have; without it `iss` is not looked at
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,
    /// A value that a token's `aud` must have; of several, one is enough
    ///
    /// May be repeated, or separated by commas. Without it `aud` is not looked at, as on a gateway
    /// whose issuer has no `audiences`: a token for another service counts then.
    #[arg(long, value_name = "AUDIENCE", value_delimiter = ',')]
    audience: Vec<String>,
    /// Algorithms that count, such as RS256,ES256
    ///
    /// May be repeated, or separated by commas. Without it: with --jwks the asymmetric ones that
    /// the keys are made for, with --secret HS256.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = algorithm)]
    algorithms: Vec<Algorithm>,
    /// Values of the header's `typ` that count; without it at+jwt, JWT and none at all
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    typ: Vec<String>,
    /// How wrong clocks may be: 30s, 2m, or seconds
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = times::span)]
    clock_skew: Duration,
    /// Check as if it were this time: seconds since 1970, or RFC 3339; without it, the real time
    #[arg(long, value_name = "TIME", value_parser = times::date, allow_negative_numbers = true)]
    now: Option<UnixTime>,
    /// Tokens; without any, they are read from standard input, one a line
    #[arg(value_name = "TOKEN")]
    tokens: Vec<OsString>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Keys {
    /// A JWK set (RFC 7517)
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// The secret for HS256, HS384, HS512: the file's bytes, less one newline at the end
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
}

#[derive(Serialize)]
struct Accepted<'a> {
    valid: bool,
    subject: &'a str,
    issuer: Option<&'a str>,
    scopes: &'a [Box<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    token_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    groups: &'a [Box<str>],
    issued: Option<i64>,
    expires: i64,
    expires_in: u64,
}

#[derive(Serialize)]
struct Rejected<'a> {
    valid: bool,
    error: &'a str,
    label: &'a str,
    reason: &'a str,
}

/// Checks tokens.
pub(super) fn run(options: Options, world: &mut World<'_>) -> Result<Exit, CommandError> {
    let Options { keys, issuer, audience, mut algorithms, typ, clock_skew, now, tokens } = options;
    let World { environment: _, now: real, input, output, error, colour: _ } = world;
    let now = now.unwrap_or(*real);
    if keys.secret.is_some() {
        if let Some(other) = algorithms.iter().find(|algorithm| !algorithm.is_symmetric()) {
            let name = other.name();
            return Err(CommandError::Usage(format!("{name} needs --jwks, not --secret")));
        }
        if algorithms.is_empty() {
            algorithms.push(Algorithm::Hs256);
        }
    }
    let keys = keys.load(&algorithms)?;
    if let Ok(keys) = &keys {
        for ignored in keys.ignored() {
            writeln!(error, "vestibule: left out: {ignored}")?;
        }
    }
    let expected = Expectations {
        issuer: issuer.as_deref().map(Arc::from),
        issuer_name: Arc::from(issuer.as_deref().unwrap_or_default()),
        audiences: audience.into_iter().map(Box::from).collect(),
        algorithms: algorithms.into(),
        types: typ.into_iter().map(Box::from).collect(),
        id_tokens: IdTokens::default(),
        clock_skew,
        subject_claim: "sub".into(),
        scope_claim: None,
        groups_claim: None,
    };
    let mut exit = Exit::Fine;
    let count = for_each_token(tokens, *input, |token| {
        let line = match check(token, keys.as_ref(), &expected, now) {
            Ok(principal) => accepted(&principal, now),
            Err(refused) => {
                exit = Exit::Refused;
                rejected(&refused)
            }
        };
        writeln!(output, "{line}")?;
        output.flush()
    })?;
    if count == 0 {
        return Err(CommandError::Other("there is no token".to_owned()));
    }
    Ok(exit)
}

impl Keys {
    /// The keys; or why they are none, with which every token is refused.
    fn load(&self, algorithms: &[Algorithm]) -> Result<Result<KeySet, KeyFault>, CommandError> {
        let Self { jwks, secret } = self;
        match (jwks, secret) {
            (Some(path), _) => {
                // Secrets in a set count only for who asks for their algorithms.
                let symmetric = if algorithms.iter().any(|algorithm| algorithm.is_symmetric()) {
                    Symmetric::Allowed
                } else {
                    Symmetric::Refused
                };
                Ok(KeySet::from_jwks(&key_file(path)?, symmetric))
            }
            (None, Some(path)) => Ok(KeySet::from_secret(&secret_file(path)?)),
            (None, None) => Err(CommandError::Usage("give --jwks or --secret".to_owned())),
        }
    }
}

fn check(
    token: &[u8],
    keys: Result<&KeySet, &KeyFault>,
    expected: &Expectations,
    now: UnixTime,
) -> Result<Principal, Refused> {
    let keys = keys.map_err(|fault| Refused::new(Rejection::Unavailable, fault.to_string()))?;
    let unverified = Unverified::parse(token)?;
    let verified = match (&expected.issuer, unverified.issuer_hint()) {
        (None, Some(issuer)) => {
            // It is signed, and nobody has asked for another one.
            let expected = Expectations { issuer_name: issuer.into(), ..expected.clone() };
            jwt::verify(&unverified, keys, &expected, now)?
        }
        (Some(_), _) | (None, None) => jwt::verify(&unverified, keys, expected, now)?,
    };
    Ok(verified.principal().as_ref().clone())
}

fn accepted(principal: &Principal, now: UnixTime) -> String {
    let line = Accepted {
        valid: true,
        subject: &principal.subject,
        issuer: Some(&*principal.issuer).filter(|issuer| !issuer.is_empty()),
        scopes: &principal.scopes,
        token_id: principal.token_id.as_deref(),
        groups: &principal.groups,
        issued: principal.issued.map(UnixTime::as_secs),
        expires: principal.expires.as_secs(),
        expires_in: now.until(principal.expires).as_secs(),
    };
    // Strings and numbers cannot fail to serialise; and this is no yes.
    serde_json::to_string(&line).unwrap_or_else(|_| r#"{"valid":false}"#.to_owned())
}

fn rejected(refused: &Refused) -> String {
    let Refused { rejection, reason } = refused;
    let (error, label) = (rejection.answer().error, rejection.label());
    let line = Rejected { valid: false, error, label, reason };
    serde_json::to_string(&line).unwrap_or_else(|_| r#"{"valid":false}"#.to_owned())
}
