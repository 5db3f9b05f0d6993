//! Remembers clients that have opened a room, and counts their wrong codes since then. The store remembers them for longer.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quick_cache::sync::Cache;

use crate::access::denied::{Denied, LockedOut, LockoutReason};
use crate::domain::client_key::ClientKey;
use crate::domain::room::RoomId;
use crate::store::LockoutPolicy;

/// Maximum number of pairs of client and room. The least used ones are evicted first, and looked up in the store again.
const CAPACITY: usize = 200_000;

pub(super) struct KnownClients {
    entries: Cache<u64, Arc<KnownClient>>,
    /// Keys are random hashes, so that nobody can predict which collide.
    hasher: RandomState,
}

impl KnownClients {
    pub(super) fn new() -> Self {
        Self { entries: Cache::new(CAPACITY), hasher: RandomState::new() }
    }

    pub(super) fn get(&self, client: ClientKey, room: RoomId) -> Option<Arc<KnownClient>> {
        self.entries.get(&self.hasher.hash_one((client, room)))
    }

    /// Remembers a client without any failures.
    pub(super) fn insert(&self, client: ClientKey, room: RoomId) -> Arc<KnownClient> {
        let known = Arc::<KnownClient>::default();
        self.entries.insert(self.hasher.hash_one((client, room)), Arc::clone(&known));
        known
    }
}

/// A client that has opened a room before. Its wrong codes are counted here only.
#[derive(Default)]
pub(super) struct KnownClient(Mutex<Failures>);

#[derive(Default)]
struct Failures {
    count: u32,
    locked_until: Option<Instant>,
}

impl KnownClient {
    pub(super) fn remaining_lockout(&self) -> Option<Duration> {
        self.0.lock().remaining_lockout()
    }

    /// Checks a code with `is_right`, unless the client is locked out. The lock is held throughout, so concurrent attempts get
    /// no more checks than sequential ones.
    pub(super) fn check(&self, is_right: impl FnOnce() -> bool, policy: LockoutPolicy) -> Result<(), Denied> {
        let mut failures = self.0.lock();
        if let Some(retry_after) = failures.remaining_lockout() {
            return Err(Denied::LockedOut(LockedOut { reason: LockoutReason::WrongCodes, retry_after }));
        }
        if is_right() {
            return Ok(());
        }
        failures.count = failures.count.saturating_add(1);
        failures.locked_until = policy.lockout_after(failures.count).map(|lockout| Instant::now() + lockout);
        Err(Denied::WrongCode)
    }
}

impl Failures {
    fn remaining_lockout(&self) -> Option<Duration> {
        self.locked_until?.checked_duration_since(Instant::now()).filter(|remaining| !remaining.is_zero())
    }
}
