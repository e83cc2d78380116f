//! Users and API keys: add, list, change, remove. Asked by way of a running gateway, or, where none
//! runs, of whoever has opened the store.

use serde_json::{Value, json};
use vestibule_authority::{
    api_keys::{ApiKey, ApiKeyError, NewApiKey, Owner},
    identities::{Identities, PersonError},
    revocation::RevocationError,
    users::{NewUser, User, UserError, UserState},
};
use vestibule_core::{authn::Secret, time::UnixTime};

use super::{
    call::{Asked, Done},
    connections::limit,
    model,
    problem::Problem,
    revocations,
    schema::Shown,
    table::AccountCall,
};
use crate::limits;

/// Who changes users and keys by the API, in records of revocations.
pub(super) const BY: &str = "admin";

/// The gateway's own identities, for whoever may change them.
pub(super) struct Accounts<'a> {
    pub(super) identities: &'a Identities,
    pub(super) now: UnixTime,
}

impl Accounts<'_> {
    pub(super) async fn carry_out(
        &self,
        call: AccountCall,
        asked: &Asked,
    ) -> Result<Done, Problem> {
        match call {
            AccountCall::ListUsers => self.list_users(asked).await,
            AccountCall::AddUser => self.add_user(asked).await,
            AccountCall::ShowUser => self.show_user(asked).await,
            AccountCall::ChangeUser => self.change_user(asked).await,
            AccountCall::RemoveUser => self.remove_user(asked).await,
            AccountCall::SetPassword => self.set_password(asked).await,
            AccountCall::ListKeys => self.list_keys(asked).await,
            AccountCall::AddKey => self.add_key(asked).await,
            AccountCall::RemoveKey => self.remove_key(asked).await,
            AccountCall::ListPublicKeys => self.list_public_keys(asked).await,
            AccountCall::AddPublicKey => self.add_public_key(asked).await,
            AccountCall::RemovePublicKey => self.remove_public_key(asked).await,
            AccountCall::ListPasskeys => self.list_passkeys(asked).await,
            AccountCall::RemovePasskey => self.remove_passkey(asked).await,
        }
    }

    async fn list_users(&self, asked: &Asked) -> Result<Done, Problem> {
        let limit = limit(asked, limits::ACCOUNTS_LISTED)?;
        let users = &self.identities.users;
        let found = users.list(asked.parameter("after"), limit.saturating_add(1), self.now).await;
        let mut found = found.map_err(|error| Problem::unavailable(error.to_string()))?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().map(|user| user.name.clone()).filter(|_| more);
        Done::with(&model::Users { users: found.iter().map(user).collect(), next }, json!({}))
    }

    async fn add_user(&self, asked: &Asked) -> Result<Done, Problem> {
        let request: model::NewUser = asked.object()?;
        let details = json!(request);
        let model::NewUser { name, password, scopes, groups, email, display_name } = request;
        let new = NewUser {
            name,
            password: Secret::new(password.0.as_bytes()),
            scopes: scopes.unwrap_or_default().into(),
            groups: groups.unwrap_or_default().into(),
            email,
            display_name,
        };
        let added = self.identities.users.add(new, self.now).await?;
        Done::with(&user(&added), details)
    }

    async fn show_user(&self, asked: &Asked) -> Result<Done, Problem> {
        match self.identities.users.get(asked.argument(), self.now).await {
            Ok(Some(found)) => Done::with(&user(&found), json!({})),
            Ok(None) => Err(refused(&UserError::NotFound)),
            Err(error) => Err(Problem::unavailable(error.to_string())),
        }
    }

    async fn change_user(&self, asked: &Asked) -> Result<Done, Problem> {
        let change: model::UserChange = asked.object()?;
        let (name, identities) = (asked.argument(), self.identities);
        let changed = match &*change.state {
            "enabled" => identities.users.set_state(name, UserState::Enabled, self.now).await?,
            "disabled" => identities.disable_user(name, BY, self.now).await?,
            _ => return Err(Problem::invalid("`state` is `enabled` or `disabled`")),
        };
        Done::with(&user(&changed), json!(change))
    }

    async fn remove_user(&self, asked: &Asked) -> Result<Done, Problem> {
        self.identities.remove_user(asked.argument(), BY, self.now).await?;
        Ok(Done { body: None, details: json!({}) })
    }

    async fn set_password(&self, asked: &Asked) -> Result<Done, Problem> {
        let request: model::NewPassword = asked.object()?;
        let password = Secret::new(request.password.0.as_bytes());
        let name = asked.argument();
        let changed = self.identities.set_password(name, &password, BY, self.now).await?;
        Done::with(&user(&changed), json!({}))
    }

    async fn list_keys(&self, asked: &Asked) -> Result<Done, Problem> {
        let limit = limit(asked, limits::ACCOUNTS_LISTED)?;
        let keys = &self.identities.api_keys;
        let found = keys.list(asked.parameter("after"), limit.saturating_add(1), self.now).await;
        let mut found = found.map_err(|error| Problem::unavailable(error.to_string()))?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().map(|key| key.id.clone()).filter(|_| more);
        Done::with(&model::Keys { keys: found.iter().map(key).collect(), next }, json!({}))
    }

    async fn add_key(&self, asked: &Asked) -> Result<Done, Problem> {
        let request: model::NewKey = asked.object()?;
        let mut details = json!(request);
        let model::NewKey { user, machine, label, scopes, expires } = request;
        let owner = match (user, machine) {
            (Some(user), None) => Owner::User(user),
            (None, Some(machine)) => Owner::Machine(machine),
            (Some(_), Some(_)) | (None, None) => {
                return Err(Problem::invalid("name a `user`, or a `machine`"));
            }
        };
        let scopes = scopes.unwrap_or_default().into();
        let new = NewApiKey { owner, label, scopes, expires: expires.map(UnixTime::from_secs) };
        let (made, secret) =
            self.identities.api_keys.add(new, self.now).await.map_err(|error| no_key(&error))?;
        if let Some(details) = details.as_object_mut() {
            details.insert("id".into(), Value::from(&*made.id));
        }
        let text = String::from_utf8(secret.expose().to_vec())
            .map_err(|_| Problem::unavailable("the key cannot be written"))?;
        Done::with(&model::MadeKey { id: made.id, key: Shown(text.into()) }, details)
    }

    async fn remove_key(&self, asked: &Asked) -> Result<Done, Problem> {
        let removed = self.identities.remove_api_key(asked.argument(), BY, self.now).await;
        match removed.map_err(revocations::refused)? {
            Some(removed) => Ok(Done { body: None, details: json!(key(&removed)) }),
            None => Err(Problem::not_found("there is no such key")),
        }
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        refused(&error)
    }
}

