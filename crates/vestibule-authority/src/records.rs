//! How records are written: JSON with a version, read without guessing.
//!
//! A member that this version does not know is passed over, so that nodes of two versions can share
//! a store during an upgrade. A record of a later version is an error: what cannot be understood is
//! not taken for something else.

use std::{fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error},
};
use vestibule_core::{
    authn::{Mechanism, Principal},
    time::UnixTime,
};
use zeroize::Zeroizing;

use crate::{opaque, store::StoreError};

/// The version of every record so far.
const VERSION: u32 = 1;
/// Room for most records at once: a buffer that grows leaves copies of secrets behind.
const USUAL_BYTES: usize = 4096;

#[derive(Serialize)]
struct Written<'a, T> {
    v: u32,
    #[serde(flatten)]
    record: &'a T,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

/// A record as it is kept.
pub(crate) fn encode<T: Serialize>(record: &T) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(USUAL_BYTES));
    serde_json::to_writer(&mut *bytes, &Written { v: VERSION, record })
        .map_err(|_| StoreError("a record cannot be written".into()))?;
    Ok(bytes)
}

/// A record as it was kept. The error holds nothing of it.
pub(crate) fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, StoreError> {
    let broken = |_| StoreError(format!("a record of {what} cannot be read").into());
    let Version { v } = serde_json::from_slice(bytes).map_err(broken)?;
    if v > VERSION {
        let why = format!("a record of {what} was written by a later version ({v})");
        return Err(StoreError(why.into()));
    }
    serde_json::from_slice(bytes).map_err(broken)
}

/// A date in a record: milliseconds since 1970.
pub(crate) mod date {
    use serde::{Deserialize, Deserializer, Serializer};
    use vestibule_core::time::UnixTime;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn serialize<S: Serializer>(date: &UnixTime, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(date.as_millis())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<UnixTime, D::Error> {
        i64::deserialize(from).map(UnixTime::from_millis)
    }
}

/// A key or a hash in a record: base64url.
#[derive(Clone)]
pub(crate) struct Bytes32(Zeroizing<[u8; 32]>);

impl Bytes32 {
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &*self.0
    }
}

impl fmt::Debug for Bytes32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Serialize for Bytes32 {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&Zeroizing::new(opaque::encode(&*self.0)))
    }
}

impl<'de> Deserialize<'de> for Bytes32 {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(from)?);
        opaque::decode(text.as_bytes()).map(Self).ok_or_else(|| D::Error::custom("not 32 bytes"))
    }
}

/// A secret text in a record.
#[derive(Clone)]
pub(crate) struct HiddenText(Zeroizing<String>);

impl HiddenText {
    pub(crate) fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HiddenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Serialize for HiddenText {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for HiddenText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Zeroizing::new).map(Self)
    }
}

/// A principal in a record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeptPrincipal {
    sub: Box<str>,
    iss: Box<str>,
    #[serde(default)]
    scopes: Box<[Box<str>]>,
    #[serde(default)]
    jti: Option<Box<str>>,
    #[serde(default)]
    sid: Option<Box<str>>,
    #[serde(default)]
    email: Option<Box<str>>,
    #[serde(default)]
    name: Option<Box<str>>,
    #[serde(default)]
    groups: Box<[Box<str>]>,
    #[serde(default)]
    amr: Box<[Box<str>]>,
    #[serde(default)]
    acr: Option<Box<str>>,
    /// Milliseconds since 1970.
    #[serde(default)]
    issued: Option<i64>,
    /// Milliseconds since 1970.
    expires: i64,
}

impl KeptPrincipal {
    /// Without the mechanism: whoever reads it knows what was presented.
    pub(crate) fn of(principal: &Principal) -> Self {
        let Principal {
            subject,
            issuer,
            scopes,
            token_id,
            session,
            email,
            name,
            groups,
            mechanism: _,
            methods,
            context,
            issued,
            expires,
        } = principal;
        Self {
            sub: subject.clone(),
            iss: Box::from(&**issuer),
            scopes: scopes.clone(),
            jti: token_id.clone(),
            sid: session.clone(),
            email: email.clone(),
            name: name.clone(),
            groups: groups.clone(),
            amr: methods.clone(),
            acr: context.clone(),
            issued: issued.map(UnixTime::as_millis),
            expires: expires.as_millis(),
        }
    }

    /// The principal, proven by that mechanism.
    pub(crate) fn by(self, mechanism: Mechanism) -> Principal {
        let Self { sub, iss, scopes, jti, sid, email, name, groups, amr, acr, issued, expires } =
            self;
        Principal {
            subject: sub,
            issuer: Arc::from(iss),
            scopes,
            token_id: jti,
            session: sid,
            email,
            name,
            groups,
            mechanism,
            methods: amr,
            context: acr,
            issued: issued.map(UnixTime::from_millis),
            expires: UnixTime::from_millis(expires),
        }
    }

    /// Whose subject it is.
    pub(crate) fn issuer(&self) -> &str {
        &self.iss
    }

    /// The subject.
    pub(crate) fn subject(&self) -> &str {
        &self.sub
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Thing {
        a: u8,
        #[serde(with = "date")]
        at: UnixTime,
    }

    #[test]
    fn a_record_of_a_later_version_is_not_guessed_at() {
        let thing = Thing { a: 1, at: UnixTime::from_millis(-5) };
        let bytes = encode(&thing).unwrap();
        assert_eq!(&**bytes, br#"{"v":1,"a":1,"at":-5}"#);
        assert_eq!(decode::<Thing>("things", &bytes).unwrap(), thing);
        let more = br#"{"v":1,"a":1,"at":-5,"more":[2]}"#;
        assert_eq!(decode::<Thing>("things", more).unwrap(), thing);
        for bad in [r#"{"v":2,"a":1,"at":-5}"#, r#"{"a":1,"at":-5}"#, r#"{"v":1,"a":1}"#, "", "[]"]
        {
            let error = decode::<Thing>("things", bad.as_bytes()).unwrap_err();
            assert!(error.0.contains("things"), "{error}");
        }
    }
}
