//! Passwords that do not travel (SCRAM-SHA-256, RFC 5802 and RFC 7677).
//!
//! Who is unknown, who is disabled, and whose password was set before there were keys for this, get a
//! false salt that is always the same for one name, the same number of messages, and the refusal of a
//! wrong password. Attempts are counted as at a login, before anything is looked up.

use std::{fmt, sync::Arc, time::Duration};

use vestibule_core::{
    authn::{Challenge, Credential, Demand, Exchange, Mechanism, Principal, Response, Verified},
    rejection::Rejection,
    time::UnixTime,
};
use vestibule_verify::{
    Refused,
    scram::{AwaitingClientFinal, Binding, ClientFirst, Decoy, Iterations, Nonce, TlsExporter},
};

use super::Users;
use crate::{
    door::{Door, Scene},
    identities::exchange,
    opaque, secrets,
    store::{Spent, Store, StoreError},
};

/// Where the secret of the false salts is kept: the same on all nodes and after a restart, or a salt
/// that changes would tell who does not exist.
const KEY: &str = "scram-decoy";

/// Asks for proofs of passwords, and checks them.
#[derive(Debug)]
pub(crate) struct Scram {
    decoy: Decoy,
    lifetime: Duration,
}

/// A challenge that is out. It belongs to one connection, and is spent by the response.
pub(crate) struct Pending {
    mechanism: Mechanism,
    exchange: AwaitingClientFinal,
    /// The name of the password that it was made for.
    password: Option<Box<str>>,
}

impl Scram {
    /// With the secret of the store; makes one where there is none. What came by a password is over
    /// after `lifetime`.
    pub(crate) async fn open(
        store: &dyn Store,
        lifetime: Duration,
        now: UnixTime,
    ) -> Result<Self, StoreError> {
        let secret = secrets::of_installation(store, KEY, now).await?;
        let decoy = Decoy::new(*secret, Iterations::DEFAULT);
        Ok(Self { decoy, lifetime })
    }

    /// Reads the client's first message, and challenges whoever it names.
    pub(crate) async fn challenge(
        &self,
        users: &Users,
        credential: &Credential,
        scene: &Scene<'_>,
        now: UnixTime,
    ) -> Result<Challenge, Refused> {
        let Credential { mechanism, secret, proof: _ } = credential;
        let first = ClientFirst::parse(secret.expose(), binding(*mechanism, scene.exporter)?)?;
        let spent = users.attempts.spend(first.user(), scene.peer, now).await;
        match spent.map_err(|error| unavailable(&error))? {
            Spent::Granted => {}
            Spent::Wait(_) => {
                let reason = "too many attempts of this account, or from this address";
                return Err(Refused::new(Rejection::TooManyAttempts, reason));
            }
        }
        let read = users.read(first.user(), now).await.map_err(|error| unavailable(&error))?;
        let (keys, password) = match &read {
            Some((record, _)) => {
                let keys = record.scram_keys().map_err(|error| unavailable(&error))?;
                (keys, record.password_id().map(Box::from))
            }
            None => (None, None),
        };
        let nonce = opaque::random::<18>().map_err(|error| unavailable(&error))?;
        let (exchange, said) = first.challenge(keys.as_ref(), &self.decoy, &Nonce::new(*nonce));
        let pending = Pending { mechanism: *mechanism, exchange, password };
        let pending = exchange::Pending::Scram(pending);
        Ok(Challenge { demand: Demand::Message(said.into()), exchange: Exchange::new(pending) })
    }

    /// Whose proof it is, and the proof that we know the password, too. Does not ask about
    /// revocations.
    ///
    /// A wrong yes lets a stranger in.
    pub(crate) async fn check(
        &self,
        users: &Users,
        pending: Pending,
        response: &Response,
        (door, issuer): (&Door<'_>, &Arc<str>),
        now: UnixTime,
    ) -> Result<(Verified, Box<str>), Refused> {
        let Response::Message(message) = response else {
            let reason = "a message is wanted, not a signature";
            return Err(Refused::new(Rejection::MalformedMessage, reason));
        };
        let Pending { mechanism, exchange, password } = pending;
        let proven = exchange.finish(message.expose())?;
        let invalid = |reason: &str| Refused::new(Rejection::CredentialsInvalid, reason);
        // The password may have been replaced meanwhile, and the user be disabled.
        let read = users.read(proven.user(), now).await.map_err(|error| unavailable(&error))?;
        let (record, _) = read.ok_or_else(|| invalid("the user is no more"))?;
        let keys = record.scram_keys().map_err(|error| unavailable(&error))?;
        if keys.is_none() || record.password_id() != password.as_deref() {
            return Err(invalid("the user was changed meanwhile"));
        }
        if !door.takes(issuer) {
            return Err(invalid("the route does not take the issuer of users"));
        }
        let principal = Principal {
            mechanism,
            token_id: password,
            expires: now.after(self.lifetime),
            ..record.user(proven.user()).principal(issuer, now)
        };
        Ok((Verified::assertion(Arc::new(principal)), proven.server_final().into()))
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mechanism, exchange, password: _ } = self;
        f.debug_struct("Pending")
            .field("mechanism", mechanism)
            .field("exchange", exchange)
            .finish_non_exhaustive()
    }
}

/// What the client must have bound its exchange to: where `scram-sha-256-plus` is offered, one who says
/// to have seen no offer was made to.
fn binding(mechanism: Mechanism, exporter: Option<TlsExporter>) -> Result<Binding, Refused> {
    match exporter {
        Some(exporter) if mechanism == Mechanism::ScramSha256Plus => {
            Ok(Binding::TlsExporter(exporter))
        }
        Some(_) => Ok(Binding::Offered),
        None if mechanism == Mechanism::ScramSha256Plus => {
            let reason = "nothing binds an exchange to this connection";
            Err(Refused::new(Rejection::MechanismNotAllowed, reason))
        }
        None => Ok(Binding::Unavailable),
    }
}

fn unavailable(error: &StoreError) -> Refused {
    Refused::new(Rejection::Unavailable, error.to_string())
}

#[cfg(test)]
mod tests;
