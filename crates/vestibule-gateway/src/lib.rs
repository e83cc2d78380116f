//! The gateway: an authenticating reverse proxy in front of any WebSocket server.
//!
//! A connection travels through the modules in this order: [`listen`] accepts it, [`http`] brings it
//! to its admission, [`dial`] reaches the upstream, [`relay`] moves the bytes, and [`drive`] carries
//! out what the session decides meanwhile. [`serve`] holds the threads together; [`ops`] is what an
//! operator sees.

pub mod config;

pub mod limits;

pub mod listen;

pub mod http;

pub mod dial;

pub mod relay;

pub mod drive;

pub mod serve;

pub mod ops;

pub mod demo;

pub mod cli;
