//! What a delivery costs in server CPU time, beside the floor: a bare axum server that sends one ready frame to everybody.
//! Run by hand, all cases or those whose names hold a word:
//!
//! ```sh
//! cargo bench --bench delivery
//! cargo bench --bench delivery -- 1000-full
//! ```
//!
//! Rounds on our server and on the floor take turns, so that both meet the same machine. Every delivery is counted, and
//! the run fails if a reader misses one. What the sends themselves cost is measured without readers, in rounds of its
//! own, and taken off. One line of JSON a case and server, one for each case with the ratio of the two.

mod floor;
#[allow(dead_code)]
mod line;
#[allow(dead_code)]
mod meter;
mod readers;
mod rig;
mod subscription;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::time::Duration;

use floor::Floor;
use line::Line;
use meter::{cpu_micros, median, rounded};
use readers::text;
use rig::{Difference, Pace, Rig};
use serde_json::json;
use subscription::{Own, subscribe};
use support::client::User;
use support::server::Server;

const ROUNDS: usize = 5;

/// Ten messages a second.
const PACED: Pace = Pace::Every(Duration::from_millis(100));

struct Case {
    name: &'static str,
    readers: usize,
    difference: Difference,
    pace: Pace,
    messages_a_round: usize,
}

const fn case(name: &'static str, readers: usize, difference: Difference, pace: Pace, messages_a_round: usize) -> Case {
    Case { name, readers, difference, pace, messages_a_round }
}

const CASES: [Case; 8] = [
    case("same-100-paced", 100, Difference::None, PACED, 100),
    case("same-100-full", 100, Difference::None, Pace::Full, 2_000),
    case("same-1000-paced", 1_000, Difference::None, PACED, 50),
    case("same-1000-full", 1_000, Difference::None, Pace::Full, 200),
    case("tokens-1000-paced", 1_000, Difference::Token, PACED, 50),
    case("tokens-1000-full", 1_000, Difference::Token, Pace::Full, 200),
    case("after-1000-paced", 1_000, Difference::After, PACED, 50),
    case("after-1000-full", 1_000, Difference::After, Pace::Full, 200),
];

fn main() {
    floor::serve_if_asked();
    let words: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let chosen = |case: &&Case| words.is_empty() || words.iter().any(|word| case.name.contains(word.as_str()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for case in CASES.iter().filter(chosen) {
            measure(case).await;
        }
    });
}

/// Both servers, new for every case.
async fn measure(case: &Case) {
    // What is posted to a floor goes to all its readers, so that sends without readers need another one.
    let (server, floor, quiet_floor) = (Server::embedded(), Floor::start(), Floor::start());
    let frame = example_frame(&server).await;
    let client = server.client();
    let (busy_room, quiet_room) = (client.create_room().await, client.create_room().await);
    let mut loaded = [
        Rig::of_server(&server, &busy_room, case.readers, case.difference).await,
        Rig::of_floor(&floor, case.readers, &frame).await,
    ];
    let mut alone =
        [Rig::of_server(&server, &quiet_room, 0, Difference::None).await, Rig::of_floor(&quiet_floor, 0, &frame).await];
    // CPU time a message with readers, and without.
    let (mut with, mut without) = ([const { Vec::new() }; 2], [const { Vec::new() }; 2]);
    for round in 0..=ROUNDS {
        for (rigs, costs) in [(&mut loaded, &mut with), (&mut alone, &mut without)] {
            for (rig, costs) in rigs.iter_mut().zip(costs) {
                let cost = cpu_a_message(rig, case).await;
                // The first round is to get warm.
                if round > 0 {
                    costs.push(cost);
                }
            }
        }
    }
    let (with, without) = (with.map(median), without.map(median));
    let [ours, floor] = [0, 1].map(|i| (with[i] - without[i]) / case.readers as f64);
    for (server, i, cost) in [("livechat", 0, ours), ("floor", 1, floor)] {
        let messages = ROUNDS * case.messages_a_round;
        let line = json!({
            "bench": "delivery", "case": case.name, "server": server, "readers": case.readers, "messages": messages,
            "deliveries": messages * case.readers, "frame_bytes": frame.len(),
            "cpu_us_per_delivery": rounded(cost, 2), "cpu_us_per_send": rounded(without[i], 1),
            "cpu_us_per_delivery_with_sends": rounded(with[i] / case.readers as f64, 2),
        });
        println!("{line}");
    }
    let line = json!({
        "bench": "delivery", "case": case.name, "ratio": rounded(ours / floor, 2),
        "ratio_with_sends": rounded(with[0] / with[1], 2),
    });
    println!("{line}");
}

/// One round.
async fn cpu_a_message(rig: &mut Rig, case: &Case) -> f64 {
    let before = cpu_micros(rig.process);
    rig.send(case.messages_a_round, case.pace).await;
    (cpu_micros(rig.process) - before) / case.messages_a_round as f64
}

/// What our server sends one reader for one message.
async fn example_frame(server: &Server) -> String {
    let client = server.client();
    let room = client.create_room().await;
    let mut line = Line::open(server.address(), "/graphql").await;
    subscribe(&mut line, &room, Own::default()).await;
    client.viewers_become(&room, 1).await;
    User::of(client).send(&room, &text(0)).await;
    line.hear().await
}
