//! `vestibule connect`: a small WebSocket client that authenticates, for trying a gateway out.

mod args;
mod proving;
mod screen;
mod ssh;
mod talk;
mod words;

#[cfg(test)]
mod tests;

use core::{error::Error, future::Future};
use std::{
    io::{self, BufRead, IsTerminal, Write},
    path::PathBuf,
    thread,
};

use tokio::{signal, sync::mpsc, time::timeout};
use vestibule_client::{
    Carrier, Credential,
    handshake::{BadCertificates, OpenError},
};
use vestibule_core::limits;

use super::{CommandError, operate::password};

pub use self::{
    args::{Arguments, CarrierChoice},
    screen::Style,
};
use self::{
    args::{PasswordSource, Plan, ToConnection, TokenSource},
    screen::Screen,
    talk::Talk,
};

/// Lines of input that wait to be sent.
const LINES: usize = 16;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Normally.
    Fine,
    /// The server refused, by HTTP 4xx or by a close code that says so.
    Refused,
    /// Something failed.
    Failed,
    /// The command line makes no sense.
    Usage,
}

impl Outcome {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Failed => 1,
            Self::Refused => 2,
            Self::Usage => 64,
        }
    }
}

/// Whether a line that begins with a slash is a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commands {
    /// It is: a person types.
    Taken,
    /// It is a message like any other: a program writes.
    Sent,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("{0}")]
    Usage(String),
    #[error("the token cannot be used: {0}")]
    Token(&'static str),
    #[error("cannot read the token in {}", path.display())]
    TokenFile { path: PathBuf, source: io::Error },
    #[error("cannot use the key in {}", path.display())]
    Key { path: PathBuf, source: io::Error },
    #[error("the password cannot be asked for")]
    Terminal(#[source] CommandError),
    #[error("this cannot be a user name and a password")]
    Password,
    #[error("cannot use the certificates in {}", path.display())]
    Ca { path: PathBuf, source: io::Error },
    #[error("cannot show the certificate in {}", path.display())]
    Shown { path: PathBuf, source: io::Error },
    #[error("cannot reach {host} at port {port}")]
    Unreachable { host: String, port: u16, source: io::Error },
    #[error("TLS failed; --ca FILE trusts another authority")]
    Tls(#[source] io::Error),
    #[error("no answer within {} s", limits::DIAL_TIMEOUT.as_secs())]
    TimedOut,
    #[error("the system's certificates cannot be read; --ca FILE gives others")]
    Certificates(#[source] BadCertificates),
    #[error("the answer is not a WebSocket's")]
    Answer(#[source] Box<dyn Error + Send + Sync>),
    #[error("the server chose the subprotocol that holds the token")]
    Echoed,
    #[error("cannot print")]
    Print(#[from] io::Error),
}

impl ConnectError {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Usage(_) => Outcome::Usage,
            Self::Token(_)
            | Self::TokenFile { .. }
            | Self::Key { .. }
            | Self::Terminal(_)
            | Self::Password
            | Self::Ca { .. }
            | Self::Shown { .. }
            | Self::Unreachable { .. }
            | Self::Tls(_)
            | Self::TimedOut
            | Self::Certificates(_)
            | Self::Answer(_)
            | Self::Echoed
            | Self::Print(_) => Outcome::Failed,
        }
    }
}

/// Runs the command on this process's own streams. Must be called in a runtime.
pub async fn run(arguments: Arguments) -> Outcome {
    let commands = if io::stdin().is_terminal() { Commands::Taken } else { Commands::Sent };
    let style = if io::stdout().is_terminal() { Style::Terminal } else { Style::Plain };
    let interrupt = async {
        // Without a handler the signal ends the process, which is as good.
        if signal::ctrl_c().await.is_err() {
            core::future::pending::<()>().await;
        }
    };
    let mut streams = Streams {
        lines: standard_input(),
        commands,
        out: io::stdout(),
        notes: io::stderr(),
        style,
    };
    connect(arguments, &mut streams, interrupt).await
}

/// Where lines come from and where things are printed.
#[derive(Debug)]
pub struct Streams<Out, Notes> {
    /// What is typed, line by line; its end asks for a normal close.
    pub lines: mpsc::Receiver<String>,
    /// Whether a person types it.
    pub commands: Commands,
    /// Messages.
    pub out: Out,
    /// Everything about the connection.
    pub notes: Notes,
    /// For whom is printed.
    pub style: Style,
}

/// Connects, talks, and says how it ended. `interrupt` asks for a normal close.
pub async fn connect<Out: Write, Notes: Write>(
    arguments: Arguments,
    streams: &mut Streams<Out, Notes>,
    interrupt: impl Future<Output = ()>,
) -> Outcome {
    match attempt(arguments, streams, interrupt).await {
        Ok(outcome) => outcome,
        Err(error) => {
            // Where even this cannot be printed, the exit code still says it.
            drop(writeln!(streams.notes, "vestibule connect: {}", chain(&error)));
            error.outcome()
        }
    }
}

async fn attempt<Out: Write, Notes: Write>(
    arguments: Arguments,
    streams: &mut Streams<Out, Notes>,
    interrupt: impl Future<Output = ()>,
) -> Result<Outcome, ConnectError> {
    let plan = arguments.plan()?;
    let Streams { lines, commands, out, notes, style } = streams;
    let token = token(&plan, lines).await?;
    let (handshake, carrier) = (plan.handshake()?, plan.carrier());
    let mut screen = Screen::new(out, notes, *style);
    let opening = handshake.open(token.as_ref().map(|token| (&carrier, token)));
    let opened = timeout(limits::DIAL_TIMEOUT, opening).await;
    let socket = match opened.map_err(|_| ConnectError::TimedOut)? {
        Ok(socket) => socket,
        Err(OpenError::Refused(refusal)) => {
            screen.notes(&words::refused(&refusal))?;
            return Ok(words::refused_outcome(refusal.status()));
        }
        Err(error) => return Err(not_opened(error)),
    };
    let chosen =
        socket.subprotocol().map_or_else(String::new, |name| format!(", subprotocol {name}"));
    screen.note(&format!("connected to {}{chosen}", plan.address))?;
    let first = match carrier {
        Carrier::Message => token.as_ref(),
        Carrier::Header
        | Carrier::Subprotocol
        | Carrier::Query { .. }
        | Carrier::Cookie { .. }
        | Carrier::Tls
        | Carrier::PerMessage => None,
    };
    let mut talk = Talk::new(&mut screen, *commands, plan.once, (&handshake, socket.exporter()));
    talk.begin(first)?;
    Ok(talk.run(socket, lines, interrupt).await?)
}

fn not_opened(error: OpenError) -> ConnectError {
    match error {
        OpenError::Unreachable { host, port, source } => {
            ConnectError::Unreachable { host, port, source }
        }
        OpenError::Tls(source) => ConnectError::Tls(source),
        OpenError::Certificates(source) => ConnectError::Certificates(source),
        OpenError::Answer(source) => ConnectError::Answer(source),
        OpenError::Echoed => ConnectError::Echoed,
        OpenError::Uncarried(words) => ConnectError::Token(words),
        OpenError::Unaskable(words) => ConnectError::Usage(words.to_owned()),
        // Told by the caller.
        refused @ OpenError::Refused(_) => ConnectError::Answer(Box::new(refused)),
    }
}

async fn token(
    plan: &Plan,
    lines: &mut mpsc::Receiver<String>,
) -> Result<Option<Credential>, ConnectError> {
    match &plan.token {
        TokenSource::None => Ok(None),
        TokenSource::Given(token) => Ok(Some(token.clone())),
        TokenSource::File(path) => args::token_in(path).map(Some),
        TokenSource::FirstLine => {
            let line = zeroize::Zeroizing::new(lines.recv().await.unwrap_or_default());
            args::token_of(line.as_bytes()).map(Some)
        }
        TokenSource::Key(file) => ssh::key(file).map(Some),
        TokenSource::Certificate => Ok(Some(Credential::certificate())),
        TokenSource::Password { user, from, binding } => {
            let password = match from {
                PasswordSource::FirstLine => {
                    zeroize::Zeroizing::new(lines.recv().await.unwrap_or_default())
                }
                PasswordSource::Terminal => password::ask().map_err(ConnectError::Terminal)?,
            };
            let begun = match binding {
                ToConnection::Unbound => Credential::scram(user, &password),
                ToConnection::Bound => Credential::scram_plus(user, &password),
            };
            begun.map(Some).map_err(|_| ConnectError::Password)
        }
    }
}

/// Lines of standard input, read by a thread of their own: a blocking read that nobody can
/// interrupt must not keep the process from ending.
fn standard_input() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(LINES);
    let reader = move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    };
    // Without the thread there is no input, which is what a closed channel says.
    if let Ok(thread) = thread::Builder::new().name("stdin".to_owned()).spawn(reader) {
        drop(thread);
    }
    receiver
}

/// An error with its causes, on one line.
fn chain(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    words
}
