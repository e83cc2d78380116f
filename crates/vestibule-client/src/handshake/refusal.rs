//! An HTTP answer other than 101 (`docs/protocol.md`, section 7.1).

use core::{fmt, time::Duration};

use http::{HeaderMap, Response, StatusCode, header};
use serde_json::Value;
use tokio::{io::AsyncReadExt, time::timeout};

use super::Duplex;
use crate::{
    limits,
    machine::{End, is_error_name},
};

/// A refusal by HTTP. Its fields and its body are a stranger's and are not printed.
pub struct Refusal {
    status: StatusCode,
    fields: HeaderMap,
    body: Vec<u8>,
}

impl Refusal {
    /// With its body: what came with the head, and as much more as was announced and comes soon. A
    /// body only explains.
    pub(super) async fn read(
        answer: Response<Option<Vec<u8>>>,
        stream: Option<Box<dyn Duplex>>,
    ) -> Self {
        let (head, body) = answer.into_parts();
        let mut body = body.unwrap_or_default();
        let length = head
            .headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|digits| digits.parse::<usize>().ok())
            .unwrap_or(0)
            .min(limits::BODY_BYTES);
        let missing = u64::try_from(length.saturating_sub(body.len())).unwrap_or(0);
        if let Some(stream) = stream
            && missing > 0
        {
            let mut rest = stream.take(missing);
            drop(timeout(limits::CLOSE_TIMEOUT, rest.read_to_end(&mut body)).await);
        }
        body.truncate(limits::BODY_BYTES);
        Self { status: head.status, fields: head.headers, body }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The header fields.
    pub fn fields(&self) -> &HeaderMap {
        &self.fields
    }

    /// The body, or what came of it in time.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The gateway's error name, where there is one.
    pub fn error(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        body.get("error")?.as_str().filter(|name| is_error_name(name)).map(str::to_owned)
    }

    /// How long the server wants nobody back.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.fields.get(header::RETRY_AFTER)?.to_str().ok()?;
        text.parse().ok().map(Duration::from_secs)
    }

    /// The Close that says the same: 44xx mirrors HTTP (`docs/protocol.md`, section 9).
    pub fn end(&self) -> End {
        let error = self.error().unwrap_or_default();
        let code = match (self.status.as_u16(), error.as_str()) {
            (_, "token_revoked" | "logged_out") => 4410,
            (401, _) => 4401,
            (403 | 407 | 421, _) => 4403,
            (408 | 425, _) => 4408,
            (429, _) => 4429,
            (500..=599, _) => 1013,
            (400 | 426 | 431, _) => 4400,
            // A redirect, or another kind of server.
            (_, _) => 4404,
        };
        let reason = match self.retry_after() {
            Some(span) => {
                let name = if error.is_empty() { "refused" } else { &error };
                format!("{name}; retry-after={}", span.as_secs())
            }
            None => error,
        };
        End { code, reason, clean: true }
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, fields: _, body: _ } = self;
        f.debug_struct("Refusal")
            .field("status", status)
            .field("error", &self.error())
            .finish_non_exhaustive()
    }
}
