//! A session as it is kept, and the keys that it is found by.

use serde::{Deserialize, Serialize};
use vestibule_core::time::UnixTime;

use crate::{
    opaque,
    records::{Bytes32, KeptPrincipal, date},
};

/// What the ids of our sessions begin with. A `sid` of another issuer that begins so names no session
/// of ours, and what hangs on it does not count.
const PREFIX: &str = "ses_";
/// How long they are: so many characters of base64url.
const NAME_BYTES: usize = PREFIX.len() + (opaque::ID_BYTES * 4).div_ceil(3);

/// A session.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// With the root as its session.
    pub(super) principal: KeptPrincipal,
    pub(super) kind: Kind,
    /// What it ends with; its own id, if with nothing else.
    pub(super) root: Box<str>,
    /// Where its token is good; `None` is everywhere.
    pub(super) route: Option<Box<str>>,
    /// The hash of its token, if it has one.
    pub(super) token: Option<Bytes32>,
    /// Its refresh tokens, if it has any.
    pub(super) family: Option<Family>,
    #[serde(with = "date")]
    pub(super) created: UnixTime,
    #[serde(with = "date")]
    pub(super) ends: UnixTime,
}

/// Of what began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Login,
    Resume,
}

/// All refresh tokens of a login.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Family {
    pub(super) key: Bytes32,
    /// Of the one that can be exchanged.
    pub(super) generation: u32,
    /// When it came to be.
    #[serde(with = "date")]
    pub(super) since: UnixTime,
}

/// What stands in the index: the key says it all.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Index {}

impl Record {
    /// Its keys in the index.
    pub(super) fn index(&self, id: &str) -> [Box<str>; 2] {
        // In hexadecimal of a fixed width, so that their order is that of age.
        let age = u64::try_from(self.created.as_millis()).unwrap_or(0);
        let by_subject = format!("{}{age:016x}/{id}", self.prefix());
        let by_root = format!("{}{id}", under_root(&self.root));
        [by_subject.into(), by_root.into()]
    }

    /// What the keys of its subject's sessions of this kind begin with.
    pub(super) fn prefix(&self) -> String {
        under_subject(self.kind, self.principal.issuer(), self.principal.subject())
    }
}

/// The name of a session.
pub(super) fn name(id: &[u8; opaque::ID_BYTES]) -> Box<str> {
    format!("{PREFIX}{}", opaque::encode(id)).into()
}

/// Whether it is a session of ours, rather than another issuer's. Those are no keys: they may be of any
/// length.
pub(crate) fn is_ours(session: &str) -> bool {
    session.starts_with(PREFIX) && session.len() == NAME_BYTES
}

/// What the keys of a subject's sessions begin with. Hashed: subjects may be long, and may hold
/// whatever separates the parts of a key.
pub(super) fn under_subject(kind: Kind, issuer: &str, subject: &str) -> String {
    let kind = match kind {
        Kind::Login => "login",
        Kind::Resume => "resume",
    };
    let whose = opaque::digest(&[b"subject", issuer.as_bytes(), subject.as_bytes()]);
    format!("{kind}/{}/", opaque::encode(&whose))
}

/// What the keys of a root's sessions begin with.
pub(super) fn under_root(root: &str) -> String {
    format!("root/{}/", opaque::encode(&opaque::digest(&[b"root", root.as_bytes()])))
}

/// The id at the end of a key.
pub(super) fn id_of(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(_, id)| id)
}
