//! Passkeys (Web Authentication Level 3): registration and assertion, from the server's side.
//!
//! A [`RelyingParty`] is what the server is to its users: an identifier and the origins of its pages.
//! It judges the JSON that browsers make of their answers (`toJSON()`), each over a [`Challenge`] that is
//! spent by it. Attestation is not asked for: a statement may be there, is read as far as it takes to
//! see that it is well-formed, and believed by nobody.
//!
//! ```
//! use vestibule_verify::webauthn::{Challenge, Registration, RelyingParty};
//!
//! let party = RelyingParty::new("example.org", ["https://example.org"]);
//! // From the system's generator, sent once and good for minutes.
//! let challenge = Challenge::new([7; 32]);
//! assert_eq!(challenge.to_string(), "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc");
//! let response = Registration::parse(br#"{"id": "what", "navigator": "answered"}"#);
//! assert!(response.is_err());
//! ```

mod authenticator_data;
mod cbor;
mod client_data;
mod credential;
mod key;
mod party;
mod response;

pub use credential::{Backup, Credential, UserVerified};
pub use key::{CredentialKey, KeyFault};
pub use party::{Authenticated, Challenge, ExpectedUser, Framing, RelyingParty, UserVerification};
pub use response::{Assertion, Registration};

use vestibule_core::rejection::Rejection;

use crate::Refused;

fn malformed(reason: impl Into<String>) -> Refused {
    Refused::new(Rejection::MalformedMessage, reason)
}

fn invalid(reason: impl Into<String>) -> Refused {
    Refused::new(Rejection::CredentialsInvalid, reason)
}

#[cfg(test)]
mod tests;
