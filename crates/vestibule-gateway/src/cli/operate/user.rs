//! `vestibule user`: those who log in by a password.

use std::path::Path;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::{
    Form, Reach, Stop,
    accounts::Accounts,
    api::{DONE, encode},
    exit, object, password, print, table, user_key, user_passkey, when,
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
    /// Add a user; the password is asked for
    Add(Add),
    /// List all users
    List,
    /// Replace a password, and end the logins that came by the one before
    Passwd {
        /// Whose
        name: String,
        #[command(flatten)]
        from: Source,
    },
    /// Shut a user out: no login, no API key, and what was issued is revoked
    Disable {
        /// Whom
        name: String,
    },
    /// Let a user log in again
    Enable {
        /// Whom
        name: String,
    },
    /// Remove a user with sessions and API keys, and revoke what was issued
    Remove {
        /// Whom
        name: String,
    },
    /// Register, list and remove the public keys that users sign challenges by
    Key {
        #[command(subcommand)]
        action: user_key::Action,
    },
    /// List and remove the passkeys that users have registered
    Passkey {
        #[command(subcommand)]
        action: user_passkey::Action,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// ASCII letters, digits, `.`, `_`, `-`, `@` and `+`
    name: String,
    /// What the user may do; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Of which group; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// The mail address
    #[arg(long)]
    email: Option<String>,
    /// The name for people
    #[arg(long, value_name = "NAME")]
    display_name: Option<String>,
    #[command(flatten)]
    from: Source,
}

#[derive(Clone, Copy, Debug, Args)]
struct Source {
    /// Read the password from standard input, to the end of the line
    #[arg(long)]
    password_stdin: bool,
}

impl Source {
    fn place(self) -> password::From {
        if self.password_stdin { password::From::Input } else { password::From::Terminal }
    }
}

pub(super) fn run(
    arguments: Arguments,
    config: Option<&Path>,
    world: &mut World<'_>,
) -> Result<Exit, CommandError> {
    let Arguments { action, reach } = arguments;
    let form = reach.form();
    let outcome = reach.accounts(config, world).and_then(|way| match action {
        Action::Add(add) => added(&way, add, form, world),
        Action::List => list(&way, form, world),
        Action::Passwd { name, from } => {
            let password = password::read(from.place(), world)?;
            let body = json!({ "password": *password });
            let path = format!("/api/v1/users/{}/password", encode(&name));
            let changed = way.ask(&Method::PUT, &path, Some(&body))?;
            told(&changed, &format!("the password of {name} was replaced"), form, world)
        }
        Action::Disable { name } => state(&way, &name, "disabled", form, world),
        Action::Enable { name } => state(&way, &name, "enabled", form, world),
        Action::Remove { name } => {
            way.ask(&Method::DELETE, &format!("/api/v1/users/{}", encode(&name)), None)?;
            told(&json!({ "removed": name }), &format!("removed {name}"), form, world)
        }
        Action::Key { action } => user_key::run(action, &way, form, world),
        Action::Passkey { action } => user_passkey::run(action, &way, form, world),
    });
    exit(outcome)
}

pub(super) fn told(
    value: &Value,
    words: &str,
    form: Form,
    world: &mut World<'_>,
) -> Result<Exit, Stop> {
    match form {
        Form::Json => print(value, world)?,
        Form::Table => writeln!(world.output, "{words}")?,
    }
    Ok(DONE)
}

fn added(way: &Accounts, add: Add, form: Form, world: &mut World<'_>) -> Result<Exit, Stop> {
    let Add { name, scopes, groups, email, display_name, from } = add;
    let password = password::read(from.place(), world)?;
    let body = object(json!({
        "name": name,
        "password": *password,
        "scopes": scopes,
        "groups": groups,
        "email": email,
        "display_name": display_name,
    }));
    let added = way.ask(&Method::POST, "/api/v1/users", Some(&body))?;
    told(&added, &format!("added {name}"), form, world)
}

fn state(
    way: &Accounts,
    name: &str,
    state: &str,
    form: Form,
    world: &mut World<'_>,
) -> Result<Exit, Stop> {
    let path = format!("/api/v1/users/{}", encode(name));
    let changed = way.ask(&Method::PATCH, &path, Some(&json!({ "state": state })))?;
    told(&changed, &format!("{state} {name}"), form, world)
}

fn list(way: &Accounts, form: Form, world: &mut World<'_>) -> Result<Exit, Stop> {
    let found = all(way, "users")?;
    if form == Form::Json {
        print(&json!({ "users": found }), world)?;
        return Ok(DONE);
    }
    let row = |one: &Value| {
        let null = Value::Null;
        let member = |name: &str| one.get(name).unwrap_or(&null);
        let mut row = ["name", "state", "scopes", "groups", "email", "display_name"]
            .map(|name| table::text(member(name)))
            .to_vec();
        row.push(when(member("created")));
        row
    };
    let titles = ["USER", "STATE", "SCOPES", "GROUPS", "EMAIL", "NAME", "CREATED"];
    let rows: Vec<_> = found.iter().map(row).collect();
    table::print(&titles, &rows, world.output)?;
    Ok(DONE)
}

/// All pages of a list.
pub(super) fn all(way: &Accounts, what: &str) -> Result<Vec<Value>, CommandError> {
    pages(way, what, what)
}

/// All pages of a list whose entries are in that member.
pub(super) fn pages(way: &Accounts, what: &str, inside: &str) -> Result<Vec<Value>, CommandError> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/{what}?limit=100{after}");
        let page = way.ask(&Method::GET, &path, None)?;
        if let Some(Value::Array(entries)) = page.get(inside) {
            found.extend(entries.iter().cloned());
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => after = format!("&after={}", encode(next)),
            None => return Ok(found),
        }
    }
}
