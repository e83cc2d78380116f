//! The keys that sign, as a value: which of them signs now, when the next one is made, and when an
//! old one can go.
//!
//! All nodes share one record and change it under the condition that nobody else did, so that they
//! agree on every key and its dates.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vestibule_core::time::UnixTime;
use vestibule_verify::{
    jwt::Algorithm,
    mint::{MintFault, Signer},
};

use super::TokenPolicy;
use crate::{
    limits,
    records::{HiddenText, date},
};

/// The record. Keys stand in the order in which they sign.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Ring {
    /// Grows with each change: which of two is the newer one.
    pub(super) revision: u64,
    pub(super) keys: Vec<KeyRecord>,
}

/// One key pair.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeyRecord {
    /// PKCS#8.
    pem: HiddenText,
    /// From when on it signs, until the next one does.
    #[serde(with = "date")]
    pub(super) signs: UnixTime,
    /// The longest life of a token that any node signs with it, in milliseconds.
    longest: u64,
}

/// Whether the record must be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// It is as it has to be.
    Keep,
    /// It has changed.
    Write,
}

impl Ring {
    /// Makes it what it has to be: one key that signs, the next one published in time, and none whose
    /// last token is over.
    pub(super) fn tend(&mut self, policy: &TokenPolicy, now: UnixTime) -> Result<Plan, MintFault> {
        let mut plan = Plan::Keep;
        let longest = millis(policy.lifetime);
        if self.keys.is_empty() {
            self.keys.push(KeyRecord::new(now, longest)?);
            plan = Plan::Write;
        }
        let every = policy.rotate_every.max(limits::ROTATE_SHORTEST);
        let ahead = limits::KEYS_AHEAD.min(every / 2);
        if let Some(last) = self.keys.last()
            && last.signs.after(every.saturating_sub(ahead)) <= now
        {
            // Later than planned if nobody was there in time: never without being known for a while.
            let signs = last.signs.after(every).max(now.after(ahead));
            self.keys.push(KeyRecord::new(signs, longest)?);
            plan = Plan::Write;
        }
        let signer = self.signing(now);
        for key in self.keys.iter_mut().skip(signer) {
            if key.longest < longest {
                key.longest = longest;
                plan = Plan::Write;
            }
        }
        let gone = self.gone(now);
        if gone > 0 {
            self.keys.drain(..gone);
            plan = Plan::Write;
        }
        match plan {
            Plan::Keep => {}
            Plan::Write => self.revision = self.revision.saturating_add(1),
        }
        Ok(plan)
    }

    /// The place of the key that signs now: the last one whose time has come. The first one, where a
    /// clock was set back before all of them.
    pub(super) fn signing(&self, now: UnixTime) -> usize {
        self.keys.iter().rposition(|key| key.signs <= now).unwrap_or(0)
    }

    /// How many of the first keys can go: those whose last token is over.
    fn gone(&self, now: UnixTime) -> usize {
        let successors = self.keys.iter().skip(1);
        self.keys
            .iter()
            .zip(successors)
            .take_while(|(key, next)| {
                let life = Duration::from_millis(key.longest).saturating_add(limits::KEYS_BEHIND);
                next.signs.after(life) <= now
            })
            .count()
    }
}

impl KeyRecord {
    fn new(signs: UnixTime, longest: u64) -> Result<Self, MintFault> {
        let pem = Signer::generate(Algorithm::EdDsa)?.to_pem()?;
        Ok(Self { pem: HiddenText::new(&pem), signs, longest })
    }

    pub(super) fn signer(&self) -> Result<Signer, MintFault> {
        Signer::from_pem(Algorithm::EdDsa, self.pem.expose())
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
