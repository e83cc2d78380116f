//! An answer of an endpoint, and an error of one.

use std::{fmt, fmt::Write as _, time::Duration};

use serde_json::{Value, json};
use tracing::warn;
use vestibule_authority::{revocation::RevocationError, store::StoreError};
use vestibule_core::{
    rejection::Rejection,
    wire::{
        head::RequestHead,
        upgrade::{self, Challenges},
    },
};
use vestibule_verify::Refused;
use zeroize::Zeroizing;

/// What a client is answered. May hold tokens: not printed.
pub(in crate::http) struct Answer {
    status: u16,
    fields: Vec<(&'static str, String)>,
    body: Option<Zeroizing<String>>,
    kind: &'static str,
    caching: &'static str,
}

/// What happens to the connection behind an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Another request may come.
    Stay,
    /// It ends.
    Close,
}

impl Answer {
    /// Without a body.
    pub(super) fn empty(status: u16) -> Self {
        let (kind, caching) = ("application/json", "no-store");
        Self { status, fields: Vec::new(), body: None, kind, caching }
    }

    /// With a JSON body, which nobody may keep (RFC 6749 section 5.1).
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self { body: Some(Zeroizing::new(body.to_string())), ..Self::empty(status) }
    }

    /// With another media type, which may be kept for so many seconds.
    pub(super) fn public(body: String, kind: &'static str, caching: &'static str) -> Self {
        Self { body: Some(Zeroizing::new(body)), kind, caching, ..Self::empty(200) }
    }

    /// With one more field. Its value must have no line end.
    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// The bytes, as the answer to that request.
    pub(super) fn render(&self, head: &RequestHead, after: After) -> Zeroizing<Vec<u8>> {
        let Self { status, fields, body, kind, caching } = self;
        let mut out = Zeroizing::new(format!("HTTP/1.1 {status} {}\r\n", upgrade::phrase(*status)));
        let mut field = |name: &str, value: &str| {
            let value: String =
                value.chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')).collect();
            // Writing to a string cannot fail.
            let written = write!(out, "{name}: {value}\r\n");
            debug_assert!(written.is_ok());
        };
        for (name, value) in fields {
            field(name, value);
        }
        field("Cache-Control", caching);
        field("X-Content-Type-Options", "nosniff");
        match body {
            Some(body) => {
                field("Content-Type", kind);
                field("Content-Length", &body.len().to_string());
            }
            None if *status != 204 => field("Content-Length", "0"),
            None => {}
        }
        field(
            "Connection",
            match after {
                After::Stay => "keep-alive",
                After::Close => "close",
            },
        );
        out.push_str("\r\n");
        if let (Some(body), true) = (body, head.method() != "HEAD") {
            out.push_str(body);
        }
        Zeroizing::new(out.as_bytes().to_vec())
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Why a request is not answered with what it wants.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: u16,
    error: &'static str,
    description: String,
    /// What the challenges of the answer are about.
    rejection: Option<Rejection>,
    retry_after: Option<Duration>,
    /// For metrics and logs.
    pub(super) label: &'static str,
}

impl Problem {
    /// One of the endpoint's own.
    pub(super) fn new(status: u16, error: &'static str, description: impl Into<String>) -> Self {
        let description = description.into();
        Self { status, error, description, rejection: None, retry_after: None, label: error }
    }

    /// The request is not of its form.
    pub(super) fn request(description: impl Into<String>) -> Self {
        Self::new(400, "invalid_request", description)
    }

    /// With the time after which it is worth to come again.
    #[must_use]
    pub(super) fn after(self, span: Duration) -> Self {
        Self { retry_after: Some(span), ..self }
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let answer = rejection.answer();
        Self {
            rejection: Some(rejection),
            label: rejection.label(),
            ..Self::new(answer.status, answer.error, upgrade::description(rejection))
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        warn!(%error, "an endpoint cannot answer");
        Rejection::Unavailable.into()
    }
}

impl From<RevocationError> for Problem {
    fn from(error: RevocationError) -> Self {
        warn!(%error, "a revocation was not made");
        Rejection::Unavailable.into()
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        warn!(reason = %refused.reason, "no access token was made");
        refused.rejection.into()
    }
}

impl Problem {
    /// What the client is answered, and how it may authenticate.
    pub(super) fn answer(self, challenges: &Challenges<'_>) -> Answer {
        let Self { status, error, description, rejection, retry_after, label: _ } = self;
        let body = json!({ "error": error, "error_description": description });
        let mut answer = Answer::json(status, &body);
        for (name, value) in rejection.map(|it| challenges.fields(it)).into_iter().flatten() {
            answer = answer.with(name, value);
        }
        if let Some(span) = retry_after {
            let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
            answer = answer.with("Retry-After", seconds.max(1).to_string());
        }
        answer
    }
}
