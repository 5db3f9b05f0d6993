//! What livechat costs and how long it takes, beside the floor: one scenario a run, one line of JSON. Run by hand:
//!
//! ```sh
//! cargo bench --bench scenarios -- list
//! cargo bench --bench scenarios -- send
//! ```
//!
//! This process makes the load and measures; whoever is measured has a process of its own. In each run our server and the
//! floor take turns, round by round, so that both meet the same machine; figures are those of the middle round.

mod connection;
mod contenders;
mod crowd;
mod delivery;
mod floor;
mod latency;
mod line;
mod memory;
#[allow(dead_code)]
mod meter;
mod nodes;
mod read;
mod readers;
mod rig;
mod room_size;
mod send;
mod sender;
mod slow_reader;
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
    Scenario { name: "delivery-1000-paced", run: || Box::pin(delivery::run(&delivery::PACED_1000)) },
    Scenario { name: "delivery-1000-full", run: || Box::pin(delivery::run(&delivery::FULL_1000)) },
    Scenario { name: "delivery-100-full", run: || Box::pin(delivery::run(&delivery::FULL_100)) },
    Scenario { name: "delivery-1000-full-tokens", run: || Box::pin(delivery::run(&delivery::FULL_1000_TOKENS)) },
    Scenario { name: "delivery-1000-full-after", run: || Box::pin(delivery::run(&delivery::FULL_1000_AFTER)) },
    Scenario { name: "send", run: || Box::pin(send::run()) },
    Scenario { name: "read", run: || Box::pin(read::run()) },
    Scenario { name: "idle-memory", run: || Box::pin(memory::run()) },
    Scenario { name: "nodes", run: || Box::pin(nodes::run()) },
    Scenario { name: "room-size", run: || Box::pin(room_size::run()) },
    Scenario { name: "slow-reader", run: || Box::pin(slow_reader::run()) },
];

fn main() -> ExitCode {
    // A file for every socket, here and in the servers, which inherit the limit.
    rlimit::increase_nofile_limit(u64::MAX).expect("a limit that can be raised");
    floor::serve_if_asked();
    crowd::serve_if_asked();
    // Cargo adds an option of its own.
    let names: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let chosen: Vec<_> = names.iter().map(|name| SCENARIOS.iter().find(|scenario| scenario.name == name)).collect();
    let Some(chosen) = chosen.into_iter().collect::<Option<Vec<_>>>().filter(|chosen| !chosen.is_empty()) else {
        let all: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        eprintln!("scenarios: {}", all.join(" "));
        return ExitCode::FAILURE;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for scenario in chosen {
        println!("{}", runtime.block_on(measure(scenario)));
    }
    ExitCode::SUCCESS
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
