//! The machine against the vectors, and against whatever order things can happen in.

mod orders;
mod vectors;
