//! What a delivery costs as a room gets more readers, as fast as it goes: `delivery` for one size after the other.

use std::time::Duration;

use serde_json::{Value, json};

use crate::delivery::{self, Case};

/// Readers of the room. Messages are fewer with more of them.
const SIZES: [usize; 5] = [10, 30, 100, 300, 1_000];
const DELIVERIES_A_ROUND: usize = 50_000;
const ROUNDS: usize = 3;
const ENOUGH: Duration = Duration::from_secs(10);

pub async fn run() -> Value {
    let mut points = Vec::new();
    for readers in SIZES {
        let messages = (DELIVERIES_A_ROUND / readers).min(1_000);
        let measured = delivery::run(&Case { rounds: ROUNDS, enough: ENOUGH, ..Case::full(readers, messages) }).await;
        points.push(json!({
            "readers": readers, "ours": measured["ours"]["cpu_us"], "floor": measured["floor"]["cpu_us"],
            "ratio": measured["ratio"],
        }));
    }
    json!({ "unit": "server CPU microseconds a delivery", "points": points })
}
