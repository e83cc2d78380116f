//! Where credentials come from, and where they travel.

mod credential;
mod provider;

pub use self::{
    credential::{Carrier, Credential, Malformed},
    provider::{
        Cookies, Provider, Request, Tokens, Unavailable, api_key, bearer, cookie, session, ticket,
    },
};
pub use vestibule_core::authn::Mechanism;

pub use crate::machine::AskReason;

pub(crate) use self::credential::is_tchar;
