//! What a process has used so far, as the kernel counts it.

use std::fs;

/// CPU time of all threads of a process so far, user and system, in microseconds.
pub fn cpu_micros(process: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("the server's threads");
    let nanos: f64 = tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
        .filter_map(|stat| stat.split_whitespace().next()?.parse::<f64>().ok())
        .sum();
    nanos / 1_000.0
}

/// The memory of a process that is in RAM now, in KiB.
pub fn resident_kib(process: u32) -> f64 {
    let maps = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).expect("the server's memory");
    let rss = maps.lines().find_map(|line| line.strip_prefix("Rss:")).expect("its resident size");
    rss.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// What a process holds of the system.
#[derive(Clone, Copy, Debug)]
pub struct Holdings {
    pub threads: usize,
    pub files: usize,
    /// Those of the files that are sockets.
    pub sockets: usize,
}

/// Threads, open files and sockets of a process now.
pub fn holdings(process: u32) -> Holdings {
    let list = |name: &str| fs::read_dir(format!("/proc/{process}/{name}")).expect("a running process");
    let files: Vec<_> = list("fd").filter_map(|file| fs::read_link(file.ok()?.path()).ok()).collect();
    let sockets = files.iter().filter(|file| file.to_string_lossy().starts_with("socket:")).count();
    Holdings { threads: list("task").count(), files: files.len(), sockets }
}

/// The value in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Rounded to so many decimals, for people.
pub fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}
