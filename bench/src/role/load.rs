//! Clients: they open, authenticate, and then say the same message again and again, as often as is
//! asked. What is sent was prepared before; what comes back is counted, not parsed.

use std::{
    collections::VecDeque,
    io::{BufRead, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use serde::Serialize;

use super::socket::{self, Got};

/// What to do.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Port of 127.0.0.1 to connect to.
    #[arg(long)]
    port: u16,
    /// What is measured.
    #[arg(long, value_enum)]
    task: Task,
    /// Connections that are open at once.
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Bytes of each message.
    #[arg(long, default_value_t = 64)]
    payload: usize,
    /// Messages of a connection that are on their way at once.
    #[arg(long, default_value_t = 1)]
    in_flight: usize,
    /// Messages, or handshakes, in all.
    #[arg(long, default_value_t = 1000)]
    count: u64,
    /// Messages a second in all, for `latency`.
    #[arg(long, default_value_t = 10_000)]
    rate: u64,
    /// A file with tokens, one a line, used in turn.
    #[arg(long)]
    tokens: Option<PathBuf>,
    /// Where the token travels.
    #[arg(long, value_enum, default_value_t = By::Header)]
    by: By,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Task {
    /// As many messages as `count`, as fast as they come back.
    Relay,
    /// Messages at a fixed rate, each with the time it took.
    Latency,
    /// Connect, upgrade, authenticate, one message, close.
    Handshake,
    /// Open, and stay until told to end, or until all were closed from the other side.
    Idle,
}

/// Where a token travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// `Authorization`.
    Header,
    /// The first message.
    Message,
}

impl By {
    /// As the option wants it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Message => "message",
        }
    }
}

/// What came of it, as one line of JSON.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    count: u64,
    seconds: f64,
    /// Microseconds: median, 99 %, 99.9 %, the longest.
    p50: f64,
    p99: f64,
    p999: f64,
    max: f64,
    /// Connections that the other side closed, and when, in seconds after `go`.
    closed: u64,
    first_closed: f64,
    last_closed: f64,
}

const MASK: [u8; 4] = [0x21, 0x43, 0x65, 0x87];
const GUARD: Duration = Duration::from_mins(2);

/// Opens, says `ready`, waits for a line, measures, and says what came of it.
pub fn run(options: &Options) -> Result<()> {
    let mut fleet = Fleet::new(options)?;
    let outcome = match options.task {
        Task::Handshake => {
            say("ready")?;
            hear()?;
            fleet.handshakes()?
        }
        Task::Relay => {
            fleet.open(options.connections)?;
            say("ready")?;
            hear()?;
            fleet.relay()?
        }
        Task::Latency => {
            fleet.open(options.connections)?;
            say("ready")?;
            hear()?;
            fleet.latency()?
        }
        Task::Idle => {
            fleet.open(options.connections)?;
            say("ready")?;
            hear()?;
            fleet.closes()?
        }
    };
    say(&serde_json::to_string(&outcome)?)
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn hear() -> Result<()> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(())
}

struct Client {
    socket: TcpStream,
    number: u64,
    pending: Vec<u8>,
    stage: Stage,
    /// Bytes that came back and were not counted as a message yet.
    got: usize,
    partial: Vec<u8>,
    sent: VecDeque<Instant>,
    began: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    Upgrading,
    Authenticating,
    Open,
    Closing,
}

struct Fleet {
    options: Options,
    poll: Poll,
    events: Events,
    clients: Vec<Option<Client>>,
    tokens: Vec<String>,
    started: u64,
    frame: Vec<u8>,
    answer: usize,
    buffer: Vec<u8>,
}

/// What a client has just done.
enum Did {
    Nothing,
    Opened,
    Messages(usize),
    Ended,
}

