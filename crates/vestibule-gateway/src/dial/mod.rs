//! The way to an upstream: connect, TLS where asked, the opening handshake of RFC 6455 section 4.1
//! with a key of our own. Nothing is dialled for a stranger: an [`Admission`] is demanded.

mod socket;

use std::{io, sync::Arc};

use tokio::time::timeout;
use vestibule_core::{
    handshake::Admission, limits, rejection::Rejection, wire::head::ResponseHead,
};

pub use self::socket::Dialler;
use crate::{
    config::{Route, Upstream},
    http::{Link, Socket},
    relay::Seat,
};

/// An upstream that has answered.
#[derive(Debug)]
pub struct Answered {
    /// The socket, and what was read behind the head.
    pub link: Link,
    /// The answer.
    pub head: ResponseHead,
    /// The key that was sent.
    pub key: [u8; 16],
}

/// Why no upstream answered.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// None of the addresses could be reached.
    #[error("cannot reach the upstream: {0}")]
    Unreachable(#[source] io::Error),
    /// It did not answer in time.
    #[error("the upstream did not answer in time")]
    TimedOut,
    /// It did not answer as HTTP demands.
    #[error("the upstream's answer is not HTTP")]
    Malformed,
}

/// Tries the route's upstreams in turn, for a connection that has this seat; `request` writes the
/// opening handshake for one of them.
pub async fn dial(
    _admitted: &Admission,
    dialler: &Dialler,
    route: &Arc<Route>,
    seat: &Seat,
    request: impl Fn(&Upstream, [u8; 16]) -> Vec<u8>,
) -> Result<Answered, DialError> {
    let mut last = None;
    for upstream in &route.upstreams {
        let socket = match timeout(limits::DIAL_TIMEOUT, dialler.connect(upstream, seat)).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => {
                last = Some(error);
                continue;
            }
            Err(_) => {
                last = Some(io::ErrorKind::TimedOut.into());
                continue;
            }
        };
        // A connection that was made is used: a request that may have arrived is not repeated.
        let mut key = [0; 16];
        if aws_lc_rs::rand::fill(&mut key).is_err() {
            return Err(DialError::Unreachable(io::Error::other("no random numbers")));
        }
        let bytes = request(upstream, key);
        let opened = timeout(limits::DIAL_TIMEOUT, open(socket, &bytes));
        return match opened.await {
            Ok(Ok((link, head))) => Ok(Answered { link, head, key }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(DialError::TimedOut),
        };
    }
    let none = || io::Error::new(io::ErrorKind::NotFound, "the route has no upstream");
    Err(DialError::Unreachable(last.unwrap_or_else(none)))
}

impl DialError {
    /// What the client is told.
    pub fn rejection(&self) -> Rejection {
        match self {
            Self::Unreachable(_) => Rejection::UpstreamUnreachable,
            Self::TimedOut => Rejection::UpstreamTimeout,
            Self::Malformed => Rejection::UpstreamInvalid,
        }
    }
}

async fn open(socket: Socket, request: &[u8]) -> Result<(Link, ResponseHead), DialError> {
    let mut link = Link::new(socket);
    link.write(request).await.map_err(DialError::Unreachable)?;
    loop {
        match link.fill().await {
            Ok(0) => return Err(DialError::Malformed),
            Ok(_) => {}
            Err(error) => return Err(DialError::Unreachable(error)),
        }
        match ResponseHead::read(&link.buffer) {
            Ok(Some((head, used))) => {
                link.consume(used);
                return Ok((link, head));
            }
            Ok(None) => {}
            Err(_) => return Err(DialError::Malformed),
        }
    }
}
