//! The audit log: who did what to whom, when, from where, and what came of it.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tracing::{error, info};
use vestibule_core::time::UnixTime;

/// Where actions are written to.
#[derive(Debug)]
pub struct Audit {
    file: Option<PathBuf>,
}

/// One action. Holds no secret.
#[derive(Debug)]
pub(super) struct Action<'a> {
    /// The name of the operation.
    pub(super) name: &'a str,
    /// What it is about, where one thing is named.
    pub(super) target: Option<&'a str>,
    /// Who says that it was they who asked.
    pub(super) user: Option<&'a str>,
    /// From where.
    pub(super) from: &'a str,
    /// What was asked for, as it was understood.
    pub(super) details: Value,
    /// What it was answered with.
    pub(super) status: u16,
    /// `done`, or the name of the error.
    pub(super) outcome: &'a str,
}

impl Audit {
    /// Into a file; `None` is the log, under the target `audit`.
    pub fn new(file: Option<PathBuf>) -> Self {
        Self { file }
    }

    /// Writes an action down. The file is opened anew each time, so that it can be rotated.
    pub(super) fn record(&self, action: &Action<'_>, now: UnixTime) {
        let Action { name, target, user, from, details, status, outcome } = action;
        let millis = u64::try_from(now.as_millis()).unwrap_or_default();
        let time = humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(millis));
        let line = json!({
            "time": time.to_string(),
            "who": "admin-token",
            "user": user,
            "from": from,
            "action": name,
            "target": target,
            "details": details,
            "status": status,
            "outcome": outcome,
        });
        let Some(path) = &self.file else {
            info!(target: "audit", action = name, record = %line, "admin");
            return;
        };
        let mut text = line.to_string();
        text.push('\n');
        let written: io::Result<()> = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        if let Err(cause) = written {
            // What was done was done: it must be known somewhere.
            error!(target: "audit", %cause, record = %line, "cannot write the audit log");
        }
    }
}
