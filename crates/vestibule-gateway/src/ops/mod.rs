//! What an operator sees: logs, metrics, health.

pub mod admin;
pub mod log;
pub mod metrics;
