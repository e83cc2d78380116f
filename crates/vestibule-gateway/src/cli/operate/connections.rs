//! `vestibule connections`: who is connected; close them.

use std::path::Path;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::{
    Form, Reach, Stop, ago,
    api::{Api, DONE, encode},
    exit, object, print, span, table, when,
};
use crate::cli::{CommandError, Exit, World};

/// What is to be done.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: List,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List those that fit every filter (what happens where nothing is said)
    List(List),
    /// Show one
    Show {
        /// Its name
        id: String,
    },
    /// Close some; their clients may connect again, unless they are revoked
    Close(Close),
    /// Ask the client of one for a second proof; without it, the connection is closed
    StepUp(StepUp),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    filter: Filter,
    /// Most connections; all if absent
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
}

#[derive(Debug, Args)]
struct Close {
    /// Names of connections
    ids: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// Close every one
    #[arg(long)]
    all: bool,
    /// For the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
struct StepUp {
    /// The name of the connection
    id: String,
    /// How the client is to prove itself; several in order of preference
    #[arg(long, value_name = "MECHANISM", required = true)]
    mechanism: Vec<String>,
    /// How long there is for it, such as 60s (the default)
    #[arg(long, value_name = "DURATION", value_parser = span)]
    within: Option<u64>,
    /// For the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
struct Filter {
    /// Of this subject
    #[arg(long)]
    subject: Option<String>,
    /// Of this issuer
    #[arg(long)]
    issuer: Option<String>,
    /// Of this session
    #[arg(long)]
    session: Option<String>,
    /// On the route of this path
    #[arg(long, value_name = "PATH")]
    route: Option<String>,
    /// Authenticated in this way
    #[arg(long)]
    mechanism: Option<String>,
    /// From an address, or a block of addresses such as 10.0.0.0/8
    #[arg(long)]
    address: Option<String>,
    /// Open for at least this long, such as 2h
    #[arg(long, value_name = "DURATION", value_parser = span)]
    older_than: Option<u64>,
    /// Open for less than this
    #[arg(long, value_name = "DURATION", value_parser = span)]
    younger_than: Option<u64>,
}

impl Filter {
    fn members(&self) -> Value {
        let Self { subject, issuer, session, route, mechanism, address, older_than, younger_than } =
            self;
        object(json!({
            "subject": subject,
            "issuer": issuer,
            "session": session,
            "route": route,
            "mechanism": mechanism,
            "address": address,
            "older_than": older_than,
            "younger_than": younger_than,
        }))
    }

