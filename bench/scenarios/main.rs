//! Measures the cost and latency of livechat, compared with other servers (`bench/peers`). Each scenario prints a line of JSON:
//!
//! ```sh
//! cargo bench --bench scenarios -- list
//! cargo bench --bench scenarios -- send
//! cargo bench --bench scenarios -- nodes --nodes 2 --sockets 10000 --rooms 100 --time 10s
//! make performance
//! cargo bench --bench scenarios -- report --from lines.jsonl
//! ```
//!
//! `make performance` installs the peers in JavaScript and runs `report`, which runs most scenarios and writes
//! docs/performance.md and docs/plots/. `ROUNDS=1` in the environment tries a scenario quickly.
//!
//! This process generates the load and measures. Servers run in child processes and take turns, round by round, so that
//! changes of the machine's speed affect all of them. Figures are medians of the rounds.

mod audience;
mod client;
mod compare;
mod connection;
mod contestants;
mod delivery;
mod delivery_by_rate;
mod delivery_by_readers;
mod idle_sockets;
mod latency;
mod loaded_room;
mod machine;
mod nodes;
#[path = "../peers/mod.rs"]
mod peers;
mod pinning;
#[allow(dead_code)]
mod process_stats;
mod protocol;
mod read;
mod readers;
mod reconnect_storm;
mod replay;
mod report;
mod room_size;
mod rooms_of_two;
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
use std::time::{Duration, Instant, SystemTime};

use clap::Parser as _;
use serde_json::{Value, json};

/// The result of a scenario, a JSON object.
type Measured<'a> = Pin<Box<dyn Future<Output = Value> + 'a>>;

/// A scenario by its name.
type Scenario = (&'static str, fn() -> Measured<'static>);

const SCENARIOS: &[Scenario] = &[
    ("machine", || Box::pin(machine::run())),
    ("delivery-1000-paced", || Box::pin(delivery::run(&delivery::PACED_1000))),
    ("delivery-100-paced", || Box::pin(delivery::run(&delivery::PACED_100))),
    ("rooms-of-two", || Box::pin(rooms_of_two::run())),
    ("send", || Box::pin(send::run())),
    ("read", || Box::pin(read::run())),
    ("idle-sockets", || Box::pin(idle_sockets::run())),
    ("storm", || Box::pin(reconnect_storm::run())),
    ("replay", || Box::pin(replay::run())),
    ("delivery-1000-full", || Box::pin(delivery::run(&delivery::FULL_1000))),
    ("delivery-100-full", || Box::pin(delivery::run(&delivery::FULL_100))),
    ("delivery-1000-tokens", || Box::pin(delivery::run(&delivery::TOKENS))),
    ("delivery-1000-after", || Box::pin(delivery::run(&delivery::AFTER))),
    ("delivery-by-readers", || Box::pin(delivery_by_readers::run())),
    ("delivery-by-rate", || Box::pin(delivery_by_rate::run())),
    ("room-size", || Box::pin(room_size::run())),
    ("slow-reader", || Box::pin(slow_reader::run())),
];

/// Scenarios that are not part of the generated section of docs/performance.md.
const NOT_REPORTED: [&str; 2] = ["room-size", "slow-reader"];

/// A scenario that takes longer hangs, for example because a server has lost a message.
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// The most open files that any scenario except `nodes` needs.
const FILES: u64 = 20_000;

fn main() -> ExitCode {
    peers::serve_if_child();
    audience::serve_if_child();
    // Cargo adds `--bench`.
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["report"] => {
            let reported = SCENARIOS.iter().filter(|(name, _)| !NOT_REPORTED.contains(name));
            report::write(&run_pinned(reported));
        }
        ["report", "--from", file] => {
            let lines = std::fs::read_to_string(file).expect("a file with earlier output");
            report::write(&report::Lines::read(&lines));
        }
        ["nodes", ref size @ ..] => {
            let size = nodes::Size::parse_from(size);
            raise_file_limit(size.files());
            run([("nodes", Box::pin(nodes::run(&size)) as Measured)]);
        }
        ref names => {
            let find = |name: &&str| SCENARIOS.iter().find(|(scenario, _)| scenario == name);
            let Some(chosen) = names.iter().map(find).collect::<Option<Vec<_>>>().filter(|chosen| !chosen.is_empty())
            else {
                let all: Vec<_> = SCENARIOS.iter().map(|(name, _)| *name).collect();
                eprintln!("scenarios: {} nodes; or report, or report --from FILE", all.join(" "));
                return ExitCode::FAILURE;
            };
            run_pinned(chosen);
        }
    }
    ExitCode::SUCCESS
}

/// Runs scenarios on all cores but the last, which is the servers'.
fn run_pinned<'a>(scenarios: impl IntoIterator<Item = &'a Scenario>) -> report::Lines {
    raise_file_limit(FILES);
    pinning::avoid_server_core();
    run(scenarios.into_iter().map(|(name, run)| (*name, limited(name, run()))))
}

/// Ends a scenario that hangs.
fn limited<'a>(name: &'a str, measured: Measured<'a>) -> Measured<'a> {
    Box::pin(async move {
        let measured = tokio::time::timeout(TIME_LIMIT, measured).await;
        measured.unwrap_or_else(|_| panic!("{name} has not finished within {TIME_LIMIT:?}"))
    })
}

/// Runs scenarios in turn and prints their lines.
fn run<'a>(scenarios: impl IntoIterator<Item = (&'static str, Measured<'a>)>) -> report::Lines {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut lines = String::new();
    for (name, measured) in scenarios {
        let line = runtime.block_on(measure(name, measured)).to_string();
        println!("{line}");
        lines.push_str(&line);
        lines.push('\n');
    }
    report::Lines::read(&lines)
}

/// Raises the limit of open files for this process and its children, which inherit it.
fn raise_file_limit(files: u64) {
    // Only root may exceed the hard limit.
    if rlimit::Resource::NOFILE.set(files, files).is_err() {
        let limit = rlimit::increase_nofile_limit(files).expect("a limit that can be raised");
        assert!(limit >= files, "{files} open files are needed, and only {limit} allowed: see `ulimit -Hn`");
    }
}

/// Runs a scenario and returns its line.
async fn measure(name: &str, measured: Measured<'_>) -> Value {
    let (start, at) = (Instant::now(), SystemTime::now());
    let mut line = json!({ "scenario": name, "at": humantime::format_rfc3339_seconds(at).to_string() });
    let measured = measured.await;
    if let (Some(line), Value::Object(measured)) = (line.as_object_mut(), measured) {
        line.extend(measured);
        line.insert("seconds".into(), start.elapsed().as_secs().into());
    }
    line
}
