//! The rounds of a scenario: one to get warm, then those that count.

use std::time::{Duration, Instant};

/// Which round comes next, if one does.
pub struct Rounds {
    wanted: usize,
    enough: Duration,
    start: Instant,
    begun: usize,
}

impl Rounds {
    /// So many that count, or as many as begin before it has been `enough`; one at least.
    pub fn new(wanted: usize, enough: Duration) -> Self {
        Self { wanted, enough, start: Instant::now(), begun: 0 }
    }

    /// Whether the next round counts; `None` when there is none.
    pub fn next(&mut self) -> Option<bool> {
        if self.begun > self.wanted || self.begun > 1 && self.start.elapsed() > self.enough {
            return None;
        }
        self.begun += 1;
        Some(self.begun > 1)
    }

    /// How many have counted.
    pub const fn counted(&self) -> usize {
        self.begun.saturating_sub(1)
    }
}