impl Fleet {
    fn new(options: &Options) -> Result<Self> {
        let tokens = match &options.tokens {
            None => Vec::new(),
            Some(path) => std::fs::read_to_string(path)?.lines().map(str::to_owned).collect(),
        };
        let payload = vec![b'x'; options.payload];
        let (frame, answer) = (masked(0x82, &payload), payload.len() + header_bytes(payload.len()));
        Ok(Self {
            options: options.clone(),
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            clients: Vec::new(),
            tokens,
            started: 0,
            frame,
            answer,
            buffer: vec![0; socket::BUFFER_BYTES],
        })
    }

    /// Begins one connection at this place. Source addresses change, so that there are ports enough.
    fn start(&mut self, at: usize) -> Result<()> {
        let source = Ipv4Addr::new(127, 0, 1, u8::try_from((self.started / 8192) % 200)? + 1);
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        if matches!(self.options.task, Task::Idle) {
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        }
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
    fn open(&mut self, wanted: usize) -> Result<()> {
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

    fn ready(&mut self, wait: Option<Duration>) -> Result<Vec<usize>> {
        self.poll.poll(&mut self.events, wait)?;
        Ok(self.events.iter().map(|event| event.token().0).collect())
    }

    fn send(&mut self, at: usize) -> Result<()> {
        if let Some(Some(client)) = self.clients.get_mut(at) {
            ensure!(
                socket::write(&mut client.socket, &mut client.pending, &self.frame),
                "a connection ended early"
            );
        }
        Ok(())
    }

    fn relay(&mut self) -> Result<Outcome> {
        let began = Instant::now();
        let mut left = self.options.count;
        let places = self.clients.len();
        for _ in 0..self.options.in_flight {
            for at in 0..places {
                self.send(at)?;
            }
        }
        let mut done = 0;
        let flight = u64::try_from(self.options.in_flight * places)?;
        left = left.saturating_sub(flight);
        let total = self.options.count.max(flight);
        while done < total {
            for at in self.ready(Some(Duration::from_secs(30)))? {
                match self.step(at)? {
                    Did::Messages(count) => {
                        for _ in 0..count {
                            done += 1;
                            if left > 0 {
                                left -= 1;
                                self.send(at)?;
                            }
                        }
                    }
                    Did::Ended => bail!("a connection ended while relaying"),
                    Did::Nothing | Did::Opened => {}
                }
            }
            ensure!(began.elapsed() < GUARD, "only {done} of {total} messages came back");
        }
        Ok(Outcome { count: done, seconds: began.elapsed().as_secs_f64(), ..Outcome::default() })
    }

    fn latency(&mut self) -> Result<Outcome> {
        let began = Instant::now();
        let mut times = Vec::new();
        let (mut sent, mut done) = (0_u64, 0);
        let places = u64::try_from(self.clients.len())?;
        while done < self.options.count {
            let due = began.elapsed().as_micros() * u128::from(self.options.rate) / 1_000_000;
            while u128::from(sent) < due && sent < self.options.count {
                let at = usize::try_from(sent % places)?;
                // The time at which it was due counts, not the time at which we got to it.
                let meant = Duration::from_micros(sent * 1_000_000 / self.options.rate);
                if let Some(Some(client)) = self.clients.get_mut(at) {
                    client.sent.push_back(began + meant);
                }
                self.send(at)?;
                sent += 1;
            }
            for at in self.ready(Some(Duration::from_micros(100)))? {
                if let Did::Messages(count) = self.step(at)? {
                    let Some(Some(client)) = self.clients.get_mut(at) else { continue };
                    for _ in 0..count {
                        done += 1;
                        times.extend(client.sent.pop_front().map(|sent| sent.elapsed()));
                    }
                }
            }
            ensure!(began.elapsed() < GUARD, "only {done} messages came back");
        }
        Ok(quantiles(times, began))
    }

    fn handshakes(&mut self) -> Result<Outcome> {
        let began = Instant::now();
        let mut times = Vec::new();
        let mut done = 0;
        let abreast = u64::try_from(self.options.connections)?.min(self.options.count);
        for at in 0..usize::try_from(abreast)? {
            self.start(at)?;
        }
        while done < self.options.count {
            for at in self.ready(Some(Duration::from_secs(30)))? {
                match self.step(at)? {
                    Did::Opened => self.send(at)?,
                    Did::Messages(_) => {
                        if let Some(Some(client)) = self.clients.get_mut(at) {
                            client.stage = Stage::Closing;
                            let close = masked(0x88, &1000_u16.to_be_bytes());
                            socket::write(&mut client.socket, &mut client.pending, &close);
                        }
                    }
                    Did::Ended => {
                        if let Some(Some(client)) = self.clients.get(at) {
                            ensure!(client.stage == Stage::Closing, "refused: {:?}", client.stage);
                            times.push(client.began.elapsed());
                        }
                        done += 1;
                        if let Some(place) = self.clients.get_mut(at) {
                            *place = None;
                        }
                        if self.started < self.options.count {
                            self.start(at)?;
                        }
                    }
                    Did::Nothing => {}
                }
            }
            ensure!(began.elapsed() < GUARD, "only {done} handshakes were done");
        }
        Ok(quantiles(times, began))
    }

    /// Waits until every connection was closed by the other side, or standard input ends.
    fn closes(&mut self) -> Result<Outcome> {
        let (ended, end) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            if hear().is_ok() {
                // The receiver may be gone: everything was closed already.
                let _unheard = ended.send(());
            }
        });
        let began = Instant::now();
        let mut outcome = Outcome::default();
        while outcome.closed < u64::try_from(self.clients.len())? && end.try_recv().is_err() {
            for at in self.ready(Some(Duration::from_millis(50)))? {
                if let Did::Ended = self.step(at)? {
                    let now = began.elapsed().as_secs_f64();
                    if outcome.closed == 0 {
                        outcome.first_closed = now;
                    }
                    outcome.closed += 1;
                    outcome.last_closed = now;
                    if let Some(place) = self.clients.get_mut(at) {
                        *place = None;
                    }
                }
            }
        }
        outcome.seconds = began.elapsed().as_secs_f64();
        Ok(outcome)
    }

