//! `[store]` and `[auth]`: what is kept, and the gateway's own identities.

use std::{path::PathBuf, sync::Arc, time::Duration};

use vestibule_core::policy::RoutePath;

use super::{
    fault::{Fault, Place},
    files::Files,
    keys::Section,
    model::{Auth, Store},
    read::{Complaint, Reader, Written, word},
    webauthn,
};

const STORE: &str = "vestibule.db";
const DAY: Duration = Duration::from_hours(24);

/// `[auth]` as it was written.
#[derive(Debug)]
pub(super) struct AuthWritten {
    pub(super) auth: Auth,
    pub(super) path: RoutePath,
    /// Where it says what it is to authenticators, with faults or without.
    pub(super) webauthn: Option<Place>,
}

/// Which store is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backend {
    Embedded,
    Memory,
}

/// Reads `[store]`.
pub(super) fn store(reader: &mut Reader<'_>, files: &Files) -> Store {
    let backend = reader.parsed("backend", |text| match text {
        "embedded" => Ok(Backend::Embedded),
        "memory" => Ok(Backend::Memory),
        "redis" | "valkey" => {
            Err(Complaint::new(format!("the store {text:?} is not available yet")))
        }
        text => super::read::choose(
            "backend",
            text,
            &[("embedded", Backend::Embedded), ("memory", Backend::Memory)],
        ),
    });
    let path = files.make(reader, "path").unwrap_or_else(|| files.beside_it(STORE));
    match backend.map_or(Backend::Embedded, |backend| backend.value) {
        Backend::Embedded => Store::Embedded(path),
        Backend::Memory => {
            if reader.node("path").is_some() {
                let message = "`path` has no use: memory is in no file";
                reader.report.push(Fault::warning(message, reader.place_of("path")));
            }
            Store::Memory
        }
    }
}

/// The store where nothing is written about one: a file where there is something to be kept.
pub(super) fn default_store(files: &Files, kept: Kept) -> Store {
    match kept {
        Kept::Something => Store::Embedded(files.beside_it(STORE)),
        Kept::Nothing => Store::Memory,
    }
}

/// Whether anybody could make something that must be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Users, sessions, or the revocations of an operator.
    Something,
    /// Nobody could.
    Nothing,
}

/// Reads `[auth]`.
pub(super) fn auth(reader: &mut Reader<'_>) -> Option<AuthWritten> {
    let node = reader.node("webauthn");
    let webauthn = node
        .and_then(|node| Reader::new(Section::Webauthn, node, reader.report))
        .and_then(|mut reader| webauthn::webauthn(&mut reader));
    let short = Duration::from_secs(1);
    let path = reader.parsed("path", |text| {
        let path = RoutePath::parse(text)?;
        if path.as_str() == "/" {
            return Err(Complaint::new("`path` would take every path away from the routes"));
        }
        Ok(path)
    });
    let issuer = reader.parsed("issuer", word("the issuer"));
    let access_token = reader.duration("access_token", short..=DAY);
    let refresh_token = reader.duration("refresh_token", short..=DAY * 366);
    let session = reader.duration("session", short..=DAY * 366);
    let ticket = reader.duration("ticket", short..=Duration::from_mins(5));
    let key_rotation = reader.duration("key_rotation", Duration::from_hours(1)..=DAY * 366);
    let tickets_per_principal = reader.integer("tickets_per_principal", 1..=10_000);
    let tickets = reader.integer("tickets", 1..=10_000_000);
    if let (Some(access), Some(refresh)) = (&access_token, &refresh_token)
        && refresh.value < access.value
    {
        let message =
            "`refresh_token` ends before `access_token`: there would be nothing to refresh";
        let fault = Fault::new(message, refresh.place.clone());
        reader.report.push(fault.related(access.place.clone(), "the access token"));
    }
    let span = |written: Option<Written<Duration>>, otherwise| {
        written.map_or(otherwise, |written| written.value)
    };
    let path = path.map(|path| path.value).or_else(|| RoutePath::parse("/auth").ok())?;
    let auth = Auth {
        path: path.as_str().into(),
        issuer: issuer.map_or_else(|| Arc::from("vestibule"), |issuer| Arc::from(issuer.value)),
        access_token: span(access_token, Duration::from_mins(15)),
        refresh_token: span(refresh_token, DAY * 30),
        session: span(session, Duration::from_hours(12)),
        ticket: span(ticket, Duration::from_secs(20)),
        tickets_per_principal: tickets_per_principal.unwrap_or(16),
        tickets: tickets.unwrap_or(65_536),
        key_rotation: span(key_rotation, DAY * 30),
        webauthn,
    };
    Some(AuthWritten { auth, path, webauthn: node.map(|node| node.place.clone()) })
}

/// Where the operator's token is.
pub(super) fn token_file(reader: &mut Reader<'_>, files: &Files) -> PathBuf {
    files.make(reader, "token_file").unwrap_or_else(|| files.beside_it("admin.token"))
}
