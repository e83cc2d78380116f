//! Between the session machine and the world: one clock, and the hands that carry out effects.

pub mod clock;

pub use clock::Clock;
