//! `vestibule user key`: the public keys that users sign challenges by.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    Form, Stop,
    accounts::Accounts,
    api::{DONE, encode},
    print, table, user, when,
};
use crate::cli::{CommandError, Exit, World};

/// Longest public key that is read, in bytes; a line of OpenSSH with its options is far shorter.
const KEY_BYTES: u64 = 16 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Register a public key with a user, who can then sign challenges with the private one
    Add {
        /// Whose it is
        name: String,
        /// The public key, such as `~/.ssh/id_ed25519.pub`; `-` is standard input
        file: PathBuf,
    },
    /// List the public keys of all users
    List,
    /// Remove a public key, and revoke what came by it
    Remove {
        /// Its name as `list` shows it, or its fingerprint as OpenSSH does
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
        Action::Add { name, file } => {
            let key = read(&file, world)?;
            let body = json!({ "user": name, "key": key.trim() });
            let added = way.ask(&Method::POST, "/api/v1/public-keys", Some(&body))?;
            let fingerprint = table::text(added.get("fingerprint").unwrap_or(&Value::Null));
            user::told(&added, &format!("added {fingerprint} for {name}"), form, world)
        }
        Action::List => list(way, form, world),
        Action::Remove { id } => {
            let path = format!("/api/v1/public-keys/{}", encode(&named(&id)));
            way.ask(&Method::DELETE, &path, None)?;
            user::told(&json!({ "removed": id }), &format!("removed {id}"), form, world)
        }
    }
}

/// The name of a key is what its fingerprint says, in the alphabet of addresses.
fn named(id: &str) -> String {
    match id.strip_prefix("SHA256:") {
        Some(hash) => hash.replace('+', "-").replace('/', "_"),
        None => id.to_owned(),
    }
}

/// Reads a public key. What looks like a private one goes no further than this.
fn read(path: &Path, world: &mut World<'_>) -> Result<Zeroizing<String>, CommandError> {
    let mut text = Zeroizing::new(String::new());
    let most = KEY_BYTES.saturating_add(1);
    let read = if path == Path::new("-") {
        (&mut *world.input).take(most).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_string(&mut text))
    };
    let unusable = |reason: &str| CommandError::file(path, &reason);
    let length = read.map_err(|error| unusable(&error.to_string()))?;
    if u64::try_from(length).is_ok_and(|length| length > KEY_BYTES) {
        return Err(unusable("it is longer than any public key"));
    }
    if text.contains("PRIVATE KEY") {
        return Err(unusable("this is a private key, which belongs to nobody but its owner"));
    }
    Ok(text)
}

fn list(way: &Accounts, form: Form, world: &mut World<'_>) -> Result<Exit, Stop> {
    let found = user::pages(way, "public-keys", "keys")?;
    if form == Form::Json {
        print(&json!({ "keys": found }), world)?;
        return Ok(DONE);
    }
    let row = |one: &Value| {
        let null = Value::Null;
        let member = |name: &str| one.get(name).unwrap_or(&null);
        vec![
            table::text(member("id")),
            table::text(member("user")),
            table::text(member("fingerprint")),
            when(member("added")),
            when(member("expires")),
        ]
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    let titles = ["KEY", "USER", "FINGERPRINT", "ADDED", "EXPIRES"];
    table::print(&titles, &rows, world.output)?;
    Ok(DONE)
}
