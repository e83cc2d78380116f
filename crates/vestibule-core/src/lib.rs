//! Every decision Vestibule makes about a WebSocket connection, as values.
//!
//! This crate opens no socket, reads no clock and logs nothing. Bytes, request heads, verdicts and
//! time go in; steps and effects come out. Before admission the path is a line ([`handshake`]);
//! after it, a crossroads ([`session`]). The modules stand in reading order.

pub mod limits;
pub mod rejection;
pub mod time;

pub mod wire;

pub mod policy;

pub mod authn;

pub mod handshake;

pub mod session;

pub mod relay;
