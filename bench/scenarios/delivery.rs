//! CPU time of a delivery, compared with the floor, which forwards announcements unchanged.
//!
//! One process takes the sends and another delivers; they share a Redis. Only the delivering process is measured, so the figure
//! contains no sends: it consists of one announcement from Redis per message, and the deliveries. Deliveries are counted, and
//! the run fails if a reader misses one.

use std::time::Duration;

use serde_json::{Value, json};

use crate::latency::Latencies;
use crate::loaded_room::{Difference, LoadedRoom, Pace};
use crate::process_stats::{cpu_micros, median, rounded};
use crate::readers::text;
use crate::rounds::Rounds;
use crate::subscription::SubscriptionOptions;
use crate::support::redis_server::RedisServer;
use crate::target::Target;

const ROUNDS: usize = 7;
const TIME_LIMIT: Duration = Duration::from_secs(50);

/// A variant of the measurement.
#[derive(Clone, Copy)]
pub struct Case {
    pub readers: usize,
    pub difference: Difference,
    pub pace: Pace,
    pub messages_a_round: usize,
    pub rounds: usize,
    /// No round starts after this time.
    pub time_limit: Duration,
}

impl Case {
    /// Identical subscriptions, and messages at full speed.
    pub const fn full(readers: usize, messages_a_round: usize) -> Self {
        Self {
            readers,
            difference: Difference::None,
            pace: Pace::Full,
            messages_a_round,
            rounds: ROUNDS,
            time_limit: TIME_LIMIT,
        }
    }
}

/// Ten messages a second.
pub const PACED_1000: Case = Case { pace: Pace::Every(Duration::from_millis(100)), ..Case::full(1_000, 30) };
pub const FULL_1000: Case = Case::full(1_000, 200);
pub const FULL_100: Case = Case::full(100, 2_000);
pub const TOKENS: Case = Case { difference: Difference::Token, ..FULL_1000 };
pub const AFTER: Case = Case { difference: Difference::After, ..FULL_1000 };

/// A room, the process that delivers its events, and the cost of each round.
struct Side {
    readers: Target,
    /// Kept alive because messages are sent through it.
    _senders: Target,
    rig: LoadedRoom,
    micros: Vec<f64>,
    latencies: Vec<Duration>,
}

impl Side {
    async fn new(readers: Target, senders: Target, case: &Case, bytes: usize) -> Self {
        let (rig, _) = LoadedRoom::new(&senders, &readers, case.readers, case.difference, bytes).await;
        Self { readers, _senders: senders, rig, micros: vec![], latencies: vec![] }
    }

    async fn round(&mut self, case: &Case, counts: bool) {
        let before = cpu_micros(self.readers.process_id());
        let latencies = self.rig.send(case.messages_a_round, case.pace).await;
        let spent = cpu_micros(self.readers.process_id()) - before;
        if counts {
            self.micros.push(spent / (case.messages_a_round * case.readers) as f64);
            self.latencies.extend(latencies);
        }
    }

    fn to_json(&self, case: &Case) -> Value {
        let latency = match case.pace {
            Pace::Every(_) => Latencies::of(self.latencies.clone()).to_json(),
            // At full speed, messages have no due time.
            Pace::Full => Value::Null,
        };
        json!({
            "cpu_us": rounded(self.cost(), 2), "rounds_cpu_us": self.micros.iter().map(|micros| rounded(*micros, 2)).collect::<Vec<_>>(),
            "latency_ms": latency,
        })
    }

    fn cost(&self) -> f64 {
        median(self.micros.clone())
    }
}

pub async fn run(case: &Case) -> Value {
    let redis = RedisServer::start().await;
    let frame_bytes = frame_bytes(&redis).await;
    let mut sides = [
        Side::new(Target::on(&redis), Target::on(&redis), case, frame_bytes).await,
        Side::new(Target::floor(&redis), Target::floor(&redis), case, frame_bytes).await,
    ];
    let mut rounds = Rounds::new(case.rounds, case.time_limit);
    while let Some(counts) = rounds.next() {
        for side in &mut sides {
            side.round(case, counts).await;
        }
    }
    json!({
        "readers": case.readers, "rounds": rounds.counted(), "messages_a_round": case.messages_a_round,
        "deliveries": rounds.counted() * case.messages_a_round * case.readers, "frame_bytes": frame_bytes,
        "unit": "server CPU microseconds a delivery",
        "ours": sides[0].to_json(case), "floor": sides[1].to_json(case),
        "ratio": rounded(sides[0].cost() / sides[1].cost(), 2),
    })
}

/// The size of the frame that livechat sends a reader for a message.
pub async fn frame_bytes(redis: &RedisServer) -> usize {
    let server = Target::on(redis);
    let room = server.new_room().await;
    let mut socket = server.follow(&room, SubscriptionOptions::default()).await;
    server.wait_for_followers(&room, 1).await;
    server.sender(&room, 0).await.send(0).await;
    let frame = socket.next_text().await;
    assert!(frame.contains(&text(0)), "{frame}");
    frame.len()
}
