//! What is said about those at the door, in logs and metrics. Nothing that they sent is repeated
//! but the page's origin and their address.

use std::{net::IpAddr, rc::Rc};

use tracing::{debug, info};
use vestibule_core::{handshake::Admission, rejection::Rejection};
use vestibule_verify::Refused;

use super::Worker;
use crate::{config::Route, ops::metrics::Decision};

/// What is known about somebody at the door.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// What they asked for.
    pub route: Option<&'a Route>,
    /// The address that counts.
    pub peer: IpAddr,
    /// The page behind it, as it calls itself.
    pub origin: Option<&'a str>,
}

impl Seen<'_> {
    /// Of whom nothing but the address is known.
    pub fn stranger(peer: IpAddr) -> Self {
        Self { route: None, peer, origin: None }
    }

    fn route(&self) -> &str {
        self.route.map_or("", Route::name)
    }
}

impl Worker {
    /// Somebody was refused.
    pub fn refused(&self, seen: Seen<'_>, rejection: Rejection) {
        self.decided(seen.route, rejection.label());
        info!(
            route = seen.route(),
            peer = %seen.peer,
            origin = seen.origin,
            rejection = rejection.label(),
            status = rejection.answer().status,
            code = rejection.answer().code,
            "refused"
        );
    }

    /// A credential did not verify; `reason` is for the operator alone.
    pub fn doubted(&self, route: &Route, peer: IpAddr, refused: Refused) -> Rejection {
        let Refused { rejection, reason } = refused;
        info!(route = route.name(), %peer, rejection = rejection.label(), %reason, "credential refused");
        rejection
    }

    /// An endpoint has not done what was asked of it.
    pub fn endpoint_refused(&self, endpoint: &'static str, peer: IpAddr, reason: &'static str) {
        info!(endpoint, %peer, reason, "request refused");
    }

    /// Somebody was let in.
    pub fn accepted(self: &Rc<Self>, route: &Route, admission: &Admission) {
        self.decided(Some(route), "accepted");
        debug!(route = route.name(), carrier = admission.carrier().name(), "accepted");
    }

    /// Somebody went away before they were let in.
    pub fn left(&self, seen: Seen<'_>) {
        self.decided(seen.route, "left");
        info!(route = seen.route(), peer = %seen.peer, origin = seen.origin, "left before authentication");
    }

    fn decided(&self, route: Option<&Route>, outcome: &'static str) {
        let route = route.map_or("", Route::name).to_owned();
        self.shared.metrics.decisions.get_or_create(&Decision { route, outcome }).inc();
    }
}
