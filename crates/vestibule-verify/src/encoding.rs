//! The two encodings of JOSE, read strictly: base64url (RFC 7515 section 2) and JSON objects with
//! unique member names (RFC 7515 section 4, RFC 7519 section 4).

use core::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use zeroize::Zeroize;

use crate::limits;

/// Decodes base64url without padding, white space or spare bits. `None` says no more: where the
/// input is a secret, so is what was wrong with it.
pub(crate) fn base64url(text: &[u8]) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text).ok()
}

/// Encodes base64url without padding.
pub(crate) fn to_base64url(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// Reads one JSON object: nothing around it but white space, names unique at every depth after
/// their escapes are resolved, nesting bounded. The error has a position and no contents but the
/// name of a repeated member.
pub(crate) fn object(text: &[u8]) -> Result<Map<String, Value>, String> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict { depth: 0 }.deserialize(&mut reader).map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    match value {
        Value::Object(members) => Ok(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err("not a JSON object".to_owned())
        }
    }
}

/// Overwrites every text in a value that held secrets.
pub(crate) fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(elements) => elements.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth >= limits::JSON_DEPTH {
            return Err(E::custom("nested too deeply"));
        }
        Ok(Self { depth: self.depth.saturating_add(1) })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(deeper)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                let name = crate::refused::shown(&name);
                return Err(de::Error::custom(format_args!("member {name} occurs twice")));
            }
            let value = members.next_value_seed(deeper)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_has_one_spelling() {
        assert_eq!(base64url(b"").unwrap(), b"");
        assert_eq!(base64url(b"-_8").unwrap(), [0xfb, 0xff]);
        for text in ["-_8=", "-_9", "+/8", "-_ 8", " -_8", "-_8\n", "-_8\0", "A", "é"] {
            assert_eq!(base64url(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_member_occurs_once_at_every_depth_whatever_its_spelling() {
        assert!(object(br#" {"a":1,"b":[{"a":2},{"a":3}],"c":{"a":null}} "#).is_ok());
        for text in [
            r#"{"alg":1,"alg":1}"#,
            r#"{"alg":1,"a\u006cg":1}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"{"a":[[{"b":1,"\u0062":1}]]}"#,
            r#"{"":1,"":1}"#,
        ] {
            assert!(object(text.as_bytes()).unwrap_err().contains("occurs twice"), "{text}");
        }
    }

    #[test]
    fn only_one_whole_object_is_an_object() {
        for text in [
            "",
            " ",
            "null",
            "1",
            "\"a\"",
            "[]",
            "[{}]",
            "{}{}",
            "{} x",
            "{",
            "{\"a\":1,}",
            "{a:1}",
            "{'a':1}",
            "\u{feff}{}",
            "{\"a\":01}",
            "{\"a\":NaN}",
            "{\"a\":1e999}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\n\"}",
            "// x\n{}",
        ] {
            assert!(object(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(object(nested(limits::JSON_DEPTH - 1).as_bytes()).is_ok());
        for depth in [limits::JSON_DEPTH, 100, 10_000] {
            assert!(object(nested(depth).as_bytes()).is_err(), "{depth}");
        }
    }
}
