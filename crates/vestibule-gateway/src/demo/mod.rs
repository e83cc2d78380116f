//! `vestibule demo`: one command, no other set-up. A gateway, a chat server behind it, an issuer
//! with two users, a page to try every carrier on, and a foreign page that is refused.
//!
//! Everything listens on the loopback and is made anew at each start: keys, tokens, ports.

mod banner;
mod commands;
mod configuration;
mod issuer;
mod opaque;
mod page;
mod people;
mod places;
mod secure;
mod upstream;

use core::{error::Error, future::Future};
use std::{
    io::{self, Write},
    path::Path,
    sync::Arc,
};

use clap::{Args, ValueEnum};
use tokio::{net::TcpListener, task::JoinSet};
use vestibule_verify::mint::MintFault;

pub use self::{configuration::text as configuration, places::Places};
use self::{
    issuer::Issuer,
    page::Site,
    people::{Folder, Operator},
    places::{ADMIN_PORT, SECURE_PORT, free, listen, place},
    secure::Files,
};

/// One command, no other set-up: a gateway, a chat server behind it, two users, and a page that
/// shows every way to authenticate.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The gateway's port; a free one is taken where it is not free
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    port: u16,
    /// The page's port
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    page_port: u16,
    /// The foreign page's port
    #[arg(long, value_name = "PORT", default_value_t = 8001)]
    foreign_port: u16,
    /// What the gateway tells of its decisions: error, warn, info, debug
    #[arg(long, value_name = "LEVEL", default_value = "warn", value_parser = ["error", "warn", "info", "debug"])]
    log: String,
    /// Print the configuration of the gateway, or of the second one, which ends TLS; and end
    #[arg(long, value_name = "GATEWAY", num_args = 0..=1, require_equals = true, default_missing_value = "first")]
    print_config: Option<Which>,
}

/// Which of the gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// The one for browsers.
    First,
    /// The one that ends TLS.
    Tls,
}

/// What an example calls the files of the admin token, and of the gateway's secret at the issuer.
const USUAL: [&str; 2] = ["admin.token", "introspection.secret"];

/// How the gateway of the demonstration is started: by the text of a configuration file, and by
/// nothing that a user could not do too.
pub trait Launch {
    /// A gateway that runs.
    type Running;

    /// Reads the configuration and starts. Called in a runtime; returns once the gateway listens.
    fn start(
        &self,
        configuration: &str,
    ) -> impl Future<Output = Result<Self::Running, Box<dyn Error + Send + Sync>>>;

    /// Ends it.
    fn stop(&self, running: Self::Running) -> impl Future<Output = ()>;
}

