#![doc = include_str!("../README.md")]
// The map: `machine` decides, `auth` says who, `handshake` opens one socket, `connection` keeps one.

pub mod auth;
mod connection;
mod error;
pub mod handshake;
pub mod limits;
pub mod machine;

pub use self::{
    auth::{
        AskReason, Carrier, Credential, Provider, Request, Signature, Unavailable, api_key, bearer,
        certificate, cookie, dpop, public_key, scram, scram_plus, session, ticket,
    },
    connection::{Builder, Connection, Controller, Event, Message, Phase, Resend, Resume, connect},
    error::{Ended, Error},
    handshake::Text,
};
