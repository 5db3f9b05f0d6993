//! Rates of one kind of action, one budget a key, in this process.
//!
//! The memory is bounded: past so many keys the least used ones are forgotten. That gives nobody more than many keys give
//! them anyway, as a forgotten key begins like a new one.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::RateLimiter;
use governor::clock::{Clock as _, MonotonicClock};
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use quick_cache::sync::Cache;

use crate::throttle::action::Rate;

/// Keys remembered, at some 100 bytes each.
const KEYS_MAX: usize = 100_000;

/// Budgets under one rate.
pub(super) struct Budgets {
    /// `None` never limits.
    limiter: Option<RateLimiter<u64, Bounded, MonotonicClock>>,
    at_once: NonZeroU32,
    /// Keys are kept as hashes that nobody outside can foresee, so that none can be made to meet another's.
    hasher: RandomState,
}

impl Budgets {
    pub(super) fn new(rate: Rate) -> Self {
        let limiter = |quota| RateLimiter::new(quota, Bounded(Cache::new(KEYS_MAX)), MonotonicClock);
        Self { limiter: rate.quota().map(limiter), at_once: rate.at_once(), hasher: RandomState::new() }
    }

    /// Takes one from the budget of `key`, or says when there is one again.
    pub(super) fn take(&self, key: impl Hash) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        limiter
            .check_key(&self.hasher.hash_one(key))
            .map_err(|not_until| not_until.wait_time_from(limiter.clock().now()))
    }

    /// Takes so many, or says when they are there. More than there can ever be at once count as all of them.
    pub(super) fn take_many(&self, key: impl Hash, count: u64) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        let count = u32::try_from(count).unwrap_or(u32::MAX).min(self.at_once.get());
        let Some(count) = NonZeroU32::new(count) else { return Ok(()) };
        match limiter.check_key_n(&self.hasher.hash_one(key), count) {
            Ok(taken) => taken.map_err(|not_until| not_until.wait_time_from(limiter.clock().now())),
            // Ruled out above.
            Err(_more_than_there_can_be) => Ok(()),
        }
    }
}

struct Bounded(Cache<u64, Arc<InMemoryState>>);

impl StateStore for Bounded {
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

    #[test]
    fn many_keys_take_a_bounded_space() {
        let budgets = Budgets::new("1/h:1".parse().expect("a rate"));
        for key in 0..KEYS_MAX * 3 {
            let _ = budgets.take(key);
        }
        let kept = budgets.limiter.map(|limiter| limiter.into_state_store().0.len());
        assert!(kept.is_some_and(|kept| kept <= KEYS_MAX), "{kept:?}");
    }

    #[test]
    fn many_are_taken_at_once_and_never_more_than_there_can_be() {
        let budgets = Budgets::new("1/s:100".parse().expect("a rate"));
        assert!(budgets.take_many("one", 60).is_ok() && budgets.take_many("one", 0).is_ok());
        let wait = budgets.take_many("one", 60).expect_err("twenty too many");
        assert!(wait <= Duration::from_secs(20) && wait > Duration::from_secs(18), "{wait:?}");
        assert!(budgets.take_many("one", 40).is_ok(), "what was refused used up nothing");
        assert!(budgets.take_many("two", u64::MAX).is_ok());
        assert!(budgets.take("two").is_err());
    }

    #[test]
    fn each_key_has_a_budget_of_its_own() {
        let budgets = Budgets::new("1/m:2".parse().expect("a rate"));
        assert!(budgets.take("one").is_ok() && budgets.take("one").is_ok());
        let wait = budgets.take("one").expect_err("a third at once");
        assert!(wait <= Duration::from_secs(60) && wait > Duration::from_secs(50), "{wait:?}");
        assert!(budgets.take("two").is_ok());
    }
}
