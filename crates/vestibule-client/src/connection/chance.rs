//! Jitter: random enough that clients do not come back together, and nothing more.

use rustls::crypto::aws_lc_rs;

/// A generator of numbers (`SplitMix64`).
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    /// From the system's randomness.
    pub(super) fn new() -> Self {
        let mut seed = [0; 8];
        // Without randomness all clients wait as long as they would without jitter of their own.
        drop(aws_lc_rs::default_provider().secure_random.fill(&mut seed));
        Self(u64::from_ne_bytes(seed))
    }

    /// From 0 up to, not including, 1.
    pub(super) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let high = u32::try_from(mixed >> 32).unwrap_or(u32::MAX);
        f64::from(high) / 4_294_967_296.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_spread_over_its_range() {
        let mut chance = Chance::new();
        let drawn: Vec<f64> = (0..4000).map(|_| chance.next()).collect();
        assert!(drawn.iter().all(|jitter| (0.0..1.0).contains(jitter)));
        let below = drawn.iter().filter(|jitter| **jitter < 0.25).count();
        assert!((800..1200).contains(&below), "{below} of 4000");
        assert_ne!(Chance::new().next().to_bits(), Chance::new().next().to_bits());
    }
}
