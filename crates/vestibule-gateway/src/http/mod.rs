//! From an accepted socket to an admitted connection: the driver of the line in
//! `vestibule_core::handshake`. It decides nothing; it reads, asks, writes and waits.

mod endpoints;
pub mod front;
mod identity;
pub mod line;
mod link;
mod refuse;
mod tunnel;

pub use link::{Link, Socket};

use vestibule_core::{
    authn::{Mechanism, Proof},
    policy::{Carrier, StepUp},
    relay::Reserved,
};

use crate::config::Route;

impl Route {
    /// What logs and metrics call it.
    pub fn name(&self) -> &str {
        self.policy.path.as_str()
    }

    /// Whether messages of the in-band protocol are the gateway's. That they may be compressed is known
    /// when the upstream has answered.
    pub fn reserved(&self) -> Reserved {
        if self.policy.is_per_message() {
            return Reserved::Every { most: self.policy.max_message };
        }
        if self.policy.accept.contains(&Carrier::Message) { Reserved::Yes } else { Reserved::No }
    }

    /// Whether one of its mechanisms asks back.
    pub fn asks_back(&self) -> bool {
        let asks_back = |mechanism: &Mechanism| match mechanism.proof() {
            Proof::Response => true,
            Proof::Token | Proof::Connection => false,
        };
        let second = self.policy.step_up.iter().flat_map(StepUp::mechanisms);
        self.reserved() == Reserved::Yes
            && self.policy.mechanisms.iter().chain(second).any(asks_back)
    }
}
