//! `vestibule key`: API keys.

use std::path::Path;

use clap::{ArgGroup, Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::{
    Form, Reach, Stop,
    accounts::Accounts,
    api::{DONE, encode},
    exit, moment, object, print, span, table, user, when,
};
use crate::cli::{CommandError, Exit, World};

/// What is to be done.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key, and print it this once
    Add(Add),
    /// List all keys, without what is secret of them
    List,
    /// Remove a key, and revoke what came by it
    Remove {
        /// Its name, as `list` shows it
        id: String,
    },
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("owner").required(true)))]
struct Add {
    /// Whose it is
    #[arg(long, value_name = "NAME", group = "owner")]
    user: Option<String>,
    /// The machine that it is for; its subject is `machine:` and this name
    #[arg(long, value_name = "NAME", group = "owner")]
    machine: Option<String>,
    /// What people call it
    #[arg(long, value_name = "TEXT")]
    label: String,
    /// What it is good for; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// When it ends, such as 2026-01-31T12:00:00Z; never if absent
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "lifetime")]
    expires: Option<i64>,
    /// How long it is good, such as 90d
    #[arg(long, value_name = "DURATION", value_parser = span)]
    lifetime: Option<u64>,
}

pub(super) fn run(
    arguments: Arguments,
    config: Option<&Path>,
    world: &mut World<'_>,
) -> Result<Exit, CommandError> {
    let Arguments { action, reach } = arguments;
    let form = reach.form();
    let outcome = reach.accounts(config, world).and_then(|way| match action {
        Action::Add(add) => made(&way, add, form, world),
        Action::List => list(&way, form, world),
        Action::Remove { id } => {
            way.ask(&Method::DELETE, &format!("/api/v1/keys/{}", encode(&id)), None)?;
            match form {
                Form::Json => print(&json!({ "removed": id }), world)?,
                Form::Table => writeln!(world.output, "removed {id}")?,
            }
            Ok(DONE)
        }
    });
    exit(outcome)
}

fn made(way: &Accounts, add: Add, form: Form, world: &mut World<'_>) -> Result<Exit, Stop> {
    let Add { user, machine, label, scopes, expires, lifetime } = add;
    let ends = lifetime
        .map(|span| world.now.as_secs().saturating_add(i64::try_from(span).unwrap_or(i64::MAX)));
    let body = object(json!({
        "user": user,
        "machine": machine,
        "label": label,
        "scopes": scopes,
        "expires": expires.or(ends),
    }));
    let made = way.ask(&Method::POST, "/api/v1/keys", Some(&body))?;
    match form {
        Form::Json => print(&made, world)?,
        // The key alone, for whoever passes it on; what else there is to say goes elsewhere.
        Form::Table => {
            let member = |name: &str| table::text(made.get(name).unwrap_or(&Value::Null));
            writeln!(world.output, "{}", member("key"))?;
            writeln!(world.error, "made {}; it is not shown again", member("id"))?;
        }
    }
    Ok(DONE)
}

fn list(way: &Accounts, form: Form, world: &mut World<'_>) -> Result<Exit, Stop> {
    let found = user::all(way, "keys")?;
    if form == Form::Json {
        print(&json!({ "keys": found }), world)?;
        return Ok(DONE);
    }
    let row = |one: &Value| {
        let null = Value::Null;
        let member = |name: &str| one.get(name).unwrap_or(&null);
        let owner = match table::text(member("machine")) {
            machine if machine.is_empty() => table::text(member("user")),
            machine => format!("machine:{machine}"),
        };
        vec![
            table::text(member("id")),
            owner,
            table::text(member("label")),
            table::text(member("scopes")),
            when(member("created")),
            when(member("expires")),
            when(member("used")),
        ]
    };
    let titles = ["KEY", "OWNER", "LABEL", "SCOPES", "CREATED", "EXPIRES", "USED"];
    let rows: Vec<_> = found.iter().map(row).collect();
    table::print(&titles, &rows, world.output)?;
    Ok(DONE)
}
