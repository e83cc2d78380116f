//! What a hash costs.

use core::fmt;

use crate::limits;

/// How much memory and how many passes a hash takes. One lane: more of them would let whoever guesses
/// go faster than we do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    memory: u32,
    passes: u32,
}

/// Why that cannot be the cost of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostFault {
    /// Less memory than 19 MiB, or more than 1 GiB.
    Memory,
    /// Fewer passes than 2, or more than 64.
    Passes,
}

impl Cost {
    /// The least that is advised: 19 MiB, two passes (OWASP, Password Storage Cheat Sheet).
    pub const LEAST: Self =
        Self { memory: limits::PASSWORD_MEMORY_MIN, passes: limits::PASSWORD_PASSES_MIN };

    /// So much memory, in KiB, and so many passes over it.
    pub fn new(memory_kib: u32, passes: u32) -> Result<Self, CostFault> {
        if !(limits::PASSWORD_MEMORY_MIN..=limits::PASSWORD_MEMORY_MAX).contains(&memory_kib) {
            return Err(CostFault::Memory);
        }
        if !(limits::PASSWORD_PASSES_MIN..=limits::PASSWORD_PASSES_MAX).contains(&passes) {
            return Err(CostFault::Passes);
        }
        Ok(Self { memory: memory_kib, passes })
    }

    /// A cost below the least, for tests that hash much. Such hashes are guessed from in no time.
    #[must_use]
    pub fn dangerous_cheap() -> Self {
        Self { memory: 8, passes: 1 }
    }

    /// As it stands in a hash: whatever can be computed without harm counts.
    pub(super) fn of_hash(memory: u32, passes: u32) -> Option<Self> {
        let fits = (8..=limits::PASSWORD_MEMORY_MAX).contains(&memory)
            && (1..=limits::PASSWORD_PASSES_MAX).contains(&passes);
        fits.then_some(Self { memory, passes })
    }

    /// Memory, in KiB.
    pub fn memory_kib(self) -> u32 {
        self.memory
    }

    /// Passes over the memory.
    pub fn passes(self) -> u32 {
        self.passes
    }

    /// Whether it is less than `other` in either respect.
    pub fn is_weaker_than(self, other: Self) -> bool {
        self.memory < other.memory || self.passes < other.passes
    }

    /// The one of both that takes more memory.
    pub(super) fn max_memory(self, other: Self) -> Self {
        if self.memory < other.memory { other } else { self }
    }

    /// What is left of this cost after `spent`, in whole passes; `None` if less than one. Time grows
    /// with memory times passes.
    #[must_use]
    pub fn without(self, spent: Self) -> Option<Self> {
        let work = |cost: Self| u64::from(cost.memory).saturating_mul(u64::from(cost.passes));
        let passes = work(self).saturating_sub(work(spent)) / u64::from(self.memory.max(1));
        let passes = u32::try_from(passes).ok().filter(|passes| *passes > 0)?;
        Some(Self { memory: self.memory, passes })
    }
}

impl fmt::Display for CostFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "a hash takes from 19456 to 1048576 KiB of memory",
            Self::Passes => "a hash takes from 2 to 64 passes",
        })
    }
}

impl core::error::Error for CostFault {}
