//! How many sockets each address has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts sockets by address, up to a limit for each.
#[derive(Debug)]
pub(in crate::graphql::transport) struct Addresses {
    limit: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// One counted socket. Gives its place back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    pub(in crate::graphql::transport) fn new(limit: usize) -> Self {
        Self { limit, counts: Mutex::default() }
    }

    /// Counts a socket of `address`; `None` when it has as many as it may.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut counts = self.lock();
        let count = counts.entry(address).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Place { addresses: Arc::clone(self), address })
    }

    /// A panic under the lock leaves counts that are still right.
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.addresses.lock();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_sockets_and_gets_a_place_back() {
        let addresses = Arc::new(Addresses::new(2));
        let (one, two) = (IpAddr::from([1, 1, 1, 1]), IpAddr::from([2, 2, 2, 2]));
        let first = addresses.take(one).expect("a place");
        let _second = addresses.take(one).expect("a place");
        assert!(addresses.take(one).is_none());
        assert!(addresses.take(two).is_some());
        drop(first);
        assert!(addresses.take(one).is_some());
        assert_eq!(addresses.lock().len(), 1);
    }
}
