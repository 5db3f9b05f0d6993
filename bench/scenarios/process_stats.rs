//! CPU time, memory, threads and files of a process, from `/proc`.

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

/// Resident memory of a process, in KiB.
pub fn resident_kib(process: u32) -> f64 {
    let maps = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).expect("the server's memory");
    let rss = maps.lines().find_map(|line| line.strip_prefix("Rss:")).expect("its resident size");
    rss.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// Threads and files of a process.
#[derive(Clone, Copy, Debug)]
pub struct Resources {
    pub threads: usize,
    pub files: usize,
    /// The sockets among the files.
    pub sockets: usize,
}

/// Current threads, open files and sockets of a process.
pub fn resources(process: u32) -> Resources {
    let list = |name: &str| fs::read_dir(format!("/proc/{process}/{name}")).expect("a running process");
    let files: Vec<_> = list("fd").filter_map(|file| fs::read_link(file.ok()?.path()).ok()).collect();
    let sockets = files.iter().filter(|file| file.to_string_lossy().starts_with("socket:")).count();
    Resources { threads: list("task").count(), files: files.len(), sockets }
}

/// The median.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Rounds to a number of decimals.
pub fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}
