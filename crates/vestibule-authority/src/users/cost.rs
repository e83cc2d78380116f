//! What a hash costs, measured once for an installation: a login that takes longer for older users
//! would tell who is one.

use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use vestibule_core::time::UnixTime;
use vestibule_verify::password::Cost;

use super::PasswordHasher;
use crate::{
    limits, records,
    store::{Action, Change, Committed, Expect, Store, StoreError, Table},
};

const KEY: &str = "password-cost";

#[derive(Serialize, Deserialize)]
struct Record {
    memory_kib: u32,
    passes: u32,
}

/// The cost that the store knows; measures it where it knows none.
pub async fn kept_cost(store: &dyn Store, now: UnixTime) -> Result<Cost, StoreError> {
    for _ in 0..limits::CONFLICTS {
        if let Some(entry) = store.read(Table::Secrets, KEY, now).await? {
            let Record { memory_kib, passes } =
                records::decode("the cost of passwords", &entry.value)?;
            return Ok(Cost::new(memory_kib, passes).unwrap_or(Cost::LEAST));
        }
        let measured = spawn_blocking(|| PasswordHasher::calibrate(limits::PASSWORD_TARGET)).await;
        let cost = match measured {
            Ok(Ok(cost)) => cost,
            Ok(Err(_)) | Err(_) => Cost::LEAST,
        };
        let record = Record { memory_kib: cost.memory_kib(), passes: cost.passes() };
        let change = Change {
            table: Table::Secrets,
            key: KEY.into(),
            expect: Expect::Absent,
            action: Action::Put(records::encode(&record)?, None),
        };
        match store.commit(vec![change], now).await? {
            Committed::Done => return Ok(cost),
            // Another node has measured meanwhile.
            Committed::Conflict => {}
        }
    }
    Err(StoreError("the cost of passwords is changed all the time".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Embedded;

    #[tokio::test]
    async fn the_cost_is_measured_once() {
        let store = Embedded::in_memory().unwrap();
        let now = UnixTime::from_secs(1);
        let first = kept_cost(&*store, now).await.unwrap();
        let again = kept_cost(&*store, now).await.unwrap();
        assert_eq!((first.memory_kib(), first.passes()), (again.memory_kib(), again.passes()));
        assert!(first.memory_kib() >= Cost::LEAST.memory_kib());
    }
}
