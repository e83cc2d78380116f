//! JSON objects of the admin API: one declaration is the type, how it is read, how it is written, and
//! its schema in the `OpenAPI` document.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zeroize::Zeroizing;

/// What a value looks like in JSON.
pub(super) trait Schema {
    /// Whether it must be there.
    const REQUIRED: bool = true;

    /// Its schema (JSON Schema 2020-12, as `OpenAPI` 3.1 uses it).
    fn schema() -> Value;

    /// Whether it is left out when written.
    fn is_absent(&self) -> bool {
        false
    }
}

/// An object with a name of its own.
pub(super) trait Object: Schema {
    /// The name.
    const NAME: &'static str;

    /// The schema that is written once, under that name.
    fn definition() -> Value;
}

impl Schema for Box<str> {
    fn schema() -> Value {
        json!({ "type": "string" })
    }
}

impl Schema for u64 {
    fn schema() -> Value {
        json!({ "type": "integer", "minimum": 0 })
    }
}

/// Seconds since 1970, UTC.
impl Schema for i64 {
    fn schema() -> Value {
        json!({ "type": "integer", "format": "int64" })
    }
}

impl Schema for bool {
    fn schema() -> Value {
        json!({ "type": "boolean" })
    }
}

impl Schema for f64 {
    fn schema() -> Value {
        json!({ "type": "number" })
    }
}

impl<T: Schema> Schema for BTreeMap<Box<str>, T> {
    fn schema() -> Value {
        json!({ "type": "object", "additionalProperties": T::schema() })
    }
}

impl<T: Schema> Schema for Option<T> {
    const REQUIRED: bool = false;

    fn schema() -> Value {
        T::schema()
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Schema> Schema for Vec<T> {
    fn schema() -> Value {
        json!({ "type": "array", "items": T::schema() })
    }
}

/// A text that must not be seen. Written, it is a placeholder: who answers with one says so by
/// [`Shown`].
#[derive(Clone)]
pub(crate) struct Hidden(pub(crate) Zeroizing<String>);

/// A text that must not be seen, on its way to the one who may.
#[derive(Clone)]
pub(crate) struct Shown(pub(crate) Zeroizing<String>);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

impl serde::Serialize for Hidden {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[secret]")
    }
}

impl<'de> serde::Deserialize<'de> for Hidden {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text: String = serde::Deserialize::deserialize(deserializer)?;
        Ok(Self(Zeroizing::new(text)))
    }
}

impl serde::Serialize for Shown {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Shown {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Hidden(text) = serde::Deserialize::deserialize(deserializer)?;
        Ok(Self(text))
    }
}

impl Schema for Hidden {
    fn schema() -> Value {
        json!({ "type": "string", "writeOnly": true })
    }
}

impl Schema for Shown {
    fn schema() -> Value {
        json!({ "type": "string", "readOnly": true })
    }
}

/// Declares objects. A member that is an `Option` may be absent; one that is not declared is refused.
macro_rules! objects {
    ($($(#[doc = $about:literal])+ $name:ident {
        $($(#[doc = $doc:literal])+ $member:ident: $kind:ty,)*
    })+) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
            #[serde(deny_unknown_fields)]
            pub(crate) struct $name {
                $(
                    $(#[doc = $doc])+
                    #[serde(skip_serializing_if = "Schema::is_absent")]
                    pub(crate) $member: $kind,
                )*
            }

            impl Schema for $name {
                fn schema() -> Value {
                    json!({ "$ref": concat!("#/components/schemas/", stringify!($name)) })
                }
            }

            impl Object for $name {
                const NAME: &'static str = stringify!($name);

                fn definition() -> Value {
                    let mut members = serde_json::Map::new();
                    let mut required: Vec<&str> = Vec::new();
                    $(
                        let about = concat!($($doc),+).trim();
                        members.insert(stringify!($member).into(), described(<$kind>::schema(), about));
                        if <$kind>::REQUIRED {
                            required.push(stringify!($member));
                        }
                    )*
                    let mut schema = json!({
                        "type": "object",
                        "description": concat!($($about),+).trim(),
                        "properties": members,
                        "additionalProperties": false,
                    });
                    if !required.is_empty()
                        && let Some(object) = schema.as_object_mut()
                    {
                        object.insert("required".into(), json!(required));
                    }
                    schema
                }
            }
        )+
    };
}

pub(super) use objects;

/// A schema and what it is about.
pub(super) fn described(mut schema: Value, about: &str) -> Value {
    if let Some(object) = schema.as_object_mut() {
        object.insert("description".into(), about.into());
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_neither_printed_nor_written() {
        let hidden: Hidden = serde_json::from_str("\"hunter2\"").unwrap();
        assert_eq!(hidden.0.as_str(), "hunter2");
        assert_eq!(serde_json::to_string(&hidden).unwrap(), "\"[secret]\"");
        assert_eq!(format!("{hidden:?} {:?}", Shown(hidden.0.clone())), "[secret] [secret]");
    }
}
