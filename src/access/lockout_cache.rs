//! Lockouts that the store has reported, so that repeated requests of a locked-out client cost no call of the store.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

/// Maximum number of lockouts, at about 100 bytes each. The least used ones are evicted first, and looked up in the store again.
const CAPACITY: usize = 100_000;

/// Maximum age of an entry. Older ones are looked up in the store again, because another server may have undone the failure
/// that began the lockout.
const MAX_AGE: Duration = Duration::from_secs(1);

/// Lockouts by key. No entry lasts longer than the lockout that the store reported.
pub(super) struct LockoutCache {
    entries: Cache<u64, Entry>,
    /// Keys are random hashes, so that nobody can predict which collide.
    hasher: RandomState,
}

#[derive(Clone, Copy)]
struct Entry {
    lockout_ends: Instant,
    expires: Instant,
}

impl LockoutCache {
    pub(super) fn new() -> Self {
        Self { entries: Cache::new(CAPACITY), hasher: RandomState::new() }
    }

    /// How long `key` is still locked out, as far as this process knows.
    pub(super) fn remaining(&self, key: impl Hash) -> Option<Duration> {
        let hash = self.hasher.hash_one(key);
        let (entry, now) = (self.entries.get(&hash)?, Instant::now());
        if now < entry.lockout_ends.min(entry.expires) {
            return Some(entry.lockout_ends - now);
        }
        self.entries.remove(&hash);
        None
    }

    /// Remembers that `key` is locked out for `remaining`, counted from `asked_at`, when the store was asked.
    pub(super) fn remember(&self, key: impl Hash, asked_at: Instant, remaining: Duration) {
        if let Some(lockout_ends) = asked_at.checked_add(remaining) {
            let entry = Entry { lockout_ends, expires: asked_at + MAX_AGE };
            self.entries.insert(self.hasher.hash_one(key), entry);
        }
    }

    /// Forgets a lockout that may have been undone.
    pub(super) fn forget(&self, key: impl Hash) {
        self.entries.remove(&self.hasher.hash_one(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_lasts_no_longer_than_its_lockout_and_no_longer_than_its_maximum_age() {
        let lockouts = LockoutCache::new();
        let now = Instant::now();
        // As if the store were asked in a minute, so that these last however slow the test is.
        let later = now + Duration::from_secs(60);
        lockouts.remember("short", later, Duration::from_millis(20));
        lockouts.remember("long", later, Duration::from_secs(60));
        lockouts.remember("over", now - Duration::from_millis(20), Duration::from_millis(20));
        lockouts.remember("old", now - MAX_AGE, Duration::from_secs(60));
        assert!(lockouts.remaining("short").is_some_and(|remaining| remaining <= Duration::from_millis(60_020)));
        assert!(lockouts.remaining("long").is_some_and(|remaining| remaining <= Duration::from_secs(120)));
        assert_eq!(lockouts.remaining("over"), None);
        assert_eq!(lockouts.remaining("old"), None, "the store has to be asked again");
        assert_eq!(lockouts.remaining("other"), None);
        lockouts.forget("long");
        assert_eq!(lockouts.remaining("long"), None);
    }

    #[test]
    fn memory_is_bounded() {
        let lockouts = LockoutCache::new();
        for key in 0..CAPACITY * 3 {
            lockouts.remember(key, Instant::now(), Duration::from_secs(60));
        }
        assert!(lockouts.entries.len() <= CAPACITY);
    }
}
