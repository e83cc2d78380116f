//! The Rust client (`vestibule-client`) with the gateway: it signs in, stays, comes back, stops.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread,
};

use anyhow::{Context, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::{net::TcpStream, runtime, sync::oneshot, time::timeout};
use vestibule_client::{
    Builder, Carrier, Connection, Credential, Ended, Error, Event, Phase, Provider, Request,
    Unavailable,
    auth::Mechanism,
    handshake::{Address, Connecting, Connector, Duplex, Tls},
    machine::StopReason,
};
use vestibule_testkit::{Frame, GUARD, Message, Peer};

use crate::{
    admin,
    endpoint::ticket,
    rig::{Outcome, PAGE, Rig, binary},
    tls::secure,
};

const ALL: &str = "accept = [\"header\", \"message\", \"subprotocol\", \"cookie\"]\ncookie = \"session\"\n\
                   expiry_grace = \"0s\"\n";

/// A runtime that goes on while a test waits for the gateway or the upstream.
pub(crate) struct Background {
    pub(crate) runtime: runtime::Handle,
    _stop: oneshot::Sender<()>,
}

impl Background {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        thread::spawn(move || runtime.block_on(stopped));
        Ok(Self { runtime: handle, _stop: stop })
    }

    pub(crate) fn wait<T>(&self, what: impl Future<Output = T>) -> anyhow::Result<T> {
        self.runtime.block_on(async { timeout(GUARD, what).await }).context("the client hangs")
    }
}

/// The way to a gateway that has another port after each start.
#[derive(Clone, Debug)]
pub(crate) struct Way(pub(crate) Arc<Mutex<SocketAddr>>);

impl Connector for Way {
    fn connect<'a>(&'a self, _: &'a Address) -> Connecting<'a> {
        let to = *self.0.lock().unwrap();
        Box::pin(async move {
            let duplex: Box<dyn Duplex> = Box::new(TcpStream::connect(to).await?);
            Ok(duplex)
        })
    }
}

/// A provider of a test's own.
struct Tokens<F> {
    mechanism: Mechanism,
    next: F,
}

impl<F> Provider for Tokens<F>
where
    F: Fn(Request) -> anyhow::Result<String> + Send + Sync + 'static,
{
    async fn provide(&self, request: Request) -> Result<Credential, Unavailable> {
        let token = (self.next)(request).map_err(|_| Unavailable::ForNow)?;
        Ok(Credential::new(self.mechanism, token)?)
    }
}

/// A client, and what it was told and asked for.
pub(crate) struct Client {
    background: Background,
    connection: Connection,
    told: Arc<Mutex<Vec<String>>>,
    asked: Arc<Mutex<Vec<&'static str>>>,
    way: Way,
}

impl Client {
    /// With the token that the test has for each question.
    pub(crate) fn start(
        rig: &Rig,
        url: &str,
        token: impl Fn(Request) -> anyhow::Result<String> + Send + Sync + 'static,
        change: impl FnOnce(Builder) -> Builder,
    ) -> anyhow::Result<Self> {
        Self::with(Mechanism::Bearer, rig, url, token, change)
    }

    /// With credentials of that mechanism.
    fn with(
        mechanism: Mechanism,
        rig: &Rig,
        url: &str,
        token: impl Fn(Request) -> anyhow::Result<String> + Send + Sync + 'static,
        change: impl FnOnce(Builder) -> Builder,
    ) -> anyhow::Result<Self> {
        let background = Background::start()?;
        let way = Way(Arc::new(Mutex::new(rig.gateway.address())));
        let (told, asked) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (events, questions) = (Arc::clone(&told), Arc::clone(&asked));
        let provider = Tokens {
            mechanism,
            next: move |request: Request| {
                questions.lock().unwrap().push(request.reason.name());
                token(request)
            },
        };
        let builder = Builder::new(url, provider)?
            .connector(way.clone())
            .backoff(core::time::Duration::from_millis(20), core::time::Duration::from_millis(200))
            .on_event(move |event: &Event| events.lock().unwrap().push(format!("{event:?}")));
        let connection = {
            let _entered = background.runtime.enter();
            change(builder).start()?
        };
        Ok(Self { background, connection, told, asked, way })
    }

    fn opened(&mut self) -> anyhow::Result<Result<(), Ended>> {
        self.background.wait(self.connection.opened())
    }

    pub(crate) fn send(&mut self, text: &str) -> Outcome {
        Ok(self.background.wait(self.connection.send(text.into()))??)
    }

