//! The operator's commands: they ask a running gateway over its admin API.

mod accounts;
mod api;
mod connections;
mod key;
pub(super) mod password;
mod revoke;
mod table;
mod user;
mod user_key;
mod user_passkey;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use serde_json::Value;
use vestibule_core::time::UnixTime;

use self::{accounts::Accounts, api::Api};
use super::{CommandError, Exit, World, load, token::times};
use crate::ops::admin;

/// How the gateway is reached, and how it is shown.
#[derive(Clone, Debug, Args)]
pub(super) struct Reach {
    /// The address of the admin listener; else that of the configuration
    #[arg(long, value_name = "ADDRESS:PORT", global = true)]
    admin: Option<SocketAddr>,
    /// The file with the token of the admin API; else that of the configuration
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// Print what the API answers, as JSON
    #[arg(long, global = true)]
    json: bool,
}

/// How something is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Table,
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show who is connected, and close connections
    Connections(Box<connections::Arguments>),
    /// Revoke tokens, sessions, subjects, or everything before a time
    ///
    /// What is revoked is refused from now on, and its live connections are closed with 4410.
    Revoke(Box<revoke::Arguments>),
    /// Add, list, change and remove users
    ///
    /// Without a gateway that runs, the store of the configuration is changed itself.
    User(Box<user::Arguments>),
    /// Make, list and remove API keys
    ///
    /// Without a gateway that runs, the store of the configuration is changed itself.
    Key(Box<key::Arguments>),
}

/// Runs one of them.
pub(super) fn run(
    command: Command,
    config: Option<&Path>,
    world: &mut World<'_>,
) -> Result<Exit, CommandError> {
    match command {
        Command::Connections(arguments) => connections::run(*arguments, config, world),
        Command::Revoke(arguments) => revoke::run(*arguments, config, world),
        Command::User(arguments) => user::run(*arguments, config, world),
        Command::Key(arguments) => key::run(*arguments, config, world),
    }
}

/// Why nothing came of it, and what was said already.
enum Stop {
    /// The configuration has faults, which were reported.
    Configuration,
    /// Something else.
    Error(CommandError),
}

impl From<CommandError> for Stop {
    fn from(error: CommandError) -> Self {
        Self::Error(error)
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Error(error.into())
    }
}

/// The exit of a command that stopped, or went well.
fn exit(outcome: Result<Exit, Stop>) -> Result<Exit, CommandError> {
    match outcome {
        Ok(exit) => Ok(exit),
        Err(Stop::Configuration) => Ok(Exit::Configuration),
        Err(Stop::Error(error)) => Err(error),
    }
}

impl Reach {
    fn form(&self) -> Form {
        if self.json { Form::Json } else { Form::Table }
    }

    /// The way to the gateway. The configuration is read only where something is not said.
    fn api(&self, config: Option<&Path>, world: &mut World<'_>) -> Result<Api, Stop> {
        let (address, token_file) = match (self.admin, &self.token_file) {
            (Some(address), Some(file)) => (address, file.clone()),
            (address, file) => {
                let loaded = load(config, world)?.ok_or(Stop::Configuration)?;
                let admin = loaded.config.admin.ok_or_else(|| {
                    CommandError::Other("the configuration has no [admin] section".to_owned())
                })?;
                let file = file.clone().unwrap_or(admin.token_file);
                (address.unwrap_or(admin.listen), file)
            }
        };
        let token = admin::read_token(&token_file)
            .map_err(|error| CommandError::file(&token_file, &causes(&error)))?;
        Ok(Api::new(address, token, user(world))?)
    }

    /// The way to users and keys, which are in the store, whether a gateway runs or not.
    fn accounts(&self, config: Option<&Path>, world: &mut World<'_>) -> Result<Accounts, Stop> {
        if self.admin.is_some() && self.token_file.is_some() {
            return Ok(Accounts::running(self.api(config, world)?));
        }
        let loaded = load(config, world)?.ok_or(Stop::Configuration)?.config;
        let admin = loaded.admin.clone();
        let file = self.token_file.clone().or_else(|| Some(admin.as_ref()?.token_file.clone()));
        let address = self.admin.or_else(|| admin.map(|admin| admin.listen));
        let user = user(world);
        // Where no gateway has ever run there is no token yet.
        let token = file.filter(|file| file.exists()).map(|file| {
            admin::read_token(&file).map_err(|error| CommandError::file(&file, &causes(&error)))
        });
        let api = match (address, token) {
            (Some(address), Some(token)) => Some(Api::new(address, token?, user.clone())?),
            (_, _) => None,
        };
        Ok(Accounts::new(api, loaded, user)?)
    }
}

/// Who runs the command.
fn user(world: &World<'_>) -> Option<String> {
    let value = |name: &str| {
        let found = world.environment.iter().find(|(found, _)| found == name);
        found.and_then(|(_, value)| value.to_str()).filter(|value| !value.is_empty())
    };
    value("SUDO_USER").or_else(|| value("USER")).map(str::to_owned)
}

/// An error and its causes.
fn causes(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

/// Prints JSON for machines.
fn print(value: &Value, world: &mut World<'_>) -> Result<(), CommandError> {
    writeln!(world.output, "{value:#}")?;
    world.output.flush()?;
    Ok(())
}

/// A number of seconds, as people write spans.
fn span(text: &str) -> Result<u64, String> {
    times::span(text).map(|span| span.as_secs())
}

/// A moment, in seconds since 1970.
fn moment(text: &str) -> Result<i64, String> {
    times::date(text).map(UnixTime::as_secs)
}

/// An object without the members that are null.
fn object(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    Value::Object(members.into_iter().filter(|(_, value)| !value.is_null()).collect())
}

/// How long ago something was.
fn ago(seconds: &Value, now: UnixTime) -> String {
    match seconds.as_i64() {
        Some(seconds) => {
            let span = UnixTime::from_secs(seconds).until(now).as_secs();
            humantime::format_duration(Duration::from_secs(span)).to_string()
        }
        None => String::new(),
    }
}

/// A moment, for people.
fn when(seconds: &Value) -> String {
    let date = seconds.as_i64().and_then(times::shown);
    date.unwrap_or_else(|| table::text(seconds))
}
