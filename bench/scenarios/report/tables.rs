//! The tables of the report, in Markdown.

use super::Lines;

/// A row: work with a figure that every server has.
struct Row {
    work: &'static str,
    scenario: &'static str,
    figure: &'static str,
    /// On Redis, and embedded.
    goals: [Goal; 2],
}

/// The largest figure that was aimed at.
#[derive(Clone, Copy)]
enum Goal {
    None,
    /// As a ratio to the floor.
    Ratio(f64),
    Kib(f64),
}

const fn row(work: &'static str, scenario: &'static str, figure: &'static str, goals: [Goal; 2]) -> Row {
    Row { work, scenario, figure, goals }
}

use Goal::{Kib, None as No, Ratio};

const ROWS: &[Row] = &[
    row("a delivery, 1,000 readers, 10 messages/s", "delivery-1000-paced", "cpu_us", [Ratio(1.1), No]),
    row("a delivery, 100 readers, 50 messages/s", "delivery-100-paced", "cpu_us", [Ratio(1.15), Ratio(1.3)]),
    row("a message to a room of two, send included", "rooms-of-two", "cpu_us", [Ratio(1.4), Ratio(1.7)]),
    row("a send, 32 connections", "send", "cpu_us", [Ratio(1.8), Ratio(2.2)]),
    row("read the last 50 of 1,000 messages", "read", "cpu_us", [Ratio(1.8), Ratio(1.8)]),
    row("open a socket and a subscription", "idle-sockets", "cpu_us", [Ratio(2.5), Ratio(2.5)]),
    row("a socket that returns in a storm of 5,000", "storm", "cpu_us", [Ratio(2.0), No]),
    row("a missed message, for a reader 10,000 behind", "replay", "cpu_us", [Ratio(2.5), No]),
    row("Redis: a send", "send", "redis_cpu_us", [Ratio(2.0), No]),
    row("Redis: a read of 50 messages", "read", "redis_cpu_us", [Ratio(2.0), No]),
    row("Redis: a delivery, 1,000 readers, 10 messages/s", "delivery-1000-paced", "redis_cpu_us", [No, No]),
    row("Redis: a delivery, 100 readers, 50 messages/s", "delivery-100-paced", "redis_cpu_us", [No, No]),
    row("Redis: a message to a room of two", "rooms-of-two", "redis_cpu_us", [No, No]),
    row("Redis: open a socket and a subscription", "idle-sockets", "redis_cpu_us", [No, No]),
    row("Redis: a socket that returns in a storm", "storm", "redis_cpu_us", [No, No]),
    row("Redis: a missed message", "replay", "redis_cpu_us", [No, No]),
    row("KiB of an idle subscribed socket", "idle-sockets", "kib", [Kib(6.0), Kib(6.0)]),
];

/// Rows that compare livechat with the floor alone.
const OTHERS: &[Row] = &[
    row("CPU µs of a delivery, 1,000 readers, at full speed", "delivery-1000-full", "cpu_us", [No, No]),
    row("the same, a token and operation id per reader", "delivery-1000-tokens", "cpu_us", [No, No]),
    row("the same, a different `after` per reader", "delivery-1000-after", "cpu_us", [No, No]),
    row("CPU µs of a delivery, 100 readers, at full speed", "delivery-100-full", "cpu_us", [No, No]),
    row("p50 of a delivery, 1,000 readers, 10 messages/s, ms", "delivery-1000-paced", "p50_ms", [No, No]),
    row("p99 of the same", "delivery-1000-paced", "p99_ms", [No, No]),
    row("p50 of a send, 32 connections, ms", "send", "p50_ms", [No, No]),
    row("p99 of the same", "send", "p99_ms", [No, No]),
    row("until all 5,000 sockets of a storm have caught up, s", "storm", "seconds", [No, No]),
    row("time per missed message, 10,000 behind, µs", "replay", "us", [No, No]),
    row("bytes of a response with 50 messages", "read", "response_bytes", [No, No]),
];

/// The names of livechat's stores in the results.
const STORES: [&str; 2] = ["redis", "embedded"];
/// The peers in the results and in the table.
const PEERS: [(&str, &str); 3] =
    [("graphql_axum", "async-graphql-axum"), ("yoga", "GraphQL Yoga"), ("socket_io", "Socket.IO")];

