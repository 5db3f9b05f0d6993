//! Measures the cost and latency of livechat, compared with the floor (`floor.rs`). Each scenario prints a line of JSON:
//!
//! ```sh
//! cargo bench --bench scenarios -- list
//! cargo bench --bench scenarios -- send
//! cargo bench --bench scenarios -- report > lines.jsonl
//! cargo bench --bench scenarios -- report --from lines.jsonl
//! ```
//!
//! `report` runs most scenarios and writes docs/performance.md and docs/plots/.
//!
//! This process generates the load and measures. Servers run in child processes and take turns, round by round, so that
//! changes of the machine's speed affect all of them. Figures are medians of the rounds.

mod audience;
mod connection;
mod delivery;
mod delivery_by_rate;
mod delivery_by_readers;
mod floor;
mod latency;
mod loaded_room;
mod machine;
mod memory;
mod nodes;
#[allow(dead_code)]
mod process_stats;
mod read;
mod readers;
mod reconnect_storm;
mod replay;
mod report;
mod room_size;
mod rooms;
mod rounds;
mod send;
mod sender;
mod slow_reader;
mod subscription;
#[path = "../../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;
mod target;
mod websocket;

use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

/// The result of a scenario, a JSON object.
type Measured = Pin<Box<dyn Future<Output = Value>>>;

struct Scenario {
    name: &'static str,
    run: fn() -> Measured,
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "machine", run: || Box::pin(machine::run()) },
    Scenario { name: "delivery-1000-paced", run: || Box::pin(delivery::run(&delivery::PACED_1000)) },
    Scenario { name: "delivery-1000-full", run: || Box::pin(delivery::run(&delivery::FULL_1000)) },
    Scenario { name: "delivery-100-full", run: || Box::pin(delivery::run(&delivery::FULL_100)) },
    Scenario { name: "delivery-1000-tokens", run: || Box::pin(delivery::run(&delivery::TOKENS)) },
    Scenario { name: "delivery-1000-after", run: || Box::pin(delivery::run(&delivery::AFTER)) },
    Scenario { name: "delivery-by-readers", run: || Box::pin(delivery_by_readers::run()) },
    Scenario { name: "delivery-by-rate", run: || Box::pin(delivery_by_rate::run()) },
    Scenario { name: "send", run: || Box::pin(send::run()) },
    Scenario { name: "read", run: || Box::pin(read::run()) },
    Scenario { name: "idle-memory", run: || Box::pin(memory::run()) },
    Scenario { name: "rooms-10000", run: || Box::pin(rooms::run()) },
    Scenario { name: "storm", run: || Box::pin(reconnect_storm::run()) },
    Scenario { name: "replay", run: || Box::pin(replay::run()) },
    Scenario { name: "nodes", run: || Box::pin(nodes::run()) },
    Scenario { name: "room-size", run: || Box::pin(room_size::run()) },
    Scenario { name: "slow-reader", run: || Box::pin(slow_reader::run()) },
];

/// Scenarios that are not part of the generated section of docs/performance.md.
const NOT_REPORTED: [&str; 3] = ["nodes", "room-size", "slow-reader"];

/// Enough for 10,000 rooms with two sockets each.
const FILES: u64 = 30_000;

fn main() -> ExitCode {
    raise_file_limit();
    floor::serve_if_child();
    audience::serve_if_child();
    // Cargo adds `--bench`.
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["report"] => report::write(&run(SCENARIOS.iter().filter(|scenario| !NOT_REPORTED.contains(&scenario.name)))),
        ["report", "--from", file] => {
            let lines = std::fs::read_to_string(file).expect("a file with earlier output");
            report::write(&report::Lines::read(&lines));
        }
        ref names => {
            let chosen: Option<Vec<_>> =
                names.iter().map(|name| SCENARIOS.iter().find(|scenario| scenario.name == *name)).collect();
            let Some(chosen) = chosen.filter(|chosen| !chosen.is_empty()) else {
                let all: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
                eprintln!("scenarios: {}; or report, or report --from FILE", all.join(" "));
                return ExitCode::FAILURE;
            };
            run(chosen);
        }
    }
    ExitCode::SUCCESS
}

/// Runs scenarios in turn and prints their lines.
fn run<'a>(scenarios: impl IntoIterator<Item = &'a Scenario>) -> report::Lines {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut lines = String::new();
    for scenario in scenarios {
        let line = runtime.block_on(measure(scenario)).to_string();
        println!("{line}");
        lines.push_str(&line);
        lines.push('\n');
    }
    report::Lines::read(&lines)
}

/// Raises the limit of open files for this process and the servers, which inherit it.
fn raise_file_limit() {
    // Only root may exceed the hard limit. Most scenarios work within it.
    if rlimit::Resource::NOFILE.set(FILES, FILES).is_err() {
        rlimit::increase_nofile_limit(FILES).expect("a limit that can be raised");
    }
}

/// Runs a scenario and returns its line.
async fn measure(scenario: &Scenario) -> Value {
    let (start, at) = (Instant::now(), SystemTime::now());
    let mut line = json!({ "scenario": scenario.name, "at": humantime::format_rfc3339_seconds(at).to_string() });
    let measured = (scenario.run)().await;
    if let (Some(line), Value::Object(measured)) = (line.as_object_mut(), measured) {
        line.extend(measured);
        line.insert("seconds".into(), start.elapsed().as_secs().into());
    }
    line
}
