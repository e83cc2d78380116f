//! What the server says in band (`docs/protocol.md`, section 6.2).

use serde_json::Value;
use vestibule_core::{authn::message::PREFIX, limits};

use super::{Demand, ends::is_error_name};

/// Largest integer that every reader of JSON reads exactly.
const MOST_SECONDS: u64 = (1 << 53) - 1;

/// A control message of the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Required,
    Challenge(Demand),
    Accepted {
        subject: String,
        expires_in: u64,
        message: Option<String>,
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
            message: string("message").map(str::to_owned),
        },
        "challenge" => {
            seconds(auth.get("expires_in")?)?;
            match (string("nonce"), string("message")) {
                (Some(nonce), None) => Said::Challenge(Demand::Nonce(nonce.to_owned())),
                (None, Some(message)) => Said::Challenge(Demand::Message(message.to_owned())),
                (Some(_), Some(_)) | (None, None) => return None,
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(subject: &str, expires_in: &str) -> String {
        format!(
            r#"{{"auth":{{"type":"accepted","subject":"{subject}","expires_in":{expires_in}}}}}"#
        )
    }

    #[test]
    fn a_control_message_has_a_bound_that_counts_as_javascript_does() {
        let frame = accepted("", "9").len();
        for (subject, is_garbage) in [
            ("x".repeat(limits::MESSAGE_BYTES - frame), false),
            ("x".repeat(limits::MESSAGE_BYTES - frame + 1), true),
            ("\u{e4}".repeat(limits::MESSAGE_BYTES - frame), false),
            ("\u{1f511}".repeat(limits::MESSAGE_BYTES / 2), true),
        ] {
            assert_eq!(read(&accepted(&subject, "9")) == Said::Garbage, is_garbage);
        }
    }

    #[test]
    fn seconds_are_whole_numbers_that_every_reader_reads_alike() {
        for (text, expected) in [
            ("0", Some(0)),
            ("9.0", Some(9)),
            ("7e2", Some(700)),
            ("9007199254740991", Some(9_007_199_254_740_991)),
            ("9007199254740992", None),
            ("18446744073709551615", None),
            ("1e300", None),
            ("-1", None),
            ("0.5", None),
            ("\"9\"", None),
            ("null", None),
        ] {
            let said = expected.map_or(Said::Garbage, |expires_in| Said::Accepted {
                subject: "a".to_owned(),
                expires_in,
                message: None,
            });
            assert_eq!(read(&accepted("a", text)), said, "{text}");
        }
    }
}
