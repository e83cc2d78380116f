//! Connections of the load: opening them, and what each does next.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use mio::{Events, Interest, Poll, Token, net::TcpStream};

use super::{
    By, GUARD, MASK, Options,
    alarm::{ALARM, Alarm},
};
use crate::role::socket::{self, Got};

pub(super) struct Client {
    pub(super) socket: TcpStream,
    pub(super) number: u64,
    pub(super) pending: Vec<u8>,
    pub(super) stage: Stage,
    /// Bytes that came back and were not counted as a message yet.
    pub(super) got: usize,
    pub(super) partial: Vec<u8>,
    pub(super) sent: VecDeque<Instant>,
    pub(super) began: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Connecting,
    Upgrading,
    Authenticating,
    Open,
    Closing,
}

pub(super) struct Fleet {
    pub(super) options: Options,
    pub(super) poll: Poll,
    pub(super) events: Events,
    pub(super) clients: Vec<Option<Client>>,
    pub(super) tokens: Vec<String>,
    pub(super) started: u64,
    pub(super) frame: Vec<u8>,
    pub(super) answer: usize,
    pub(super) buffer: Vec<u8>,
    alarm: Alarm,
}

/// What a client has just done.
pub(super) enum Did {
    Nothing,
    Opened,
    Messages(usize),
    Ended,
}

