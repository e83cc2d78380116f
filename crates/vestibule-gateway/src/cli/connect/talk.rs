//! The conversation, from the handshake to the close.

use core::{
    future::Future,
    ops::ControlFlow,
    pin::{Pin, pin},
    task::{Context, Poll},
};
use std::{
    collections::VecDeque,
    future::poll_fn,
    io::{self, Write},
    path::Path,
};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use vestibule_client::{
    Credential,
    auth::{Answer, Answering, Proof, Unanswered},
    handshake::{Frame, Handshake, Socket, SocketError},
    machine::{Demand, Presentation},
};
use vestibule_core::limits;

use super::{
    Commands, Outcome,
    args::{Once, token_in},
    proving::{Proving, answered},
    screen::Screen,
    words::{self, InBand, Retry},
};

/// The control message that ends it.
const LOGOUT: &str = r#"{"auth":{"type":"logout"}}"#;

/// Where the conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The token went out as a message; what is to be sent waits for the answer.
    Authenticating,
    /// That token was rejected, and a person may give another.
    Rejected,
    /// Lines are sent.
    Open,
    /// This side asked for the end, and waits for the other's word until then.
    Closing(Instant),
}

/// What happens next.
enum Event {
    Received(Result<Frame, SocketError>),
    /// Everything that was to be sent has been taken.
    Sent,
    /// The stream is over.
    Over,
    Line(Option<String>),
    Interrupted,
    Answered(Result<Answer, Unanswered>),
    GaveUp,
}

/// A conversation.
pub(super) struct Talk<'a, Out, Notes> {
    screen: &'a mut Screen<'a, Out, Notes>,
    commands: Commands,
    once: Option<Once>,
    phase: Phase,
    proving: Proving,
    /// The answer to a challenge, until it is there.
    answering: Option<Answering>,
    handshake: &'a Handshake,
    exporter: Option<[u8; 32]>,
    outbox: VecDeque<Frame>,
    pinged: Option<Instant>,
    verdict: Verdict,
    /// The close that the server sent.
    end: Option<(u16, String)>,
}

/// How the end is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// By its close code.
    ByCode,
    /// This side asked to be logged out: that end is a fine one.
    LoggingOut,
    /// The token was rejected, and this side gave up.
    Rejected,
    /// The server asked for what there is no answer to, or did not prove what it has to.
    Unproven,
}

