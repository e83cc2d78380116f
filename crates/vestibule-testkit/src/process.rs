//! The built binary as a process.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{GUARD, either_way, peer::Peer};

/// What a process has written so far, line by line.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    over: bool,
}

impl Lines {
    /// Collects in a thread of its own until the end of the stream.
    fn collect(stream: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let into = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                into.lock().lines.push(String::from_utf8_lossy(&line).into_owned());
                into.0.changed.notify_all();
            }
            into.lock().over = true;
            into.0.changed.notify_all();
        });
        lines
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        self.lock().lines.join("\n")
    }

    /// Waits for the first line of which `find` makes something.
    pub fn wait<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let mut seen = 0;
        let mut state = self.lock();
        loop {
            for line in state.lines.get(seen..).unwrap_or_default() {
                if let Some(found) = find(line) {
                    return Ok(found);
                }
            }
            seen = state.lines.len();
            if state.over {
                bail!("the process ended without {what}:\n{}", state.lines.join("\n"));
            }
            let (next, waited) =
                self.0.changed.wait_timeout(state, GUARD).unwrap_or_else(PoisonError::into_inner);
            state = next;
            if waited.timed_out() {
                bail!("no {what} within {GUARD:?}:\n{}", state.lines.join("\n"));
            }
        }
    }

    /// Waits for a line with this text in it.
    pub fn wait_for(&self, text: &str) -> Result<String> {
        self.wait(text, |line| line.contains(text).then(|| line.to_owned()))
    }

    /// Waits for the end of the stream.
    fn wait_end(&self) -> Result<()> {
        let (_state, waited) = self
            .0
            .changed
            .wait_timeout_while(self.lock(), GUARD, |state| !state.over)
            .unwrap_or_else(PoisonError::into_inner);
        ensure!(!waited.timed_out(), "the process did not end within {GUARD:?}");
        Ok(())
    }
}

/// A gateway that runs. It is killed when dropped.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    public: SocketAddr,
    admin: SocketAddr,
    log: Lines,
    output: Lines,
}

impl Gateway {
    /// Starts `vestibule serve` with a configuration file, which must ask for logs without colours
    /// and for an admin listener, and waits until both listeners are there.
    pub fn start<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        binary: &Path,
        config: &Path,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self> {
        let mut child = Command::new(binary)
            .args(["serve", "-c"])
            .arg(config)
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let log = Lines::collect(child.stderr.take().context("no standard error")?);
        let output = Lines::collect(child.stdout.take().context("no standard output")?);
        let listening = |role: &'static str| {
            log.wait("listener", move |line| address_of(line, role))
                .with_context(|| format!("the {role} listener"))
        };
        let (public, admin) = match (listening("public"), listening("admin")) {
            (Ok(public), Ok(admin)) => (public, admin),
            (Err(error), _) | (_, Err(error)) => {
                // It may have ended by itself.
                either_way(child.kill());
                child.wait()?;
                return Err(error);
            }
        };
        Ok(Self { child, public, admin, log, output })
    }

    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.public
    }

    /// Where its operator asks.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Its log.
    pub fn log(&self) -> &Lines {
        &self.log
    }

    /// What it wrote to standard output.
    pub fn output(&self) -> &Lines {
        &self.output
    }

    /// A new connection to it.
    pub fn connect(&self) -> Result<Peer> {
        Peer::connect(self.public)
    }

    /// Asks the admin listener: the status, and the body.
    pub fn ask(&self, path: &str) -> Result<(u16, String)> {
        let mut peer = Peer::connect(self.admin)?;
        peer.send(format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.admin
        ))?;
        let head = peer.head()?;
        let body = peer.body(&head)?;
        Ok((head.status(), body))
    }

    /// The value of one line of `/metrics`; 0 where there is none. `series` is the name with its
    /// labels, as it is written there.
    pub fn metric(&self, series: &str) -> Result<u64> {
        let (_, text) = self.ask("/metrics")?;
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(value.map_or(Ok(0), str::parse)?)
    }

    /// Memory in use, in KiB (`VmRSS`).
    pub fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
        Ok(number.parse()?)
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    /// Sends it SIGTERM.
    pub fn terminate(&self) -> Result<()> {
        self.signal("-TERM")
    }

    /// Sends a signal, as `kill` names it.
    pub fn signal(&self, name: &str) -> Result<()> {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([name, &pid]).status()?;
        ensure!(status.success(), "cannot send SIGTERM");
        Ok(())
    }

    /// Waits for it to end.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.log.wait_end()?;
        self.output.wait_end()?;
        Ok(self.child.wait()?)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        either_way(self.child.kill());
        either_way(self.child.wait());
    }
}

/// The address in a log line, in JSON or as text, that tells of a listener of this role.
fn address_of(line: &str, role: &str) -> Option<SocketAddr> {
    if line.contains(&format!(" role={role:?}")) {
        let (_, behind) = line.split_once(" listening=")?;
        return behind.split(' ').next()?.parse().ok();
    }
    let value: Value = serde_json::from_str(line).ok()?;
    let of_role = value.get("role").and_then(Value::as_str) == Some(role);
    value.get("listening")?.as_str().filter(|_| of_role)?.parse().ok()
}

/// What a command said, and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its exit code; -1 where a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs the binary to its end.
pub fn run(mut command: Command, input: &str) -> Result<Output> {
    use std::io::Write as _;
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stdout = Lines::collect(child.stdout.take().context("no standard output")?);
    let stderr = Lines::collect(child.stderr.take().context("no standard error")?);
    if let Some(mut stdin) = child.stdin.take() {
        // A command that reads nothing may be gone already.
        either_way(stdin.write_all(input.as_bytes()));
    }
    let ended = stdout.wait_end().and_then(|()| stderr.wait_end());
    if ended.is_err() {
        child.kill()?;
    }
    let code = child.wait()?.code().unwrap_or(-1);
    ended.with_context(|| format!("stdout: {}\nstderr: {}", stdout.text(), stderr.text()))?;
    Ok(Output { code, stdout: stdout.text(), stderr: stderr.text() })
}
