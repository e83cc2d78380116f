//! The driver of the line in `vestibule_core::handshake`: it reads, asks, writes and waits, and
//! decides nothing.

use std::{net::IpAddr, rc::Rc};

use tokio::time::timeout_at;
use vestibule_authority::{Scene, Standing, sessions::Granted};
use vestibule_core::{
    authn::{ConnectionId, Mechanism},
    handshake::{self, Admission, Manner, NeedsMessage, NeedsResponse, Refusal, Step},
    policy::{Certificate, Channel, RoutePolicy, origin::OriginAllowed},
    rejection::Rejection,
    relay::Reserved,
    time::{Mono, Now},
    wire::{
        first::{Event, FirstMessage},
        frame::{self, Opcode},
        upgrade,
    },
};
use vestibule_verify::{jwt::CertificateHash, scram::TlsExporter};
use zeroize::Zeroizing;

use super::{Link, front::Request, refuse, tunnel};
use crate::{
    drive::Stage,
    serve::{Answered, Asking, Place, Purpose, Seen, Worker},
};

/// Somebody at the door, and what is needed to deal with them.
#[derive(Debug)]
pub struct Guest {
    /// The socket.
    pub link: Link,
    /// What was asked.
    pub request: Request,
    /// Where it is dealt with.
    pub worker: Rc<Worker>,
    /// The place among those who wait.
    pub place: Place,
    /// The address that counts.
    pub client: IpAddr,
    /// What its connection proves.
    pub channel: Channel,
    /// When its socket was accepted.
    pub accepted: Mono,
    /// The session token that it will be told.
    pub granted: Option<Granted>,
    /// What is kept of its credential, where its issuer is asked about it again.
    pub standing: Option<Box<Standing>>,
}

/// Whether the client has its 101.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgraded {
    /// It waits for the answer to its handshake.
    NotYet,
    /// It was answered by the gateway, before the upstream was asked.
    Yes,
}

impl Guest {
    /// The rules of the route.
    pub fn policy(&self) -> &RoutePolicy {
        &self.request.route.policy
    }

    /// The subprotocol with which the gateway answers on its own: the first one offered that the
    /// route knows, or the first one offered where the route names none.
    pub fn promised(&self) -> Option<&str> {
        let known = &self.policy().subprotocols;
        let offered = &self.request.presented.subprotocols;
        offered.iter().find(|name| known.is_empty() || known.contains(name)).map(AsRef::as_ref)
    }

    /// What the client is answered where the upstream names no subprotocol: the marker that a
    /// client sent beside its token, which it expects back.
    pub fn marker(&self) -> Option<&str> {
        self.request.presented.marker.as_deref()
    }

    /// Whether control messages are the gateway's on this connection, before any extension.
    pub fn reserved(&self) -> Reserved {
        self.request.route.reserved()
    }

