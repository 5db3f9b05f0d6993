//! What a reader costs that is 10,000 events behind: server CPU time and time an event until it has caught up. Our server
//! on Redis, on its embedded store, and the floor, which sends what one `LRANGE` gave it, take turns.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::contenders::Contender;
use crate::delivery::frame_bytes;
use crate::meter::{cpu_micros, median, rounded};
use crate::rounds::Rounds;
use crate::support::client::RoomKey;
use crate::support::redis_server::RedisServer;

const EVENTS: usize = 10_000;
const SENDERS: usize = 20;
const ROUNDS: usize = 7;
/// After so long no other round begins.
const ENOUGH: Duration = Duration::from_secs(40);

/// A room with a past, and what its rounds have cost.
struct Side {
    contender: Contender,
    room: RoomKey,
    start: Option<String>,
    cpu_micros: Vec<f64>,
    micros: Vec<f64>,
}

pub async fn run() -> Value {
    let redis = RedisServer::start().await;
    let frame_bytes = frame_bytes(&redis).await;
    let mut sides = [
        Side::new(Contender::on(&redis), 0).await,
        Side::new(Contender::embedded(), 0).await,
        Side::new(Contender::floor(&redis), frame_bytes).await,
    ];
    let mut rounds = Rounds::new(ROUNDS, ENOUGH);
    while let Some(counts) = rounds.next() {
        for side in &mut sides {
            side.round(counts).await;
        }
    }
    let [on_redis, embedded, floor] = sides.each_ref().map(|side| median(side.cpu_micros.clone()));
    let time = |i: usize| rounded(median(sides[i].micros.clone()), 1);
    json!({
        "events": EVENTS, "rounds": rounds.counted(), "frame_bytes": frame_bytes, "unit": "server CPU microseconds an event",
        "redis": rounded(on_redis, 2), "embedded": rounded(embedded, 2), "floor": rounded(floor, 2),
        "ratio": rounded(on_redis / floor, 2),
        "time_us_per_event": { "redis": time(0), "embedded": time(1), "floor": time(2) },
    })
}

impl Side {
    async fn new(contender: Contender, bytes: usize) -> Self {
        let room = contender.new_room().await;
        let start = contender.cursor(&room).await;
        let mut senders = join_all((0..SENDERS).map(|_| contender.sender(&room, bytes))).await;
        join_all(senders.iter_mut().map(async |sender| {
            for number in 0..EVENTS / SENDERS {
                sender.send(number).await;
            }
        }))
        .await;
        Self { contender, room, start, cpu_micros: vec![], micros: vec![] }
    }

    async fn round(&mut self, counts: bool) {
        let (before, start) = (cpu_micros(self.contender.process_id()), Instant::now());
        let mut line = self.contender.resume(&self.room, self.start.clone(), EVENTS).await;
        let mut heard = 0;
        while heard < EVENTS {
            line.frames(EVENTS - heard, |_| heard += 1).await;
        }
        let took = start.elapsed();
        if counts {
            self.cpu_micros.push((cpu_micros(self.contender.process_id()) - before) / EVENTS as f64);
            self.micros.push(took.as_secs_f64() * 1e6 / EVENTS as f64);
        }
        drop(line);
        self.contender.followers_become(&self.room, 0).await;
    }
}
