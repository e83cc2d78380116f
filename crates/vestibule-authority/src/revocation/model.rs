//! What a revocation says.

use serde::{Deserialize, Serialize};
use vestibule_core::{authn::Principal, time::UnixTime};

use super::RevocationError;
use crate::{limits, opaque, records, store::StoreError};

/// What is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Named {
    /// One credential.
    Token {
        /// Who issued it ([`Principal::issuer`]): ids are unique for one issuer only.
        issuer: Box<str>,
        /// Its own name ([`Principal::token_id`]).
        id: Box<str>,
    },
    /// All credentials of a session ([`Principal::session`]).
    Session(Box<str>),
    /// All credentials of a subject that were issued at or before a time.
    Subject {
        /// Who vouches for it; `None` is anybody.
        issuer: Option<Box<str>>,
        /// Whose ([`Principal::subject`]).
        subject: Box<str>,
    },
    /// All credentials that were issued at or before a time.
    Everything {
        /// By whom; `None` is anybody.
        issuer: Option<Box<str>>,
    },
}

/// A revocation to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRevocation {
    /// What is revoked.
    pub named: Named,
    /// For [`Named::Subject`] and [`Named::Everything`]: credentials issued at or before this are
    /// covered; `None` is now. Has no meaning for the others, which are covered whenever issued.
    pub issued_before: Option<UnixTime>,
    /// When everything that is named has ended by itself: the token's `exp`, the session's end. With
    /// `None` the revocation holds until it is lifted. A time that is too early lets the credential
    /// back in.
    pub until: Option<UnixTime>,
    /// Who makes it.
    pub by: Box<str>,
    /// Why.
    pub reason: Option<Box<str>>,
}

/// A revocation that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Its name: the same for whatever revokes the same thing, so that the later supersedes.
    pub id: Box<str>,
    /// What is revoked.
    pub named: Named,
    /// For [`Named::Subject`] and [`Named::Everything`]: credentials issued at or before this are
    /// covered, and so are those that do not say when they were issued.
    pub issued_before: UnixTime,
    /// When everything that is named has ended by itself; `None` is not known.
    pub until: Option<UnixTime>,
    /// When it was made, or last made anew.
    pub made: UnixTime,
    /// Who made it.
    pub by: Box<str>,
    /// Why.
    pub reason: Option<Box<str>>,
}

impl Named {
    /// The name of a revocation of this: says nothing about it to those who do not know it, and is
    /// short however long that is.
    pub fn id(&self) -> Box<str> {
        let (issuer, name) = self.issuer_and_name();
        // What is absent is no part: it has another digest than what is empty.
        let parts = [Some("revocation"), Some(self.kind()), issuer, Some("of"), name];
        let parts: Vec<&[u8]> = parts.into_iter().flatten().map(str::as_bytes).collect();
        let hash = opaque::digest(&parts);
        opaque::encode(hash.split_at(opaque::ID_BYTES).0).into()
    }

    /// The word for its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Token { .. } => "token",
            Self::Session(_) => "session",
            Self::Subject { .. } => "subject",
            Self::Everything { .. } => "everything",
        }
    }

    fn issuer_and_name(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Token { issuer, id } => (Some(issuer), Some(id)),
            Self::Session(id) => (None, Some(id)),
            Self::Subject { issuer, subject } => (issuer.as_deref(), Some(subject)),
            Self::Everything { issuer } => (issuer.as_deref(), None),
        }
    }
}

impl NewRevocation {
    /// A revocation of this, from now on, until it is lifted.
    pub fn of(named: Named, by: &str) -> Self {
        Self { named, issued_before: None, until: None, by: by.into(), reason: None }
    }

    pub(super) fn made(self, now: UnixTime) -> Result<Revocation, RevocationError> {
        let Self { named, issued_before, until, by, reason } = self;
        let (issuer, name) = named.issuer_and_name();
        for (what, text) in [("issuer", issuer), (named.kind(), name)] {
            if text.is_some_and(str::is_empty) {
                return Err(RevocationError::Empty { what });
            }
            within(what, text, limits::REVOCATION_NAME_BYTES)?;
        }
        within("reason", reason.as_deref(), limits::REVOCATION_WORDS_BYTES)?;
        within("name of who made it", Some(&by), limits::REVOCATION_WORDS_BYTES)?;
        let issued_before = issued_before.unwrap_or(now);
        let id = named.id();
        Ok(Revocation { id, named, issued_before, until, made: now, by, reason })
    }
}

