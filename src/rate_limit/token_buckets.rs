//! One token bucket per key, all with the same rate.
//!
//! Memory is bounded: past [`CAPACITY`] the least used keys are forgotten. A forgotten key starts with a full bucket, as a
//! new key does, so an attacker with many keys gains nothing.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::RateLimiter;
use governor::clock::{Clock as _, MonotonicClock};
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use quick_cache::sync::Cache;

use crate::rate_limit::rate_parser::Rate;

/// Maximum number of keys, at about 100 bytes each.
const CAPACITY: usize = 100_000;

pub(super) struct TokenBuckets {
    /// `None` if nothing is refused.
    limiter: Option<RateLimiter<u64, BoundedStates, MonotonicClock>>,
    burst: NonZeroU32,
    /// Keys are random hashes, so that nobody can predict which share a bucket.
    hasher: RandomState,
}

impl TokenBuckets {
    /// Without a rate, nothing is refused.
    pub(super) fn new(rate: Option<Rate>) -> Self {
        let limiter = |quota| RateLimiter::new(quota, BoundedStates(Cache::new(CAPACITY)), MonotonicClock);
        let burst = rate.map_or(NonZeroU32::MAX, Rate::burst);
        Self { limiter: rate.and_then(Rate::quota).map(limiter), burst, hasher: RandomState::new() }
    }

    /// Takes one token of `key`, or returns the time until one is available.
    pub(super) fn take(&self, key: impl Hash) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        limiter
            .check_key(&self.hasher.hash_one(key))
            .map_err(|not_until| not_until.wait_time_from(limiter.clock().now()))
    }

    /// Takes `count` tokens of `key`, or returns the time until that many are available. Takes at most the burst.
    pub(super) fn take_many(&self, key: impl Hash, count: u64) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        let count = u32::try_from(count).unwrap_or(u32::MAX).min(self.burst.get());
        let Some(count) = NonZeroU32::new(count) else { return Ok(()) };
        match limiter.check_key_n(&self.hasher.hash_one(key), count) {
            Ok(taken) => taken.map_err(|not_until| not_until.wait_time_from(limiter.clock().now())),
            // Impossible: `count` is at most the burst.
            Err(_insufficient_capacity) => Ok(()),
        }
    }
}

struct BoundedStates(Cache<u64, Arc<InMemoryState>>);

impl StateStore for BoundedStates {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let state = match self.0.get(key) {
            Some(state) => state,
            None => match self.0.get_or_insert_with(key, || Ok::<_, std::convert::Infallible>(Arc::default())) {
                Ok(state) => state,
                Err(never) => match never {},
            },
        };
        state.measure_and_replace(&NotKeyed::NonKey, decide)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(rate: &str) -> TokenBuckets {
        TokenBuckets::new(Some(rate.parse().expect("a rate")))
    }

    #[test]
    fn keys_take_bounded_memory() {
        let buckets = buckets("1/h:1");
        for key in 0..CAPACITY * 3 {
            let _ = buckets.take(key);
        }
        let kept = buckets.limiter.map(|limiter| limiter.into_state_store().0.len());
        assert!(kept.is_some_and(|kept| kept <= CAPACITY), "{kept:?}");
    }

    #[test]
    fn many_are_taken_at_once_up_to_the_burst() {
        let buckets = buckets("1/s:100");
        assert!(buckets.take_many("one", 60).is_ok() && buckets.take_many("one", 0).is_ok());
        let wait = buckets.take_many("one", 60).expect_err("twenty too many");
        assert!(wait <= Duration::from_secs(20) && wait > Duration::from_secs(18), "{wait:?}");
        assert!(buckets.take_many("one", 40).is_ok(), "a refusal uses up nothing");
        assert!(buckets.take_many("two", u64::MAX).is_ok());
        assert!(buckets.take("two").is_err());
    }

    #[test]
    fn each_key_has_its_own_bucket() {
        let buckets = buckets("1/m:2");
        assert!(buckets.take("one").is_ok() && buckets.take("one").is_ok());
        let wait = buckets.take("one").expect_err("a third at once");
        assert!(wait <= Duration::from_secs(60) && wait > Duration::from_secs(50), "{wait:?}");
        assert!(buckets.take("two").is_ok());
    }

    #[test]
    fn without_a_rate_nothing_is_refused() {
        let buckets = TokenBuckets::new(None);
        assert!((0..1_000).all(|_| buckets.take_many("one", u64::MAX).is_ok()));
    }
}
