//! The machine and the versions that the figures were measured on.

use std::fs;
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::peers;
use crate::pinning::count_cores;

pub async fn run() -> Value {
    let (processors, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':').map(str::trim));
        line.unwrap_or("unknown").to_owned()
    };
    let kib: u64 = field(&memory, "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
    let changed = !output("git", &["status", "--porcelain", "--", "src", "Cargo.toml", "Cargo.lock"]).is_empty();
    let commit = output("git", &["rev-parse", "--short=10", "HEAD"]);
    json!({
        "processor": field(&processors, "model name"), "cores": count_cores(),
        "gib": kib.div_ceil(1 << 20), "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "rustc": output("rustc", &["--version"]).split(" (").next(),
        "redis": output("redis-server", &["--version"]).split(" sha=").next().map(|version| version.replace(" server v=", " ")),
        "node": output("node", &["--version"]).trim_start_matches('v'),
        "peers": peer_versions(),
        "commit": if changed { format!("{commit}, changed") } else { commit },
    })
}

/// The versions of the peers' packages.
fn peer_versions() -> Map<String, Value> {
    let package: Value = serde_json::from_str(&read(&peers::in_directory("package.json"))).unwrap_or_default();
    let mut versions = package["dependencies"].as_object().cloned().unwrap_or_default();
    let lock = read(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"));
    let version = lock.split("name = \"async-graphql-axum\"\nversion = \"").nth(1);
    versions.insert("async-graphql-axum".to_owned(), version.and_then(|rest| rest.split('"').next()).into());
    versions
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The first line of a command's output; empty if the command cannot run.
fn output(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or_default().to_owned()
}
