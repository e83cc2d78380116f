//! The proxies: each as it comes, and as an expert would tune it, with one worker.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::{
    process::{Core, Process},
    tokens::{self, Check},
};

/// What stands between the load and the echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// Nothing.
    Direct,
    /// A relay of bytes.
    Floor,
    /// nginx as it comes.
    Nginx,
    /// nginx with 64 KiB buffers.
    Nginx64,
    /// HAProxy as it comes.
    Haproxy,
    /// HAProxy with 64 KiB buffers.
    Haproxy64,
    /// Ours.
    Vestibule,
}

impl Peer {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 7] = [
        Self::Direct,
        Self::Floor,
        Self::Nginx,
        Self::Nginx64,
        Self::Haproxy,
        Self::Haproxy64,
        Self::Vestibule,
    ];

    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Floor => "epoll relay",
            Self::Nginx => "nginx",
            Self::Nginx64 => "nginx 64K",
            Self::Haproxy => "HAProxy",
            Self::Haproxy64 => "HAProxy 64K",
            Self::Vestibule => "Vestibule",
        }
    }

    /// Whether it can check a token by itself.
    pub fn checks_tokens(self) -> bool {
        match self {
            Self::Haproxy | Self::Haproxy64 | Self::Vestibule => true,
            Self::Direct | Self::Floor | Self::Nginx | Self::Nginx64 => false,
        }
    }

    /// Starts it in front of the upstream. `workers` is one where it is pinned.
    pub fn start(self, place: &Place<'_>) -> Result<Option<Process>> {
        if self == Self::Direct {
            return Ok(None);
        }
        let command = self.command(place)?;
        let mut process = Process::start(place.core, &command)?;
        process.listens(place.port).with_context(|| format!("{} did not start", self.name()))?;
        Ok(Some(process))
    }

    /// How it is started; writes what it reads.
    pub fn command(self, place: &Place<'_>) -> Result<Vec<String>> {
        match self {
            Self::Direct => bail!("there is nothing to start"),
            Self::Floor => floor(place),
            Self::Nginx => nginx(place, ""),
            Self::Nginx64 => nginx(place, NGINX_64),
            Self::Haproxy => haproxy(place, ""),
            Self::Haproxy64 => haproxy(place, "  tune.bufsize 65536\n"),
            Self::Vestibule => vestibule(place),
        }
    }

    /// The version that is installed.
    pub fn version(self, vestibule: &Path) -> Option<String> {
        let (program, argument) = match self {
            Self::Direct | Self::Floor | Self::Nginx64 | Self::Haproxy64 => return None,
            Self::Nginx => (Path::new("nginx"), "-v"),
            Self::Haproxy => (Path::new("haproxy"), "-v"),
            Self::Vestibule => (vestibule, "--version"),
        };
        let output = Command::new(program).arg(argument).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).lines().next().map(str::to_owned)
    }
}

/// Where a proxy stands, and what it has to do.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The core it may run on.
    pub core: Core,
    /// Workers.
    pub workers: usize,
    /// The port it listens on.
    pub port: u16,
    /// The port of the upstream.
    pub upstream: u16,
    /// Which tokens it checks.
    pub check: Check,
    /// What clients speak below HTTP.
    pub cover: Cover,
    /// A directory for its files.
    pub folder: &'a Path,
    /// The gateway's binary.
    pub vestibule: &'a Path,
}

/// What clients speak below HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// Nothing.
    Plain,
    /// TLS.
    Tls,
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn floor(place: &Place<'_>) -> Result<Vec<String>> {
    let own = std::env::current_exe()?.to_string_lossy().into_owned();
    let (port, upstream) = (place.port.to_string(), place.upstream.to_string());
    Ok(words(&[&own, "role", "floor", "--port", &port, "--upstream", &upstream]))
}

const NGINX_64: &str = "
    client_header_buffer_size 64k;
    proxy_buffer_size 64k;
    proxy_buffers 8 64k;
    proxy_busy_buffers_size 128k;";

fn nginx(place: &Place<'_>, tuning: &str) -> Result<Vec<String>> {
    let Place { port, upstream, workers, cover, .. } = place;
    let (ssl, tuning) = match cover {
        Cover::Plain => ("", tuning.to_owned()),
        Cover::Tls => {
            let (certificate, key) = tokens::certificate(place.folder)?;
            let (certificate, key) = (certificate.display(), key.display());
            let lines = format!(
                "
    ssl_certificate {certificate};
    ssl_certificate_key {key};"
            );
            (" ssl", format!("{tuning}{lines}"))
        }
    };
    let folder = place.folder.display();
    let path = place.folder.join("nginx.conf");
    let config = format!(
        "daemon off;
worker_processes {workers};
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log /dev/null;
events {{ worker_connections 19900; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096 reuseport{ssl};{tuning}
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection \"upgrade\";
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
    }}
  }}
}}
"
    );
    fs::write(&path, config)?;
    Ok(words(&["nginx", "-c", &path.to_string_lossy(), "-e", "/dev/null"]))
}

