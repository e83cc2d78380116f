//! A small client of the admin API.

use std::{fmt, net::SocketAddr};

use http::Method;
use serde_json::Value;
use zeroize::Zeroizing;

pub(super) use crate::ops::admin::{Failure, encode};
use crate::{
    cli::{CommandError, Exit, start},
    ops::admin::exchange,
};

/// The admin API of one gateway.
pub(super) struct Api {
    address: SocketAddr,
    token: Zeroizing<String>,
    user: Option<String>,
    runtime: tokio::runtime::Runtime,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Api {
    /// Whoever listens everywhere listens here.
    pub(super) fn new(
        mut address: SocketAddr,
        token: Zeroizing<String>,
        user: Option<String>,
    ) -> Result<Self, CommandError> {
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        Ok(Self { address, token, user, runtime: start::runtime()? })
    }

    /// Asks, and waits for the answer; null where it has no body.
    pub(super) fn ask(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let user = self.user.as_deref();
        self.runtime.block_on(exchange(self.address, (&self.token, user), (method, path, body)))
    }

    /// What a failure means for the command.
    pub(super) fn failed(&self, failure: Failure) -> CommandError {
        let address = self.address;
        match failure {
            Failure::NotRunning => {
                CommandError::Other(format!("no gateway runs at http://{address}"))
            }
            Failure::Transport(text) => CommandError::Other(format!("http://{address}: {text}")),
            Failure::Refused(400..=499, text) => CommandError::Refused(text),
            Failure::Refused(_, text) => CommandError::Other(text),
        }
    }
}

/// The exit of a command that the gateway has carried out.
pub(super) const DONE: Exit = Exit::Fine;
