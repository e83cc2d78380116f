//! What the operator sees of the keys: `/readyz`, metrics, `check`.

use std::{fmt, sync::Arc, time::Duration};

use crate::introspection::Circuit;

/// The state of one issuer's keys, or of the way to an issuer that is asked about tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// The issuer.
    pub name: Arc<str>,
    /// Where its keys are: `jwks_file`, `secret_file`, `jwks_url` or `discovery`; `introspection` is
    /// asked instead.
    pub kind: &'static str,
    /// Whether tokens can be verified.
    pub state: KeyState,
    /// How many keys count.
    pub keys: usize,
    /// How long the set has been as it is.
    pub age: Option<Duration>,
    /// How long ago the set was last read or fetched, or a question answered.
    pub last_success: Option<Duration>,
    /// What went wrong, if the last attempt failed. Holds no secret.
    pub last_error: Option<String>,
    /// Whether it is asked; `None` where nobody has to be.
    pub circuit: Option<Circuit>,
}

/// Whether an issuer's tokens can be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// They can.
    Ready,
    /// Its keys were never had.
    NeverLoaded,
    /// Its keys were last had too long ago.
    TooOld,
    /// Its key set has no usable key.
    Empty,
    /// It was never heard to answer a question about a token.
    NeverAnswered,
    /// It has failed to answer so often that it is left alone for a while.
    Failing,
}

impl Readiness {
    /// Whether tokens of this issuer can be verified.
    pub fn is_ready(&self) -> bool {
        self.state == KeyState::Ready
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready",
            Self::NeverLoaded => "never loaded",
            Self::TooOld => "too old",
            Self::Empty => "no usable key",
            Self::NeverAnswered => "never answered",
            Self::Failing => "failing",
        })
    }
}
