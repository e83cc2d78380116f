//! Tickets: what a browser presents, which can set no header. Bought with another credential, good
//! for seconds, on one route, for one page, once.
//!
//! A ticket stands for the credential that bought it: the principal that comes of it has the same
//! issuer, token id, session, date and end, so that it is revoked and ends together with that.
//!
//! Whoever names a ticket burns it, and is judged afterwards: a ticket that was tried at the wrong
//! place is in the wrong hands, and the right place gets it no more. That a ticket was presented
//! before, the second one is told ([`Rejection::TicketReplayed`], for the operator; the peer sees the
//! same as for one that never was).
//!
//! The store keeps a hash of the ticket, under which it hands out what the ticket stands for at most
//! once, over all nodes. Whoever reads the store holds no ticket.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use vestibule_core::{
    authn::{Mechanism, Principal, Secret, Verified},
    rejection::Rejection,
    time::UnixTime,
};
use vestibule_verify::Refused;

use crate::{
    door::Door,
    limits, opaque,
    records::{self, KeptPrincipal, date},
    store::{Digest, Fleeting, Kept, Room, Space, Store, StoreError, Taken},
};

/// How long tickets are good, and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketPolicy {
    /// How long one is good, unless the credential that buys it ends before. Default:
    /// [`limits::TICKET_LIFETIME`].
    pub lifetime: Duration,
    /// Most of one subject at once. Default: [`limits::TICKETS_EACH`].
    pub each: u32,
    /// Most in all at once. Default: [`limits::TICKETS`].
    pub all: u32,
}

impl Default for TicketPolicy {
    fn default() -> Self {
        Self { lifetime: limits::TICKET_LIFETIME, each: limits::TICKETS_EACH, all: limits::TICKETS }
    }
}

/// Sells tickets and takes them.
#[derive(Clone, Debug)]
pub struct Tickets {
    store: Arc<dyn Store>,
    policy: TicketPolicy,
}

/// A ticket that was sold.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// What is presented.
    pub token: Secret,
    /// How long it is good.
    pub expires_in: Duration,
}

/// Why no ticket was sold.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TicketError {
    /// As many are out as may be: [`Rejection::TooManyAttempts`] where they are the buyer's own,
    /// [`Rejection::Unavailable`] where they are everybody's. Each is over in seconds.
    #[error("too many tickets are out")]
    TooMany(Rejection),
    /// The credential that was to buy it has ended ([`Rejection::TokenExpired`]).
    #[error("the credential has ended")]
    Over,
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TicketError {
    /// What the buyer is told.
    pub const fn rejection(&self) -> Rejection {
        match self {
            Self::TooMany(rejection) => *rejection,
            Self::Over => Rejection::TokenExpired,
            Self::Store(_) => Rejection::Unavailable,
        }
    }
}

impl Tickets {
    /// Over this store, which should be quick: nothing of it need outlive the process.
    pub fn new(store: Arc<dyn Store>, policy: TicketPolicy) -> Self {
        Self { store, policy }
    }

    /// Sells one to whoever a checked credential named, for a route and the page that asks for it.
    /// Without a page it is good for any that the route lets ask: whoever buys from elsewhere than a
    /// browser knows best whom it is handed to. That the route takes the buyer's issuer is judged
    /// when it is redeemed.
    pub async fn sell(
        &self,
        principal: &Principal,
        route: &str,
        origin: Option<&str>,
        now: UnixTime,
    ) -> Result<Ticket, TicketError> {
        let until = now.after(self.policy.lifetime).min(principal.expires);
        if until <= now {
            return Err(TicketError::Over);
        }
        let secret = opaque::random::<{ opaque::SECRET_BYTES }>()?;
        let record = Record {
            principal: KeptPrincipal::of(principal),
            route: route.into(),
            origin: origin.map(Into::into),
            until,
        };
        let owner =
            opaque::digest(&[b"buyer", principal.issuer.as_bytes(), principal.subject.as_bytes()]);
        let thing = Fleeting {
            space: Space::Ticket,
            name: name(until_bytes(until), secret.as_slice()),
            owner,
            value: records::encode(&record)?,
            until,
            room: Room { each: self.policy.each, all: self.policy.all },
        };
        match self.store.keep(thing, now).await? {
            Kept::Done => {}
            Kept::OwnerFull => return Err(TicketError::TooMany(Rejection::TooManyAttempts)),
            Kept::Full => return Err(TicketError::TooMany(Rejection::Unavailable)),
            // 256 random bits do not repeat: the store, or the system's randomness, is broken.
            Kept::Taken => {
                return Err(StoreError("a new ticket is not new".into()).into());
            }
        }
        let token = opaque::token(PREFIX, &[&until_bytes(until), secret.as_slice()]);
        Ok(Ticket { token, expires_in: now.until(until) })
    }

