//! From admission to the relay: the upstream is dialled, answers, and becomes a tunnel only after
//! its valid 101.

use std::{io, rc::Rc, str, sync::Arc};

use tokio::time::{timeout, timeout_at};
use tracing::warn;
use vestibule_core::{
    authn::{ConnectionId, Mechanism, Revoked, message::Introduction},
    handshake::{self, Admission, Manner},
    limits,
    policy::RoutePolicy,
    rejection::Rejection,
    relay::{Extensions, Reserved},
    session::Session,
    time::Now,
    wire::{
        answer::Answer,
        body::Body,
        deflate,
        request::UpstreamRequest,
        upgrade::{self, Upgrade},
    },
};

use super::{
    Link, Socket, identity,
    line::{Guest, Upgraded},
    refuse,
};
use crate::{
    config::{Compression, Sessions, Upstream},
    dial::{self, Answered},
    drive::{Control, Opened},
    relay::{Pair, Wire, masked},
    serve::connections::ConnectionName,
};

/// Dials, and hands both sockets to the relay.
pub(super) async fn open(
    mut guest: Box<Guest>,
    admission: Admission,
    id: ConnectionId,
    upgraded: Upgraded,
) {
    let shared = Arc::clone(&guest.worker.shared);
    let route = Arc::clone(&guest.request.route);
    let name = shared.name(id);
    let asked = Asked::of(&guest, &admission, name, upgraded, shared.clock.now());
    let write = |upstream: &Upstream, key: [u8; 16]| asked.request(&guest, upstream, key);
    let dialled = dial::dial(&admission, &shared.dialler, &route, guest.link.seat(), write);
    let ends = guest.worker.instant(admission.lease_ends());
    let answered = match timeout_at(ends, dialled).await {
        Ok(Ok(answered)) => answered,
        Err(_) => return fail(guest, Rejection::TokenExpired, &admission, upgraded).await,
        Ok(Err(error)) => {
            let rejection = error.rejection();
            warn!(connection = %name, route = route.name(), error = %error, "no upstream");
            return fail(guest, rejection, &admission, upgraded).await;
        }
    };
    let head = &answered.head;
    let answer = Answer::of(head, &answered.key, &asked.subprotocols, asked.extensions.as_deref());
    let answer = answer.and_then(|answer| agreed(answer, guest.reserved()));
    // Where it is so already, a client that waits for its 101 can be told in HTTP.
    if shared.is_revoked(admission.principal()) == Revoked::Yes {
        return fail(guest, Rejection::TokenRevoked, &admission, upgraded).await;
    }
    match (answer, upgraded) {
        (Ok(Answer::Switching { subprotocol, extensions, fields }), Upgraded::NotYet) => {
            let subprotocol = subprotocol.as_deref().or_else(|| guest.marker());
            let key = &guest.request.upgrade.key;
            let bytes = upgrade::switching_with(key, subprotocol, extensions.as_deref(), &fields);
            if guest.link.write(&bytes).await.is_ok() {
                let extensions = match extensions {
                    Some(_) => Extensions::Agreed,
                    None => Extensions::None,
                };
                relay(guest, answered, admission, id, extensions).await;
            }
        }
        (Ok(Answer::Switching { subprotocol, .. }), Upgraded::Yes) => {
            if subprotocol.as_deref() == guest.promised() {
                return relay(guest, answered, admission, id, Extensions::None).await;
            }
            warn!(
                connection = %name,
                route = route.name(),
                promised = guest.promised(),
                chosen = subprotocol.as_deref(),
                "the upstream chose another subprotocol than the client was promised; \
                 name the upstream's in the route's `subprotocols`"
            );
            fail(guest, Rejection::UpstreamInvalid, &admission, upgraded).await;
        }
        (Ok(Answer::Other { head, body }), Upgraded::NotYet) => {
            guest.worker.refused(guest.seen(), Rejection::UpstreamRefused);
            forward(guest.link, answered.link, &head, body).await;
        }
        (Ok(Answer::Other { .. }), Upgraded::Yes) => {
            let status = answered.head.status();
            warn!(connection = %name, route = route.name(), status, "the upstream refused");
            fail(guest, Rejection::UpstreamRefused, &admission, upgraded).await;
        }
        (Err(rejection), _) => {
            let reason = rejection.label();
            warn!(connection = %name, route = route.name(), reason, "invalid upstream answer");
            fail(guest, rejection, &admission, upgraded).await;
        }
    }
}

