//! What the server says in band (`docs/protocol.md`, section 6.2).

use serde_json::Value;
use vestibule_core::{authn::message::PREFIX, limits};

use super::ends::is_error_name;

/// Largest integer that every reader of JSON reads exactly.
const MOST_SECONDS: u64 = (1 << 53) - 1;

/// A control message of the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Required,
    Accepted {
        subject: String,
        expires_in: u64,
    },
    Expiring {
        expires_in: u64,
    },
    Rejected {
        error: String,
        retry: bool,
    },
    /// Of a type that a later version may define.
    Unknown,
    Garbage,
}

/// Whether a text is a control message, or claims to be one.
pub fn is_control(text: &str) -> bool {
    text.as_bytes().starts_with(PREFIX)
}

/// Reads a text that begins with the prefix. Members that it does not know are ignored.
pub(super) fn read(text: &str) -> Said {
    content(text).and_then(|auth| said(&auth)).unwrap_or(Said::Garbage)
}

/// The members of a control message; `None` where it is none.
pub(crate) fn content(text: &str) -> Option<Value> {
    // The bound is on UTF-16 units, as both languages can count them; bytes are never fewer.
    if text.len() > limits::MESSAGE_BYTES && text.encode_utf16().count() > limits::MESSAGE_BYTES {
        return None;
    }
    match serde_json::from_str(text).ok()? {
        Value::Object(mut whole) => whole.remove("auth"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    }
}

fn said(auth: &Value) -> Option<Said> {
    let string = |name| auth.get(name).and_then(Value::as_str);
    let said = match string("type")? {
        "required" => Said::Required,
        "accepted" => Said::Accepted {
            subject: string("subject")?.to_owned(),
            expires_in: seconds(auth.get("expires_in")?)?,
        },
        "expiring" => Said::Expiring { expires_in: seconds(auth.get("expires_in")?)? },
        "rejected" => {
            let error = string("error")?;
            // What is said by others is not repeated unless it is a name as the protocol has them.
            let error = if is_error_name(error) { error.to_owned() } else { String::new() };
            Said::Rejected { error, retry: auth.get("retry")?.as_bool()? }
        }
        _ => Said::Unknown,
    };
    Some(said)
}

/// A whole number, 0 or more, however it is written.
fn seconds(value: &Value) -> Option<u64> {
    let whole = match value.as_u64() {
        Some(whole) => whole,
        None => value
            .as_f64()
            .filter(|number| number.fract() == 0.0 && (0.0..9.1e15).contains(number))
            .and_then(|number| format!("{number:.0}").parse().ok())?,
    };
    (whole <= MOST_SECONDS).then_some(whole)
}
