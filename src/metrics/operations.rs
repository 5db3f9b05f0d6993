//! Metrics that both APIs record for each operation: its name, its outcome and its duration.

use std::time::Duration;

use crate::metrics::{Counters, Histograms, Labels, Metrics, duration_histogram};

/// Outcome of a successful operation.
pub const OK: &str = "OK";

/// Counters and durations of operations. All label values come from lists in the code.
#[derive(Clone, Debug)]
pub struct OperationMetrics {
    count: Counters<3>,
    seconds: Histograms<2>,
}

impl Default for OperationMetrics {
    fn default() -> Self {
        Self { count: Counters::default(), seconds: Histograms::new_with_constructor(duration_histogram) }
    }
}

impl OperationMetrics {
    pub(super) fn register(&self, metrics: &Metrics) {
        let help = "Operations answered; the outcome is OK or an error code";
        metrics.register("livechat_operations", help, self.count.clone());
        let help = "Time to answer operations; for subscriptions, time to open them";
        metrics.register("livechat_operation_duration_seconds", help, self.seconds.clone());
    }

    /// Creates the series of an operation with the value 0, so that they exist before it first happens.
    pub fn preregister(&self, api: &'static str, operation: &'static str) {
        let _ = self.count.get_or_create(&outcome_labels(api, operation, OK));
        let _ = self.seconds.get_or_create(&duration_labels(api, operation));
    }

    /// Records one operation.
    pub fn record(&self, api: &'static str, operation: &'static str, outcome: &'static str, duration: Duration) {
        self.count.get_or_create(&outcome_labels(api, operation, outcome)).inc();
        self.seconds.get_or_create(&duration_labels(api, operation)).observe(duration.as_secs_f64());
    }
}

const fn outcome_labels(api: &'static str, operation: &'static str, outcome: &'static str) -> Labels<3> {
    [("api", api), ("operation", operation), ("outcome", outcome)]
}

const fn duration_labels(api: &'static str, operation: &'static str) -> Labels<2> {
    [("api", api), ("operation", operation)]
}
