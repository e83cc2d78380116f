//! Proofs of possession (`DPoP`, RFC 9449): who shows a token that is bound to a key.
//!
//! A proof is read and judged first ([`Proofs::read`], [`Proofs::answered`]): its signature, the request and
//! the token that it is for, its date, its nonce. Then the token is, by
//! [`Authority::examine`](crate::Authority::examine). Only when it is genuine and bound to the key of the
//! proof is it remembered that the proof was used ([`Proofs::open_with`]): strangers can make any number of
//! good proofs for tokens that are none, and would fill what is remembered.
//!
//! Nonces need no memory, see [`Nonces`]. A challenge in band is of one connection, and is spent by the
//! response.

use std::{fmt, sync::Arc};

use vestibule_core::{
    authn::{Challenge, Demand, Exchange, Mechanism, Response, Secret, Verified},
    policy::{DpopNonce, origin::Transport},
    rejection::Rejection,
    time::UnixTime,
};
use vestibule_verify::{
    Refused,
    dpop::{
        AwaitingNonce, AwaitingReplay, Expectations, NonceIs, Nonces, Proof, Replay, Request,
        Target,
    },
    jwt::{Binding, Checked, Holder},
};

use crate::{
    authority::presented::by,
    door::Scene,
    limits, opaque, secrets,
    store::{Fleeting, Kept, Room, Space, Store, StoreError},
};

/// Where the secret of the nonces is kept: nodes must know each other's.
const KEY: &str = "dpop-nonces";

/// Judges proofs, and remembers those that were used.
#[derive(Debug)]
pub struct Proofs {
    store: Arc<dyn Store>,
    nonces: Nonces,
    expectations: Expectations,
}

/// The request that a proof must be for, as its client sent it.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The method: `GET` for a handshake, and in band.
    pub method: &'a str,
    /// Over what.
    pub transport: Transport,
    /// Which host was asked for, with the port where one was written.
    pub host: &'a str,
    /// Which path, without query.
    pub path: &'a str,
}

/// A token, and a good proof for it; nothing is known about the token.
#[must_use = "a proof that is not followed to its end proves nothing"]
pub struct Shown {
    token: Secret,
    proof: AwaitingReplay,
}

/// A challenge that is out, and the token that is to be proven. It belongs to one connection, and is
/// spent by the response.
pub struct Pending {
    token: Secret,
    nonce: Box<str>,
}

impl Proofs {
    /// With the secret of the store; makes one where there is none.
    pub async fn open(store: Arc<dyn Store>, now: UnixTime) -> Result<Self, StoreError> {
        let secret = secrets::of_installation(&*store, KEY, now).await?;
        let nonces = Nonces::new(*secret);
        Ok(Self { store, nonces, expectations: Expectations::default() })
    }

    /// The nonce that the next proof of a client must have (RFC 9449 section 8).
    pub fn nonce(&self, now: UnixTime) -> String {
        self.nonces.current(now)
    }

    /// Reads a proof that came with a token in one request.
    pub fn read(
        &self,
        token: &Secret,
        proof: &Secret,
        site: &Site<'_>,
        nonce: DpopNonce,
        now: UnixTime,
    ) -> Result<Shown, Refused> {
        let proof = self.judged(token, proof, site, now)?;
        let judged = match nonce {
            DpopNonce::Required => self.nonces.judge(proof.claimed(), now),
            DpopNonce::Off => NonceIs::NotWanted,
        };
        let proof = proof.nonce(judged).map_err(|why| {
            Refused::new(Rejection::DpopNonceWanted, format!("DPoP proof: {why}"))
        })?;
        Ok(Shown { token: token.clone(), proof })
    }

    /// Asks for a proof. Says nothing about the token, which is not looked at before.
    pub fn challenge(token: &Secret) -> Result<Challenge, Refused> {
        let nonce = opaque::random::<32>().map_err(|error| unavailable(&error))?;
        let nonce: Box<str> = opaque::encode(nonce.as_slice()).into();
        let demand = Demand::Nonce(nonce.clone());
        Ok(Challenge { demand, exchange: Exchange::new(Pending { token: token.clone(), nonce }) })
    }

