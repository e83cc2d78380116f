//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), server and client.
//!
//! The password never crosses the wire, what is stored cannot be used to sign in elsewhere, and the
//! client learns whether the server knew the password too. Each side is a line: a stage takes a
//! message and gives the next stage, so that no step can be left out or taken twice.
//!
//! Whoever is unknown gets a salt that is made from a secret and the name ([`Decoy`]), the same
//! number of messages, and the same refusal as somebody with a wrong password.
//!
//! ```
//! use vestibule_verify::scram::{Binding, Client, ClientBinding, ClientFirst, Decoy, Iterations, Nonce, StoredKeys};
//!
//! let keys = StoredKeys::derive("pencil", [7; 16], Iterations::MIN).unwrap();
//! let decoy = Decoy::new([9; 32], Iterations::MIN);
//!
//! // Both nonces come from the system's generator; here they are fixed.
//! let (client, message) =
//!     Client::begin("alice", "pencil", ClientBinding::Unsupported, &Nonce::new([1; 18])).unwrap();
//! let first = ClientFirst::parse(message.as_bytes(), Binding::Unavailable).unwrap();
//! assert_eq!(first.user(), "alice");
//! let (server, message) = first.challenge(Some(&keys), &decoy, &Nonce::new([2; 18]));
//! let (client, message) = client.respond(message.as_bytes()).unwrap();
//! let authenticated = server.finish(message.as_bytes()).unwrap();
//! assert_eq!(authenticated.user(), "alice");
//! client.finish(authenticated.server_final().as_bytes()).unwrap();
//! ```

mod client;
mod keys;
mod message;
mod prepared;
mod server;

use core::fmt;

use data_encoding::BASE64;

pub use client::{AwaitingServerFinal, Client, ClientBinding, ClientFault, ServerProven};
pub use keys::{Decoy, Iterations, KeysFault, StoredKeys};
pub use prepared::TextFault;
pub use server::{Authenticated, AwaitingClientFinal, Binding, ClientFirst};

/// The bytes that a channel is bound by: the exporter of its TLS 1.3 connection (RFC 9266) for the
/// label `EXPORTER-Channel-Binding` with an empty context. Before TLS 1.3 peers disagree about the
/// context, and the value does not name the connection without RFC 7627.
pub type TlsExporter = [u8; 32];

/// One side's half of the nonce.
#[derive(Clone)]
pub struct Nonce(String);

impl Nonce {
    /// From fresh random bytes. Ones that were used before let an old exchange be replayed.
    pub fn new(random: [u8; 18]) -> Self {
        Self(BASE64.encode(&random))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce")
    }
}

#[cfg(test)]
mod tests;
