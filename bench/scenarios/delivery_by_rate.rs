//! Latency of a delivery by the rate of messages, with 100 readers of one room.
//!
//! The load is an open loop: messages are due at fixed times regardless of earlier ones, and latency counts from the due time.
//! Livechat on each store and the floor take turns at each rate.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::contestants::OURS;
use crate::latency::Latencies;
use crate::loaded_room::{Difference, LoadedRoom, Pace};
use crate::target::Target;

const READERS: usize = 100;
/// Messages a second.
const RATES: [u32; 5] = [20, 50, 100, 200, 400];
/// Duration of each rate, if the server keeps up.
const SECONDS: usize = 4;
/// No rate starts after this time.
const TIME_LIMIT: Duration = Duration::from_secs(75);

pub async fn run() -> Value {
    let mut sides = Vec::new();
    for contestant in OURS {
        let target = Target::start(contestant).await;
        let (mut rig, _) = LoadedRoom::new(&target, READERS, Difference::None).await;
        // Warm up.
        rig.send(100, Pace::per_second(100)).await;
        sides.push((target, rig));
    }
    let (start, mut points) = (Instant::now(), Vec::new());
    for rate in RATES {
        if start.elapsed() > TIME_LIMIT {
            break;
        }
        let mut latencies = Map::new();
        for (target, rig) in &mut sides {
            let measured = Latencies::of(rig.send(rate as usize * SECONDS, Pace::per_second(rate)).await);
            latencies.insert(target.contestant.name.to_owned(), measured.to_json());
        }
        points.push(json!({ "messages_a_second": rate, "latency_ms": latencies }));
    }
    json!({ "readers": READERS, "seconds_a_rate": SECONDS, "points": points })
}
