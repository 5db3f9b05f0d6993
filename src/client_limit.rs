//! Limits on what clients hold at once: each client, and all of them together.
//!
//! How *often* a client may act is limited by `rate_limit`.

mod without_permit;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::client_key::ClientKey;
use crate::metrics::{LimitUsage, Metrics};

pub use crate::client_limit::without_permit::without_permit;

/// A client may hold this many times as much as stays free.
const SHARE_FACTOR: usize = 3;

/// Counts what clients hold, up to a limit for each client and one in total. The unit is up to the caller: connections, bytes,
/// jobs.
#[derive(Debug)]
pub struct ClientLimit {
    per_client: usize,
    total: usize,
    /// Whether a client must leave a share to others.
    is_shared: bool,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    /// Only clients that hold something.
    by_client: HashMap<ClientKey, usize>,
    refused_per_client: u64,
    refused_in_total: u64,
}

/// The limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    PerClient,
    Total,
}

/// An amount that one client holds. Released when dropped.
#[derive(Debug)]
#[must_use = "the permit is released when it is dropped"]
pub struct ClientPermit {
    limit: Arc<ClientLimit>,
    client: Option<ClientKey>,
    amount: usize,
}

impl ClientLimit {
    pub fn new(per_client: usize, total: usize) -> Arc<Self> {
        Arc::new(Self { per_client, total, is_shared: false, held: Mutex::default() })
    }

    /// A limit that leaves a fair share to others: a client may hold up to three times as much as stays free. So a single client
    /// gets three quarters of the total, several greedy clients get equal shares, and a client that holds nothing can
    /// still get something.
    pub fn shared(per_client: usize, total: usize) -> Arc<Self> {
        Arc::new(Self { per_client, total, is_shared: true, held: Mutex::default() })
    }

    /// Counts `amount` for `client`, unless that would exceed a limit. Without a client, it counts only in total.
    pub fn acquire(self: &Arc<Self>, client: Option<ClientKey>, amount: usize) -> Result<ClientPermit, Exceeded> {
        let mut held = self.held.lock();
        match self.add(&mut held, client, amount) {
            Ok(()) => Ok(ClientPermit { limit: Arc::clone(self), client, amount }),
            Err(exceeded) => {
                match exceeded {
                    Exceeded::PerClient => held.refused_per_client += 1,
                    Exceeded::Total => held.refused_in_total += 1,
                }
                Err(exceeded)
            }
        }
    }

    fn add(&self, held: &mut Held, client: Option<ClientKey>, amount: usize) -> Result<(), Exceeded> {
        let total = sum_within(held.total, amount, self.total).ok_or(Exceeded::Total)?;
        if let Some(client) = client {
            let by_client = held.by_client.get(&client).copied().unwrap_or_default();
            let by_client = sum_within(by_client, amount, self.per_client).ok_or(Exceeded::PerClient)?;
            let share = (self.total - total).saturating_mul(SHARE_FACTOR).max(1);
            if self.is_shared && by_client > share {
                return Err(Exceeded::PerClient);
            }
            held.by_client.insert(client, by_client);
        }
        held.total = total;
        Ok(())
    }

    fn release(&self, client: Option<ClientKey>, amount: usize) {
        let mut held = self.held.lock();
        held.total -= amount;
        let Some(client) = client else { return };
        if let Entry::Occupied(mut by_client) = held.by_client.entry(client) {
            *by_client.get_mut() -= amount;
            if *by_client.get() == 0 {
                by_client.remove();
            }
        }
    }

    /// Registers the metrics of this limit.
    pub fn register(self: &Arc<Self>, name: &'static str, metrics: &Metrics) {
        let limit = Arc::clone(self);
        metrics.register_limit(name, move || limit.usage());
    }

    fn usage(&self) -> LimitUsage {
        let Held { total, refused_per_client, refused_in_total, .. } = *self.held.lock();
        LimitUsage { held: total, max: self.total, refused_per_client, refused_in_total }
    }

    /// The amount that all clients hold together.
    pub fn total_held(&self) -> usize {
        self.held.lock().total
    }
}

