//! From an accepted socket to an admitted connection: the driver of the line in
//! `vestibule_core::handshake`. It decides nothing; it reads, asks, writes and waits.

pub mod front;
mod identity;
pub mod line;
mod link;
mod plain;
mod refuse;
mod tunnel;

pub use link::{Link, Socket};