fn haproxy(place: &Place<'_>, tuning: &str) -> Result<Vec<String>> {
    let Place { port, upstream, workers, check, cover, .. } = place;
    let path = place.folder.join("haproxy.cfg");
    let ssl = match cover {
        Cover::Plain => String::new(),
        Cover::Tls => {
            let (certificate, key) = tokens::certificate(place.folder)?;
            let both = place.folder.join("both.pem");
            let text = [fs::read_to_string(certificate)?, fs::read_to_string(key)?].concat();
            fs::write(&both, text)?;
            format!(" ssl crt {}", both.display())
        }
    };
    let rules = match check {
        Check::Nothing => String::new(),
        Check::Token(algorithm) => {
            let key = match algorithm {
                tokens::Algorithm::Hs256 => tokens::SECRET.to_owned(),
                tokens::Algorithm::Rs256 | tokens::Algorithm::Es256 => {
                    tokens::public_pem(*algorithm, place.folder)?.display().to_string()
                }
                tokens::Algorithm::EdDsa => bail!("HAProxy knows no EdDSA"),
            };
            let (name, issuer, audience) = (algorithm.name(), tokens::ISSUER, tokens::AUDIENCE);
            format!(
                "  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  http-request deny unless {{ var(txn.alg) -m str {name} }}
  http-request deny unless {{ var(txn.bearer),jwt_payload_query('$.iss') -m str {issuer} }}
  http-request deny unless {{ var(txn.bearer),jwt_payload_query('$.aud') -m str {audience} }}
  http-request deny if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
  http-request deny unless {{ var(txn.bearer),jwt_verify(txn.alg,\"{key}\") -m int 1 }}
"
            )
        }
    };
    let config = format!(
        "global
  nbthread {workers}
  maxconn 9960
{tuning}defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend front
  bind 127.0.0.1:{port} backlog 4096{ssl}
{rules}  default_backend back
backend back
  server one 127.0.0.1:{upstream}
"
    );
    fs::write(&path, config)?;
    Ok(words(&["haproxy", "-db", "-q", "-f", &path.to_string_lossy()]))
}

fn vestibule(place: &Place<'_>) -> Result<Vec<String>> {
    let Place { port, upstream, workers, check, cover, folder, .. } = place;
    let tls = match cover {
        Cover::Plain => String::new(),
        Cover::Tls => {
            let (certificate, key) = tokens::certificate(folder)?;
            format!(
                "tls = {{ cert = \"{}\", key = \"{}\" }}\n",
                certificate.display(),
                key.display()
            )
        }
    };
    let algorithm = match check {
        // Every connection of ours shows a token; without a check it has been seen before.
        Check::Nothing => tokens::Algorithm::Hs256,
        Check::Token(algorithm) => *algorithm,
    };
    let (keys, issuer, audience) =
        (tokens::key_file(algorithm, folder)?, tokens::ISSUER, tokens::AUDIENCE);
    let keys = match algorithm {
        tokens::Algorithm::Hs256 => format!("secret_file = \"{}\"", keys.display()),
        tokens::Algorithm::Rs256 | tokens::Algorithm::Es256 | tokens::Algorithm::EdDsa => {
            format!("jwks_file = \"{}\"", keys.display())
        }
    };
    let path = folder.join("vestibule.toml");
    let config = format!(
        "[server]
listen = \"127.0.0.1:{port}\"
workers = {workers}
pending_per_address = 4096
{tls}[log]
level = \"warn\"
[[issuers]]
name = \"bench\"
issuer = \"{issuer}\"
audiences = [\"{audience}\"]
algorithms = [\"{}\"]
{keys}
[[routes]]
path = \"/\"
upstream = \"ws://127.0.0.1:{upstream}\"
accept = [\"header\", \"message\"]
assertion = \"off\"
expiry_grace = \"1s\"
[[routes]]
path = \"/each\"
upstream = \"ws://127.0.0.1:{upstream}\"
accept = [\"per-message\"]
assertion = \"off\"
auth_deadline = \"1m\"
[admin]
listen = \"127.0.0.1:0\"
",
        algorithm.name()
    );
    fs::write(&path, config)?;
    Ok(words(&[&place.vestibule.to_string_lossy(), "serve", "-c", &path.to_string_lossy()]))
}
