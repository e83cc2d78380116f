//! Benchmarks of Vestibule beside its peers: see `docs/performance.md`.
//!
//! One command measures the gateway, nginx and HAProxy, a bare relay, and no proxy at all, in one
//! run, interleaved, and prints what came of it.

mod case;
pub mod cases;
pub mod instructions;
pub mod machine;
pub mod peers;
pub mod process;
pub mod report;
pub mod revoke;
pub mod role;
pub mod tokens;