impl Row {
    fn figure(&self, lines: &Lines, server: &str) -> String {
        lines.text(self.scenario, &format!("/servers/{server}/{}", self.figure))
    }

    fn ratio(&self, lines: &Lines, server: &str) -> String {
        lines.text(self.scenario, &format!("/servers/{server}/ratios/{}", self.figure))
    }

    /// Both goals, in words.
    fn goal(&self) -> String {
        let [redis, embedded] = self.goals.map(|goal| match goal {
            Goal::None => String::new(),
            Ratio(most) => most.to_string(),
            Kib(most) => format!("{most} KiB"),
        });
        if embedded.is_empty() || embedded == redis { redis } else { format!("{redis} and {embedded}") }
    }
}

/// The label, ratio and goal of everything that has a ratio as its goal.
pub(super) fn goals(lines: &Lines) -> Vec<(String, f64, f64)> {
    let mut goals = Vec::new();
    for row in ROWS {
        for (store, goal) in STORES.into_iter().zip(row.goals) {
            let ratio = lines.number(row.scenario, &format!("/servers/{store}/ratios/{}", row.figure));
            if let (Ratio(most), Some(ratio)) = (goal, ratio) {
                let suffix = if store == "embedded" { ", embedded" } else { "" };
                goals.push((format!("{}{suffix}", row.work), ratio, most));
            }
        }
    }
    goals
}

/// The generated section.
pub(super) fn section(lines: &Lines) -> String {
    let mut text = heading(lines);
    text.push_str(
        "CPU time in µs per unit of work, of the server unless the row says Redis. Ratios are to the floor.\n\n",
    );
    let peers = PEERS.map(|(_, label)| label).join(" | ");
    text.push_str(&format!("| | floor | **ours on Redis** | ratio | **ours, embedded** | ratio | goal | {peers} |\n"));
    text.push_str("|---|---|---|---|---|---|---|---|---|---|\n");
    for row in ROWS {
        let [on_redis, embedded] = STORES.map(|store| own_cells(row, lines, store));
        let peers = PEERS.map(|(peer, _)| row.figure(lines, peer)).join(" | ");
        let floor = row.figure(lines, "floor");
        text.push_str(&format!("| {} | {floor} | {on_redis} | {embedded} | {} | {peers} |\n", row.work, row.goal()));
    }
    text.push_str("\n![Each ratio and its goal](plots/goals.svg)\n\nMore figures of the same run:\n\n");
    text.push_str("| | floor | ours on Redis | ours, embedded |\n|---|---|---|---|\n");
    for row in OTHERS {
        let cells = ["floor", "redis", "embedded"].map(|server| row.figure(lines, server)).join(" | ");
        text.push_str(&format!("| {} | {cells} |\n", row.work));
    }
    text.push_str(
        "\n![CPU time per delivery by the number of readers](plots/delivery-by-readers.svg)\n\n\
         ![Latency of a delivery by the rate of messages](plots/delivery-by-rate.svg)\n",
    );
    text
}

/// Livechat's figure on one store, and its ratio.
fn own_cells(row: &Row, lines: &Lines, store: &str) -> String {
    let figure = row.figure(lines, store);
    let figure = if figure.is_empty() { figure } else { format!("**{figure}**") };
    format!("{figure} | {}", row.ratio(lines, store))
}

fn heading(lines: &Lines) -> String {
    let machine = |pointer| lines.text("machine", pointer);
    let versions = lines.get("machine", "/peers").and_then(|peers| peers.as_object()).into_iter().flatten();
    let versions: Vec<_> =
        versions.map(|(package, version)| format!("{package} {}", version.as_str().unwrap_or_default())).collect();
    format!(
        "Measured at {} at commit {}: {}, {} cores, {} GiB, Linux {}; {}, release build; {}; Node.js {}; {}.\n\n",
        machine("/at"),
        machine("/commit"),
        machine("/processor"),
        machine("/cores"),
        machine("/gib"),
        machine("/kernel"),
        machine("/rustc"),
        machine("/redis"),
        machine("/node"),
        versions.join(", "),
    )
}
