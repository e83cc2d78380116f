//! Where Vestibule gets its trust from: the keys of issuers, fetched, kept fresh, and used.
//!
//! [`Authority`] answers one question, "is this credential genuine, and whose is it?", for all
//! threads. The rules it keeps:
//!
//! - Keys come from the places the operator named. What a token says (`iss`) picks among these and
//!   adds none; `jku`, `x5u` and their like are not read.
//! - Keys travel over TLS, or not further than this host. No redirect is followed, no answer is
//!   longer or slower than its limit.
//! - Keys are fetched ahead of time. A token that no key fits makes the provider be asked once more,
//!   together with everybody else who waits, and at most once in a cool-down: a stranger who invents
//!   tokens cannot make us hammer the provider. The price: while such a stranger keeps the cool-down
//!   spent, a key that its provider uses without having published it ahead is known up to one
//!   cool-down late.
//! - When a provider is down, its last keys count for a bounded time; without keys, nobody gets in.
//! - A key that left the set refuses its tokens, remembered ones included.
//! - An issuer whose tokens say nothing is asked about them ([`introspection`]): what it does not
//!   answer is "later", never yes and never no.
//!
//! ```no_run
//! use std::sync::Arc;
//! use vestibule_authority::{Authority, FetchPolicy, Issuer, KeySource};
//! use vestibule_core::{authn::Credential, time::UnixTime};
//! use vestibule_verify::jwt::Expectations;
//!
//! # async fn example(token: &str, wall: impl Fn() -> UnixTime) -> Result<(), Box<dyn std::error::Error>> {
//! let issuer: Arc<str> = "https://idp.example".into();
//! let authority = Authority::new(vec![Issuer {
//!     name: "idp".into(),
//!     source: KeySource::Discovery { issuer: Arc::clone(&issuer), fetch: FetchPolicy::default() },
//!     expectations: Expectations::new(&issuer, ["chat"]),
//! }])?;
//! let background = tokio::spawn(Arc::clone(&authority).keep_fresh());
//!
//! let credential = Credential::bearer(token);
//! let verified = match authority.check_now(&credential, &[0], wall()) {
//!     Some(result) => result?,
//!     None => authority.check(&credential, &[0], wall).await?,
//! };
//! println!("{}", verified.principal().subject);
//! # background.abort();
//! # Ok(())
//! # }
//! ```

pub mod limits;

mod issuer;

mod address;
mod fetch;

mod discovery;
mod origin;

mod schedule;
mod source;

mod memory;

pub mod introspection;

mod authority;
mod readiness;

mod words;

pub mod store;

pub mod attempts;
pub mod users;

mod door;
mod held;
mod opaque;
mod records;
mod secrets;

pub mod api_keys;
pub mod proofs;
pub mod public_keys;
pub mod revocation;
pub mod sessions;
pub mod tickets;
pub mod tokens;
pub mod webauthn;

pub mod identities;

pub use self::{
    address::{Address, AddressFault, DangerousHttp},
    authority::{Again, Authority, AuthorityError, AuthorityFault, Standing, TokenName},
    door::{Door, Scene},
    fetch::{FetchPolicy, TrustError},
    held::HeldKeys,
    issuer::{Issuer, KeySource},
    readiness::{KeyState, Readiness},
};

#[cfg(test)]
mod tests;