    /// Queues without waiting for a connection.
    fn feed(&mut self, text: &str) -> Outcome {
        Ok(self.connection.try_send(text)?)
    }

    fn hear(&mut self) -> anyhow::Result<String> {
        let message = self.background.wait(self.connection.next())?.context("it is over")??;
        Ok(message.as_text().unwrap_or_default().to_owned())
    }

    /// How it ended.
    fn end(&mut self) -> anyhow::Result<Ended> {
        let last = self.background.wait(self.connection.next())?;
        ensure!(!matches!(last, Some(Ok(_))), "a message: {last:?}");
        self.connection.ended().context("it goes on")
    }

    pub(crate) fn converse(&mut self, upstream: &mut Peer, text: &str) -> Outcome {
        self.send(text)?;
        upstream.expect_text(text)?;
        upstream.send_text(text)?;
        ensure!(self.hear()? == text, "another text");
        Ok(())
    }

    pub(crate) fn asked(&self) -> Vec<&'static str> {
        self.asked.lock().unwrap().clone()
    }

    fn was_told(&self, what: &str) -> bool {
        self.told.lock().unwrap().iter().any(|event| event.contains(what))
    }

    /// Waits until it was told that.
    pub(crate) fn told(&self, what: &str) -> Outcome {
        vestibule_testkit::eventually(what, || Ok(self.was_told(what)))
    }

    /// Closes from this side, and answers from the other.
    pub(crate) fn finish(mut self, upstream: &mut Peer) -> Outcome {
        self.connection.controller().close_with(1000, "done")?;
        let said = upstream.message()?;
        ensure!(said == Message::Close(1000, "done".to_owned()), "{said:?}");
        upstream.send_frame(&Frame::close(1000, ""))?;
        ensure!(self.end()?.reason() == StopReason::Closed);
        Ok(())
    }
}

pub(crate) const URL: &str = "ws://localhost/ws";

#[test]
fn it_signs_in_by_every_carrier() -> Outcome {
    let rig = Rig::new(ALL)?;
    for carrier in [
        Carrier::Message,
        Carrier::Header,
        Carrier::Subprotocol,
        Carrier::Cookie { name: "session".to_owned() },
    ] {
        let token = rig.token()?;
        let mut client = Client::start(
            &rig,
            URL,
            move |_| Ok(token.clone()),
            |builder| {
                let builder = builder.subprotocol("chat.v1").carrier(carrier.clone());
                match carrier {
                    Carrier::Cookie { .. } => builder.origin(PAGE.parse().unwrap()),
                    _ => builder,
                }
            },
        )?;
        let (mut upstream, head) = rig.upstream.switch("Sec-WebSocket-Protocol: chat.v1\r\n")?;
        ensure!(head.one("sec-websocket-protocol") == Some("chat.v1"), "{head}");
        client.opened()??;
        client.converse(&mut upstream, "hello")?;
        ensure!(client.connection.subprotocol().as_deref() == Some("chat.v1"));
        client.finish(&mut upstream)?;
    }
    Ok(())
}

#[test]
fn it_refreshes_over_the_same_connection_when_the_gateway_warns() -> Outcome {
    let rig = Rig::new(&format!("{ALL}expiry_warning = \"10m\"\n"))?;
    let tokens = [rig.issuer.token_for("alice", 4.0)?, rig.token()?];
    let choose =
        move |request: Request| Ok(tokens[usize::from(request.reason.name() == "refresh")].clone());
    let mut client = Client::start(&rig, URL, choose, |builder| builder)?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    client.told("Refreshed")?;
    client.converse(&mut upstream, "still here")?;
    assert_eq!(client.asked(), ["connect", "refresh"]);
    assert_eq!(rig.upstream.count(), 1);
    client.finish(&mut upstream)
}

#[test]
fn an_identity_that_changes_at_a_refresh_stops_it() -> Outcome {
    let rig = Rig::new(&format!("{ALL}expiry_warning = \"10m\"\n"))?;
    let tokens = [rig.issuer.token_for("alice", 4.0)?, rig.issuer.token("bob")?];
    let choose =
        move |request: Request| Ok(tokens[usize::from(request.reason.name() == "refresh")].clone());
    let mut client = Client::start(&rig, URL, choose, |builder| builder)?;
    let _upstream = rig.upstream.switch("")?;
    let ended = client.end()?;
    assert_eq!((ended.reason(), ended.error()), (StopReason::Refused, "identity_changed"));
    Ok(())
}

