//! Configuration: what was written, with its place ([`RawConfig`]), becomes what it means
//! ([`Config`]), or a list of everything that is wrong with it ([`Report`]).
//!
//! Reading has no side effects but opening the one file. Whether the other files that it names can
//! be used is a step of its own: [`Loaded::preflight`].
//!
//! ```
//! use vestibule_gateway::config::Config;
//!
//! let text = r#"
//! [[issuers]]
//! name = "idp"
//! issuer = "https://idp.example.com/"
//! audiences = ["chat"]
//!
//! [[routes]]
//! path = "/chat"
//! upstream = "ws://127.0.0.1:9000/socket"
//! "#;
//! let loaded = Config::parse("vestibule.toml", text, []).unwrap();
//! assert_eq!(loaded.config.routes[0].upstreams[0].authority(), "127.0.0.1:9000");
//!
//! let report = Config::parse("vestibule.toml", "[server]\nlsiten = ':80'", []).unwrap_err();
//! assert!(report.to_string().contains("did you mean `listen`?"));
//! ```

mod address;
mod auth;
mod carriers;
mod certificates;
mod fault;
mod files;
mod init;
mod introspection;
mod issuers;
mod keys;
mod model;
mod per_message;
mod raw;
mod read;
mod routes;
mod section;
mod server;
mod step_up;
mod suggest;
mod webauthn;

use std::{
    ffi::OsString,
    fs::File,
    io::{ErrorKind, Read as _},
    net::SocketAddr,
    path::Path,
    sync::Arc,
};

pub(crate) use self::carriers::LOGIN_COOKIE;
use self::{
    auth::{AuthWritten, Kept},
    certificates::CertificatesWritten,
    files::Files,
    issuers::IssuerWritten,
    raw::{Node, Reading, TABLES, Table, Value},
    read::{Reader, Written},
    routes::{Known, RouteWritten},
    server::ServerWritten,
};
pub use self::{
    fault::{Colour, Fault, Place, Report, Severity},
    files::{NAMED_FILE_BYTES, revocation_lists, signing_key, without_newline},
    init::{example, reference},
    keys::{Absent, KEYS, Key, Kind, Section, Shape},
    model::{
        Admin, Assertion, Auth, ClientAuth, ClientTls, Compression, Config, DangerousHttp,
        IdentityPreset, Introspection, IntrospectionLogin, IssuerConfig, KeySource, Log, LogFormat,
        Route, Server, Sessions, Store, Tls, Upstream, UpstreamTls,
    },
    raw::{FILE_BYTES, RawConfig},
};

/// A configuration without faults.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it means.
    pub config: Config,
    /// Warnings.
    pub report: Report,
    files: Files,
}

impl Loaded {
    /// Opens every file that the configuration names, and reports those that cannot be used:
    /// certificates, keys, JWK sets, secrets.
    pub fn preflight(&self) -> Report {
        let mut report = self.report.emptied();
        self.files.check(&mut report);
        report.sort();
        report
    }
}