fn within(what: &'static str, text: Option<&str>, most: usize) -> Result<(), RevocationError> {
    if text.is_some_and(|text| text.len() > most) {
        return Err(RevocationError::TooLong { what, most });
    }
    Ok(())
}

impl Revocation {
    /// Whether it covers this principal. A wrong "no" leaves a thief connected.
    pub fn covers(&self, principal: &Principal) -> bool {
        let by = |wanted: Option<&str>| wanted.is_none_or(|wanted| *wanted == *principal.issuer);
        match &self.named {
            Named::Token { issuer, id } => {
                **issuer == *principal.issuer && principal.token_id.as_ref() == Some(id)
            }
            Named::Session(id) => principal.session.as_ref() == Some(id),
            Named::Subject { issuer, subject } => {
                by(issuer.as_deref())
                    && *subject == principal.subject
                    && is_early(principal, self.issued_before)
            }
            Named::Everything { issuer } => {
                by(issuer.as_deref()) && is_early(principal, self.issued_before)
            }
        }
    }

    /// When it can be forgotten; `None` is never.
    pub fn ends(&self) -> Option<UnixTime> {
        self.until.map(|until| until.after(limits::REVOCATION_AFTERLIFE))
    }

    /// What covers all that either covers, for as long as either does. Of words, the later's.
    pub(super) fn joined(&self, other: &Self) -> Self {
        let later = if other.made >= self.made { other } else { self };
        Self {
            issued_before: self.issued_before.max(other.issued_before),
            until: self.until.zip(other.until).map(|(one, two)| one.max(two)),
            ..later.clone()
        }
    }

    /// Whether it covers all that the other does, for as long.
    pub(super) fn includes(&self, other: &Self) -> bool {
        let Self { id: _, named: _, issued_before, until, made: _, by: _, reason: _ } = self;
        let as_long = match (until, other.until) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(one), Some(two)) => *one >= two,
        };
        *issued_before >= other.issued_before && as_long
    }

    pub(super) fn to_bytes(&self) -> Result<Box<[u8]>, StoreError> {
        let Self { id: _, named, issued_before, until, made, by, reason } = self;
        let (issuer, name) = named.issuer_and_name();
        let record = Record {
            kind: named.kind().into(),
            issuer: issuer.map(Into::into),
            name: name.map(Into::into),
            issued_before: issued_before.as_millis(),
            until: until.map(UnixTime::as_millis),
            made: made.as_millis(),
            by: by.clone(),
            reason: reason.clone(),
        };
        Ok(records::encode(&record)?.as_slice().into())
    }

    /// Reads a record. One that cannot be read is an error: it may revoke anything.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let Record { kind, issuer, name, issued_before, until, made, by, reason } =
            records::decode("a revocation", bytes)?;
        let named = match (&*kind, issuer, name) {
            ("token", Some(issuer), Some(id)) => Named::Token { issuer, id },
            ("session", None, Some(id)) => Named::Session(id),
            ("subject", issuer, Some(subject)) => Named::Subject { issuer, subject },
            ("everything", issuer, None) => Named::Everything { issuer },
            _ => return Err(StoreError("a revocation names nothing that is known".into())),
        };
        Ok(Self {
            id: named.id(),
            named,
            issued_before: UnixTime::from_millis(issued_before),
            until: until.map(UnixTime::from_millis),
            made: UnixTime::from_millis(made),
            by,
            reason,
        })
    }
}

/// Whether it was issued at or before that time, or does not say when it was.
pub(super) fn is_early(principal: &Principal, issued_before: UnixTime) -> bool {
    principal.issued.is_none_or(|issued| issued <= issued_before)
}

/// As it is kept.
#[derive(Serialize, Deserialize)]
struct Record {
    kind: Box<str>,
    issuer: Option<Box<str>>,
    name: Option<Box<str>>,
    issued_before: i64,
    until: Option<i64>,
    made: i64,
    by: Box<str>,
    reason: Option<Box<str>>,
}
