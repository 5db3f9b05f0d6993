//! Gives servers the last core and everything else the others, so that a server does not share its core with the load.
//!
//! Uses `taskset`, which needs no privileges. Without it, or with a single core, nothing is pinned.

use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// The last core, if servers are pinned to it.
static SERVER_CORE: LazyLock<Option<usize>> = LazyLock::new(|| {
    let last = count_cores().checked_sub(1).filter(|last| *last > 0)?;
    let may_use = Command::new("taskset").args(["-c", &last.to_string(), "true"]).stderr(Stdio::null()).status();
    may_use.is_ok_and(|status| status.success()).then_some(last)
});

/// The cores of the machine, including those that this process is not allowed to use.
pub fn count_cores() -> usize {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    processors.lines().filter(|line| line.starts_with("processor")).count()
}

/// The words of a command that runs a server, pinned to the last core if possible.
pub fn pin(words: Vec<String>) -> Vec<String> {
    match *SERVER_CORE {
        Some(core) => [["taskset".into(), "-c".into(), core.to_string()].to_vec(), words].concat(),
        None => words,
    }
}

/// Keeps this process, and Redis as its child, away from the server's core. Call it before the process has other threads.
pub fn avoid_server_core() {
    if let Some(core) = *SERVER_CORE {
        let others = format!("0-{}", core - 1);
        let own = std::process::id().to_string();
        let moved = Command::new("taskset").args(["-cp", &others, &own]).stdout(Stdio::null()).status();
        assert!(moved.is_ok_and(|status| status.success()), "taskset moves this process to the cores {others}");
    }
}