    /// Does what can be done on one connection.
    fn step(&mut self, at: usize) -> Result<Did> {
        let head = match self.clients.get(at) {
            Some(Some(client)) if client.stage == Stage::Connecting => Some(self.head(at)),
            _ => None,
        };
        let message = self.token(at).map(|token| {
            let text = format!(
                r#"{{"auth":{{"type":"authenticate","mechanism":"bearer","token":"{token}"}}}}"#
            );
            masked(0x81, text.as_bytes())
        });
        let by = self.options.by;
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
                        Stage::Open => client.got += count,
                        Stage::Closing => {}
                        Stage::Connecting | Stage::Upgrading | Stage::Authenticating => {
                            client.partial.extend_from_slice(bytes);
                        }
                    }
                    if count < self.buffer.len() {
                        break;
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
            match (by, message) {
                (By::Message, Some(message)) => {
                    client.stage = Stage::Authenticating;
                    socket::write(&mut client.socket, &mut client.pending, &message);
                }
                (By::Header | By::Message, _) => return Ok(opened(client)),
            }
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

    fn head(&self, at: usize) -> String {
        let authorization = match (self.options.by, self.token(at)) {
            (By::Header, Some(token)) => format!("Authorization: Bearer {token}\r\n"),
            (By::Header | By::Message, _) => String::new(),
        };
        format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
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

fn quantiles(mut times: Vec<Duration>, began: Instant) -> Outcome {
    times.sort_unstable();
    let at = |thousandth: usize| {
        let place = (times.len() * thousandth / 1000).min(times.len().saturating_sub(1));
        times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    Outcome {
        count: u64::try_from(times.len()).unwrap_or(0),
        seconds: began.elapsed().as_secs_f64(),
        p50: at(500),
        p99: at(990),
        p999: at(999),
        max: at(1000),
        ..Outcome::default()
    }
}

fn header_bytes(payload: usize) -> usize {
    match payload {
        0..=125 => 2,
        126..=65535 => 4,
        _ => 10,
    }
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
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
