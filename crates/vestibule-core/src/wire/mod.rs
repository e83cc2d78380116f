//! Bytes: one head, one frame at a time, everything bounded. Nothing here knows who is asking.

pub mod head;

pub mod upgrade;

pub mod answer;
pub mod body;
pub mod deflate;

pub mod request;

pub mod close;
pub mod first;
pub mod frame;

mod cookie;
pub(crate) mod json;
mod query;
mod token;

pub(crate) use self::{
    cookie::pairs as cookie_pairs,
    query::{Query, nibble},
    token::is_token68,
};
