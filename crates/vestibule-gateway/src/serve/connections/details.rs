//! What is shown of a connection.

use std::{net::IpAddr, sync::Arc};

use vestibule_core::{authn::Principal, policy::Carrier, time::UnixTime};

use super::ConnectionName;
use crate::config::Route;

/// A live connection, as it was when its worker was asked. Holds no credential.
#[derive(Clone, Debug)]
pub struct Details {
    /// Its name.
    pub id: ConnectionName,
    /// Who is connected.
    pub principal: Arc<Principal>,
    /// Where the credential travelled.
    pub carrier: Carrier,
    /// What was asked for.
    pub route: Arc<Route>,
    /// The address that counts.
    pub peer: IpAddr,
    /// The page behind it, as it called itself.
    pub origin: Option<Box<str>>,
    /// When it was let in.
    pub since: UnixTime,
    /// When its lease ends; `None` where it is being closed.
    pub lease_ends: Option<UnixTime>,
    /// Whether a second proof was asked for, and shown.
    pub second: Second,
    /// Bytes written to the client.
    pub to_client: u64,
    /// Bytes written to the upstream.
    pub to_upstream: u64,
}

/// How far a second proof is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Second {
    /// Nobody asked for one.
    Unasked,
    /// It is owed until then.
    Owed(UnixTime),
    /// It was shown at this time.
    Shown(UnixTime),
}
