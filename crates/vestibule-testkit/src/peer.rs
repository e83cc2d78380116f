//! One end of a connection, in the hands of a test.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    GUARD, either_way,
    frame::{Frame, Opcode, Role},
    head::{Handshake, Head, accept_of},
};

/// A socket, or something around one.
pub trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// A message, put together from its fragments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(String),
    /// Binary.
    Binary(Vec<u8>),
    /// A ping and its payload.
    Ping(Vec<u8>),
    /// A pong and its payload.
    Pong(Vec<u8>),
    /// A close; the code is 1005 where there was none.
    Close(u16, String),
}

/// One end of a connection.
pub struct Peer {
    role: Role,
    stream: Box<dyn Stream>,
    tcp: TcpStream,
    buffer: Vec<u8>,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, stream: _, tcp, buffer } = self;
        write!(f, "{role:?} at {tcp:?}, {} bytes unread", buffer.len())
    }
}

impl Peer {
    /// A client's end, of a new connection.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let tcp = TcpStream::connect_timeout(&address, GUARD)?;
        Self::plain(tcp, Role::Client)
    }

    /// An end of a connection without TLS.
    pub fn plain(tcp: TcpStream, role: Role) -> Result<Self> {
        let stream = tcp.try_clone()?;
        Self::over(stream, tcp, role)
    }

    /// An end of a connection; `tcp` is what `stream` runs on.
    pub fn over(stream: impl Stream + 'static, tcp: TcpStream, role: Role) -> Result<Self> {
        tcp.set_read_timeout(Some(GUARD))?;
        tcp.set_write_timeout(Some(GUARD))?;
        tcp.set_nodelay(true)?;
        Ok(Self { role, stream: Box::new(stream), tcp, buffer: Vec::new() })
    }

    /// The socket.
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Writes all of it.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// Writes what the other side will take, until it takes no more for `patience`, or until
    /// `limit` bytes. Returns how many were written.
    pub fn send_until_stalled(
        &mut self,
        bytes: &[u8],
        limit: usize,
        patience: Duration,
    ) -> Result<usize> {
        self.tcp.set_write_timeout(Some(patience))?;
        let mut written = 0;
        while written < limit {
            let from = written % bytes.len();
            match self.stream.write(bytes.get(from..).unwrap_or_default()) {
                Ok(count) => written += count,
                Err(error) if is_timeout(&error) => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.tcp.set_write_timeout(Some(GUARD))?;
        Ok(written)
    }

    /// Writes a frame.
    pub fn send_frame(&mut self, frame: &Frame) -> io::Result<()> {
        let bytes = frame.bytes(self.role);
        self.send(bytes)
    }

    /// Writes a text message.
    pub fn send_text(&mut self, text: &str) -> io::Result<()> {
        self.send_frame(&Frame::whole(Opcode::Text, text))
    }

    /// Says `authenticate` with a token.
    pub fn authenticate(&mut self, token: &str) -> io::Result<()> {
        self.send_text(&in_band("authenticate", token))
    }

    /// Says `refresh` with a token.
    pub fn refresh(&mut self, token: &str) -> io::Result<()> {
        self.send_text(&in_band("refresh", token))
    }

    /// Ends the sending side.
    pub fn finish(&self) -> io::Result<()> {
        self.tcp.shutdown(Shutdown::Write)
    }

    /// Reads some more; `false` is the end. A reset is one, too.
    fn fill(&mut self) -> Result<bool> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.buffer.extend_from_slice(chunk.get(..count).unwrap_or_default());
                Ok(true)
            }
            Err(error) if is_end(&error) => Ok(false),
            Err(error) if is_timeout(&error) => {
                let there = String::from_utf8_lossy(&self.buffer);
                bail!("nothing came for {GUARD:?}; unread: {there:?}")
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the head of a request or an answer.
    pub fn head(&mut self) -> Result<Head> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let bytes: Vec<u8> = self.buffer.drain(..end + 4).collect();
                let text = String::from_utf8(bytes).context("a head that is not UTF-8")?;
                return Head::parse(text.trim_end_matches("\r\n"));
            }
            if !self.fill()? {
                bail!("the end instead of a head: {:?}", String::from_utf8_lossy(&self.buffer));
            }
        }
    }

    /// Reads exactly so many bytes.
    pub fn exactly(&mut self, count: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < count {
            ensure!(self.fill()?, "the end after {} of {count} bytes", self.buffer.len());
        }
        Ok(self.buffer.drain(..count).collect())
    }

    /// Reads the body that belongs to an answer's head (RFC 9112 section 6.3).
    pub fn body(&mut self, head: &Head) -> Result<String> {
        let bytes = if let Some(length) = head.one("content-length") {
            self.exactly(length.parse()?)?
        } else if head.one("transfer-encoding") == Some("chunked") {
            let mut body = Vec::new();
            loop {
                let size = usize::from_str_radix(self.line()?.trim(), 16)?;
                body.extend(self.exactly(size)?);
                ensure!(self.line()?.is_empty(), "a chunk without its end");
                if size == 0 {
                    break body;
                }
            }
        } else {
            self.rest()?
        };
        Ok(String::from_utf8(bytes)?)
    }

    fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line = self.exactly(end)?;
                self.exactly(2)?;
                return Ok(String::from_utf8(line)?);
            }
            ensure!(self.fill()?, "the end inside a line");
        }
    }

    /// Everything until the end.
    pub fn rest(&mut self) -> Result<Vec<u8>> {
        while self.fill()? {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Waits for the end, before which nothing more may come.
    pub fn end(&mut self) -> Result<()> {
        let rest = self.rest()?;
        ensure!(rest.is_empty(), "bytes before the end: {:?}", String::from_utf8_lossy(&rest));
        Ok(())
    }

    /// Reads one frame; `None` is the end, between frames.
    pub fn frame_or_end(&mut self) -> Result<Option<Frame>> {
        let sender = match self.role {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        };
        loop {
            if let Some((frame, size)) = Frame::read(&self.buffer, sender)? {
                self.buffer.drain(..size);
                return Ok(Some(frame));
            }
            if !self.fill()? {
                ensure!(self.buffer.is_empty(), "the end inside a frame");
                return Ok(None);
            }
        }
    }

    /// Reads one frame.
    pub fn frame(&mut self) -> Result<Frame> {
        self.frame_or_end()?.context("the end instead of a frame")
    }

    /// Reads one message or control frame; no extension is expected.
    pub fn message(&mut self) -> Result<Message> {
        let first = self.frame()?;
        ensure!(first.flags & 0x70 == 0, "a reserved bit: {first:?}");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).context("text that is not UTF-8");
        Ok(match (first.opcode, first.payload.as_slice()) {
            (Opcode::Ping, _) => Message::Ping(first.payload),
            (Opcode::Pong, _) => Message::Pong(first.payload),
            (Opcode::Close, []) => Message::Close(1005, String::new()),
            (Opcode::Close, [high, low, reason @ ..]) => {
                Message::Close(u16::from_be_bytes([*high, *low]), text(reason.to_vec())?)
            }
            (Opcode::Close, [_]) => bail!("a close with half a code"),
            (Opcode::Text, _) => Message::Text(text(self.fragments(first)?)?),
            (Opcode::Binary, _) => Message::Binary(self.fragments(first)?),
            (Opcode::Continuation, _) => bail!("a continuation of nothing"),
        })
    }

    fn fragments(&mut self, first: Frame) -> Result<Vec<u8>> {
        let mut whole = first.payload;
        let mut last = first.flags & Frame::FIN != 0;
        while !last {
            let next = self.frame()?;
            ensure!(next.opcode == Opcode::Continuation, "not a continuation: {next:?}");
            last = next.is_last();
            whole.extend(next.payload);
        }
        Ok(whole)
    }

    /// Reads a message that must be this text.
    pub fn expect_text(&mut self, text: &str) -> Result<()> {
        let message = self.message()?;
        ensure!(message == Message::Text(text.to_owned()), "not {text:?}: {message:?}");
        Ok(())
    }

    /// Reads an in-band message of this type; returns what is under `auth`.
    pub fn expect_auth(&mut self, kind: &str) -> Result<serde_json::Value> {
        let Message::Text(text) = self.message()? else { bail!("not an in-band message") };
        ensure!(text.starts_with(r#"{"auth":"#), "not an in-band message: {text}");
        let value: serde_json::Value = serde_json::from_str(&text)?;
        let auth = value.get("auth").cloned().unwrap_or_default();
        ensure!(auth.get("type").and_then(|t| t.as_str()) == Some(kind), "not {kind}: {text}");
        Ok(auth)
    }

    /// Reads a Close with this code, answers it, and waits for the end. Returns the reason.
    pub fn expect_close(&mut self, code: u16) -> Result<String> {
        let message = self.message()?;
        let Message::Close(seen, reason) = message else { bail!("not a close: {message:?}") };
        ensure!(seen == code, "closed with {seen} {reason:?} instead of {code}");
        // The other side may have gone already.
        either_way(self.send_frame(&Frame::close(code, "")));
        self.end()?;
        Ok(reason)
    }

    /// Reads an answer that must be a valid 101 to a [`Handshake`].
    pub fn expect_switch(&mut self) -> Result<Head> {
        let head = self.head()?;
        ensure!(
            head.status() == 101,
            "not a 101: {head}{:?}",
            String::from_utf8_lossy(&self.buffer)
        );
        let accept = accept_of(Handshake::KEY);
        ensure!(head.one("sec-websocket-accept") == Some(&accept), "wrong accept: {head}");
        let is = |name: &str, value: &str| {
            head.one(name).is_some_and(|there| there.eq_ignore_ascii_case(value))
        };
        ensure!(is("upgrade", "websocket") && is("connection", "upgrade"), "not a switch: {head}");
        Ok(head)
    }

    /// Reads an HTTP answer with this status and its body, and waits for the end.
    pub fn expect_answer(&mut self, status: u16) -> Result<(Head, String)> {
        let head = self.head()?;
        ensure!(head.status() == status, "not {status}: {head}");
        let body = self.body(&head)?;
        self.end()?;
        Ok((head, body))
    }
}

/// An in-band message with a token.
fn in_band(kind: &str, token: &str) -> String {
    serde_json::json!({"auth": {"type": kind, "mechanism": "bearer", "token": token}}).to_string()
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn is_end(error: &io::Error) -> bool {
    let ends = [
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::BrokenPipe,
        io::ErrorKind::UnexpectedEof,
    ];
    ends.contains(&error.kind())
}