    /// Takes a ticket: burns it, then judges it. Does not ask about revocations.
    ///
    /// A wrong yes lets a stranger in. That two get a yes for one ticket, the store excludes.
    pub async fn redeem(
        &self,
        presented: &Secret,
        door: &Door<'_>,
        now: UnixTime,
    ) -> Result<Verified, Refused> {
        let bytes = opaque::bytes_of::<BYTES>(PREFIX, presented);
        let bytes = bytes.ok_or_else(|| unknown("not of the form of a ticket"))?;
        let (until, secret) = bytes.split_first_chunk().ok_or_else(|| unknown("too short"))?;
        let taken = self.store.take(Space::Ticket, name(*until, secret), now).await;
        let value = match taken.map_err(|error| unavailable(&error))? {
            Taken::Value(value) => value,
            Taken::Spent => {
                let reason = "the ticket was presented before";
                return Err(Refused::new(Rejection::TicketReplayed, reason));
            }
            // What it says of its end is a part of its name: a ticket that was changed is another one,
            // and nothing but what the operator is told depends on it.
            Taken::Nothing if UnixTime::from_millis(i64::from_be_bytes(*until)) <= now => {
                return Err(Refused::new(Rejection::TicketExpired, "the ticket is over"));
            }
            Taken::Nothing => return Err(unknown("no such ticket")),
        };
        let record: Record =
            records::decode("a ticket", &value).map_err(|error| unavailable(&error))?;
        record.judge(door, now)
    }
}

/// What a ticket stands for.
#[derive(Serialize, Deserialize)]
struct Record {
    principal: KeptPrincipal,
    route: Box<str>,
    origin: Option<Box<str>>,
    #[serde(with = "date")]
    until: UnixTime,
}

impl Record {
    fn judge(self, door: &Door<'_>, now: UnixTime) -> Result<Verified, Refused> {
        let Self { principal, route, origin, until } = self;
        let principal = principal.by(Mechanism::Ticket);
        if principal.expires <= now {
            let reason = "the credential that bought the ticket has ended";
            return Err(Refused::new(Rejection::TokenExpired, reason));
        }
        // The store has said so already, unless its clock is another's.
        if until <= now {
            return Err(unknown("the ticket is over"));
        }
        if *route != *door.route {
            return Err(misplaced("the ticket is another route's"));
        }
        // Scheme and host know no case (RFC 6454 section 4).
        let same =
            |bound: &str| door.origin.is_some_and(|origin| origin.eq_ignore_ascii_case(bound));
        if origin.as_deref().is_some_and(|bound| !same(bound)) {
            return Err(misplaced("the ticket is another page's"));
        }
        if !door.takes(&principal.issuer) {
            return Err(misplaced("the route does not take the issuer of the ticket's principal"));
        }
        Ok(Verified::assertion(Arc::new(principal)))
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { principal: _, route, origin, until } = self;
        f.debug_struct("Record")
            .field("route", route)
            .field("origin", origin)
            .field("until", until)
            .finish_non_exhaustive()
    }
}

/// Under which a ticket is kept.
fn name(until: [u8; UNTIL_BYTES], secret: &[u8]) -> Digest {
    opaque::digest(&[b"ticket", &until, secret])
}

/// The end of a ticket, as it stands in it.
fn until_bytes(until: UnixTime) -> [u8; UNTIL_BYTES] {
    until.as_millis().to_be_bytes()
}

fn unknown(reason: &str) -> Refused {
    Refused::new(Rejection::TicketUnknown, reason)
}

fn misplaced(reason: &str) -> Refused {
    Refused::new(Rejection::TicketMisplaced, reason)
}

fn unavailable(error: &StoreError) -> Refused {
    Refused::new(Rejection::Unavailable, error.to_string())
}

const UNTIL_BYTES: usize = 8;
const BYTES: usize = UNTIL_BYTES + opaque::SECRET_BYTES;
/// What a ticket begins with ([`Mechanism::prefix`]).
const PREFIX: &str = "vst_";

#[cfg(test)]
mod tests;