#[test]
fn a_lease_that_ends_is_followed_by_a_connection_with_a_fresh_token() -> Outcome {
    let rig = Rig::new("accept = [\"header\"]\nexpiry_grace = \"0s\"\n")?;
    let issuer = rig.issuer.token("alice")?;
    let short = rig.issuer.token_for("alice", 3.0)?;
    let choose = move |request: Request| {
        Ok(if request.reason.name() == "connect" { short.clone() } else { issuer.clone() })
    };
    let mut client = Client::start(&rig, URL, choose, |builder| builder.carrier(Carrier::Header))?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    client.converse(&mut upstream, "before")?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    client.converse(&mut upstream, "after")?;
    client.told("code: 4401, error: \"token_expired\"")?;
    assert_eq!(client.asked(), ["connect", "refused"]);
    client.finish(&mut upstream)
}

#[test]
fn a_forged_token_is_given_up_after_one_more_try() -> Outcome {
    let rig = Rig::new(ALL)?;
    for (carrier, status) in [(Carrier::Message, None), (Carrier::Header, Some(401))] {
        let forged = [rig.issuer.forged("mallory")?, rig.issuer.forged("mallory")?];
        let choose = move |request: Request| {
            Ok(forged[usize::from(request.reason.name() == "refused")].clone())
        };
        let mut client = Client::start(&rig, URL, choose, |builder| builder.carrier(carrier))?;
        let ended = client.end()?;
        assert_eq!((ended.reason(), ended.code()), (StopReason::CredentialRefused, 4401));
        assert_eq!(ended.error(), "invalid_token");
        assert_eq!(ended.refusal().map(|refusal| refusal.status().as_u16()), status);
        assert_eq!(client.asked(), ["connect", "refused"]);
    }
    rig.expect_undialled()
}

#[test]
fn a_gateway_that_starts_anew_loses_nothing_that_waited_and_doubles_nothing() -> Outcome {
    let mut rig = Rig::new(ALL)?;
    let token = rig.token()?;
    let mut client = Client::start(&rig, URL, move |_| Ok(token.clone()), |builder| builder)?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    client.converse(&mut upstream, "before")?;
    // Killed, not asked to go.
    rig.gateway.signal("-KILL")?;
    rig.gateway.wait()?;
    client.told("Reconnecting")?;
    for number in 0..100 {
        client.feed(&format!("while it was down {number}"))?;
    }
    assert_eq!(client.connection.phase(), Phase::Connecting);
    rig.gateway = rig.setup.start(binary())?;
    *client.way.0.lock().unwrap() = rig.gateway.address();
    let (mut upstream, _) = rig.upstream.switch("")?;
    for number in 0..100 {
        upstream.expect_text(&format!("while it was down {number}"))?;
    }
    client.converse(&mut upstream, "after")?;
    assert_eq!(client.asked().first(), Some(&"connect"));
    assert_eq!(client.asked().last(), Some(&"reconnect"));
    client.finish(&mut upstream)
}

#[test]
fn a_node_that_drains_is_left_for_another() -> Outcome {
    let mut rig = Rig::with(ALL, |setup| {
        // Two nodes at once, and a store in a file is of one.
        let setup = setup.server("workers = 2\ndrain = \"100ms\"");
        setup.table("[store]\nbackend = \"memory\"")
    })?;
    let token = rig.token()?;
    let mut client = Client::start(&rig, URL, move |_| Ok(token.clone()), |builder| builder)?;
    let (mut first, _) = rig.upstream.switch("")?;
    client.converse(&mut first, "on the first node")?;
    rig.gateway.terminate()?;
    client.told("code: 1001, error: \"draining\"")?;
    drop(first);
    assert_eq!(rig.gateway.wait()?.code(), Some(0));
    // They share a store, which one process has at a time.
    rig.gateway = rig.setup.start(binary())?;
    *client.way.0.lock().unwrap() = rig.gateway.address();
    let (mut upstream, _) = rig.upstream.switch("")?;
    client.converse(&mut upstream, "on the second")?;
    assert_eq!(client.asked().get(..2), Some(&["connect", "reconnect"][..]));
    client.finish(&mut upstream)
}

