//! What livechat costs and how long it takes, beside the floor: one scenario a run, one line of JSON. Run by hand:
//!
//! ```sh
//! cargo bench --bench scenarios -- list
//! cargo bench --bench scenarios -- send
//! cargo bench --bench scenarios -- report > lines.jsonl
//! cargo bench --bench scenarios -- report --from lines.jsonl
//! ```
//!
//! `report` runs nearly all of them and writes docs/performance.md and docs/plots/.
//!
//! This process makes the load and measures; whoever is measured has a process of its own. In each run our server and the
//! floor take turns, round by round, so that both meet the same machine; figures are those of the middle round.

mod audience;
mod connection;
mod contenders;
mod crowds;
mod delivery;
mod floor;
mod latency;
mod line;
mod machine;
mod memory;
#[allow(dead_code)]
mod meter;
mod nodes;
mod rates;
mod read;
mod readers;
mod replay;
mod report;
mod rig;
mod room_size;
mod rooms;
mod rounds;
mod send;
mod sender;
mod slow_reader;
mod storm;
mod subscription;
#[path = "../../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

/// What a scenario measured, as an object.
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
    Scenario { name: "delivery-by-readers", run: || Box::pin(crowds::run()) },
    Scenario { name: "delivery-by-rate", run: || Box::pin(rates::run()) },
    Scenario { name: "send", run: || Box::pin(send::run()) },
    Scenario { name: "read", run: || Box::pin(read::run()) },
    Scenario { name: "idle-memory", run: || Box::pin(memory::run()) },
    Scenario { name: "rooms-10000", run: || Box::pin(rooms::run()) },
    Scenario { name: "storm", run: || Box::pin(storm::run()) },
    Scenario { name: "replay", run: || Box::pin(replay::run()) },
    Scenario { name: "nodes", run: || Box::pin(nodes::run()) },
    Scenario { name: "room-size", run: || Box::pin(room_size::run()) },
    Scenario { name: "slow-reader", run: || Box::pin(slow_reader::run()) },
];

/// Figures that stand elsewhere in docs/performance.md, or nowhere.
const NOT_REPORTED: [&str; 3] = ["nodes", "room-size", "slow-reader"];

/// Some more than 10,000 rooms of two need.
const FILES: u64 = 30_000;

fn main() -> ExitCode {
    allow_many_files();
    floor::serve_if_asked();
    audience::serve_if_asked();
    // Cargo adds an option of its own.
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["report"] => report::write(&run(SCENARIOS.iter().filter(|scenario| !NOT_REPORTED.contains(&scenario.name)))),
        ["report", "--from", file] => {
            let lines = std::fs::read_to_string(file).expect("a file of lines that were printed");
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

/// Runs scenarios one after the other, and prints their lines.
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

/// A file for every socket, here and in the servers, which inherit the limit.
fn allow_many_files() {
    // Only root may go past the hard limit. Who is not has what it allows, which most scenarios can do with.
    if rlimit::Resource::NOFILE.set(FILES, FILES).is_err() {
        rlimit::increase_nofile_limit(FILES).expect("a limit that can be raised");
    }
}

/// The line of a scenario.
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
