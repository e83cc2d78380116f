//! The whole of it, against a provider on this host that misbehaves on request.

mod accounts;
mod discovery;
mod fetching;
mod files;
pub(crate) mod ledger;
mod log;
mod memory;
pub(crate) mod provider;
mod revoked;
pub(crate) mod rig;
mod rotation;
pub(crate) mod shelf;