    /// What is known about it, for a line in the log.
    pub fn seen(&self) -> Seen<'_> {
        Seen { route: Some(&self.request.route), peer: self.client, origin: self.request.origin() }
    }

    /// What it signs where it is asked to; the host as it was asked for.
    fn scene<'a>(&'a self, host: &'a str) -> Option<Scene<'a>> {
        let Request { head, forwarded, .. } = &self.request;
        let origin = head.all("origin").next().map(str::from_utf8).transpose().ok()?;
        let (path, transport, exporter) = (head.path().ok()?, forwarded.transport, self.exporter());
        Some(Scene { transport, host, path, origin, peer: self.client, exporter })
    }

    /// What of that must be kept while it is connected.
    pub(super) fn stage(&self) -> Option<Stage> {
        if !self.request.route.asks_back() {
            return None;
        }
        let host = self.request.forwarded.host.to_string();
        self.scene(&host).map(Stage::of)
    }

    /// What a token may be bound to.
    pub(super) fn shown(&self) -> Option<CertificateHash> {
        self.certificate().map(CertificateHash::of)
    }

    /// What binds an exchange to the connection, where that is offered.
    fn exporter(&self) -> Option<TlsExporter> {
        let plus = Mechanism::ScramSha256Plus;
        let is_offered = self.policy().knows(plus) && self.channel.offers(plus);
        if is_offered { self.link.exporter() } else { None }
    }

    /// The client's certificate, where it has shown one.
    fn certificate(&self) -> Option<&[u8]> {
        match self.channel.certificate {
            Certificate::Verified => self.link.certificate(),
            Certificate::Absent => None,
        }
    }

    async fn upgrade(&mut self) -> Result<(), Stop> {
        let subprotocol = self.promised().or_else(|| self.marker());
        let answer = upgrade::switching(&self.request.upgrade.key, subprotocol, None);
        self.link.write(&answer).await.map_err(|_| Stop::Gone)
    }

    async fn say(&mut self, text: Option<String>) -> Result<(), Stop> {
        let Some(text) = text else { return Ok(()) };
        let mut bytes = Vec::new();
        frame::encode_server(Opcode::Text, text.as_bytes(), &mut bytes);
        self.link.write(&bytes).await.map_err(|_| Stop::Gone)
    }
}

/// Why there will be no message.
enum Stop {
    /// The socket ended.
    Gone,
    /// The client closed properly.
    Left,
    /// What came is no message.
    Broken(Rejection),
}

/// Walks the line to its end.
pub async fn walk(mut guest: Box<Guest>, origin: OriginAllowed) {
    let id = guest.worker.shared.next_id();
    let credential = guest.request.presented.credential.take();
    let (channel, policy) = (guest.channel, guest.policy());
    let mut step = handshake::begin(id, origin, credential, channel, policy, guest.accepted);
    let mut upgraded = Upgraded::NotYet;
    let mut assembler = match guest.reserved() {
        Reserved::Every { most } => FirstMessage::up_to(most),
        Reserved::No | Reserved::Yes => FirstMessage::new(),
    };
    loop {
        step = match step {
            Step::Admit(admission) => return admit(guest, admission, id, upgraded).await,
            Step::Refuse(refusal) => return refused(guest, refusal, upgraded).await,
            Step::Verify(needs, question) => {
                let route = &guest.request.route;
                let deadline = needs.deadline();
                let told = needs.is_told(guest.policy());
                let purpose = if told { Purpose::Admission } else { Purpose::Other };
                let seen = guest.seen();
                let host = guest.request.forwarded.host.to_string();
                let scene = guest.scene(&host);
                let certificate = guest.certificate();
                let shown = guest.shown();
                let asking =
                    Asking { seen: &seen, route, deadline, purpose, scene, certificate, shown };
                let answering = guest.worker.answer(question, asking);
                let Answered { verdict, rotated, standing } = answering.await;
                guest.granted = rotated;
                guest.standing = standing;
                needs.resolve(verdict, guest.policy(), guest.worker.shared.clock.now())
            }
            Step::AwaitMessage(needs, say) => {
                let needs = Needs::Message(needs);
                match message(&mut guest, &mut assembler, &mut upgraded, needs, say).await {
                    Some(step) => step,
                    None => return,
                }
            }
            Step::AwaitResponse(needs, say) => {
                let needs = Needs::Response(needs);
                match message(&mut guest, &mut assembler, &mut upgraded, needs, Some(say)).await {
                    Some(step) => step,
                    None => return,
                }
            }
        };
    }
}

/// What a message is waited for by.
enum Needs {
    Message(NeedsMessage),
    Response(NeedsResponse),
}

impl Needs {
    fn deadline(&self) -> Mono {
        match self {
            Self::Message(needs) => needs.deadline(),
            Self::Response(needs) => needs.deadline(),
        }
    }

