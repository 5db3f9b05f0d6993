//! CPU time of a send without subscribers: 32 connections send back to back. Livechat on Redis, livechat on its embedded store,
//! and the floor take turns, in a new room each round.
//!
//! Rate limits are active, but too high to be reached. The CPU time of Redis is reported, too.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::latency::Latencies;
use crate::process_stats::{cpu_micros, median, rounded};
use crate::rounds::Rounds;
use crate::sender::Sender;
use crate::support::client::RoomKey;
use crate::support::redis_server::RedisServer;
use crate::target::Target;

const CONNECTIONS: usize = 32;
const SENDS_EACH: usize = 100;
const ROUNDS: usize = 11;
/// No round starts after this time.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The senders of one target, and the cost of each round.
struct Side {
    target: Target,
    senders: Vec<Sender>,
    server_micros: Vec<f64>,
    redis_micros: Vec<f64>,
    elapsed: Vec<Duration>,
}

pub async fn run() -> Value {
    let redis = RedisServer::start().await;
    let targets = [Target::on(&redis), Target::embedded(), Target::floor(&redis)];
    let mut sides = Vec::new();
    for target in targets {
        let room = target.new_room().await;
        let senders = join_all((0..CONNECTIONS).map(|_| target.sender(&room, 0))).await;
        sides.push(Side { target, senders, server_micros: vec![], redis_micros: vec![], elapsed: vec![] });
    }
    let mut rounds = Rounds::new(ROUNDS, TIME_LIMIT);
    while let Some(counts) = rounds.next() {
        for side in &mut sides {
            let room = side.target.new_room().await;
            side.round(&room, redis.process_id(), counts).await;
        }
    }
    let [on_redis, embedded, floor] = [0, 1, 2].map(|i| median(sides[i].server_micros.clone()));
    let redis_of = |i: usize| rounded(median(sides[i].redis_micros.clone()), 1);
    let latency = |i: usize| Latencies::of(sides[i].elapsed.clone()).to_json();
    json!({
        "connections": CONNECTIONS, "rounds": rounds.counted(), "sends_a_round": CONNECTIONS * SENDS_EACH,
        "unit": "server CPU microseconds a send",
        "redis": rounded(on_redis, 1), "embedded": rounded(embedded, 1), "floor": rounded(floor, 1),
        "ratio": rounded(on_redis / floor, 2), "embedded_to_redis": rounded(embedded / on_redis, 2),
        "cpu_us_of_redis": { "redis": redis_of(0), "floor": redis_of(2) },
        "latency_ms": { "redis": latency(0), "embedded": latency(1), "floor": latency(2) },
    })
}

impl Side {
    /// Sends from every connection to this room.
    async fn round(&mut self, room: &RoomKey, redis: u32, counts: bool) {
        let before = (cpu_micros(self.target.process_id()), cpu_micros(redis));
        let elapsed = join_all(self.senders.iter_mut().map(async |sender| {
            sender.move_to(room);
            let mut elapsed = Vec::with_capacity(SENDS_EACH);
            for number in 0..SENDS_EACH {
                let start = Instant::now();
                sender.send(number).await;
                elapsed.push(start.elapsed());
            }
            elapsed
        }))
        .await;
        if counts {
            let sends = (CONNECTIONS * SENDS_EACH) as f64;
            self.server_micros.push((cpu_micros(self.target.process_id()) - before.0) / sends);
            self.redis_micros.push((cpu_micros(redis) - before.1) / sends);
            self.elapsed.extend(elapsed.into_iter().flatten());
        }
    }
}