impl Config {
    /// Reads a file, and lets the environment override it. Relative names in it begin at its
    /// directory.
    pub fn read(
        path: &Path,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Loaded, Report> {
        let (name, text) = text(path)?;
        Self::parse(&name, &text, environment)
    }

    /// Reads a file as [`Config::read`] does, and looks into the files that it names, so that all
    /// faults are reported at once. The configuration is there where it has none.
    pub fn check(
        path: &Path,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> (Option<Self>, Report) {
        match text(path) {
            Ok((name, text)) => {
                RawConfig::parse(&name, &text).with_environment(environment).check()
            }
            Err(report) => (None, report),
        }
    }

    /// Understands the text of a file called `name`.
    pub fn parse(
        name: &str,
        text: &str,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Loaded, Report> {
        RawConfig::parse(name, text).with_environment(environment).understand()
    }
}

impl RawConfig {
    /// What it means; or everything that is wrong with it.
    pub fn understand(self) -> Result<Loaded, Report> {
        let (config, mut report, files) = self.weigh();
        report.sort();
        match config {
            Some(config) if !report.is_fatal() => Ok(Loaded { config, report, files }),
            Some(_) | None => Err(report),
        }
    }

    /// The same, and looks into the files that it names.
    pub fn check(self) -> (Option<Config>, Report) {
        let (config, mut report, files) = self.weigh();
        files.check(&mut report);
        report.sort();
        (config.filter(|_| !report.is_fatal()), report)
    }

    fn weigh(self) -> (Option<Config>, Report, Files) {
        let Self { root, mut report, reading } = self;
        let mut files = Files::beside(Path::new(report.name()));
        let config = match reading {
            Reading::Whole => understand(&root, &mut files, &mut report),
            Reading::Broken => None,
        };
        (config, report, files)
    }
}

/// A file's name and text.
fn text(path: &Path) -> Result<(String, String), Report> {
    let name = path.display().to_string();
    let refuse = |message: String, help: Option<&str>| {
        let mut report = Report::new(name.as_str(), "");
        report.push(Fault { help: help.map(str::to_owned), ..Fault::new(message, Place::Whole) });
        report
    };
    // One byte more than allowed, so that a longer file is noticed.
    let most = u64::try_from(FILE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    if let Err(error) = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)) {
        let help = (error.kind() == ErrorKind::NotFound)
            .then_some("`vestibule init -o vestibule.toml` writes a file to begin with");
        return Err(refuse(format!("cannot read the configuration: {error}"), help));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        refuse(format!("the file is not UTF-8 from byte {valid} on"), None)
    })?;
    Ok((name, text))
}

fn understand(root: &Table, files: &mut Files, report: &mut Report) -> Option<Config> {
    unknown_sections(root, report);
    let ServerWritten { server, listen } = once(root, Section::Server, report)
        .map(|mut reader| server::server(&mut reader, files))
        .unwrap_or_default();
    let log = server::log(once(root, Section::Log, report).as_mut());
    let admin = once(root, Section::Admin, report)
        .map(|mut reader| server::admin(&mut reader, &listen, files));
    let auth = once(root, Section::Auth, report).and_then(|mut reader| auth::auth(&mut reader));
    let store =
        once(root, Section::Store, report).map(|mut reader| auth::store(&mut reader, files));
    let store = store.unwrap_or_else(|| {
        let kept = if auth.is_some() || admin.is_some() { Kept::Something } else { Kept::Nothing };
        auth::default_store(files, kept)
    });
    let certificates = certificates(root, &server, report);
    let mut issuers: Vec<IssuerWritten> = Vec::new();
    let others = auth.is_some() || !certificates.is_empty();
    let needed = if others { Needed::No } else { Needed::Yes };
    for node in many(root, Section::Issuers, needed, report) {
        if let Some(mut reader) = Reader::new(Section::Issuers, node, report) {
            let issuer = issuers::issuer(&mut reader, &issuers, files);
            issuers.push(issuer);
        }
    }
    if let (Some(_), Some(fault)) = (&auth, issuers.iter().find_map(issuers::called_local)) {
        report.push(fault);
    }
    let mut routes: Vec<RouteWritten> = Vec::new();
    let (tls, auth_known) = (server.tls.as_ref(), auth.as_ref());
    let known = Known { issuers: &issuers, certificates: &certificates, auth: auth_known, tls };
    for node in many(root, Section::Routes, Needed::Yes, report) {
        if let Some(mut reader) = Reader::new(Section::Routes, node, report)
            && let Some(route) = routes::route(&mut reader, known, files)
        {
            if let Some(fault) = routes::compare(&routes, &route) {
                report.push(fault);
            }
            routes.push(route);
        }
    }
    exposure(&server, &listen, &routes, report);
    let issuers = issuers.into_iter().map(|written| written.issuer);
    let issuers = issuers.collect::<Option<Vec<_>>>()?;
    let names = issuer_names(&issuers, auth.as_ref());
    let named = |route: Route| {
        let issuer_names = route.issuers.iter().filter_map(|&at| names.get(at).cloned()).collect();
        Arc::new(Route { issuer_names, ..route })
    };
    let routes = routes.into_iter().map(|written| named(written.route)).collect();
    let auth = auth.map(|written| written.auth);
    let certificates = certificates.into_iter().map(|written| written.mapping);
    let certificates = certificates.collect::<Option<Vec<_>>>()?;
    Some(Config { server, log, issuers, certificates, routes, store, auth, admin })
}

/// Whom certificates name.
fn certificates(root: &Table, server: &Server, report: &mut Report) -> Vec<CertificatesWritten> {
    let mut written: Vec<CertificatesWritten> = Vec::new();
    for node in many(root, Section::Certificates, Needed::No, report) {
        let Some(mut reader) = Reader::new(Section::Certificates, node, report) else { continue };
        if written.is_empty() && server.tls.as_ref().is_none_or(|tls| tls.clients.is_none()) {
            let message = "no client is asked for a certificate";
            let fault = Fault::new(message, reader.place.clone());
            reader.report.push(fault.help("write `client_ca = \"…\"` in `tls` of [server]"));
        }
        let one = certificates::certificates(&mut reader, &written);
        written.push(one);
    }
    written
}

/// What principals call their issuers, in the order in which routes refer to them.
fn issuer_names(issuers: &[IssuerConfig], auth: Option<&AuthWritten>) -> Vec<Arc<str>> {
    let name = |issuer: &IssuerConfig| Arc::clone(issuer.issuer.as_ref().unwrap_or(&issuer.name));
    let local = auth.map(|written| Arc::clone(&written.auth.issuer));
    issuers.iter().map(name).chain(local).collect()
}

fn unknown_sections(root: &Table, report: &mut Report) {
    for entry in &root.entries {
        if Section::TOP.iter().any(|section| section.name() == entry.key) {
            continue;
        }
        if suggest::is_secretive(&entry.key) {
            report.hide(&entry.node.place);
        }
        report.push(suggest::unknown_section(&entry.key, entry.place.clone()));
    }
}

/// A section that may be there.
fn once<'a>(root: &'a Table, section: Section, report: &'a mut Report) -> Option<Reader<'a>> {
    Reader::new(section, root.get(section.name())?, report)
}

/// Whether a section must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needed {
    Yes,
    No,
}

