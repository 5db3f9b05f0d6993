//! What both wires tell of each operation: which one, what came of it, and how long it took.

use std::time::Duration;

use crate::metrics::{Counters, Histograms, Metrics, duration_histogram};

/// What came of an operation that did what it was asked for.
pub const OK: &str = "OK";

/// Operations that were answered, by wire, operation and outcome.
#[derive(Clone, Debug)]
pub struct Served {
    count: Counters<3>,
    seconds: Histograms<2>,
}

impl Default for Served {
    fn default() -> Self {
        Self { count: Counters::default(), seconds: Histograms::new_with_constructor(duration_histogram) }
    }
}

impl Served {
    pub(super) fn register(&self, metrics: &Metrics) {
        let help = "Operations answered; the outcome is OK or the code of the error";
        metrics.register("livechat_operations", help, self.count.clone());
        let help = "How long operations took to be answered; a subscription, to be opened";
        metrics.register("livechat_operation_duration_seconds", help, self.seconds.clone());
    }

    /// Makes an operation known, so that it is there with 0 before it happens.
    pub fn expect(&self, wire: &'static str, operation: &'static str) {
        let _ = self.count.get_or_create(&labels(wire, operation, OK));
        let _ = self.seconds.get_or_create(&[("wire", wire), ("operation", operation)]);
    }

    /// Counts an operation. All three names are of lists in the code.
    pub fn tell(&self, wire: &'static str, operation: &'static str, outcome: &'static str, took: Duration) {
        self.count.get_or_create(&labels(wire, operation, outcome)).inc();
        self.seconds.get_or_create(&[("wire", wire), ("operation", operation)]).observe(took.as_secs_f64());
    }
}

fn labels(wire: &'static str, operation: &'static str, outcome: &'static str) -> super::Labels<3> {
    [("wire", wire), ("operation", operation), ("outcome", outcome)]
}
