//! Proofs that a token is shown by the one it was issued to (`DPoP`, RFC 9449).
//!
//! A token that was issued to a key is worth nothing without it: each use comes with a proof, signed
//! by that key, for this request and this token. Here the proof is judged; that it was not seen
//! before, and that its nonce is ours, only the caller can know, so that the check is a line of three
//! steps, each of which must be taken to get the [`Possession`] that opens a token which is bound to
//! its key ([`jwt::Holder`](crate::jwt::Holder)).
//!
//! A WebSocket handshake has the method `GET`; its address counts with `http` for `ws` and `https` for
//! `wss`. A proof in band is for the same, and its nonce is the challenge of the connection. Every
//! fault is `invalid_dpop_proof` (RFC 9449 section 7.1).
//!
//! ```
//! use vestibule_core::time::UnixTime;
//! use vestibule_verify::dpop::{self, Expectations, NonceIs, Proof, Replay, Request, Target};
//!
//! // The example of RFC 9449 section 7.1.
//! let proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR\
//!              0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG\
//!              10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRt\
//!              IjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsIml\
//!              hdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFby\
//!              J9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpL\
//!              jA";
//! let target = Target::parse("https://resource.example.org/protectedresource").unwrap();
//! let token = b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
//! let request = Request { method: "GET", target: &target, token };
//! let now = UnixTime::from_secs(1_562_262_620);
//!
//! let proof = Proof::parse(proof.as_bytes()).unwrap();
//! let proof = proof.check(&request, &Expectations::default(), now).unwrap();
//! let proof = proof.nonce(NonceIs::NotWanted).unwrap();
//! // The store keeps `proof.replay_key()` until `proof.replay_until()`.
//! let possession = proof.replay(Replay::FirstUse).unwrap();
//! assert_eq!(possession.thumbprint().to_string(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
//! ```

mod claims;
mod draft;
mod nonces;
mod proof;
mod steps;
mod target;
mod thumbprint;

pub use draft::{Draft, ProofKey, Statement};
pub use nonces::{NonceIs, Nonces};
pub use proof::{Expectations, Proof, Request};
pub use steps::{AwaitingNonce, AwaitingReplay, Possession, Replay, ReplayKey, UseNonce};
pub use target::Target;
pub use thumbprint::Thumbprint;

#[cfg(test)]
mod tests;
