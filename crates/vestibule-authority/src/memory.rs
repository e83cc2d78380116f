//! What was verified is remembered, so that a reconnect storm costs no signature checks.
//!
//! A remembered token is found by a keyed hash of its bytes and of who may have issued it: the map
//! holds no token, and nobody outside the process can aim at one of its places. An entry says only
//! "the signature was good, by that version of the keys"; whoever recalls it asks again whether the
//! keys are still those and the dates still good. Failures are not remembered, so that a stranger
//! cannot push out those who are welcome.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_lc_rs::{hmac, rand::SystemRandom};

use crate::limits;

/// The name of a token in the memory. Says nothing about the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 32]);

/// A point between two calls of [`Memory::forget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

/// Remembers a bounded number of values by their fingerprints.
pub(crate) struct Memory<T> {
    key: hmac::Key,
    parts: Box<[Mutex<Part<T>>]>,
    epoch: AtomicU64,
}

/// Two generations: what is recalled moves to the young one; when that is full it becomes the old
/// one, and what was old and not recalled since is gone.
struct Part<T> {
    young: HashMap<Fingerprint, T>,
    old: HashMap<Fingerprint, T>,
    half: usize,
}

impl<T: Clone> Memory<T> {
    /// Remembers at most `most` values, which rounds down to a multiple of twice the parts.
    pub(crate) fn new(most: usize) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let half = (most / limits::REMEMBERED_PARTS / 2).max(1);
        let part = || Mutex::new(Part { young: HashMap::new(), old: HashMap::new(), half });
        Ok(Self {
            key: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?,
            parts: std::iter::repeat_with(part).take(limits::REMEMBERED_PARTS).collect(),
            epoch: AtomicU64::new(0),
        })
    }

    /// The name of a token that one of these issuers may have issued.
    pub(crate) fn fingerprint(&self, issuers: &[usize], token: &[u8]) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.key);
        // The number comes first, so that no token can be mistaken for an issuer.
        context.update(&issuers.len().to_le_bytes());
        for issuer in issuers {
            context.update(&issuer.to_le_bytes());
        }
        context.update(token);
        let mut name = [0; 32];
        for (to, from) in name.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        Fingerprint(name)
    }

    /// Before a verification whose result may be remembered.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::SeqCst))
    }

    /// What is remembered under that name.
    pub(crate) fn recall(&self, name: &Fingerprint) -> Option<T> {
        let mut part = self.part(name)?;
        if let Some(value) = part.young.get(name) {
            return Some(value.clone());
        }
        let value = part.old.remove(name)?;
        let gone = part.put(*name, value.clone());
        drop(part);
        drop(gone);
        Some(value)
    }

    /// Remembers, unless something was forgotten since `epoch`: the value may be a part of it.
    pub(crate) fn remember(&self, name: Fingerprint, value: T, epoch: Epoch) {
        let Some(mut part) = self.part(&name) else { return };
        if self.epoch() != epoch {
            return;
        }
        let gone = part.put(name, value);
        drop(part);
        drop(gone);
    }

    /// Forgets one.
    pub(crate) fn drop_one(&self, name: &Fingerprint) {
        if let Some(mut part) = self.part(name) {
            part.young.remove(name);
            part.old.remove(name);
        }
    }

    /// Forgets all that match, and what is being verified right now; returns how many.
    pub(crate) fn forget(&self, matches: impl Fn(&T) -> bool) -> usize {
        // First the epoch, then the parts: a value put in before its part is visited is found
        // there, and after that it is refused.
        self.epoch.fetch_add(1, Ordering::SeqCst);
        let mut forgotten = 0;
        for part in &self.parts {
            let mut part = lock(part);
            let before = part.len();
            part.young.retain(|_, value| !matches(value));
            part.old.retain(|_, value| !matches(value));
            forgotten += before - part.len();
        }
        forgotten
    }

    /// How many are remembered.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| lock(part).len()).sum()
    }

    fn part(&self, name: &Fingerprint) -> Option<MutexGuard<'_, Part<T>>> {
        let place = usize::from(*name.0.first()?) % self.parts.len();
        self.parts.get(place).map(lock)
    }
}