    fn query(&self) -> String {
        let members = self.members();
        let members = members.as_object().into_iter().flatten();
        let pairs = members.map(|(name, value)| format!("&{name}={}", encode(&table::text(value))));
        pairs.collect::<Vec<_>>().concat()
    }
}

/// Most on one page.
const PAGE: usize = 1000;

pub(super) fn run(
    arguments: Arguments,
    config: Option<&Path>,
    world: &mut World<'_>,
) -> Result<Exit, CommandError> {
    let Arguments { action, list, reach } = arguments;
    let outcome =
        reach.api(config, world).and_then(|api| match action.unwrap_or(Action::List(list)) {
            Action::List(list) => listed(&api, &list, reach.form(), world),
            Action::Show { id } => show(&api, &id, reach.form(), world),
            Action::Close(close) => close_them(&api, &close, reach.form(), world),
            Action::StepUp(step_up) => ask_more(&api, &step_up, reach.form(), world),
        });
    exit(outcome)
}

fn listed(api: &Api, list: &List, form: Form, world: &mut World<'_>) -> Result<Exit, Stop> {
    let most = list.limit.unwrap_or(usize::MAX);
    let (mut found, mut after): (Vec<Value>, String) = (Vec::new(), String::new());
    while found.len() < most {
        let limit = PAGE.min(most - found.len());
        let path = format!("/api/v1/connections?limit={limit}{after}{}", list.filter.query());
        let page = api.ask(&Method::GET, &path, None).map_err(|error| api.failed(error))?;
        if let Some(Value::Array(connections)) = page.get("connections") {
            found.extend(connections.iter().cloned());
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    if form == Form::Json {
        print(&json!({ "connections": found }), world)?;
        return Ok(DONE);
    }
    let now = world.now;
    let row = |one: &Value| {
        let text = |name: &str| table::text(one.get(name).unwrap_or(&Value::Null));
        let since = ago(one.get("since").unwrap_or(&Value::Null), now);
        vec![
            text("id"),
            text("subject"),
            text("mechanism"),
            text("carrier"),
            text("route"),
            text("address"),
            since,
            when(one.get("lease_ends").unwrap_or(&Value::Null)),
        ]
    };
    let titles =
        ["CONNECTION", "SUBJECT", "MECHANISM", "CARRIER", "ROUTE", "ADDRESS", "OPEN", "LEASE ENDS"];
    let rows: Vec<_> = found.iter().map(row).collect();
    table::print(&titles, &rows, world.output)?;
    Ok(DONE)
}

fn show(api: &Api, id: &str, form: Form, world: &mut World<'_>) -> Result<Exit, Stop> {
    let path = format!("/api/v1/connections/{}", encode(id));
    let shown = api.ask(&Method::GET, &path, None).map_err(|error| api.failed(error))?;
    if form == Form::Json {
        print(&shown, world)?;
        return Ok(DONE);
    }
    let rows: Vec<_> = shown
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| {
            let is_time = matches!(
                &**name,
                "since" | "expires" | "lease_ends" | "stepped_up" | "step_up_due"
            );
            (&**name, if is_time { when(value) } else { table::text(value) })
        })
        .collect();
    table::card(&rows, world.output)?;
    Ok(DONE)
}

fn close_them(api: &Api, close: &Close, form: Form, world: &mut World<'_>) -> Result<Exit, Stop> {
    let Close { ids, filter, all, reason } = close;
    let mut body = filter.members();
    let has_filter = body.as_object().is_some_and(|members| !members.is_empty());
    match (ids.is_empty(), has_filter, all) {
        (true, true, false) | (true, false, true) | (false, false, false) => {}
        (_, _, _) => {
            let message = "say which connections to close: names, or filters, or --all";
            return Err(CommandError::Usage(message.to_owned()).into());
        }
    }
    let mut closed = 0;
    if ids.is_empty() {
        if let Some(members) = body.as_object_mut() {
            if *all {
                members.insert("all".into(), true.into());
            }
            if let Some(reason) = reason {
                members.insert("reason".into(), reason.as_str().into());
            }
        }
        let answer = api.ask(&Method::POST, "/api/v1/connections/close", Some(&body));
        let answer = answer.map_err(|error| api.failed(error))?;
        closed += answer.get("closed").and_then(Value::as_u64).unwrap_or_default();
    }
    for id in ids {
        let path = format!("/api/v1/connections/{}", encode(id));
        api.ask(&Method::DELETE, &path, None).map_err(|error| api.failed(error))?;
        closed += 1;
    }
    match form {
        Form::Json => print(&json!({ "closed": closed }), world)?,
        Form::Table => writeln!(world.output, "closed {closed}")?,
    }
    Ok(DONE)
}

fn ask_more(api: &Api, asked: &StepUp, form: Form, world: &mut World<'_>) -> Result<Exit, Stop> {
    let StepUp { id, mechanism, within, reason } = asked;
    let path = format!("/api/v1/connections/{}/step-up", encode(id));
    let body = object(json!({ "mechanisms": mechanism, "within": within, "reason": reason }));
    let answer = api.ask(&Method::POST, &path, Some(&body)).map_err(|error| api.failed(error))?;
    match form {
        Form::Json => print(&answer, world)?,
        Form::Table => {
            let due = when(answer.get("due").unwrap_or(&Value::Null));
            writeln!(world.output, "asked; without a second proof it is closed at {due}")?;
        }
    }
    Ok(DONE)
}
