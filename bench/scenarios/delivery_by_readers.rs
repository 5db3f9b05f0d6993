//! Cost of a delivery by the number of readers: runs `delivery` at full speed for several room sizes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::contestants::{FLOOR, ON_REDIS};
use crate::delivery::{self, Case};

/// Readers of the room. Larger rooms get fewer messages.
const SIZES: [usize; 5] = [10, 30, 100, 300, 1_000];
const DELIVERIES_PER_ROUND: usize = 50_000;
const ROUNDS: usize = 3;
const TIME_LIMIT: Duration = Duration::from_secs(10);

pub async fn run() -> Value {
    let mut points = Vec::new();
    for readers in SIZES {
        let messages = (DELIVERIES_PER_ROUND / readers).min(1_000);
        let case = Case {
            rounds: ROUNDS,
            time_limit: TIME_LIMIT,
            contestants: &[&FLOOR, &ON_REDIS],
            ..Case::full(readers, messages)
        };
        let measured = delivery::run(&case).await;
        let cost = |server: &str| &measured["servers"][server]["cpu_us"];
        points.push(json!({ "readers": readers, "redis": cost("redis"), "floor": cost("floor") }));
    }
    json!({ "unit": "server CPU microseconds a delivery", "points": points })
}