    /// Reads the proof that a challenge was answered with.
    pub fn answered(
        &self,
        pending: Pending,
        response: &Response,
        site: &Site<'_>,
        now: UnixTime,
    ) -> Result<Shown, Refused> {
        let Pending { token, nonce } = pending;
        let Response::Proof(proof) = response else {
            let reason = "a proof is wanted, and something else came";
            return Err(Refused::new(Rejection::MalformedMessage, reason));
        };
        let proof = self.judged(&token, proof, site, now)?;
        let judged = NonceIs::compared(proof.claimed(), &nonce);
        // Nobody is given another one: that is for the next challenge to do.
        let proof = proof.nonce(judged).map_err(|_| {
            let reason = "DPoP proof: its nonce is not the challenge of this connection";
            Refused::new(Rejection::DpopProofInvalid, reason)
        })?;
        Ok(Shown { token, proof })
    }

    fn judged(
        &self,
        token: &Secret,
        proof: &Secret,
        site: &Site<'_>,
        now: UnixTime,
    ) -> Result<AwaitingNonce, Refused> {
        let target = site.target()?;
        let request = Request { method: site.method, target: &target, token: token.expose() };
        Proof::parse(proof.expose())?.check(&request, &self.expectations, now)
    }

    /// Who is there, where a genuine token is bound to the key of the proof, and the proof was not
    /// used before. `checked` must be what was made of [`Shown::token`]. Does not ask about revocations.
    ///
    /// A wrong yes lets a thief in. What the store cannot answer, and cannot remember, is
    /// [`Rejection::Unavailable`], never yes.
    pub async fn open_with(
        &self,
        shown: Shown,
        checked: Checked,
        now: UnixTime,
    ) -> Result<Verified, Refused> {
        let Shown { token, proof } = shown;
        if checked.binding() != Binding::Key(proof.thumbprint()) {
            let reason = "the token is not bound (cnf) to the key of the proof";
            return Err(Refused::new(Rejection::TokenClaims, reason));
        }
        let replay = self.first_use(&proof, now).await?;
        let holder = Holder::with_key(&proof.replay(replay)?, token.expose())?;
        let verified = checked.held_by(&holder, now)?;
        Ok(by(&verified, Mechanism::Dpop))
    }

    async fn first_use(&self, proof: &AwaitingReplay, now: UnixTime) -> Result<Replay, Refused> {
        let until = proof.replay_until();
        // While the token was examined, time went on; and what is over is not remembered.
        if until <= now {
            return Err(Refused::new(Rejection::DpopProofInvalid, "DPoP proof: too old by now"));
        }
        let thing = Fleeting {
            space: Space::Replay,
            name: *proof.replay_key().as_bytes(),
            owner: opaque::digest(&[b"dpop", proof.thumbprint().as_bytes()]),
            value: Vec::new().into(),
            // Other nodes may have other clocks.
            until: until.after(limits::REPLAYS_KEPT_LONGER),
            room: Room { each: limits::PROOFS_EACH, all: limits::PROOFS },
        };
        match self.store.keep(thing, now).await.map_err(|error| unavailable(&error))? {
            Kept::Done => Ok(Replay::FirstUse),
            Kept::Taken => Ok(Replay::UsedBefore),
            Kept::OwnerFull => {
                Err(Refused::new(Rejection::TooManyAttempts, "too many proofs of one key"))
            }
            Kept::Full => Err(Refused::new(Rejection::Unavailable, "too many proofs")),
        }
    }
}

impl<'a> Site<'a> {
    /// Of a connection: what opened it was a `GET`.
    pub fn of(scene: &Scene<'a>) -> Self {
        let Scene { transport, host, path, origin: _, peer: _, exporter: _ } = *scene;
        Self { method: "GET", transport, host, path }
    }

    fn target(&self) -> Result<Target, Refused> {
        let Self { method: _, transport, host, path } = self;
        let scheme = match transport {
            Transport::Plain => "http",
            Transport::Tls => "https",
        };
        Target::parse(&format!("{scheme}://{host}{path}")).ok_or_else(|| {
            Refused::new(Rejection::DpopProofInvalid, "DPoP proof: none is for this address")
        })
    }
}

impl Shown {
    /// What is to be examined.
    pub fn token(&self) -> &Secret {
        &self.token
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token: _, proof } = self;
        f.debug_struct("Shown").field("key", &proof.thumbprint()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

fn unavailable(error: &StoreError) -> Refused {
    Refused::new(Rejection::Unavailable, error.to_string())
}

#[cfg(test)]
mod tests;
