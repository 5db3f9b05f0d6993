//! What a send costs in server CPU time when nobody subscribes: 32 connections, each sends as soon as it has its answer.
//! Our server on Redis, our server on its embedded store and the floor take turns, in a new room each round.
//!
//! Rates are limited as in production, by figures that nobody reaches. Redis's own CPU time is told beside.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::contenders::Contender;
use crate::latency::Latencies;
use crate::meter::{cpu_micros, median, rounded};
use crate::rounds::Rounds;
use crate::sender::Sender;
use crate::support::client::RoomKey;
use crate::support::redis_server::RedisServer;

const CONNECTIONS: usize = 32;
const SENDS_EACH: usize = 100;
const ROUNDS: usize = 11;
/// After so long no other round begins.
const ENOUGH: Duration = Duration::from_secs(60);

/// The senders of one contender, and what its rounds have cost.
struct Side {
    contender: Contender,
    senders: Vec<Sender>,
    server_micros: Vec<f64>,
    redis_micros: Vec<f64>,
    took: Vec<Duration>,
}

pub async fn run() -> Value {
    let redis = RedisServer::start().await;
    let contenders = [Contender::on(&redis), Contender::embedded(), Contender::floor(&redis)];
    let mut sides = Vec::new();
    for contender in contenders {
        let room = contender.new_room().await;
        let senders = join_all((0..CONNECTIONS).map(|_| contender.sender(&room, 0))).await;
        sides.push(Side { contender, senders, server_micros: vec![], redis_micros: vec![], took: vec![] });
    }
    let mut rounds = Rounds::new(ROUNDS, ENOUGH);
    while let Some(counts) = rounds.next() {
        for side in &mut sides {
            let room = side.contender.new_room().await;
            side.round(&room, redis.process_id(), counts).await;
        }
    }
    let [on_redis, embedded, floor] = [0, 1, 2].map(|i| median(sides[i].server_micros.clone()));
    let redis_of = |i: usize| rounded(median(sides[i].redis_micros.clone()), 1);
    let latency = |i: usize| Latencies::of(sides[i].took.clone()).to_json();
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
    /// Every connection sends its share to this room.
    async fn round(&mut self, room: &RoomKey, redis: u32, counts: bool) {
        let before = (cpu_micros(self.contender.process_id()), cpu_micros(redis));
        let took = join_all(self.senders.iter_mut().map(async |sender| {
            sender.move_to(room);
            let mut took = Vec::with_capacity(SENDS_EACH);
            for number in 0..SENDS_EACH {
                let start = Instant::now();
                sender.send(number).await;
                took.push(start.elapsed());
            }
            took
        }))
        .await;
        if counts {
            let sends = (CONNECTIONS * SENDS_EACH) as f64;
            self.server_micros.push((cpu_micros(self.contender.process_id()) - before.0) / sends);
            self.redis_micros.push((cpu_micros(redis) - before.1) / sends);
            self.took.extend(took.into_iter().flatten());
        }
    }
}
