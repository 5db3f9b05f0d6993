//! What a delivery costs in server CPU time, beside the floor, which passes on what is announced as it is.
//!
//! Messages are sent through one process and delivered by another, which share a Redis, on our side and on the floor's.
//! Only the one with the readers is measured, so that no send is in the figure and none has to be taken off: what is there
//! is an announcement from Redis for each message, and its deliveries. Each of them is counted, and the run fails if a
//! reader misses one.

use std::time::Duration;

use serde_json::{Value, json};

use crate::contenders::Contender;
use crate::latency::Latencies;
use crate::meter::{cpu_micros, median, rounded};
use crate::readers::text;
use crate::rig::{Difference, Pace, Rig};
use crate::rounds::Rounds;
use crate::subscription::Own;
use crate::support::redis_server::RedisServer;

const ROUNDS: usize = 7;
const ENOUGH: Duration = Duration::from_secs(50);

/// What is measured.
#[derive(Clone, Copy)]
pub struct Case {
    pub readers: usize,
    pub difference: Difference,
    pub pace: Pace,
    pub messages_a_round: usize,
    pub rounds: usize,
    /// After so long no other round begins.
    pub enough: Duration,
}

impl Case {
    /// Readers that ask the same, and messages as fast as they go.
    pub const fn full(readers: usize, messages_a_round: usize) -> Self {
        Self {
            readers,
            difference: Difference::None,
            pace: Pace::Full,
            messages_a_round,
            rounds: ROUNDS,
            enough: ENOUGH,
        }
    }
}

/// Ten messages a second.
pub const PACED_1000: Case = Case { pace: Pace::Every(Duration::from_millis(100)), ..Case::full(1_000, 30) };
pub const FULL_1000: Case = Case::full(1_000, 200);
pub const FULL_100: Case = Case::full(100, 2_000);
pub const TOKENS: Case = Case { difference: Difference::Token, ..FULL_1000 };
pub const AFTER: Case = Case { difference: Difference::After, ..FULL_1000 };

/// A room, the process that delivers, and what its rounds have cost.
struct Side {
    readers: Contender,
    /// Held to the end: messages come through it.
    _senders: Contender,
    rig: Rig,
    micros: Vec<f64>,
    latencies: Vec<Duration>,
}

impl Side {
    async fn new(readers: Contender, senders: Contender, case: &Case, bytes: usize) -> Self {
        let (rig, _) = Rig::new(&senders, &readers, case.readers, case.difference, bytes).await;
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
            // Nothing was to be sent at a certain time.
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
        Side::new(Contender::on(&redis), Contender::on(&redis), case, frame_bytes).await,
        Side::new(Contender::floor(&redis), Contender::floor(&redis), case, frame_bytes).await,
    ];
    let mut rounds = Rounds::new(case.rounds, case.enough);
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

/// How much our server sends one reader for one message.
pub async fn frame_bytes(redis: &RedisServer) -> usize {
    let server = Contender::on(redis);
    let room = server.new_room().await;
    let mut line = server.follow(&room, Own::default()).await;
    server.followers_become(&room, 1).await;
    server.sender(&room, 0).await.send(0).await;
    let frame = line.hear().await;
    assert!(frame.contains(&text(0)), "{frame}");
    frame.len()
}
