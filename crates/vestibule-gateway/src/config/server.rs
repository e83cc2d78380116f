//! The sections about the process: `[server]`, `[log]`, `[admin]`.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZero,
    time::Duration,
};

use ipnet::IpNet;
use tracing_subscriber::EnvFilter;
use vestibule_core::limits;

use super::{
    auth,
    fault::Fault,
    files::{Files, Purpose},
    keys::Section,
    model::{Admin, ClientAuth, ClientTls, Log, LogFormat, Server, Tls},
    raw::Node,
    read::{Complaint, Reader, Written, values},
    suggest,
};

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9480);
const DRAIN: Duration = Duration::from_secs(10);
const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

/// `[server]` as it was written, with the places that other sections are compared with.
#[derive(Debug)]
pub(super) struct ServerWritten {
    pub(super) server: Server,
    pub(super) listen: Vec<Written<SocketAddr>>,
}

impl Default for ServerWritten {
    fn default() -> Self {
        let server = Server {
            listen: vec![LISTEN],
            tls: None,
            trusted_proxies: Vec::new(),
            workers: cores(),
            drain: DRAIN,
            pending_per_address: limits::PENDING_PER_ADDRESS,
            pending: limits::PENDING,
            assertion_key: None,
        };
        Self { server, listen: Vec::new() }
    }
}

/// Reads `[server]`.
pub(super) fn server(reader: &mut Reader<'_>, files: &mut Files) -> ServerWritten {
    let listen = reader.some("listen", address).unwrap_or_default();
    let mut seen: Vec<&Written<SocketAddr>> = Vec::new();
    for written in &listen {
        let twin = seen.iter().find(|other| other.value == written.value && other.value.port() > 0);
        if let Some(first) = twin {
            let fault =
                Fault::new(format!("{} is there twice", written.value), written.place.clone());
            reader.report.push(fault.related(first.place.clone(), "the first time"));
        }
        seen.push(written);
    }
    let tls = reader.node("tls").and_then(|node| tls(node, reader, files));
    let trusted_proxies = reader.list("trusted_proxies", network).map(values).unwrap_or_default();
    let workers = reader
        .integer("workers", 1..=1024)
        .and_then(|workers| NonZero::new(usize::try_from(workers).ok()?));
    let drain = reader.duration("drain", Duration::ZERO..=Duration::from_hours(1));
    let pending_per_address = reader.integer("pending_per_address", 1..=1_000_000);
    let pending = reader.integer("pending", 1..=10_000_000);
    let assertion_key = files.read(reader, "assertion_key", Purpose::SigningKey);
    let server = Server {
        listen: if listen.is_empty() {
            vec![LISTEN]
        } else {
            listen.iter().map(|written| written.value).collect()
        },
        tls,
        trusted_proxies,
        workers: workers.unwrap_or_else(cores),
        drain: drain.map_or(DRAIN, |drain| drain.value),
        pending_per_address: pending_per_address.unwrap_or(limits::PENDING_PER_ADDRESS),
        pending: pending.unwrap_or(limits::PENDING),
        assertion_key,
    };
    if server.pending_per_address > server.pending {
        let message = "`pending_per_address` is more than `pending`, so one address can take all";
        let place = reader.place_of("pending_per_address");
        reader.report.push(Fault::warning(message, place));
    }
    ServerWritten { server, listen }
}

fn tls(node: &Node, reader: &mut Reader<'_>, files: &mut Files) -> Option<Tls> {
    let mut inner = Reader::new(Section::Tls, node, reader.report)?;
    let cert = files.read(&mut inner, "cert", Purpose::Certificates);
    let key = files.read(&mut inner, "key", Purpose::PrivateKey);
    for (name, path) in [("cert", &cert), ("key", &key)] {
        if path.is_none() && inner.node(name).is_none() {
            inner.missing(name);
        }
    }
    let clients = client_tls(&mut inner, files);
    Some(Tls { cert: cert?, key: key?, clients })
}

