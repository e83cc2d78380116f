//! A set of keys, and which of them a token may be tried with.

use core::fmt;

use serde_json::Value;

use super::{Key, entry};
use crate::{
    algorithm::Algorithm,
    encoding, limits,
    refused::{shown, shown_all},
};

/// Whether a set may hold shared secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symmetric {
    /// They are left out. For whatever came over a network: a secret that others can fetch is none.
    Refused,
    /// They are taken. For the operator's own files. A wrong choice makes forgers of all who can
    /// read the set.
    Allowed,
}

/// An entry that was left out of a set, or something odd about one that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Its place in `keys`, from zero.
    pub index: usize,
    /// Its `kid`, where it has one.
    pub kid: Option<Box<str>>,
    /// Why, for the operator; never a part of a key.
    pub reason: String,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, kid, reason } = self;
        match kid {
            Some(kid) => write!(f, "key {index} ({}): {reason}", shown(kid)),
            None => write!(f, "key {index}: {reason}"),
        }
    }
}

/// A key set that cannot be used at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFault {
    /// Longer than 512 KiB, or a secret longer than 16 KiB.
    TooLarge,
    /// Not a JSON Web Key Set (RFC 7517 section 5), and why.
    Malformed(String),
    /// Shared secrets beside public keys: who wrote this set does not know which it is.
    Mixed,
    /// A secret of fewer than 32 bytes, the length of the shortest hash (RFC 7518 section 3.2).
    SecretTooShort,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the key set is too large"),
            Self::Malformed(why) => write!(f, "not a JSON Web Key Set: {why}"),
            Self::Mixed => f.write_str("the key set holds shared secrets beside public keys"),
            Self::SecretTooShort => f.write_str(
                "the secret is shorter than 32 bytes; make one with `openssl rand -base64 48`",
            ),
        }
    }
}

impl core::error::Error for KeyFault {}

/// The keys of one issuer.
pub struct KeySet {
    keys: Box<[Key]>,
    ignored: Box<[Ignored]>,
    notes: Box<[Ignored]>,
}

impl KeySet {
    /// Reads a JSON Web Key Set (RFC 7517 section 5). A set without a usable key is no fault:
    /// see [`KeySet::is_empty`] and [`KeySet::ignored`].
    pub fn from_jwks(json: &[u8], symmetric: Symmetric) -> Result<Self, KeyFault> {
        if json.len() > limits::KEY_SET_BYTES {
            return Err(KeyFault::TooLarge);
        }
        let mut set = Value::Object(encoding::object(json).map_err(KeyFault::Malformed)?);
        let read = Self::from_value(&set, symmetric);
        encoding::wipe(&mut set);
        read
    }

    /// One shared secret without a name. It does HS256, and HS384 and HS512 where it is as long as
    /// their hash; [`Expectations::algorithms`](crate::jwt::Expectations) must list what is wanted.
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeyFault> {
        if secret.len() > limits::SECRET_BYTES {
            return Err(KeyFault::TooLarge);
        }
        let verifiers = entry::secret_verifiers(secret);
        if verifiers.is_empty() {
            return Err(KeyFault::SecretTooShort);
        }
        let keys = Box::new([Key { kid: None, verifiers }]);
        Ok(Self { keys, ignored: Box::default(), notes: Box::default() })
    }

    /// The keys that a token may be tried with, at most eight: those with its `kid`; if there are
    /// none, those without one; for a token without `kid`, all. Of these, the ones that do
    /// `algorithm`.
    pub fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &Key> {
        self.fitting(kid)
            .filter(move |key| key.algorithms().any(|does| does == algorithm))
            .take(limits::CANDIDATES)
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key can be used.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a usable key has that name.
    pub fn has_kid(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid() == Some(kid))
    }

    /// Entries that were left out, and why.
    pub fn ignored(&self) -> &[Ignored] {
        &self.ignored
    }

    /// What is odd about entries that were taken: published private parts, names given twice.
    pub fn notes(&self) -> &[Ignored] {
        &self.notes
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    pub(crate) fn fitting<'a>(&'a self, kid: Option<&str>) -> impl Iterator<Item = &'a Key> {
        let wanted = kid.filter(|kid| self.has_kid(kid));
        let any = kid.is_none();
        self.keys.iter().filter(move |key| any || key.kid() == wanted)
    }

    /// The names of the keys, for a reason.
    pub(crate) fn described(&self) -> String {
        match self.keys.len() {
            0 => "none can be used".to_owned(),
            _ => shown_all(self.keys.iter().map(|key| key.kid().unwrap_or("(unnamed)"))),
        }
    }

    fn from_value(set: &Value, symmetric: Symmetric) -> Result<Self, KeyFault> {
        let entries = match set.get("keys") {
            Some(Value::Array(entries)) => entries,
            Some(_) => return Err(KeyFault::Malformed("`keys` is not an array".to_owned())),
            None if set.get("kty").is_some() => {
                let why = "a single key; write {\"keys\": [ … ]} around it".to_owned();
                return Err(KeyFault::Malformed(why));
            }
            None => return Err(KeyFault::Malformed("no member `keys`".to_owned())),
        };
        let (mut keys, mut ignored, mut notes) = (Vec::<Key>::new(), Vec::new(), Vec::new());
        for (index, value) in entries.iter().enumerate() {
            let kid = value.get("kid").and_then(Value::as_str).map(Box::<str>::from);
            let mark = |reason: String| Ignored { index, kid: kid.clone(), reason };
            if keys.len() == limits::KEYS {
                ignored.push(mark(format!("only the first {} keys are used", limits::KEYS)));
                break;
            }
            match entry::read(value, symmetric) {
                Err(reason) => ignored.push(mark(reason)),
                Ok((key, note)) => {
                    notes.extend(note.map(mark));
                    if kid.is_some() && keys.iter().any(|other| other.kid() == kid.as_deref()) {
                        notes.push(mark("another key has this kid too; both are tried".to_owned()));
                    }
                    keys.push(key);
                }
            }
        }
        let secrets =
            keys.iter().filter(|key| key.algorithms().any(Algorithm::is_symmetric)).count();
        if secrets != 0 && secrets != keys.len() {
            return Err(KeyFault::Mixed);
        }
        Ok(Self { keys: keys.into(), ignored: ignored.into(), notes: notes.into() })
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, ignored, notes } = self;
        f.debug_struct("KeySet")
            .field("keys", keys)
            .field("ignored", &ignored.len())
            .field("notes", &notes.len())
            .finish()
    }
}
