//! Who was authenticated.

use std::sync::Arc;

use super::Mechanism;
use crate::time::UnixTime;

/// Who is there, as a checked credential says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The subject (`sub`).
    pub subject: Box<str>,
    /// The issuer that vouches for the subject (`iss`).
    pub issuer: Arc<str>,
    /// What the credential allows.
    pub scopes: Box<[Box<str>]>,
    /// The credential's own name (`jti`), by which it can be revoked.
    pub token_id: Option<Box<str>>,
    /// The session that the credential belongs to (`sid`), by which it can be revoked together with
    /// all others of it.
    pub session: Option<Box<str>>,
    /// Mail address, where the credential has one.
    pub email: Option<Box<str>>,
    /// Name for people, where the credential has one.
    pub name: Option<Box<str>>,
    /// Groups or roles, where the credential has them.
    pub groups: Box<[Box<str>]>,
    /// How it was proven.
    pub mechanism: Mechanism,
    /// The methods of authentication that it rests on, in the names of RFC 8176 (`amr`).
    pub methods: Box<[Box<str>]>,
    /// The authentication context class that the issuer vouches for (`acr`).
    pub context: Option<Box<str>>,
    /// When the credential was issued.
    pub issued: Option<UnixTime>,
    /// When the credential ends.
    pub expires: UnixTime,
}

impl Principal {
    /// Whether `other` is the same subject of the same issuer. Nothing else may differ on refresh
    /// without being noticed by policy, and nothing else names a person.
    pub fn is_same_identity(&self, other: &Self) -> bool {
        let Self {
            subject,
            issuer,
            scopes: _,
            token_id: _,
            session: _,
            email: _,
            name: _,
            groups: _,
            mechanism: _,
            methods: _,
            context: _,
            issued: _,
            expires: _,
        } = self;
        *subject == other.subject && *issuer == other.issuer
    }

    /// The same, as the successor of another on one connection: in that one's session, unless it
    /// brings its own. A connection that was made part of a session by its first credential does not
    /// leave it by a second one that knows of none: ending the session ends it still.
    #[must_use]
    pub fn succeeding(self: &Arc<Self>, other: &Self) -> Arc<Self> {
        if self.session.is_some() || other.session.is_none() {
            return Arc::clone(self);
        }
        Arc::new(Self { session: other.session.clone(), ..Self::clone(self) })
    }
}

/// Proof that a credential was checked: the signature, the issuer, the audience and the dates.
///
/// Whoever calls [`Verified::assertion`] vouches for that; a search for the name finds them all.
#[derive(Clone, Debug)]
pub struct Verified(Arc<Principal>);

impl Verified {
    /// Vouches that the credential was checked. A wrong call lets a stranger in.
    pub fn assertion(principal: Arc<Principal>) -> Self {
        Self(principal)
    }

    /// Who it is.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.0
    }
}