    fn receive(self, text: &[u8], policy: &RoutePolicy, now: Now) -> Step {
        match self {
            Self::Message(needs) => needs.receive(text, policy, now),
            Self::Response(needs) => needs.receive(text, policy, now),
        }
    }

    fn fail(self, rejection: Rejection) -> Step {
        match self {
            Self::Message(needs) => needs.fail(rejection),
            Self::Response(needs) => needs.fail(rejection),
        }
    }
}

/// Says what there is to say, waits for one message, and takes the next step; `None` where the client
/// left.
async fn message(
    guest: &mut Guest,
    assembler: &mut FirstMessage,
    upgraded: &mut Upgraded,
    needs: Needs,
    say: Option<String>,
) -> Option<Step> {
    if *upgraded == Upgraded::NotYet {
        guest.upgrade().await.ok()?;
    }
    *upgraded = Upgraded::Yes;
    guest.say(say).await.ok()?;
    let deadline = guest.worker.instant(needs.deadline());
    let worker = Rc::clone(&guest.worker);
    let received = tokio::select! {
        biased;
        () = worker.drains() => Err(Stop::Broken(Rejection::Draining)),
        received = timeout_at(deadline, receive(&mut guest.link, assembler)) => {
            received.unwrap_or(Err(Stop::Broken(Rejection::AuthTimeout)))
        }
    };
    match received {
        Ok(text) => Some(needs.receive(&text, guest.policy(), worker.shared.clock.now())),
        Err(Stop::Broken(rejection)) => Some(needs.fail(rejection)),
        Err(Stop::Gone | Stop::Left) => {
            worker.left(guest.seen());
            None
        }
    }
}

async fn receive(
    link: &mut Link,
    assembler: &mut FirstMessage,
) -> Result<Zeroizing<Vec<u8>>, Stop> {
    loop {
        // Of the pings that came together the last is answered (RFC 6455 section 5.5.3): a stranger
        // does not get a write for every few bytes.
        let mut ping = None;
        while !link.buffer.is_empty() {
            let (used, event) = assembler.push(&link.buffer).map_err(Stop::Broken)?;
            link.consume(used);
            match event {
                Some(Event::Message(text)) => {
                    answer(link, Opcode::Pong, ping).await?;
                    return Ok(text);
                }
                Some(Event::Ping(payload)) => ping = Some(payload),
                Some(Event::Close(code)) => {
                    let payload = code.map_or_else(Vec::new, |code| code.to_be_bytes().to_vec());
                    answer(link, Opcode::Close, Some(payload)).await?;
                    return Err(Stop::Left);
                }
                None if used == 0 => break,
                None => {}
            }
        }
        answer(link, Opcode::Pong, ping).await?;
        match link.fill().await {
            Ok(0) | Err(_) => return Err(Stop::Gone),
            Ok(_) => {}
        }
    }
}

async fn answer(link: &mut Link, opcode: Opcode, payload: Option<Vec<u8>>) -> Result<(), Stop> {
    let Some(payload) = payload else { return Ok(()) };
    let mut bytes = Vec::new();
    frame::encode_server(opcode, &payload, &mut bytes);
    link.write(&bytes).await.map_err(|_| Stop::Gone)
}

async fn refused(mut guest: Box<Guest>, refusal: Refusal, upgraded: Upgraded) {
    let Refusal { rejection, manner, say } = refusal;
    guest.worker.refused(guest.seen(), rejection);
    match (upgraded, manner) {
        (Upgraded::Yes, Manner::Close | Manner::Http) => {
            if guest.say(say).await.is_ok() {
                refuse::close(guest, rejection).await;
            }
        }
        (Upgraded::NotYet, manner) => refuse::handshake(guest, rejection, manner).await,
    }
}

async fn admit(guest: Box<Guest>, admission: Admission, id: ConnectionId, upgraded: Upgraded) {
    guest.worker.accepted(&guest.request.route, &admission);
    tunnel::open(guest, admission, id, upgraded).await;
}
