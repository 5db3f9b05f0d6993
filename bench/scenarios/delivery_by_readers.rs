//! Cost of a delivery by the number of readers: runs `delivery` at full speed for several room sizes.

use std::time::Duration;

use serde_json::{Value, json};

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
        let measured =
            delivery::run(&Case { rounds: ROUNDS, time_limit: TIME_LIMIT, ..Case::full(readers, messages) }).await;
        points.push(json!({
            "readers": readers, "ours": measured["ours"]["cpu_us"], "floor": measured["floor"]["cpu_us"],
            "ratio": measured["ratio"],
        }));
    }
    json!({ "unit": "server CPU microseconds a delivery", "points": points })
}
