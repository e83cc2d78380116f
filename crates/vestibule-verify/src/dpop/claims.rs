//! What a proof says (RFC 9449 section 4.2). A claim that is there and of the wrong type is a fault.

use serde_json::{Map, Value};
use vestibule_core::time::UnixTime;

use super::Target;

pub(super) struct Claims {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) target: Target,
    pub(super) issued: UnixTime,
    pub(super) token_hash: String,
    pub(super) nonce: Option<String>,
}

impl Claims {
    pub(super) fn of(claims: &Map<String, Value>) -> Result<Self, String> {
        let text = |name: &str| match claims.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            Some(_) => Err(format!("{name} is empty or not a string")),
            None => Err(format!("there is no {name}")),
        };
        let issued = claims
            .get("iat")
            .and_then(Value::as_f64)
            .filter(|seconds| (0.0..1e11).contains(seconds))
            .ok_or("iat is missing or not a date")?;
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            reason = "its range was checked"
        )]
        let issued = UnixTime::from_millis((issued * 1000.0).floor() as i64);
        Ok(Self {
            id: text("jti")?,
            method: text("htm")?,
            target: Target::parse(&text("htu")?).ok_or("htu is not an address")?,
            issued,
            token_hash: text("ath")?,
            nonce: if claims.contains_key("nonce") { Some(text("nonce")?) } else { None },
        })
    }
}
