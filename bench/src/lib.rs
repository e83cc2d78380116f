//! Benchmarks of Vestibule beside its peers: see `docs/performance.md`.

pub mod role;
