//! The body of a request for an endpoint: small, and JSON.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use vestibule_core::{authn::Secret, limits, wire::body::Body};
use zeroize::Zeroizing;

use super::{Visit, answer::Problem};
use crate::http::Link;

/// Reads it whole. `Err(None)`: the client went away.
pub(super) async fn read(
    link: &mut Link,
    body: Body,
) -> Result<Zeroizing<Vec<u8>>, Option<Problem>> {
    let length = match body {
        Body::None => 0,
        Body::Length(length) => usize::try_from(length).unwrap_or(usize::MAX),
        Body::Chunked | Body::UntilClose => {
            let text = "send the body with Content-Length, not in chunks";
            return Err(Some(Problem::new(411, "invalid_request", text)));
        }
    };
    if length > limits::ENDPOINT_BODY_BYTES {
        let text = format!("a body has at most {} bytes here", limits::ENDPOINT_BODY_BYTES);
        return Err(Some(Problem::new(413, "invalid_request", text)));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    loop {
        let wanted = length - bytes.len();
        let there = link.buffer.get(..wanted.min(link.buffer.len())).unwrap_or_default();
        bytes.extend_from_slice(there);
        let used = there.len();
        link.consume(used);
        if bytes.len() == length {
            return Ok(bytes);
        }
        match link.fill().await {
            Ok(0) | Err(_) => return Err(None),
            Ok(_) => {}
        }
    }
}

impl Visit<'_> {
    /// The body as JSON, with no member that is not known: a misspelt one would be ignored, and what
    /// it was to change would not.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let kind = self.head.one("content-type").ok().flatten().unwrap_or_default();
        let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if !kind.eq_ignore_ascii_case(b"application/json") {
            // What a form of a foreign page can send without being asked first is not read.
            let text = "send the body as Content-Type: application/json";
            return Err(Problem::new(415, "invalid_request", text));
        }
        serde_json::from_slice(&self.body).map_err(|error| Problem::request(told(&error)))
    }
}

/// A member that must not be seen.
pub(super) struct Hidden(pub(super) Secret);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Secret::new(text)))
    }
}

/// What is wrong, without a value that was sent: it may be a password.
fn told(error: &serde_json::Error) -> String {
    let place = format!("at line {}, column {}", error.line(), error.column());
    let text = error.to_string();
    let named = ["unknown field", "missing field", "duplicate field"];
    if named.iter().any(|words| text.starts_with(words)) {
        return text;
    }
    match error.classify() {
        serde_json::error::Category::Data => format!("a member has the wrong type {place}"),
        serde_json::error::Category::Io
        | serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof => format!("the body is not JSON {place}"),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::told;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its form matters")]
    struct Login {
        password: u32,
    }

    #[test]
    fn a_fault_is_told_without_the_value() {
        for (body, expected) in [
            ("{\"password\":\"s3cret\"}", "a member has the wrong type at line 1, column 20"),
            ("{\"password\":", "the body is not JSON at line 1, column 12"),
            ("s3cret", "the body is not JSON at line 1, column 1"),
        ] {
            let error = serde_json::from_str::<Login>(body).unwrap_err();
            assert_eq!(told(&error), expected, "{body}");
        }
        let error = serde_json::from_str::<Login>("{\"pasword\":1}").unwrap_err();
        assert!(told(&error).starts_with("unknown field `pasword`"));
    }
}
