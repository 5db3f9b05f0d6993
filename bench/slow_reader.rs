//! What readers that stop reading cost the others; `stopped_readers` says what they cost the server. Run by hand:
//!
//! ```sh
//! cargo bench --bench slow_reader
//! ```
//!
//! 100 readers of one room at a steady pace, in rounds that take turns: with 10 more who have stopped reading, and
//! without. The latency of a delivery counts from the moment its message was to be sent. Two lines of JSON.

#[allow(dead_code)]
mod floor;
#[allow(dead_code)]
mod line;
#[allow(dead_code)]
mod meter;
mod readers;
#[allow(dead_code)]
mod rig;
mod subscription;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::time::Duration;

use line::Line;
use meter::rounded;
use rig::{Difference, Pace, Rig};
use serde_json::json;
use subscription::{Own, subscribe};
use support::client::RoomKey;
use support::server::Server;

const READERS: usize = 100;
const STOPPED: usize = 10;
const ROUNDS: usize = 6;
const PACE: Pace = Pace::Every(Duration::from_millis(10));
/// 8 seconds, in which those who have stopped are not closed yet.
const MESSAGES_A_ROUND: usize = 800;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let server = Server::embedded();
    let room = server.client().create_room().await;
    let mut rig = Rig::of_server(&server, &room, READERS, Difference::None).await;
    // To get warm.
    rig.send(MESSAGES_A_ROUND, PACE).await;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.extend(rig.send(MESSAGES_A_ROUND, PACE).await);
        let stopped = stopped_readers(&server, &room).await;
        with.extend(rig.send(MESSAGES_A_ROUND, PACE).await);
        drop(stopped);
        server.client().viewers_become(&room, READERS).await;
    }
    for (stopped, latencies) in [(0, &mut without), (STOPPED, &mut with)] {
        latencies.sort_unstable();
        let millis = |share: f64| {
            let latency = latencies[(latencies.len() as f64 * share) as usize];
            rounded(latency.as_secs_f64() * 1_000.0, 3)
        };
        let line = json!({
            "bench": "slow_reader", "readers": READERS, "stopped": stopped, "deliveries": latencies.len(),
            "p50_ms": millis(0.5), "p99_ms": millis(0.99), "p999_ms": millis(0.999),
        });
        println!("{line}");
    }
}

/// Readers who subscribe and then read nothing.
async fn stopped_readers(server: &Server, room: &RoomKey) -> Vec<Line> {
    let mut lines = Vec::new();
    for _ in 0..STOPPED {
        let mut line = Line::open_narrow(server.address(), "/graphql").await;
        subscribe(&mut line, room, Own::default()).await;
        lines.push(line);
    }
    server.client().viewers_become(room, READERS + STOPPED).await;
    lines
}