/// The tables of a section.
fn many<'a>(root: &'a Table, section: Section, needed: Needed, report: &mut Report) -> &'a [Node] {
    let header = section.header();
    let node = root.get(section.name());
    match node.map(|node| (&node.value, &node.place)) {
        Some((Value::List(items), place)) if items.len() > TABLES => {
            let message = format!("there are more than {TABLES} {header}");
            report.push(Fault::new(message, place.clone()));
            &[]
        }
        Some((Value::List(items), _)) if !items.is_empty() => items,
        None | Some((Value::List(_), _)) if needed == Needed::No => &[],
        None | Some((Value::List(_), _)) => {
            let place = node.map_or(Place::Whole, |node| node.place.clone());
            let fault = Fault::new(format!("there is no {header}"), place);
            report.push(fault.help("`vestibule init` writes a file to begin with"));
            &[]
        }
        Some((value, place)) => {
            let message = format!("{header} is an array of tables, and this is {}", value.name());
            let fault = Fault::new(message, place.clone());
            report.push(fault.help(format!("write {header} above each table")));
            &[]
        }
    }
}

/// Warns about what strangers on the network could use.
fn exposure(
    server: &Server,
    listen: &[Written<SocketAddr>],
    routes: &[RouteWritten],
    report: &mut Report,
) {
    let public: Vec<_> =
        listen.iter().filter(|written| !written.value.ip().to_canonical().is_loopback()).collect();
    let Some(first) = public.first() else { return };
    // With proxies that are trusted, one of them is taken to end TLS.
    if server.tls.is_none() && server.trusted_proxies.is_empty() {
        let message = "credentials cross the network in the clear: this address is not on this \
                       machine alone, and there is no TLS";
        let fault = Fault::warning(message, first.place.clone());
        report.push(fault.help(
            "write `tls = { cert = \"…\", key = \"…\" }`; or, where a proxy in front speaks TLS, \
             `trusted_proxies`",
        ));
    }
    let open: Vec<_> =
        routes.iter().filter(|written| written.route.policy.hosts.is_empty()).collect();
    if let Some(route) = open.first() {
        let message = match open.len() {
            1 => "this route serves every host".to_owned(),
            several => format!("this route and {} more serve every host", several - 1),
        };
        let fault = Fault::warning(message, route.place.clone());
        let fault =
            fault.related(first.place.clone(), "and this address is not on this machine alone");
        report.push(fault.help("write `hosts = [\"…\"]`, against DNS rebinding"));
    }
}

#[cfg(test)]
mod tests;