impl<'a, Out: Write, Notes: Write> Talk<'a, Out, Notes> {
    pub(super) fn new(
        screen: &'a mut Screen<'a, Out, Notes>,
        commands: Commands,
        once: Option<Once>,
        (handshake, exporter): (&'a Handshake, Option<[u8; 32]>),
    ) -> Self {
        Self {
            screen,
            commands,
            once,
            phase: Phase::Open,
            proving: Proving::Nothing,
            answering: None,
            handshake,
            exporter,
            outbox: VecDeque::new(),
            pinged: None,
            verdict: Verdict::ByCode,
            end: None,
        }
    }

    /// `first`: the credential, where its carrier is the first message.
    pub(super) fn begin(&mut self, first: Option<&Credential>) -> io::Result<()> {
        let Some(credential) = first else {
            self.opened();
            return Ok(());
        };
        self.phase = Phase::Authenticating;
        self.present(Presentation::Authenticate, credential)
    }

    /// Talks until the end.
    pub(super) async fn run(
        mut self,
        mut socket: Socket,
        lines: &mut mpsc::Receiver<String>,
        interrupt: impl Future<Output = ()>,
    ) -> io::Result<Outcome> {
        let mut interrupt = pin!(interrupt);
        loop {
            let (closing, listening) = match self.phase {
                Phase::Closing(until) => (Some(until), false),
                Phase::Authenticating => (None, false),
                Phase::Rejected => (None, self.outbox.is_empty()),
                Phase::Open => (None, self.once.is_none() && self.outbox.is_empty()),
            };
            let patience = closing.unwrap_or_else(Instant::now);
            let (outbox, answering) = (&mut self.outbox, &mut self.answering);
            let event = tokio::select! {
                event = poll_fn(|cx| exchange(&mut socket, outbox, cx)) => event,
                answer = answered(answering), if closing.is_none() => Event::Answered(answer),
                line = lines.recv(), if listening => Event::Line(line),
                () = &mut interrupt, if closing.is_none() => Event::Interrupted,
                () = sleep_until(patience), if closing.is_some() => Event::GaveUp,
            };
            if let ControlFlow::Break(outcome) = self.handle(event)? {
                return Ok(outcome);
            }
        }
    }

    fn handle(&mut self, event: Event) -> io::Result<ControlFlow<Outcome>> {
        match event {
            Event::Sent => {}
            Event::Received(Ok(message)) => self.received(message)?,
            Event::Received(Err(SocketError::Closed)) | Event::Over => {
                return self.over().map(ControlFlow::Break);
            }
            Event::Received(Err(error)) => return self.broke(&error).map(ControlFlow::Break),
            Event::Line(Some(line)) => self.line(line)?,
            Event::Line(None) | Event::Interrupted => self.close(),
            Event::Answered(answer) => self.respond(answer)?,
            Event::GaveUp => {
                let words = match &self.end {
                    Some(_) => return self.over().map(ControlFlow::Break),
                    None => "closed: the server did not answer the close",
                };
                self.screen.note(words)?;
                return Ok(ControlFlow::Break(Outcome::Failed));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn received(&mut self, frame: Frame) -> io::Result<()> {
        match frame {
            Frame::Text(text) => {
                if let Some(said) = InBand::read(text.as_str()) {
                    return self.in_band(&said);
                }
                if self.wants_more() {
                    self.screen.text(text.as_str())?;
                    self.answered();
                }
                Ok(())
            }
            Frame::Binary(bytes) => {
                if self.wants_more() {
                    self.screen.binary(&bytes)?;
                    self.answered();
                }
                Ok(())
            }
            // The answer is written by the library.
            Frame::Ping(_) => self.screen.said("ping, answered"),
            Frame::Pong(_) => match self.pinged.take() {
                Some(then) => {
                    let span = then.elapsed().as_secs_f64() * 1000.0;
                    self.screen.said(&format!("pong after {span:.1} ms"))
                }
                None => self.screen.said("pong"),
            },
            Frame::Close(code, reason) => {
                self.end = Some((code, reason));
                self.wait();
                Ok(())
            }
        }
    }

    fn in_band(&mut self, said: &InBand) -> io::Result<()> {
        self.screen.said(&said.words())?;
        match (said, self.phase) {
            (InBand::Challenge(demand), _) => return self.challenged(demand),
            (InBand::Accepted { message, .. }, Phase::Authenticating) => {
                if !self.proving.is_done(message.as_deref()) {
                    return self.distrust("the server did not prove what it has to");
                }
                self.opened();
            }
            (InBand::Rejected { retry: Retry::Yes, .. }, Phase::Authenticating) => {
                if self.commands == Commands::Taken && self.once.is_none() {
                    self.phase = Phase::Rejected;
                } else {
                    self.verdict = Verdict::Rejected;
                    self.close();
                }
            }
            // The close that follows says the rest.
            (
                InBand::Required { .. }
                | InBand::Accepted { .. }
                | InBand::Expiring { .. }
                | InBand::Rejected { .. },
                _,
            ) => {}
        }
        Ok(())
    }

    fn challenged(&mut self, demand: &Demand) -> io::Result<()> {
        match self.proving.challenged(demand, self.handshake, self.exporter) {
            Some(answering) => self.answering = Some(answering),
            None => self.distrust("nobody has an answer to that")?,
        }
        Ok(())
    }

    fn respond(&mut self, answer: Result<Answer, Unanswered>) -> io::Result<()> {
        self.answering = None;
        match answer {
            Ok(answer) => {
                let (message, expected) = answer.into_parts();
                self.proving = Proving::Answered(expected);
                self.outbox.push_back(Frame::Text(message.as_str().into()));
                self.screen.told("respond: a proof, not shown")
            }
            Err(unanswered) => self.distrust(&unanswered.to_string()),
        }
    }

    fn distrust(&mut self, words: &str) -> io::Result<()> {
        self.verdict = Verdict::Unproven;
        self.close();
        self.screen.note(words)
    }

    /// What was to be sent may be sent.
    fn opened(&mut self) {
        self.phase = Phase::Open;
        if let Some(once) = &self.once {
            self.outbox.push_back(Frame::Text(once.message.as_str().into()));
        }
    }

    /// Whether messages are still printed: behind the one answer that was asked for, none is.
    fn wants_more(&self) -> bool {
        self.once.is_none() || !matches!(self.phase, Phase::Closing(_))
    }

    /// A message of the application has come.
    fn answered(&mut self) {
        if let Some(once) = &mut self.once {
            match once.skip.checked_sub(1) {
                Some(left) => once.skip = left,
                None => self.close(),
            }
        }
    }

    fn line(&mut self, line: String) -> io::Result<()> {
        let command = match (self.commands, line.strip_prefix('/')) {
            (Commands::Taken, Some(command)) if !command.starts_with('/') => command,
            (Commands::Taken, Some(text)) => return self.text(text.to_owned()),
            (Commands::Taken, None) | (Commands::Sent, _) => return self.text(line),
        };
        match command.split_once(' ').unwrap_or((command, "")) {
            ("quit", "") => self.close(),
            ("ping", "") => {
                self.pinged = Some(Instant::now());
                self.outbox.push_back(Frame::Ping(Bytes::from_static(b"vestibule")));
            }
            ("logout", "") => {
                self.verdict = Verdict::LoggingOut;
                self.outbox.push_back(Frame::Text(LOGOUT.into()));
                self.screen.told("logout")?;
            }
            ("refresh", file) if !file.trim().is_empty() => {
                match token_in(Path::new(file.trim())) {
                    Ok(token) if self.phase == Phase::Rejected => {
                        self.phase = Phase::Authenticating;
                        self.present(Presentation::Authenticate, &token)?;
                    }
                    Ok(token) => self.present(Presentation::Refresh, &token)?,
                    Err(error) => self.screen.note(&super::chain(&error))?,
                }
            }
            _ => self.screen.note(
                "commands: /refresh FILE, /logout, /ping, /quit; a message that begins with a \
                 slash is typed with two",
            )?,
        }
        Ok(())
    }

    fn text(&mut self, text: String) -> io::Result<()> {
        if self.phase == Phase::Rejected {
            return self.screen.note("not sent: the server takes nothing but a token yet");
        }
        self.outbox.push_back(Frame::Text(text.into()));
        Ok(())
    }

    fn present(&mut self, how: Presentation, token: &Credential) -> io::Result<()> {
        let kind = match how {
            Presentation::Authenticate => "authenticate",
            Presentation::Refresh => "refresh",
        };
        self.outbox.push_back(Frame::Text(token.message(how).as_str().into()));
        match (how, token.mechanism().proof()) {
            (Presentation::Refresh, Proof::Token | Proof::Response | Proof::Connection) => {}
            (Presentation::Authenticate, Proof::Token | Proof::Connection) => {
                self.proving = Proving::Nothing;
            }
            (Presentation::Authenticate, Proof::Response) => {
                self.proving = Proving::Begun(token.clone());
                return self.screen.told(&format!("{kind}: by {}", token.mechanism().name()));
            }
        }
        if token.mechanism().proof() == Proof::Connection {
            return self.screen.told(&format!("{kind}: by {}", token.mechanism().name()));
        }
        self.screen.told(&format!("{kind}: a token of {} bytes, not shown", token.len()))
    }

    fn close(&mut self) {
        self.outbox.push_back(Frame::Close(1000, String::new()));
        self.wait();
    }

    fn wait(&mut self) {
        self.phase = Phase::Closing(Instant::now() + limits::CLOSE_TIMEOUT);
    }

    fn over(&mut self) -> io::Result<Outcome> {
        let (code, reason) = self.end.take().unwrap_or((1006, String::new()));
        let mut lines = words::closed(code, &reason);
        if let Some(first) = lines.first_mut() {
            first.insert_str(0, "closed with ");
        }
        self.screen.notes(&lines)?;
        match (self.verdict, code) {
            (Verdict::LoggingOut, 4410) => Ok(Outcome::Fine),
            (Verdict::Rejected, _) => Ok(Outcome::Refused),
            (Verdict::Unproven, _) => Ok(Outcome::Failed),
            (Verdict::LoggingOut | Verdict::ByCode, _) => Ok(words::outcome(code)),
        }
    }

    fn broke(&mut self, error: &SocketError) -> io::Result<Outcome> {
        match error {
            SocketError::Broken(cause) if self.end.is_none() => {
                self.screen.note(&format!("the server broke the protocol: {cause}"))?;
                Ok(Outcome::Failed)
            }
            SocketError::Broken(_) | SocketError::Lost(_) | SocketError::Closed => self.over(),
        }
    }
}

/// Writes what waits and reads what comes; loses nothing when it is dropped. Both at once, because
/// a server that echoes stops reading when nobody reads its answers.
fn exchange(
    socket: &mut Socket,
    outbox: &mut VecDeque<Frame>,
    cx: &mut Context<'_>,
) -> Poll<Event> {
    let had = !outbox.is_empty();
    let mut socket = Pin::new(socket);
    while !outbox.is_empty() {
        match socket.as_mut().poll_ready(cx) {
            Poll::Pending => break,
            Poll::Ready(Err(error)) => return Poll::Ready(Event::Received(Err(error))),
            Poll::Ready(Ok(())) => {
                let Some(frame) = outbox.pop_front() else { break };
                if let Err(error) = socket.as_mut().start_send(frame) {
                    return Poll::Ready(Event::Received(Err(error)));
                }
            }
        }
    }
    // A failed write is told by the read that follows it, with the close that explains it.
    match socket.as_mut().poll_flush(cx) {
        Poll::Pending | Poll::Ready(Ok(()) | Err(_)) => {}
    }
    match socket.as_mut().poll_next(cx) {
        Poll::Ready(Some(frame)) => Poll::Ready(Event::Received(frame)),
        Poll::Ready(None) => Poll::Ready(Event::Over),
        Poll::Pending if had && outbox.is_empty() => Poll::Ready(Event::Sent),
        Poll::Pending => Poll::Pending,
    }
}