impl ClientPermit {
    /// The amount held.
    pub fn amount(&self) -> usize {
        self.amount
    }

    /// Changes the amount held. If that would exceed a limit, it stays as it was.
    pub fn resize(&mut self, amount: usize) -> Result<(), Exceeded> {
        match amount.checked_sub(self.amount) {
            Some(0) => {}
            Some(more) => {
                let mut added = self.limit.acquire(self.client, more)?;
                // This permit takes over the amount, so that it is released once.
                added.amount = 0;
                self.amount = amount;
            }
            None => {
                self.limit.release(self.client, self.amount - amount);
                self.amount = amount;
            }
        }
        Ok(())
    }
}

impl Drop for ClientPermit {
    fn drop(&mut self) {
        self.limit.release(self.client, self.amount);
    }
}

/// The sum, if it is within `limit`.
fn sum_within(held: usize, amount: usize, limit: usize) -> Option<usize> {
    held.checked_add(amount).filter(|sum| *sum <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last_octet: u8) -> Option<ClientKey> {
        Some(ClientKey::from_address([192, 0, 2, last_octet].into(), 64))
    }

    #[test]
    fn amounts_are_limited_per_client_and_in_total_and_released() {
        let limit = ClientLimit::new(10, 15);
        let seven = limit.acquire(client(1), 7).expect("a permit");
        assert_eq!(limit.acquire(client(1), 4).err(), Some(Exceeded::PerClient));
        assert_eq!(limit.acquire(client(1), usize::MAX).err(), Some(Exceeded::Total));
        let three = limit.acquire(client(1), 3).expect("a refusal counts nothing");
        // Without a client, only the total counts.
        let others = [limit.acquire(None, 1), limit.acquire(client(2), 4)].map(|permit| permit.expect("a permit"));
        assert_eq!(limit.acquire(client(3), 1).err(), Some(Exceeded::Total));
        let usage = LimitUsage { held: 15, max: 15, refused_per_client: 1, refused_in_total: 2 };
        assert_eq!(limit.usage(), usage);
        drop((seven, others));
        assert_eq!((limit.total_held(), limit.held.lock().by_client.len()), (3, 1));
        drop(three);
        assert_eq!((limit.total_held(), limit.held.lock().by_client.len()), (0, 0));
    }

    #[test]
    fn a_permit_grows_within_the_limits_and_shrinks() {
        let limit = ClientLimit::new(10, 15);
        let mut permit = limit.acquire(client(1), 4).expect("a permit");
        assert_eq!(permit.resize(10), Ok(()));
        assert_eq!((permit.resize(11), permit.amount()), (Err(Exceeded::PerClient), 10));
        let mut other = limit.acquire(client(2), 5).expect("a permit");
        assert_eq!((other.resize(6), limit.total_held()), (Err(Exceeded::Total), 15));
        assert_eq!((permit.resize(2), limit.total_held()), (Ok(()), 7));
        assert_eq!((other.resize(6), limit.total_held()), (Ok(()), 8));
        drop((permit, other));
        assert_eq!((limit.total_held(), limit.held.lock().by_client.len()), (0, 0));
    }

    #[test]
    fn a_single_client_may_hold_most_and_leaves_a_share_to_others() {
        let limit = ClientLimit::shared(usize::MAX, 100);
        let take_all = |octet| std::iter::from_fn(|| limit.acquire(client(octet), 1).ok()).collect::<Vec<_>>();
        let greedy = take_all(1);
        assert_eq!(greedy.len(), 75);
        assert_eq!(take_all(2).len(), 18);
        let both = (take_all(2), take_all(3));
        assert_eq!((both.0.len(), both.1.len()), (18, 5));
        // A client that holds nothing gets one as long as any is left.
        let last: Vec<_> = (4..=255).map_while(|octet| limit.acquire(client(octet), 1).ok()).collect();
        assert_eq!(last.len(), 2);
        drop(greedy);
        assert!(take_all(3).len() > 10, "shares grow when others leave");
        let limit = ClientLimit::shared(usize::MAX, 1);
        assert!(limit.acquire(client(1), 1).is_ok(), "a single client gets all of a limit of one");
    }
}
