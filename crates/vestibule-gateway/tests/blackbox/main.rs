//! The built gateway, attacked over real sockets. Every file is one part of its surface; every test
//! is a sentence that must stay true.

#![expect(clippy::wildcard_enum_match_arm, reason = "whatever a test does not expect fails it")]
#![expect(clippy::string_slice, reason = "the texts are the tests' own, and a panic fails one")]

#[cfg(test)]
mod authority;
#[cfg(test)]
mod endpoint;
#[cfg(test)]
mod rig;

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod admin;
#[cfg(test)]
mod admission;
#[cfg(test)]
mod assurance;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod backpressure;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod certificate_lists;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod certificates_page;
#[cfg(test)]
mod certified;
#[cfg(test)]
mod channel;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod client;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod cookies;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod dpop;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod exchanges;
#[cfg(test)]
mod expiry;
#[cfg(test)]
mod forwarding;
#[cfg(test)]
mod handshake;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod introspection;
#[cfg(test)]
mod keyring;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod logins;
#[cfg(test)]
mod message;
#[cfg(test)]
mod oauthbearer;
#[cfg(test)]
mod operate;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod passkey_live;
#[cfg(test)]
mod passkeys;
#[cfg(test)]
mod per_message;
#[cfg(test)]
mod per_message_flow;
#[cfg(test)]
mod possession;
#[cfg(test)]
mod public_key;
#[cfg(test)]
mod query;
#[cfg(test)]
mod recheck;
#[cfg(test)]
mod refresh;
#[cfg(test)]
mod refusal;
#[cfg(test)]
mod relay;
#[cfg(test)]
mod revocation;
#[cfg(test)]
mod scram;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod step_up;
#[cfg(test)]
mod subprotocols;
#[cfg(test)]
mod tickets;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod upstreams;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod walkthrough;
#[cfg(test)]
mod watch;
#[cfg(test)]
mod webauthn;
#[cfg(test)]
mod withdrawn;
