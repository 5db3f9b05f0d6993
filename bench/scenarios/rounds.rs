//! The rounds of a scenario: one to warm up, then those that count.

use std::time::{Duration, Instant};

/// Limits rounds by number and time.
pub struct Rounds {
    wanted: usize,
    time_limit: Duration,
    start: Instant,
    begun: usize,
}

impl Rounds {
    /// Up to `wanted` rounds that count, at least one. No round starts after `time_limit`. The variable `ROUNDS` of the
    /// environment sets a lower number.
    pub fn new(wanted: usize, time_limit: Duration) -> Self {
        let most = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(wanted);
        Self { wanted: wanted.min(most), time_limit, start: Instant::now(), begun: 0 }
    }

    /// Starts the next round. Returns whether it counts; `None` after the last one.
    pub fn next(&mut self) -> Option<bool> {
        if self.begun > self.wanted || self.begun > 1 && self.start.elapsed() > self.time_limit {
            return None;
        }
        self.begun += 1;
        Some(self.begun > 1)
    }

    /// The number of rounds that counted.
    pub const fn counted(&self) -> usize {
        self.begun.saturating_sub(1)
    }
}
