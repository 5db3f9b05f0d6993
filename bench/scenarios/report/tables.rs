//! The tables of the report, in Markdown.

use super::Lines;

/// A row of the first table: the scenario, JSON pointers to livechat's figure, the compared figure and their ratio, the goal,
/// and the figures of other servers.
struct Row {
    work: &'static str,
    /// A short label.
    short: &'static str,
    scenario: &'static str,
    ours: &'static str,
    beside: &'static str,
    ratio: &'static str,
    goal: &'static str,
    peers: [&'static str; 6],
}

const ROWS: [Row; 7] = [
    Row {
        work: "a delivery, 1,000 subscribers of one room, 10 messages/s",
        short: "a delivery, 1,000 readers, 10 messages/s",
        scenario: "delivery-1000-paced",
        ours: "/ours/cpu_us",
        beside: "/floor/cpu_us",
        ratio: "/ratio",
        goal: "1.3",
        peers: ["7.5", "55", "51", "39", "15", "none"],
    },
    Row {
        work: "the same, at full speed",
        short: "a delivery, 1,000 readers, at full speed",
        scenario: "delivery-1000-full",
        ours: "/ours/cpu_us",
        beside: "/floor/cpu_us",
        ratio: "/ratio",
        goal: "1.3",
        peers: ["3.8", "20", "42", "30", "9.5", "none"],
    },
    Row {
        work: "a delivery, 100 subscribers, at full speed",
        short: "a delivery, 100 readers, at full speed",
        scenario: "delivery-100-full",
        ours: "/ours/cpu_us",
        beside: "/floor/cpu_us",
        ratio: "/ratio",
        goal: "1.3",
        peers: ["3.3", "14", "39", "23", "11", "none"],
    },
    Row {
        work: "a send, no subscribers, 32 connections",
        short: "a send",
        scenario: "send",
        ours: "/redis",
        beside: "/floor",
        ratio: "/ratio",
        goal: "2.5",
        peers: ["26", "61", "315", "127", "287", "1,805"],
    },
    Row {
        work: "a send on the embedded store, on disk before it is answered; compared with Redis",
        short: "a send on the embedded store, compared with Redis",
        scenario: "send",
        ours: "/embedded",
        beside: "/redis",
        ratio: "/embedded_to_redis",
        goal: "1.5",
        peers: [""; 6],
    },
    Row {
        work: "read the last 50 of 1,000 messages",
        short: "a read of 50 messages",
        scenario: "read",
        ours: "/redis",
        beside: "/floor",
        ratio: "/ratio",
        goal: "4",
        peers: ["26", "211", "474", "157", "260", "4,220 (all of them)"],
    },
    Row {
        work: "KiB of memory per idle subscribed socket",
        short: "memory of an idle socket",
        scenario: "idle-memory",
        ours: "/ours/kib_a_socket",
        beside: "/floor/kib_a_socket",
        ratio: "/ratio",
        goal: "8 KiB",
        peers: ["3.4", "147", "17", "62", "22", "none"],
    },
];

/// The label, ratio and goal of each row that has a goal.
pub(super) fn goals(lines: &Lines) -> Vec<(&'static str, f64, f64)> {
    let goal = |row: &Row| Some((row.short, lines.number(row.scenario, row.ratio)?, row.goal.parse().ok()?));
    ROWS.iter().filter_map(goal).collect()
}

/// Rows of the second table: label, unit, scenario, and JSON pointers to the figures on Redis, on the embedded store and of the
/// floor, and to the ratio.
const OTHERS: [(&str, &str, &str, [&str; 4]); 8] = [
    (
        "a delivery, 1,000 subscribers with a token and operation id each",
        "CPU µs",
        "delivery-1000-tokens",
        ["/ours/cpu_us", "", "/floor/cpu_us", "/ratio"],
    ),
    (
        "a delivery, 1,000 subscribers with a different `after` each",
        "CPU µs",
        "delivery-1000-after",
        ["/ours/cpu_us", "", "/floor/cpu_us", "/ratio"],
    ),
    ("a delivery, rooms of two", "CPU µs", "rooms-10000", ["/ours/cpu_us", "", "/floor/cpu_us", "/ratio"]),
    ("a socket in rooms of two", "KiB", "rooms-10000", ["/ours/kib_a_socket", "", "/floor/kib_a_socket", ""]),
    ("a socket that reconnects in a storm of 5,000", "CPU µs", "storm", ["/redis", "/embedded", "/floor", "/ratio"]),
    (
        "until all 5,000 have caught up",
        "s",
        "storm",
        ["/caught_up_s/redis", "/caught_up_s/embedded", "/caught_up_s/floor", ""],
    ),
    (
        "an event for a reader that is 10,000 events behind",
        "CPU µs",
        "replay",
        ["/redis", "/embedded", "/floor", "/ratio"],
    ),
    (
        "the same, time",
        "µs",
        "replay",
        ["/time_us_per_event/redis", "/time_us_per_event/embedded", "/time_us_per_event/floor", ""],
    ),
];

/// The generated section.
pub(super) fn section(lines: &Lines) -> String {
    let mut text = heading(lines);
    text.push_str(
        "The peers are written idiomatically. Their figures, and those of the floor next to them, were **measured elsewhere, \
         on another machine**: compare only ratios.\n\n\
         | server CPU µs, or KiB | floor, here | **ours, here** | ratio | goal | floor, elsewhere | \
         naive axum + async-graphql | GraphQL Yoga | Mercurius | Socket.IO | the original |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in &ROWS {
        let figure = |pointer| lines.text(row.scenario, pointer);
        text.push_str(&format!(
            "| {} | {} | **{}** | {} | {} | {} |\n",
            row.work,
            figure(row.beside),
            figure(row.ours),
            figure(row.ratio),
            row.goal,
            row.peers.join(" | ")
        ));
    }
    text.push_str("\n![Each ratio and its goal](plots/goals.svg)\n");
    text.push_str(
        "\nOther scenarios, on this machine:\n\n| | unit | ours on Redis | ours, embedded | floor | ratio |\n|---|---|---|---|---|---|\n",
    );
    for (what, unit, scenario, pointers) in OTHERS {
        let cells =
            pointers.map(|pointer| if pointer.is_empty() { String::new() } else { lines.text(scenario, pointer) });
        text.push_str(&format!("| {what} | {unit} | {} |\n", cells.join(" | ")));
    }
    let storm_errors = lines.text("storm", "/errors");
    let rooms = lines.text("rooms-10000", "/rooms");
    text.push_str(&format!(
        "\nErrors in the storms: {storm_errors}. Rooms of two: {rooms}.\n\n\
         ![CPU time per delivery by the number of readers](plots/delivery-by-readers.svg)\n\n\
         ![Latency of a delivery by the rate of messages](plots/delivery-by-rate.svg)\n"
    ));
    text
}

fn heading(lines: &Lines) -> String {
    let machine = |pointer| lines.text("machine", pointer);
    format!(
        "Measured at {} at commit {}: {}, {} cores, {} GiB, Linux {}; {}, release build; {}.\n\n",
        machine("/at"),
        machine("/commit"),
        machine("/processor"),
        machine("/cores"),
        machine("/gib"),
        machine("/kernel"),
        machine("/rustc"),
        machine("/redis"),
    )
}