impl From<PersonError> for Problem {
    fn from(error: PersonError) -> Self {
        match error {
            PersonError::User(error) => refused(&error),
            PersonError::Revocation(error) => revocations::refused(error),
            PersonError::Store(error) => Self::unavailable(error.to_string()),
        }
    }
}

impl From<RevocationError> for Problem {
    fn from(error: RevocationError) -> Self {
        revocations::refused(error)
    }
}

fn refused(error: &UserError) -> Problem {
    let text = error.to_string();
    match error {
        UserError::NotFound => Problem::not_found(text),
        UserError::Exists | UserError::Conflict => Problem::conflict(text),
        UserError::BadName(_) | UserError::BadPassword(_) | UserError::BadValue { .. } => {
            Problem::invalid(text)
        }
        UserError::Busy | UserError::Store(_) => Problem::unavailable(text),
    }
}

fn no_key(error: &ApiKeyError) -> Problem {
    let text = error.to_string();
    match error {
        ApiKeyError::BadName
        | ApiKeyError::BadLabel
        | ApiKeyError::BadScopes
        | ApiKeyError::Over
        | ApiKeyError::NoSuchUser => Problem::invalid(text),
        ApiKeyError::Store(_) => Problem::unavailable(text),
    }
}

fn user(user: &User) -> model::User {
    let User { name, scopes, groups, email, display_name, state, created, changed } = user;
    model::User {
        name: name.clone(),
        state: match state {
            UserState::Enabled => "enabled".into(),
            UserState::Disabled => "disabled".into(),
        },
        scopes: scopes.to_vec(),
        groups: groups.to_vec(),
        email: email.clone(),
        display_name: display_name.clone(),
        created: created.as_secs(),
        changed: changed.as_secs(),
    }
}

fn key(key: &ApiKey) -> model::Key {
    let ApiKey { id, owner, label, scopes, created, expires, used } = key;
    let (user, machine) = match owner {
        Owner::User(name) => (Some(name.clone()), None),
        Owner::Machine(name) => (None, Some(name.clone())),
    };
    model::Key {
        id: id.clone(),
        user,
        machine,
        label: label.clone(),
        scopes: scopes.to_vec(),
        created: created.as_secs(),
        expires: expires.map(UnixTime::as_secs),
        used: used.map(UnixTime::as_secs),
    }
}