#[test]
fn who_was_logged_out_stays_out() -> Outcome {
    let rig = Rig::new(ALL)?;
    let token = rig.token()?;
    let mut client = Client::start(
        &rig,
        URL,
        move |_| Ok(token.clone()),
        |builder| builder.carrier(Carrier::Header),
    )?;
    let _upstream = rig.upstream.switch("")?;
    // With this carrier the application may say it itself, so that the end comes from the gateway.
    client.send(r#"{"auth":{"type":"logout"}}"#)?;
    let ended = client.end()?;
    assert_eq!((ended.reason(), ended.code()), (StopReason::Revoked, 4410));
    assert_eq!((ended.error(), client.asked()), ("logged_out", vec!["connect"]));
    assert!(matches!(client.feed("more"), Err(error) if error.is::<Error>()));

    let token = rig.token()?;
    let mut client = Client::start(&rig, URL, move |_| Ok(token.clone()), |builder| builder)?;
    let _upstream = rig.upstream.switch("")?;
    client.opened()??;
    client.connection.controller().logout();
    let ended = client.end()?;
    assert_eq!((ended.reason(), ended.code()), (StopReason::Closed, 4410));
    Ok(())
}

#[test]
fn who_was_revoked_stays_out() -> Outcome {
    let rig = Rig::new(admin::ALL)?;
    let token = rig.token()?;
    let mut client = Client::start(&rig, URL, move |_| Ok(token.clone()), |builder| builder)?;
    let _upstream = rig.upstream.switch("")?;
    client.opened()??;
    let (status, said) =
        admin::ask(&rig, "POST /api/v1/revocations", &json!({ "subject": "alice" }))?;
    ensure!(status == 201, "{said}");
    let ended = client.end()?;
    assert_eq!((ended.reason(), ended.code()), (StopReason::Revoked, 4410));
    assert_eq!((ended.error(), client.asked()), ("token_revoked", vec!["connect"]));
    Ok(())
}

#[test]
fn a_session_that_was_handed_out_takes_the_place_of_the_provider() -> Outcome {
    for sessions in ["issue", "rotate"] {
        let route = format!(
            "accept = [\"message\"]\nmechanisms = [\"bearer\", \"session\"]\n\
             sessions = {sessions:?}\n"
        );
        let rig = Rig::with(&route, |setup| setup.table("[auth]"))?;
        let token = rig.token()?;
        let mut client = Client::start(&rig, URL, move |_| Ok(token.clone()), |builder| builder)?;
        for _ in 0..3 {
            let (mut upstream, head) = rig.upstream.switch("")?;
            ensure!(head.one("x-vestibule-subject") == Some("alice"), "{head}");
            client.converse(&mut upstream, "hello")?;
            ensure!(client.connection.id().is_some_and(|id| id.starts_with("c-")));
            // An upstream that goes away takes its connection with it.
            drop(upstream);
        }
        assert_eq!(client.asked(), ["connect"], "{sessions}");
    }
    Ok(())
}

#[test]
fn a_ticket_opens_one_connection_and_another_the_next() -> Outcome {
    let route = "accept = [\"query\"]\nmechanisms = [\"ticket\"]\n";
    let rig = Rig::with(route, |setup| setup.table("[auth]"))?;
    let tickets = [ticket(&rig.gateway, &rig.token()?)?, ticket(&rig.gateway, &rig.token()?)?];
    let choose = move |request: Request| {
        Ok(tickets[usize::from(request.reason.name() != "connect")].clone())
    };
    let mut client = Client::with(Mechanism::Ticket, &rig, URL, choose, |builder| {
        builder.carrier(Carrier::Query { name: "ticket".to_owned() })
    })?;
    for _ in 0..2 {
        let (mut upstream, head) = rig.upstream.switch("")?;
        ensure!(head.one("x-vestibule-mechanism") == Some("ticket"), "{head}");
        client.converse(&mut upstream, "hello")?;
    }
    let ended = client.end()?;
    assert_eq!(ended.reason(), StopReason::CredentialRefused);
    assert_eq!(client.asked(), ["connect", "reconnect", "reconnect", "refused"]);
    Ok(())
}

#[test]
fn it_speaks_tls_with_an_authority_of_its_own() -> Outcome {
    let (rig, pair) = secure(ALL)?;
    let (token, url) = (rig.token()?, "wss://localhost/ws");
    let trusting = Tls::only(pair.cert.as_bytes())?;
    let given = token.clone();
    let mut client =
        Client::start(&rig, url, move |_| Ok(given.clone()), |builder| builder.tls(trusting))?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    client.converse(&mut upstream, "over TLS")?;
    client.finish(&mut upstream)?;
    let mut client =
        Client::start(&rig, url, move |_| Ok(token.clone()), |builder| builder.attempts(1))?;
    let ended = client.end()?;
    assert_eq!(ended.reason(), StopReason::AttemptsExhausted);
    ensure!(std::error::Error::source(&ended).is_some(), "{ended:?}");
    Ok(())
}
