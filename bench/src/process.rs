//! Processes of a measurement: started on a core of their own, watched through `/proc`, ended by
//! their own pid.

use std::{
    fs,
    io::{BufRead, BufReader, Write as _},
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;

/// Where a process may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
    /// On this core alone.
    Pinned(u32),
    /// Wherever the kernel likes.
    Any,
}

/// A process that is killed when dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts it; its output goes nowhere.
    pub fn start(core: Core, command: &[String]) -> Result<Self> {
        let child = prepared(core, command)?
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self(child))
    }

    /// Waits until it listens on this port of 127.0.0.1.
    pub fn listens(&mut self, port: u16) -> Result<()> {
        let guard = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(self.0.try_wait()?.is_none(), "it ended before it listened on port {port}");
            ensure!(Instant::now() < guard, "it does not listen on port {port}");
            pause(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Asks it to end, and waits until it has.
    pub fn terminate(mut self) -> Result<()> {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status()?;
        ensure!(sent.success(), "cannot signal {pid}");
        let status = self.0.wait()?;
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }

    /// Its pid and those of its children, to any depth.
    pub fn family(&self) -> Vec<u32> {
        let mut family = vec![self.0.id()];
        let mut at = 0;
        while let Some(&pid) = family.get(at) {
            let path = format!("/proc/{pid}/task/{pid}/children");
            let children = fs::read_to_string(path).unwrap_or_default();
            family.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            at += 1;
        }
        family
    }

    /// Time on a core so far, user and system, of all its threads and children.
    pub fn cpu(&self) -> Duration {
        let mut nanos = 0;
        for pid in self.family() {
            let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
            for thread in threads.flatten() {
                let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
                let first = text.split_whitespace().next();
                nanos += first.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        Duration::from_nanos(nanos)
    }

    /// Proportional set size of all its processes, in bytes.
    pub fn pss(&self) -> u64 {
        let of = |pid: u32| {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            let line = text.lines().find(|line| line.starts_with("Pss:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        };
        self.family().into_iter().filter_map(of).sum::<u64>() * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The parent first: it would put another one in the place of a child that ended.
        for pid in self.family() {
            let killed = Command::new("kill").args(["-KILL", &pid.to_string()]).output();
            drop(killed);
        }
        drop(self.0.wait());
    }
}

/// The load: it says when it is ready, and what came of it.
#[derive(Debug)]
pub struct Load {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Load {
    /// Starts it, and waits until its connections are open.
    pub fn start(core: Core, arguments: &[String]) -> Result<Self> {
        let own = std::env::current_exe()?.to_string_lossy().into_owned();
        let command: Vec<String> = [own, "role".to_owned(), "load".to_owned()]
            .into_iter()
            .chain(arguments.to_vec())
            .collect();
        let mut child = prepared(core, &command)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let input = child.stdin.take().context("standard input")?;
        let output = BufReader::new(child.stdout.take().context("standard output")?);
        let mut load = Self { child, input, output };
        let line = load.line()?;
        ensure!(line == "ready", "the load failed while opening");
        Ok(load)
    }

    /// Begins the measurement.
    pub fn go(&mut self) -> Result<()> {
        Ok(writeln!(self.input, "go")?)
    }

    /// Waits for what came of it.
    pub fn outcome<T: DeserializeOwned>(mut self) -> Result<T> {
        let line = self.line()?;
        serde_json::from_str(&line).with_context(|| format!("the load failed: {line:?}"))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn prepared(core: Core, command: &[String]) -> Result<Command> {
    let (program, arguments) = command.split_first().context("an empty command")?;
    Ok(match core {
        Core::Any => {
            let mut prepared = Command::new(program);
            prepared.args(arguments);
            prepared
        }
        Core::Pinned(core) => {
            let mut prepared = Command::new("taskset");
            prepared.args(["-c", &core.to_string(), program]).args(arguments);
            prepared
        }
    })
}

/// Waits. A benchmark is about time; nothing else here may wait.
#[expect(clippy::disallowed_methods, reason = "no runtime, and nothing to wait for but time")]
pub fn pause(span: Duration) {
    std::thread::sleep(span);
}
