//! What an operator sees: logs, metrics, health.

pub mod admin;
mod asked;
pub mod log;
pub mod metrics;
