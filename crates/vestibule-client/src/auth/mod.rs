//! Where credentials come from, and where they travel.

mod answer;
mod credential;
mod provider;

pub use self::{
    answer::{Answer, Answering, Signature, Unanswered},
    credential::{Carrier, Credential, Malformed},
    provider::{
        BoundTokens, Certificate, Cookies, Keys, Passwords, Provider, Request, SteppingUp, Tokens,
        Unavailable, api_key, bearer, certificate, cookie, dpop, public_key, scram, scram_plus,
        session, step_up, ticket,
    },
};
pub use vestibule_core::authn::{Mechanism, Proof};

pub use crate::machine::AskReason;

pub(crate) use self::credential::is_tchar;
