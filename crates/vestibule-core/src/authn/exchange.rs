//! Challenge and response: a mechanism whose credential never travels asks back, and judges the
//! answer.
//!
//! The core carries an exchange from the question that began it to the response that spends it, and
//! does not know what is in it. Nothing else has a way to it: no connection can answer the challenge
//! of another.

use core::{any::Any, fmt, time::Duration};

use serde_json::{Map, Value};

use super::Secret;
use crate::limits;

/// What whoever asked back must know to judge the response. Spent by it.
pub struct Exchange(Box<dyn Any + Send>);

impl Exchange {
    /// Keeps the state.
    pub fn new<T: Any + Send>(state: T) -> Self {
        Self(Box::new(state))
    }

    /// Looks at the state; `None` if it is of another type.
    pub fn state<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }

    /// The state; `None` if it is of another type.
    pub fn into_state<T: Any>(self) -> Option<T> {
        self.0.downcast().ok().map(|state| *state)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}

/// A challenge for one connection.
#[derive(Debug)]
pub struct Challenge {
    /// What the client is asked.
    pub demand: Demand,
    /// What the response is judged by.
    pub exchange: Exchange,
}

/// What a client is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// To answer this message, in the language of the mechanism.
    Message(Box<str>),
    /// To sign this nonce, together with where it is.
    Nonce(Box<str>),
    /// To have an authenticator sign by these options (Web Authentication section 5.1.10,
    /// `PublicKeyCredentialRequestOptionsJSON`).
    Options(Map<String, Value>),
}

impl Demand {
    /// Who has to do something before there is an answer.
    pub const fn answerer(&self) -> Answerer {
        match self {
            Self::Message(_) | Self::Nonce(_) => Answerer::Program,
            Self::Options(_) => Answerer::Person,
        }
    }
}

/// Who answers a challenge, which says how long that may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answerer {
    /// A program has all it needs.
    Program,
    /// A person looks for a key, or gives a finger.
    Person,
}

impl Answerer {
    /// How long a challenge counts.
    pub const fn patience(self) -> Duration {
        match self {
            Self::Program => limits::CHALLENGE,
            Self::Person => limits::CHALLENGE_OF_A_PERSON,
        }
    }
}

/// What a client answers.
#[derive(Clone, Debug)]
pub enum Response {
    /// A message in the language of the mechanism.
    Message(Secret),
    /// A raw signature in base64url.
    Signature(Secret),
    /// An SSH signature.
    SshSig(Secret),
    /// What an authenticator signed: one JSON object as it came (Web Authentication section 5.1,
    /// `AuthenticationResponseJSON`).
    Assertion(Secret),
    /// A proof of possession (RFC 9449).
    Proof(Secret),
}
