//! Access tokens of our own (RFC 9068), and the keys that sign them.
//!
//! The keys are made at the first start, kept in the store, and replaced in time: a key is published
//! before it signs, and stays published until no token of its can live any more. Nodes that share a
//! store share the keys; each change of them is made by one node, under the condition that no other
//! made one meanwhile.
//!
//! Our own tokens are verified like everybody's: [`AccessTokens::issuer`] is a member for
//! [`Authority::new`](crate::Authority::new), which asks the store for newer keys from time to time
//! and when a token names one that it does not know.

mod ring;

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use serde_json::{Map, Value, json};
use tracing::info;
use vestibule_core::{
    authn::{Principal, Secret},
    time::UnixTime,
};
use vestibule_verify::{
    jwt::{Algorithm, Expectations},
    mint::{MintFault, Signer},
};
use zeroize::Zeroizing;

use self::ring::{Plan, Ring};
use crate::{
    held::{HeldKeys, Keyring, Reading},
    issuer::{Issuer, KeySource},
    limits, opaque, records,
    store::{Action, Change, Committed, Expect, Store, StoreError, Table},
};

/// What routes, logs and metrics call the issuer that is this installation.
pub const LOCAL: &str = "local";
/// The name of the one record that holds the keys.
const RING: &str = "access-tokens";
/// RFC 9068 section 2.1.
const TYPE: &str = "at+jwt";

/// What access tokens of our own say, and how long they and their keys last.
#[derive(Clone, Debug)]
pub struct TokenPolicy {
    /// `iss`: the same on all nodes, and no other issuer's.
    pub issuer: Arc<str>,
    /// `aud`: whoever takes tokens of that audience and trusts our keys takes these.
    pub audience: Box<str>,
    /// How long a token is good. Default: 15 minutes.
    pub lifetime: Duration,
    /// How long a key signs. Default: 30 days; at least [`limits::ROTATE_SHORTEST`].
    pub rotate_every: Duration,
}

/// Makes access tokens.
pub struct AccessTokens {
    store: Arc<dyn Store>,
    policy: TokenPolicy,
    keys: RwLock<Arc<Keys>>,
}

/// An access token.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The token.
    pub token: Secret,
    /// Its name (`jti`), by which it can be revoked.
    pub id: Box<str>,
    /// How long it is good from now, in whole seconds.
    pub expires_in: Duration,
    /// Until when it is good.
    pub expires: UnixTime,
}

/// Why there is no access token.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MintError {
    /// What it would be made of is over, or revoked until a time that lies ahead: no token of now
    /// would count.
    #[error("what the token would be made of is over")]
    Over,
    /// A scope that cannot be written: with a space it would become two.
    #[error("a scope has a space or is empty")]
    Scope,
    /// The key cannot sign.
    #[error(transparent)]
    Fault(#[from] MintFault),
}

/// Keys as they were last read.
struct Keys {
    ring: Ring,
    signers: Vec<Signer>,
    jwks: Value,
    /// When they were read: for reads that have no clock of their own.
    at: UnixTime,
}

impl TokenPolicy {
    /// The defaults, for that issuer and that audience.
    pub fn new(issuer: &str, audience: &str) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            lifetime: limits::ACCESS_TOKEN_LIFETIME,
            rotate_every: limits::ROTATE_EVERY,
        }
    }
}

impl AccessTokens {
    /// With the keys of the store; makes the first ones where there are none.
    pub async fn open(
        store: Arc<dyn Store>,
        policy: TokenPolicy,
        now: UnixTime,
    ) -> Result<Arc<Self>, StoreError> {
        let keys = tend(&*store, &policy, now).await?;
        Ok(Arc::new(Self { store, policy, keys: RwLock::new(Arc::new(keys)) }))
    }

