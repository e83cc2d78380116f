//! From an accepted socket to a request that was understood: TLS, the head, the route, the origin.

use std::{net::IpAddr, rc::Rc, sync::Arc};

use tokio::time::{timeout, timeout_at};
use tracing::{debug, info};
use vestibule_core::{
    handshake::{self, Manner},
    limits,
    policy::{
        Certificate, Channel, ChannelBinding, Host, RejectStyle,
        carrier::{self, Presented},
        forwarded::{self, Forwarded, Trust},
        origin::{Asked, OriginAllowed, Transport},
        route,
    },
    rejection::Rejection,
    time::Mono,
    wire::{head::RequestHead, upgrade::Upgrade},
};

use super::{
    Link, Socket,
    endpoints::{self, Endpoint},
    line::{self, Guest},
    refuse,
};
use crate::{
    config::Route,
    relay::Watched,
    serve::{Place, Seen, Whose, Worker},
};

/// A request for a route, from a page that may ask.
#[derive(Debug)]
pub struct Request {
    /// As it came.
    pub head: RequestHead,
    /// What the handshake says.
    pub upgrade: Upgrade,
    /// What it is for.
    pub route: Arc<Route>,
    /// Credentials, and what is left without them.
    pub presented: Presented,
    /// Who sent it, by way of whom.
    pub forwarded: Forwarded,
}

impl Request {
    /// The page behind it, as it calls itself, for logs.
    pub fn origin(&self) -> Option<&str> {
        origin(&self.head)
    }
}

/// For logs.
fn origin(head: &RequestHead) -> Option<&str> {
    let origin = std::str::from_utf8(head.all("origin").next()?).ok()?;
    origin.get(..origin.floor_char_boundary(limits::ORIGIN_SHOWN))
}

/// Why a request goes no further, and how far it was understood.
struct Stopped {
    rejection: Rejection,
    route: Option<Arc<Route>>,
    /// The origin was judged, and the handshake is one: it can be answered with a Close.
    understood: Option<(OriginAllowed, Upgrade)>,
}

impl From<Rejection> for Stopped {
    fn from(rejection: Rejection) -> Self {
        Self { rejection, route: None, understood: None }
    }
}

/// Drives one accepted connection to its admission or its end.
pub async fn drive(socket: Watched, peer: IpAddr, worker: Rc<Worker>) {
    let accepted = worker.shared.clock.now().mono;
    let deadline = accepted.after(limits::AUTH_DEADLINE);
    // Behind a proxy that is trusted, the address that counts is in the head.
    let whose = match worker.shared.trusts(peer) {
        Trust::Stranger => Whose::Client(peer),
        Trust::Proxy => Whose::Unknown,
    };
    let place = match worker.shared.wait(whose) {
        Ok(place) => place,
        // In the clear nobody would understand it, and a TLS handshake is more than somebody for
        // whom there is no place may cost.
        Err(rejection) if worker.shared.acceptor.is_some() => {
            return worker.refused(Seen::stranger(peer), rejection);
        }
        Err(rejection) => {
            let link = Link::new(Socket::Plain(socket));
            return turn_away(link, peer, rejection, &worker).await;
        }
    };
    let opened = timeout_at(worker.instant(deadline), secure(socket, peer, &worker)).await;
    let Ok(Some((mut link, transport))) = opened else { return };
    let mut arrival = Arrival { peer, transport, place, accepted };
    loop {
        let deadline = arrival.accepted.after(limits::AUTH_DEADLINE);
        let head = match read_head(&mut link, deadline, &worker).await {
            Ok(head) => head,
            Err(None) => return,
            Err(Some(rejection)) => {
                worker.refused(Seen::stranger(peer), rejection);
                return refuse::flatly(link, rejection).await;
            }
        };
        let Some(kept) = welcome(link, head, arrival, Rc::clone(&worker)).await else { return };
        let Some(next) = again(kept, peer, transport, whose, &worker).await else { return };
        (link, arrival) = next;
    }
}

/// Waits for another request on a connection that an endpoint has answered on. It takes a place of
/// its own: behind a proxy it may be another client's.
async fn again(
    mut link: Link,
    peer: IpAddr,
    transport: Transport,
    whose: Whose,
    worker: &Worker,
) -> Option<(Link, Arrival)> {
    let place = worker.shared.wait(whose).ok()?;
    if link.buffer.is_empty() {
        let patience = match whose {
            Whose::Client(_) => limits::AUTH_DEADLINE,
            Whose::Unknown => limits::ENDPOINT_IDLE,
        };
        let filled = tokio::select! {
            () = worker.drains() => return None,
            filled = timeout(patience, link.fill()) => filled,
        };
        match filled {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) | Err(_) => return None,
        }
    }
    let accepted = worker.shared.clock.now().mono;
    Some((link, Arrival { peer, transport, place, accepted }))
}

/// What is known before the head.
struct Arrival {
    peer: IpAddr,
    transport: Transport,
    place: Place,
    accepted: Mono,
}

