//! Between the session machine and the world: one clock, and the hands that carry out effects.

pub mod clock;
pub mod control;
pub mod stage;

pub use clock::Clock;
pub use control::{Control, Opened, Signal};
pub use stage::Stage;
