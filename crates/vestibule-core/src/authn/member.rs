//! What the members of a control message hold.

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value, value::RawValue};
use zeroize::Zeroizing;

use super::Secret;
use crate::{limits, rejection::Rejection};

/// A text that is wiped when dropped.
#[derive(Deserialize)]
#[serde(from = "String")]
pub(super) struct Hidden(Zeroizing<String>);

impl Hidden {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn secret(&self) -> Result<Secret, Rejection> {
        if self.0.len() > limits::CREDENTIAL_BYTES {
            return Err(Rejection::TokenMalformed);
        }
        Ok(Secret::new(self.0.as_bytes()))
    }
}

impl From<String> for Hidden {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

/// The text of one JSON object, as it came. Read once, so that every other reader can read it, too:
/// its depth and its numbers are bounded, its strings are text.
pub(super) struct Object(Hidden);

impl Object {
    pub(super) fn into_text(self) -> Hidden {
        self.0
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        serde_json::from_str::<Map<String, Value>>(raw.get()).map_err(D::Error::custom)?;
        Ok(Self(Hidden::from(String::from(Box::<str>::from(raw)))))
    }
}

/// A member that is there has a value: `null` is none.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::{Response, message::ClientMessage};

    fn check(text: &str, expected: Result<&str, Rejection>) {
        let read = ClientMessage::parse(text.as_bytes()).map(|message| {
            let ClientMessage::Respond(Response::Assertion(text)) = message else {
                panic!("{message:?}")
            };
            String::from_utf8(text.expose().to_vec()).unwrap()
        });
        assert_eq!(read, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn an_assertion_is_one_object_that_everybody_can_read() {
        check(
            r#"{"auth":{"type":"respond","assertion":{ "a" : [1,{}] }}}"#,
            Ok(r#"{ "a" : [1,{}] }"#),
        );
        let no = Err(Rejection::MalformedMessage);
        for text in [
            r#"{"auth":{"type":"respond","assertion":"{}"}}"#,
            r#"{"auth":{"type":"respond","assertion":[]}}"#,
            r#"{"auth":{"type":"respond","assertion":null}}"#,
            r#"{"auth":{"type":"respond","assertion":{}}"#,
            r#"{"auth":{"type":"respond","assertion":{},"assertion":{}}}"#,
            r#"{"auth":{"type":"respond","assertion":{},"message":"a"}}"#,
            r#"{"auth":{"type":"respond","assertion":{"a":1e999}}}"#,
            r#"{"auth":{"type":"respond","assertion":{"a":"\ud800"}}}"#,
            r#"{"auth":{"type":"authenticate","mechanism":"webauthn","assertion":{}}}"#,
        ] {
            check(text, no);
        }
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(2000), "]".repeat(2000));
        check(&format!(r#"{{"auth":{{"type":"respond","assertion":{deep}}}}}"#), no);
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(limits::CREDENTIAL_BYTES));
        let long = format!(r#"{{"auth":{{"type":"respond","assertion":{long}}}}}"#);
        check(&long, Err(Rejection::TokenMalformed));
    }
}
