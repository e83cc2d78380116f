//! From configured issuers to an [`Authority`]: reads files, opens no connection.

use std::{error::Error, path::PathBuf, sync::Arc};

use rustls::RootCertStore;
use tokio::sync::Notify;
use tracing::warn;
use vestibule_verify::jwt::Expectations;

use super::{Authority, Member, Trusted};
use crate::{
    address::{Address, AddressFault, Scheme},
    discovery::Metadata,
    fetch::{self, FetchPolicy, Fetcher, TrustError},
    introspection::{Asker, Credentials, Introspection, Introspector},
    issuer::{Issuer, KeySource},
    limits,
    memory::Memory,
    origin::{self, Form, Loaded, Origin},
    revocation::Revocations,
    schedule::Pace,
    source::Source,
};

/// Why the issuers cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("issuer {issuer} cannot be used")]
pub struct AuthorityError {
    /// The issuer's name; empty where the fault is not an issuer's.
    pub issuer: Arc<str>,
    /// What is wrong.
    #[source]
    pub fault: AuthorityFault,
}

/// What is wrong with an issuer.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityFault {
    /// Its address, or its name where that is an address.
    #[error("{address} will not do")]
    Address {
        /// Which.
        address: Box<str>,
        /// Why.
        source: AddressFault,
    },
    /// Its key file.
    #[error(transparent)]
    File(Box<dyn Error + Send + Sync>),
    /// Its key file is well-formed, and no key in it can be used.
    #[error("{} holds no key that can be used: {why}", path.display())]
    NoKey {
        /// Which.
        path: PathBuf,
        /// Why the first entry was left out.
        why: String,
    },
    /// The secret by which it knows us.
    #[error(transparent)]
    Login(Box<dyn Error + Send + Sync>),
    /// The keys of this process.
    #[error(transparent)]
    Held(Box<dyn Error + Send + Sync>),
    /// Its trust roots.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Its metadata are those of one issuer, its tokens are to be those of another.
    #[error("the issuer of its tokens must be {discovered}, whose metadata are asked for")]
    OtherIssuer {
        /// Whose metadata are asked for.
        discovered: Arc<str>,
    },
    /// No randomness.
    #[error("the system has no randomness")]
    Random,
}

impl Authority {
    /// Reads key files and trust roots. Keys of providers are fetched later. Nothing can be revoked.
    pub fn new(issuers: Vec<Issuer>) -> Result<Arc<Self>, AuthorityError> {
        Self::build(issuers, None)
    }

    /// The same, and refuses by [`TokenRevoked`](vestibule_core::rejection::Rejection::TokenRevoked)
    /// what is genuine and revoked, remembered or not.
    pub fn with_revocations(
        issuers: Vec<Issuer>,
        revocations: Arc<Revocations>,
    ) -> Result<Arc<Self>, AuthorityError> {
        Self::build(issuers, Some(revocations))
    }

    fn build(
        issuers: Vec<Issuer>,
        revocations: Option<Arc<Revocations>>,
    ) -> Result<Arc<Self>, AuthorityError> {
        let memory = Memory::new(limits::REMEMBERED)
            .map_err(|_| AuthorityError { issuer: "".into(), fault: AuthorityFault::Random })?;
        let wake = Arc::new(Notify::new());
        let mut builder = Builder { wake: Arc::clone(&wake), system: None };
        let members = issuers
            .into_iter()
            .map(|issuer| {
                let name = Arc::clone(&issuer.name);
                builder.member(issuer).map_err(|fault| AuthorityError { issuer: name, fault })
            })
            .collect::<Result<_, _>>()?;
        Ok(Arc::new(Self { members, memory, wake, revocations }))
    }
}

struct Builder {
    wake: Arc<Notify>,
    /// The system's trust roots, read once and only if needed.
    system: Option<RootCertStore>,
}

