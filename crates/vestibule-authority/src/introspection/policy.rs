//! What is configured about asking.

use std::{path::PathBuf, time::Duration};

use crate::{fetch::FetchPolicy, limits};

/// How an issuer is asked about its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introspection {
    /// Where: `https`, or `http` to this host or where that was allowed.
    pub url: Box<str>,
    /// Who asks: an issuer must not answer strangers (RFC 7662 section 4).
    pub login: Login,
    /// Trust roots and time limits. Nothing of how key sets are kept.
    pub fetch: FetchPolicy,
    /// How long a yes counts without asking again, at the most: a withdrawn token gets in for so much
    /// longer. Default: [`limits::ANSWER_CACHE`].
    pub cache: Duration,
    /// How often it is asked about a token by which somebody is connected. Default:
    /// [`limits::RECHECK`].
    pub recheck: Duration,
    /// How long whoever is connected stays while the issuer cannot be asked; `None` is until the
    /// lease ends.
    pub max_stale: Option<Duration>,
    /// How long a token counts that has no end. Default: [`limits::ENDLESS_TOKEN`].
    pub max_lifetime: Duration,
    /// Most questions a second about tokens that nobody knows. Default: [`limits::QUESTIONS`].
    pub rate: u32,
}

/// How we say who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// `client_secret_basic` (RFC 6749 section 2.3.1).
    Basic {
        /// Our name.
        client_id: Box<str>,
        /// A file with the secret: its bytes, less one newline at the end.
        secret_file: PathBuf,
    },
    /// A bearer token (RFC 6750).
    Bearer {
        /// A file with it, less one newline at the end.
        token_file: PathBuf,
    },
}

impl Introspection {
    /// The defaults, for that address.
    pub fn new(url: &str, login: Login) -> Self {
        let fetch = FetchPolicy { timeout: limits::ANSWER_TIMEOUT, ..FetchPolicy::default() };
        Self {
            url: url.into(),
            login,
            fetch,
            cache: limits::ANSWER_CACHE,
            recheck: limits::RECHECK,
            max_stale: None,
            max_lifetime: limits::ENDLESS_TOKEN,
            rate: limits::QUESTIONS,
        }
    }
}
