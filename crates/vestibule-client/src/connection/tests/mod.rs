//! The client against scripted servers, in memory and on tokio's paused clock: a bound can be seen
//! without waiting for it.

mod challenge;
mod hostile;
mod keeping;
mod presenting;
mod queueing;
mod rig;
mod secrets;