impl Builder {
    fn member(&mut self, issuer: Issuer) -> Result<Trusted, AuthorityFault> {
        let Issuer { name, source, expectations } = issuer;
        let kind = source.kind();
        let (origin, pace, loaded) = match source {
            KeySource::JwksFile(path) => file(path, Form::Jwks)?,
            KeySource::SecretFile(path) => file(path, Form::Secret)?,
            KeySource::JwksUrl { url, fetch } => {
                let keys = Address::parse(&url, fetch.dangerous_http)
                    .map_err(|source| AuthorityFault::Address { address: url, source })?;
                let fetcher = self.fetcher(&fetch, keys.scheme())?;
                (Origin::Url { keys, fetcher }, pace(&fetch), None)
            }
            KeySource::Discovery { issuer, fetch } => {
                if expectations.issuer.as_ref() != Some(&issuer) {
                    return Err(AuthorityFault::OtherIssuer { discovered: issuer });
                }
                let metadata = Metadata::of(&issuer, fetch.dangerous_http).map_err(|source| {
                    AuthorityFault::Address { address: Box::from(&*issuer), source }
                })?;
                let fetcher = self.fetcher(&fetch, metadata.scheme())?;
                (Origin::metadata(metadata, fetcher), pace(&fetch), None)
            }
            KeySource::Introspection(policy) => {
                let asked = self.introspector(name, expectations, *policy)?;
                return Ok(Trusted::Asked(Arc::new(asked)));
            }
            KeySource::Held(keys) => {
                let loaded =
                    origin::held(&keys).map_err(|error| AuthorityFault::Held(Box::new(error)))?;
                (Origin::Held(keys), HELD, Some(loaded))
            }
        };
        let source = Source::new(name, kind, origin, pace, Arc::clone(&self.wake));
        if let Some(loaded) = loaded {
            source.preload(loaded);
        }
        Ok(Trusted::Keys(Member { expectations, source: Arc::new(source) }))
    }

    fn introspector(
        &mut self,
        name: Arc<str>,
        expectations: Expectations,
        policy: Introspection,
    ) -> Result<Introspector, AuthorityFault> {
        let address = Address::parse(&policy.url, policy.fetch.dangerous_http)
            .map_err(|source| AuthorityFault::Address { address: policy.url.clone(), source })?;
        let credentials = Credentials::read(policy.login.clone())
            .map_err(|error| AuthorityFault::Login(Box::new(error)))?;
        let roots = self.roots(&policy.fetch, address.scheme())?;
        let asker = Asker::new(address, credentials, policy.fetch.clone(), roots)?;
        let wake = Arc::clone(&self.wake);
        Introspector::new(name, expectations, policy, asker, wake)
            .map_err(|_| AuthorityFault::Random)
    }

    fn fetcher(&mut self, policy: &FetchPolicy, scheme: Scheme) -> Result<Fetcher, TrustError> {
        Fetcher::new(policy, self.roots(policy, scheme)?)
    }

    fn roots(&mut self, policy: &FetchPolicy, scheme: Scheme) -> Result<RootCertStore, TrustError> {
        if let Some(path) = &policy.ca {
            return fetch::roots_of(path);
        }
        let roots = self.system.get_or_insert_with(system).clone();
        match scheme {
            Scheme::Https if roots.is_empty() => Err(TrustError::NoRoots),
            // Metadata without TLS may still name keys with, whose certificate nobody then vouches
            // for: that fails when it happens.
            Scheme::Https | Scheme::Http => Ok(roots),
        }
    }
}

fn system() -> RootCertStore {
    let (roots, errors) = fetch::system_roots();
    for error in errors {
        warn!(cause = %error, "a trust root of the system was left out");
    }
    roots
}

fn file(path: PathBuf, form: Form) -> Result<(Origin, Pace, Option<Loaded>), AuthorityFault> {
    let loaded =
        origin::read(&path, form).map_err(|error| AuthorityFault::File(Box::new(error)))?;
    if loaded.keys.is_empty() {
        let first = loaded.keys.ignored().first();
        let why = first.map_or_else(|| "it is empty".to_owned(), |entry| entry.reason.clone());
        return Err(AuthorityFault::NoKey { path, why });
    }
    let pace = Pace {
        refresh: limits::FILE_REFRESH,
        max_stale: None,
        cool_down: limits::FILE_COOL_DOWN,
        retry: (limits::FILE_REFRESH, limits::FILE_REFRESH),
    };
    Ok((Origin::File { path, form }, pace, Some(loaded)))
}

/// How often the store is asked for keys that another node may have made. They count without end: a
/// store that cannot answer withdraws no key.
const HELD: Pace = Pace {
    refresh: limits::HELD_REFRESH,
    max_stale: None,
    cool_down: limits::FILE_COOL_DOWN,
    retry: (limits::RETRY_SHORTEST, limits::RETRY_LONGEST),
};

fn pace(policy: &FetchPolicy) -> Pace {
    Pace {
        refresh: policy.refresh,
        max_stale: Some(policy.max_stale),
        cool_down: policy.cool_down,
        retry: (limits::RETRY_SHORTEST, limits::RETRY_LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_without_trust_roots_is_told_at_the_start() {
        let system = Some(RootCertStore::empty());
        let mut builder = Builder { wake: Arc::default(), system };
        let policy = FetchPolicy::default();
        let refused = builder.fetcher(&policy, Scheme::Https);
        assert!(matches!(refused, Err(TrustError::NoRoots)), "{refused:?}");
        assert!(builder.fetcher(&policy, Scheme::Http).is_ok());
    }
}
