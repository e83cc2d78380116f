//! An authenticating reverse proxy in front of any WebSocket server.

pub mod cli;
pub mod config;
