//! Nonces that need no memory (RFC 9449 section 8): a period of time and a keyed hash of it.

use core::{fmt, time::Duration};

use aws_lc_rs::{constant_time, hmac};
use vestibule_core::time::UnixTime;
use zeroize::Zeroize;

use crate::{encoding, limits};

/// What to think of the nonce in a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceIs {
    /// It is a fresh one of ours.
    Ours,
    /// None is asked for, and whatever is there is not looked at. Then proofs can be made in advance,
    /// by whoever can use the key for a moment.
    NotWanted,
    /// It is not there, not ours or too old.
    MissingOrOld,
}

impl NonceIs {
    /// Whether the nonce is the one challenge that this connection was given.
    pub fn compared(claimed: Option<&str>, challenge: &str) -> Self {
        let claimed = claimed.unwrap_or_default().as_bytes();
        // An empty challenge would be answered by no nonce at all.
        if challenge.is_empty() {
            return Self::MissingOrOld;
        }
        match constant_time::verify_slices_are_equal(claimed, challenge.as_bytes()) {
            Ok(()) => Self::Ours,
            Err(_) => Self::MissingOrOld,
        }
    }
}

/// Makes and knows nonces. Nodes with one secret know each other's.
pub struct Nonces {
    secret: hmac::Key,
}

impl Nonces {
    /// How long a nonce is given out. It counts for the period after that too.
    pub const PERIOD: Duration = limits::DPOP_NONCE_PERIOD;

    /// From a secret of its own.
    pub fn new(mut secret: [u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        secret.zeroize();
        Self { secret: key }
    }

    /// The nonce to give out now.
    pub fn current(&self, now: UnixTime) -> String {
        self.of(period(now))
    }

    /// Whether that is the nonce of this period or the last.
    pub fn judge(&self, claimed: Option<&str>, now: UnixTime) -> NonceIs {
        let Some(claimed) = claimed else { return NonceIs::MissingOrOld };
        let now = period(now);
        [now, now.saturating_sub(1)]
            .into_iter()
            .map(|period| NonceIs::compared(Some(claimed), &self.of(period)))
            .find(|nonce| *nonce == NonceIs::Ours)
            .unwrap_or(NonceIs::MissingOrOld)
    }

    fn of(&self, period: i64) -> String {
        let mut context = hmac::Context::with_key(&self.secret);
        context.update(b"vestibule dpop nonce\0");
        context.update(&period.to_be_bytes());
        encoding::to_base64url(context.sign().as_ref())
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").finish_non_exhaustive()
    }
}

fn period(now: UnixTime) -> i64 {
    let length = i64::try_from(Nonces::PERIOD.as_secs()).unwrap_or(i64::MAX);
    now.as_secs().div_euclid(length.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    #[test]
    fn a_nonce_counts_for_its_period_and_the_next() {
        let nonces = Nonces::new([1; 32]);
        let period = i64::try_from(Nonces::PERIOD.as_secs()).unwrap();
        let nonce = nonces.current(at(0));
        assert_eq!(nonces.current(at(period - 1)), nonce);
        assert_ne!(nonces.current(at(period)), nonce);
        for (when, is) in [
            (0, NonceIs::Ours),
            (2 * period - 1, NonceIs::Ours),
            (2 * period, NonceIs::MissingOrOld),
            (-1, NonceIs::MissingOrOld),
        ] {
            assert_eq!(nonces.judge(Some(&nonce), at(when)), is, "{when}");
        }
    }

    #[test]
    fn a_nonce_of_somebody_else_is_none() {
        let nonces = Nonces::new([1; 32]);
        let other = Nonces::new([2; 32]).current(at(0));
        for claimed in [None, Some(""), Some("x"), Some(other.as_str())] {
            assert_eq!(nonces.judge(claimed, at(0)), NonceIs::MissingOrOld, "{claimed:?}");
        }
        assert_eq!(NonceIs::compared(Some("abc"), "abc"), NonceIs::Ours);
        for (claimed, challenge) in [(None, ""), (Some(""), ""), (None, "abc"), (Some("ab"), "abc")]
        {
            assert_eq!(NonceIs::compared(claimed, challenge), NonceIs::MissingOrOld);
        }
    }
}
