//! What a delivery costs in server CPU time, beside the floor, which sends one ready frame to everybody.
//!
//! Every delivery is counted, and the run fails if a reader misses one. What the sends themselves cost is measured without
//! readers, in rounds of its own, and taken off.

use std::time::Duration;

use crate::floor::Floor;
use crate::line::Line;
use crate::meter::{cpu_micros, median, rounded};
use crate::readers::text;
use crate::rig::{Difference, Pace, Rig};
use crate::subscription::{Own, subscribe};
use crate::support::client::User;
use crate::support::server::Server;
use serde_json::{Value, json};

const ROUNDS: usize = 5;

/// Ten messages a second.
const PACED: Pace = Pace::Every(Duration::from_millis(100));

pub struct Case {
    readers: usize,
    difference: Difference,
    pace: Pace,
    messages_a_round: usize,
}

const fn case(readers: usize, difference: Difference, pace: Pace, messages_a_round: usize) -> Case {
    Case { readers, difference, pace, messages_a_round }
}

pub const PACED_1000: Case = case(1_000, Difference::None, PACED, 50);
pub const FULL_1000: Case = case(1_000, Difference::None, Pace::Full, 200);
pub const FULL_100: Case = case(100, Difference::None, Pace::Full, 2_000);
pub const FULL_1000_TOKENS: Case = case(1_000, Difference::Token, Pace::Full, 200);
pub const FULL_1000_AFTER: Case = case(1_000, Difference::After, Pace::Full, 200);

/// Both servers, new for every case.
pub async fn run(case: &Case) -> Value {
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
    let messages = ROUNDS * case.messages_a_round;
    let side = |i: usize, cost: f64| {
        json!({
            "cpu_us_per_delivery": rounded(cost, 2), "cpu_us_per_send": rounded(without[i], 1),
            "cpu_us_per_delivery_with_sends": rounded(with[i] / case.readers as f64, 2),
        })
    };
    json!({
        "readers": case.readers, "rounds": ROUNDS, "messages": messages, "deliveries": messages * case.readers,
        "frame_bytes": frame.len(), "unit": "server CPU microseconds a delivery",
        "ours": side(0, ours), "floor": side(1, floor),
        "ratio": rounded(ours / floor, 2), "ratio_with_sends": rounded(with[0] / with[1], 2),
    })
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
