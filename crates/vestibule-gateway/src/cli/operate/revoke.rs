//! `vestibule revoke`: what is refused from now on, and cut off.

use std::path::Path;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::{
    Form, Reach, Stop,
    api::{Api, DONE, encode},
    exit, moment, object, print, table, when,
};
use crate::cli::{CommandError, Exit, World};

/// What is to be done.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    make: Make,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List what is revoked
    List,
    /// Take a revocation back; connections that it ended stay ended
    Lift {
        /// Its name, as `list` shows it
        id: String,
    },
}

#[derive(Debug, Args)]
struct Make {
    /// All credentials of this subject that were issued until now
    #[arg(long, conflicts_with_all = ["session", "token", "everything"])]
    subject: Option<String>,
    /// All credentials of this session
    #[arg(long, conflicts_with_all = ["token", "everything", "issuer"])]
    session: Option<String>,
    /// The credential of this id (`jti`)
    #[arg(long, value_name = "ID", requires = "issuer", conflicts_with = "everything")]
    token: Option<String>,
    /// All credentials that were issued until now
    #[arg(long)]
    everything: bool,
    /// Only those of this issuer
    #[arg(long)]
    issuer: Option<String>,
    /// Until then instead of now, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    issued_before: Option<i64>,
    /// When everything that is named has ended by itself; until it is lifted if absent
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<i64>,
    /// Why, for those who read the list and the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) fn run(
    arguments: Arguments,
    config: Option<&Path>,
    world: &mut World<'_>,
) -> Result<Exit, CommandError> {
    let Arguments { action, make, reach } = arguments;
    if action.is_none() && make.is_empty() {
        let message = "say what to revoke: --subject, --session, --token or --everything";
        return Err(CommandError::Usage(message.to_owned()));
    }
    let outcome = reach.api(config, world).and_then(|api| match action {
        None => revoke(&api, &make, reach.form(), world),
        Some(Action::List) => list(&api, reach.form(), world),
        Some(Action::Lift { id }) => {
            let path = format!("/api/v1/revocations/{}", encode(&id));
            api.ask(&Method::DELETE, &path, None).map_err(|error| api.failed(error))?;
            match reach.form() {
                Form::Json => print(&json!({ "lifted": id }), world)?,
                Form::Table => writeln!(world.output, "lifted {id}")?,
            }
            Ok(DONE)
        }
    });
    exit(outcome)
}

impl Make {
    fn is_empty(&self) -> bool {
        let Self { subject, session, token, everything, .. } = self;
        subject.is_none() && session.is_none() && token.is_none() && !everything
    }
}

fn revoke(api: &Api, make: &Make, form: Form, world: &mut World<'_>) -> Result<Exit, Stop> {
    let Make { subject, session, token, everything, issuer, issued_before, until, reason } = make;
    let body = object(json!({
        "subject": subject,
        "session": session,
        "token": token,
        "everything": everything.then_some(true),
        "issuer": issuer,
        "issued_before": issued_before,
        "until": until,
        "reason": reason,
    }));
    let made = api.ask(&Method::POST, "/api/v1/revocations", Some(&body));
    let made = made.map_err(|error| api.failed(error))?;
    match form {
        Form::Json => print(&made, world)?,
        Form::Table => {
            let id = table::text(made.get("id").unwrap_or(&Value::Null));
            writeln!(world.output, "revoked; `vestibule revoke lift {id}` takes it back")?;
        }
    }
    Ok(DONE)
}

fn list(api: &Api, form: Form, world: &mut World<'_>) -> Result<Exit, Stop> {
    let (mut found, mut after): (Vec<Value>, String) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/revocations?limit=1000{after}");
        let page = api.ask(&Method::GET, &path, None).map_err(|error| api.failed(error))?;
        if let Some(Value::Array(revocations)) = page.get("revocations") {
            found.extend(revocations.iter().cloned());
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => after = format!("&after={}", encode(next)),
            None => break,
        }
    }
    if form == Form::Json {
        print(&json!({ "revocations": found }), world)?;
        return Ok(DONE);
    }
    let row = |one: &Value| {
        let null = Value::Null;
        let member = |name: &str| one.get(name).unwrap_or(&null);
        let kind = ["subject", "session", "token", "everything"];
        let kind = kind.into_iter().find(|kind| !member(kind).is_null()).unwrap_or_default();
        let name = if kind == "everything" { String::new() } else { table::text(member(kind)) };
        vec![
            table::text(member("id")),
            kind.to_owned(),
            name,
            table::text(member("issuer")),
            when(member("issued_before")),
            when(member("until")),
            when(member("made")),
            table::text(member("reason")),
        ]
    };
    let titles =
        ["REVOCATION", "KIND", "NAME", "ISSUER", "ISSUED BEFORE", "UNTIL", "MADE", "REASON"];
    let rows: Vec<_> = found.iter().map(row).collect();
    table::print(&titles, &rows, world.output)?;
    Ok(DONE)
}
