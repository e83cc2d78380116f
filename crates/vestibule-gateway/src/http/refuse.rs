//! How a no is said.

use vestibule_core::{
    handshake::Manner,
    policy::carrier,
    rejection::Rejection,
    wire::{
        close::Close,
        frame::{self, Opcode},
        head::RequestHead,
        upgrade::{self, Challenges, Upgrade},
    },
};

use super::{Link, line::Guest};
use crate::{config::Route, serve::Worker};

/// By an HTTP answer, to somebody of whom no more is known.
pub(super) async fn flatly(link: Link, rejection: Rejection) {
    link.finish(&upgrade::refusal(rejection, None, &Challenges::BEARER)).await;
}

/// By an HTTP answer, to a request for a route: which says how to authenticate there.
async fn plainly(
    link: Link,
    rejection: Rejection,
    (head, route): (&RequestHead, &Route),
    worker: &Worker,
) {
    let nonce = worker.shared.dpop_nonce();
    let challenges = carrier::challenges(head, &route.policy, &nonce);
    link.finish(&upgrade::refusal(rejection, None, &challenges)).await;
}

/// By an HTTP answer; or, where a script is to read it, by a Close after the upgrade.
pub(super) async fn handshake(guest: Box<Guest>, rejection: Rejection, manner: Manner) {
    match manner {
        Manner::Http => {
            let Guest { link, request, worker, .. } = *guest;
            plainly(link, rejection, (&request.head, &request.route), &worker).await;
        }
        Manner::Close => {
            let request = &guest.request;
            // One that the upstream does not know will do: nothing is said in it.
            let echo = || carrier::echo(&request.upgrade.protocols);
            let subprotocol = guest.promised().or_else(echo);
            let bytes = accept_and_close(&request.upgrade, subprotocol, &request.route, rejection);
            guest.link.finish(&bytes).await;
        }
    }
}

/// The same for a request whose credentials were not understood, and which may not be for any route.
/// Only a handshake can be answered by a Close.
pub(super) async fn early(
    link: Link,
    rejection: Rejection,
    (head, route): (&RequestHead, Option<&Route>),
    accepting: Option<&Upgrade>,
    worker: &Worker,
) {
    match (route, accepting) {
        (None, _) => flatly(link, rejection).await,
        (Some(route), None) => plainly(link, rejection, (head, route), worker).await,
        (Some(route), Some(upgrade)) => {
            // A browser fails a handshake that names none of the subprotocols it offered, and its
            // script would see 1006.
            let subprotocol = carrier::echo(&upgrade.protocols);
            let bytes = accept_and_close(upgrade, subprotocol, route, rejection);
            link.finish(&bytes).await;
        }
    }
}

/// By a Close, to a client that has its 101.
pub(super) async fn close(guest: Box<Guest>, rejection: Rejection) {
    let mut bytes = Vec::new();
    close_frame(&guest.request.route, rejection, &mut bytes);
    guest.link.finish(&bytes).await;
}

fn accept_and_close(
    upgrade: &Upgrade,
    subprotocol: Option<&str>,
    route: &Route,
    rejection: Rejection,
) -> Vec<u8> {
    let mut bytes = upgrade::switching(&upgrade.key, subprotocol, None);
    close_frame(route, rejection, &mut bytes);
    bytes
}

fn close_frame(route: &Route, rejection: Rejection, bytes: &mut Vec<u8>) {
    let close = Close::of(rejection, None).mapped(&route.policy.close_codes);
    frame::encode_server(Opcode::Close, &close.payload(), bytes);
}
