//! How many connections may wait for their authentication: of one address, and in all. Waiting is
//! the one thing that strangers may do, so it is counted.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

use crate::rejection::Rejection;

/// Counts those who wait. A caller that forgets [`Quota::leave`] locks strangers out, never in.
#[derive(Debug)]
pub struct Quota {
    per_address: u32,
    in_all: u32,
    waiting: u32,
    addresses: HashMap<IpAddr, u32>,
}

impl Quota {
    /// With these bounds.
    pub fn new(per_address: u32, in_all: u32) -> Self {
        Self { per_address, in_all, waiting: 0, addresses: HashMap::new() }
    }

    /// Somebody wants to wait.
    pub fn enter(&mut self, address: IpAddr) -> Result<(), Rejection> {
        self.enter_unnamed()?;
        let count = self.addresses.entry(site(address)).or_insert(0);
        *count += 1;
        if *count > self.per_address {
            self.leave(address);
            return Err(Rejection::TooManyConnections);
        }
        Ok(())
    }

    /// Somebody waits no longer.
    pub fn leave(&mut self, address: IpAddr) {
        let site = site(address);
        if let Some(count) = self.addresses.get_mut(&site) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.addresses.remove(&site);
            }
            self.leave_unnamed();
        }
    }

    /// A proxy that is trusted has not said yet who wants to wait: counted among all.
    pub fn enter_unnamed(&mut self) -> Result<(), Rejection> {
        if self.waiting >= self.in_all {
            return Err(Rejection::TooManyConnections);
        }
        self.waiting += 1;
        Ok(())
    }

    /// It has said it, or will not.
    pub fn leave_unnamed(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// How many wait.
    pub fn waiting(&self) -> u32 {
        self.waiting
    }
}

/// What is counted as one: an IPv4 address, or the /64 that a single IPv6 host gets to itself
/// (RFC 6177, RFC 7421).
fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_cannot_take_all_places() {
        let mut quota = Quota::new(2, 3);
        assert_eq!(quota.enter(address("10.0.0.1")), Ok(()));
        assert_eq!(quota.enter(address("::ffff:10.0.0.1")), Ok(()));
        assert_eq!(quota.enter(address("10.0.0.1")), Err(Rejection::TooManyConnections));
        assert_eq!(quota.enter(address("10.0.0.2")), Ok(()));
        assert_eq!(quota.enter(address("10.0.0.3")), Err(Rejection::TooManyConnections));
        quota.leave(address("10.0.0.1"));
        assert_eq!(quota.enter(address("10.0.0.3")), Ok(()));
    }

    #[test]
    fn those_without_a_name_count_among_all() {
        let mut quota = Quota::new(1, 2);
        assert_eq!(quota.enter_unnamed(), Ok(()));
        assert_eq!(quota.enter_unnamed(), Ok(()));
        assert_eq!(quota.enter_unnamed(), Err(Rejection::TooManyConnections));
        assert_eq!(quota.enter(address("10.0.0.1")), Err(Rejection::TooManyConnections));
        quota.leave_unnamed();
        assert_eq!(quota.enter(address("10.0.0.1")), Ok(()));
        quota.leave_unnamed();
        assert_eq!(quota.enter(address("10.0.0.1")), Err(Rejection::TooManyConnections));
        assert_eq!((quota.waiting(), quota.addresses.len()), (1, 1));
    }

    #[test]
    fn the_addresses_of_one_ipv6_host_are_one() {
        let mut quota = Quota::new(1, 9);
        assert_eq!(quota.enter(address("2001:db8::1")), Ok(()));
        assert_eq!(quota.enter(address("2001:db8::2")), Err(Rejection::TooManyConnections));
        assert_eq!(quota.enter(address("2001:db8:0:1::2")), Ok(()));
    }

    #[test]
    fn leaving_frees_what_was_kept_about_an_address() {
        let mut quota = Quota::new(1, 9);
        for last in 0..=255 {
            let address = IpAddr::from([10, 0, 0, last]);
            quota.enter(address).unwrap();
            quota.leave(address);
            quota.leave(address);
        }
        assert_eq!((quota.waiting(), quota.addresses.len()), (0, 0));
    }
}