impl Fleet {
    pub(super) fn new(options: &Options) -> Result<Self> {
        let tokens = match &options.tokens {
            None => Vec::new(),
            Some(path) => std::fs::read_to_string(path)?.lines().map(str::to_owned).collect(),
        };
        let answer = options.payload + header_bytes(options.payload);
        let frame = match options.by {
            By::Header | By::Message => masked(0x82, &vec![b'x'; options.payload]),
            By::PerMessage => {
                // A string of so many bytes, quotes included.
                let data = "x".repeat(options.payload.saturating_sub(2));
                let token: &String = tokens.first().context("there is no token")?;
                let text = format!(r#"{{"auth":{{"token":"{token}"}},"data":"{data}"}}"#);
                masked(0x81, text.as_bytes())
            }
        };
        let poll = Poll::new()?;
        Ok(Self {
            alarm: Alarm::new(poll.registry())?,
            options: options.clone(),
            poll,
            events: Events::with_capacity(1024),
            clients: Vec::new(),
            tokens,
            started: 0,
            frame,
            answer,
            buffer: vec![0; socket::BUFFER_BYTES],
        })
    }

    /// Begins one connection at this place.
    pub(super) fn start(&mut self, at: usize) -> Result<()> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        let address = SocketAddr::from(([127, 0, 0, 1], self.options.port));
        match socket.connect(&address.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(115) => {}
            Err(error) => return Err(error).context("connect"),
        }
        let mut socket = TcpStream::from_std(socket.into());
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, Token(at), both)?;
        self.started += 1;
        let client = Client {
            socket,
            number: self.started,
            pending: Vec::new(),
            stage: Stage::Connecting,
            got: 0,
            partial: Vec::new(),
            sent: VecDeque::new(),
            began: Instant::now(),
        };
        if at == self.clients.len() {
            self.clients.push(Some(client));
        } else if let Some(place) = self.clients.get_mut(at) {
            *place = Some(client);
        }
        Ok(())
    }

    /// The token of the client at this place: each is used in turn.
    fn token(&self, at: usize) -> Option<&str> {
        let client = self.clients.get(at)?.as_ref()?;
        let count = u64::try_from(self.tokens.len()).unwrap_or(0);
        let turn = usize::try_from(client.number.checked_rem(count)?).ok()?;
        self.tokens.get(turn).map(String::as_str)
    }

    /// Opens so many, a few at a time.
    pub(super) fn open(&mut self, wanted: usize) -> Result<()> {
        let (mut opened, mut begun) = (0, 0);
        let guard = Instant::now() + GUARD;
        while opened < wanted {
            while begun < wanted && begun - opened < 256 {
                self.start(begun)?;
                begun += 1;
            }
            for at in self.ready(Some(Duration::from_secs(5)))? {
                match self.step(at)? {
                    Did::Opened => opened += 1,
                    Did::Ended => bail!("a connection was refused while opening"),
                    Did::Nothing | Did::Messages(_) => {}
                }
            }
            ensure!(Instant::now() < guard, "only {opened} of {wanted} connections opened");
        }
        Ok(())
    }

    pub(super) fn ready(&mut self, wait: Option<Duration>) -> Result<Vec<usize>> {
        self.poll.poll(&mut self.events, wait)?;
        Ok(self.events.iter().map(|event| event.token().0).collect())
    }

    /// Those on which something has happened; none, when it is time. To the microsecond: what `epoll`
    /// knows of time is milliseconds, and messages would be sent by the handful.
    pub(super) fn ready_by(&mut self, time: Option<Instant>) -> Result<Vec<usize>> {
        let Some(left) = time.map(|time| time.saturating_duration_since(Instant::now())) else {
            return self.ready(Some(Duration::from_secs(30)));
        };
        if left.is_zero() {
            return self.ready(Some(left));
        }
        self.alarm.set(left)?;
        let ready = self.ready(None)?;
        Ok(ready.into_iter().filter(|&at| at != ALARM.0).collect())
    }

    pub(super) fn send(&mut self, at: usize) -> Result<()> {
        if let Some(Some(client)) = self.clients.get_mut(at) {
            ensure!(
                socket::write(&mut client.socket, &mut client.pending, &self.frame),
                "a connection ended early"
            );
        }
        Ok(())
    }

    /// Does what can be done on one connection.
    pub(super) fn step(&mut self, at: usize) -> Result<Did> {
        let head = match self.clients.get(at) {
            Some(Some(client)) if client.stage == Stage::Connecting => Some(self.head(at)),
            _ => None,
        };
        let message = match self.clients.get(at) {
            Some(Some(client)) if client.stage < Stage::Authenticating => self.message(at),
            Some(_) | None => None,
        };
        let Some(Some(client)) = self.clients.get_mut(at) else { return Ok(Did::Nothing) };
        if let Some(head) = head {
            client.stage = Stage::Upgrading;
            socket::write(&mut client.socket, &mut client.pending, head.as_bytes());
        } else if !client.pending.is_empty() {
            socket::write(&mut client.socket, &mut client.pending, &[]);
        }
        let mut messages = 0;
        loop {
            match socket::read(&mut client.socket, &mut self.buffer) {
                Got::Nothing => break,
                Got::End => return Ok(Did::Ended),
                Got::Bytes(count) => {
                    let bytes = self.buffer.get(..count).unwrap_or_default();
                    match client.stage {
                        // A Close, where a frame begins.
                        Stage::Open if client.got == 0 && bytes.first() == Some(&0x88) => {
                            return Ok(Did::Ended);
                        }
                        Stage::Open => client.got += count,
                        Stage::Closing => {}
                        Stage::Connecting | Stage::Upgrading | Stage::Authenticating => {
                            client.partial.extend_from_slice(bytes);
                        }
                    }
                }
            }
        }
        if client.stage == Stage::Upgrading
            && let Some(end) = socket::head_end(&client.partial)
        {
            let status = client.partial.get(9..12).unwrap_or_default();
            ensure!(status == b"101", "refused: {}", String::from_utf8_lossy(&client.partial));
            client.partial.drain(..end);
            let Some(message) = message else { return Ok(opened(client)) };
            client.stage = Stage::Authenticating;
            socket::write(&mut client.socket, &mut client.pending, &message);
        }
        if client.stage == Stage::Authenticating && client.partial.ends_with(b"}}") {
            let said = String::from_utf8_lossy(&client.partial).into_owned();
            ensure!(said.contains("\"accepted\""), "not accepted: {said}");
            return Ok(opened(client));
        }
        while client.stage == Stage::Open && client.got >= self.answer {
            client.got -= self.answer;
            messages += 1;
        }
        Ok(if messages > 0 { Did::Messages(messages) } else { Did::Nothing })
    }

    /// The message that authenticates, where one does.
    fn message(&self, at: usize) -> Option<Vec<u8>> {
        let token = match self.options.by {
            By::Message => self.token(at)?,
            By::Header | By::PerMessage => return None,
        };
        let text = format!(
            r#"{{"auth":{{"type":"authenticate","mechanism":"bearer","token":"{token}"}}}}"#
        );
        Some(masked(0x81, text.as_bytes()))
    }

    fn head(&self, at: usize) -> String {
        self.head_with(self.token(at))
    }

    pub(super) fn head_with(&self, token: Option<&str>) -> String {
        let authorization = match (self.options.by, token) {
            (By::Header, Some(token)) => format!("Authorization: Bearer {token}\r\n"),
            (By::Header | By::Message | By::PerMessage, _) => String::new(),
        };
        let path = match self.options.by {
            By::Header | By::Message => "/",
            By::PerMessage => "/each",
        };
        format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             {authorization}\r\n"
        )
    }
}

fn opened(client: &mut Client) -> Did {
    client.stage = Stage::Open;
    client.partial = Vec::new();
    Did::Opened
}

pub(super) fn header_bytes(payload: usize) -> usize {
    match payload {
        0..=125 => 2,
        126..=65535 => 4,
        _ => 10,
    }
}

pub(super) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..=125), _) => frame.push(0x80 | short),
        (_, Ok(medium)) => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&medium.to_be_bytes());
        }
        (_, Err(_)) => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&u64::try_from(payload.len()).unwrap_or(0).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}
