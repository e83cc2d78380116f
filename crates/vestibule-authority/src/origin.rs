//! Gets a key set from where it is: a file, an address, or an address that metadata name.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest;
use serde::Deserialize;
use tokio::time::Instant;
use vestibule_verify::jwk::{KeyFault, KeySet, Symmetric};
use zeroize::Zeroizing;

use crate::{
    address::Address,
    discovery::{Discovered, DiscoveryError, Metadata},
    fetch::{FetchError, Fetcher},
    held::HeldKeys,
    limits,
    schedule::after,
    store::StoreError,
};

/// A place where keys are.
#[derive(Debug)]
pub(crate) enum Origin {
    File { path: PathBuf, form: Form },
    Url { keys: Address, fetcher: Fetcher },
    Metadata { metadata: Box<Metadata>, found: Mutex<Option<Found>>, fetcher: Fetcher },
    Held(HeldKeys),
}

/// What a key file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Jwks,
    Secret,
}

/// Where metadata said that the keys are.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    keys: Address,
    until: Instant,
}

/// A key set, fresh from its place.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) keys: KeySet,
    /// The names of its keys; public.
    pub(crate) kids: Vec<Box<str>>,
    /// Of the document: whether anything changed.
    pub(crate) digest: Digest,
    pub(crate) max_age: Option<Duration>,
}

/// A SHA-256 digest. Compared with digests of the same place only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest([u8; 32]);

/// Why there is no key set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("cannot read {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} is longer than {} bytes", path.display(), limits::DOCUMENT_BYTES)]
    TooLarge { path: PathBuf },
    #[error("{place} holds no key set that can be used")]
    Keys { place: String, source: KeyFault },
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    #[error("the keys cannot be looked up")]
    Held(#[source] StoreError),
    #[error("broken off")]
    Interrupted,
}

impl Origin {
    /// Keys at the address that an issuer's metadata name.
    pub(crate) fn metadata(metadata: Metadata, fetcher: Fetcher) -> Self {
        Self::Metadata { metadata: Box::new(metadata), found: Mutex::new(None), fetcher }
    }

    /// Gets the keys. May be dropped at any point.
    pub(crate) async fn load(&self) -> Result<Loaded, LoadError> {
        match self {
            Self::File { path, form } => {
                let (path, form) = (path.clone(), *form);
                tokio::task::spawn_blocking(move || read(&path, form))
                    .await
                    .unwrap_or(Err(LoadError::Interrupted))
            }
            Self::Url { keys, fetcher } => fetch(keys, fetcher).await,
            Self::Metadata { metadata, found, fetcher } => {
                let place = locate(metadata, found, fetcher).await?;
                let result = fetch(&place, fetcher).await;
                if result.is_err() {
                    // The keys may have moved: ask again next time.
                    expire(found);
                }
                result
            }
            Self::Held(keys) => held_jwks(&keys.read().await.map_err(LoadError::Held)?),
        }
    }
}

/// Keys as their holder knows them.
pub(crate) fn held(keys: &HeldKeys) -> Result<Loaded, LoadError> {
    held_jwks(&keys.known())
}

fn held_jwks(bytes: &[u8]) -> Result<Loaded, LoadError> {
    jwks(bytes, Symmetric::Refused, || "the store".to_owned())
}

/// Reads a key file.
pub(crate) fn read(path: &Path, form: Form) -> Result<Loaded, LoadError> {
    let fault = |source| LoadError::File { path: path.to_owned(), source };
    let most = u64::try_from(limits::DOCUMENT_BYTES).unwrap_or(u64::MAX);
    let file = File::open(path).map_err(fault)?;
    // Room for all of it at once: a buffer that grows leaves copies of a secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limits::DOCUMENT_BYTES + 1));
    file.take(most + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() > limits::DOCUMENT_BYTES {
        return Err(LoadError::TooLarge { path: path.to_owned() });
    }
    let place = || path.display().to_string();
    match form {
        Form::Jwks => jwks(&bytes, Symmetric::Allowed, place),
        Form::Secret => {
            let secret = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            let keys = KeySet::from_secret(secret)
                .map_err(|source| LoadError::Keys { place: place(), source })?;
            Ok(Loaded { keys, kids: Vec::new(), digest: Digest::of(secret), max_age: None })
        }
    }
}

async fn fetch(address: &Address, fetcher: &Fetcher) -> Result<Loaded, LoadError> {
    let document = fetcher.get(address).await?;
    let loaded = jwks(&document.bytes, Symmetric::Refused, || address.to_string())?;
    Ok(Loaded { max_age: document.max_age, ..loaded })
}

/// Where the keys are: as found before, as long as that holds, or while nobody can be asked.
async fn locate(
    metadata: &Metadata,
    found: &Mutex<Option<Found>>,
    fetcher: &Fetcher,
) -> Result<Address, LoadError> {
    let known = found.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match known {
        Some(Found { keys, until }) if Instant::now() < until => Ok(keys),
        known => match (metadata.discover(fetcher).await, known) {
            (Ok(Discovered { keys, max_age }), _) => {
                let fresh = max_age.map_or(limits::METADATA_REFRESH, |age| {
                    age.clamp(limits::REFRESH_SHORTEST, limits::REFRESH_LONGEST)
                });
                let place = Found { keys: keys.clone(), until: after(Instant::now(), fresh) };
                *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
                Ok(keys)
            }
            (Err(error), Some(Found { keys, until: _ })) if error.is_outage() => {
                tracing::debug!(cause = %crate::words::of(&error), "metadata not renewed");
                Ok(keys)
            }
            (Err(error), _) => Err(error.into()),
        },
    }
}

fn expire(found: &Mutex<Option<Found>>) {
    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = found.as_mut() {
        found.until = Instant::now();
    }
}

fn jwks(
    bytes: &[u8],
    symmetric: Symmetric,
    place: impl Fn() -> String,
) -> Result<Loaded, LoadError> {
    let keys = KeySet::from_jwks(bytes, symmetric)
        .map_err(|source| LoadError::Keys { place: place(), source })?;
    let mut kids = kids(bytes);
    kids.retain(|kid| keys.has_kid(kid));
    kids.sort_unstable();
    kids.dedup();
    Ok(Loaded { keys, kids, digest: Digest::of(bytes), max_age: None })
}

/// The names in a key set, for the log.
fn kids(bytes: &[u8]) -> Vec<Box<str>> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let keys = serde_json::from_slice(bytes).map_or_else(|_| Vec::new(), |Set { keys }| keys);
    let names = keys.iter().filter_map(|key| key.get("kid")?.as_str());
    names.map(Box::from).collect()
}

impl Digest {
    fn of(bytes: &[u8]) -> Self {
        let mut array = [0; 32];
        let digest = digest::digest(&digest::SHA256, bytes);
        for (to, from) in array.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(array)
    }
}
