//! Test support: the built gateway as a process, and everything that can stand before and behind
//! it. All of it is blocking, and nothing of it is shared with the code under test: frames, heads
//! and tokens are read and written by other code than the gateway's, so that a mistake of one is
//! not forgiven by the same mistake of the other.
//!
//! Nothing here sleeps. Every wait is for an event, and gives up after [`GUARD`].

mod authenticator;
mod frame;
mod head;
mod holder;
mod issuer;
mod peer;
mod process;
mod provider;
mod setup;
mod upstream;

use std::time::Duration;

pub use self::{
    authenticator::Authenticator,
    frame::{Frame, Opcode, Role},
    head::{Handshake, Head, accept_of},
    holder::Holder,
    issuer::{Issuer, Key, KeyKind, base64, base64url, from_base64url, now_secs, with},
    peer::{Message, Peer, Stream},
    process::{Gateway, Lines, Output, run},
    provider::{Provider, Served},
    setup::Setup,
    upstream::{Echo, Upstream, switching},
};

/// How long anything is waited for. A test that comes here has failed.
pub const GUARD: Duration = Duration::from_secs(20);

/// Asks again and again until the answer is yes, for conditions that no event announces.
pub fn eventually(
    what: &str,
    mut condition: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let start = std::time::Instant::now();
    while !condition()? {
        anyhow::ensure!(start.elapsed() < GUARD, "{what}: not within {GUARD:?}");
        std::thread::yield_now();
    }
    Ok(())
}

/// Takes an outcome that may be either: the other side may be gone, or the test over.
pub fn either_way<T, E>(outcome: Result<T, E>) {
    drop(outcome);
}
