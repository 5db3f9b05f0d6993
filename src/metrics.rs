//! Numbers for Prometheus: how they are registered and written. What is counted is the business of the modules that do it;
//! only what both wires tell of an operation (`served`) and what the process says of itself (`process`) is here.
//!
//! Labels come from lists that stand in the code, never from a request, so the number of series is bounded.

mod operations;
mod process;

use std::fmt::Debug;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram as Buckets;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::Histogram;

pub use crate::metrics::operations::{OK, Served};

/// Names and values of labels.
pub type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Counters that differ in their labels.
pub type Counters<const N: usize> = Family<Labels<N>, Counter>;

/// Gauges that differ in their labels.
pub type Gauges<const N: usize> = Family<Labels<N>, Gauge>;

/// Histograms that differ in their labels.
pub type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of times, in seconds.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// Every number that was registered.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    served: Served,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self { registry: Arc::default(), served: Served::default() };
        metrics.served.register(&metrics);
        metrics.lock().register_collector(Box::new(process::Process));
        metrics
    }
}

impl Metrics {
    /// Registers a number under its name, without the `_total` that is added to counters. `help` ends without a full stop.
    pub fn register(&self, name: &str, help: &str, number: impl EncodeMetric + Debug + Send + Sync + 'static) {
        self.lock().register(name, help, number);
    }

    /// Registers what is the case as long as this process lives.
    pub fn register_info(&self, name: &str, help: &str, facts: Vec<(&'static str, String)>) {
        self.lock().register(name, help, Info::new(facts));
    }

    /// What both wires tell of each operation.
    pub const fn served(&self) -> &Served {
        &self.served
    }

    /// All numbers, in the OpenMetrics text format, which Prometheus reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.lock()) {
            tracing::error!(%error, "the metrics could not be written");
        }
        text
    }

    /// A panic under the lock leaves a registry that is still right.
    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock()
    }
}

/// A histogram of times, in seconds.
pub fn duration_histogram() -> Histogram {
    Buckets::new(SECONDS)
}

/// A histogram of numbers of things, from one to many.
pub fn count_histogram() -> Histogram {
    Buckets::new([1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 10_000.0, 100_000.0])
}

/// Something that is there, counted by a gauge until it is dropped.
#[derive(Debug)]
pub struct Held(Gauge);

impl Held {
    pub fn by(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}