/// What clients are asked to show, beside what they are shown.
fn client_tls(reader: &mut Reader<'_>, files: &mut Files) -> Option<ClientTls> {
    let ca = files.read(reader, "client_ca", Purpose::ClientRoots);
    let crls = files.read_some(reader, "client_crl", Purpose::Revocations).unwrap_or_default();
    let names = [("optional", ClientAuth::Optional), ("required", ClientAuth::Required)];
    let auth = reader.choice("client_auth", &names).unwrap_or(ClientAuth::Optional);
    if reader.node("client_ca").is_none() {
        for name in ["client_crl", "client_auth"] {
            if let Some(node) = reader.node(name) {
                let message = format!(
                    "`{name}` is about client certificates, and no authority of theirs is named"
                );
                let fault = Fault::new(message, node.place.clone());
                reader.report.push(fault.help("write `client_ca = \"clients-ca.pem\"`"));
            }
        }
    }
    Some(ClientTls { ca: ca?, crls, auth })
}

/// Reads `[log]`.
pub(super) fn log(reader: Option<&mut Reader<'_>>) -> Log {
    let (mut level, mut format) = (None, None);
    if let Some(reader) = reader {
        level = reader.parsed("level", directives);
        format = reader.choice(
            "format",
            &[("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)],
        );
    }
    Log {
        level: level.map_or_else(|| "info".into(), |level| level.value),
        format: format.unwrap_or(LogFormat::Auto),
    }
}

/// Reads `[admin]`.
pub(super) fn admin(
    reader: &mut Reader<'_>,
    public: &[Written<SocketAddr>],
    files: &Files,
) -> Admin {
    let written = reader.parsed("listen", address);
    if let Some(admin) = &written {
        let twin = public.iter().find(|public| collide(public.value, admin.value));
        if let Some(twin) = twin {
            let message = "the operator's listener has an address of the public side";
            let fault = Fault::new(message, admin.place.clone());
            reader.report.push(fault.related(twin.place.clone(), "the public side"));
        } else if !admin.value.ip().to_canonical().is_loopback() {
            let message = "metrics and health can be read by everybody who reaches this address";
            reader.report.push(Fault::warning(message, admin.place.clone()));
        }
    }
    Admin {
        listen: written.map_or(ADMIN, |written| written.value),
        token_file: auth::token_file(reader, files),
        audit_log: files.make(reader, "audit_log"),
    }
}

/// Whether two listeners cannot both have what they want.
fn collide(one: SocketAddr, two: SocketAddr) -> bool {
    let any = |address: SocketAddr| address.ip().is_unspecified();
    one.port() != 0 && one.port() == two.port() && (one.ip() == two.ip() || any(one) || any(two))
}

fn cores() -> NonZero<usize> {
    std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}

fn address(text: &str) -> Result<SocketAddr, Complaint> {
    let Ok(address) = text.parse() else {
        let complaint = Complaint::new(format!("{text:?} is no address and port to listen on"));
        let (host, port) = text.rsplit_once(':').unwrap_or((text, "8080"));
        let known = port.parse::<u16>().is_ok();
        return Err(match (host, known) {
            ("" | "*", true) => complaint.help(format!(
                "write `0.0.0.0:{port}` for every IPv4 address, `[::]:{port}` for every address"
            )),
            ("localhost", true) => {
                complaint.help(format!("write `127.0.0.1:{port}` or `[::1]:{port}`"))
            }
            (host, true) if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) => {
                complaint.help(format!("write an IPv6 address in brackets: `[{host}]:{port}`"))
            }
            (digits, true) if digits.parse::<u16>().is_ok() => {
                complaint.help(format!("write the address, too: `127.0.0.1:{digits}`"))
            }
            (_, true | false) => complaint.help("write it like `127.0.0.1:8080` or `[::1]:8080`"),
        });
    };
    Ok(address)
}

fn network(text: &str) -> Result<IpNet, Complaint> {
    text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
        Complaint::new(format!("{text:?} is neither an address nor a block of addresses"))
            .help("write it like `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`")
    })
}

fn directives(text: &str) -> Result<Box<str>, Complaint> {
    if LEVELS.contains(&text) {
        return Ok(text.into());
    }
    // A single word would be taken for the name of a part of the program.
    let several = text.contains('=') || text.contains(',');
    if several && EnvFilter::try_new(text).is_ok() {
        return Ok(text.into());
    }
    let complaint = Complaint::new(format!("`level` cannot be {text:?}"));
    Err(match suggest::nearest(text, LEVELS.iter().copied()) {
        Some(level) => complaint.help(format!("did you mean {level:?}?")),
        None => complaint.help(format!("there is {}", suggest::join(LEVELS.iter().copied()))),
    })
}
