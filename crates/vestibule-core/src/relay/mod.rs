//! After admission: bytes pass as they are, still masked. Only frame headers are read, to know where
//! something may be cut in, and whether a message is the application's or the gateway's.

mod boundary;
mod client;
mod partial;
mod server;

pub use self::{
    client::{ClientScanner, Piece, Reserved},
    server::{Seen, ServerScanner},
};

/// What may be cut into a stream at this point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Between messages: anything.
    Message,
    /// Between the fragments of a message: a control frame.
    Frame,
    /// Inside a frame: nothing.
    Inside,
}

/// Whether client and upstream agreed on extensions. Without, a reserved bit breaks the protocol
/// (RFC 6455 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extensions {
    /// They did not.
    None,
    /// They did. Where messages are the gateway's, on permessage-deflate alone, with
    /// `client_no_context_takeover` (RFC 7692 section 7.1.1.2): see [`crate::wire::deflate`].
    Agreed,
}

#[cfg(test)]
mod tests;
