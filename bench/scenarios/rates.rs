//! How long a delivery takes at one rate of messages after the other: 100 readers of one room, messages due at fixed times
//! whatever becomes of those before (an open loop), latency since the moment a message was due. Our server on Redis, on its
//! embedded store and the floor take turns at each rate; one process each, for sends and deliveries.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::contenders::Contender;
use crate::delivery::frame_bytes;
use crate::latency::Latencies;
use crate::rig::{Difference, Pace, Rig};
use crate::support::redis_server::RedisServer;

const READERS: usize = 100;
/// Messages a second.
const RATES: [usize; 5] = [20, 50, 100, 200, 400];
/// How long each rate lasts for who keeps up.
const SECONDS: usize = 4;
/// After so long no other rate begins.
const ENOUGH: Duration = Duration::from_secs(75);

pub async fn run() -> Value {
    let redis = RedisServer::start().await;
    let bytes = frame_bytes(&redis).await;
    let contenders = [Contender::on(&redis), Contender::embedded(), Contender::floor(&redis)];
    let mut rigs = Vec::new();
    for contender in &contenders {
        let (mut rig, _) = Rig::new(contender, contender, READERS, Difference::None, bytes).await;
        // To get warm.
        rig.send(100, Pace::a_second(100)).await;
        rigs.push(rig);
    }
    let (start, mut points) = (Instant::now(), Vec::new());
    for rate in RATES {
        if start.elapsed() > ENOUGH {
            break;
        }
        let mut latencies = Vec::new();
        for rig in &mut rigs {
            latencies.push(Latencies::of(rig.send(rate * SECONDS, Pace::a_second(rate)).await).to_json());
        }
        points.push(json!({
            "messages_a_second": rate,
            "latency_ms": { "redis": latencies[0], "embedded": latencies[1], "floor": latencies[2] },
        }));
    }
    json!({ "readers": READERS, "seconds_a_rate": SECONDS, "points": points })
}