/// Why there is no demonstration.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No port is free.
    #[error("cannot listen on the loopback")]
    Listen(#[from] io::Error),
    /// A key or a token cannot be made.
    #[error("cannot make tokens")]
    Mint(#[from] MintFault),
    /// The gateway does not start.
    #[error("cannot start the gateway")]
    Gateway(#[source] Box<dyn Error + Send + Sync>),
    /// The terminal is gone.
    #[error("cannot print")]
    Print(#[source] io::Error),
}

/// Runs everything until `until` is over. Must be called in a runtime.
pub async fn run<L: Launch>(
    options: &Options,
    launch: &L,
    out: &mut impl Write,
    until: impl Future<Output = ()>,
) -> Result<(), DemoError> {
    let Options { port, page_port, foreign_port, log, print_config } = options;
    if let Some(which) = print_config {
        let text = match which {
            Which::First => configuration(&Places::usual(), log, USUAL.map(Path::new)),
            Which::Tls => secure::text(&Places::usual(), log, Path::new("")),
        };
        return out.write_all(text.as_bytes()).map_err(DemoError::Print);
    }
    let page = listen(*page_port)?;
    let foreign = listen(*foreign_port)?;
    let upstream = listen(0)?;
    let places = Places {
        gateway: free(*port)?,
        secure: free(SECURE_PORT)?,
        page: place(&page)?,
        foreign: place(&foreign)?,
        upstream: place(&upstream)?,
        admin: free(ADMIN_PORT)?,
        secure_admin: free(0)?,
    };
    let issuer = Arc::new(Issuer::new(format!("http://{}", places.page))?);
    // Dropped at the end, and everything with it.
    let mut servers = JoinSet::new();
    let folder = Folder::new()?;
    Folder::write(&folder.secret(), issuer.opaque().secret())?;
    let operator = Arc::new(Operator::default());
    let site = Site::own(
        places.clone(),
        Arc::clone(&issuer),
        Arc::clone(&operator),
        folder.path().to_owned(),
    );
    servers.spawn(site.serve(TcpListener::from_std(page)?));
    let site = Site::foreign(places.clone(), issuer, Arc::clone(&operator));
    servers.spawn(site.serve(TcpListener::from_std(foreign)?));
    servers.spawn(upstream::serve(TcpListener::from_std(upstream)?));

    let text = configuration(&places, log, [&folder.token(), &folder.secret()]);
    let gateway = launch.start(&text).await.map_err(DemoError::Gateway)?;
    let files = Files::new(folder.path().to_owned());
    files.make()?;
    let text = secure::text(&places, log, folder.path());
    let secure = launch.start(&text).await.map_err(DemoError::Gateway)?;
    let mut notes = moved(options, &places);
    let begun = match operator.begin(places.admin.address(), &folder).await {
        Ok(()) => operator.also(places.secure_admin.address(), &files.token()).await,
        Err(reason) => Err(reason),
    };
    if let Err(reason) = begun {
        notes.push(format!("(not all users and keys are there: {reason})"));
    }
    let people = operator.people();
    let commands = commands::all(&places, people, folder.path());
    let text = banner::text(&places, &notes, (&folder.token(), people), &commands);
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if printed.is_ok() {
        until.await;
    }
    launch.stop(secure).await;
    launch.stop(gateway).await;
    printed.map_err(DemoError::Print)
}

/// Which ports were taken by somebody else.
fn moved(options: &Options, places: &Places) -> Vec<String> {
    let wanted = [
        ("the gateway", options.port, places.gateway),
        ("the page", options.page_port, places.page),
        ("the foreign page", options.foreign_port, places.foreign),
    ];
    wanted
        .into_iter()
        .filter(|(_, wanted, got)| *wanted != 0 && *wanted != got.port())
        .map(|(who, wanted, got)| format!("(port {wanted} was taken: {who} is at {})", got.port()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Remembers what it was started with.
    #[derive(Default)]
    struct Recorder {
        started: Mutex<Vec<String>>,
        stopped: Mutex<u32>,
    }

    impl Launch for Recorder {
        type Running = ();

        async fn start(&self, configuration: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
            self.started.lock().unwrap().push(configuration.to_owned());
            Ok(())
        }

        async fn stop(&self, (): ()) {
            *self.stopped.lock().unwrap() += 1;
        }
    }

    fn options() -> Options {
        let log = "info".to_owned();
        Options { port: 0, page_port: 0, foreign_port: 0, log, print_config: None }
    }

    #[tokio::test]
    async fn the_key_set_is_served_where_the_configuration_says() {
        let launch = Recorder::default();
        let mut out = Vec::new();
        let visit = async {
            let text = launch.started.lock().unwrap()[0].clone();
            let read: toml::Table = toml::from_str(&text).unwrap();
            let url = read["issuers"][0]["jwks_url"].as_str().unwrap().to_owned();
            let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
            let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
            let head = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"keys\""), "{answer}");
        };
        run(&options(), &launch, &mut out, visit).await.unwrap();
        assert_eq!(*launch.stopped.lock().unwrap(), 2);
        assert!(String::from_utf8(out).unwrap().contains("Ctrl-C"));
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_told() {
        let taken = listen(0).unwrap();
        let port = taken.local_addr().unwrap().port();
        let launch = Recorder::default();
        let mut out = Vec::new();
        let options = Options { port, ..options() };
        run(&options, &launch, &mut out, async {}).await.unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(&format!("(port {port} was taken: the gateway is at ")), "{text}");
    }

    #[tokio::test]
    async fn the_configuration_can_be_had_without_the_rest() {
        let launch = Recorder::default();
        let mut out = Vec::new();
        for which in [Which::First, Which::Tls] {
            let options = Options { print_config: Some(which), ..options() };
            run(&options, &launch, &mut out, async {}).await.unwrap();
        }
        assert!(launch.started.lock().unwrap().is_empty());
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("[[routes]]") && text.contains("client_ca = \"ca.pem\""));
    }
}
