//! x
pub mod limits;
pub mod machine;
