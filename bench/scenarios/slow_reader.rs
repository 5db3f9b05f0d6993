//! Effect of readers that stop reading on the latency of the other readers. `stopped_readers` measures their memory.
//!
//! 100 readers of one room with messages at a fixed rate. Rounds alternate: with 10 additional readers that have stopped
//! reading, and without. Latency counts from the time a message was due; p50 and p99 are medians of the rounds. Rounds are many
//! and short, so that other load on the machine affects both kinds alike; the quartiles show the spread.

use std::time::Duration;

use serde_json::{Value, json};

use crate::contestants::EMBEDDED;
use crate::latency::Latencies;
use crate::loaded_room::{Difference, LoadedRoom, Pace};
use crate::process_stats::{median, rounded};
use crate::subscription::{SubscriptionOptions, subscribe};
use crate::support::client::RoomKey;
use crate::target::Target;
use crate::websocket::WebSocketClient;

const READERS: usize = 100;
const STOPPED: usize = 10;
const ROUNDS: usize = 15;
const PACE: Pace = Pace::Every(Duration::from_millis(10));
/// Two seconds: too short for the server to close the stopped readers.
const MESSAGES_PER_ROUND: usize = 200;

pub async fn run() -> Value {
    let target = Target::start(&EMBEDDED).await;
    let (mut rig, room) = LoadedRoom::new(&target, READERS, Difference::None).await;
    // Warm up.
    rig.send(MESSAGES_PER_ROUND, PACE).await;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(Latencies::of(rig.send(MESSAGES_PER_ROUND, PACE).await));
        let stopped = open_stopped_readers(&target, &room).await;
        with.push(Latencies::of(rig.send(MESSAGES_PER_ROUND, PACE).await));
        drop(stopped);
        target.wait_for_followers([&room], READERS).await;
    }
    let side = |rounds: &[Latencies]| {
        let middle = |percentile: fn(&Latencies) -> f64| rounded(median(rounds.iter().map(percentile).collect()), 2);
        json!({
            "p50_ms": middle(|round| round.p50), "p99_ms": middle(|round| round.p99),
            "p99_ms_of_half_the_rounds": quartiles(rounds.iter().map(|round| round.p99).collect()),
        })
    };
    // Each round is compared with the one just before it.
    let ratios: Vec<_> = with.iter().zip(&without).map(|(with, without)| with.p99 / without.p99).collect();
    json!({
        "readers": READERS, "rounds": ROUNDS, "deliveries_a_round": MESSAGES_PER_ROUND * READERS,
        "all_read": side(&without), "stopped": STOPPED, "some_stopped": side(&with),
        "p99_ratio_of_half_the_rounds": quartiles(ratios.clone()), "p99_ratio": rounded(median(ratios), 2),
    })
}

/// The first and third quartile.
fn quartiles(mut figures: Vec<f64>) -> [f64; 2] {
    figures.sort_by(f64::total_cmp);
    [figures[figures.len() / 4], figures[figures.len() * 3 / 4]].map(|figure| rounded(figure, 2))
}

/// Opens readers that subscribe and then read nothing.
async fn open_stopped_readers(target: &Target, room: &RoomKey) -> Vec<WebSocketClient> {
    let mut sockets = Vec::new();
    for _ in 0..STOPPED {
        let mut socket = WebSocketClient::open_narrow(target.address(), "/graphql").await;
        subscribe(&mut socket, room, SubscriptionOptions::default()).await;
        sockets.push(socket);
    }
    target.wait_for_followers([room], READERS + STOPPED).await;
    sockets
}
