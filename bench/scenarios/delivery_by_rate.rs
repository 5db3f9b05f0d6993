//! Latency of a delivery by the rate of messages, with 100 readers of one room.
//!
//! The load is an open loop: messages are due at fixed times regardless of earlier ones, and latency counts from the due time.
//! Livechat on Redis, livechat on its embedded store, and the floor take turns at each rate. Each is one process for sends and
//! deliveries.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::delivery::frame_bytes;
use crate::latency::Latencies;
use crate::loaded_room::{Difference, LoadedRoom, Pace};
use crate::support::redis_server::RedisServer;
use crate::target::Target;

const READERS: usize = 100;
/// Messages a second.
const RATES: [usize; 5] = [20, 50, 100, 200, 400];
/// Duration of each rate, if the server keeps up.
const SECONDS: usize = 4;
/// No rate starts after this time.
const TIME_LIMIT: Duration = Duration::from_secs(75);

pub async fn run() -> Value {
    let redis = RedisServer::start().await;
    let bytes = frame_bytes(&redis).await;
    let targets = [Target::on(&redis), Target::embedded(), Target::floor(&redis)];
    let mut rigs = Vec::new();
    for target in &targets {
        let (mut rig, _) = LoadedRoom::new(target, target, READERS, Difference::None, bytes).await;
        // Warm up.
        rig.send(100, Pace::per_second(100)).await;
        rigs.push(rig);
    }
    let (start, mut points) = (Instant::now(), Vec::new());
    for rate in RATES {
        if start.elapsed() > TIME_LIMIT {
            break;
        }
        let mut latencies = Vec::new();
        for rig in &mut rigs {
            latencies.push(Latencies::of(rig.send(rate * SECONDS, Pace::per_second(rate)).await).to_json());
        }
        points.push(json!({
            "messages_a_second": rate,
            "latency_ms": { "redis": latencies[0], "embedded": latencies[1], "floor": latencies[2] },
        }));
    }
    json!({ "readers": READERS, "seconds_a_rate": SECONDS, "points": points })
}
