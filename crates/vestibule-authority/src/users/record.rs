//! A user as it is kept, and what may be written about one.

use serde::{Deserialize, Serialize};
use vestibule_core::time::UnixTime;
use vestibule_verify::{password::PasswordHash, scram::StoredKeys};

use super::{NewUser, User, UserError, UserState, hasher::NamedKeys};
use crate::{
    limits,
    records::{HiddenText, date},
    store::StoreError,
};

#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    /// As a PHC string.
    password: HiddenText,
    /// Absent for passwords that were set before there were any, and for those that RFC 4013 has no
    /// form for.
    #[serde(default)]
    scram: Option<ScramKeys>,
    #[serde(default)]
    pub(super) scopes: Box<[Box<str>]>,
    #[serde(default)]
    pub(super) groups: Box<[Box<str>]>,
    #[serde(default)]
    pub(super) email: Option<Box<str>>,
    #[serde(default)]
    pub(super) display_name: Option<Box<str>>,
    pub(super) state: UserState,
    #[serde(with = "date")]
    created: UnixTime,
    #[serde(with = "date")]
    pub(super) changed: UnixTime,
}

/// What is kept for those who do not send their password.
#[derive(Clone, Serialize, Deserialize)]
struct ScramKeys {
    /// The name of this password.
    id: Box<str>,
    /// As RFC 5803 writes them.
    keys: HiddenText,
}

/// What is to be kept of a password. Both are written together: else the old password would go on
/// working in one way.
pub(super) struct KeptPassword {
    pub(super) hash: PasswordHash,
    pub(super) keys: Option<NamedKeys>,
}

impl KeptPassword {
    fn scram(&self) -> Option<ScramKeys> {
        let (id, keys) = self.keys.as_ref()?;
        Some(ScramKeys { id: id.clone(), keys: HiddenText::new(keys) })
    }
}

impl Record {
    pub(super) fn new(user: NewUser, kept: &KeptPassword, now: UnixTime) -> Self {
        let NewUser { name: _, password: _, scopes, groups, email, display_name } = user;
        Self {
            password: HiddenText::new(kept.hash.as_str()),
            scram: kept.scram(),
            scopes,
            groups,
            email,
            display_name,
            state: UserState::Enabled,
            created: now,
            changed: now,
        }
    }

    pub(super) fn set_password(&mut self, kept: &KeptPassword) {
        self.password = HiddenText::new(kept.hash.as_str());
        self.scram = kept.scram();
    }

    /// The name of the password, where there is one.
    pub(super) fn password_id(&self) -> Option<&str> {
        self.scram.as_ref().map(|scram| &*scram.id)
    }

    /// The keys of whoever may come in.
    pub(super) fn scram_keys(&self) -> Result<Option<StoredKeys>, StoreError> {
        match (&self.scram, self.state) {
            (Some(ScramKeys { id: _, keys }), UserState::Enabled) => {
                let keys = StoredKeys::from_text(keys.expose());
                keys.map(Some).map_err(|fault| StoreError(fault.to_string().into()))
            }
            (Some(_) | None, UserState::Enabled | UserState::Disabled) => Ok(None),
        }
    }

    pub(super) fn hash(&self) -> Result<PasswordHash, StoreError> {
        PasswordHash::parse(self.password.expose())
            .map_err(|fault| StoreError(fault.to_string().into()))
    }

    pub(super) fn user(self, name: &str) -> User {
        let Self {
            password: _,
            scram: _,
            scopes,
            groups,
            email,
            display_name,
            state,
            created,
            changed,
        } = self;
        User { name: name.into(), scopes, groups, email, display_name, state, created, changed }
    }
}

/// Refuses what a later reader could take for something else: these texts go into tokens and header
/// fields.
pub(super) fn check(user: &NewUser) -> Result<(), UserError> {
    check_name(&user.name)?;
    let bad = |what, why| Err(UserError::BadValue { what, why });
    for (what, values) in [("scopes", &user.scopes), ("groups", &user.groups)] {
        if values.len() > limits::USER_RIGHTS {
            return bad(what, "there are too many");
        }
    }
    if !user.scopes.iter().all(|scope| is_scope(scope)) {
        return bad("scopes", "a scope is visible ASCII without quotes, backslashes and spaces");
    }
    if !user.groups.iter().all(|group| is_text(group) && !group.contains(',')) {
        return bad("groups", "a group has 1 to 256 bytes, no comma and no control character");
    }
    if user.display_name.as_deref().is_some_and(|name| !is_text(name)) {
        return bad("display_name", "it has 1 to 256 bytes and no control character");
    }
    if user.email.as_deref().is_some_and(|email| !is_email(email)) {
        return bad("email", "not a mail address");
    }
    Ok(())
}

/// Names are compared byte for byte, and stand in tokens, header fields, logs and shells.
pub(super) fn check_name(name: &str) -> Result<(), UserError> {
    let bad = |why| Err(UserError::BadName(why));
    if name.is_empty() || name.len() > limits::USER_NAME_BYTES {
        return bad("a name has 1 to 128 characters");
    }
    if !name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_') {
        return bad("a name begins with a letter, a digit or `_`");
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@+".contains(&byte);
    if !name.bytes().all(fits) {
        return bad("a name has letters and digits of ASCII, `.`, `_`, `-`, `@` and `+`");
    }
    Ok(())
}

/// RFC 6749 section 3.3.
fn is_scope(scope: &str) -> bool {
    let fits = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    (1..=limits::USER_TEXT_BYTES).contains(&scope.len()) && scope.bytes().all(fits)
}

fn is_text(text: &str) -> bool {
    (1..=limits::USER_TEXT_BYTES).contains(&text.len())
        && !text.chars().any(char::is_control)
        && text.trim() == text
}

fn is_email(email: &str) -> bool {
    let parts = email
        .split_once('@')
        .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'));
    let fits = |byte: u8| byte > b' ' && byte != 0x7f;
    parts && email.len() <= limits::USER_EMAIL_BYTES && email.bytes().all(fits)
}
