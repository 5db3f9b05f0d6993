//! Metrics of limits on what clients hold at once: how much is held, how much may be, and how often a limit refused more. They are
//! read at each scrape.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// What a limit has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitUsage {
    /// What all clients hold together.
    pub held: usize,
    /// What they may hold together.
    pub max: usize,
    /// How often one client would have held too much.
    pub refused_per_client: u64,
    /// How often all clients together would have held too much.
    pub refused_in_total: u64,
}

type ReadUsage = Box<dyn Fn() -> LimitUsage + Send + Sync>;

/// The registered limits.
#[derive(Clone, Default)]
pub(super) struct LimitCollector(Arc<Mutex<Vec<(&'static str, ReadUsage)>>>);

impl LimitCollector {
    pub(super) fn add(&self, limit: &'static str, read: impl Fn() -> LimitUsage + Send + Sync + 'static) {
        self.0.lock().push((limit, Box::new(read)));
    }
}

impl fmt::Debug for LimitCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.lock().iter().map(|(limit, _)| limit)).finish()
    }
}

impl Collector for LimitCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let limits: Vec<_> = self.0.lock().iter().map(|(limit, read)| (*limit, read())).collect();
        let mut gauge = |name: &str, help: &str, value: fn(&LimitUsage) -> usize| {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            limits.iter().try_for_each(|(limit, usage)| {
                ConstGauge::new(value(usage) as f64).encode(family.encode_family(&[("limit", *limit)])?)
            })
        };
        gauge("livechat_limit_held", "What all clients hold of what is limited.", |usage| usage.held)?;
        gauge("livechat_limit_max", "What all clients may hold together of what is limited.", |usage| usage.max)?;
        let help =
            "Requests refused because one client (scope client) or all clients together (scope all) held too much.";
        let mut family = encoder.encode_descriptor("livechat_limit_refusals", help, None, MetricType::Counter)?;
        limits.iter().try_for_each(|(limit, usage)| {
            let scopes = [("client", usage.refused_per_client), ("all", usage.refused_in_total)];
            scopes.into_iter().try_for_each(|(scope, refused)| {
                ConstCounter::new(refused).encode(family.encode_family(&[("limit", *limit), ("scope", scope)])?)
            })
        })
    }
}
