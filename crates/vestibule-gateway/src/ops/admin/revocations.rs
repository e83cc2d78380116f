//! Revocations: make, list, lift.

use serde_json::json;
use vestibule_authority::revocation::{Named, NewRevocation, Revocation, RevocationError};
use vestibule_core::time::UnixTime;

use super::{
    Api,
    call::{Asked, Done},
    connections::{check_reason, limit},
    model,
    problem::Problem,
};
use crate::limits;

/// Who makes revocations by the API, in their records.
const BY: &str = "admin";

impl Api {
    pub(super) fn list_revocations(&self, asked: &Asked) -> Result<Done, Problem> {
        let limit = limit(asked, limits::LISTED)?;
        let after = asked.parameter("after");
        let now = self.shared.clock.now().wall;
        // One more than asked for tells whether there is a next page.
        let mut found = self.shared.kept.revocations.list(after, limit.saturating_add(1), now);
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().map(|last| last.id.clone()).filter(|_| more);
        let revocations = found.iter().map(|revocation| shown(revocation)).collect();
        Done::with(&model::Revocations { revocations, next }, json!({}))
    }

    pub(super) async fn make_revocation(&self, asked: &Asked) -> Result<Done, Problem> {
        let request: model::NewRevocation = asked.object()?;
        check_reason(request.reason.as_deref())?;
        let details = json!(request);
        let now = self.shared.clock.now().wall;
        let made = self.shared.kept.revocations.revoke(new(request, now)?, now).await;
        Done::with(&shown(&made.map_err(refused)?), details)
    }

    pub(super) async fn lift_revocation(&self, asked: &Asked) -> Result<Done, Problem> {
        let now = self.shared.clock.now().wall;
        match self.shared.kept.revocations.lift(asked.argument(), now).await {
            Ok(Some(revocation)) => Ok(Done { body: None, details: json!(shown(&revocation)) }),
            Ok(None) => Err(Problem::not_found("there is no such revocation")),
            Err(error) => Err(Problem::unavailable(error.to_string())),
        }
    }
}

/// Exactly one thing is named; a time says something only about those that have one.
fn new(request: model::NewRevocation, now: UnixTime) -> Result<NewRevocation, Problem> {
    let model::NewRevocation {
        token,
        session,
        subject,
        everything,
        issuer,
        issued_before,
        until,
        reason,
    } = request;
    let named = match (token, session, subject, everything, issuer) {
        (Some(id), None, None, None, Some(issuer)) => Named::Token { issuer, id },
        (Some(_), None, None, None, None) => {
            return Err(Problem::invalid("a token is named together with its `issuer`"));
        }
        (None, Some(id), None, None, None) => Named::Session(id),
        (None, None, Some(subject), None, issuer) => Named::Subject { issuer, subject },
        (None, None, None, Some(true), issuer) => Named::Everything { issuer },
        (_, _, _, _, _) => {
            return Err(Problem::invalid(
                "name one of `token` (with `issuer`), `session`, `subject`, and \
                 `\"everything\": true`; `issuer` goes with all but `session`",
            ));
        }
    };
    let issued_before = match (&named, issued_before) {
        (Named::Token { .. } | Named::Session(_), Some(_)) => {
            return Err(Problem::invalid("`issued_before` goes with `subject` and `everything`"));
        }
        // What is issued in a second that is to come cannot be known yet.
        (Named::Subject { .. } | Named::Everything { .. }, Some(time)) if time > now.as_secs() => {
            return Err(Problem::invalid("`issued_before` lies ahead"));
        }
        (_, time) => time.map(UnixTime::from_secs),
    };
    let until = until.map(UnixTime::from_secs);
    if until.is_some_and(|until| until <= now) {
        return Err(Problem::invalid("`until` has passed"));
    }
    Ok(NewRevocation { named, issued_before, until, by: BY.into(), reason })
}

/// Why the authority did not revoke.
pub(super) fn refused(error: RevocationError) -> Problem {
    match error {
        RevocationError::Full => Problem::conflict(error.to_string()),
        RevocationError::TooLong { .. } | RevocationError::Empty { .. } => {
            Problem::invalid(error.to_string())
        }
        RevocationError::Store(error) => Problem::unavailable(error.to_string()),
    }
}

fn shown(revocation: &Revocation) -> model::Revocation {
    let Revocation { id, named, issued_before, until, made, by, reason } = revocation;
    let mut shown = model::Revocation {
        id: id.clone(),
        token: None,
        session: None,
        subject: None,
        everything: None,
        issuer: None,
        issued_before: None,
        until: until.map(UnixTime::as_secs),
        made: made.as_secs(),
        by: by.clone(),
        reason: reason.clone(),
    };
    match named {
        Named::Token { issuer, id } => {
            shown.token = Some(id.clone());
            shown.issuer = Some(issuer.clone());
        }
        Named::Session(id) => shown.session = Some(id.clone()),
        Named::Subject { issuer, subject } => {
            shown.subject = Some(subject.clone());
            shown.issuer.clone_from(issuer);
            shown.issued_before = Some(issued_before.as_secs());
        }
        Named::Everything { issuer } => {
            shown.everything = Some(true);
            shown.issuer.clone_from(issuer);
            shown.issued_before = Some(issued_before.as_secs());
        }
    }
    shown
}
