//! How those who hold connections learn of a revocation.

use std::sync::Arc;

use tokio::sync::broadcast::{
    self,
    error::{RecvError, TryRecvError},
};

use super::Revocation;

/// What a receiver is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// This holds since just now: whoever it covers is to be cut off.
    Revoked(Arc<Revocation>),
    /// The receiver was too slow, and some were not told: whoever
    /// [`covers`](super::Revocations::covers) says yes about is to be cut off.
    Missed,
}

/// Every revocation that is applied, in order, from when the receiver was made.
///
/// What is announced is already refused: by then [`covers`](super::Revocations::covers) says so.
/// Whoever admits somebody asks `covers` once more after the connection can be found by those who
/// act on announcements, or one admitted in between is missed.
#[derive(Debug)]
pub struct Announcements {
    receiver: broadcast::Receiver<Arc<Revocation>>,
}

impl Announcements {
    pub(super) fn new(receiver: broadcast::Receiver<Arc<Revocation>>) -> Self {
        Self { receiver }
    }

    /// The next one; waits while there is none. `None` when there will be no more. May be dropped
    /// and called again, and nothing is lost.
    pub async fn next(&mut self) -> Option<Announcement> {
        match self.receiver.recv().await {
            Ok(revocation) => Some(Announcement::Revoked(revocation)),
            Err(RecvError::Lagged(_)) => Some(Announcement::Missed),
            Err(RecvError::Closed) => None,
        }
    }

    /// The next one, if it is there.
    pub fn try_next(&mut self) -> Option<Announcement> {
        match self.receiver.try_recv() {
            Ok(revocation) => Some(Announcement::Revoked(revocation)),
            Err(TryRecvError::Lagged(_)) => Some(Announcement::Missed),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}