impl<T> Part<T> {
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Returns what fell out, to be dropped without the lock.
    fn put(&mut self, name: Fingerprint, value: T) -> HashMap<Fingerprint, T> {
        self.young.insert(name, value);
        if self.young.len() < self.half {
            return HashMap::new();
        }
        let young = std::mem::take(&mut self.young);
        std::mem::replace(&mut self.old, young)
    }
}

impl<T> fmt::Debug for Memory<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key: _, parts, epoch } = self;
        f.debug_struct("Memory")
            .field("parts", &parts.len())
            .field("epoch", epoch)
            .finish_non_exhaustive()
    }
}

fn lock<T>(part: &Mutex<Part<T>>) -> MutexGuard<'_, Part<T>> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(most: usize) -> Memory<u64> {
        Memory::new(most).unwrap()
    }

    fn name(memory: &Memory<u64>, token: u64) -> Fingerprint {
        memory.fingerprint(&[0], &token.to_le_bytes())
    }

    #[test]
    fn a_flood_of_tokens_stays_within_the_bound() {
        let memory = memory(1024);
        for token in 0..10_000 {
            memory.remember(name(&memory, token), token, memory.epoch());
            assert!(memory.len() <= 1024);
        }
        assert!(memory.len() >= 512, "{}", memory.len());
        let recalled = memory.recall(&name(&memory, 9_999));
        assert_eq!(recalled, Some(9_999));
        assert_eq!(memory.recall(&name(&memory, 0)), None);
    }

    #[test]
    fn who_comes_again_stays_while_strangers_pass() {
        let memory = memory(1024);
        let regular = name(&memory, 7);
        memory.remember(regular, 7, memory.epoch());
        for token in 100..10_000 {
            memory.remember(name(&memory, token), token, memory.epoch());
            assert_eq!(memory.recall(&regular), Some(7), "{token}");
        }
    }

    #[test]
    fn a_name_is_of_the_token_and_of_who_may_have_issued_it() {
        let memory = memory(16);
        let names = [
            memory.fingerprint(&[], b"token"),
            memory.fingerprint(&[0], b"token"),
            memory.fingerprint(&[1], b"token"),
            memory.fingerprint(&[0, 1], b"token"),
            memory.fingerprint(&[0], b"tokem"),
            memory.fingerprint(&[], &[&0_usize.to_le_bytes()[..], b"token"].concat()),
            Memory::<u64>::new(16).unwrap().fingerprint(&[0], b"token"),
        ];
        for (place, one) in names.iter().enumerate() {
            assert!(names.iter().skip(place + 1).all(|other| one != other), "{place}");
        }
        assert_eq!(memory.fingerprint(&[0], b"token"), names[1]);
    }

    #[test]
    fn what_is_forgotten_is_gone_from_both_generations() {
        let memory = memory(1024);
        for token in 0..600 {
            memory.remember(name(&memory, token), token, memory.epoch());
        }
        let before = memory.len();
        let forgotten = memory.forget(|token| token % 2 == 0);
        assert!(forgotten > 0 && memory.len() == before - forgotten);
        for token in 0..600 {
            let recalled = memory.recall(&name(&memory, token));
            assert!(token % 2 == 1 || recalled.is_none(), "{token}");
        }
    }

    #[test]
    fn a_verification_that_began_before_a_revocation_does_not_bring_the_token_back() {
        let memory = memory(1024);
        let epoch = memory.epoch();
        memory.forget(|_| true);
        memory.remember(name(&memory, 1), 1, epoch);
        assert_eq!(memory.recall(&name(&memory, 1)), None);
        memory.remember(name(&memory, 1), 1, memory.epoch());
        assert_eq!(memory.recall(&name(&memory, 1)), Some(1));
        memory.drop_one(&name(&memory, 1));
        assert_eq!(memory.recall(&name(&memory, 1)), None);
    }
}
