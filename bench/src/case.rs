//! What is measured, and of whom.

use serde::Serialize;

use crate::{
    peers::{Cover, Peer},
    tokens::{Algorithm, Check},
};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Case {
    /// Messages through open connections.
    Relay {
        /// Bytes of a message.
        payload: usize,
        /// Open connections.
        connections: usize,
        /// Messages on their way of each.
        in_flight: usize,
    },
    /// Messages through open connections, small ones in JSON, with a token in each or without.
    PerMessage {
        /// Messages on their way of each.
        in_flight: usize,
        /// What a message carries beside what the upstream gets.
        carries: Carries,
    },
    /// Messages at a fixed rate.
    Latency,
    /// Connect, upgrade, token, one echo, close.
    Handshake {
        /// What is checked.
        check: Check,
        /// Whether every token is a new one.
        tokens: Tokens,
        /// Where it travels.
        by: Carrier,
    },
    /// What an idle connection holds.
    Memory {
        /// How many are open.
        connections: usize,
    },
    /// The same, and again after others have come and gone.
    Churn {
        /// How many are open.
        connections: usize,
    },
    /// What an idle connection holds under TLS.
    Sealed {
        /// How many are open.
        connections: usize,
    },
    /// Messages beside a connection that floods and one that does not read.
    Fairness,
    /// Everybody's token ends at once.
    Expiry {
        /// How many are open.
        connections: usize,
    },
}

/// Whether a token was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Tokens {
    /// None is sent.
    None,
    /// Each is sent once.
    Fresh,
    /// One is sent again and again.
    Known,
}

/// What a message carries beside what the upstream gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Carries {
    /// Nothing: it is relayed.
    Nothing,
    /// A token that is known.
    Token,
}

/// Bytes of what the upstream gets of each, and how many connections there are.
pub(crate) const CARRIED: (usize, usize) = (64, 64);

/// Where a token travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Carrier {
    /// `Authorization`.
    Header,
    /// The first message.
    Message,
}

impl Case {
    /// For tables.
    pub fn name(self) -> String {
        match self {
            Self::Relay { payload, connections, in_flight } => {
                let size = match payload {
                    0..1024 => format!("{payload} B"),
                    _ => format!("{} KiB", payload / 1024),
                };
                format!("{size} × {connections}, {in_flight} in flight")
            }
            Self::PerMessage { in_flight, carries } => {
                let (payload, connections) = CARRIED;
                let carries = match carries {
                    Carries::Nothing => "relayed",
                    Carries::Token => "a token in each",
                };
                format!("{payload} B × {connections}, {in_flight} in flight, {carries}")
            }
            Self::Latency => "10,000/s, 64 B × 1000".to_owned(),
            Self::Handshake { check, tokens, by } => {
                let check = match check {
                    Check::Nothing => "no check",
                    Check::Token(algorithm) => algorithm.name(),
                };
                let tokens = match tokens {
                    Tokens::None => "no token (ours: a known one)",
                    Tokens::Fresh => "fresh tokens",
                    Tokens::Known => "a known token",
                };
                let by = match by {
                    Carrier::Header => "header",
                    Carrier::Message => "first message",
                };
                format!("{check}, {tokens}, by {by}")
            }
            Self::Memory { connections } => format!("{connections} idle"),
            Self::Churn { connections } => format!("{connections} idle, and after 10000 others"),
            Self::Sealed { connections } => format!("{connections} idle under TLS"),
            Self::Fairness => "2,000/s, 64 B × 62, one floods, one does not read".to_owned(),
            Self::Expiry { connections } => format!("{connections} expire"),
        }
    }

    /// Whether a peer can take part.
    pub fn is_for(self, peer: Peer) -> bool {
        match self {
            Self::Relay { .. } | Self::Latency | Self::Fairness => true,
            Self::PerMessage { carries, .. } => match (peer, carries) {
                (Peer::Vestibule, _) | (Peer::Direct | Peer::Floor, Carries::Nothing) => true,
                (Peer::Direct | Peer::Floor, Carries::Token) => false,
                (Peer::Nginx | Peer::Nginx64 | Peer::Haproxy | Peer::Haproxy64, _) => false,
            },
            Self::Memory { .. } | Self::Churn { .. } => peer != Peer::Direct,
            Self::Sealed { .. } => match peer {
                Peer::Nginx | Peer::Haproxy | Peer::Vestibule => true,
                Peer::Direct | Peer::Floor | Peer::Nginx64 | Peer::Haproxy64 => false,
            },
            Self::Expiry { .. } => peer == Peer::Vestibule,
            Self::Handshake { check: Check::Nothing, .. } => match peer {
                Peer::Direct | Peer::Nginx64 | Peer::Haproxy64 => false,
                // Ours takes nobody without a token: its cheapest is a token that it knows.
                Peer::Floor | Peer::Nginx | Peer::Haproxy | Peer::Vestibule => true,
            },
            Self::Handshake { check: Check::Token(algorithm), tokens: _, by } => match peer {
                Peer::Vestibule => true,
                Peer::Haproxy => by == Carrier::Header && algorithm != Algorithm::EdDsa,
                Peer::Direct | Peer::Floor | Peer::Nginx | Peer::Nginx64 | Peer::Haproxy64 => false,
            },
        }
    }
    /// What a proxy checks, where it can.
    pub fn check(self) -> Check {
        match self {
            Self::Handshake { check, .. } => check,
            Self::Relay { .. }
            | Self::PerMessage { .. }
            | Self::Latency
            | Self::Fairness
            | Self::Memory { .. }
            | Self::Churn { .. }
            | Self::Sealed { .. }
            | Self::Expiry { .. } => Check::Nothing,
        }
    }

    /// What clients speak below HTTP.
    pub fn cover(self) -> Cover {
        match self {
            Self::Sealed { .. } => Cover::Tls,
            Self::Relay { .. }
            | Self::PerMessage { .. }
            | Self::Latency
            | Self::Fairness
            | Self::Handshake { .. }
            | Self::Memory { .. }
            | Self::Churn { .. }
            | Self::Expiry { .. } => Cover::Plain,
        }
    }
}
