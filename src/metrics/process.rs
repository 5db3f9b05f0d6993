//! Metrics of the process, under the standard names of Prometheus client libraries. They are read at each scrape, on Linux only.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    #[cfg(target_os = "linux")]
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        linux::encode(encoder)
    }

    #[cfg(not(target_os = "linux"))]
    fn encode(&self, _: DescriptorEncoder<'_>) -> fmt::Result {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt;
    use std::fs;

    use procfs::process::{LimitValue, Process, Stat};
    use procfs::{Current as _, Meminfo, WithCurrentSystemInfo as _};
    use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
    use prometheus_client::metrics::MetricType;
    use prometheus_client::metrics::counter::ConstCounter;
    use prometheus_client::metrics::gauge::ConstGauge;

    pub(super) fn encode(mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut gauge = |name: &str, help: &str, value: Option<f64>| match value {
            Some(value) => {
                let encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                ConstGauge::new(value).encode(encoder)
            }
            None => Ok(()),
        };
        let process = Process::myself().ok();
        let stat = process.as_ref().and_then(|process| process.stat().ok());
        let resident = stat.as_ref().map(|stat| stat.rss_bytes().get() as f64);
        gauge("process_resident_memory_bytes", "Memory in use.", resident)?;
        let limit = memory_limit().map(|bytes| bytes as f64);
        gauge(
            "livechat_memory_limit_bytes",
            "Memory that this process may use: the limit of its control group, or all memory.",
            limit,
        )?;
        let open = process.as_ref().and_then(|process| process.fd_count().ok()).map(|count| count as f64);
        gauge("process_open_fds", "Open file descriptors, including connections.", open)?;
        let max_open = process.and_then(|process| process.limits().ok()).and_then(|limits| {
            match limits.max_open_files.soft_limit {
                LimitValue::Value(max) => Some(max as f64),
                LimitValue::Unlimited => None,
            }
        });
        gauge("process_max_fds", "Maximum number of open file descriptors.", max_open)?;
        let started_at = stat.as_ref().and_then(start_time);
        gauge("process_start_time_seconds", "Start time of the process, in seconds since 1970.", started_at)?;
        let Some(stat) = stat else { return Ok(()) };
        let seconds = (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64;
        let help = "CPU time used, in seconds.";
        let encoder = encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
        ConstCounter::new(seconds).encode(encoder)
    }

    fn start_time(stat: &Stat) -> Option<f64> {
        let booted = procfs::boot_time_secs().ok()?;
        Some(booted as f64 + stat.starttime as f64 / procfs::ticks_per_second() as f64)
    }

    /// The smallest limit of the control group and its root, or all memory, in bytes.
    fn memory_limit() -> Option<u64> {
        let all = Meminfo::current().ok().map(|memory| memory.mem_total);
        let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let group = group.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
        let groups = ["", group];
        let of_group = groups.iter().filter_map(|group| {
            fs::read_to_string(format!("/sys/fs/cgroup{group}/memory.max")).ok()?.trim().parse().ok()
        });
        of_group.chain(all).min()
    }
}
