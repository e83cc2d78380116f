//! How often somebody may try to log in: per account and per address, before any password is hashed.
//!
//! Guessing one password of many users is held back by the address, guessing many passwords of one
//! user by the account. The price of the second: whoever knows a name can keep its owner waiting, by
//! half a minute at a time with the defaults. Sessions that are there go on meanwhile.
//!
//! A success gives nothing back: else whoever has one account could guess at others from the same
//! address, by logging in to his own in between.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use vestibule_core::time::UnixTime;

use crate::{
    limits, opaque,
    store::{Rate, Space, Spent, Store, StoreError},
};

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptPolicy {
    /// To one account. Default: [`limits::ACCOUNT_ATTEMPTS`].
    pub account: Rate,
    /// From one address, or one IPv6 /64. Default: [`limits::ADDRESS_ATTEMPTS`].
    pub address: Rate,
}

/// Counts attempts.
#[derive(Clone, Debug)]
pub struct Attempts {
    store: Arc<dyn Store>,
    policy: AttemptPolicy,
}

impl Default for AttemptPolicy {
    fn default() -> Self {
        Self { account: limits::ACCOUNT_ATTEMPTS, address: limits::ADDRESS_ATTEMPTS }
    }
}

impl Attempts {
    /// Counted in that store.
    pub fn new(store: Arc<dyn Store>, policy: AttemptPolicy) -> Self {
        Self { store, policy }
    }

    /// Whether somebody at that address may try to be that user, who need not exist. Counts as an
    /// attempt of the address, and where the address may, of the account: an address that is out of
    /// attempts does not use up those of others.
    pub async fn spend(
        &self,
        account: &str,
        client: IpAddr,
        now: UnixTime,
    ) -> Result<Spent, StoreError> {
        let address = opaque::digest(&[b"address", &site(client)]);
        match self.store.spend(Space::Address, address, self.policy.address, now).await? {
            Spent::Granted => {}
            Spent::Wait(span) => return Ok(Spent::Wait(span)),
        }
        let account = opaque::digest(&[b"account", account.as_bytes()]);
        self.store.spend(Space::Account, account, self.policy.account, now).await
    }
}

/// What counts as one address: an IPv4 address however it is written, or the /64 that a single IPv6
/// host gets to itself (RFC 6177, RFC 7421).
fn site(address: IpAddr) -> [u8; 16] {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).octets()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tests::ledger::Ledger;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    async fn tries(attempts: &Attempts, account: &str, client: &str, now: UnixTime) -> Spent {
        attempts.spend(account, client.parse().unwrap(), now).await.unwrap()
    }

    async fn granted(attempts: &Attempts, account: &str, client: &str) -> bool {
        tries(attempts, account, client, NOW).await == Spent::Granted
    }

    fn attempts() -> Attempts {
        Attempts::new(Ledger::new(), AttemptPolicy::default())
    }

    #[tokio::test]
    async fn one_account_is_tried_five_times_and_then_once_in_half_a_minute() {
        let attempts = attempts();
        for host in 1..=5 {
            assert!(granted(&attempts, "alice", &format!("192.0.2.{host}")).await);
        }
        let wait = Spent::Wait(Duration::from_secs(30));
        assert_eq!(tries(&attempts, "alice", "192.0.2.6", NOW).await, wait);
        let later = NOW.after(Duration::from_secs(30));
        assert_eq!(tries(&attempts, "alice", "192.0.2.7", later).await, Spent::Granted);
        assert_ne!(tries(&attempts, "alice", "192.0.2.8", later).await, Spent::Granted);
        assert!(granted(&attempts, "bob", "192.0.2.9").await);
    }

    #[tokio::test]
    async fn one_address_tries_twenty_times_whatever_the_account() {
        let attempts = attempts();
        for user in 0..20 {
            assert!(granted(&attempts, &format!("user{user}"), "192.0.2.1").await);
        }
        let wait = Spent::Wait(Duration::from_secs(3));
        assert_eq!(tries(&attempts, "alice", "192.0.2.1", NOW).await, wait);
        // However it is written.
        assert_eq!(tries(&attempts, "alice", "::ffff:192.0.2.1", NOW).await, wait);
        // And the account was not charged for it.
        for host in 2..=6 {
            assert!(granted(&attempts, "alice", &format!("192.0.2.{host}")).await);
        }
    }

    #[tokio::test]
    async fn a_network_that_one_host_has_to_itself_is_one_address() {
        let attempts = attempts();
        for host in 0..20 {
            let client = format!("2001:db8:1:2:{host}::{host}");
            assert!(granted(&attempts, &format!("user{host}"), &client).await);
        }
        assert!(!granted(&attempts, "alice", "2001:db8:1:2:ffff::1").await);
        assert!(granted(&attempts, "alice", "2001:db8:1:3::1").await);
    }

    #[tokio::test]
    async fn a_store_that_cannot_count_grants_nothing() {
        let ledger = Ledger::new();
        let attempts = Attempts::new(Arc::<Ledger>::clone(&ledger), AttemptPolicy::default());
        ledger.fail();
        assert!(attempts.spend("alice", [192, 0, 2, 1].into(), NOW).await.is_err());
    }
}
