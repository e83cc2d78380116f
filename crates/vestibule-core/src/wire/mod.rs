//! Bytes: one head, one frame at a time, everything bounded. Nothing here knows who is asking.

pub mod close;
pub mod first;
pub mod frame;
