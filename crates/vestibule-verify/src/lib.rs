//! Credential checks of Vestibule, without I/O: strict JSON Web Tokens, and exchanges in which a client
//! proves what it has without showing it, on aws-lc-rs's primitives.
//!
//! Bytes, keys and the time go in; a [`Verified`](vestibule_core::authn::Verified), or another value
//! that only the check can make, or a [`Refused`] comes out. Nothing is fetched, no clock is read,
//! and what must be random is an argument. The common answer of a JOSE library to a
//! question that the RFCs leave open is the lenient one; here it is the strict one, and each rule
//! stands at the code that keeps it. The modules stand in reading order.
//!
//! ```
//! use vestibule_core::time::UnixTime;
//! use vestibule_verify::{jwk::{KeySet, Symmetric}, jwt, mint::Signer};
//!
//! let signer = Signer::generate(jwt::Algorithm::EdDsa).unwrap();
//! let claims = serde_json::json!({"iss": "https://idp.example", "aud": "chat", "sub": "alice", "exp": 2000});
//! let token = signer.sign(Some("at+jwt"), &claims).unwrap();
//!
//! let keys = KeySet::from_jwks(signer.public_jwks().to_string().as_bytes(), Symmetric::Refused).unwrap();
//! let expected = jwt::Expectations::new("https://idp.example", ["chat"]);
//! let unverified = jwt::Unverified::parse(token.as_bytes()).unwrap();
//! let verified = jwt::verify(&unverified, &keys, &expected, UnixTime::from_secs(1000)).unwrap();
//! assert_eq!(&*verified.principal().subject, "alice");
//! ```

mod algorithm;
mod encoding;
mod limits;
mod refused;
mod sasl;

pub mod api_key;
pub mod certificate;
pub mod dpop;
pub mod introspection;
pub mod jwk;
pub mod jws;
pub mod jwt;
pub mod mint;
pub mod oauthbearer;
pub mod password;
pub mod public_key;
pub mod scram;
pub mod webauthn;

pub use refused::Refused;