/// What the upstream is asked, whichever address answers.
struct Asked {
    identity: Vec<(&'static str, String)>,
    subprotocols: Vec<Box<str>>,
    extensions: Option<Vec<u8>>,
}

impl Asked {
    fn of(
        guest: &Guest,
        admission: &Admission,
        name: ConnectionName,
        upgraded: Upgraded,
        now: Now,
    ) -> Self {
        let route = &guest.request.route;
        let signer = &guest.worker.shared.signer;
        let identity = identity::fields(route, admission.principal(), name, signer, now.wall);
        let (subprotocols, extensions) = match upgraded {
            // The client was promised one already, and no extension.
            Upgraded::Yes => (guest.promised().map(Into::into).into_iter().collect(), None),
            Upgraded::NotYet => {
                let extensions = match route.compression {
                    Compression::Off => None,
                    Compression::Auto => offered(&guest.request.upgrade, guest.reserved()),
                };
                (guest.request.presented.subprotocols.clone(), extensions)
            }
        };
        Self { identity, subprotocols, extensions }
    }

    fn request(&self, guest: &Guest, upstream: &Upstream, key: [u8; 16]) -> Vec<u8> {
        let request = &guest.request;
        UpstreamRequest {
            head: &request.head,
            policy: guest.policy(),
            presented: &request.presented,
            forwarded: &request.forwarded,
            upstream_path: &upstream.path,
            upstream_host: upstream.authority(),
            key,
            subprotocols: &self.subprotocols,
            extensions: self.extensions.as_deref(),
            identity: &self.identity,
        }
        .render()
    }
}

/// What the upstream is offered of the client's extensions: where messages are the gateway's, those
/// under which it can read them.
fn offered(upgrade: &Upgrade, reserved: Reserved) -> Option<Vec<u8>> {
    let extensions = upgrade.extensions.as_deref()?;
    match reserved {
        Reserved::No => Some(extensions.to_vec()),
        Reserved::Yes => deflate::offers(extensions),
        // Never asked: the gateway has answered the client.
        Reserved::Every { .. } => None,
    }
}

/// The answer as the client gets it: under the extensions that the upstream agreed to, its messages
/// must be readable where some are the gateway's.
fn agreed(answer: Answer, reserved: Reserved) -> Result<Answer, Rejection> {
    Ok(match (answer, reserved) {
        (
            Answer::Switching { subprotocol, extensions: Some(extensions), fields },
            Reserved::Yes,
        ) => {
            let extensions = Some(deflate::answer(&extensions)?);
            Answer::Switching { subprotocol, extensions, fields }
        }
        (answer, Reserved::Yes | Reserved::No | Reserved::Every { .. }) => answer,
    })
}

/// Hands both sockets to the relay of this thread, unless the principal was revoked since it was
/// let in. Nothing may be awaited between that look and the moment when the relay has them: from then
/// on a sweep finds the connection.
async fn relay(
    mut guest: Box<Guest>,
    answered: Answered,
    admission: Admission,
    id: ConnectionId,
    extensions: Extensions,
) {
    let admission = in_session(&mut guest, admission).await;
    if guest.worker.shared.is_revoked(admission.principal()) == Revoked::Yes {
        return fail(guest, Rejection::TokenRevoked, &admission, Upgraded::Yes).await;
    }
    let first = admission.data().map(masked).transpose();
    let Ok(upstream_first) = first.map(Option::unwrap_or_default) else {
        return fail(guest, Rejection::Internal, &admission, Upgraded::Yes).await;
    };
    let reserved = guest.reserved();
    let origin = guest.request.origin().map(Into::into);
    let (stage, shown) = (guest.stage(), guest.shown());
    let Guest { link, request, worker, place, client, channel: _, accepted: _, granted, standing } =
        *guest;
    drop(place);
    let route = request.route;
    let name = worker.shared.name(id);
    let now = worker.shared.clock.now();
    let idle = route.policy.idle_timeout;
    let carrier = admission.carrier();
    let opened =
        Opened { id, carrier, peer: client, origin, stage, shown, route: Arc::clone(&route) };
    let seat = link.seat().clone();
    let (client, client_read) = side(link);
    let (upstream, upstream_read) = side(answered.link);
    let pair = Pair {
        client,
        upstream,
        client_read,
        upstream_read,
        upstream_first,
        reserved,
        extensions,
        idle,
    };
    let name = name.to_string();
    let token = granted.as_ref().and_then(|granted| str::from_utf8(granted.token.expose()).ok());
    let introduction = Introduction { connection: Some(&name), session: token };
    let session = Session::open(admission, introduction, &route.policy, now);
    let control = Control::new(session, opened, Rc::clone(&worker), now);
    let key = worker.relay.open(seat, pair, control, now);
    worker.opened(id, key);
    if let Some(standing) = standing {
        worker.shared.rechecks.enter(id, *standing);
    }
}

/// Opens a session for a client that will be told of it, where the route hands sessions out. Without
/// one it is let in all the same: it has a credential.
async fn in_session(guest: &mut Guest, admission: Admission) -> Admission {
    let route = Arc::clone(&guest.request.route);
    let shared = &guest.worker.shared;
    let wanted = match (route.sessions, admission.principal().mechanism) {
        (Sessions::Off, _) | (Sessions::Issue, Mechanism::Session) => false,
        // It would outlive the certificate, and be good without its key.
        (Sessions::Issue | Sessions::Rotate, Mechanism::External) => false,
        (Sessions::Issue | Sessions::Rotate, _) => admission.is_told(&route.policy),
    };
    if let (None, true, Some(identities)) = (&guest.granted, wanted, &shared.kept.identities) {
        let now = shared.clock.now().wall;
        let granting = identities.sessions.grant(admission.principal(), &route.binding, now);
        match Box::pin(granting).await {
            Ok(granted) => guest.granted = Some(granted),
            Err(error) => warn!(route = route.name(), %error, "no session token"),
        }
    }
    match &guest.granted {
        Some(granted) => admission.in_session(&granted.session),
        None => admission,
    }
}

/// What the relay gets of a side, and what was read from it already.
fn side(link: Link) -> (Wire, Vec<u8>) {
    let (socket, read) = link.into_parts();
    let (socket, connection) = match socket {
        Socket::Plain(socket) => return (Wire::Plain(socket.into_socket()), read),
        Socket::Tls(stream) => match *stream {
            tokio_rustls::TlsStream::Client(stream) => {
                let (socket, connection) = stream.into_inner();
                (socket, connection.into())
            }
            tokio_rustls::TlsStream::Server(stream) => {
                let (socket, connection) = stream.into_inner();
                (socket, connection.into())
            }
        },
    };
    (Wire::Tls(socket.into_socket(), Box::new(connection)), read)
}

/// Passes an answer that is no 101 on: the client asked in HTTP, and is answered in HTTP.
async fn forward(mut client: Link, mut upstream: Link, head: &[u8], body: Body) {
    let copied = async {
        client.write(head).await?;
        let mut reader = body.reader();
        while !reader.is_over() {
            if upstream.buffer.is_empty() && upstream.fill().await? == 0 {
                break;
            }
            let count = reader.take(&upstream.buffer).map_err(io::Error::other)?;
            client.write(upstream.buffer.get(..count).unwrap_or_default()).await?;
            upstream.consume(count);
        }
        io::Result::Ok(())
    };
    if let Ok(Ok(())) = timeout(limits::DIAL_TIMEOUT, copied).await {
        client.finish(&[]).await;
    }
}

/// Ends a connection that was let in, and has nothing behind it.
async fn fail(guest: Box<Guest>, rejection: Rejection, admission: &Admission, upgraded: Upgraded) {
    guest.worker.refused(guest.seen(), rejection);
    match upgraded {
        Upgraded::Yes => refuse::close(guest, rejection).await,
        Upgraded::NotYet => {
            let manner = manner(rejection, admission, guest.policy());
            refuse::handshake(guest, rejection, manner).await;
        }
    }
}

fn manner(rejection: Rejection, admission: &Admission, policy: &RoutePolicy) -> Manner {
    handshake::manner(rejection, Some(admission.origin()), policy.reject)
}