/// Deals with one request. The link comes back where another request may follow.
async fn welcome(
    link: Link,
    head: RequestHead,
    arrival: Arrival,
    worker: Rc<Worker>,
) -> Option<Link> {
    let Arrival { peer, transport, place, accepted } = arrival;
    let trusts = |address| worker.shared.trusts(address);
    let forwarded = forwarded::read(&head, peer, transport, &trusts);
    let client = forwarded.client;
    let place = match place.of(client) {
        Ok(place) => place,
        Err(rejection) => {
            turn_away(link, client, rejection, &worker).await;
            return None;
        }
    };
    if let Some(endpoint) = Endpoint::of(&head, &worker.shared.config) {
        let deadline = accepted.after(limits::AUTH_DEADLINE);
        let serving = endpoints::serve(link, head, endpoint, &forwarded, deadline, &worker);
        // In a box, so that a handshake does not have to hold it.
        return Box::pin(serving).await;
    }
    let channel = channel(&link, worker.shared.trusts(peer));
    match understand(&head, &forwarded, channel, &worker) {
        Ok(Understood { upgrade, route, presented, origin }) => {
            let request = Request { head, upgrade, route, presented, forwarded };
            let (granted, standing) = (None, None);
            // In a box: each step of the line takes it over, and would copy it.
            let guest = Box::new(Guest {
                link,
                request,
                worker,
                place,
                client,
                channel,
                accepted,
                granted,
                standing,
            });
            line::walk(guest, origin).await;
        }
        Err(Stopped { rejection, route, understood }) => {
            let seen = Seen { route: route.as_deref(), peer: client, origin: origin(&head) };
            worker.refused(seen, rejection);
            let style = route.as_deref().map_or(RejectStyle::Http, |route| route.policy.reject);
            let judged = understood.as_ref().map(|(origin, _)| origin);
            let accepting = match handshake::manner(rejection, judged, style) {
                Manner::Http => None,
                Manner::Close => understood.as_ref().map(|(_, upgrade)| upgrade),
            };
            let asked = (&head, route.as_deref());
            refuse::early(link, rejection, asked, accepting, &worker).await;
        }
    }
    None
}

/// What the connection proves of the client. The certificate of a proxy that is trusted says who the
/// proxy is, and its TLS is not the client's.
fn channel(link: &Link, peer: Trust) -> Channel {
    match peer {
        Trust::Proxy => Channel::BARE,
        Trust::Stranger => Channel {
            certificate: match link.certificate() {
                Some(_) => Certificate::Verified,
                None => Certificate::Absent,
            },
            binding: match link.exporter() {
                Some(_) => ChannelBinding::TlsExporter,
                None => ChannelBinding::None,
            },
        },
    }
}

/// Refuses somebody for whom there is no place. Those are not counted, so that few are told why.
async fn turn_away(link: Link, peer: IpAddr, rejection: Rejection, worker: &Worker) {
    worker.refused(Seen::stranger(peer), rejection);
    if let Some(_leave) = worker.goodbye() {
        refuse::flatly(link, rejection).await;
    }
}

async fn secure(socket: Watched, peer: IpAddr, worker: &Worker) -> Option<(Link, Transport)> {
    let Some(acceptor) = &worker.shared.acceptor else {
        return Some((Link::new(Socket::Plain(socket)), Transport::Plain));
    };
    match acceptor.accept(socket).await {
        Ok(stream) => Some((Link::new(Socket::Tls(Box::new(stream.into()))), Transport::Tls)),
        Err(error) => {
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
            if let Some(
                rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented,
            ) = cause
            {
                info!(%peer, reason = %error, "client certificate refused");
            } else {
                debug!(%error, "TLS handshake failed");
            }
            None
        }
    }
}

/// Reads until the head is complete. `Err(None)`: the peer went away.
async fn read_head(
    link: &mut Link,
    deadline: Mono,
    worker: &Worker,
) -> Result<RequestHead, Option<Rejection>> {
    let deadline = worker.instant(deadline);
    // What came behind an earlier request may be a whole one.
    let mut fresh = true;
    loop {
        if link.buffer.is_empty() || !fresh {
            match timeout_at(deadline, link.fill()).await {
                Ok(Ok(0) | Err(_)) => return Err(None),
                Ok(Ok(_)) => {}
                Err(_) => return Err(Some(Rejection::AuthTimeout)),
            }
        }
        fresh = false;
        match RequestHead::read(&link.buffer) {
            Ok(Some((head, used))) => {
                link.consume(used);
                return Ok(head);
            }
            Ok(None) => {}
            Err(rejection) => return Err(Some(rejection)),
        }
    }
}

struct Understood {
    upgrade: Upgrade,
    route: Arc<Route>,
    presented: Presented,
    origin: OriginAllowed,
}

/// Everything that the head alone decides.
fn understand(
    head: &RequestHead,
    forwarded: &Forwarded,
    channel: Channel,
    worker: &Worker,
) -> Result<Understood, Stopped> {
    let path = head.path()?;
    let routes = worker.shared.config.routes.iter().map(|route| (&route.policy, route));
    let route = Arc::clone(route::choose(routes, &forwarded.host, path)?);
    let on_route =
        |rejection| Stopped { rejection, route: Some(Arc::clone(&route)), understood: None };
    let upgrade = Upgrade::of(head).map_err(on_route)?;
    let origin =
        check_origin(head, &forwarded.host, forwarded.transport, &route).map_err(on_route)?;
    match carrier::collect(head, &upgrade, &route.policy) {
        Ok(presented) => {
            let presented = presented.over(channel, &route.policy);
            Ok(Understood { upgrade, route, presented, origin })
        }
        Err(rejection) => {
            Err(Stopped { rejection, route: Some(route), understood: Some((origin, upgrade)) })
        }
    }
}

fn check_origin(
    head: &RequestHead,
    host: &Host,
    transport: Transport,
    route: &Route,
) -> Result<OriginAllowed, Rejection> {
    let origins: Vec<&[u8]> = head.all("origin").collect();
    let asked = Asked {
        origins: &origins,
        host,
        transport,
        fetch_mode: head.one("sec-fetch-mode")?,
        fetch_site: head.one("sec-fetch-site")?,
    };
    route.policy.origins.check(&asked)
}