    /// Makes a token for a principal: of its session, and not longer than its credential lasts.
    ///
    /// `after` is the date of issue up to which a revocation covers this principal
    /// ([`Principal::issued`]); the token's `iat` is put after it, by less than a second where the
    /// revocation has just been made.
    pub fn mint(
        &self,
        principal: &Principal,
        after: Option<UnixTime>,
        now: UnixTime,
    ) -> Result<AccessToken, MintError> {
        let earliest = after.map_or(i64::MIN, |after| after.as_secs().saturating_add(1));
        let issued = now.as_secs().max(earliest);
        if UnixTime::from_secs(issued) > now.after(limits::ISSUED_AHEAD) {
            return Err(MintError::Over);
        }
        let expires = now.after(self.policy.lifetime).min(principal.expires).as_secs();
        let (ends, expires_in) = (UnixTime::from_secs(expires), expires - now.as_secs());
        let expires_in = u64::try_from(expires_in).map_err(|_| MintError::Over)?;
        if ends <= now || expires <= issued {
            return Err(MintError::Over);
        }
        let id = opaque::random::<{ opaque::ID_BYTES }>()
            .map_err(|_| MintError::Fault(MintFault::Cryptography))?;
        let id = opaque::encode(id.as_slice());
        let mut claims = claims(principal)?;
        claims.extend(
            [
                ("iss", Value::from(&*self.policy.issuer)),
                ("aud", Value::from(&*self.policy.audience)),
                ("iat", Value::from(issued)),
                ("exp", Value::from(expires)),
                ("jti", Value::from(id.as_str())),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let keys = self.keys();
        let signer = keys.signers.get(keys.ring.signing(now)).ok_or(MintFault::WrongKey)?;
        let token = Zeroizing::new(signer.sign(Some(TYPE), &Value::Object(claims))?);
        Ok(AccessToken {
            token: Secret::new(token.as_bytes()),
            id: id.into(),
            expires_in: Duration::from_secs(expires_in),
            expires: ends,
        })
    }

    /// The key set to publish (RFC 7517): the key that signs, the next one ahead of its time, and
    /// those whose tokens may still live.
    pub fn public_jwks(&self) -> Value {
        self.keys().jwks.clone()
    }

    /// Whose the tokens are, for [`Authority::new`](crate::Authority::new). Named [`LOCAL`]; takes
    /// nothing but what is made here.
    pub fn issuer(self: &Arc<Self>) -> Issuer {
        let TokenPolicy { issuer, audience, lifetime: _, rotate_every: _ } = &self.policy;
        let keys: Arc<Self> = Arc::clone(self);
        Issuer {
            name: LOCAL.into(),
            source: KeySource::Held(HeldKeys::new(keys)),
            expectations: Expectations {
                algorithms: Box::new([Algorithm::EdDsa]),
                types: Box::new([TYPE.into()]),
                ..Expectations::new(issuer, [&**audience])
            },
        }
    }

    /// The policy.
    pub fn policy(&self) -> &TokenPolicy {
        &self.policy
    }

    /// Does what is due to the keys: makes the next one, forgets old ones, takes over what other
    /// nodes did. To be called now and then, at least every few minutes.
    pub async fn rotate_if_due(&self, now: UnixTime) -> Result<(), StoreError> {
        let keys = tend(&*self.store, &self.policy, now).await?;
        self.take(keys);
        Ok(())
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes keys over that were read, unless newer ones were meanwhile.
    fn take(&self, new: Keys) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if new.ring.revision >= keys.ring.revision {
            *keys = Arc::new(new);
        }
    }
}

impl Keyring for AccessTokens {
    fn known(&self) -> Vec<u8> {
        self.keys().jwks.to_string().into_bytes()
    }

    fn read(&self) -> Reading<'_> {
        Box::pin(async move {
            // The record has no end, so that it does not matter that this was some time ago.
            let at = self.keys().at;
            let (ring, version) = read(&*self.store, at).await?;
            if version.is_some() {
                self.take(Keys::new(ring, at)?);
            }
            Ok(self.known())
        })
    }
}

impl Keys {
    fn new(ring: Ring, at: UnixTime) -> Result<Self, StoreError> {
        let signers: Vec<Signer> =
            ring.keys.iter().map(|key| key.signer().map_err(cannot)).collect::<Result<_, _>>()?;
        let published: Vec<Value> = signers
            .iter()
            .filter_map(|signer| signer.public_jwks().get("keys")?.get(0).cloned())
            .collect();
        Ok(Self { ring, signers, jwks: json!({ "keys": published }), at })
    }
}

/// Does what is due, or finds that another node did.
async fn tend(store: &dyn Store, policy: &TokenPolicy, now: UnixTime) -> Result<Keys, StoreError> {
    for _ in 0..limits::CONFLICTS {
        let (mut ring, version) = read(store, now).await?;
        match ring.tend(policy, now).map_err(cannot)? {
            Plan::Keep => return Keys::new(ring, now),
            Plan::Write => {}
        }
        let change = Change {
            table: Table::SigningKeys,
            key: RING.into(),
            expect: version.map_or(Expect::Absent, Expect::Version),
            action: Action::Put(records::encode(&ring)?, None),
        };
        match store.commit(vec![change], now).await? {
            Committed::Done => {
                info!(keys = ring.keys.len(), "signing keys changed");
                return Keys::new(ring, now);
            }
            Committed::Conflict => {}
        }
    }
    Err(StoreError("the signing keys change all the time".into()))
}

async fn read(store: &dyn Store, now: UnixTime) -> Result<(Ring, Option<u64>), StoreError> {
    match store.read(Table::SigningKeys, RING, now).await? {
        Some(entry) => Ok((records::decode("signing keys", &entry.value)?, Some(entry.version))),
        None => Ok((Ring::default(), None)),
    }
}

fn cannot(fault: MintFault) -> StoreError {
    StoreError(format!("a signing key cannot be used: {fault}").into())
}

/// What a token says of a principal.
fn claims(principal: &Principal) -> Result<Map<String, Value>, MintError> {
    let Principal {
        subject,
        issuer: _,
        scopes,
        token_id: _,
        session,
        email,
        name,
        groups,
        mechanism: _,
        methods,
        context,
        issued: _,
        expires: _,
    } = principal;
    if scopes.iter().any(|scope| scope.is_empty() || scope.contains(' ')) {
        return Err(MintError::Scope);
    }
    let text = |text: &Option<Box<str>>| text.as_deref().map(Value::from);
    let some = |values: &[Box<str>], written: Value| (!values.is_empty()).then_some(written);
    let list = |texts: &[Box<str>]| texts.iter().map(|text| Value::from(&**text)).collect();
    let members = [
        ("sub", Some(Value::from(&**subject))),
        ("sid", text(session)),
        ("scope", some(scopes, scopes.join(" ").into())),
        ("groups", some(groups, Value::Array(list(groups)))),
        ("amr", some(methods, Value::Array(list(methods)))),
        ("acr", text(context)),
        ("email", text(email)),
        ("name", text(name)),
    ];
    Ok(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}

impl fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store: _, policy, keys } = self;
        let keys = Arc::clone(&keys.read().unwrap_or_else(PoisonError::into_inner));
        let kids: Vec<_> = keys.signers.iter().map(Signer::kid).collect();
        f.debug_struct("AccessTokens")
            .field("policy", policy)
            .field("keys", &kids)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
