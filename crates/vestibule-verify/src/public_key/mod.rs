//! Keys that never leave their owner: the client signs a challenge of this connection.
//!
//! Keys are registered as lines of an `authorized_keys` file or as JSON Web Keys, Ed25519 or ECDSA on
//! P-256. The signature is over the bytes of a [`Challenge`], and is either raw, as `WebCrypto` makes
//! it, or an SSH signature, as `ssh-keygen -Y sign -n vestibule` and an agent make it. The bytes name
//! what they are for, the host, the path and the page, so that a signature that was obtained elsewhere
//! is worth nothing here.
//!
//! ```
//! use vestibule_core::time::UnixTime;
//! use vestibule_verify::public_key::{AuthorizedKey, Challenge, Signature};
//!
//! let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOJKMuIwHoFcg7F/oa3X2eIe9kfVedUo8cdLIqZrJlAU alice";
//! let key = AuthorizedKey::from_line(line).unwrap();
//! assert_eq!(key.fingerprint().to_string(), "SHA256:+ay0P5iwBQx1A1Q436qxez5GVMaD+dxCaFrmEtc4jMw");
//!
//! // The nonce comes from the system's generator, is sent once and good for seconds.
//! let challenge = Challenge::new([7; 32], "ws.example.com", "/chat", None).unwrap();
//! let signature = Signature::raw(&"A".repeat(86)).unwrap();
//! let peer = "192.0.2.7".parse().unwrap();
//! assert!(challenge.answer(Some(&key), &signature, peer, UnixTime::from_secs(0)).is_err());
//! ```

mod authorized;
mod challenge;
mod expiry;
mod from;
mod key;
mod options;
mod sshsig;
mod wire;

pub use authorized::AuthorizedKey;
pub use challenge::{Challenge, Possession, Signature};
pub use key::{Fingerprint, KeyFault};

#[cfg(test)]
mod tests;
