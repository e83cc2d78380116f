//! A configuration in the making.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use tempfile::TempDir;

use crate::{issuer::Issuer, process::Gateway};

/// A folder with a configuration and the files that it names. Lives as long as the gateway needs
/// it.
#[derive(Debug)]
pub struct Setup {
    folder: TempDir,
    level: String,
    server: String,
    admin: String,
    tables: String,
    environment: Vec<(String, String)>,
}

impl Setup {
    /// One worker, free ports, JSON logs at level `debug`, no issuer, no route.
    pub fn new() -> Result<Self> {
        Ok(Self {
            folder: TempDir::with_prefix("vestibule-")?,
            level: "debug".to_owned(),
            server: "workers = 1\n".to_owned(),
            admin: String::new(),
            tables: String::new(),
            environment: Vec::new(),
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Another log level.
    #[must_use]
    pub fn level(mut self, level: &str) -> Self {
        level.clone_into(&mut self.level);
        self
    }

    /// These lines in place of `workers = 1`, under `[server]`.
    #[must_use]
    pub fn server(mut self, lines: &str) -> Self {
        self.server = format!("{lines}\n");
        self
    }

    /// These lines more under `[admin]`.
    #[must_use]
    pub fn admin(mut self, lines: &str) -> Self {
        self.admin = format!("{lines}\n");
        self
    }

    /// With an environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes a file into the folder.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        fs::write(&path, content)?;
        Ok(path)
    }

    /// An issuer by its keys in a file, with these lines more.
    pub fn issuer(self, name: &str, issuer: &Issuer, lines: &str) -> Result<Self> {
        let keys = match issuer.key.secret() {
            "" => {
                let path = self.file(&format!("{name}.jwks"), issuer.jwks().to_string())?;
                format!("jwks_file = {:?}", path.display().to_string())
            }
            secret => {
                let path = self.file(&format!("{name}.secret"), secret)?;
                format!("secret_file = {:?}", path.display().to_string())
            }
        };
        let Issuer { url, audience, key: _ } = issuer;
        Ok(self.table(&format!(
            "[[issuers]]\nname = {name:?}\nissuer = {url:?}\naudiences = [{audience:?}]\n{keys}\n\
             {lines}\n"
        )))
    }

    /// A route with these lines more.
    #[must_use]
    pub fn route(self, path: &str, upstream: &str, lines: &str) -> Self {
        self.table(&format!("[[routes]]\npath = {path:?}\nupstream = {upstream:?}\n{lines}\n"))
    }

    /// Any other table.
    #[must_use]
    pub fn table(mut self, text: &str) -> Self {
        self.tables.push_str(text);
        self.tables.push('\n');
        self
    }

    /// The configuration.
    pub fn text(&self) -> String {
        let Self { folder: _, level, server, admin, tables, environment: _ } = self;
        format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n{server}\n[log]\nlevel = {level:?}\n\
             format = \"json\"\n\n[admin]\nlisten = \"127.0.0.1:0\"\n{admin}\n\
             {tables}"
        )
    }

    /// Writes the configuration and starts the gateway.
    pub fn start(&self, binary: &Path) -> Result<Gateway> {
        let config = self.file("vestibule.toml", self.text())?;
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        Gateway::start(binary, &config, environment)
    }
}
