//! Secrets of the installation: made once, kept in the store, the same on all nodes and after a restart.

use serde::{Deserialize, Serialize};
use vestibule_core::time::UnixTime;
use zeroize::Zeroizing;

use crate::{
    limits, opaque,
    records::{self, Bytes32},
    store::{Action, Change, Committed, Expect, Store, StoreError, Table},
};

#[derive(Serialize, Deserialize)]
struct Record {
    secret: Bytes32,
}

/// The secret of that purpose; makes one where there is none.
pub(crate) async fn of_installation(
    store: &dyn Store,
    purpose: &str,
    now: UnixTime,
) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    for _ in 0..limits::CONFLICTS {
        if let Some(entry) = store.read(Table::Secrets, purpose, now).await? {
            let Record { secret } = records::decode("a secret", &entry.value)?;
            let secret = secret.expose().try_into().map(Zeroizing::new);
            return secret.map_err(|_| StoreError("a secret cannot be read".into()));
        }
        let secret = Bytes32::new(*opaque::random::<32>()?);
        let change = Change {
            table: Table::Secrets,
            key: purpose.into(),
            expect: Expect::Absent,
            action: Action::Put(records::encode(&Record { secret })?, None),
        };
        // It is read again, whoever has made it.
        match store.commit(vec![change], now).await? {
            Committed::Done | Committed::Conflict => {}
        }
    }
    Err(StoreError("a secret is changed all the time".into()))
}
