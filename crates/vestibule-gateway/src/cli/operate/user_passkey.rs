//! `vestibule user passkey`: the passkeys that users have registered.

use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use super::{
    Form, Stop,
    accounts::Accounts,
    api::{DONE, encode},
    print, table, user, when,
};
use crate::cli::{Exit, World};

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List the passkeys of all users
    List,
    /// Remove a passkey, and revoke what came by it
    Remove {
        /// Its name as `list` shows it
        // One name in 64 begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
        id: String,
    },
}

pub(super) fn run(
    action: Action,
    way: &Accounts,
    form: Form,
    world: &mut World<'_>,
) -> Result<Exit, Stop> {
    match action {
        Action::List => list(way, form, world),
        Action::Remove { id } => {
            way.ask(&Method::DELETE, &format!("/api/v1/passkeys/{}", encode(&id)), None)?;
            user::told(&json!({ "removed": id }), &format!("removed {id}"), form, world)
        }
    }
}

fn list(way: &Accounts, form: Form, world: &mut World<'_>) -> Result<Exit, Stop> {
    let found = user::pages(way, "passkeys", "passkeys")?;
    if form == Form::Json {
        print(&json!({ "passkeys": found }), world)?;
        return Ok(DONE);
    }
    let row = |one: &Value| {
        let null = Value::Null;
        let member = |name: &str| one.get(name).unwrap_or(&null);
        vec![
            table::text(member("id")),
            table::text(member("user")),
            table::text(member("name")),
            when(member("added")),
            when(member("used")),
        ]
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    let titles = ["PASSKEY", "USER", "NAME", "ADDED", "USED"];
    table::print(&titles, &rows, world.output)?;
    Ok(DONE)
}
