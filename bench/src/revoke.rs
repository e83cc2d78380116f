//! `vestibule-bench revoke`: how soon the connections of a subject are closed after it was revoked.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Deserialize;

use crate::{
    cases::{echo, free_port},
    process::{Core, Load, Process, pause},
    tokens::{self, Algorithm},
};

/// What is measured.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The gateway's binary, built with `--release`.
    #[arg(long, default_value = "target/release/vestibule")]
    pub vestibule: PathBuf,
    /// Live connections of the subject that is revoked. Each takes two descriptors of the gateway.
    #[arg(long, default_value_t = 9000)]
    pub connections: usize,
    /// Live connections of another subject, which stay.
    #[arg(long, default_value_t = 500)]
    pub others: usize,
    /// How often.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
}

/// Milliseconds from the request that revokes.
#[derive(Clone, Copy, Debug)]
struct Figure {
    /// To its answer: the revocation is durable.
    acknowledged: f64,
    /// To the first close frame that a client saw.
    first: f64,
    /// To the last.
    last: f64,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    began: f64,
    closed: u64,
    first_closed: f64,
    last_closed: f64,
}

/// Measures, and tells.
pub fn run(options: &Options) -> Result<String> {
    ensure!(options.vestibule.exists(), "{} is not there", options.vestibule.display());
    let mut figures = Vec::new();
    for _ in 0..options.rounds.max(1) {
        figures.push(round(options)?);
    }
    let each = |of: fn(&Figure) -> f64| {
        let mut all: Vec<_> = figures.iter().map(of).collect();
        all.sort_unstable_by(f64::total_cmp);
        let middle = all.get(all.len() / 2).copied().unwrap_or_default();
        let (least, most) = (all.first().copied(), all.last().copied());
        format!("{middle:.1} ({:.1} to {:.1})", least.unwrap_or_default(), most.unwrap_or_default())
    };
    let (connections, others, rounds) = (options.connections, options.others, figures.len());
    Ok(format!(
        "{connections} connections of one subject revoked, {others} others stay; two workers; \
         {rounds} rounds\n\n\
         | from the request to | ms: median (least to most) |\n|---|---|\n\
         | its answer | {} |\n| the first close frame at a client | {} |\n\
         | the last close frame at a client | {} |\n",
        each(|figure| figure.acknowledged),
        each(|figure| figure.first),
        each(|figure| figure.last),
    ))
}

fn round(options: &Options) -> Result<Figure> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let (upstream, port, admin) = (free_port()?, free_port()?, free_port()?);
    let _echo = echo(Core::Any, upstream)?;
    let mut gateway = gateway(options, folder, port, upstream, admin)?;
    gateway.listens(port)?;
    gateway.listens(admin)?;
    let both = fs::read_to_string(tokens::file(Algorithm::EdDsa, 2, 3600, folder)?)?;
    let clients = |at: usize, count: usize| {
        let path = folder.join(format!("{at}.token"));
        fs::write(&path, both.lines().nth(at).context("a token")?)?;
        let words = [
            format!("--port={port}"),
            "--task=idle".to_owned(),
            format!("--connections={count}"),
            format!("--tokens={}", path.display()),
        ];
        Load::start(Core::Any, &words)
    };
    let mut stay = clients(1, options.others)?;
    stay.go()?;
    let mut revoked = clients(0, options.connections)?;
    // What was let in last is still being written about.
    pause(Duration::from_millis(500));
    let token = fs::read_to_string(folder.join("admin.token"))?;
    revoked.go()?;
    pause(Duration::from_millis(100));
    // The clients are another process: its clock and ours agree on the time of day alone.
    let (asked, at) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH)?);
    let body = r#"{"subject":"user-0","reason":"benchmark"}"#;
    let answer = ask(admin, token.trim(), "POST /api/v1/revocations", body)?;
    let acknowledged = asked.elapsed();
    ensure!(answer.starts_with("HTTP/1.1 201"), "not revoked: {answer}");
    let outcome: Outcome = revoked.outcome()?;
    let since = |closed: f64| (outcome.began + closed - at.as_secs_f64()) * 1000.0;
    ensure!(outcome.closed == u64::try_from(options.connections)?, "{outcome:?}");
    // Closing handshakes are still going on; when they are over, all others must be there.
    let left = format!("vestibule_connections {}", options.others);
    let guard = Instant::now() + Duration::from_secs(10);
    loop {
        let metrics = ask(admin, token.trim(), "GET /metrics", "")?;
        if metrics.lines().any(|line| line == left) {
            break;
        }
        ensure!(Instant::now() < guard, "others were closed: {metrics}");
        pause(Duration::from_millis(100));
    }
    Ok(Figure {
        acknowledged: acknowledged.as_secs_f64() * 1000.0,
        first: since(outcome.first_closed),
        last: since(outcome.last_closed),
    })
}

fn gateway(
    options: &Options,
    folder: &Path,
    port: u16,
    upstream: u16,
    admin: u16,
) -> Result<Process> {
    let keys = tokens::key_file(Algorithm::EdDsa, folder)?;
    let (issuer, audience) = (tokens::ISSUER, tokens::AUDIENCE);
    let path = folder.join("vestibule.toml");
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\nworkers = 2\npending_per_address = 4096\n\
         [log]\nlevel = \"warn\"\n\
         [[issuers]]\nname = \"bench\"\nissuer = \"{issuer}\"\naudiences = [\"{audience}\"]\n\
         jwks_file = \"{}\"\n\
         [[routes]]\npath = \"/\"\nupstream = \"ws://127.0.0.1:{upstream}\"\n\
         accept = [\"header\"]\nassertion = \"off\"\n\
         [store]\npath = \"store.redb\"\n\
         [admin]\nlisten = \"127.0.0.1:{admin}\"\n",
        keys.display()
    );
    fs::write(&path, config)?;
    let words = [&options.vestibule.to_string_lossy(), "serve", "-c", &path.to_string_lossy()];
    Process::start(Core::Any, &words.map(str::to_owned))
}

fn ask(port: u16, token: &str, request: &str, body: &str) -> Result<String> {
    let mut peer = TcpStream::connect(("127.0.0.1", port))?;
    peer.set_nodelay(true)?;
    let length = body.len();
    peer.write_all(
        format!(
            "{request} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .as_bytes(),
    )?;
    let mut answer = String::new();
    peer.read_to_string(&mut answer)?;
    Ok(answer)
}
