//! Registration and text format of metrics for Prometheus, the operation metrics of both APIs, and the metrics of limits and of the
//! process. Every other metric is defined by the module that records it.
//!
//! Label values come from lists in the code, never from a request, so the number of series is bounded.

mod limits;
mod operations;
mod process;

use std::fmt::Debug;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::Histogram;

use crate::metrics::limits::LimitCollector;

pub use crate::metrics::limits::LimitUsage;
pub use crate::metrics::operations::{OK, OperationMetrics};

/// Label names and values.
pub type Labels<const N: usize> = [(&'static str, &'static str); N];

/// A family of counters.
pub type Counters<const N: usize> = Family<Labels<N>, Counter>;

/// A family of gauges.
pub type Gauges<const N: usize> = Family<Labels<N>, Gauge>;

/// A family of histograms.
pub type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the buckets of durations, in seconds.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// The registry of all metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    operations: OperationMetrics,
    limits: LimitCollector,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Arc::default(),
            operations: OperationMetrics::default(),
            limits: LimitCollector::default(),
        };
        metrics.operations.register(&metrics);
        let mut registry = metrics.registry.lock();
        registry.register_collector(Box::new(metrics.limits.clone()));
        registry.register_collector(Box::new(process::ProcessCollector));
        drop(registry);
        metrics
    }
}

impl Metrics {
    /// Registers a metric. `name` has no `_total`, which is appended to counters; `help` has no full stop at its end.
    pub fn register(&self, name: &str, help: &str, metric: impl EncodeMetric + Debug + Send + Sync + 'static) {
        self.registry.lock().register(name, help, metric);
    }

    /// Registers a limit on what clients hold at once. `read` is called at each scrape.
    pub fn register_limit(&self, limit: &'static str, read: impl Fn() -> LimitUsage + Send + Sync + 'static) {
        self.limits.add(limit, read);
    }

    /// Registers facts that do not change while the process runs.
    pub fn register_info(&self, name: &str, help: &str, facts: Vec<(&'static str, String)>) {
        self.registry.lock().register(name, help, Info::new(facts));
    }

    /// The operation metrics of both APIs.
    pub const fn operations(&self) -> &OperationMetrics {
        &self.operations
    }

    /// All metrics in the OpenMetrics text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry.lock()) {
            tracing::error!(%error, "cannot encode the metrics");
        }
        text
    }
}

/// A histogram of durations, in seconds.
pub fn duration_histogram() -> Histogram {
    Histogram::new(SECONDS)
}

/// A histogram of counts, from 1 to 100,000.
pub fn count_histogram() -> Histogram {
    Histogram::new([1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 10_000.0, 100_000.0])
}

/// Increments a gauge until it is dropped.
#[derive(Debug)]
pub struct GaugeGuard(Gauge);

impl GaugeGuard {
    pub fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
