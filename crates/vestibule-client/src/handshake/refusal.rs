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

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, retry_after: Option<&str>, body: &str) -> Refusal {
        let mut fields = HeaderMap::new();
        if let Some(value) = retry_after {
            fields.insert(header::RETRY_AFTER, value.parse().unwrap());
        }
        Refusal {
            status: StatusCode::from_u16(status).unwrap(),
            fields,
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn each_status_says_what_a_close_code_says() {
        for (status, code) in [
            (200, 4404),
            (302, 4404),
            (400, 4400),
            (401, 4401),
            (403, 4403),
            (404, 4404),
            (405, 4404),
            (407, 4403),
            (408, 4408),
            (421, 4403),
            (425, 4408),
            (426, 4400),
            (429, 4429),
            (431, 4400),
            (500, 1013),
            (502, 1013),
            (503, 1013),
            (599, 1013),
        ] {
            assert_eq!(refusal(status, None, "").end().code, code, "{status}");
        }
        for error in ["token_revoked", "logged_out"] {
            let body = format!(r#"{{"error":"{error}"}}"#);
            assert_eq!(refusal(401, None, &body).end().code, 4410);
        }
    }

    #[test]
    fn a_refusal_says_when_to_come_back_and_only_names_what_is_a_name() {
        let body = r#"{"error":"too_many_attempts"}"#;
        assert_eq!(refusal(429, Some("7"), body).end().reason, "too_many_attempts; retry-after=7");
        assert_eq!(refusal(429, Some("7"), "no json").end().reason, "refused; retry-after=7");
        assert_eq!(refusal(429, Some("Fri, 31 Dec 1999 23:59:59 GMT"), body).retry_after(), None);
        assert_eq!(refusal(401, None, r#"{"error":"Not A Name"}"#).end().reason, "");
    }
}
