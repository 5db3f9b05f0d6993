//! Lock-outs that the store has told of, so that whoever repeats a refused request is answered without asking the store.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

/// Lock-outs remembered, at some 100 bytes each. The least used ones go first; then the store is asked.
const REMEMBERED: usize = 100_000;

/// How long a lock-out is believed before the store is asked again: another server may have taken back the miss that began
/// it.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// Lock-outs by key. No answer from here lasts longer than the one that the store gave.
pub(super) struct Lockouts {
    entries: Cache<u64, Lockout>,
    /// Keys are kept as hashes that nobody outside can foresee.
    hasher: RandomState,
}

#[derive(Clone, Copy)]
struct Lockout {
    ends: Instant,
    believed_until: Instant,
}

impl Lockouts {
    pub(super) fn new() -> Self {
        Self { entries: Cache::new(REMEMBERED), hasher: RandomState::new() }
    }

    /// How long `key` is still locked out, as far as that is known.
    pub(super) fn left(&self, key: impl Hash) -> Option<Duration> {
        let hash = self.hasher.hash_one(key);
        let (found, now) = (self.entries.get(&hash)?, Instant::now());
        if now < found.ends.min(found.believed_until) {
            return Some(found.ends - now);
        }
        self.entries.remove(&hash);
        None
    }

    /// Remembers that the store, when it was asked at the moment `asked`, said that `key` is locked out for so long.
    pub(super) fn remember(&self, key: impl Hash, asked: Instant, left: Duration) {
        if let Some(ends) = asked.checked_add(left) {
            let lockout = Lockout { ends, believed_until: asked + BELIEVED_FOR };
            self.entries.insert(self.hasher.hash_one(key), lockout);
        }
    }

    /// Forgets a lock-out that may have been taken back.
    pub(super) fn forget(&self, key: impl Hash) {
        self.entries.remove(&self.hasher.hash_one(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lockout_is_answered_for_no_longer_than_it_lasts_and_no_longer_than_it_is_believed() {
        let lockouts = Lockouts::new();
        let now = Instant::now();
        lockouts.remember("short", now, Duration::from_millis(20));
        lockouts.remember("long", now, Duration::from_secs(60));
        lockouts.remember("old", now - BELIEVED_FOR, Duration::from_secs(60));
        assert!(lockouts.left("short").is_some_and(|left| left <= Duration::from_millis(20)));
        assert!(lockouts.left("long").is_some_and(|left| left <= Duration::from_secs(60)));
        assert_eq!(lockouts.left("old"), None, "the store is to be asked again");
        assert_eq!(lockouts.left("other"), None);
        std::thread::sleep(Duration::from_millis(25));
        assert_eq!(lockouts.left("short"), None);
        lockouts.forget("long");
        assert_eq!(lockouts.left("long"), None);
    }

    #[test]
    fn many_lockouts_take_a_bounded_space() {
        let lockouts = Lockouts::new();
        for key in 0..REMEMBERED * 3 {
            lockouts.remember(key, Instant::now(), Duration::from_secs(60));
        }
        assert!(lockouts.entries.len() <= REMEMBERED);
    }
}
