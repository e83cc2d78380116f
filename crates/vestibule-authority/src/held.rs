//! Keys of an issuer that is this process: not fetched from anywhere, and looked up in the store, where
//! another node may have put a newer one.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use crate::store::StoreError;

/// The published half of keys that this process signs with; see
/// [`AccessTokens::issuer`](crate::tokens::AccessTokens::issuer).
#[derive(Clone)]
pub struct HeldKeys(Arc<dyn Keyring>);

/// A key set, read anew.
pub(crate) type Reading<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<u8>, StoreError>> + Send + 'a>>;

/// Whoever holds keys.
pub(crate) trait Keyring: fmt::Debug + Send + Sync + 'static {
    /// The key set (RFC 7517) as it is known.
    fn known(&self) -> Vec<u8>;

    /// The key set as it is kept. May be dropped at any point.
    fn read(&self) -> Reading<'_>;
}

impl HeldKeys {
    pub(crate) fn new(keys: Arc<dyn Keyring>) -> Self {
        Self(keys)
    }

    pub(crate) fn known(&self) -> Vec<u8> {
        self.0.known()
    }

    pub(crate) async fn read(&self) -> Result<Vec<u8>, StoreError> {
        self.0.read().await
    }
}

impl PartialEq for HeldKeys {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for HeldKeys {}

impl fmt::Debug for HeldKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not what is behind it: that refers back to whoever prints this.
        f.write_str("HeldKeys")
    }
}
