//! Percentiles of latencies.

use std::time::Duration;

use serde_json::{Value, json};

use crate::process_stats::rounded;

/// Median, 99th percentile and maximum, in milliseconds.
#[derive(Clone, Copy)]
pub struct Latencies {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

impl Latencies {
    /// `all` must not be empty.
    pub fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let at = |part: usize| all[(all.len() * part / 100).min(all.len() - 1)].as_secs_f64() * 1_000.0;
        Self { p50: at(50), p99: at(99), max: at(100) }
    }

    /// p50 and p99 as figures of a round.
    pub fn to_figures(self) -> Vec<(&'static str, f64)> {
        vec![("p50_ms", self.p50), ("p99_ms", self.p99)]
    }

    pub fn to_json(self) -> Value {
        json!({ "p50": rounded(self.p50, 2), "p99": rounded(self.p99, 2), "max": rounded(self.max, 1) })
    }
}
